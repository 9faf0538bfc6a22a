"""The list of all runs made under a policy, as reports print it: no run is left out of the count."""

from __future__ import annotations

from dataclasses import dataclass

from audit.record import Record
from audit.report import view
from audit.types import KnownRun, Verdict

PRINTED = 40
"""Runs that are printed, the latest of them; the record lists more."""

_SHORT = 12
"""Hexadecimal digits by which a digest is told from others in a table."""

_NOTED = 3
"""Keys set on the command line that a line names; the rest is counted."""


@dataclass(frozen=True, kw_only=True)
class Try:
    """A line of the list."""

    begun: str
    model: str
    policy: str
    verdict: Verdict | None
    outcome: str
    """What came of it, where there is no verdict to show, and the exit code."""
    notes: tuple[str, ...]
    this: bool


@dataclass(frozen=True, kw_only=True)
class Tries:
    """The list, and what it leaves out."""

    told: str
    """How many runs there are, and how many of them on this model, in a sentence."""
    knows: str
    """What the list cannot know."""
    lines: tuple[Try, ...]
    further: int
    """Runs that are counted and not printed."""


def tries(record: Record) -> Tries | None:
    """Return the list of a record, the latest run first; None for a record from before runs were listed."""
    part = record.runs
    if part is None:
        return None
    lines = tuple(_line(record, run) for run in reversed(part.runs[-PRINTED:]))
    return Tries(told=_told(record), knows=_knows(record), lines=lines, further=part.known - len(lines))


def _told(record: Record) -> str:
    part = record.runs
    assert part is not None
    if part.known == 1:
        return f"This is the only run of the policy {record.policy.id} that is known here."
    said = f"{view.count(part.known)} runs of the policy {record.policy.id} are known here, this one included"
    if len(part.runs) == part.known:
        on_this = sum(run.model_digest == record.model.digest for run in part.runs)
        said += f"; {view.count(on_this)} of them on this model"
    if part.unfinished:
        said += f"; {view.count(part.unfinished)} came to no end that was noted"
    return f"{said}."


def _knows(record: Record) -> str:
    part = record.runs
    assert part is not None
    read = "this machine’s store" + (" and the history of runs" if part.history else "")
    unread = f" A history was given and could not be read: {view.sentence(part.unread)}" if part.unread else ""
    return (
        f"The list is what {read} noted, under whatever version of the policy. Runs made elsewhere, with another store "
        f"or under another id, and runs whose list was deleted, are not in it.{unread}"
    )


def _line(record: Record, run: KnownRun) -> Try:
    same = run.model_digest == record.model.digest
    version = f"version {run.policy_version}" if run.policy_version else ""
    text = "this text" if run.policy_sha256 == record.policy.sha256 else run.policy_sha256[:_SHORT]
    return Try(
        begun=_when(run.begun),
        model="this model" if same else run.model_digest[:_SHORT],
        policy=", ".join(part for part in (version, text) if part) or "not noted",
        verdict=run.verdict,
        outcome=_outcome(run),
        notes=tuple(_notes(run)),
        this=run.this,
    )


def _when(text: str) -> str:
    """Return a time as it is printed, or as it stands where it is none: a list may have been edited."""
    try:
        return view.when(text)
    except ValueError:
        return text


def _outcome(run: KnownRun) -> str:
    if not run.ended:
        return "no end noted: broken off, void, or still going on"
    if run.exit_code is None:
        return "ended; how was not noted"
    return f"exit code {run.exit_code}" if run.verdict else f"nothing judged; exit code {run.exit_code}"


def _notes(run: KnownRun) -> list[str]:
    out = ["this run"] if run.this else []
    if run.interruptions:
        out.append(f"broken off and gone on with {'once' if run.interruptions == 1 else f'{run.interruptions} times'}")
    if run.changed:
        more = f" and {len(run.changed) - _NOTED} more" if len(run.changed) > _NOTED else ""
        out.append(f"set on the command line: {', '.join(run.changed[:_NOTED])}{more}")
    if run.history is not None:
        out.append(f"run {run.history} of the history")
    return out
