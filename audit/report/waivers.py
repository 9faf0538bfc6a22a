"""What a report says of waivers, in the same words in every format."""

from __future__ import annotations

from dataclasses import dataclass

from audit.record import Record
from audit.report import freezing, view
from audit.types import Person, Waiver


@dataclass(frozen=True, kw_only=True)
class WaiverView:
    """A waiver as it is printed."""

    scope: str
    """What is waived: ``the criterion on score_gap of swap-gap``."""
    owner: str
    reason: str
    expires: str
    effect: str
    """What it does to the exit code."""
    results: str
    """How the waived checks came out, whatever the waiver says."""
    line: int

    @property
    def told(self) -> str:
        """The waiver in a sentence or two, for formats without tables."""
        return (
            f"Waived until {self.expires}: {self.scope} ({self.results}). Owner: {self.owner}. "
            f"Reason: {view.sentence(self.reason)} {self.effect}"
        )


def views(record: Record) -> tuple[WaiverView, ...]:
    """Return the waivers of a record in the order of its policy."""
    return tuple(
        WaiverView(
            scope=_scope(waiver),
            owner=_owner(waiver.owner),
            reason=" ".join(waiver.reason.split()),
            expires=view.date(waiver.expires),
            effect="This waiver takes nothing out of the exit code."
            if waiver.stops
            else "By the waiver's own word (stops: false) it does not count for the exit code.",
            results=", ".join(_result(record, waiver, name) for name in waiver.checks),
            line=waiver.place.line,
        )
        for waiver in record.policy.waivers
    )


def departures(record: Record) -> tuple[str, ...]:
    """Return why the report may not say that every criterion fixed before the run was met; none where it may."""
    waivers = len(record.policy.waivers)
    return (
        *(("values changed on the command line",) if record.policy.overrides else ()),
        *(("criteria that are not those frozen before the run",) if freezing.departs(record) else ()),
        *((f"{waivers} waiver{'' if waivers == 1 else 's'} in force",) if waivers else ()),
    )


def _scope(waiver: Waiver) -> str:
    if waiver.hazard:
        return f"every check of the hazard {waiver.hazard}"
    if waiver.criterion:
        return f"the criterion on {waiver.criterion} of {waiver.check}"
    return f"the check {waiver.check}"


def _owner(person: Person) -> str:
    stated = ", ".join(part for part in (person.name, person.function) if part) or view.NOT_SUPPLIED
    return f"{stated}; {view.date(person.on)}" if person.on else stated


def _result(record: Record, waiver: Waiver, name: str) -> str:
    part = next((check for check in record.checks if check.id == name), None)
    if part is None:
        return f"{name}: {view.NOT_MEASURED}"
    judged = [c.verdict for c in part.criteria if c.metric == waiver.criterion] if waiver.criterion else [part.verdict]
    return f"{name}: {'; '.join(view.VERDICT_WORDS[verdict] for verdict in judged)}"
