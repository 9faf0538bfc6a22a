"""Takes fields out of columns that hold several things at once.

No regular expression of the policy's is ever run: a pattern is matched by looking for its fixed parts
one after the other, and words by looking their spelling up, both in time linear in the text.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from audit.policy.problems import shortened
from audit.policy.tables import TableRow
from audit.types import TextTemplate

Fields = Mapping[str, str]

ELLIPSIS = "…"
MAX_WORD = 200


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step: the fields it sets, and how it finds them in a cell."""

    column: str
    fields: tuple[str, ...]
    find: Callable[[str], Fields | str]
    """Return the fields, or the reason for which there are none."""


def by_pattern(column: str, pattern: str) -> Step:
    """Return a step that takes the fields of a pattern such as ``{job}.{sex}.txt``.

    Every field takes at least one character and ends at the first place where the text after it stands. The
    whole cell must fit. Looking for each fixed part from left to right misses no fit, since a field
    that ends earlier leaves more for the rest.

    Raises
    ------
    ValueError
        When the pattern has no field, one twice, or two that nothing separates.
    """
    parts = _joined(TextTemplate(pattern).parts)
    names = [name for _, name in parts if name is not None]
    if not names:
        raise ValueError("a pattern without a {field}")
    if len(set(names)) < len(names):
        raise ValueError("a pattern with a field twice")
    if any(not literal for literal, name in parts[1:] if name is not None):
        raise ValueError("a pattern with two fields and nothing between them")
    reason = f"{column} does not fit {pattern}"
    return Step(column=column, fields=tuple(names), find=lambda cell: _fitted(cell, parts) or reason)


def _joined(parts: Sequence[tuple[str, str | None]]) -> list[tuple[str, str | None]]:
    """Return (fixed part, field after it), with the fixed parts around escaped braces put together."""
    joined: list[tuple[str, str | None]] = []
    literal = ""
    for text, name in parts:
        literal += text
        if name is not None:
            joined.append((literal, name))
            literal = ""
    return [*joined, (literal, None)]


def _fitted(cell: str, parts: Sequence[tuple[str, str | None]]) -> Fields | None:
    if not cell.startswith(parts[0][0]):
        return None
    fields: dict[str, str] = {}
    at = len(parts[0][0])
    for (_, name), (following, next_name) in itertools.pairwise(parts):
        if next_name is None:
            end = len(cell) - len(following) if cell.endswith(following) else -1
        else:
            end = cell.find(following, at + 1)
        if end <= at:
            return None
        fields[str(name)] = cell[at:end]
        at = end + len(following)
    return fields


def by_words(
    column: str,
    words: Sequence[str],
    *,
    term: str,
    frame: str | None,
    before: str | None,
    after: str | None,
) -> Step:
    """Return a step that finds the one listed word in a text, whole and in either case.

    A row is of use only when exactly one place can be exchanged: with none, with several different words,
    or with the same one twice, ``{before}{term}{after}`` filled with another word would be another text.
    A field whose name is None is not set.

    Raises
    ------
    ValueError
        When a word is longer than ``MAX_WORD``: every length is looked up at every place.
    """
    if long := [word for word in words if len(word) > MAX_WORD]:
        raise ValueError(f"the listed word {shortened(long[0])}, of {len(long[0])} characters")
    listed = {word.lower() for word in words}
    lengths = sorted({len(word) for word in words}, reverse=True)

    def find(cell: str) -> Fields | str:
        hits = list(_occurrences(cell, listed, lengths))
        if not hits:
            return f"{column} holds none of the listed words"
        if len({cell[start:end].lower() for start, end in hits}) > 1:
            return f"{column} holds several of the listed words"
        if len(hits) > 1:
            return f"{column} holds a listed word more than once"
        start, end = hits[0]
        head, found, tail = cell[:start], cell[start:end], cell[end:]
        values = {term: found, frame: f"{head}{ELLIPSIS}{tail}", before: head, after: tail}
        return {name: value for name, value in values.items() if name is not None}

    fields = tuple(name for name in (term, frame, before, after) if name is not None)
    return Step(column=column, fields=fields, find=find)


def _occurrences(text: str, listed: set[str], lengths: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield where listed words stand, from the left, the longest at each place."""
    at = 0
    while at < len(text):
        end = at + 1
        if at == 0 or not _in_word(text[at - 1]):
            for length in lengths:
                stop = at + length
                whole = stop <= len(text) and (stop == len(text) or not _in_word(text[stop]))
                if whole and text[at:stop].lower() in listed:
                    yield at, stop
                    end = stop
                    break
        at = end


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def applied(step: Step, rows: Sequence[TableRow]) -> tuple[list[TableRow], list[tuple[TableRow, str]]]:
    """Return the rows with the step's fields, and those without, each with the reason."""
    kept: list[TableRow] = []
    dropped: list[tuple[TableRow, str]] = []
    for row in rows:
        found = step.find(row.cells[step.column])
        if isinstance(found, str):
            dropped.append((row, found))
        else:
            cells = {**row.cells, **found}
            kept.append(TableRow(cells=cells, place=row.place, number=row.number))
    return kept, dropped
