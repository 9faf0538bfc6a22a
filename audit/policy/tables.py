"""Reads the rows of csv, tsv, jsonl and parquet files as text, with the position of every cell.

A cell stays what is written: ``1.50`` is not 1.5, and nothing is guessed to be a number or a missing value.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from audit.errors import Problem
from audit.policy.problems import counted, shortened
from audit.types import Place

MAX_ROW_PROBLEMS = 20
"""Bad rows told of one file; a file of another kind has nothing but bad rows."""

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")

_SURROGATE = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True, kw_only=True, slots=True)
class TableRow:
    """One row: its cells by column, and the line it begins at."""

    cells: Mapping[str, str]
    place: Place
    number: int
    """Position in the table it was read from, whatever was dropped since."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of one file, or of the policy itself."""

    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]
    sha256: str
    locate: Callable[[TableRow, str], tuple[Place, str]] = field(default=lambda row, _: (row.place, ""))
    """Return the position of a row's cell and the line it stands in; worked out only for messages."""


class TableError(Exception):
    """A data file that is not a table; the problems say where."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(problems[0].found)
        self.problems = problems


def read_table(raw: bytes, shown: str) -> Table:
    """Return the table in a file, whose kind its name says.

    Raises
    ------
    TableError
        With the position of what is wrong in the file.
    """
    suffix = PurePath(shown).suffix.lower()
    digest = hashlib.sha256(raw).hexdigest()
    if suffix == ".parquet":
        return _parquet(raw, shown, digest)
    if suffix not in SUFFIXES:
        raise TableError(
            Problem(
                where=shown,
                found=f"a file named {suffix}" if suffix else "a file whose name does not say its kind",
                expected=f"one of {', '.join(SUFFIXES)}",
            )
        )
    text = text_of(raw, shown)
    if suffix == ".jsonl":
        return _jsonl(text, shown, digest)
    # The registered text/tab-separated-values has no quoting: a quote there is part of the text.
    return _separated(text, shown, digest, "\t" if suffix == ".tsv" else ",", quoted=suffix == ".csv")


def text_of(raw: bytes, shown: str) -> str:
    """Return the text of a data file.

    Raises
    ------
    TableError
        When it is not UTF-8 or holds a NUL character.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TableError(
            Problem(
                where=Place(path=shown, line=raw.count(b"\n", 0, error.start) + 1),
                found=f"the byte 0x{raw[error.start]:02X}, which is not UTF-8",
                expected="a text file in UTF-8",
                do="save the file as UTF-8",
            )
        ) from error
    if (at := text.find("\0")) >= 0:
        place = Place(path=shown, line=text.count("\n", 0, at) + 1, column=at - text.rfind("\n", 0, at))
        raise TableError(Problem(where=place, found="a NUL character", expected="text"))
    return text


# --------------------------------------------------------------------------------------------------
# csv and tsv
# --------------------------------------------------------------------------------------------------


def _separated(text: str, shown: str, digest: str, delimiter: str, *, quoted: bool) -> Table:
    records = _records(text, shown, delimiter, quoted=quoted)
    header = next(records, None)
    if header is None:
        raise TableError(_problem(shown, 1, "an empty file", "a line with the names of the columns"))
    columns = _columns(header[1], shown, header[0])
    rows: list[TableRow] = []
    bad: list[Problem] = []
    for line, cells in records:
        if len(cells) != len(columns):
            found = f"a row of {counted(len(cells), 'cell')}"
            bad.append(_problem(shown, line, found, f"{len(columns)}, one for each column"))
            if len(bad) == MAX_ROW_PROBLEMS:
                break
            continue
        named = {name: cell for name, cell in zip(columns, cells, strict=True) if name}
        rows.append(TableRow(cells=named, place=Place(path=shown, line=line), number=len(rows)))
    if bad:
        raise TableError(*bad)

    def locate(row: TableRow, column: str) -> tuple[Place, str]:
        lines = io.StringIO(text, newline="").readlines()[row.place.line - 1 :]
        if column not in columns:
            return row.place, lines[0].rstrip("\r\n")
        return _cell(lines, row.place, columns.index(column), delimiter, quoted=quoted)

    return Table(columns=tuple(filter(None, columns)), rows=tuple(rows), sha256=digest, locate=locate)


def _records(text: str, shown: str, delimiter: str, *, quoted: bool) -> Iterator[tuple[int, list[str]]]:
    """Yield each record with the line it begins at; blank lines are none."""
    lines = io.StringIO(text, newline="")
    reader = (
        csv.reader(lines, delimiter=delimiter, strict=True)
        if quoted
        else csv.reader(lines, delimiter=delimiter, strict=True, quoting=csv.QUOTE_NONE)
    )
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            advice = "a cell that holds a quote is quoted, and the quote doubled"
            raise TableError(
                _problem(shown, line, f"a row that cannot be read: {error}", "well-formed CSV", advice)
            ) from error
        if cells:
            yield line, cells


def _columns(cells: list[str], shown: str, line: int) -> list[str]:
    """Return the names of the columns, stripped; a column without a name cannot be used and is left out."""
    columns = [cell.strip() for cell in cells]
    if not any(columns):
        raise TableError(_problem(shown, line, "a blank line", "the names of the columns"))
    for at, name in enumerate(columns):
        if name and name in columns[:at]:
            raise TableError(_problem(shown, line, f"the column `{shortened(name)}` a second time", "each column once"))
    return columns


