"""Draws a score beside the threshold that it was held against."""

from __future__ import annotations

from audit.explanation import OutcomePart
from audit.report import svg, view
from audit.report.svg import INK, MUTED, RULE, WIDTH, Drawing, n

LEFT, RIGHT = 8.0, WIDTH - 8.0
SCORE = "#0b3d63"
THRESHOLD = "#8f1616"


def scale(outcome: OutcomePart) -> Drawing:
    """Return the line from 0 to 1 with the threshold and the score on it."""
    negative = outcome.other if outcome.positive else outcome.decided
    positive = outcome.decided if outcome.positive else outcome.other
    score, threshold = view.number(outcome.score, "probability"), view.plain(outcome.threshold, "probability")
    at, limit = _x(outcome.score), _x(outcome.threshold)
    y = 26.0
    # The two labels stand on different sides of the line, so that they never meet.
    parts = [
        f'<rect x="{n(LEFT)}" y="{n(y - 4)}" width="{n(limit - LEFT)}" height="8" fill="{RULE}"/>',
        f'<rect x="{n(limit)}" y="{n(y - 4)}" width="{n(RIGHT - limit)}" height="8" fill="#e7ecf1"/>',
        svg.line(limit, y - 9, limit, y + 9, stroke=THRESHOLD, width=1.6),
        _label(f"threshold {threshold}", limit, y + 22, THRESHOLD, bold=False),
        svg.marker("diamond", at, y, SCORE, 6.5),
        _label(f"score {score}", at, y - 13, SCORE, bold=True),
    ]
    room = RIGHT - LEFT
    ends = svg.fitted(f"0: {negative}", room / 3), svg.fitted(f"{positive}: 1", room / 3)
    if limit - LEFT > svg.text_width(ends[0]) + 60:
        parts.append(svg.label(ends[0], LEFT, y + 22, fill=MUTED))
    if RIGHT - limit > svg.text_width(ends[1]) + 60:
        parts.append(svg.label(ends[1], RIGHT, y + 22, anchor="end", fill=MUTED))
    sentence = (
        f"The score for {positive} on a line from 0 to 1 is {score}; above the threshold of {threshold} "
        f"the decision is {positive}, else {negative}."
    )
    return svg.drawing(parts, y + 28, sentence)


def _x(value: float) -> float:
    return LEFT + value * (RIGHT - LEFT)


def _label(text: str, x: float, y: float, fill: str, *, bold: bool) -> str:
    half = svg.text_width(text, bold=bold) / 2
    return svg.label(text, min(max(x, half), WIDTH - half), y, anchor="middle", bold=bold, fill=fill or INK)
