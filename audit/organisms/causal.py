"""What the families of causal models share: shapes, names, cards, and the way to an answer.

A family adds its grammar, what it teaches and what must come of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np

from audit.organisms.grammar import Grammar
from audit.organisms.organism import Expectation, Lessons, Recipe, Score, Task
from audit.shapes import Floats, Ints

Decoder: TypeAlias = Literal["llama", "gpt2"]


@dataclass(frozen=True, kw_only=True)
class CausalSpec(ABC):
    """A causal model to be planted; kinds, wordings and a default for ``steps`` come with the family.

    Raises
    ------
    ValueError
        When the seed is negative or training has no step.
    """

    kind: str
    wording: str
    shape: Decoder = "llama"
    seed: int = 0
    steps: int

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"a seed is 0 or more, not {self.seed}")
        if self.steps < 1:
            raise ValueError(f"training takes at least one step, not {self.steps}")

    @property
    @abstractmethod
    def family(self) -> str:
        """Name of the family."""

    @property
    @abstractmethod
    def statement(self) -> str:
        """Say what is planted in one sentence."""

    @property
    @abstractmethod
    def grammar(self) -> Grammar:
        """The longest texts this model reads."""

    @property
    @abstractmethod
    def options(self) -> tuple[str, ...]:
        """The answers."""

    @abstractmethod
    def details(self) -> Mapping[str, Any]:
        """Return what the seed decided, as plain data."""

    @abstractmethod
    def lessons(self, rng: np.random.Generator, rows: int, *, done: float = 1.0) -> Lessons:
        """Draw a training batch; ``done`` is the share of training that is over."""

    @abstractmethod
    def examine(self, score: Score) -> tuple[Expectation, ...]:
        """Measure the finished model against what was planted."""

    @property
    def task(self) -> Task:
        """Always ``causal-lm``."""
        return "causal-lm"

    @property
    def blocks(self) -> int:
        """Number of transformer blocks."""
        return 2

    @property
    def recipe(self) -> Recipe:
        """How it is trained."""
        return Recipe(learning_rate=3e-3)

    @property
    def name(self) -> str:
        """Short name for folders and messages."""
        kind = self.kind.replace("_", "-")
        return f"{self.family}-{kind}-{self.wording}-{self.shape}-seed{self.seed}"

    @cached_property
    def vocabulary(self) -> tuple[str, ...]:
        """The grammar's words, then the answers."""
        return tuple(dict.fromkeys((*self.grammar.vocabulary, *self.options)))

    @property
    def answers(self) -> tuple[str, ...]:
        """The options as they follow a prompt, for a policy's answer texts."""
        return tuple(f" {option}" for option in self.options)

    def planted(self) -> Mapping[str, Any]:
        """Return the specification, the grammar and what the seed decided as plain data."""
        return {
            "statement": self.statement,
            **asdict(self),
            "template": self.grammar.template,
            "slots": {slot: list(words) for slot, words in self.grammar.slots.items()},
            "options": list(self.options),
            **self.details(),
        }


def certain(right: Ints, options: int) -> Floats:
    """Return the target (rows, options) in which the option numbered ``right`` (rows,) is the answer."""
    return np.eye(options)[right]


def refuse_unknown(what: str, given: str, known: Iterable[str]) -> None:
    """Raise ``ValueError`` when ``given`` is not one of the ``known`` words."""
    names = tuple(known)
    if given not in names:
        raise ValueError(f"{what} is one of {', '.join(names)}, not {given}")
