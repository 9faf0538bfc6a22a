"""Collects everything that is wrong with a policy, so that all of it is said at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

from audit.errors import Problem, UserError
from audit.policy.document import Document, KeyPath
from audit.types import Place

_LONGEST_COMPARED = 100
"""difflib takes quadratic time; what is longer is no misspelt name."""
_MOST_COMPARED = 2_000
_LONGEST_SHOWN = 80


class Problems:
    """What is wrong with a policy and its data files, in the order of position."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._found: dict[Problem, None] = {}

    def at(self, path: KeyPath, *, found: str, expected: str, do: str = "", key: bool = False) -> None:
        """Add a problem with the value (or the key) at a path of the policy."""
        where = self._document.where(path, key=key)
        excerpt = self._document.excerpt(where)
        if self._document.base_at(where) is not None:
            inherited = f"his is inherited: put your own in {self._document.path}"
            do = f"{do} T{inherited}" if do.endswith("?") else f"{do}; t{inherited}" if do else f"t{inherited}"
        self.add(Problem(where=where, found=found, expected=expected, do=do, excerpt=excerpt))

    def add(self, *problems: Problem) -> None:
        """Add problems that already know where they are."""
        self._found.update(dict.fromkeys(problems))

    def __len__(self) -> int:
        return len(self._found)

    def stop(self, title: str = "The policy cannot be used") -> None:
        """Do nothing when nothing was found.

        Raises
        ------
        UserError
            With every problem found so far: the command line first, then the policy, then its data files.
        """
        if not self._found:
            return
        count = counted(len(self._found), "problem")
        raise UserError(f"{title}: {count}", sorted(self._found, key=self._position))

    def _position(self, problem: Problem) -> tuple[int, str, int, int]:
        where = problem.where
        if not isinstance(where, Place):
            return (0, where, 0, 0)
        return (1 if where.path == self._document.path else 2, where.path, where.line, where.column)


def nearest(word: str, options: Iterable[str]) -> str:
    """Return what to do about a word that is none of the options: the one that was probably meant."""
    compared = [option for option in options if len(option) <= _LONGEST_COMPARED][:_MOST_COMPARED]
    close = difflib.get_close_matches(word[:_LONGEST_COMPARED], compared, n=1)
    if not close:  # `Sex` for `sex` shares too few letters for difflib
        close = [option for option in compared if option.casefold() == word.casefold()]
    return f"did you mean `{close[0]}`?" if close else ""


MOST_SHOWN = 40
"""Options in a message: every check type and every key of an entry, and no wall of text from somebody's data."""


def one_of(options: Sequence[str]) -> str:
    """Return options as they are listed in a message."""
    if not options:
        return "nothing: there is none"
    shown = [shortened(option) for option in options[:MOST_SHOWN]]
    more = f", … ({len(options)} in all)" if len(options) > len(shown) else ""
    return ("one of " if len(options) > 1 else "") + ", ".join(shown) + more


def shortened(text: str) -> str:
    """Return a text cut to what a message can hold."""
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 1]}…"


def counted(number: int, noun: str, several: str = "") -> str:
    """Return a number of things: ``1 row``, ``2,000 rows``."""
    return f"{number:,} {noun if number == 1 else several or noun + 's'}"


def named(value: Any) -> str:
    """Return a value of the policy as a message names it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the text `{shortened(value)}`" if value else "an empty text"
    return "a list" if isinstance(value, list) else "a mapping"
