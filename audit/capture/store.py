"""Stored answers: a run that is killed resumes where it stopped, a changed policy pays for its change alone.

Answers are keyed by content: the context (model digest, dtype, device, library versions), the request and
the rendered text. One folder per context holds

``answers.sqlite``   small answers (scores, attributions) and an index of the states
``states-*.bin``     pooled hidden states, appended batch by batch, layer by layer within a batch

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
from hashlib import blake2b
from pathlib import Path

import numpy as np

from audit import shapes
from audit.errors import user_error
from audit.requests import CannotAnswer
from audit.shapes import Floats

_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (request BLOB, text BLOB, value BLOB,
                                    PRIMARY KEY (request, text)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS blocks (id INTEGER PRIMARY KEY, segment TEXT, offset INTEGER, layers TEXT,
                                   rows INTEGER, width INTEGER, digests BLOB);
CREATE TABLE IF NOT EXISTS states (request BLOB, text BLOB, block INTEGER, row INTEGER,
                                   PRIMARY KEY (request, text, block)) WITHOUT ROWID;
"""
_CONTEXTS = "contexts"
_CHUNK = 500  # keys per SQL statement; SQLite's default limit of variables is higher
_DIGEST = 8


def key_of(*parts: str) -> bytes:
    """Return the 16-byte key of some text parts; lengths are included so that parts cannot run together."""
    digest = blake2b(digest_size=16)
    for part in parts:
        body = part.encode("utf-8", "surrogatepass")
        digest.update(len(body).to_bytes(8, "big") + body)
    return digest.digest()


def request_key(described: Mapping[str, object]) -> bytes:
    """Return the key of a request described as plain data."""
    return key_of(json.dumps(described, sort_keys=True, ensure_ascii=False))


@dataclass(frozen=True, kw_only=True)
class StateBatch:
    """Pooled states of one batch, to be stored: (layers, rows, width)."""

    request: bytes
    texts: tuple[bytes, ...]
    layers: tuple[int, ...]
    values: shapes.States


