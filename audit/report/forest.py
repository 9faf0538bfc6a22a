"""Forest plots: estimates with their intervals on one axis, beside no effect and the policy's bounds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from audit.report import svg, view
from audit.report.svg import INK, MUTED, SIZE, STRIPE, WIDTH, Drawing, n
from audit.types import Forest, Interval

ROWS_PER_DRAWING = 25
ROW = 18.0
HEAD = 13.0
GAP = 14.0

MARK = "#12436d"
BOUND = "#9b1c1c"


@dataclass(frozen=True, kw_only=True)
class _Frame:
    """The plotting area between labels and numbers, and how numbers are printed."""

    left: float
    right: float
    low: float
    high: float
    decimals: int
    unit: str

    def x(self, value: float) -> float:
        inside = min(max(value, self.low), self.high)
        return self.left + (inside - self.low) / (self.high - self.low) * (self.right - self.left)


def forest(exhibit: Forest, decimals: int | None = None) -> tuple[Drawing, ...]:
    """Return a forest plot, in several drawings on the same axis where it has more than 25 rows."""
    if not exhibit.rows:
        return ()
    spreads = [(row.value, row.low, row.high) for row in exhibit.rows]
    if decimals is None:
        decimals = view.common_decimals(exhibit.unit, spreads, exhibit.bounds)
    frame = _frame(exhibit, spreads, decimals)
    pieces = math.ceil(len(exhibit.rows) / ROWS_PER_DRAWING)
    size = math.ceil(len(exhibit.rows) / pieces)
    return tuple(_drawing(exhibit, exhibit.rows[at : at + size], frame) for at in range(0, len(exhibit.rows), size))


def _frame(exhibit: Forest, spreads: Sequence[view.Spread], decimals: int) -> _Frame:
    numbers = max(svg.text_width(_numbers(row, exhibit.unit, decimals), bold=True) for row in exhibit.rows)
    labels = max(svg.text_width(row.label, bold=row.emphasis) for row in exhibit.rows)
    marks = exhibit.bounds if exhibit.null is None else (*exhibit.bounds, exhibit.null)
    low, high = _range(spreads, marks)
    return _Frame(
        left=min(labels, WIDTH * 0.36) + GAP,
        right=WIDTH - numbers - GAP,
        low=low,
        high=high,
        decimals=decimals,
        unit=exhibit.unit,
    )


def _numbers(row: Interval, unit: str, decimals: int) -> str:
    return view.spread(row.value, row.low, row.high, unit, decimals)


def _range(spreads: Sequence[view.Spread], marks: Iterable[float]) -> tuple[float, float]:
    """Return the axis range: all values and marks, and the ends of intervals unless they dwarf the rest."""
    core = [*marks, *(value for value, _, _ in spreads)]
    low, high = min(core), max(core)
    widths = sorted(hi - lo for _, lo, hi in spreads if lo is not None and hi is not None)
    reach = 2 * max([high - low, *widths[len(widths) // 2 :][:1]])
    low = min([low, *(max(lo, low - reach) for _, lo, _ in spreads if lo is not None)])
    high = max([high, *(min(hi, high + reach) for _, _, hi in spreads if hi is not None)])
    return svg.padded(low, high)


def _drawing(exhibit: Forest, rows: Sequence[Interval], frame: _Frame) -> Drawing:
    marks = [(value, _bound(value, exhibit.unit), True) for value in exhibit.bounds]
    if exhibit.null is not None:
        marks.append((exhibit.null, f"no effect {view.plain(exhibit.null, exhibit.unit)}", False))
    heads, top = _heads(marks, frame)
    bottom = top + ROW * len(rows)
    parts = [
        f'<rect x="0" y="{n(top + ROW * i)}" width="{n(WIDTH)}" height="{n(ROW)}" fill="{STRIPE}"/>'
        for i in range(0, len(rows), 2)
    ]
    parts += [_vertical(frame.x(value), top, bottom, dashed=dashed) for value, _, dashed in marks]
    parts += heads
    for i, row in enumerate(rows):
        parts += _row(row, top + ROW * (i + 0.5), frame)
    parts += svg.axis(frame.low, frame.high, frame.x, bottom, exhibit.unit)
    return svg.drawing(parts, bottom + 20, _sentence(exhibit, rows, frame))


def _bound(value: float, unit: str) -> str:
    return f"bound {view.plain(value, unit)}"


def _heads(marks: Sequence[tuple[float, str, bool]], frame: _Frame) -> tuple[list[str], float]:
    """Name the vertical lines above the rows, on as many levels as keep the names apart."""
    ends: list[float] = []
    placed: list[tuple[str, float, int, bool]] = []
    for value, name, dashed in sorted(marks):
        half = svg.text_width(name) / 2
        middle = min(max(frame.x(value), half), WIDTH - half)
        level = next((i for i, end in enumerate(ends) if end < middle - half - 6), len(ends))
        ends[level : level + 1] = [middle + half]
        placed.append((name, middle, level, dashed))
    top = HEAD * len(ends) + 5
    labels = [
        svg.label(name, x, top - 6 - HEAD * level, anchor="middle", fill=BOUND if dashed else MUTED)
        for name, x, level, dashed in placed
    ]
    return labels, top


def _vertical(x: float, top: float, bottom: float, *, dashed: bool) -> str:
    if not dashed:
        return svg.line(x, top, x, bottom, stroke=MUTED)
    ends = f'x1="{n(x)}" y1="{n(top)}" x2="{n(x)}" y2="{n(bottom)}"'
    return f'<line {ends} stroke="{BOUND}" stroke-width="1.3" stroke-dasharray="4 3"/>'


def _row(row: Interval, y: float, frame: _Frame) -> list[str]:
    base = y + SIZE / 3
    parts = [
        svg.label(svg.fitted(row.label, frame.left - GAP, bold=row.emphasis), 2, base, bold=row.emphasis),
        svg.label(_numbers(row, frame.unit, frame.decimals), WIDTH - 2, base, anchor="end", bold=row.emphasis),
    ]
    if row.low is not None and row.high is not None:
        parts += [
            svg.line(frame.x(row.low), y, frame.x(row.high), y, width=1.5),
            _end(row.low, y, frame, back=6),
            _end(row.high, y, frame, back=-6),
        ]
    shape = "diamond" if row.emphasis else "circle" if row.low is not None else "square"
    return [*parts, svg.marker(shape, frame.x(row.value), y, MARK, 4.2 if row.emphasis else 3.4)]


def _end(value: float, y: float, frame: _Frame, *, back: float) -> str:
    """Close an interval with a cap, or with an arrow head where it goes on beyond the axis."""
    x = frame.x(value)
    if frame.low <= value <= frame.high:
        return svg.line(x, y - 3, x, y + 3)
    corners = f"{n(x)},{n(y)} {n(x + back)},{n(y - 3.5)} {n(x + back)},{n(y + 3.5)}"
    return f'<polygon points="{corners}" fill="{INK}"/>'


def _sentence(exhibit: Forest, rows: Sequence[Interval], frame: _Frame) -> str:
    facts = [f"{exhibit.title}: {len(rows)} estimates with their intervals on one axis."]
    if exhibit.null is not None:
        facts.append(f"No effect is {view.plain(exhibit.null, exhibit.unit)}.")
    facts += [f"A dashed line marks the {_bound(value, exhibit.unit)}." for value in exhibit.bounds]
    told = "; ".join(f"{row.label}: {_numbers(row, frame.unit, frame.decimals)}" for row in rows)
    return f"{' '.join(facts)} {told}."
