"""Text from outside made safe to show: terminals, logs and PDF fonts all choke on something.

Policies, data files and model vocabularies hold control characters, bidirectional overrides, private-use
code points and lone surrogates. Shown raw they move the cursor, hide text or break PDF/A (a character
without a glyph fails ISO 19005-3, 6.2.11.8).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Set as AbstractSet

_NAMED = {"\n": "↵", "\t": "⇥"}
_INVISIBLE = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})


def printable(text: str) -> str:
    """Return ``text`` with every character that does not show itself written as its code point."""
    return "".join(ch if unicodedata.category(ch) not in _INVISIBLE else f"⟨U+{ord(ch):04X}⟩" for ch in text)


def visible(text: str, coverage: AbstractSet[int]) -> str:
    """Return ``text`` so that each character shows and has a glyph in the bundled fonts.

    Line feeds and tabs become arrows, control characters their control pictures, and whatever has no
    glyph in ``coverage`` (code points) is written as ``⟨U+6F22⟩``.
    """
    return "".join(_visible(ch, coverage) for ch in text)


def _visible(ch: str, coverage: AbstractSet[int]) -> str:
    if ch in _NAMED:
        return _NAMED[ch]
    point = ord(ch)
    if point < 0x20 or point == 0x7F:
        picture = 0x2400 + (point if point < 0x20 else 0x21)
        return chr(picture) if picture in coverage else f"⟨U+{point:04X}⟩"
    if unicodedata.category(ch) in _INVISIBLE or point not in coverage:
        return f"⟨U+{point:04X}⟩"
    return ch