class Store:
    """Answers of one model in one context."""

    def __init__(self, root: Path, context: Mapping[str, str]) -> None:
        self.folder = root / _CONTEXTS / key_of(json.dumps(dict(context), sort_keys=True)).hex()
        with writing(self.folder):
            private_folder(root)
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not (described := self.folder / "context.json").exists():
                write_whole(described, json.dumps(dict(context), indent=1, sort_keys=True))
            self._db = sqlite3.connect(self.folder / "answers.sqlite", timeout=60, isolation_level=None)
            self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + _SCHEMA)
        self._segment = self.folder / f"states-{uuid.uuid4().hex}.bin"
        self._segment_end = 0

    def close(self) -> None:
        """Close the index."""
        self._db.close()

    # ---- small answers -------------------------------------------------------------------------

    def stored(self, request: bytes, texts: Iterable[bytes]) -> set[bytes]:
        """Return which of ``texts`` have an answer to ``request``."""
        return {
            text
            for text, _ in self._select("SELECT text, 1 FROM answers WHERE request = ? AND text IN", request, texts)
        }

    def values(self, request: bytes, texts: Sequence[bytes]) -> dict[bytes, Floats]:
        """Return the stored vectors by text key; texts without an answer are left out."""
        found = self._select("SELECT text, value FROM answers WHERE request = ? AND text IN", request, texts)
        return {text: np.frombuffer(value, dtype=np.float64) for text, value in found}

    # ---- states --------------------------------------------------------------------------------

    def stored_states(self, request: bytes, texts: Iterable[bytes], layers: Sequence[int]) -> set[bytes]:
        """Return which of ``texts`` have states of all ``layers``."""
        return {text for text, *_ in self._state_rows(request, texts, layers)}

    def states(self, request: bytes, texts: Sequence[bytes], layers: Sequence[int]) -> StoredStates:
        """Return a lazy layer → states mapping with one row per entry of ``texts``."""
        where: dict[bytes, tuple[int, int]] = {
            text: (block, row) for text, block, row in self._state_rows(request, texts, layers)
        }
        blocks: dict[int, tuple[list[int], list[int]]] = {}
        for position, text in enumerate(texts):
            block, row = where[text]
            positions, rows = blocks.setdefault(block, ([], []))
            positions.append(position)
            rows.append(row)
        placed = [
            _Placed(block=self._block(block), positions=np.array(positions), rows=np.array(rows))
            for block, (positions, rows) in sorted(blocks.items())
        ]
        return StoredStates(self.folder, tuple(layers), placed, len(texts))

    # ---- writing -------------------------------------------------------------------------------

    def put(self, answers: Iterable[tuple[bytes, bytes, Floats]] = (), states: Iterable[StateBatch] = ()) -> None:
        """Store a batch: all of it or nothing.

        Raises
        ------
        UserError
            When the disk is full or the folder cannot be written.
        """
        with writing(self.folder):
            blocks = [(batch, *self._append(batch)) for batch in states]
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany(
                    # What was answered once stays: the same text in another batch differs in its last digits.
                    "INSERT OR IGNORE INTO answers VALUES (?, ?, ?)",
                    (
                        (request, text, np.ascontiguousarray(value, dtype=np.float64).tobytes())
                        for request, text, value in answers
                    ),
                )
                for batch, offset, digests in blocks:
                    self._index(batch, offset, digests)
                self._db.execute("COMMIT")
            except BaseException:
                self._db.execute("ROLLBACK")
                raise

    def _append(self, batch: StateBatch) -> tuple[int, bytes]:
        body = np.ascontiguousarray(batch.values, dtype=np.float32)
        offset = self._segment_end
        with self._segment.open("r+b" if offset else "wb") as file:
            file.seek(offset)
            file.write(body.data)
        self._segment_end = offset + body.nbytes
        return offset, b"".join(_digest(layer) for layer in body)

    def _index(self, batch: StateBatch, offset: int, digests: bytes) -> None:
        layers, rows, width = batch.values.shape
        assert layers == len(batch.layers)
        cursor = self._db.execute(
            "INSERT INTO blocks (segment, offset, layers, rows, width, digests) VALUES (?, ?, ?, ?, ?, ?)",
            (self._segment.name, offset, json.dumps(batch.layers), rows, width, digests),
        )
        self._db.executemany(
            "INSERT OR REPLACE INTO states VALUES (?, ?, ?, ?)",
            ((batch.request, text, cursor.lastrowid, row) for row, text in enumerate(batch.texts)),
        )

    # ---- reading -------------------------------------------------------------------------------

    def _select(self, sql: str, request: bytes, texts: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
        keys = list(dict.fromkeys(texts))
        for at in range(0, len(keys), _CHUNK):
            part = keys[at : at + _CHUNK]
            with intact(self.folder):
                yield from self._db.execute(f"{sql} ({','.join('?' * len(part))})", (request, *part))

    def _state_rows(
        self, request: bytes, texts: Iterable[bytes], layers: Sequence[int]
    ) -> Iterator[tuple[bytes, int, int]]:
        """Yield (text, block, row) for every text that has all ``layers`` in one block."""
        wanted = set(layers)
        held: dict[int, bool] = {}
        sql = "SELECT s.text, s.block, s.row FROM states s WHERE s.request = ? AND s.text IN"
        seen: set[bytes] = set()
        for text, block, row in self._select(sql, request, texts):  # type: ignore[misc]
            if block not in held:
                held[block] = wanted <= set(self._block(block).layers)
            if held[block] and text not in seen:
                seen.add(text)
                yield text, block, row

    def _block(self, block: int) -> _Block:
        with intact(self.folder):
            row = self._db.execute(
                "SELECT segment, offset, layers, rows, width, digests FROM blocks WHERE id = ?", (block,)
            ).fetchone()
        segment, offset, layers, rows, width, digests = row
        return _Block(
            segment=segment,
            offset=offset,
            layers=tuple(json.loads(layers)),
            rows=rows,
            width=width,
            digests=digests,
        )


@dataclass(frozen=True, kw_only=True)
class _Block:
    segment: str
    offset: int
    layers: tuple[int, ...]
    rows: int
    width: int
    digests: bytes


@dataclass(frozen=True, kw_only=True)
class _Placed:
    """Which rows of a block go to which positions of the answer."""

    block: _Block
    positions: shapes.Ints
    rows: shapes.Ints


class StoredStates(Mapping[int, shapes.States]):
    """A lazy mapping from layer to states (rows, width); each access reads that layer from disk."""

    def __init__(self, folder: Path, layers: tuple[int, ...], placed: Sequence[_Placed], rows: int) -> None:
        self._folder, self._layers, self._placed, self._rows = folder, layers, placed, rows

    def __iter__(self) -> Iterator[int]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)

    def __getitem__(self, layer: int) -> shapes.States:
        """Read one layer.

        Raises
        ------
        KeyError
            When the layer was not asked for.
        CannotAnswer
            When the model returned a state that is not a number.
        UserError
            When the stored bytes are not the ones that were written.
        """
        if layer not in self._layers:
            raise KeyError(layer)
        width = self._placed[0].block.width if self._placed else 0
        out = np.empty((self._rows, width), dtype=np.float32)
        for placed in self._placed:
            out[placed.positions] = self._read(placed.block, layer)[placed.rows]
        if not np.isfinite(out).all():
            raise CannotAnswer(
                f"the model's states of layer {layer} hold values that are not numbers (NaN or infinite)"
            )
        return out

    def _read(self, block: _Block, layer: int) -> shapes.States:
        at = block.layers.index(layer)
        size = block.rows * block.width * 4
        # Plain reads, not a memory map: pages of a map would count as this process's memory.
        with (self._folder / block.segment).open("rb") as file:
            file.seek(block.offset + at * size)
            body = file.read(size)
        values = np.frombuffer(body, dtype=np.float32)
        if len(body) != size or _digest(values) != block.digests[at * _DIGEST : (at + 1) * _DIGEST]:
            raise user_error(
                "The store is damaged",
                where=str(self._folder / block.segment),
                found="stored states are not the bytes that were written",
                expected="an unchanged store",
                do=f"delete it with: inspectoscope store clear {self._folder.name[:12]}",
            )
        return values.reshape(block.rows, block.width)


