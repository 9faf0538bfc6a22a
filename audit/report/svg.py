"""The strokes that charts are made of: text, marks, axes, and the SVG around them.

Presentation attributes only: an inline style would be stopped by the HTML's content security policy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from markupsafe import Markup

from audit.report import fonts, view
from audit.text import visible

WIDTH = 640.0
"""Of every drawing, in its own units; on an A4 page one unit is about three quarters of a point."""

SIZE = 10.5
"""Of all text, in the same units."""

INK, MUTED, RULE, STRIPE = "#1b1f24", "#57606a", "#c4ccd4", "#f3f5f8"


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """An SVG and the sentence in its ``<title>``."""

    svg: Markup
    alt: str


def drawing(parts: Iterable[str], height: float, sentence: str) -> Drawing:
    """Return the parts as one SVG with its alternative text."""
    alt = visible(sentence, fonts.coverage())
    text = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 {n(WIDTH)} {n(height)}" '
        f'width="{n(WIDTH)}" height="{n(height)}" role="img" '
        f'font-family="{fonts.SANS}, {fonts.SYMBOLS}, sans-serif" font-size="{SIZE}">'
        f"<title>{escape(alt)}</title>{''.join(parts)}</svg>"
    )
    return Drawing(svg=Markup(text), alt=alt)  # noqa: S704 - made here; every text in it was escaped


def label(text: str, x: float, y: float, *, anchor: str = "start", bold: bool = False, fill: str = INK) -> str:
    """Return a text at a point: its start, middle or end stands there, on the base line."""
    weight = ' font-weight="600"' if bold else ""
    shown = escape(visible(text, fonts.coverage()))
    return f'<text x="{n(x)}" y="{n(y)}" text-anchor="{anchor}" fill="{fill}"{weight}>{shown}</text>'


def line(x1: float, y1: float, x2: float, y2: float, *, stroke: str = INK, width: float = 1.0) -> str:
    """Return a straight line."""
    ends = f'x1="{n(x1)}" y1="{n(y1)}" x2="{n(x2)}" y2="{n(y2)}"'
    return f'<line {ends} stroke="{stroke}" stroke-width="{n(width)}"/>'


def marker(shape: str, x: float, y: float, colour: str, r: float) -> str:
    """Return a filled ``circle``, ``square``, ``diamond`` or ``triangle``."""
    if shape == "circle":
        return f'<circle cx="{n(x)}" cy="{n(y)}" r="{n(r)}" fill="{colour}"/>'
    corners = {
        "square": ((-1, -1), (1, -1), (1, 1), (-1, 1)),
        "diamond": ((0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)),
        "triangle": ((0, -1.2), (1.2, 1), (-1.2, 1)),
    }[shape]
    points = " ".join(f"{n(x + dx * r)},{n(y + dy * r)}" for dx, dy in corners)
    return f'<polygon points="{points}" fill="{colour}"/>'


def axis(low: float, high: float, x: Callable[[float], float], y: float, unit: str) -> list[str]:
    """Return a horizontal axis with ticks and their numbers."""
    at = ticks(low, high, whole=unit == "count")
    parts = [line(x(low), y, x(high), y, width=0.8)]
    for value, number in zip(at, tick_labels(at, unit), strict=True):
        parts.append(line(x(value), y, x(value), y + 4, width=0.8))
        parts.append(label(number, x(value), y + 15, anchor="middle", fill=MUTED))
    return parts


def padded(low: float, high: float) -> tuple[float, float]:
    """Return a range with a margin, wide enough to be drawn even where all values are the same."""
    size = max(abs(low), abs(high), 1.0)
    margin = 0.06 * (high - low) if high - low > 1e-9 * size else 0.1 * size
    return low - margin, high + margin


def ticks(low: float, high: float, *, whole: bool = False) -> list[float]:
    """Return round values in a range, about five, on steps of 1, 2 or 5 times a power of ten."""
    raw = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
    step = max(step, 1.0) if whole else step
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


def tick_labels(at: Sequence[float], unit: str) -> list[str]:
    """Return the numbers of ticks; per cent signs apart they are bare, for the caption names the unit."""
    step = at[1] - at[0] if len(at) > 1 else 1.0
    scale = 100.0 if unit in {"share", "points"} else 1.0
    decimals = max(0, -math.floor(math.log10(step * scale) + 1e-9))
    if unit == "share":
        return [view.number(value, unit, decimals) for value in at]
    return [view.number(value * scale, "ratio", decimals) for value in at]


def text_width(text: str, *, bold: bool = False) -> float:
    """Return how wide a label will be."""
    return fonts.width(visible(text, fonts.coverage()), SIZE, bold=bold)


def fitted(text: str, room: float, *, bold: bool = False) -> str:
    """Return ``text`` cut in its middle to fit: labels of one plot often differ at their ends only."""
    text = visible(text, fonts.coverage())
    half = len(text) / 2
    cut = text
    while half > 1 and text_width(cut, bold=bold) > room:
        half -= 0.5
        cut = f"{text[: math.ceil(half)]}…{text[len(text) - math.floor(half) :]}"
    return cut


def n(value: float) -> str:
    """Return a coordinate, to a hundredth."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
