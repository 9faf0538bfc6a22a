"""The local list of runs: what was begun, what was broken off, and how often a policy was tried.

Looking again until a result passes is not free, so every record says which try it is, and lists the others. A run
that was killed and is started again continues the old one: same number, same date, and so the same record.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from audit.capture.store import private_folder, writing
from audit.types import KnownRun, Verdict

_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (id INTEGER PRIMARY KEY, key TEXT, policy TEXT, model TEXT, created TEXT,
                                 finished TEXT, interruptions INTEGER DEFAULT 0);
CREATE INDEX IF NOT EXISTS runs_by_key ON runs (key);
"""
_LATER = {
    "policy_version": "TEXT",
    "policy_sha256": "TEXT",
    "changed": "TEXT",
    "verdict": "TEXT",
    "exit_code": "INTEGER",
}
"""Columns that the first lists of runs did not have."""

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the time; passed in wherever it is used."""
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What a run is a run of."""

    key: str
    """Digest of everything that decides what the run will find; a run with the same key that never finished is
    continued."""
    policy: str
    """Policy id, under which runs are listed, and with the model counted."""
    model: str
    """Model digest."""
    policy_version: str = ""
    policy_sha256: str = ""
    changed: tuple[str, ...] = ()
    """Keys of the policy that were set on the command line."""


@dataclass(frozen=True, kw_only=True)
class Begun:
    """A run as the list knows it."""

    id: int
    created: str
    number: int
    """How many runs of this policy id on this model there have been, this one included."""
    interruptions: int


def begin(root: Path, tried: Tried, *, clock: Clock = utc_now) -> Begun:
    """Note that a run begins, or that a broken one goes on."""
    with _opened(root) as db:
        found = db.execute(
            "SELECT id, created, interruptions FROM runs WHERE key = ? AND finished IS NULL ORDER BY id", (tried.key,)
        ).fetchone()
        if found is None:
            now = clock().isoformat(timespec="seconds")
            run = db.execute(
                "INSERT INTO runs (key, policy, model, created, policy_version, policy_sha256, changed) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    tried.key, tried.policy, tried.model, now, tried.policy_version, tried.policy_sha256,
                    json.dumps(tried.changed),
                ),
            ).lastrowid  # fmt: skip
            found = (run, now, 0)
        else:
            found = (found[0], found[1], found[2] + 1)
            db.execute("UPDATE runs SET interruptions = ? WHERE id = ?", (found[2], found[0]))
        number = db.execute(
            "SELECT COUNT(*) FROM runs WHERE policy = ? AND model = ? AND id <= ?",
            (tried.policy, tried.model, found[0]),
        ).fetchone()[0]
    return Begun(id=found[0], created=found[1], number=number, interruptions=found[2])


def finish(
    root: Path, run: Begun, *, verdict: Verdict | None = None, exit_code: int | None = None, clock: Clock = utc_now
) -> None:
    """Note that a run has come to its end, and how; the same audit started again is a new try."""
    with _opened(root) as db:
        db.execute(
            "UPDATE runs SET finished = ?, verdict = ?, exit_code = ? WHERE id = ?",
            (clock().isoformat(timespec="seconds"), verdict, exit_code, run.id),
        )


def known(root: Path, policy: str, *, this: Begun | None = None) -> tuple[KnownRun, ...]:
    """Return every run of a policy id, on any model, the oldest first."""
    columns = ("id", "created", "finished", "model", "interruptions", *_LATER)
    with _opened(root) as db:
        rows = db.execute(f"SELECT {', '.join(columns)} FROM runs WHERE policy = ? ORDER BY id", (policy,))  # noqa: S608
        found = [dict(zip(columns, row, strict=True)) for row in rows]
    return tuple(_known(row, this=this is not None and row["id"] == this.id) for row in found)


def _known(row: dict[str, Any], *, this: bool) -> KnownRun:
    return KnownRun(
        begun=row["created"],
        finished=row["finished"],
        ended=row["finished"] is not None,
        model_digest=row["model"],
        policy_version=row["policy_version"] or "",
        policy_sha256=row["policy_sha256"] or "",
        changed=None if row["changed"] is None else tuple(json.loads(row["changed"])),
        verdict=Verdict(row["verdict"]) if row["verdict"] else None,
        exit_code=row["exit_code"],
        interruptions=row["interruptions"],
        this=this,
    )


@contextmanager
def _opened(root: Path) -> Iterator[sqlite3.Connection]:
    with writing(root):
        private_folder(root)
        with closing(sqlite3.connect(root / "runs.sqlite", timeout=60)) as db, db:
            db.executescript(_SCHEMA)
            there = {row[1] for row in db.execute("PRAGMA table_info(runs)")}
            for column, kind in _LATER.items():
                if column not in there:
                    db.execute(f"ALTER TABLE runs ADD COLUMN {column} {kind}")
            yield db
