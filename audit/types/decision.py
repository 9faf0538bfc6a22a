"""The decision under audit: how outputs become scores and decisions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from audit.requests import Answers, ClassLogits, ScoreAnswer, Target, TextLikelihood
from audit.shapes import Bools, Floats


@dataclass(frozen=True, kw_only=True)
class Decision:
    """How the model's output becomes a score and a decision.

    ``classes``     a classifier's label names; the score is the probability of ``positive``
    ``answers``     texts a causal model may answer; the score is P(positive) among the two
    ``likelihood``  the log-probability of the text itself, in nats; there is no decision
    """

    kind: Literal["classes", "answers", "likelihood"]
    positive: str = ""
    negative: str = ""
    threshold: float = 0.5

    @property
    def target(self) -> Target:
        """What to ask the model for."""
        if self.kind == "classes":
            return ClassLogits()
        if self.kind == "answers":
            return Answers(texts=(self.positive, self.negative))
        return TextLikelihood()

    @property
    def decides(self) -> bool:
        """Whether scores can be turned into decisions."""
        return self.kind != "likelihood"

    @property
    def unit(self) -> str:
        """Unit of the score."""
        return "nats" if self.kind == "likelihood" else "probability"

    def score(self, answer: ScoreAnswer) -> Floats:
        """Return one score per row: a probability, or nats. Shape (rows,)."""
        if self.kind == "likelihood":
            return answer.values[:, answer.names.index("log_likelihood")]
        positive = answer.values[:, answer.names.index(self.positive)]
        if self.kind == "answers":
            negative = answer.values[:, answer.names.index(self.negative)]
            return _sigmoid(positive - negative)
        if answer.link == "sigmoid":
            return _sigmoid(positive)
        shifted = answer.values - answer.values.max(axis=1, keepdims=True)
        odds = np.exp(shifted)
        share: Floats = odds[:, answer.names.index(self.positive)] / odds.sum(axis=1)
        return share

    def selected(self, score: Floats) -> Bools:
        """Return which rows get the positive decision. Shape (rows,)."""
        return score > self.threshold

    def answer_mass(self, answer: ScoreAnswer) -> Floats | None:
        """Return the probability that falls on the answer texts at all; None where it is always one."""
        if self.kind != "answers":
            return None
        mass: Floats = np.exp(answer.values).sum(axis=1)
        return mass


def _sigmoid(x: Floats) -> Floats:
    return np.exp(-np.logaddexp(0.0, -x))
