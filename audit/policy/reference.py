"""The reference of what a policy may say: every key, every check with its parameters, and what each number means.

It is made from the code that reads policies, so it says what holds; ``docs/reference.md`` is this text, and a test
keeps it so. It is written for someone who has never seen the code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from audit.errors import user_error
from audit.policy import strict_yaml
from audit.policy.key_tables import Key, keys
from audit.policy.problems import nearest, one_of, shortened
from audit.policy.schema import CheckEntry, CriterionEntry, PolicyFile
from audit.registry import SECTIONS, CheckType
from audit.types import Metric, Worse

COMMAND = "inspectoscope policy reference > docs/reference.md"
_INTRO = """\
# Reference: what a policy may say

Made from the code with `{command}`, so it says what the installed version reads.
`inspectoscope policy reference CHECK` prints one check on the terminal. [Writing a policy](policies.md) explains how
the parts go together, [the tutorial](tutorial.md) builds a policy and a check from nothing.

## How to read it

A **key** is named from the part that it stands in: `swap.NAME.from` is the key `from` in what stands under a name of
your own choice under `swap`, and `[]` stands for each item of a list. *Required* keys must be there; of the others the
default is given, and where there is none, leaving the key out means doing without.

A **metric** is a number that a check measures; a criterion is a bound on one. Which way it is bad is said under
*worse*. The *null value* says that nothing is there, such as 0 for a gap or 0.5 for a coin; the *ideal* is what a
model without fault would have, and is left open (–) where there is no such value. *May carry a criterion* says whether
a policy may set a bound; a number that may not is printed beside the others and decides nothing.

Bounds are written in the metric's own unit, never as percentages: two points are `0.02`.

