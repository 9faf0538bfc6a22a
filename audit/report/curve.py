"""Curves: lines over a numeric axis such as the layers of a model, with interval bands and references."""

from __future__ import annotations

from dataclasses import dataclass

from audit.report import svg, view
from audit.report.svg import MUTED, RULE, WIDTH, Drawing, n
from audit.types import Curve, Series

HEIGHT = 200.0
MARKED_POINTS = 40
"""A line with more points than this is drawn without markers."""

COLOURS = ("#12436d", "#b85408", "#1e7b66", "#801650", "#5b5fc7", "#3d3d3d")
"""At least 4.5:1 against white."""
DASHES = ("", "7 2", "2 2", "9 2 2 2", "4 4", "1 3")
REFERENCE_DASH = "5 4"
SHAPES = ("circle", "square", "diamond", "triangle")


@dataclass(frozen=True, kw_only=True)
class _Frame:
    """The plotting area."""

    left: float
    right: float
    top: float
    bottom: float
    x_low: float
    x_high: float
    y_low: float
    y_high: float

    def x(self, value: float) -> float:
        return self.left + (value - self.x_low) / (self.x_high - self.x_low) * (self.right - self.left)

    def y(self, value: float) -> float:
        return self.bottom - (value - self.y_low) / (self.y_high - self.y_low) * (self.bottom - self.top)

    def points(self, xs: tuple[float, ...], ys: tuple[float, ...]) -> list[str]:
        return [f"{n(self.x(x))},{n(self.y(y))}" for x, y in zip(xs, ys, strict=True)]


def curve(exhibit: Curve) -> tuple[Drawing, ...]:
    """Return a curve with its legend; nothing where no series has a point."""
    if not any(series.x for series in exhibit.series):
        return ()
    legend, below_legend = _legend(exhibit)
    frame = _frame(exhibit, below_legend + 26)
    parts = [*legend, *_grid(exhibit, frame)]
    parts += [_band(series, frame, i) for i, series in enumerate(exhibit.series) if series.low and series.high]
    for i, series in enumerate(exhibit.series):
        parts += _series(series, frame, i)
    return (svg.drawing(parts, frame.bottom + 34, _sentence(exhibit)),)


def _frame(exhibit: Curve, top: float) -> _Frame:
    xs = [x for series in exhibit.series for x in series.x]
    ys = [y for series in exhibit.series for y in (*series.y, *series.low, *series.high)]
    ys += [] if exhibit.null is None else [exhibit.null]
    low, high = svg.padded(min(ys), max(ys))
    widest = max(map(svg.text_width, svg.tick_labels(svg.ticks(low, high), exhibit.unit)))
    return _Frame(
        left=widest + 10,
        right=WIDTH - 10,
        top=top,
        bottom=top + HEIGHT,
        x_low=min(xs),
        x_high=max(xs) if max(xs) > min(xs) else min(xs) + 1,
        y_low=low,
        y_high=high,
    )


def _grid(exhibit: Curve, frame: _Frame) -> list[str]:
    parts = [svg.label(exhibit.y_title, 0, frame.top - 8, fill=MUTED)]
    at = svg.ticks(frame.y_low, frame.y_high)
    for value, number in zip(at, svg.tick_labels(at, exhibit.unit), strict=True):
        y = frame.y(value)
        parts.append(svg.line(frame.left, y, frame.right, y, stroke=RULE, width=0.6))
        parts.append(svg.label(number, frame.left - 6, y + 3.5, anchor="end", fill=MUTED))
    parts += svg.axis(frame.x_low, frame.x_high, frame.x, frame.bottom, "count")
    middle = (frame.left + frame.right) / 2
    parts.append(svg.label(exhibit.x_title, middle, frame.bottom + 30, anchor="middle", fill=MUTED))
    if exhibit.null is not None:
        y = frame.y(exhibit.null)
        parts.append(svg.line(frame.left, y, frame.right, y, stroke=MUTED, width=1.2))
        parts.append(svg.label(_no_effect(exhibit), frame.right, y - 4, anchor="end", fill=MUTED))
    return parts


def _no_effect(exhibit: Curve) -> str:
    return "" if exhibit.null is None else f"no effect {view.plain(exhibit.null, exhibit.unit)}"


def _series(series: Series, frame: _Frame, i: int) -> list[str]:
    points = " ".join(frame.points(series.x, series.y))
    parts = [f'<polyline points="{points}" fill="none" {_stroke(series, i)}/>']
    if len(series.x) <= MARKED_POINTS:
        parts += [
            svg.marker(_shape(i), frame.x(x), frame.y(y), _colour(i), 2.8)
            for x, y in zip(series.x, series.y, strict=True)
        ]
    return parts


def _band(series: Series, frame: _Frame, i: int) -> str:
    outline = [*frame.points(series.x, series.high), *reversed(frame.points(series.x, series.low))]
    return f'<polygon points="{" ".join(outline)}" fill="{_colour(i)}" fill-opacity="0.14"/>'


def _stroke(series: Series, i: int) -> str:
    dash = REFERENCE_DASH if series.reference else DASHES[i % len(DASHES)]
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return f'stroke="{_colour(i)}" stroke-width="{1.2 if series.reference else 1.9}"{dashes}'


def _colour(i: int) -> str:
    return COLOURS[i % len(COLOURS)]


def _shape(i: int) -> str:
    return SHAPES[i % len(SHAPES)]


def _legend(exhibit: Curve) -> tuple[list[str], float]:
    """Name each series beside a piece of its line, in as many rows as are needed."""
    parts: list[str] = []
    x, y = 0.0, 12.0
    for i, series in enumerate(exhibit.series):
        name = svg.fitted(_name(series), WIDTH - 40)
        needed = 34 + svg.text_width(name) + 18
        if x and x + needed > WIDTH:
            x, y = 0.0, y + 15
        ends = f'x1="{n(x)}" y1="{n(y - 3.5)}" x2="{n(x + 28)}" y2="{n(y - 3.5)}"'
        parts += [
            f"<line {ends} {_stroke(series, i)}/>",
            svg.marker(_shape(i), x + 14, y - 3.5, _colour(i), 2.8),
            svg.label(name, x + 34, y),
        ]
        x += needed
    return parts, y


def _name(series: Series) -> str:
    return f"{series.label} (reference)" if series.reference else series.label


def _sentence(exhibit: Curve) -> str:
    facts = [f"{exhibit.title}: {exhibit.y_title} over {exhibit.x_title}."]
    if exhibit.null is not None:
        facts.append(f"No effect is {view.plain(exhibit.null, exhibit.unit)}.")
    return " ".join([*facts, *(_told(series, exhibit.unit) for series in exhibit.series)])


def _told(series: Series, unit: str) -> str:
    none = (None,) * len(series.y)
    spreads = list(zip(series.y, series.low or none, series.high or none, strict=True))
    decimals = view.common_decimals(unit, spreads)
    told = (
        f"at {view.number(x, 'count' if float(x).is_integer() else '')} {view.spread(value, low, high, unit, decimals)}"
        for x, (value, low, high) in zip(series.x, spreads, strict=True)
    )
    return f"{_name(series)}: {'; '.join(told)}."
