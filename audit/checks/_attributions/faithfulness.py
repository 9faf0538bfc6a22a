"""Does a ranking of tokens predict what happens when they are taken out?

Comprehensiveness is how far the score falls when the highest-ranked tokens are taken out, sufficiency how far it
falls when only they are kept (DeYoung et al. 2020, ERASER), averaged over several shares of the tokens. Neither
means anything alone, because taking out any token changes the score: a random order stands beside every number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audit.shapes import Bools, Floats
from audit.types import Column, Table

SHARES = (0.1, 0.2, 0.5)
"""Shares of a text's tokens that are taken out or kept."""


@dataclass(frozen=True, kw_only=True)
class Falls:
    """How far the score of one text falls, toward the other side than the text itself is on, in logits."""

    comprehensiveness: float
    """The highest-ranked tokens are taken out: more is better."""
    sufficiency: float
    """Only they are kept: less is better."""


@dataclass(frozen=True, kw_only=True)
class Faithfulness:
    """One text: what the attribution's order does, and what a random one does."""

    ranked: Falls
    random: Falls

    @property
    def comprehensiveness_gain(self) -> float:
        """How much further than by a random order the score falls."""
        return self.ranked.comprehensiveness - self.random.comprehensiveness

    @property
    def sufficiency_gain(self) -> float:
        """How much closer than by a random order the score stays."""
        return self.random.sufficiency - self.ranked.sufficiency


def position_sets(values: Floats, counts: Bools, rng: np.random.Generator) -> tuple[tuple[int, ...], ...]:
    """Return the sets of positions to take out of a text; ``faithfulness`` reads the scores in this order.

    The text itself; then, for the attribution's order and for a random one, the first tokens of each share
    (comprehensiveness) and all but those (sufficiency). ``counts`` says which tokens are ranked.
    """
    positions = np.flatnonzero(counts)
    ranked = positions[np.argsort(-np.abs(values[positions]), kind="stable")]
    sets: list[tuple[int, ...]] = [()]
    for order in (ranked, rng.permutation(positions)):
        for share in SHARES:
            k = max(1, round(share * len(positions)))
            sets += [tuple(sorted(order[:k].tolist())), tuple(sorted(order[k:].tolist()))]
    return tuple(sets)


def faithfulness(scores: Floats) -> Faithfulness:
    """Return what became of one text's score when the positions of ``position_sets`` were taken out."""
    whole, rest = scores[0], scores[1:].reshape(2, len(SHARES), 2)
    side = np.sign(whole) or 1.0
    ranked, random = (side * (whole - rest)).mean(axis=1)
    return Faithfulness(ranked=_falls(ranked), random=_falls(random))


def _falls(both: Floats) -> Falls:
    return Falls(comprehensiveness=float(both[0]), sufficiency=float(both[1]))


def table(texts: Sequence[Faithfulness], ranked_by: str) -> Table:
    """Return the means over some texts, the random order beside the attribution's."""
    rows = tuple(
        (
            name,
            float(np.mean([falls.comprehensiveness for falls in those])),
            float(np.mean([falls.sufficiency for falls in those])),
        )
        for name, those in ((ranked_by, [t.ranked for t in texts]), ("random", [t.random for t in texts]))
    )
    return Table(
        id="faithfulness",
        title="Does the ranking predict what happens when tokens are taken out?",
        columns=(
            Column(title="Order"),
            Column(title="Comprehensiveness", unit="logit"),
            Column(title="Sufficiency", unit="logit"),
        ),
        rows=rows,
        note="Mean change of the score, over 10, 20 and 50 % of the tokens, when the highest-ranked are taken out "
        "(comprehensiveness, higher is better) and when only they are kept (sufficiency, nearer to zero is better).",
    )
