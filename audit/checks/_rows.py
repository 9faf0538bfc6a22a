"""Rows that a check uses: each text once."""

from __future__ import annotations

from collections.abc import Iterable

from audit.types import Dataset


def distinct(data: Dataset, rows: Iterable[int] | None = None) -> list[int]:
    """Return the rows whose text no earlier one of them has: a copy brings nothing new and would weigh twice."""
    first: dict[str, int] = {}
    for i in range(len(data.rows)) if rows is None else rows:
        first.setdefault(data.rows[i].text, i)
    return list(first.values())
