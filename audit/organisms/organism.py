"""What a family of planted models must say about one of its members.

A family is one module with a frozen specification that implements ``Organism``; building, caching,
training and verifying know no family. Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np

from audit.errors import Problem, UserError
from audit.shapes import Bools, Floats, Ints

Task: TypeAlias = Literal["sequence-classification", "causal-lm"]
Shape: TypeAlias = Literal["bert", "llama", "gpt2"]

NEARLY_ALL = 0.95
"""Smallest share of cases in which a planted behaviour must show."""
HARDLY_ANY = 0.05
"""Largest share of cases in which a behaviour may show that was not planted."""

Score: TypeAlias = Callable[[Sequence[str]], Floats]
"""Asks the finished model: texts → probability of each option, (rows, options).

For a causal model these are shares of the whole vocabulary, so a row may sum to less than one.
"""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a model is trained; part of the cache key."""

    version: int = 1
    """Raised when a change to ``training``, ``grammar``, ``tokenizer`` or a family's lessons moves the weights."""
    rows: int = 128
    learning_rate: float = 2e-3
    """Highest rate of the schedule. At 3e-3 one BERT-shaped seed in six ends four times further off the rule."""
    warm_up: float = 0.15
    """Share of the steps in which OneCycle's rate rises."""
    weight_decay: float = 0.01
    longest_gradient: float = 1.0
    """Gradients are clipped to this norm."""
    text_share: float = 0.1
    """Weight of predicting a causal model's own text beside its answer."""


@dataclass(frozen=True, kw_only=True)
class Lessons:
    """A training batch: what the model reads, and how probable each answer is to be.

    Probabilities instead of drawn answers: the planted rule itself is the target, so its strength does
    not depend on luck and training needs no steps to average the luck away.
    """

    words: Ints
    """(rows, words): numbers into the organism's vocabulary, ``HIDDEN`` where a word is hidden."""
    target: Floats
    """(rows, options): probability of each option."""
    said: Ints | None = None
    """(rows, words): what the words before each word are to foretell, ``HIDDEN`` where nothing; None: the
    words themselves. So a causal model learns a fact from a text that states another."""


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """A number that must lie in a range before a planted model may be used; None leaves a side open."""

    metric: str
    meaning: str
    value: float
    low: float | None = None
    high: float | None = None

    @property
    def held(self) -> bool:
        """Whether the value lies in the range; not-a-number does not."""
        above = self.low is None or self.value >= self.low
        below = self.high is None or self.value <= self.high
        return above and below


class Organism(Protocol):
    """A model to be built, described completely: equal descriptions give equal weights."""

    @property
    def family(self) -> str:
        """Name of the family."""

    @property
    def name(self) -> str:
        """Short name for folders and messages, made of letters, digits, dots and hyphens."""

    @property
    def task(self) -> Task:
        """What the model is for."""

    @property
    def shape(self) -> Shape:
        """Which architecture it copies in small."""

    @property
    def seed(self) -> int:
        """Seeds the initial weights and the batches."""

    @property
    def steps(self) -> int:
        """Length of training. Steps and not seconds: a busy machine must not train a worse model."""

    @property
    def blocks(self) -> int:
        """Number of transformer blocks."""

    @property
    def recipe(self) -> Recipe:
        """How it is trained."""

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Every word that the model's texts and answers may hold."""

    @property
    def options(self) -> tuple[str, ...]:
        """Labels of the classifier in the order of its logits; answers of the causal model."""

    def planted(self) -> Mapping[str, Any]:
        """Return all that is planted as plain JSON data: part of the cache key and of ``planted.json``."""

    def lessons(self, rng: np.random.Generator, rows: int, *, done: float = 1.0) -> Lessons:
        """Draw a training batch; ``done`` is the share of training that is over, for what needs an order."""

    def examine(self, score: Score) -> tuple[Expectation, ...]:
        """Measure the finished model against what was planted."""


class NotTaken(UserError):  # noqa: N818 - the name says what happened
    """Training did not plant the behaviour, so the model is refused.

    An audit of it would measure the training budget, not the instrument.
    """

    def __init__(self, organism: Organism, expectations: Sequence[Expectation]) -> None:
        self.expectations = tuple(expectations)
        super().__init__(
            f"The planted behaviour did not take in {organism.name}",
            [
                Problem(
                    where=e.metric,
                    found=f"{e.value:.4f} ({e.meaning})",
                    expected=_range(e),
                    do=f"raise steps above {organism.steps:,}, or take another seed than {organism.seed}",
                )
                for e in expectations
                if not e.held
            ],
        )


def rate(metric: str, meaning: str, hits: Bools, *, planted: bool) -> Expectation:
    """Return the share of ``hits`` (rows,), which is to be near 1 where it was planted and near 0 elsewhere.

    Raises
    ------
    ValueError
        When there are no rows: a share of nothing is not known.
    """
    if not len(hits):
        raise ValueError(f"{metric} has no rows to be measured on")
    low, high = (NEARLY_ALL, None) if planted else (None, HARDLY_ANY)
    return Expectation(metric=metric, meaning=meaning, value=float(np.mean(hits)), low=low, high=high)


def at_least(metric: str, meaning: str, value: float, low: float) -> Expectation:
    """Return an expectation that is open above."""
    return Expectation(metric=metric, meaning=meaning, value=value, low=low)


def at_most(metric: str, meaning: str, value: float, high: float) -> Expectation:
    """Return an expectation that is open below."""
    return Expectation(metric=metric, meaning=meaning, value=value, high=high)


def answer_mass(shares: Floats, *, low: float = NEARLY_ALL) -> Expectation:
    """Return what a causal model keeps for its answers at the least; ``shares`` are (rows, options)."""
    meaning = "smallest probability that falls on the answers at all"
    return at_least("answer_mass", meaning, float(shares.sum(axis=1).min()), low)


def _range(expectation: Expectation) -> str:
    low, high = expectation.low, expectation.high
    if low is None:
        return f"at most {high:.4f}"
    if high is None:
        return f"at least {low:.4f}"
    return f"{low:.4f} to {high:.4f}"
