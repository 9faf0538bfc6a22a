"""A policy as plain data, with the position of everything in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from audit.policy.scalars import Scalar
from audit.types import Place

KeyPath: TypeAlias = tuple[str | int, ...]
"""Keys and list positions from the root to a value."""


@dataclass(frozen=True, kw_only=True)
class Base:
    """A policy that another one extends."""

    name: str
    """As the record names it: relative to the policy, or beginning with a variable."""
    path: str
    """As positions name it."""
    home: str
    """Folder of ``name``: the files that it names are found there."""
    source: str
    sha256: str
    """Of the file's bytes."""
    lines: Sequence[str] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Document:
    """Plain data read from a policy file, and where each key and value stands in it."""

    path: str
    source: str
    data: dict[str, Any]
    places: Mapping[KeyPath, Place]
    """Where each value begins; a value used through an alias is placed where it is written."""
    key_places: Mapping[KeyPath, Place]
    written: Mapping[KeyPath, str]
    """Scalars that are not text, as they are written: ``1.50`` must not become ``1.5`` in a data row."""
    overridden: Mapping[KeyPath, str] = field(default_factory=dict)
    """Values given on the command line → ``--set key=value``."""
    lines: Sequence[str]
    bases: tuple[Base, ...] = ()
    """What the policy extends, the nearest first; values of theirs are placed in their files."""

    def get(self, path: KeyPath) -> Any:
        """Return the value at a path.

        Raises
        ------
        KeyError, IndexError, TypeError
            When there is none.
        """
        value: Any = self.data
        for step in path:
            value = value[step]
        return value

    def place_of(self, path: KeyPath) -> Place:
        """Return where the value stands, or the nearest value that holds it."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, Place(path=self.path, line=1, column=1))

    def key_place(self, path: KeyPath) -> Place:
        """Return where the key of a value stands; for list items, the item itself."""
        return self.key_places.get(path) or self.place_of(path)

    def override_of(self, path: KeyPath) -> str:
        """Return the ``--set`` that gave the value at a path, or nothing."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.overridden:
                return self.overridden[path[:end]]
        return ""

    def where(self, path: KeyPath, *, key: bool = False) -> Place | str:
        """Return the position to name in a message: a place in the file, or the ``--set`` that gave it."""
        return self.override_of(path) or (self.key_place(path) if key else self.place_of(path))

    def excerpt(self, where: Place | str) -> str:
        """Return the line at a position of this file, or of one that it extends."""
        if isinstance(where, str):
            return ""
        base = self.base_at(where)
        lines = self.lines if base is None else base.lines
        if (base is None and where.path != self.path) or not 1 <= where.line <= len(lines):
            return ""
        return lines[where.line - 1]

    def base_at(self, where: Place | str) -> Base | None:
        """Return the base whose file a position is in; None for the policy's own and for anything else."""
        if isinstance(where, str) or where.path == self.path:
            return None
        return next((base for base in self.bases if base.path == where.path), None)

    def home_of(self, path: KeyPath) -> str:
        """Return the home of the file that a value is written in: ``""`` for the policy's own and the command line."""
        base = None if self.override_of(path) else self.base_at(self.place_of(path))
        return "" if base is None else base.home

    def texts(self, path: KeyPath) -> Any:
        """Return the value at a path with every scalar as text, as it is written; nothing becomes ``""``."""
        return self._texts(self.get(path), path)

    def _texts(self, value: Any, path: KeyPath) -> Any:
        if isinstance(value, dict):
            return {key: self._texts(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self._texts(item, (*path, at)) for at, item in enumerate(value)]
        if value is None:
            return ""
        return value if isinstance(value, str) else self.written.get(path, str(value))

    def with_value(self, path: KeyPath, value: Scalar, written: str, label: str) -> Document:
        """Return the document with one value replaced or added; mappings on the way are made.

        Raises
        ------
        KeyError, IndexError, TypeError
            When the path runs through something that holds no keys.
        """
        data, overridden = dict(self.data), dict(self.overridden)
        into: Any = data
        for depth, step in enumerate(path[:-1], start=1):
            if isinstance(into, dict) and step not in into:
                into[step] = {}
                overridden[path[:depth]] = label
            held = into[step]
            into[step] = list(held) if isinstance(held, list) else dict(held)
            into = into[step]
        into[path[-1]] = value
        overridden[path] = label
        texts = {at: text for at, text in self.written.items() if at[: len(path)] != path}
        if not isinstance(value, str):
            texts[path] = written
        return replace(self, data=data, written=texts, overridden=overridden)
