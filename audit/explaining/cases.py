"""Reads what is to be explained: a row of the policy's data, a text, or a file of either."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from audit.errors import UserError, user_error
from audit.explaining.frame import TITLE, Frame
from audit.policy.loader import file_bytes
from audit.policy.tables import Table, TableError, TableRow, read_table
from audit.requests import Span
from audit.types import Dataset, TemplateChoice

TEXT, ID = "text", "id"
"""Columns of a file of cases that hold a free text, and a name of the case."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One case to be explained."""

    id: str
    kind: Literal["row", "text"]
    source: str
    text: str
    fields: Mapping[str, str] = field(default_factory=dict)
    """Fields of the text; empty for a free text."""
    spans: Mapping[str, tuple[Span, ...]] = field(default_factory=dict)
    """Field → where its value stands."""

    @property
    def sha256(self) -> str:
        """Of the text."""
        return hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Lost:
    """A case that cannot be explained, and why."""

    id: str
    source: str
    reason: str


def of_row(number: int, frame: Frame) -> Case:
    """Return a row of the policy's data, counted from 0 as reports count them.

    Raises
    ------
    UserError
        When there is no such row.
    """
    if frame.data is None or not 0 <= number < len(frame.data.rows):
        rows = 0 if frame.data is None else len(frame.data.rows)
        name = "the policy" if frame.data is None else f"the data set {frame.data.name!r}"
        raise user_error(
            TITLE,
            where="--row",
            found=f"row {number}, and {name} has {rows:,} rows",
            expected=f"a row from 0 to {rows - 1:,}, as reports number them" if rows else "a text, with --text",
        )
    row = frame.data.rows[number]
    return Case(
        id=f"row-{number}",
        kind="row",
        source=f"row {number} of the data set {frame.data.name}",
        text=row.text,
        fields={name: row.fields[name] for name in (*row.spans, *_chooses(frame.data))},
        spans=row.spans,
    )


def of_text(text: str, *, name: str = "text", source: str = "a text given on the command line") -> Case:
    """Return a free text as a case.

    Raises
    ------
    UserError
        When it holds nothing.
    """
    if not text.strip():
        raise user_error(
            TITLE, where="--text", found="a text without words", expected="the text that was decided about"
        )
    return Case(id=name, kind="text", source=source, text=text)


def of_file(path: Path, frame: Frame) -> list[Case | Lost]:
    """Return the cases of a csv, tsv, jsonl or parquet file; one that cannot be used does not lose the others.

    A case that has all fields of the data set's text is rendered from them; another needs the column ``text``.

    Raises
    ------
    UserError
        When the file cannot be read, holds no case, or has columns that no case can be made of.
    """
    title = "The cases cannot be read"
    try:
        table = read_table(file_bytes(path, title=title, expected="the path of a file of cases"), path.name)
    except TableError as error:
        raise UserError(title, error.problems) from error
    if not table.rows:
        raise user_error(title, where=str(path), found="no case", expected="at least one row")
    _check_columns(table, path, frame)
    ids = _ids(table.rows)
    return [_case(row, name, path, frame) for row, name in zip(table.rows, ids, strict=True)]


def _check_columns(table: Table, path: Path, frame: Frame) -> None:
    needed = frame.data.template.names if frame.data else ()
    several = frame.data is not None and set(_chooses(frame.data)) & {*table.columns}
    if TEXT in table.columns or several or (needed and set(needed) <= {*table.columns}):
        return
    lacking = [name for name in needed if name not in table.columns]
    raise user_error(
        "The cases cannot be read",
        where=str(path),
        found=f"the columns {', '.join(table.columns[:20])}"
        + (f", without {', '.join(lacking[:20])}" if lacking else ""),
        expected="a column `text`" + (f", or the columns {', '.join(needed)}" if needed else ""),
    )


def _ids(rows: Sequence[TableRow]) -> list[str]:
    """Return the names of cases: their own where each has one, else where they stand in the file."""
    own = [row.cells.get(ID, "").strip() for row in rows]
    usable = all(own) and len(set(own)) == len(own)
    return own if usable else [f"case-{row.number + 1}" for row in rows]


def _case(row: TableRow, name: str, path: Path, frame: Frame) -> Case | Lost:
    source = f"{path.name}, line {row.place.line}"
    needed = _needed(row, frame.data)
    lacking = [field for field in needed if not _given(row, field, frame)]
    if frame.data is not None and needed and not lacking:
        fields = {field: row.cells[field] for field in needed}
        text, spans = frame.data.template.render(fields)
        return Case(id=name, kind="row", source=source, text=text, fields=fields, spans=spans)
    if row.cells.get(TEXT, "").strip():
        return Case(id=name, kind="text", source=source, text=row.cells[TEXT])
    if 0 < len(lacking) < len(needed):
        return Lost(id=name, source=source, reason=f"it has no text, and lacks {', '.join(lacking[:10])}")
    return Lost(id=name, source=source, reason="it has no text")


def _given(row: TableRow, field: str, frame: Frame) -> bool:
    """Return whether a case has a value of a field; a blank is one only where the data have blanks too."""
    return bool(row.cells.get(field, "").strip()) or (field in row.cells and "" in frame.values.get(field, ()))


def _chooses(data: Dataset) -> tuple[str, ...]:
    """Return the field that says which of several templates a row was rendered from."""
    return ("template",) if isinstance(data.template, TemplateChoice) else ()


def _needed(row: TableRow, data: Dataset | None) -> tuple[str, ...]:
    """Return the fields that a case needs to be rendered: those of its own template, where there are several."""
    if data is None:
        return ()
    if not isinstance(data.template, TemplateChoice):
        return data.template.names
    mine = next((option for option in data.template.options if option.source == row.cells.get("template")), None)
    return (*_chooses(data), *mine.names) if mine else ()
