"""The list of all runs made under a policy, as far as this machine's store and a history know them.

A run that is repeated until it passes leaves its earlier tries in the list, and the list is in the record, so that
whoever reads a report of the last try sees the others. It shows what was noted where this run was made: another
machine, another store or a list that was deleted holds runs that are not in it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from audit.errors import UserError
from audit.record import Record, RunsPart
from audit.types import KnownRun, Verdict, worst

if TYPE_CHECKING:
    from audit.capture.runs import Begun

LISTED = 500
"""Runs that a record lists, the latest of them; all of them are counted."""


def known(policy: str, root: Path, begun: Begun, where: str | None) -> RunsPart:
    """List the runs of a policy that a store knows, and a history where one is given.

    A history that cannot be read keeps no run from ending; the record says that it was not.
    """
    from audit.capture import runs

    stored = runs.known(root, policy, this=begun)
    if where is None:
        return runs_part(stored)
    from audit import history

    try:
        return runs_part(stored, history.known(where, policy))
    except UserError as error:
        return runs_part(stored, unread=error.problems[0].found)


def worst_of(record: Record) -> Verdict | None:
    """Return the worst verdict of a record's checks; None where none was judged."""
    judged = [part.verdict for part in record.checks if part.verdict is not None]
    return worst(judged) if judged else None


def runs_part(stored: Sequence[KnownRun], entered: Sequence[KnownRun] | None = None, *, unread: str = "") -> RunsPart:
    """Return what a record says of the runs of its policy, the oldest first.

    Parameters
    ----------
    stored
        Runs that the store's list holds.
    entered
        Runs that the history holds; None where none was given, or where it could not be read.
    unread
        Why the history that was given could not be read.
    """
    runs = _merged(stored, entered or ())
    return RunsPart(
        runs=tuple(runs[-LISTED:]),
        known=len(runs),
        unfinished=sum(not run.ended and not run.this for run in runs),
        history=entered is not None,
        unread=unread,
    )


def _merged(stored: Sequence[KnownRun], entered: Sequence[KnownRun]) -> list[KnownRun]:
    """Join the lists: a run that both know begins at the same second and is of the same model and outcome."""
    waiting: dict[tuple[datetime, str, int | None], list[KnownRun]] = defaultdict(list)
    for run in entered:
        waiting[_key(run)].append(run)
    out = []
    for run in stored:
        same = waiting[_key(run)]
        out.append(replace(run, history=same.pop(0).history) if same else run)
    out += [run for rest in waiting.values() for run in rest]
    return sorted(out, key=lambda run: (_moment(run.begun), run.history or 0))


def _key(run: KnownRun) -> tuple[datetime, str, int | None]:
    return _moment(run.begun), run.model_digest, run.exit_code


def _moment(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return at if at.tzinfo else at.replace(tzinfo=UTC)