| unit | what it is |
| --- | --- |
| share, probability | from 0 to 1; reports print a share as a percentage |
| points | a difference of two shares, from -1 to 1; reports print it times 100 |
| score | the score of the decision: the probability of the positive one, or the log-probability of a text |
| AUROC | from 0 to 1: how often a positive case ranks above a negative one; 0.5 is chance |
| ratio | of one rate to another; 1 is equal |
| correlation | from -1 to 1 |
| nats, logit | differences of natural logarithms of probabilities, without limit |
| Brier | mean squared distance of a probability from what came, from 0 to 1 |
"""
_WORSE = {Worse.HIGHER: "higher", Worse.LOWER: "lower", Worse.AWAY: "away from the null value"}
_LONGEST_EXAMPLE = 45
"""Lines of an example from a shipped policy."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """An entry of a shipped policy."""

    policy: str
    lines: Sequence[str]


def page(check_types: Mapping[str, CheckType], shipped: Sequence[Path]) -> str:
    """Return the whole reference as Markdown."""
    examples = _examples(shipped)
    lines = [_INTRO.format(command=COMMAND), "## Checks", ""]
    lines += [f"- [`{check.name}`](#{_anchor(check)}): {check.title}" for check in check_types.values()]
    lines += ["", *_policy_keys()]
    for check in check_types.values():
        lines += ["", *_check(check, examples.get(check.name))]
    return "\n".join(lines).rstrip() + "\n"


def one(name: str, check_types: Mapping[str, CheckType], shipped: Sequence[Path]) -> str:
    """Return what the reference says of one check.

    Raises
    ------
    UserError
        When there is no such check.
    """
    check = named_check(name, check_types, where="policy reference")
    return "\n".join(_check(check, _examples(shipped).get(name))) + "\n"


def named_check(name: str, check_types: Mapping[str, CheckType], *, where: str) -> CheckType:
    """Return a check type by the name that a user gave.

    Raises
    ------
    UserError
        When there is no such check.
    """
    if name not in check_types:
        raise user_error(
            "There is no such check",
            where=where,
            found=shortened(name),
            expected=one_of(list(check_types)),
            do=nearest(name, check_types) or "a check of your own is given before the command: --check-module FILE",
        )
    return check_types[name]


# ---- the parts of a policy -----------------------------------------------------------------------


def _policy_keys() -> Iterator[str]:
    schema = PolicyFile.model_json_schema(by_alias=True)
    apart = {"data": "Data sets", "hazards": "Hazards", "waivers": "Waivers"}
    found = keys(schema)
    yield "## Keys of a policy"
    yield ""
    yield from _table(
        key for key in found if not key.path.startswith((*(f"{part}." for part in apart), "hazards[", "waivers["))
    )
    for part, title in apart.items():
        before = re.compile(rf"{part}(\[\]|\.NAME)\.")
        yield ""
        yield f"### {title} (`{part}`)"
        yield ""
        yield from _table(key for key in found if before.match(key.path))
    yield ""
    yield "### Keys that every check has (`checks`)"
    yield ""
    yield "All other keys of a check are parameters of its type, which its own section below lists."
    yield ""
    yield from _table(keys(CheckEntry.model_json_schema(by_alias=True)))
    yield ""
    yield "### Criteria of a check (`criteria`)"
    yield ""
    yield from _table(keys(CriterionEntry.model_json_schema(by_alias=True)))


def _table(found: Iterator[Key] | Sequence[Key]) -> Iterator[str]:
    yield "| key | what may stand there | default | meaning |"
    yield "| --- | --- | --- | --- |"
    for key in found:
        yield f"| `{key.path}` | {_cell(key.kind)} | {_cell(key.default)} | {_cell(key.meaning)} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


# ---- a check -------------------------------------------------------------------------------------


def _anchor(check: CheckType) -> str:
    return check.name


def _check(check: CheckType, example: Example | None) -> Iterator[str]:
    yield f'<a id="{_anchor(check)}"></a>'
    yield ""
    yield f"## `{check.name}`: {check.title}"
    yield ""
    summary = check.method[""]
    said = "" if summary.rstrip(".?") == check.title else f"{summary} "
    yield f"{said}(Version {check.version} of the method.)"
    for section in SECTIONS:
        yield from ("", f"**{section}.** {check.method[section]}")
    yield from ("", "### Parameters", "")
    parameters = keys(check.params.model_json_schema(by_alias=True))
    yield from _table(parameters) if parameters else ["It has none."]
    yield from ("", "### Metrics", "")
    yield from _metrics(check.metrics)
    if example is not None:
        yield from ("", f"### An entry of the shipped policy `{example.policy}`", "", "```yaml", "checks:")
        yield from (*example.lines, "```")


def _metrics(metrics: Sequence[Metric]) -> Iterator[str]:
    yield "| metric | what it is | unit | worse | null value | ideal | may carry a criterion |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for metric in metrics:
        cells = (
            f"`{metric.name}`",
            _cell(f"{metric.title}. {metric.meaning}"),
            metric.unit,
            _WORSE[metric.worse],
            _number(metric.null),
            _number(ideal(metric)),
            _cell(_judged(metric)),
        )
        yield f"| {' | '.join(cells)} |"


def ideal(metric: Metric) -> float | None:
    """Return the value of a model without fault: the metric's own, or its null value where none is better."""
    if metric.ideal is not None:
        return metric.ideal
    return None if metric.worse is Worse.LOWER else metric.null


def _judged(metric: Metric) -> str:
    if metric.descriptive:
        return f"no: {metric.why_descriptive}" if metric.why_descriptive else "no"
    if metric.judged_with:
        return "yes; it also binds " + ", ".join(f"`{name}`" for name in metric.judged_with)
    return "yes"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


# ---- examples ------------------------------------------------------------------------------------


def _examples(shipped: Sequence[Path]) -> dict[str, Example]:
    """Return the first entry of each check type in the shipped policies, of those short enough to be read."""
    out: dict[str, Example] = {}
    for path in shipped:
        document = strict_yaml.read(path.read_bytes(), path.name)
        entries = document.data.get("checks", [])
        starts = [document.place_of(("checks", index)).line for index in range(len(entries))]
        for entry, start in zip(entries, starts, strict=True):
            lines = _entry(document.lines, start)
            if len(lines) <= _LONGEST_EXAMPLE:
                out.setdefault(entry["check"], Example(policy=path.stem, lines=lines))
    return out


def _entry(lines: Sequence[str], start: int) -> list[str]:
    """Return the lines of a list's item: its first, and all that are indented deeper than its dash."""
    indent = len(lines[start - 1]) - len(lines[start - 1].lstrip())
    taken = [lines[start - 1]]
    for line in lines[start:]:
        if line.strip() and len(line) - len(line.lstrip()) <= indent:
            break
        taken.append(line)
    while not taken[-1].strip():
        taken.pop()
    return taken
