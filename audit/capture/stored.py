"""Stored answers as they are read: by a run that goes on, and by whoever checks one years later.

A store may come from someone else (the evidence of an audit), so nothing in it is believed: it is opened read-only, its
tables must be the ones written here, every answer must have the digest that stands beside it, and no number
in it may ask for more than the files hold.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from audit import shapes
from audit.capture.leaves import SALT_BYTES, Kind, digest_of
from audit.errors import UserError, user_error
from audit.requests import CannotAnswer
from audit.shapes import Floats

SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (request BLOB, text BLOB, salt BLOB, value BLOB, digest BLOB,
                                    PRIMARY KEY (request, text)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notes (request BLOB, text BLOB, salt BLOB, value BLOB, digest BLOB,
                                  PRIMARY KEY (request, text)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS blocks (id INTEGER PRIMARY KEY, segment TEXT, offset INTEGER, layers TEXT,
                                   rows INTEGER, width INTEGER, digests BLOB);
CREATE TABLE IF NOT EXISTS states (request BLOB, text BLOB, block INTEGER, row INTEGER, salt BLOB,
                                   PRIMARY KEY (request, text, block)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS erased (place INTEGER PRIMARY KEY, digest BLOB);
CREATE TABLE IF NOT EXISTS owners (request BLOB, text BLOB, owner BLOB,
                                   PRIMARY KEY (request, text, owner)) WITHOUT ROWID;
"""
"""The last two are filled in copies of which rows were erased (``audit.erasing``): the digests that stand in place
of erased answers, by their place among the leaves, and which rows the other answers of the same checks are about."""

DATABASE = "answers.sqlite"
CONTEXTS = "contexts"

Small: TypeAlias = Literal["answers", "notes"]
"""Tables of answers that are read as a whole: numbers, and what was said in words."""

KINDS: Mapping[Small, Kind] = {"answers": Kind.NUMBERS, "notes": Kind.NOTE}
_CHUNK = 500  # keys per SQL statement; SQLite's default limit of variables is higher
_DIGEST = 8
_LEAF_BYTES = 32
_SEGMENT = re.compile(r"states-[0-9a-f]{1,32}\.bin")
_WIDEST = 2**20
"""Units of a layer; the widest published models have under a fiftieth of it."""
_LONGEST_VALUE = 64 << 20
"""Bytes of one stored value that are read from a file of unknown origin."""


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


def folder_of(root: Path, context: Mapping[str, str]) -> Path:
    """Return the folder of a store that holds the answers given in one context."""
    return root / CONTEXTS / key_of(json.dumps(dict(context), sort_keys=True)).hex()


