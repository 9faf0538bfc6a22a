"""A history as two tables of a database: SQLite in a file, or whatever else SQLAlchemy reaches.

Writers are kept apart twice. Each takes a lock for as long as it appends (``BEGIN IMMEDIATE`` in SQLite, an
advisory lock in PostgreSQL); and the number of a run is a primary key, so that on a database without such a lock
the slower of two writers is refused its number and tries the next one.

Triggers refuse to change or delete a run. They are a convenience: who may write to a database may drop them.
The protection is the chain.
"""

from __future__ import annotations

import json
import random
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    RowMapping,
    Select,
    String,
    Table,
    cast,
    inspect,
    or_,
    select,
)
from sqlalchemy.exc import IntegrityError

from audit.errors import UserError, user_error
from audit.history import chain
from audit.history.address import Address
from audit.history.chain import Link
from audit.history.engines import LOCKS, told
from audit.history.entries import FACTS, Entry, Wanted, facts, stamp
from audit.history.triggers import TRIGGERS
from audit.record import Record
from audit.redaction import identity

SCHEMA = 2
"""Version of the tables; a history of a newer one is not touched."""

TRIES = 20
"""How often a number that another writer was quicker to take is followed by a try with the next."""

_tables = MetaData()
HISTORY = Table(
    "inspectoscope_history",
    _tables,
    Column("id", String(36), primary_key=True),
    Column("schema_version", Integer, nullable=False),
)
RUNS = Table(
    "inspectoscope_runs",
    _tables,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("entered", String(20), nullable=False),
    Column("previous", String(64), nullable=False),
    Column("head", String(64), nullable=False, unique=True),
    Column("record_digest", String(64), nullable=False, unique=True),
    Column("begun", String(20), nullable=False, index=True),
    Column("policy", String(200), nullable=False, index=True),
    Column("policy_version", String(200), nullable=False),
    Column("model", String(200), nullable=False, index=True),
    Column("model_digest", String(200), nullable=False, index=True),
    Column("verdict", String(20), index=True),
    Column("exit_code", Integer, nullable=False),
    Column("checks", Integer, nullable=False),
    # The very bytes that were digested, whatever the encoding of the database.
    Column("record", LargeBinary, nullable=False),
)
LISTED = [column for column in RUNS.columns if column.name != "record"]
"""A record may hold megabytes; a list needs none of them."""

WHOLE = [*LISTED, cast(RUNS.c.record, LargeBinary).label("record")]
"""The cast is for SQLite, where somebody's edit may have left a text in a column of bytes."""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A run with its record's bytes."""

    entry: Entry
    record: bytes


