"""What a model answers to open questions, how sure it is, and whether it abstains.

Either among answers that the policy offers, or in its own words. Among offered answers sureness is the share of the
best one; in its own words it is the geometric mean of the probabilities of the tokens it wrote, which does not
fall merely because an answer is long.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audit.checks._rewriting.inserting import holds
from audit.requests import Generated, ScoreAnswer
from audit.shapes import Bools, Floats


@dataclass(frozen=True, kw_only=True)
class Given:
    """The answers to some questions; arrays are (rows,)."""

    texts: tuple[str, ...]
    sureness: Floats
    """Of the best answer that is no abstention: 0 to 1."""
    abstains: Bools
    mass: Floats | None
    """Probability that falls on the answers offered; None where the model writes its own."""

    def confident(self, least: float) -> Bools:
        """Return which questions got an answer, and a sure one."""
        out: Bools = ~self.abstains & (self.sureness >= least)
        return out

    def right(self, expected: Sequence[str]) -> Bools:
        """Return which answers hold what was expected, as words of their own; an abstention never does."""
        found = [bool(e.strip()) and holds(text, e) for text, e in zip(self.texts, expected, strict=True)]
        return np.array(found) & ~self.abstains


def offered(answer: ScoreAnswer, abstain: Sequence[str]) -> Given:
    """Read the most probable of the answers offered; those of ``abstain`` are abstentions."""
    probability = np.exp(answer.values)
    mass = probability.sum(axis=1)
    share = probability / np.maximum(mass, np.finfo(np.float64).tiny)[:, None]
    declines = np.array([name in abstain for name in answer.names])
    best = np.where(declines, -1.0, share).argmax(axis=1)
    return Given(
        texts=tuple(answer.names[i].strip() for i in best),
        sureness=share[np.arange(len(best)), best],
        # Several ways of abstaining are one answer.
        abstains=share[:, declines].sum(axis=1) > share[np.arange(len(best)), best],
        mass=np.minimum(mass, 1.0),
    )


def written(continuations: Sequence[Generated], phrases: Sequence[str]) -> Given:
    """Read what the model wrote; to write nothing, or one of ``phrases``, is to abstain."""
    texts = tuple(one.text.strip() for one in continuations)
    return Given(
        texts=texts,
        sureness=np.array([np.exp(one.log_probability / max(len(one.ids), 1)) for one in continuations]),
        abstains=np.array([not text or any(holds(text, phrase) for phrase in phrases) for text in texts]),
        mass=None,
    )
