"""The local list of runs: what was begun, what was broken off, and how often a policy was tried.

Looking again until a result passes is not free, so every record says which try it is. A run that was killed
and is started again continues the old one: same number, same date, and so the same record.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from audit.capture.store import private_folder, writing

_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (id INTEGER PRIMARY KEY, key TEXT, policy TEXT, model TEXT, created TEXT,
                                 finished TEXT, interruptions INTEGER DEFAULT 0);
CREATE INDEX IF NOT EXISTS runs_by_key ON runs (key);
"""

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the time; passed in wherever it is used."""
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Begun:
    """A run as the list knows it."""

    id: int
    created: str
    number: int
    """How many runs of this policy id on this model there have been, this one included."""
    interruptions: int


def begin(root: Path, *, key: str, policy: str, model: str, clock: Clock = utc_now) -> Begun:
    """Note that a run begins, or that a broken one goes on.

    Parameters
    ----------
    key
        Digest of everything that decides what the run will find; a run with the same key that never
        finished is continued.
    policy, model
        Policy id and model digest, under which tries are counted.
    """
    with _opened(root) as db:
        found = db.execute(
            "SELECT id, created, interruptions FROM runs WHERE key = ? AND finished IS NULL ORDER BY id", (key,)
        ).fetchone()
        if found is None:
            now = clock().isoformat(timespec="seconds")
            run = db.execute(
                "INSERT INTO runs (key, policy, model, created) VALUES (?, ?, ?, ?)", (key, policy, model, now)
            ).lastrowid
            found = (run, now, 0)
        else:
            found = (found[0], found[1], found[2] + 1)
            db.execute("UPDATE runs SET interruptions = ? WHERE id = ?", (found[2], found[0]))
        number = db.execute(
            "SELECT COUNT(*) FROM runs WHERE policy = ? AND model = ? AND id <= ?", (policy, model, found[0])
        ).fetchone()[0]
    return Begun(id=found[0], created=found[1], number=number, interruptions=found[2])


def finish(root: Path, run: Begun, *, clock: Clock = utc_now) -> None:
    """Note that a run has come to its end; the same audit started again is a new try."""
    with _opened(root) as db:
        db.execute("UPDATE runs SET finished = ? WHERE id = ?", (clock().isoformat(timespec="seconds"), run.id))


@contextmanager
def _opened(root: Path) -> Iterator[sqlite3.Connection]:
    with writing(root):
        private_folder(root)
        with closing(sqlite3.connect(root / "runs.sqlite", timeout=60)) as db, db:
            db.executescript(_SCHEMA)
            yield db
