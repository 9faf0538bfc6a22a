"""Joins what a policy says of explanations with the data set that it names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from audit.policy.document import KeyPath
from audit.policy.problems import nearest, one_of, shortened
from audit.policy.reading import Reading
from audit.policy.schema import ExplainEntry
from audit.types import Dataset, Explaining

_PATH: KeyPath = ("explain",)


def explaining(
    entry: ExplainEntry | None, reading: Reading, datasets: Mapping[str, Dataset | None]
) -> Explaining | None:
    """Return how decisions are explained, or None where the policy does not say, or the problems say why not."""
    if entry is None:
        return None
    before = len(reading.problems)
    if entry.data not in datasets:
        reading.problems.at(
            (*_PATH, "data"),
            found=f"no data set {shortened(entry.data)!r}",
            expected=one_of(list(datasets)),
            do=nearest(entry.data, datasets),
        )
        return None
    if len(entry.baseline_inputs) == 1 or len(set(entry.baseline_inputs)) < len(entry.baseline_inputs):
        reading.problems.at(
            (*_PATH, "baseline_inputs"),
            found=" and ".join(entry.baseline_inputs),
            expected="two different baseline inputs: they are compared with each other",
        )
    data = datasets[entry.data]
    if data is None:
        return None  # what is wrong with it is told already
    allow = {
        name: tuple(reading.document.texts((*_PATH, "allow", name))) if values else ()
        for name, values in entry.allow.items()
    }
    _check_fields(entry, data, reading)
    _check_values(allow, data, reading)
    if len(reading.problems) > before:
        return None
    return Explaining(
        data=entry.data,
        template=entry.template,
        allow=allow,
        must_not_matter=tuple(entry.must_not_matter),
        words=dict(entry.words),
        margin=entry.margin,
        baseline_inputs=tuple(entry.baseline_inputs),
        place=reading.document.key_place(_PATH),
    )


def _check_fields(entry: ExplainEntry, data: Dataset, reading: Reading) -> None:
    """Every field that is named stands in the text: what does not, no change of it can be seen by the model."""
    names: list[tuple[KeyPath, str, bool]] = [(("allow", name), name, True) for name in entry.allow]
    names += [(("must_not_matter", i), name, False) for i, name in enumerate(entry.must_not_matter)]
    names += [(("words", name), name, True) for name in entry.words]
    fields = data.template.names
    for path, name, is_key in names:
        if name not in fields:
            reading.problems.at(
                (*_PATH, *path),
                key=is_key,
                found=f"the field `{shortened(name)}`, which is not in the text of the data set `{data.name}`",
                expected=one_of(fields),
                do=nearest(name, fields),
            )
    for name in entry.allow:
        if name in entry.must_not_matter:
            reading.problems.at(
                (*_PATH, "allow", name),
                key=True,
                found=f"the field `{shortened(name)}` among those that must not matter as well",
                expected="a field that may be changed, or one that must not matter",
            )


def _check_values(allow: Mapping[str, Sequence[str]], data: Dataset, reading: Reading) -> None:
    """An order names every value once: a step from or to one that it leaves out could not be counted."""
    for name, values in allow.items():
        present = list(dict.fromkeys(row.fields[name] for row in data.rows if name in row.fields))
        if not values or not present:
            continue
        lacking = [value for value in present if value not in values]
        extra = [value for value in values if value not in present]
        twice = len(set(values)) < len(values)
        if lacking or extra or twice:
            wrong = (
                f"an order without the value `{shortened(lacking[0])}`"
                if lacking
                else f"the value `{shortened(extra[0])}`, which no row has"
                if extra
                else "a value that stands in it twice"
            )
            reading.problems.at(
                (*_PATH, "allow", name),
                found=wrong,
                expected=f"each value of `{name}` once, from one end to the other: {one_of(present)}",
            )
