"""Reads the plain text of a check's documentation: paragraphs, lists and code, nothing else.

The text is written for a terminal and a source file as well, so it holds no mark-up language; what is
recognised here is what people write anyway.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

_BULLET = re.compile(r"^\s*(?:[*•-]|\d+[.)])\s+")
_CODE = re.compile(r"``([^`]+)``|`([^`]+)`")


@dataclass(frozen=True, kw_only=True)
class Run:
    """A piece of a line, set as code or not."""

    text: str
    code: bool = False


@dataclass(frozen=True, kw_only=True)
class Block:
    """A paragraph (one item) or a list."""

    kind: Literal["paragraph", "list"]
    items: tuple[tuple[Run, ...], ...]


def blocks(text: str) -> tuple[Block, ...]:
    """Return the paragraphs and lists of a text; line breaks inside them are only spaces."""
    out: list[Block] = []
    for piece in re.split(r"\n\s*\n", text.strip()):
        items = _items(piece)
        for kind, group in groupby(items, key=lambda item: item[0]):
            runs = tuple(_runs(text) for _, text in group)
            out.append(Block(kind=kind, items=runs))
    return tuple(out)


def _items(piece: str) -> list[tuple[Literal["paragraph", "list"], str]]:
    items: list[tuple[Literal["paragraph", "list"], str]] = []
    for line in piece.splitlines():
        if _BULLET.match(line):
            items.append(("list", _BULLET.sub("", line).strip()))
        elif items and (items[-1][0] == "paragraph" or line[:1].isspace()):
            items[-1] = (items[-1][0], f"{items[-1][1]} {line.strip()}")
        elif line.strip():
            items.append(("paragraph", line.strip()))
    return items


def _runs(text: str) -> tuple[Run, ...]:
    runs: list[Run] = []
    at = 0
    for found in _CODE.finditer(text):
        runs += [
            Run(text=text[at : found.start()]),
            Run(text=found.group(1) or found.group(2), code=True),
        ]
        at = found.end()
    runs.append(Run(text=text[at:]))
    return tuple(run for run in runs if run.text)