def _cell(lines: list[str], start: Place, index: int, delimiter: str, *, quoted: bool) -> tuple[Place, str]:
    """Return where the cell at ``index`` of the record that begins at ``start`` stands."""
    in_quotes, seen = False, 0
    for offset, line in enumerate(lines):
        for column, character in enumerate(line, start=1):
            if seen == index:
                return Place(path=start.path, line=start.line + offset, column=column), line.rstrip("\r\n")
            if quoted and character == '"':
                in_quotes = not in_quotes
            elif character == delimiter and not in_quotes:
                seen += 1
        if not in_quotes:
            break
    return start, lines[0].rstrip("\r\n")


def _problem(shown: str, line: int, found: str, expected: str, do: str = "") -> Problem:
    return Problem(where=Place(path=shown, line=line), found=found, expected=expected, do=do)


# --------------------------------------------------------------------------------------------------
# jsonl
# --------------------------------------------------------------------------------------------------


def _jsonl(text: str, shown: str, digest: str) -> Table:
    lines = text.split("\n")  # no other character ends a line: JSON strings may hold U+2028
    columns: dict[str, None] = {}
    read: list[tuple[int, dict[str, str]]] = []
    bad: list[Problem] = []
    for line, source in enumerate(lines, start=1):
        if not source.strip():
            continue
        try:
            cells = _json_object(source)
        except (ValueError, RecursionError) as error:
            reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
            bad.append(_problem(shown, line, f"a line that is no row: {reason}", "a JSON object"))
            if len(bad) == MAX_ROW_PROBLEMS:
                break
            continue
        columns.update(dict.fromkeys(cells))
        read.append((line, cells))
    if bad:
        raise TableError(*bad)
    blank = dict.fromkeys(columns, "")
    rows = tuple(
        TableRow(cells=blank | cells, place=Place(path=shown, line=line), number=number)
        for number, (line, cells) in enumerate(read)
    )

    def locate(row: TableRow, column: str) -> tuple[Place, str]:
        source = lines[row.place.line - 1].rstrip("\r")
        keys = "|".join({re.escape(json.dumps(column)), re.escape(json.dumps(column, ensure_ascii=False))})
        found = re.search(rf"(?:{keys})\s*:\s*", source)
        return Place(path=shown, line=row.place.line, column=found.end() + 1 if found else 1), source

    return Table(columns=tuple(columns), rows=rows, sha256=digest, locate=locate)


def _json_object(source: str) -> dict[str, str]:
    value = json.loads(
        source,
        object_pairs_hook=_unique,
        parse_int=_Number,
        parse_float=_Number,
        parse_constant=_no_constant,
    )
    if not isinstance(value, dict):
        raise ValueError("it is not an object")  # noqa: TRY004 - the caller asks whether the line is JSON
    if any(isinstance(item, list | dict) for item in value.values()):
        nested = json.loads(source)  # inside nested values numbers stay numbers
        value = {key: nested[key] if isinstance(item, list | dict) else item for key, item in value.items()}
    cells = {key.strip(): cell_text(item) for key, item in value.items()}
    if any(map(_SURROGATE.search, (*cells, *cells.values()))):
        raise ValueError("it holds half of a surrogate pair")
    if any("\0" in cell for cell in (*cells, *cells.values())):
        raise ValueError("it holds a NUL character")
    return {key: cell for key, cell in cells.items() if key}


class _Number(str):
    """A number as it is written."""

    __slots__ = ()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key.strip() for key, _ in pairs}) < len(pairs):
        raise ValueError("it has a key twice")
    return dict(pairs)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def cell_text(value: Any) -> str:
    """Return a cell as text: nothing is blank, what holds other values is their JSON."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


# --------------------------------------------------------------------------------------------------
# parquet
# --------------------------------------------------------------------------------------------------


def _parquet(raw: bytes, shown: str, digest: str) -> Table:
    """Read a Parquet file; what stands for a line is the number of the row."""
    import pyarrow as pa
    import pyarrow.parquet

    try:
        table = pa.parquet.read_table(pa.BufferReader(raw))
        lists = [column.to_pylist() for column in table.columns]
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        reason = shortened(str(error).splitlines()[0] if str(error) else "it is damaged")
        raise TableError(
            Problem(where=shown, found=f"a file that cannot be read: {reason}", expected="a Parquet file")
        ) from error
    columns = _columns([str(name) for name in table.column_names], shown, 1)
    for name, values in zip(columns, lists, strict=True):
        if any(isinstance(value, bytes) for value in values):
            raise TableError(
                Problem(where=shown, found=f"bytes in the column `{name}`", expected="text, numbers, dates")
            )
    rows = tuple(
        TableRow(
            cells={name: cell_text(v) for name, v in zip(columns, values, strict=True) if name},
            place=Place(path=shown, line=number + 1),
            number=number,
        )
        for number, values in enumerate(zip(*lists, strict=True))
    )
    return Table(columns=tuple(filter(None, columns)), rows=rows, sha256=digest)
