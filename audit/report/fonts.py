"""The fonts that travel with the tool: what they can show, how wide it is, and the CSS that names them.

A report must look the same on every machine and hold no character without a glyph (ISO 19005-3,
6.2.11.8), so nothing is left to the fonts a system happens to have.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from audit import resources

SANS = "Plex"
MONO = "Plex Mono"
SYMBOLS = "Symbols"


@dataclass(frozen=True, kw_only=True)
class Face:
    """One font file and the CSS face it is."""

    family: str
    file: str
    weight: int = 400
    style: Literal["normal", "italic"] = "normal"


FACES = (
    Face(family=SANS, file="IBMPlexSans-Regular.woff2"),
    Face(family=SANS, file="IBMPlexSans-Italic.woff2", style="italic"),
    Face(family=SANS, file="IBMPlexSans-SemiBold.woff2", weight=600),
    Face(family=SANS, file="IBMPlexSans-Bold.woff2", weight=700),
    Face(family=MONO, file="IBMPlexMono-Regular.woff2"),
    Face(family=MONO, file="IBMPlexMono-SemiBold.woff2", weight=600),
    Face(family=SYMBOLS, file="DejaVuSans.ttf"),
)

# Characters that text layout sends to whatever emoji font a system has, even where a bundled font
# has them (Unicode Emoji_Presentation, and what turns others into emoji). They are shown by code
# point, or a report would differ from machine to machine.
_EMOJI = frozenset(
    {0x20E3, 0xFE0E, 0xFE0F, 0x231A, 0x231B, 0x23F0, 0x23F3, 0x267F, 0x2693, 0x26A1, 0x26CE, 0x26D4, 0x26EA}
    | {0x26F5, 0x26FA, 0x26FD, 0x2705, 0x2728, 0x274C, 0x274E, 0x2757, 0x27B0, 0x27BF, 0x2B50, 0x2B55}
    | {0x25FD, 0x25FE, 0x2614, 0x2615, 0x26AA, 0x26AB, 0x26BD, 0x26BE, 0x26C4, 0x26C5, 0x26F2, 0x26F3}
    | {0x270A, 0x270B, 0x2B1B, 0x2B1C}
    | set(range(0x23E9, 0x23ED))
    | set(range(0x2648, 0x2654))
    | set(range(0x2753, 0x2756))
    | set(range(0x2795, 0x2798))
    | set(range(0x1F000, 0x1FB00))
)


def _folder() -> Path:
    return resources.folder("report_templates") / "fonts"


@cache
def coverage() -> frozenset[int]:
    """Return the code points that every weight of some bundled family can show, emoji apart."""
    families: dict[str, set[int]] = {}
    for face in FACES:
        points = set(_advances(face.file))
        families[face.family] = families.get(face.family, points) & points
    return frozenset[int]().union(*families.values()) - _EMOJI


def width(text: str, size: float, *, bold: bool = False) -> float:
    """Return how wide ``text`` is at ``size``, in the units of ``size``.

    Characters that the text face lacks are measured in the symbol face. Kerning is left out: it only
    makes text narrower than measured.
    """
    text_face = _advances("IBMPlexSans-SemiBold.woff2" if bold else "IBMPlexSans-Regular.woff2")
    symbols = _advances("DejaVuSans.ttf")
    return size * sum(text_face.get(ord(ch), symbols.get(ord(ch), 1.0)) for ch in text)


@cache
def _advances(file: str) -> Mapping[int, float]:
    """Return the advance width of every code point of a font, in ems."""
    from fontTools.ttLib import TTFont

    with TTFont(_folder() / file, lazy=True) as font:
        per_em = font["head"].unitsPerEm
        metrics = font["hmtx"].metrics
        return {point: metrics[name][0] / per_em for point, name in font.getBestCmap().items()}


def css(*, embed: bool) -> str:
    """Return the ``@font-face`` rules.

    With ``embed`` the files stand in the rules themselves, without the large symbol font: a browser
    has its own. Without it they are addressed relative to the template folder.
    """
    faces = [face for face in FACES if not (embed and face.family == SYMBOLS)]
    return "\n".join(
        f'@font-face{{font-family:"{face.family}";font-weight:{face.weight};font-style:{face.style};'
        f"src:url({_data_uri(face.file) if embed else 'fonts/' + face.file})}}"
        for face in faces
    )


@cache
def _data_uri(file: str) -> str:
    return "data:font/woff2;base64," + base64.b64encode((_folder() / file).read_bytes()).decode("ascii")
