"""Errors that a user can mend: one screen, no traceback.

Each problem says where it is, what was found, what was expected and what to do about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.text import printable
from audit.types import Place

SHOWN_AT_ONCE = 20
"""More problems than this do not fit on a screen; the rest is counted."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong with what the user gave."""

    where: Place | str
    """A position in a file, or the name of what is wrong (an option, a folder, a library)."""
    found: str
    expected: str
    do: str = ""
    excerpt: str = ""
    """The offending line, shown with a caret under ``where``'s column."""

    def lines(self) -> list[str]:
        """Return the problem as it is printed; text from outside is made printable."""
        out = [f"{printable(str(self.where))}: {printable(self.found)}"]
        if self.excerpt and isinstance(self.where, Place):
            # The caret is placed by display of the excerpt itself, so tabs are widened in both.
            before = printable(self.excerpt[: self.where.column - 1].expandtabs(4))
            out += [
                f"    {printable(self.excerpt.expandtabs(4))[:160]}",
                f"    {' ' * min(len(before), 160)}^",
            ]
        out.append(f"  expected: {printable(self.expected)}")
        if self.do:
            out.append(f"  do: {printable(self.do)}")
        return out


class UserError(Exception):
    """Bad usage, policy, data, model or environment: exit code 2."""

    exit_code = 2

    def __init__(self, title: str, problems: Sequence[Problem]) -> None:
        super().__init__(title)
        self.title = title
        self.problems = tuple(problems)

    def __str__(self) -> str:
        shown = self.problems[:SHOWN_AT_ONCE]
        lines = [printable(self.title)]
        for problem in shown:
            lines += ["", *problem.lines()]
        if more := len(self.problems) - len(shown):
            lines += ["", f"… and {more} more"]
        return "\n".join(lines)


def user_error(title: str, *, where: Place | str, found: str, expected: str, do: str = "") -> UserError:
    """Return an error with a single problem."""
    return UserError(title, [Problem(where=where, found=found, expected=expected, do=do)])
