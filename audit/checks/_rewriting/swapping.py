"""How a protected attribute is swapped, and which cases that lets one compare.

Every comparison is between one value of an attribute and a reference, case by case. The three ways of swapping
differ in where the counterparts come from: matched forms (names by sex), a list of values, or rows that the data
already hold. What counts as independent comes from the same place, so it is settled here too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from audit.checks import _fields
from audit.types import Dataset, ParamProblem, Row, TableParam

# Two ways of clustering are what a variance is known for (Cameron, Gelbach & Miller 2011).
MOST_CLUSTER_COLUMNS = 2


class Swap(BaseModel):
    """How one attribute is swapped: by pairs, by a list of values, or by matching rows of the data."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    from_: Annotated[str, Field(alias="from", description="The field whose value carries the attribute.")]
    pairs: Annotated[
        TableParam | None,
        Field(
            description="Matched forms, one column per attribute value (for example female,male); a CSV path or rows."
        ),
    ] = None
    values: Annotated[
        tuple[str, ...] | None, Field(description="The field takes each of these values in every case.", min_length=2)
    ] = None
    matched_by: Annotated[
        tuple[str, ...] | None,
        Field(description="The data hold the counterparts: rows that agree in these fields.", min_length=1),
    ] = None
    reference: Annotated[
        tuple[str, ...],
        Field(description="Value or values that the others are compared with; of several, their mean score is taken."),
    ] = ()

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if sum(way is not None for way in (self.pairs, self.values, self.matched_by)) != 1:
            raise ValueError("give exactly one of pairs, values and matched_by")
        if self.values is not None and not self.reference:
            raise ValueError("values needs a reference: which of them the others are compared with")
        if self.pairs is not None and len({tuple(row) for row in self.pairs}) != 1:
            raise ValueError("every row of pairs needs the same columns")
        return self


@dataclass(frozen=True, kw_only=True)
class Case:
    """One case: its text with the value in question, and with each reference value."""

    row: int
    """Where the data hold it (of matched rows, the first)."""
    text: str
    references: tuple[str, ...]
    clusters: tuple[str, ...]
    stratum: str


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """All cases that compare one attribute value with the reference."""

    group: str
    reference: str
    cases: tuple[Case, ...]
    left_out: int = 0
    """Further things that cases share, for which the intervals do not allow."""

    @property
    def clusters(self) -> tuple[list[str], ...]:
        """Return, for each thing that cases share, the label of every case."""
        return tuple(list(column) for column in zip(*(case.clusters for case in self.cases), strict=True))


def comparisons(swap: Swap, strata: Sequence[str], data: Dataset) -> list[Comparison]:
    """Return every comparison of a value with the reference that the data allow; values without cases have none."""
    versions = _matched(swap, data) if swap.matched_by is not None else _rewritten(swap, data)
    values = sorted({value for version in versions for value in version.texts})
    reference = swap.reference or (_default_reference(swap, values),)
    out = []
    for value in values:
        others = tuple(v for v in reference if v != value)
        both = [v for v in versions if value in v.texts and all(other in v.texts for other in others)]
        if both and others:
            columns = _columns(both, value, others)[:MOST_CLUSTER_COLUMNS]
            clusters = list(zip(*columns, strict=True)) if columns else [(version.name,) for version in both]
            cases = tuple(
                Case(
                    row=version.row,
                    text=version.texts[value],
                    references=tuple(version.texts[v] for v in others),
                    clusters=labels,
                    stratum=", ".join(f"{name} is {data.rows[version.row].fields[name]}" for name in strata),
                )
                for version, labels in zip(both, clusters, strict=True)
            )
            left_out = max(0, len(_columns(both, value, others)) - MOST_CLUSTER_COLUMNS)
            out.append(Comparison(group=value, reference=_named(others), cases=cases, left_out=left_out))
    return out


def _columns(versions: Sequence[_Version], value: str, others: Sequence[str]) -> list[tuple[str, ...]]:
    """Return what cases share, a column each.

    Where the two sides of a case differ in it (matched rows with names of their own), each side is a column:
    a name that returns among the references makes cases depend as much as one that returns among the values.
    """
    own = list(zip(*(version.shared[value] for version in versions), strict=True))
    other = list(zip(*(version.shared[others[0]] for version in versions), strict=True))
    return own + [column for column, same in zip(other, own, strict=True) if column != same]


def _named(references: Sequence[str]) -> str:
    if len(references) == 1:
        return references[0]
    return f"{', '.join(references[:-1])} and {references[-1]} on average"


def _default_reference(swap: Swap, values: Sequence[str]) -> str:
    """Without a named reference the last column of the pairs, or the last value, stands as one."""
    return list(swap.pairs[0])[-1] if swap.pairs is not None else values[-1]


# ---- the versions of a case ----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Version:
    """A case with its text by attribute value."""

    row: int
    name: str
    """What tells it from other cases: its cluster where cases share nothing."""
    texts: Mapping[str, str]
    shared: Mapping[str, tuple[str, ...]]
    """By attribute value as well: matched rows need not agree in what they share with others."""


