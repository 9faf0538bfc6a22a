"""Stored answers: a run that is killed resumes where it stopped, a changed policy pays for its change alone.

Answers are keyed by content: the context (model digest, dtype, device, library versions), the request and
the rendered text. One folder per context holds

``answers.sqlite``   small answers (scores, attributions), notes, and an index of the states
``states-*.bin``     pooled hidden states, appended batch by batch, layer by layer within a batch

Notes are answers in words: what the tokenizer and the configuration said, and why there is no answer. With
them a check's answers can be put together again without the model (``audit.capture.evidence``). Every small
answer carries the digest by which it stands in the evidence, and every layer of a block one of its own.

A batch is one transaction: after a kill it is either all there or not at all. Layers are read one at a
time, so memory does not grow with their number. The folder belongs to its user alone (mode 0700): states
and attributions can reveal what the texts said.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from audit import shapes
from audit.capture.leaves import Kind, digest_of, salts
from audit.capture.stored import (
    CONTEXTS,
    DATABASE,
    SCHEMA,
    Entry,
    Small,
    StoredAnswers,
    StoredStates,
    digest_of_layer,
    folder_of,
    intact,
    key_of,
    request_key,
)
from audit.errors import user_error
from audit.shapes import Floats

__all__ = [
    "StateBatch",
    "Store",
    "StoredContext",
    "StoredStates",
    "clear",
    "contexts",
    "default_root",
    "intact",
    "key_of",
    "private_folder",
    "request_key",
    "write_whole",
    "writing",
]


@dataclass(frozen=True, kw_only=True)
class StateBatch:
    """Pooled states of one batch, to be stored: (layers, rows, width)."""

    request: bytes
    texts: tuple[bytes, ...]
    layers: tuple[int, ...]
    values: shapes.States
    salts: tuple[bytes, ...] = ()
    """One a text, of states that are copied; otherwise drawn."""


class Store(StoredAnswers):
    """Answers of one model in one context, to be added to."""

    def __init__(self, root: Path, context: Mapping[str, str]) -> None:
        folder = folder_of(root, context)
        with writing(folder):
            private_folder(root)
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not (described := folder / "context.json").exists():
                write_whole(described, json.dumps(dict(context), indent=1, sort_keys=True))
            db = sqlite3.connect(folder / DATABASE, timeout=60, isolation_level=None)
            super().__init__(folder, db)
            db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + SCHEMA)
        self._segment = self.folder / f"states-{uuid.uuid4().hex}.bin"
        self._segment_end = 0

    # ---- writing -------------------------------------------------------------------------------

    def put(self, answers: Iterable[tuple[bytes, bytes, Floats]] = (), states: Iterable[StateBatch] = ()) -> None:
        """Store a batch: all of it or nothing.

        Raises
        ------
        UserError
            When the disk is full or the folder cannot be written.
        """
        numbers = [(r, text, np.ascontiguousarray(value, dtype="<f8").tobytes()) for r, text, value in answers]
        with writing(self.folder):
            blocks = [(batch, *self._append(batch)) for batch in states]
            with self._transaction():
                self._insert("answers", _salted(Kind.NUMBERS, numbers))
                for batch, offset, digests in blocks:
                    self._index(batch, offset, digests)

    def put_notes(self, notes: Iterable[tuple[bytes, bytes, bytes]]) -> None:
        """Store answers in words, each a request key, a text key and its JSON; what is there stays.

        Raises
        ------
        UserError
            When the disk is full or the folder cannot be written.
        """
        with writing(self.folder), self._transaction():
            self._insert("notes", _salted(Kind.NOTE, list(notes)))

    def copy(self, table: Small, entries: Iterable[Entry]) -> None:
        """Store small answers of another store as they are there.

        Raises
        ------
        UserError
            When the disk is full or the folder cannot be written.
        """
        with writing(self.folder), self._transaction():
            self._insert(table, entries)

    def put_erased(self, erased: Iterable[tuple[int, bytes]], owners: Iterable[tuple[bytes, bytes, bytes]]) -> None:
        """Store what stands in place of erased answers, and which rows other answers are about.

        Raises
        ------
        UserError
            When the disk is full or the folder cannot be written.
        """
        with writing(self.folder), self._transaction():
            self._db.executemany("INSERT INTO erased VALUES (?, ?)", erased)
            self._db.executemany("INSERT INTO owners VALUES (?, ?, ?)", owners)

    def _insert(self, table: Small, entries: Iterable[Entry]) -> None:
        self._db.executemany(
            # What was answered once stays: the same text in another batch differs in its last digits.
            f"INSERT OR IGNORE INTO {table} (request, text, salt, value, digest) VALUES (?, ?, ?, ?, ?)",  # noqa: S608
            ((e.request, e.text, e.salt, e.value, e.digest) for e in entries),
        )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # a full disk has ended it already
                self._db.execute("ROLLBACK")
            raise

    def settle(self) -> None:
        """Put everything into the one file, which then stays as it is."""
        with writing(self.folder):
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._db.execute("PRAGMA journal_mode=DELETE")

    def forget_note(self, request: bytes, text: bytes) -> None:
        """Drop a note that no longer holds, where there is one."""
        if self.notes(request, [text]):
            with writing(self.folder):
                self._db.execute("DELETE FROM notes WHERE request = ? AND text = ?", (request, text))

    def _append(self, batch: StateBatch) -> tuple[int, bytes]:
        body = np.ascontiguousarray(batch.values, dtype=np.float32)
        offset = self._segment_end
        with self._segment.open("r+b" if offset else "wb") as file:
            file.seek(offset)
            file.write(body.data)
        self._segment_end = offset + body.nbytes
        return offset, b"".join(digest_of_layer(layer) for layer in body)

    def _index(self, batch: StateBatch, offset: int, digests: bytes) -> None:
        layers, rows, width = batch.values.shape
        assert layers == len(batch.layers)
        cursor = self._db.execute(
            "INSERT INTO blocks (segment, offset, layers, rows, width, digests) VALUES (?, ?, ?, ?, ?, ?)",
            (self._segment.name, offset, json.dumps(batch.layers), rows, width, digests),
        )
        self._db.executemany(
            "INSERT OR REPLACE INTO states (request, text, block, row, salt) VALUES (?, ?, ?, ?, ?)",
            (
                (batch.request, text, cursor.lastrowid, row, salt)
                for row, (text, salt) in enumerate(zip(batch.texts, batch.salts or salts(rows), strict=True))
            ),
        )


def _salted(kind: Kind, answers: Sequence[tuple[bytes, bytes, bytes]]) -> Iterator[Entry]:
    """Yield answers (request, text, value) with salts of their own."""
    for (request, text, value), salt in zip(answers, salts(len(answers)), strict=True):
        digest = digest_of(kind, request, text, salt, value)
        yield Entry(request=request, text=text, salt=salt, value=value, digest=digest)


# ---- folders -------------------------------------------------------------------------------------


def private_folder(path: Path) -> None:
    """Make a folder that only its user can enter."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.chmod(0o700)


