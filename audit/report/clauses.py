"""What the checks of an audit have to say to a clause, and what a documentation item holds.

Only a check that measured something has anything to say: one that was not assessed is named, and counts for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from audit.record import ClausePart, ItemPart, RegulationPart
from audit.report import supplied
from audit.report.findings import CheckView
from audit.report.supplied import Fact
from audit.types import Relation, Verdict

STATUS_WORDS: Mapping[str, str] = {
    "in_force": "in force",
    "applies_later": "applies later",
    "draft": "draft",
    "voluntary": "voluntary",
    "repealed": "repealed",
}

INSTRUCTIONS = "eu-ai-act/13/3/b/"
"""Clauses on what instructions for use state."""


@dataclass(frozen=True, kw_only=True)
class Bearing:
    """A check that bears on a clause."""

    check: CheckView
    relation: Relation
    measured: bool


@dataclass(frozen=True, kw_only=True)
class Held:
    """What a report holds towards a documentation item."""

    state: str
    checks: tuple[CheckView, ...]
    stated: tuple[str, ...] = ()
    """Titles of the facts that the provider stated towards it."""


def bearing(checks: Sequence[CheckView], clause: ClausePart) -> tuple[Bearing, ...]:
    """Return the checks that bear on a clause: those that support it first."""
    out = [
        Bearing(check=check, relation=clause.relations[check.part.id], measured=_measured(check))
        for check in checks
        if check.part.id in clause.relations
    ]
    return tuple(sorted(out, key=lambda found: found.relation != "supports"))


def held(checks: Sequence[CheckView], item: ItemPart, facts: Sequence[Fact] = ()) -> Held:
    """Return what the report holds towards an item: never more than was measured or stated.

    ``facts`` are those that belong to the item. What the provider states is told apart from what was measured, and
    one blank among them leaves the item to be supplied.
    """
    meant = tuple(check for check in checks if check.part.id in item.checks and _measured(check))
    empty = not item.here or (item.needs_checks and not meant)
    stated = supplied.titles(facts)
    if item.by == "provider" or empty:
        state = "provider to supply"
        if stated:
            state = "stated by the provider" if len(stated) == len(facts) else "stated by the provider in part"
    else:
        state = "evidenced here, for the checks named" if item.by == "audit" else "partial"
        if stated:
            state += "; more stated by the provider"
    return Held(state=state, checks=meant, stated=stated)


def extract(regulations: Sequence[RegulationPart]) -> tuple[ClausePart, ...]:
    """Return the clauses on instructions for use, where the AI Act is among the regulations."""
    return tuple(
        clause for regulation in regulations for clause in regulation.clauses if clause.id.startswith(INSTRUCTIONS)
    )


def _measured(check: CheckView) -> bool:
    return bool(check.part.measurements) and check.part.verdict is not Verdict.NOT_ASSESSED