def _rewritten(swap: Swap, data: Dataset) -> list[_Version]:
    """Write every case once per attribute value; cases that become the same texts count once."""
    forms: dict[str, tuple[str, Mapping[str, str]]] = {}
    if swap.pairs is not None:
        for number, pair in enumerate(swap.pairs):
            forms |= dict.fromkeys(pair.values(), (f"pair {number + 1}", pair))
    else:
        alike = dict(zip(swap.values or (), swap.values or (), strict=True))
        forms = dict.fromkeys((*alike, *(row.fields[swap.from_] for row in data.rows)), ("", alike))
    out: dict[tuple[str, ...], _Version] = {}
    for index, row in enumerate(data.rows):
        if row.fields[swap.from_] not in forms:
            continue
        pair_name, pair = forms[row.fields[swap.from_]]
        texts = {value: data.rendered({**row.fields, swap.from_: form}, row).text for value, form in pair.items()}
        # Cases that share a pair of forms are one cluster, whichever of the two they came with.
        shared = ((pair_name,) if pair_name else ()) + _shared(row, swap, data)
        frame = tuple(texts.values())
        out.setdefault(frame, _Version(row=index, name=frame[0], texts=texts, shared=dict.fromkeys(texts, shared)))
    return list(out.values())


def _matched(swap: Swap, data: Dataset) -> list[_Version]:
    """Gather rows that agree in the matching fields; the attribute tells them apart. Unknown is no value of it."""
    assert swap.matched_by is not None
    sets: dict[tuple[str, ...], dict[str, int]] = {}
    for index, row in enumerate(data.rows):
        if row.fields[swap.from_]:
            key = tuple(row.fields[name] for name in swap.matched_by)
            sets.setdefault(key, {}).setdefault(row.fields[swap.from_], index)
    return [
        _Version(
            row=min(rows.values()),
            name="|".join(key),
            texts={value: data.rows[index].text for value, index in rows.items()},
            shared={value: _shared(data.rows[index], swap, data) for value, index in rows.items()},
        )
        for key, rows in sets.items()
        if len(rows) > 1
    ]


def _shared(row: Row, swap: Swap, data: Dataset) -> tuple[str, ...]:
    """Return what a case shares with others; the swapped field itself is no such thing, for it changes."""
    return tuple(row.fields[column] for column in data.cluster if column != swap.from_)


# ---- before the run ------------------------------------------------------------------------------


def problems(attribute: str, swap: Swap, data: Dataset) -> Iterator[ParamProblem]:
    """Say what is wrong with one entry of ``swap`` given the data."""
    at = ("swap", attribute)
    fields = set(data.rows[0].fields)
    named: list[tuple[tuple[str | int, ...], str]] = [((*at, "from"), swap.from_)]
    named += [((*at, "matched_by", i), name) for i, name in enumerate(swap.matched_by or ())]
    if missing := _fields.missing(named, fields):
        yield from missing
        return
    if swap.matched_by is None and swap.from_ not in data.template.names:
        yield ParamProblem(
            at=(*at, "from"),
            found=f"the field {swap.from_!r} does not stand in the text, so swapping it changes nothing",
            expected=f"a field of the text: {_fields.one_of(set(data.template.names))}",
        )
        return
    known = _attribute_values(swap, data)
    for i, value in enumerate(swap.reference):
        if value not in known:
            yield ParamProblem(
                at=(*at, "reference", i), found=f"{value!r} has no cases", expected=_fields.one_of(known)
            )
        elif value in swap.reference[:i]:
            yield ParamProblem(at=(*at, "reference", i), found=f"{value!r} a second time", expected="each value once")
    yield from _ambiguous_pairs(at, swap)
    if not comparisons(swap, (), data):
        yield ParamProblem(
            at=at,
            found="no case has a counterpart",
            expected=f"rows whose {swap.from_!r} is found in the pairs, or that match another row",
        )


def _ambiguous_pairs(at: tuple[str, ...], swap: Swap) -> Iterator[ParamProblem]:
    """Refuse a form of several pairs: its counterpart would be a guess, and pairs that share one no clusters."""
    first: dict[str, int] = {}
    for i, pair in enumerate(swap.pairs or ()):
        for form in dict.fromkeys(pair.values()):
            if form in first:
                yield ParamProblem(
                    at=(*at, "pairs", i),
                    found=f"{form!r} in pair {i + 1}, which pair {first[form] + 1} has already",
                    expected="each form in one pair, so that every case has one counterpart",
                )
            first.setdefault(form, i)


def _attribute_values(swap: Swap, data: Dataset) -> set[str]:
    if swap.pairs is not None:
        return set(swap.pairs[0])
    return set(swap.values) if swap.values is not None else {row.fields[swap.from_] for row in data.rows} - {""}
