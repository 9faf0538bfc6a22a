"""Turns the bytes of a policy into text in which a reader sees every character, where it stands."""

from __future__ import annotations

import re
from typing import NoReturn

from audit.errors import Problem, UserError
from audit.types import Place

MAX_BYTES = 1 << 20

TITLE = "The policy cannot be read"

_SHOWN = r"\n\r\x20-\x7e\xa0-\u2027\u202f-\u2065\u206a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff"
_HIDDEN = re.compile(f"[^{_SHOWN}]")
"""Control characters, tabs and further line breaks, and what makes a line show in another order than it
is read (CVE-2021-42574)."""

UNFIT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
"""What no value may hold even through an escape: control characters and lone surrogates."""


def decoded(raw: bytes, path: str) -> str:
    """Return the text of a policy file.

    Raises
    ------
    UserError
        When the file is too large, is not UTF-8 or holds a character that does not show itself.
    """
    if len(raw) > MAX_BYTES:
        refuse(
            Place(path=path, line=1),
            "",
            found="more than 1 MiB",
            expected="a policy of at most 1 MiB",
            do="put rows into a data file and name it under rows:",
        )
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8").splitlines() or [""]
        refuse(
            Place(path=path, line=len(before), column=len(before[-1]) + 1),
            "",
            found=f"the byte 0x{raw[error.start]:02X}, which is not UTF-8",
            expected="a text file in UTF-8",
            do="save the file as UTF-8",
        )
    if hidden := _HIDDEN.search(text):
        start = hidden.start()
        before = re.split(r"\r\n|\r|\n", text[:start])
        line = re.split(r"[\r\n]", text[start - len(before[-1]) :], maxsplit=1)[0]
        is_tab = hidden[0] == "\t"
        refuse(
            Place(path=path, line=len(before), column=len(before[-1]) + 1),
            line,
            found="a tab" if is_tab else f"the invisible character U+{ord(hidden[0]):04X}",
            expected="spaces" if is_tab else "characters that show what they are",
            do=_instead_of_a_tab(before[-1]) if is_tab else "remove it",
        )
    return text


def _instead_of_a_tab(before: str) -> str:
    """Return what to do about a tab, by what stands before it on its line: nothing, where it indents."""
    return r'inside double quotes it can be written as "\t"' if before.strip() else "indent with spaces, two to a level"


def refuse(where: Place, line: str, *, found: str, expected: str, do: str = "") -> NoReturn:
    """Stop at the first thing that keeps the file from being read at all."""
    raise UserError(TITLE, [Problem(where=where, found=found, expected=expected, do=do, excerpt=line)])
