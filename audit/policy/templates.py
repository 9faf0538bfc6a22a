"""Rows that the policy makes itself: a template, filled with every combination of some lists."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from audit.policy.tables import Table, TableRow
from audit.types import Place

MAX_PRODUCT = 1_000_000

Fields = Mapping[str, str]


class ListError(Exception):
    """A list that cannot fill a template; ``name`` is its name, empty for all of them together."""

    def __init__(self, name: str, found: str, expected: str, do: str = "") -> None:
        super().__init__(found)
        self.name, self.found, self.expected, self.do = name, found, expected, do


@dataclass(frozen=True, kw_only=True)
class FieldList:
    """One list of a template: what each entry sets."""

    name: str
    entries: tuple[Fields, ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """Return the fields that every entry sets."""
        return tuple(self.entries[0]) if self.entries else ()


def field_list(name: str, entries: Sequence[Any]) -> FieldList:
    """Return a list given as texts, which set the field of its name, or as mappings, which set several.

    Raises
    ------
    ListError
        When entries set different fields.
    """
    fields = tuple(entry if isinstance(entry, dict) else {name: entry} for entry in entries)
    for number, entry in enumerate(fields, start=1):
        if set(entry) != set(fields[0]) or not entry:
            raise ListError(
                name,
                f"entry {number} of the list `{name}`, which sets {', '.join(entry) or 'nothing'}",
                f"every entry to set {', '.join(fields[0]) or 'a field'}",
            )
    return FieldList(name=name, entries=fields)


def product(templates: Sequence[str], lists: Sequence[FieldList], *, several: bool, place: Place) -> Table:
    """Return one row for every template and combination of entries, in written order, the last list fastest.

    Where ``several`` templates were given, the field ``template`` holds the text of the row's own.

    Raises
    ------
    ListError
        When two lists set the same field, or there are more than ``MAX_PRODUCT`` combinations; that is
        seen before any is made.
    """
    columns = _columns(lists, ("template",) if several else ())
    count = len(templates) * math.prod(len(entry.entries) for entry in lists)
    if count > MAX_PRODUCT:
        sizes = " × ".join(str(n) for n in (len(templates), *(len(entry.entries) for entry in lists)))
        raise ListError("", f"{sizes} = {count:,} rows", f"at most {MAX_PRODUCT:,}", "shorten a list")
    rows = tuple(
        TableRow(cells=cells, place=place, number=number)
        for number, cells in enumerate(_combinations(templates, lists, several=several))
    )
    return Table(columns=columns, rows=rows, sha256=_digest(templates, lists))


def _columns(lists: Iterable[FieldList], first: tuple[str, ...]) -> tuple[str, ...]:
    columns = dict.fromkeys(first)
    for entry in lists:
        if twice := [field for field in entry.fields if field in columns]:
            raise ListError(
                entry.name, f"the field `{twice[0]}` set a second time", "each field set once", "rename one of them"
            )
        columns.update(dict.fromkeys(entry.fields))
    return tuple(columns)


def _combinations(templates: Sequence[str], lists: Sequence[FieldList], *, several: bool) -> Iterable[dict[str, str]]:
    for template in templates:
        for entries in itertools.product(*(entry.entries for entry in lists)):
            cells = {"template": template} if several else {}
            for fields in entries:
                cells.update(fields)
            yield cells


def _digest(templates: Sequence[str], lists: Sequence[FieldList]) -> str:
    return canonical_digest(
        {"templates": list(templates), "lists": [[entry.name, list(entry.entries)] for entry in lists]}
    )


def canonical_digest(value: Any) -> str:
    """Return the SHA-256 of a value's canonical JSON: sorted keys, no spaces, UTF-8."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return bytes_digest(text.encode())


def bytes_digest(raw: bytes) -> str:
    """Return the SHA-256 of some bytes."""
    return hashlib.sha256(raw).hexdigest()


def unused(names: Sequence[str], lists: Sequence[FieldList]) -> list[FieldList]:
    """Return the lists none of whose fields is among the names that the templates use.

    They multiply rows without changing a text: what the model sees once would count as many observations.
    """
    return [entry for entry in lists if not set(names).intersection(entry.fields)]
