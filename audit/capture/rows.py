"""The rows of the data as they stand among the stored answers.

A data file is one digest: with a line taken out of it nothing could be said of the lines that are left. As notes of
the evidence (``audit.capture.evidence``) each row is a leaf of its own, and one can be erased without the others.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from audit.capture.stored import StoredAnswers, key_of, request_key
from audit.errors import user_error
from audit.types import Dataset, Place, Row


@dataclass(frozen=True, kw_only=True)
class KeptRow:
    """A row of a data set as it was kept."""

    key: bytes
    """Text key of its note."""
    number: int
    """From 0, among the rows that were used; records and reports name it by this."""
    row: Row


def rows_key(data: str) -> bytes:
    """Return the request key under which the rows of a data set are kept."""
    return request_key({"": "Rows", "data": data})


def row_notes(data: Dataset) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Yield request key, text key and JSON of each row; the folder that its file lies in is no part of it."""
    request = rows_key(data.name)
    for number, row in enumerate(data.rows):
        said = json.dumps(_said(number, row), sort_keys=True, separators=(",", ":"))
        yield request, key_of(said), said.encode("ascii")


def kept_rows(store: StoredAnswers, data: str) -> tuple[KeptRow, ...]:
    """Return the rows of a data set that are there, by their numbers; their places name no file.

    Raises
    ------
    UserError
        When one of them is not what was written.
    """
    request = rows_key(data)
    try:
        rows = [
            _row(key, json.loads(note)) for key, note in store.notes(request, store.texts("notes", request)).items()
        ]
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise user_error(
            "The evidence cannot be read",
            where=str(store.folder),
            found=f"rows of the data set {data} that cannot be read ({type(error).__name__}: {error})",
            expected="rows as inspectoscope keeps them",
        ) from error
    return tuple(sorted(rows, key=lambda kept: kept.number))


def _said(number: int, row: Row) -> dict[str, Any]:
    return {
        "row": number,
        "text": row.text,
        "fields": dict(row.fields),
        "spans": {name: list(spans) for name, spans in row.spans.items()},
        "label": row.label,
        "line": row.place.line if row.place else None,
        "column": row.place.column if row.place else None,
    }


def _row(key: bytes, said: dict[str, Any]) -> KeptRow:
    place = None if said["line"] is None else Place(path="", line=int(said["line"]), column=int(said["column"]))
    label = said["label"]
    if label not in {None, True, False}:
        raise ValueError(f"the label {label!r}")
    row = Row(
        text=str(said["text"]),
        fields={str(name): str(value) for name, value in said["fields"].items()},
        spans={str(name): tuple((int(a), int(b)) for a, b in spans) for name, spans in said["spans"].items()},
        label=label,
        place=place,
    )
    return KeptRow(key=key, number=int(said["row"]), row=row)
