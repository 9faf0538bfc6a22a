"""Connections to the database of a history, and what its refusals mean to a person."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from audit.errors import user_error
from audit.history.address import Address

WAIT = 60.0
"""Seconds that a writer waits for its turn."""

CONNECT_WAIT = 10
"""Seconds until a server that does not answer is given up."""

LOCKS: Mapping[str, str] = {"postgresql": "SELECT pg_advisory_xact_lock(7310584032917301571)"}
"""What keeps writers apart, as the first statement of a transaction; SQLite's is the way it is begun.

The number is any, and the same for every writer.
"""

READ_ONLY_STATES = {"25006", "42501"}
"""PostgreSQL: read_only_sql_transaction, insufficient_privilege."""


def engine_of(address: Address, *, writing: bool) -> Engine:
    """Return an engine that connects anew for each use.

    Raises
    ------
    UserError
        When the driver of the database is not installed.
    """
    if address.path is not None:
        return _sqlite(address.path, writing=writing and not address.read_only)
    assert address.url is not None, "an address has a path or a URL"
    try:
        return create_engine(address.url, poolclass=NullPool, hide_parameters=True, **_options(address.url))
    except (ModuleNotFoundError, NoSuchModuleError, ArgumentError) as error:
        raise user_error(
            "The history cannot be reached",
            where=address.shown,
            found=address.without_secrets(_first_line(error)),
            expected="a database whose driver is installed",
            do="for PostgreSQL: pip install 'inspectoscope[history]'",
        ) from error


def _options(url: URL) -> dict[str, Any]:
    if url.get_backend_name() != "postgresql":
        return {}
    options: dict[str, Any] = {"isolation_level": "READ COMMITTED"}  # sees what was committed while it waited
    if url.get_driver_name() == "psycopg" and "connect_timeout" not in url.query:
        options["connect_args"] = {"connect_timeout": CONNECT_WAIT}
    return options


# ---- SQLite --------------------------------------------------------------------------------------


def _sqlite(path: Path, *, writing: bool) -> Engine:
    def connect() -> sqlite3.Connection:
        return _for_writing(path) if writing else _for_reading(path)

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)

    def begin(db: Connection) -> None:
        # The lock is taken before the newest head is read, so that no two writers follow the same one.
        db.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    event.listen(engine, "begin", begin)
    return engine


def _for_writing(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    db = sqlite3.connect(path, timeout=WAIT, isolation_level=None)
    # Readers then never wait for a writer. Not possible on some network drives, and not while another process
    # is just doing the same: SQLite works without it.
    with suppress(sqlite3.OperationalError):
        db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA secure_delete=ON")  # texts that are withheld are overwritten, not only let go
    return db


def _for_reading(path: Path) -> sqlite3.Connection:
    where = path.absolute().as_uri()
    db = sqlite3.connect(f"{where}?mode=ro", uri=True, timeout=WAIT, isolation_level=None)
    try:
        db.execute("SELECT 1 FROM sqlite_master LIMIT 1")
    except sqlite3.OperationalError:
        db.close()
        if not path.exists() or path.with_name(f"{path.name}-wal").exists():
            raise
        # On a read-only medium SQLite cannot make the file that readers share, and nobody writes.
        return sqlite3.connect(f"{where}?immutable=1", uri=True, isolation_level=None)
    return db


# ---- what a database says ------------------------------------------------------------------------


@contextmanager
def told(address: Address, done: str) -> Iterator[None]:
    """Tell a person what a database refused; ``done`` is ``read`` or ``written``.

    Raises
    ------
    UserError
        For whatever the database or its driver says, but for a number that is taken.
    """
    try:
        yield
    except IntegrityError:
        raise
    except (DBAPIError, OSError) as error:
        found, expected, do = _meaning(error, address, done)
        raise user_error(
            f"The history cannot be {done}",
            where=address.shown,
            found=address.without_secrets(found),
            expected=expected,
            do=do,
        ) from error


def _meaning(error: DBAPIError | OSError, address: Address, done: str) -> tuple[str, str, str]:
    """Return what was found, what was expected and what to do."""
    said = _first_line(error)
    state = getattr(getattr(error, "orig", None), "sqlstate", None)
    if state in READ_ONLY_STATES or "readonly database" in said:
        return (
            f"it may not be {done}: {said}",
            f"a history that may be {done}",
            "ask for the right to, or give another one with --history",
        )
    if "file is not a database" in said or "malformed" in said:
        return f"not a database: {said}", "a history that inspectoscope wrote", "give another file, or a copy of it"
    if "database is locked" in said:
        return f"another process has held it for {WAIT:.0f} seconds", "a turn", "end that process, or try again"
    if address.path is not None:
        return _of_file(said, address.path, done)
    if state is None:
        return f"no answer: {said}", "a server that can be reached", "look at the address, the network and the server"
    return f"{said} (SQLSTATE {state})", f"a history that can be {done}", "look at the server's log"


def _of_file(said: str, path: Path, done: str) -> tuple[str, str, str]:
    if done == "read" and not path.exists():
        return "no such file", "a history", "begin one with: inspectoscope run … --history, or history add RECORD"
    return said, f"a history that can be {done}", "look at the file and its folder"


def _first_line(error: BaseException) -> str:
    said = str(getattr(error, "orig", None) or error).strip()
    return said.splitlines()[0] if said else type(error).__name__
