"""Opens a history and does one thing with it: enter records, list runs, show one, withhold texts from one."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from audit.errors import UserError, user_error
from audit.history import chain
from audit.history.address import located
from audit.history.entries import Entry, Wanted, wanted
from audit.record import SCHEMA_VERSION, HistoryPart, Record, content_of
from audit.redaction import identity, withheld
from audit.types import KnownRun, Verdict

if TYPE_CHECKING:
    from audit.history.sql import Store, Stored

EVERY = Wanted()


def utc_now() -> datetime:
    """Return the time; passed in wherever it is used."""
    return datetime.now(UTC)


@contextmanager
def opened(where: str, *, writing: bool = False) -> Iterator[Store]:
    """Open a history for the length of a block.

    Raises
    ------
    UserError
        When SQLAlchemy or a driver is missing, or the address cannot be used.
    """
    try:
        from audit.history import engines, sql
    except ModuleNotFoundError as error:
        if error.name != "sqlalchemy":
            raise
        raise user_error(
            "Histories need SQLAlchemy",
            where="--history",
            found="it is not installed",
            expected="an installation with the extra `history`",
            do="pip install 'inspectoscope[history]'",
        ) from error
    address = located(where)
    engine = engines.engine_of(address, writing=writing)
    try:
        yield sql.Store(address, engine)
    finally:
        engine.dispose()


# ---- writing -------------------------------------------------------------------------------------


def add(where: str, records: Sequence[Record], *, clock: Callable[[], datetime] = utc_now) -> tuple[Record, ...]:
    """Enter records into a history, all of them or none, and return them with their places in it.

    A record that is in the history already keeps its number. A place in another history is replaced.

    Raises
    ------
    UserError
        When the history cannot be written.
    """
    with opened(where, writing=True) as store:
        history, links = store.append(records, clock=clock)
    return tuple(_placed(record, history, link) for record, link in zip(records, links, strict=True))


def look(where: str) -> None:
    """See before a run whether its record can be entered, as far as that can be seen without writing.

    Raises
    ------
    UserError
        When the address is none, the server does not answer, the file is something else, or the history is newer.
    """
    with opened(where) as store:
        if store.address.path is None or store.address.path.exists():
            store.history()


def withhold(where: str, number: int, choose: Callable[[dict[str, Any]], Collection[str]], because: str) -> int:
    """Withhold texts from a record that was entered; its place and every head stay what they are.

    Parameters
    ----------
    choose
        Returns the texts to withhold of a record as plain data (``audit.redaction.chosen``).
    because
        Why, as it is printed.

    Returns
    -------
    int
        How many texts were withheld.

    Raises
    ------
    UserError
        When there is no such run, its record is not the one that was entered, or the history cannot be written.
    """
    with opened(where, writing=True) as store:
        history, found = store.history(), store.one(number)
        if history is None or found is None:
            raise _no_such_run(store.address.shown, number)
        recorded(found, store.address.shown)
        data = json.loads(found.record)
        paths = choose(data)
        content = content_of(withheld(data, paths, because))
        if identity(content) != found.entry.link.record:
            raise RuntimeError(f"the record of run {number} without its texts is another one")
        store.replace(number, content)
    return len(paths)


# ---- reading -------------------------------------------------------------------------------------


def entries(where: str, asked: Wanted = EVERY) -> list[Entry]:
    """List runs, the oldest first, without opening their records.

    Raises
    ------
    UserError
        When the history cannot be read.
    """
    with opened(where) as store:
        return store.entries(asked)


def known(where: str, policy: str) -> tuple[KnownRun, ...]:
    """List the runs of a policy as lists of runs are told; none where the history has not been begun.

    Raises
    ------
    UserError
        When the history cannot be read.
    """
    with opened(where) as store:
        begun = store.address.path is None or store.address.path.exists()
        found = store.entries(wanted(policy=policy)) if begun else []
    return tuple(_known(entry) for entry in found)


def _known(entry: Entry) -> KnownRun:
    return KnownRun(
        begun=entry.begun,
        ended=True,
        model_digest=entry.model_digest,
        policy_version=entry.policy_version,
        verdict=Verdict(entry.verdict) if entry.verdict in set(Verdict) else None,
        exit_code=entry.exit_code,
        history=entry.link.number,
    )


def show(where: str, number: int) -> Record:
    """Return the record of one run, with its place in the history.

    Raises
    ------
    UserError
        When there is no such run, or its record is not the one that was entered.
    """
    with opened(where) as store:
        history = store.history()
        found = store.one(number)
        if history is None or found is None:
            raise _no_such_run(store.address.shown, number)
        return _placed(recorded(found, store.address.shown), history, found.entry.link)


def _no_such_run(where: str, number: int) -> UserError:
    return user_error(
        "There is no such run",
        where=where,
        found=f"no run {number}",
        expected="the number of a run, as `inspectoscope history` lists them",
    )


def recorded(stored: Stored, where: str) -> Record:
    """Return the record of a stored run, once its bytes are seen to be those that were entered.

    Raises
    ------
    UserError
        When they are not, or were written by a version with another schema.
    """
    link = stored.entry.link
    digest = identity(stored.record)
    if digest != link.record or not chain.follows(link):
        raise user_error(
            f"Run {link.number} is not as it was entered",
            where=where,
            found=f"a record of the digest {digest}",
            expected=f"one of the digest {link.record}, under a head made of it",
            do="restore the history from a copy; `inspectoscope verify` names every run that was edited or removed",
        )
    try:
        return Record.model_validate_json(stored.record)
    except ValidationError as error:
        raise user_error(
            f"The record of run {link.number} cannot be read",
            where=where,
            found=f"{error.error_count()} places that this version does not know",
            expected=f"a record of schema version {SCHEMA_VERSION}",
            do="use the version of inspectoscope that wrote it, or a newer one",
        ) from error


def _placed(record: Record, history: str, link: chain.Link) -> Record:
    return record.model_copy(update={"history": HistoryPart(id=history, **asdict(link))})
