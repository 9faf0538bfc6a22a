"""True outcomes: what the cells of a label column mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from audit.errors import Problem
from audit.policy.document import KeyPath
from audit.policy.problems import counted, one_of, shortened
from audit.policy.reading import Reading
from audit.policy.schema_data import LabelMapping
from audit.policy.tables import Table, TableRow

_MEANINGS = {"1": True, "true": True, "0": False, "false": False}

MOST_TOLD = 10
"""Different bad values told of one column."""


def label_column(label: str | LabelMapping | None) -> str | None:
    """Return the column that holds the true outcome, if there is one."""
    return label.column if isinstance(label, LabelMapping) else label


def meanings(path: KeyPath, label: str | LabelMapping, reading: Reading) -> Mapping[str, bool] | None:
    """Return what each label means; None when a value is said to mean both."""
    if isinstance(label, str):
        return _MEANINGS
    positive = reading.document.texts((*path, "positive"))
    negative = reading.document.texts((*path, "negative"))
    both = set(positive)
    for index, value in enumerate(negative):
        if value in both:
            reading.problems.at(
                (*path, "negative", index),
                found=f"the value `{shortened(value)}`, which is also positive",
                expected="a value that means one thing",
            )
            return None
    return dict.fromkeys(positive, True) | dict.fromkeys(negative, False)


def labelled(
    path: KeyPath, rows: Sequence[TableRow], column: str, means: Mapping[str, bool], table: Table, reading: Reading
) -> list[bool | None]:
    """Return the true outcome of every row, None where the cell is blank.

    Values without a meaning are problems, each told once, where it stands first. Without a mapping the
    case of ``true`` and ``false`` does not count.
    """
    outcomes: list[bool | None] = []
    unknown: dict[str, list[TableRow]] = {}
    for row in rows:
        cell = row.cells[column]
        meaning = means.get(cell.lower() if means is _MEANINGS else cell)
        outcomes.append(meaning)
        if meaning is None and cell.strip():
            unknown.setdefault(cell, []).append(row)
    for cell, where in list(unknown.items())[:MOST_TOLD]:
        problem = _unknown(cell, where, column, means, table)
        reading.problems.add(problem if reading.may_quote(path) else replace(problem, excerpt=""))
    return outcomes


def _unknown(cell: str, rows: Sequence[TableRow], column: str, means: Mapping[str, bool], table: Table) -> Problem:
    place, line = table.locate(rows[0], column)
    further = f", and in {counted(len(rows) - 1, 'further row')}" if len(rows) > 1 else ""
    where = f"`{shortened(cell)}` in the column `{column}`{further}"
    if means is _MEANINGS:
        return Problem(
            where=place,
            found=f"the non-numeric label {where}",
            expected="1, 0, true, false, or a blank cell for a row without a label",
            do="say what the values mean: label: {column: …, positive: […], negative: […]}",
            excerpt=line,
        )
    return Problem(
        where=place,
        found=f"the label {where}",
        expected=f"{one_of(list(means))}, or a blank cell for a row without a label",
        do="add the value to the positive or the negative ones, or leave its rows out with where:",
        excerpt=line,
    )
