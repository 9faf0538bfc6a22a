"""Attribution per token, and numbers over two sets of names, as classes for CSS.

Spans rather than a picture: the text stays searchable, tagged and breaks over pages. Four steps on each
side of zero; blue and orange rather than red and green, and an underline (solid raises, dotted lowers)
for whoever sees neither; protected tokens carry a box.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.report import view
from audit.types import Grid, TokenMap

STEPS = (0.05, 0.25, 0.5, 0.75)
"""Shares of the largest absolute value at which a token enters the next step."""

LISTED = 8
"""Most influential tokens in the table; protected tokens are listed all."""


@dataclass(frozen=True, kw_only=True)
class Token:
    """A token as it is shown: its text, CSS classes and numbers."""

    position: int
    """From 1."""
    text: str
    classes: str
    value: float
    share: float
    """Of the sum of absolute values."""
    protected: bool


@dataclass(frozen=True, kw_only=True)
class HeatMap:
    """The tokens in order, and those that the table lists, by influence."""

    tokens: tuple[Token, ...]
    spaced: bool
    """Whether the tokens bring their spaces along; otherwise the page must set them apart."""
    listed: tuple[Token, ...]
    largest: float
    decimals: int
    """Of the listed values."""
    protected: bool
    """Whether any token is protected."""
    protected_share: float
    """Share of the sum of absolute values that falls on protected tokens."""


def heat_map(exhibit: TokenMap) -> HeatMap:
    """Return how a token map is shown."""
    total = sum(map(abs, exhibit.values))
    largest = max(map(abs, exhibit.values), default=0.0)
    tokens = tuple(
        Token(
            position=i,
            text=text,
            classes=_classes(value, largest, protected=protected),
            value=value,
            share=abs(value) / total if total else 0.0,
            protected=protected,
        )
        for i, (text, value, protected) in enumerate(
            zip(exhibit.tokens, exhibit.values, exhibit.protected, strict=True), start=1
        )
    )
    listed = _listed(tokens)
    return HeatMap(
        tokens=tokens,
        spaced=any(token.text != token.text.strip() for token in tokens),
        listed=listed,
        largest=largest,
        decimals=view.common_decimals(exhibit.unit, [(token.value, None, None) for token in listed]),
        protected=any(exhibit.protected),
        protected_share=sum(token.share for token in tokens if token.protected),
    )


@dataclass(frozen=True, kw_only=True)
class Shaded:
    """A cell of a grid; None stands for what was not measured."""

    value: float | None
    classes: str


@dataclass(frozen=True, kw_only=True)
class ShadedGrid:
    """A grid as it is shown: the numbers stand in the cells, so no reader depends on the shades."""

    rows: tuple[tuple[Shaded, ...], ...]
    largest: float
    decimals: int


def shaded(exhibit: Grid) -> ShadedGrid:
    """Return how a grid is shown; its largest absolute value has the full shade."""
    there = [value for row in exhibit.values for value in row if value is not None]
    largest = max(map(abs, there), default=0.0)
    return ShadedGrid(
        rows=tuple(
            tuple(
                Shaded(value=value, classes="" if value is None else _classes(value, largest, protected=False))
                for value in row
            )
            for row in exhibit.values
        ),
        largest=largest,
        # Of most cells next to nothing is to be seen; the largest says how fine the numbers are.
        decimals=view.common_decimals(exhibit.unit, [(largest, None, None)]),
    )


def _classes(value: float, largest: float, *, protected: bool) -> str:
    depth = abs(value) / largest if largest else 0.0
    step = sum(depth > edge for edge in STEPS)
    shade = f"{'raises' if value > 0 else 'lowers'}-{step}" if step else "neutral"
    return f"{shade} protected" if protected else shade


def _listed(tokens: Sequence[Token]) -> tuple[Token, ...]:
    ranked = sorted(tokens, key=lambda token: (-abs(token.value), token.position))
    chosen = {token.position for token in ranked[:LISTED]} | {t.position for t in tokens if t.protected}
    return tuple(token for token in ranked if token.position in chosen)
