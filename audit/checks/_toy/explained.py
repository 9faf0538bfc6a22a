"""Toys whose explanations are right or wrong by construction.

The model is a sum of word weights, so the right attribution is known. What it hands out is that, or noise; its blocks
count for nothing but the stages at which weights are shuffled.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from audit.checks._toy import DECISION, Toy, applicants, credit, criterion, noise
from audit.registry import Example
from audit.requests import ALL_WEIGHTS, Answer, Attributions, CannotAnswer, Request, TokenAttribution, Vocabulary, Words
from audit.types import Verdict

FREE_WORDS = ("amber", "lichen", "quartz")
"""Words of its vocabulary that no text of the examples holds."""
BLOCKS = 2
DECISIVE = 12.0
"""Logits that a planted word adds."""


@dataclass(frozen=True, kw_only=True)
class Explained(Toy):
    """A sum of word weights, explained by those weights or by noise."""

    noise: bool = False
    """Whether its attributions have nothing to do with its weights."""
    blind: bool = False
    """Whether its attributions miss a planted word."""
    unlearnt: bool = False
    """Whether its attributions stay what they are when weights are shuffled."""

    def answer(self, request: Request) -> Answer:
        """Answer one request."""
        match request:
            case Vocabulary():
                return Words(words=FREE_WORDS[: request.sample], drawn_from=len(FREE_WORDS))
            case Attributions() if request.baseline_input.startswith(("mask", "token:")):
                return tuple(self._explained(text, request) for text in request.texts)
            case _:
                return super().answer(request)

    def _explained(self, text: str, request: Attributions) -> TokenAttribution:
        added: dict[str, float] = {}
        if request.planted is not None:
            if request.planted.word not in FREE_WORDS:
                raise CannotAnswer(f"the toy has no word {request.planted.word!r}")
            added[request.planted.word] = DECISIVE if request.planted.raises else -DECISIVE
        model = replace(self, weights={**self.weights, **added})
        right = model._attribution(text)  # noqa: SLF001 - the same toy with one more word
        values = right.values if not self.noise else np.array([_noise(f"{text} {i}") for i in range(len(right.values))])
        if self.blind and added:
            values = np.where([word in added for word in text.split()], 0.0, values)
        if request.randomised and not self.unlearnt:
            kept = 0.0 if request.randomised == ALL_WEIGHTS else 1 - request.randomised / (BLOCKS + 2)
            other = [_noise(f"{request.randomised} {text} {i}") for i in range(len(values))]
            values = kept * values + (1 - kept) * np.array(other)
        return replace(right, values=values)


def _noise(what: str) -> float:
    return float(noise(what, 1)[0])


def explanation_examples() -> tuple[Example, ...]:
    """Return the toy explanations that the check must judge rightly."""
    weights = credit(0.3).weights
    common: dict[str, Any] = {
        "params": {"sample": 60},
        "data": applicants(),
        "decision": DECISION,
        "criteria": (
            criterion("comprehensiveness_over_random", "at_least", 0.02),
            criterion("leave_one_out_agreement", "at_least", 0.3),
        ),
    }
    return (
        Example(name="the explanation is the model", model=Explained(weights=weights), verdict=Verdict.MET, **common),
        Example(
            name="the explanation is noise",
            model=Explained(weights=weights, noise=True),
            verdict=Verdict.NOT_MET,
            **common,
        ),
        Example(
            name="it misses a word that decides",
            model=Explained(weights=weights, blind=True),
            verdict=Verdict.INCONCLUSIVE,
            **common,
        ),
        Example(
            name="it stays when weights are shuffled",
            model=Explained(weights=weights, unlearnt=True),
            verdict=Verdict.NOT_MET,
            **common
            | {
                "params": {"sample": 60, "shuffled": 60},
                "criteria": (criterion("randomised_similarity", "at_most", 0.5),),
            },
        ),
        Example(name="everybody is denied", model=Explained(weights={}), verdict=Verdict.NOT_ASSESSED, **common),
    )
