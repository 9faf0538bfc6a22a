"""The findings register: everything that a person has to decide about, with room for what they decide.

Nothing is filled in for anybody: owner, action, date, the decision on the remaining risk and a reviewer's dissent are
theirs. What was met has no entry; what could not be decided has one, because nobody may take it for settled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from audit.record import Record
from audit.report.findings import CheckView, Line
from audit.types import VERDICT_ORDER, Verdict

ARTICLE = "Article "


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A criterion, or a check without one, that came out as anything but met."""

    id: str
    """Check, then metric: it stays the same from run to run, so that decisions can be carried over."""
    check: CheckView
    verdict: Verdict
    line: Line | None
    """What decides it; None where nothing was measured."""
    reason: str
    hazards: tuple[str, ...]
    clauses: tuple[str, ...]
    """Regulation and the clauses of it that the check bears on, one text for each regulation."""


def entries(record: Record, checks: Iterable[CheckView]) -> tuple[Entry, ...]:
    """Return the register, worst verdicts first, else in the order of the policy."""
    found = [entry for check in checks for entry in _of_check(record, check)]
    return tuple(sorted(found, key=lambda entry: VERDICT_ORDER.index(entry.verdict)))


def _of_check(record: Record, check: CheckView) -> list[Entry]:
    hazards = tuple(need.id for need in record.requirements if check.part.id in need.checks)
    clauses = bears_on(record, check)
    ids = _ids(check)
    out = [
        Entry(
            id=name, check=check, verdict=c.criterion.verdict, line=c.deciding if c.deciding and c.deciding.measurement
            else None, reason=c.criterion.reason, hazards=hazards, clauses=clauses,
        )
        for name, c in zip(ids, check.criteria, strict=True)
        if c.criterion.verdict is not Verdict.MET
    ]  # fmt: skip
    verdict = check.part.verdict
    if not check.criteria and verdict not in {None, Verdict.MET}:
        assert verdict is not None
        out.append(
            Entry(
                id=check.part.id, check=check, verdict=verdict, line=None, reason=check.part.reason, hazards=hazards,
                clauses=clauses,
            )
        )  # fmt: skip
    return out


def _ids(check: CheckView) -> Sequence[str]:
    seen: Counter[str] = Counter()
    out = []
    for criterion in check.criteria:
        metric = criterion.criterion.metric
        seen[metric] += 1
        out.append(f"{check.part.id}/{metric}" + (f"/{seen[metric]}" if seen[metric] > 1 else ""))
    return out


def bears_on(record: Record, check: CheckView) -> tuple[str, ...]:
    """Return, for each regulation, the names of the clauses that a check supports or informs."""
    out = []
    for regulation in record.regulations:
        named = [clause.name for clause in regulation.clauses if check.part.id in clause.relations]
        if named:
            out.append(f"{regulation.id}: {_together(named)}")
    return tuple(out)


def _together(names: Sequence[str]) -> str:
    """Return names in a list; of several articles the word is said once."""
    articles = [name.removeprefix(ARTICLE) for name in names if name.startswith(ARTICLE)]
    if len(articles) < 2:
        return "; ".join(names)
    return "; ".join((f"Articles {', '.join(articles)}", *(name for name in names if not name.startswith(ARTICLE))))