class StoredAnswers:
    """Answers of one model in one context, to be read."""

    def __init__(self, folder: Path, db: sqlite3.Connection) -> None:
        self.folder = folder
        self._db = db

    def close(self) -> None:
        """Close the index."""
        self._db.close()

    # ---- small answers -------------------------------------------------------------------------

    def stored(self, request: bytes, texts: Iterable[bytes]) -> set[bytes]:
        """Return which of ``texts`` have an answer to ``request``."""
        sql = "SELECT text, 1 FROM answers WHERE request = ? AND text IN"
        return {text for text, _ in self._select(sql, request, texts)}

    def values(self, request: bytes, texts: Sequence[bytes]) -> dict[bytes, Floats]:
        """Return the stored vectors by text key; texts without an answer are left out."""
        found = {entry.text: entry.value for entry in self.entries("answers", request, texts)}
        if odd := next((text for text, value in found.items() if len(value) % 8), None):
            raise self._altered("answers", request, odd)
        return {text: np.frombuffer(value, dtype="<f8") for text, value in found.items()}

    def notes(self, request: bytes, texts: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return the stored notes by text key; texts without one are left out."""
        return {entry.text: entry.value for entry in self.entries("notes", request, texts)}

    def entries(self, table: Small, request: bytes, texts: Iterable[bytes]) -> Iterator[Entry]:
        """Yield small answers as they are stored, in no order.

        Raises
        ------
        UserError
            When one of them is not what was written.
        """
        sql = f"SELECT text, salt, value, digest FROM {table} WHERE request = ? AND text IN"  # noqa: S608 - ours
        for text, salt, value, digest in self._select(sql, request, texts):
            if not _is_salt(salt) or not isinstance(value, bytes):
                raise self._altered(table, request, text)
            if digest_of(KINDS[table], request, text, salt, value) != digest:
                raise self._altered(table, request, text)
            yield Entry(request=request, text=text, salt=salt, value=value, digest=digest)

    def keys(self, table: Small) -> Iterator[tuple[bytes, bytes]]:
        """Yield the request and text keys of every small answer of a table, in order."""
        with intact(self.folder):
            yield from self._db.execute(f"SELECT request, text FROM {table} ORDER BY request, text")  # noqa: S608

    def texts(self, table: Small, request: bytes) -> list[bytes]:
        """Return the text keys of all small answers to a request, in order."""
        sql = f"SELECT text FROM {table} WHERE request = ? ORDER BY text"  # noqa: S608 - a table of ours
        with intact(self.folder):
            return [text for (text,) in self._db.execute(sql, (request,))]

    # ---- what was erased -----------------------------------------------------------------------

    def erased(self) -> Iterator[tuple[int, bytes]]:
        """Yield the places of erased answers among the leaves, in order, and the digests that stand there.

        Raises
        ------
        UserError
            When one of them is no digest.
        """
        with intact(self.folder):
            for place, digest in self._db.execute("SELECT place, digest FROM erased ORDER BY place"):
                if not isinstance(digest, bytes) or len(digest) != _LEAF_BYTES:
                    raise _damaged(self.folder / DATABASE, f"the digest of the erased answer {place} is none")
                yield place, digest

    def owners(self) -> Iterator[tuple[bytes, bytes, bytes]]:
        """Yield request, text and owner of answers that are known to be about rows of the data and nothing else."""
        with intact(self.folder):
            yield from self._db.execute("SELECT request, text, owner FROM owners")

    # ---- states --------------------------------------------------------------------------------

    def stored_states(self, request: bytes, texts: Iterable[bytes], layers: Sequence[int]) -> set[bytes]:
        """Return which of ``texts`` have states of all ``layers``."""
        return {at.text for at in self._state_rows(request, texts, layers)}

    def states(self, request: bytes, texts: Sequence[bytes], layers: Sequence[int]) -> StoredStates:
        """Return a lazy layer → states mapping with one row per entry of ``texts``.

        Raises
        ------
        KeyError
            When a text has no states of all ``layers``.
        """
        where = {at.text: (at.block, at.row) for at in self._state_rows(request, texts, layers)}
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
        if any(p.block.width != placed[0].block.width or p.rows.max() >= p.block.rows for p in placed):
            raise _damaged(self.folder, "stored states do not fit together")
        return StoredStates(self.folder, tuple(layers), placed, len(texts))

    def states_by_block(
        self, request: bytes, texts: Iterable[bytes], layers: Sequence[int]
    ) -> Iterator[tuple[dict[bytes, bytes], StoredStates]]:
        """Yield the same states block by block, with the salts by text: all is read once, and little at a time."""
        blocks: dict[int, list[tuple[int, bytes, bytes]]] = {}
        for at in self._state_rows(request, texts, layers):
            blocks.setdefault(at.block, []).append((at.row, at.text, at.salt))
        for _, placed in sorted(blocks.items()):
            together = {text: salt for _, text, salt in sorted(placed)}
            yield together, self.states(request, tuple(together), layers)

    def held_states(self) -> Iterator[tuple[bytes, tuple[int, ...], bytes]]:
        """Yield request, layers and text of all states that are held."""
        layers: dict[int, tuple[int, ...]] = {}
        with intact(self.folder):
            for request, text, block in self._db.execute("SELECT request, text, block FROM states"):
                if block not in layers:
                    layers[block] = self._block(block).layers
                yield request, layers[block], text

    # ---- reading -------------------------------------------------------------------------------

    def _select(self, sql: str, request: bytes, texts: Iterable[bytes]) -> Iterator[tuple[Any, ...]]:
        keys = list(dict.fromkeys(texts))
        for at in range(0, len(keys), _CHUNK):
            part = keys[at : at + _CHUNK]
            with intact(self.folder):
                yield from self._db.execute(f"{sql} ({','.join('?' * len(part))})", (request, *part))

    def _state_rows(self, request: bytes, texts: Iterable[bytes], layers: Sequence[int]) -> Iterator[_StateRow]:
        """Yield where every text that has all ``layers`` in one block has them."""
        wanted = set(layers)
        held: dict[int, bool] = {}
        sql = "SELECT s.text, s.block, s.row, s.salt FROM states s WHERE s.request = ? AND s.text IN"
        seen: set[bytes] = set()
        for text, block, row, salt in self._select(sql, request, texts):
            if block not in held:
                held[block] = wanted <= set(self._block(block).layers)
            if held[block] and text not in seen:
                if not _is_salt(salt):
                    raise _damaged(self.folder, f"the index of the stored states is broken at block {block}")
                seen.add(text)
                yield _StateRow(text=text, block=block, row=row, salt=salt)

    def _block(self, block: int) -> _Block:
        with intact(self.folder):
            row = self._db.execute(
                "SELECT segment, offset, layers, rows, width, digests FROM blocks WHERE id = ?", (block,)
            ).fetchone()
        broken = _damaged(self.folder, f"the index of the stored states is broken at block {block}")
        try:
            segment, offset, layers, rows, width, digests = row
            found = _Block(
                segment=segment,
                offset=offset,
                layers=tuple(map(int, json.loads(layers))),
                rows=rows,
                width=width,
                digests=digests,
            )
            sound = _SEGMENT.fullmatch(segment) and found.fits((self.folder / segment).stat().st_size)
        except (TypeError, ValueError, RecursionError, OSError) as error:
            raise broken from error
        if not sound:
            raise broken
        return found

    def _altered(self, table: Small, request: bytes, text: bytes) -> UserError:
        what = "answer" if table == "answers" else "note"
        return _damaged(
            self.folder / DATABASE, f"the {what} {request.hex()[:12]}/{text.hex()[:12]} is not what was written"
        )


def opened(folder: Path) -> StoredAnswers:
    """Open a store's context to read it, whoever wrote it.

    SQLite's own advice for files of unknown origin is followed (sqlite.org/security.html): no schema of theirs is
    trusted, cells are checked, values are bounded, and the tables must be exactly ours, because a view in
    place of a table could be a query without end.

    Raises
    ------
    UserError
        When there is no store, or it is not one.
    """
    path = folder / DATABASE
    if not path.is_file() or path.is_symlink():
        raise user_error(
            "The evidence cannot be read",
            where=str(path),
            found="no stored answers",
            expected="a folder written by run --evidence, or the store of the run",
        )
    # What SQLite has not yet put into the file lies beside it while a run is writing; otherwise nothing changes.
    still = "" if path.with_name(f"{DATABASE}-wal").exists() else "&immutable=1"
    with intact(folder):
        db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro{still}", uri=True, timeout=60, isolation_level=None)
        try:
            db.execute("PRAGMA trusted_schema=OFF")
            db.execute("PRAGMA cell_size_check=ON")
            db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_VALUE)
            tables = set(db.execute("SELECT type, name, sql FROM sqlite_master LIMIT 100"))
        except BaseException:
            db.close()
            raise
    if tables != _our_tables():
        db.close()
        raise _damaged(path, "its tables are not those of a store")
    return StoredAnswers(folder, db)


def _our_tables() -> set[tuple[str, str, str]]:
    db = sqlite3.connect(":memory:")
    try:
        db.executescript(SCHEMA)
        return set(db.execute("SELECT type, name, sql FROM sqlite_master"))
    finally:
        db.close()


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A small answer as it is stored."""

    request: bytes
    text: bytes
    salt: bytes
    value: bytes
    digest: bytes


@dataclass(frozen=True, kw_only=True)
class _StateRow:
    """Where the states of a text lie."""

    text: bytes
    block: int
    row: int
    salt: bytes


def _is_salt(salt: object) -> bool:
    return isinstance(salt, bytes) and len(salt) == SALT_BYTES


@dataclass(frozen=True, kw_only=True)
class _Block:
    segment: str
    offset: int
    layers: tuple[int, ...]
    rows: int
    width: int
    digests: bytes

    def fits(self, size: int) -> bool:
        """Whether a segment of ``size`` bytes can hold what the index says of this block."""
        whole = len(self.layers) * self.rows * self.width * 4
        return (
            0 < self.width <= _WIDEST
            and self.rows > 0
            and 0 <= self.offset <= size - whole
            and len(self.digests) == _DIGEST * len(self.layers)
        )


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
        out = self.read(layer)
        if not np.isfinite(out).all():
            raise CannotAnswer(
                f"the model's states of layer {layer} hold values that are not numbers (NaN or infinite)"
            )
        return out

    def read(self, layer: int) -> shapes.States:
        """Read one layer whatever it holds; otherwise as ``states[layer]``."""
        if layer not in self._layers:
            raise KeyError(layer)
        width = self._placed[0].block.width if self._placed else 0
        out = np.empty((self._rows, width), dtype=np.float32)
        for placed in self._placed:
            out[placed.positions] = self._read(placed.block, layer)[placed.rows]
        return out

    def _read(self, block: _Block, layer: int) -> shapes.States:
        at = block.layers.index(layer)
        size = block.rows * block.width * 4
        # Plain reads, not a memory map: pages of a map would count as this process's memory.
        with (self._folder / block.segment).open("rb") as file:
            file.seek(block.offset + at * size)
            body = file.read(size)
        values = np.frombuffer(body, dtype=np.float32)
        if len(body) != size or digest_of_layer(values) != block.digests[at * _DIGEST : (at + 1) * _DIGEST]:
            raise _damaged(
                self._folder / block.segment, f"stored states of layer {layer} are not the bytes that were written"
            )
        return values.reshape(block.rows, block.width)


def digest_of_layer(values: shapes.States) -> bytes:
    """Return the digest that guards one layer of a block."""
    return blake2b(np.ascontiguousarray(values).data, digest_size=_DIGEST).digest()


def _damaged(where: Path, found: str) -> UserError:
    folder = where if where.parent.name == CONTEXTS else where.parent
    return user_error(
        "The store is damaged",
        where=str(where),
        found=found,
        expected="an unchanged store",
        do=f"delete it with: inspectoscope store clear {folder.name[:12]}",
    )


@contextmanager
def intact(folder: Path) -> Iterator[None]:
    """Turn what SQLite says of a damaged file into an error that a user can mend."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        # The classes derived from it are other matters: a full disk, a lock, a slip of ours.
        if type(error) not in {sqlite3.DatabaseError, sqlite3.DataError}:
            raise
        raise user_error(
            "The store is damaged",
            where=str(folder),
            found=str(error),
            expected="the answers of earlier runs",
            do=f"delete it with: inspectoscope store clear {folder.name[:12]}"
            if folder.parent.name == CONTEXTS
            else "delete runs.sqlite there; how often a policy was run before is then forgotten",
        ) from error
