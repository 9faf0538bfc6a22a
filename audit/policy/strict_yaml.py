"""Reads YAML that someone else wrote: safely, strictly and with positions.

PyYAML's events are used and nothing above them, so no tag ever constructs an object and what YAML
leaves open is refused instead of guessed: duplicate keys, merge keys, tags, several documents. Bounds
on size, depth and alias expansion stop the documents that are small on disk and large in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

import yaml
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner

from audit.policy.document import Document, KeyPath
from audit.policy.encoding import UNFIT, decoded, refuse
from audit.policy.scalars import CORE_TAGS, Scalar, plain, tagged
from audit.types import Place

MAX_DEPTH = 40
MAX_ALIASED = 100_000
"""Values that aliases may stand for, counted as often as they are used."""


@dataclass(frozen=True, slots=True)
class _Node:
    """A value before aliases are expanded."""

    kind: Literal["scalar", "list", "mapping"]
    data: Any
    """A scalar, a list of nodes, or a list of (key, key place, node)."""
    place: Place
    written: str | None = None
    size: int = 1
    """Values in it once aliases are expanded, itself included."""
    height: int = 1


def read(raw: bytes, path: str) -> Document:
    """Return the data of a policy file with the position of everything in it.

    Raises
    ------
    UserError
        At the first thing that is not the YAML accepted here.
    """
    text = decoded(raw, path)
    lines = tuple(text.splitlines())
    return _Composer(text, path, lines).document()


def scalar(text: str) -> Scalar:
    """Return what one value given on the command line means: quoted text, or a plain scalar.

    Raises
    ------
    ValueError
        When it cannot be a value.
    """
    if text[:1] in {'"', "'"}:
        try:
            events = [e for e in _Events(text) if isinstance(e, yaml.NodeEvent)]
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            raise ValueError("a quoted text that does not end with its quote") from error
        if len(events) == 1 and isinstance(events[0], yaml.ScalarEvent) and not UNFIT.search(events[0].value):
            return str(events[0].value)
        raise ValueError("more than one quoted text")
    return plain(text)


def _holding(kind: Literal["list", "mapping"], data: Any, children: list[_Node], place: Place) -> _Node:
    size = 1 + sum(child.size for child in children)
    height = 1 + max((child.height for child in children), default=0)
    return _Node(kind, data, place, size=size, height=height)


class _Events(Reader, Scanner, Parser):
    """PyYAML's own event stream, without its resolver, composer and constructor."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)

    def __iter__(self) -> Iterator[Any]:
        while not isinstance(event := self.take(), yaml.StreamEndEvent):
            yield event

    def take(self) -> Any:
        """Return the next event."""
        return self.get_event()  # type: ignore[no-untyped-call]


