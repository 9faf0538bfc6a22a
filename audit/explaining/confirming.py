"""Tests what may have moved a decision by taking it out, and keeps what every way of taking it out agrees on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from audit.explaining.frame import Frame, probability
from audit.explaining.pieces import Part
from audit.explanation import Piece, Swapped, TakenOut
from audit.shapes import Floats

LEFT_OUT = "left out"
SWAPPED = "swapped"


@dataclass(frozen=True, kw_only=True)
class Standpoint:
    """The decision as it was made, from which effects are measured."""

    frame: Frame
    log_odds: float

    @property
    def side(self) -> float:
        """1 for the positive decision, −1 for the other."""
        return 1.0 if self.log_odds > self.frame.threshold else -1.0

    def effect(self, log_odds: float, *, of: float | None = None) -> float:
        """Return what the decision lost when the score became this; ``of`` is where it came from."""
        return float(self.side * ((self.log_odds if of is None else of) - log_odds))

    def turned(self, log_odds: float) -> bool:
        """Return whether a score means the other decision."""
        return (log_odds > self.frame.threshold) != (self.log_odds > self.frame.threshold)

    def taken_out(self, log_odds: float, *, of: float | None = None) -> TakenOut:
        """Return what became of the score, in the form of the record."""
        return TakenOut(effect=self.effect(log_odds, of=of), score=probability(log_odds), turned=self.turned(log_odds))


@dataclass(frozen=True, kw_only=True)
class Others:
    """Scores with other values in place of one."""

    values: tuple[str, ...]
    log_odds: Floats
    """(values,)"""
    of: int
    """Other values that the data hold."""


@dataclass(frozen=True, kw_only=True)
class Tried:
    """A part with everything that was measured of it."""

    part: Part
    attribution: Mapping[str, float]
    taken_out: Mapping[str, TakenOut] = field(default_factory=dict)
    others: Others | None = None


def margin_of(floor: float, references: Sequence[float], quantile: float) -> float:
    """Return what an effect of taking out must exceed on this case.

    The floor, or the effect that taking out a matched reference word has, whichever is larger: erasing any word
    disturbs a model, and what does no more than that is no factor.
    """
    return max(floor, float(np.quantile(np.abs(references), quantile))) if len(references) > 2 else floor


def swapped(others: Others | None, at: Standpoint) -> Swapped | None:
    """Return the effect of other values; None where there are none."""
    if others is None or not len(others.log_odds):
        return None
    effects = np.array([at.effect(x) for x in others.log_odds])
    return Swapped(
        values=len(effects),
        of=others.of,
        effect=float(effects.mean()),
        smallest=float(effects.min()),
        largest=float(effects.max()),
        score=float(np.mean([probability(x) for x in others.log_odds])),
        turned=sum(at.turned(x) for x in others.log_odds),
    )


def confirmed(tested: Tried, at: Standpoint, margins: Mapping[str, float]) -> Piece:
    """Return a part as the record keeps it; it counts where all its effects agree in sign and exceed their margins."""
    part, other = tested.part, swapped(tested.others, at)
    effects = {name: out.effect for name, out in tested.taken_out.items()}
    if other is not None:
        effects[SWAPPED] = other.effect
    why = _why_not(effects, margins)
    speaks = "speaks for" if effects and next(iter(effects.values())) > 0 else "speaks against"
    return Piece(
        id=part.id,
        kind=part.kind,
        label=part.label,
        value=part.value,
        spans=part.spans,
        standing=part.standing,
        attribution=tested.attribution,
        taken_out=tested.taken_out,
        swapped=other,
        outcome="not confirmed" if why else "speaks for" if speaks == "speaks for" else "speaks against",
        why=why,
    )


def _why_not(effects: Mapping[str, float], margins: Mapping[str, float]) -> str:
    """Return why some effects make no factor; empty where they make one."""
    if not effects or set(effects) == {SWAPPED}:
        return "no token of the text stands for it"
    if len({effect > 0 for effect in effects.values()}) > 1:
        return "ways of taking it out disagree on whether it speaks for or against"
    small = [name for name, effect in effects.items() if abs(effect) <= margins[name]]
    return f"the effect is within the margin when it is {_done(small[0])}" if small else ""


def _done(intervention: str) -> str:
    if intervention == SWAPPED:
        return "replaced by other values"
    return intervention if intervention == LEFT_OUT else f"replaced by {intervention}"


def strength(piece: Piece) -> float:
    """Return how strong a piece is: the smallest of its effects of being taken out, in size."""
    return min((abs(out.effect) for out in piece.taken_out.values()), default=0.0)