class Store:
    """An opened history; ``opening.opened`` makes one and closes it."""

    def __init__(self, address: Address, engine: Engine) -> None:
        self.address = address
        self._engine = engine

    # ---- reading -------------------------------------------------------------------------------

    def history(self) -> str | None:
        """Return the history's id; None where none was begun yet.

        Raises
        ------
        UserError
            When the database is not a history, or one of a newer version.
        """
        with self._connected() as db:
            return self._id(db)

    def entries(self, asked: Wanted) -> list[Entry]:
        """Return runs without their records, the newest last."""
        with self._connected() as db:
            if self._id(db) is None:
                return []
            return [_entry(row) for row in db.execute(_asked(select(*LISTED), asked)).mappings()]

    def stored(self, asked: Wanted) -> Iterator[Stored]:
        """Yield runs with their records, the oldest first, few records in memory at a time."""
        with self._connected() as db:
            if self._id(db) is None:
                return
            query = _asked(select(*WHOLE), asked)
            with db.execution_options(yield_per=10).execute(query) as found:
                yield from map(_stored, found.mappings())

    def one(self, number: int) -> Stored | None:
        """Return a run with its record; None where there is none of this number."""
        with self._connected() as db:
            if self._id(db) is None:
                return None
            row = db.execute(select(*WHOLE).where(RUNS.c.number == number)).mappings().first()
            return None if row is None else _stored(row)

    # ---- writing -------------------------------------------------------------------------------

    def append(self, records: Sequence[Record], *, clock: Callable[[], datetime]) -> tuple[str, list[Link]]:
        """Enter records, all of them or none; return the history's id and the links in the order of the records.

        A record that was entered before keeps its number, so a list of files may be entered twice.

        Raises
        ------
        UserError
            When the history cannot be written.
        """
        prepared = [_prepared(record) for record in records]
        for attempt in range(TRIES):
            try:
                with told(self.address, "written"), self._engine.begin() as db:
                    return self._append(db, prepared, stamp(clock()))
            except IntegrityError:
                # Another writer took the number. Only databases without a lock of ours come here.
                time.sleep(random.uniform(0, 0.02 * (attempt + 1)))  # noqa: S311 - no secret, only out of step
        raise user_error(
            "The history cannot be written",
            where=self.address.shown,
            found=f"other writers were quicker {TRIES} times",
            expected="a turn",
            do="try again",
        )

    def _append(self, db: Connection, prepared: list[dict[str, Any]], now: str) -> tuple[str, list[Link]]:
        if lock := LOCKS.get(db.dialect.name):
            db.exec_driver_sql(lock)
        history = self._id(db) or _begin(db)
        newest = db.execute(select(RUNS.c.number, RUNS.c.head).order_by(RUNS.c.number.desc()).limit(1)).first()
        number, head = (newest.number, newest.head) if newest else (0, chain.beginning(history))
        links: list[Link] = []
        for row in prepared:
            if (known := _number_of(db, row["record_digest"])) is not None:
                links.append(_entry(db.execute(select(*LISTED).where(RUNS.c.number == known)).mappings().one()).link)
                continue
            made = chain.link(previous=head, number=number + 1, record=row["record_digest"], entered=now)
            db.execute(
                RUNS.insert().values(
                    number=made.number, entered=made.entered, previous=made.previous, head=made.head, **row
                )
            )
            number, head = made.number, made.head
            links.append(made)
        return history, links

    def replace(self, number: int, content: bytes) -> None:
        """Put other bytes in the place of a record; whether they are the same record the caller has seen.

        Raises
        ------
        UserError
            When the history cannot be written.
        """
        with told(self.address, "written"), self._engine.begin() as db:
            db.execute(RUNS.update().where(RUNS.c.number == number).values(record=content))

    # ---- both ----------------------------------------------------------------------------------

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        with told(self.address, "read"), self._engine.connect() as db:
            yield db

    def _id(self, db: Connection) -> str | None:
        tables = set(inspect(db).get_table_names())
        if not {HISTORY.name, RUNS.name} <= tables:
            if self.address.path is not None and tables:
                raise self._unfit(
                    f"a database with the table {min(tables)}", "give another file; nothing was written into this one"
                )
            return None
        found = db.execute(select(HISTORY.c.id, HISTORY.c.schema_version)).all()
        if len(found) != 1:
            raise self._unfit(f"{len(found)} histories in one place", "restore the database from a copy")
        history, version = found[0]
        if version != SCHEMA:
            raise self._unfit(
                f"a history of schema version {version}",
                "use the version of inspectoscope that wrote it, or a newer one",
            )
        return str(history)

    def _unfit(self, found: str, do: str) -> UserError:
        return user_error(
            "The history cannot be used",
            where=self.address.shown,
            found=found,
            expected=f"a history of schema version {SCHEMA}, or an empty database",
            do=do,
        )


def _begin(db: Connection) -> str:
    """Make the tables and draw the id of the history."""
    _tables.create_all(db)
    for statement in TRIGGERS.get(db.dialect.name, ()):
        db.exec_driver_sql(statement.format(table=RUNS.name, fixed=", ".join(column.name for column in LISTED)))
    history = str(uuid.uuid4())
    db.execute(HISTORY.insert().values(id=history, schema_version=SCHEMA))
    return history


def _prepared(record: Record) -> dict[str, Any]:
    content = record.content()
    known = facts(json.loads(content))
    return {**known, "record_digest": identity(content), "record": content}


def _number_of(db: Connection, digest: str) -> int | None:
    return db.execute(select(RUNS.c.number).where(RUNS.c.record_digest == digest)).scalar()


def _asked(query: Select[Any], asked: Wanted) -> Select[Any]:
    if asked.model:
        name = RUNS.c.model
        query = query.where(
            or_(
                name == asked.model,
                name.endswith(f"/{asked.model}", autoescape=True),
                RUNS.c.model_digest.startswith(asked.model, autoescape=True),
            )
        )
    if asked.policy:
        query = query.where(RUNS.c.policy == asked.policy)
    if asked.verdict:
        query = query.where(RUNS.c.verdict == asked.verdict)
    if asked.since:
        query = query.where(RUNS.c.begun >= asked.since)
    return query.order_by(RUNS.c.number)


def _stored(row: RowMapping) -> Stored:
    return Stored(entry=_entry(row), record=row["record"] or b"")


def _entry(row: RowMapping) -> Entry:
    return Entry(
        link=Link(
            number=row["number"],
            entered=str(row["entered"]),
            record=str(row["record_digest"]),
            previous=str(row["previous"]),
            head=str(row["head"]),
        ),
        **{name: row[name] for name in FACTS},
    )