def write_whole(path: Path, text: str) -> None:
    """Replace a file of a store at once: a kill half-way leaves the old one, not half of the new.

    Raises
    ------
    UserError
        When the disk is full or the folder cannot be written.
    """
    with writing(path.parent):
        temporary = path.with_suffix(f".{uuid.uuid4().hex}.tmp")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn a full disk, a folder without permission or a damaged file into an error that a user can mend."""
    try:
        with intact(folder):
            yield
    except (OSError, sqlite3.OperationalError) as error:
        full = getattr(error, "errno", None) in {errno.ENOSPC, errno.EDQUOT} or "full" in str(error)
        raise user_error(
            "The store cannot be written",
            where=str(folder),
            found="the disk is full" if full else (getattr(error, "strerror", None) or str(error)),
            expected="a folder with room for the answers",
            do="make room, or give another folder with --store; what was stored before is kept, "
            "and the same command goes on from there",
        ) from error


# ---- store ls, store clear -----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class StoredContext:
    """One context of a store, as ``store ls`` prints it."""

    id: str
    context: Mapping[str, str]
    bytes: int
    answers: int | None
    """None where the file is damaged."""
    states: int | None


def contexts(root: Path) -> Iterator[StoredContext]:
    """Yield what a store holds, one entry per model and context."""
    for folder in sorted((root / CONTEXTS).glob("*/")):
        described = folder / "context.json"
        if not described.is_file():
            continue
        answers, states = _counts(folder / DATABASE)
        yield StoredContext(
            id=folder.name,
            context=json.loads(described.read_text(encoding="utf-8")),
            bytes=sum(p.stat().st_size for p in folder.iterdir() if p.is_file()),
            answers=answers,
            states=states,
        )


def _counts(database: Path) -> tuple[int | None, int | None]:
    try:
        with closing(sqlite3.connect(database)) as db:
            db.executescript(SCHEMA)
            answers, states = (
                int(db.execute(sql).fetchone()[0])
                for sql in ("SELECT COUNT(*) FROM answers", "SELECT COUNT(*) FROM states")
            )
    except sqlite3.DatabaseError:
        return None, None  # listed all the same, because it can be cleared
    return answers, states


def clear(root: Path, prefix: str = "") -> list[str]:
    """Delete the contexts whose id or model digest starts with ``prefix``; return their ids."""
    gone = []
    for stored in contexts(root):
        if stored.id.startswith(prefix) or stored.context.get("model", "").startswith(prefix):
            shutil.rmtree(root / CONTEXTS / stored.id)
            gone.append(stored.id)
    return gone


def set_aside(root: Path, folder: Path) -> Path:
    """Move the answers of one context to where no run looks for them; return where they lie now.

    Raises
    ------
    UserError
        When the folder cannot be moved.
    """
    with writing(root):
        private_folder(root / "void")
        return folder.rename(root / "void" / f"{folder.name}-{uuid.uuid4().hex[:8]}")


def default_root() -> Path:
    """Return the user's cache folder, or ``INSPECTOSCOPE_CACHE``."""
    if given := os.environ.get("INSPECTOSCOPE_CACHE"):
        return Path(given) / "store"
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "inspectoscope" / "store"