def _digest(values: shapes.States) -> bytes:
    return blake2b(np.ascontiguousarray(values).data, digest_size=_DIGEST).digest()


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


@contextmanager
def intact(folder: Path) -> Iterator[None]:
    """Turn what SQLite says of a damaged file into an error that a user can mend."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        # The classes derived from it are other matters: a full disk, a lock, a slip of ours.
        if type(error) is not sqlite3.DatabaseError:
            raise
        raise user_error(
            "The store is damaged",
            where=str(folder),
            found=str(error),
            expected="the answers of earlier runs",
            do=f"delete it with: inspectoscope store clear {folder.name[:12]}"
            if folder.parent.name == _CONTEXTS
            else "delete runs.sqlite there; how often a policy was run before is then forgotten",
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
    for folder in sorted((root / _CONTEXTS).glob("*/")):
        described = folder / "context.json"
        if not described.is_file():
            continue
        answers, states = _counts(folder / "answers.sqlite")
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
            db.executescript(_SCHEMA)
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
            shutil.rmtree(root / _CONTEXTS / stored.id)
            gone.append(stored.id)
    return gone


def default_root() -> Path:
    """Return the user's cache folder, or ``INSPECTOSCOPE_CACHE``."""
    if given := os.environ.get("INSPECTOSCOPE_CACHE"):
        return Path(given) / "store"
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "inspectoscope" / "store"