class _Composer:
    """Turns events into nodes; recursion is bounded by ``MAX_DEPTH``."""

    def __init__(self, text: str, path: str, lines: tuple[str, ...]) -> None:
        self._loader = _Events(text)
        self._text, self._path, self._lines = text, path, lines
        self._anchors: dict[str, _Node | None] = {}
        self._aliased = 0

    def document(self) -> Document:
        self._next()  # stream start
        if isinstance(self._next(), yaml.StreamEndEvent):
            self._refuse(Place(path=self._path, line=1), found="an empty file", expected="a policy")
        event = self._next()
        root = self._node(event, depth=1)
        if not isinstance(event, yaml.MappingStartEvent):
            self._refuse(root.place, found="a value that is not a mapping", expected="a policy: keys with values")
        self._next()  # document end
        if not isinstance(more := self._next(), yaml.StreamEndEvent):
            self._refuse(
                self._place(more),
                found="a second document",
                expected="one policy a file",
                do="put each policy into its own file",
            )
        return self._expanded(root)

    def _next(self) -> Any:
        try:
            return self._loader.take()
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark or self._loader.get_mark()
            found = ", ".join(part for part in (error.context, error.problem) if part)
            place = Place(path=self._path, line=mark.line + 1, column=mark.column + 1)
            advice = 'put text that holds ": " or " #" or begins with a sign in quotes; check the indentation'
            self._refuse(place, found=found or "broken YAML", expected="well-formed YAML", do=advice)
        except (yaml.YAMLError, ValueError, OverflowError):
            # PyYAML lets a number that is no code point, or a version too long for int(), through to Python.
            mark = self._loader.get_mark()
            place = Place(path=self._path, line=mark.line + 1, column=mark.column + 1)
            self._refuse(place, found="an escape or number that stands for nothing", expected="well-formed YAML")

    def _place(self, event: Any) -> Place:
        mark = event.start_mark
        return Place(path=self._path, line=mark.line + 1, column=mark.column + 1)

    def _refuse(self, where: Place, *, found: str, expected: str, do: str = "") -> NoReturn:
        line = self._lines[where.line - 1] if where.line <= len(self._lines) else ""
        refuse(where, line, found=found, expected=expected, do=do)

    # ----------------------------------------------------------------------------------------------

    def _node(self, event: Any, depth: int) -> _Node:
        if depth > MAX_DEPTH:
            self._too_deep(event)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = None  # open: an alias to it from inside refers to itself
        if isinstance(event, yaml.ScalarEvent):
            node = self._scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            self._collection_tag(event, "seq")
            node = self._list(event, depth)
        else:
            self._collection_tag(event, "map")
            node = self._mapping(event, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _too_deep(self, event: Any) -> NoReturn:
        self._refuse(
            self._place(event),
            found=f"values nested deeper than {MAX_DEPTH}",
            expected=f"at most {MAX_DEPTH} levels",
        )

    def _alias(self, event: Any, depth: int) -> _Node:
        place = self._place(event)
        if event.anchor not in self._anchors:
            self._refuse(place, found=f"the alias *{event.anchor}", expected=f"an anchor &{event.anchor} before it")
        node = self._anchors[event.anchor]
        if node is None:
            self._refuse(
                place,
                found=f"the alias *{event.anchor} inside what it stands for",
                expected="a value that does not hold itself",
            )
        if depth + node.height - 1 > MAX_DEPTH:
            self._too_deep(event)
        self._aliased += node.size
        if self._aliased > MAX_ALIASED:
            self._refuse(
                place,
                found=f"aliases that stand for more than {MAX_ALIASED:,} values",
                expected=f"at most {MAX_ALIASED:,}",
                do="write the values into a data file",
            )
        return node

    def _scalar(self, event: Any) -> _Node:
        place, text = self._place(event), event.value
        if unfit := UNFIT.search(text):
            self._refuse(
                place,
                found=f"text with the character U+{ord(unfit[0]):04X}",
                expected="text without control characters",
            )
        try:
            value = self._value(event, place)
        except ValueError as error:
            self._refuse(
                place,
                found=str(error),
                expected="a number that can be held, or text",
                do="put text in quotes",
            )
        return _Node("scalar", value, place, None if isinstance(value, str) else text)

    def _value(self, event: Any, place: Place) -> Scalar:
        if event.tag is None:
            return plain(event.value) if event.implicit[0] else str(event.value)
        if event.tag == "!":
            return str(event.value)
        name = CORE_TAGS.get(event.tag)
        if name is None or name in {"map", "seq"}:
            self._refuse_tag(event, place)
        return tagged(event.value, name)

    def _collection_tag(self, event: Any, name: str) -> None:
        if event.tag not in {None, "!"} and CORE_TAGS.get(event.tag) != name:
            self._refuse_tag(event, self._place(event))

    def _refuse_tag(self, event: Any, place: Place) -> NoReturn:
        tag = event.tag.replace("tag:yaml.org,2002:", "!!")
        self._refuse(
            place,
            found=f"the tag {tag}",
            expected="plain values; a policy builds no objects",
            do="remove the tag",
        )

    def _list(self, start: Any, depth: int) -> _Node:
        items: list[_Node] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            items.append(self._node(event, depth + 1))
        return _holding("list", items, items, self._place(start))

    def _mapping(self, start: Any, depth: int) -> _Node:
        entries: list[tuple[str, Place, _Node]] = []
        seen: dict[str, Place] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key, place = self._key(event)
            if key in seen:
                first = f"line {seen[key].line}, column {seen[key].column}"
                self._refuse(
                    place,
                    found=f"the key `{key}` a second time; the first is at {first}",
                    expected="each key once",
                    do="remove one of them",
                )
            seen[key] = place
            entries.append((key, place, self._node(self._next(), depth + 1)))
        return _holding("mapping", entries, [node for _, _, node in entries], self._place(start))

    def _key(self, event: Any) -> tuple[str, Place]:
        place = self._place(event)
        if not isinstance(event, yaml.ScalarEvent):
            self._refuse(place, found="a key that is not text", expected="a short text as key")
        node = self._scalar(event)
        if event.value == "<<" and event.implicit[0]:
            self._refuse(
                place,
                found="the merge key <<",
                expected="every key written out",
                do="repeat the keys, or use an alias for a whole value",
            )
        if node.data is None:
            self._refuse(place, found="an empty key", expected="a short text as key")
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return event.value, place

    def _expanded(self, root: _Node) -> Document:
        places: dict[KeyPath, Place] = {}
        key_places: dict[KeyPath, Place] = {}
        written: dict[KeyPath, str] = {}

        def expand(node: _Node, at: KeyPath) -> Any:
            places[at] = node.place
            if node.written is not None:
                written[at] = node.written
            if node.kind == "scalar":
                return node.data
            if node.kind == "mapping":
                key_places.update({(*at, key): place for key, place, _ in node.data})
                return {key: expand(child, (*at, key)) for key, _, child in node.data}
            return [expand(child, (*at, index)) for index, child in enumerate(node.data)]

        return Document(
            path=self._path,
            source=self._text,
            data=expand(root, ()),
            places=places,
            key_places=key_places,
            written=written,
            lines=self._lines,
        )
