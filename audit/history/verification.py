"""Says what a record and a history tell about each other: what was edited, what was removed, what is not covered."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from audit.attestation import Standing, Statement
from audit.errors import UserError
from audit.history import chain
from audit.history.chain import Fault, Link
from audit.history.entries import FACTS, facts
from audit.history.opening import EVERY, opened
from audit.record import HistoryPart, Record, content_of
from audit.redaction import identity
from audit.text import printable

if TYPE_CHECKING:
    from audit.history.sql import Stored

MOST_FAULTS = 20
"""More are counted: a history that was written over whole needs no list of its runs."""

THE_RECORD = "the record's place in its history"
THE_HISTORY = "the history of runs"


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """What was read of a history."""

    id: str | None
    links: tuple[Link, ...]
    faults: tuple[Fault, ...]

    @property
    def newest(self) -> int:
        return self.links[-1].number if self.links else 0


def check(where: str | None, record: Record, *, source: bytes | None = None) -> tuple[Statement, ...]:
    """Say whether a history is whole and holds a record as it is.

    Parameters
    ----------
    where
        Address of the history; without one only the record's own account of its place can be looked at.
    source
        The record's file. Its digest is taken from these bytes where they are given: a record that an older version
        wrote may be written otherwise by this one.

    Raises
    ------
    UserError
        When the history cannot be read.
    """
    content = record.content() if source is None else content_of(json.loads(source))
    digest, carried = identity(content), record.history
    own = _own(carried, digest)
    if where is None:
        return _printable(*own, _unseen(carried))
    seen = _read(where)
    place = _place(carried, digest, seen)
    return _printable(*own, *_broken(seen.faults), place, *_reach(carried, place, seen))


def _printable(*said: Statement) -> tuple[Statement, ...]:
    """Return statements that can be shown anywhere: they quote what somebody may have written into a database."""
    return tuple(replace(each, says=printable(each.says)) for each in said)


# ---- what the record says by itself --------------------------------------------------------------


def _own(carried: HistoryPart | None, digest: str) -> tuple[Statement, ...]:
    if carried is None:
        return ()
    if digest != carried.record:
        says = f"The record is not as it was entered: its digest is {digest}, and {carried.record} was entered."
    elif not chain.follows(_link(carried)):
        says = f"The head {carried.head} is not the digest of what the record says beside it: its place was edited."
    else:
        return ()
    return (Statement(about=THE_RECORD, standing=Standing.BROKEN, says=says),)


def _unseen(carried: HistoryPart | None) -> Statement:
    if carried is None:
        says = "The record was entered into no history; whether runs were left out cannot be seen."
        return Statement(about=THE_RECORD, standing=Standing.NOT_COVERED, says=says)
    says = (
        f"The record says that it is run {carried.number} of the history {carried.id}, under the head {carried.head}; "
        "no history was given to see it in."
    )
    return Statement(about=THE_RECORD, standing=Standing.ASSERTED, says=says)


def _link(carried: HistoryPart) -> Link:
    return Link(
        number=carried.number,
        entered=carried.entered,
        record=carried.record,
        previous=carried.previous,
        head=carried.head,
    )


# ---- what the history says by itself -------------------------------------------------------------


def _read(where: str) -> _Seen:
    with opened(where) as store:
        history = store.history()
        if history is None:
            return _Seen(id=None, links=(), faults=())
        links: list[Link] = []
        found: list[Fault] = []
        for stored in store.stored(EVERY):
            links.append(stored.entry.link)
            found += _edited(stored)
    found += chain.faults(history, links)
    return _Seen(id=history, links=tuple(links), faults=tuple(sorted(found, key=lambda fault: fault.number)))


def _edited(stored: Stored) -> Iterator[Fault]:
    link = stored.entry.link
    digest = identity(stored.record)
    if digest != link.record:
        says = f"The record of run {link.number} was edited: its digest is {digest}, and {link.record} was entered."
        yield Fault(number=link.number, says=says)
        return
    try:
        known = facts(json.loads(stored.record))
    except (ValueError, KeyError, TypeError, UserError):
        yield Fault(number=link.number, says=f"What run {link.number} holds is no record: it was replaced.")
        return
    for name in FACTS:
        if (listed := getattr(stored.entry, name)) != known[name]:
            says = (
                f"Run {link.number} is listed with the {name.replace('_', ' ')} {listed!r}, "
                f"and its record says {known[name]!r}: the list was edited."
            )
            yield Fault(number=link.number, says=says)


def _broken(faults: Sequence[Fault]) -> Iterator[Statement]:
    for fault in faults[:MOST_FAULTS]:
        yield Statement(about=f"run {fault.number} of the history", standing=Standing.BROKEN, says=fault.says)
    if (more := len(faults) - MOST_FAULTS) > 0:
        yield Statement(about=THE_HISTORY, standing=Standing.BROKEN, says=f"There are {more} more such faults.")


# ---- what they say about each other --------------------------------------------------------------


def _place(carried: HistoryPart | None, digest: str, seen: _Seen) -> Statement:
    if carried is None:
        return _looked_up(digest, seen)
    held = next((link for link in seen.links if link.number == carried.number), None)
    standing = Standing.BROKEN
    if seen.id is None:
        says = f"The record says that it is run {carried.number}, and the history given holds no run."
    elif carried.id != seen.id:
        says = (
            f"The record belongs to the history {carried.id}, and the one given is {seen.id}: "
            "it is another one, or was begun anew."
        )
    elif carried.number > seen.newest:
        says = f"{_runs(seen.newest + 1, carried.number)} removed: the record is run {carried.number}, and the history "
        says += f"ends with run {seen.newest}."
    elif held is None:
        says = f"The record is run {carried.number}, which the history no longer holds."
    elif held.head != carried.head:
        says = (
            f"Run {carried.number} has the head {held.head} in the history, and the record carries {carried.head}: "
            "that run or one before it was edited or removed after the record was made."
        )
    else:
        standing = Standing.ATTESTED
        says = f"The record is run {carried.number} of the history, entered {held.entered}, under the head it carries."
    return Statement(about=THE_RECORD, standing=standing, says=says)


def _looked_up(digest: str, seen: _Seen) -> Statement:
    held = next((link for link in seen.links if link.record == digest), None)
    if held is None:
        says = f"The record carries no place in a history and is none of the {len(seen.links)} runs of the one given."
        return Statement(about=THE_RECORD, standing=Standing.NOT_COVERED, says=says)
    says = f"The record is run {held.number} of the history, entered {held.entered}; it carries no head of its own."
    return Statement(about=THE_RECORD, standing=Standing.ATTESTED, says=says)


def _reach(carried: HistoryPart | None, place: Statement, seen: _Seen) -> Iterator[Statement]:
    """Say how far the chain reaches; nothing where something is broken, which was said."""
    if seen.faults or place.standing is Standing.BROKEN or not seen.links:
        return
    known = carried.number if carried is not None else 0
    if known:
        says = f"{_runs(1, known, 'follow', 'follows')} without a gap up to the head that the record carries."
        yield Statement(about=THE_HISTORY, standing=Standing.ATTESTED, says=says)
    if seen.newest > known:
        says = f"{_runs(known + 1, seen.newest, 'follow', 'follows')} without a gap, by the history's own account."
        yield Statement(about=THE_HISTORY, standing=Standing.ASSERTED, says=says)
    says = f"Whether a run after run {seen.newest} was removed can be seen only from a report that carries its head."
    yield Statement(about=THE_HISTORY, standing=Standing.NOT_COVERED, says=says)


def _runs(first: int, last: int, many: str = "were", one: str = "was") -> str:
    return f"Run {first} {one}" if first == last else f"Runs {first} to {last} {many}"
