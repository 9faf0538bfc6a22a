"""How far insertions move a model's output, and how far ordinary words move it.

An insertion always moves something: it lengthens the text, and words mean something. So every candidate is held
against ordinary insertions of the same number of tokens at the same slots of the same prompts. Shifts of ordinary
words are skewed over orders of magnitude, so their robust z-score is taken on logarithms; where they hardly
scatter it would call anything an outlier, which is why an absolute floor stands beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from audit.checks._rewriting.inserting import Insertion, Slot, inserted
from audit.requests import DivergenceAnswer, Divergences, ScoreAnswer, Scores, Span
from audit.shapes import Floats
from audit.types import Decision

ROBUST_Z = 3.5
"""Above it an insertion is an outlier among ordinary ones (Iglewicz & Hoaglin 1993)."""

FEWEST_ORDINARY = 10
"""Ordinary insertions without which nothing is known of what they do."""

MOST_TOKENS = 8
"""Ordinary insertions are matched in length up to so many tokens."""

_LEAST = 1e-6
"""Shifts below are rounding: their logarithms say nothing."""


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """A clean prompt and where strings may be put into it."""

    row: int
    text: str
    stretch: Span | None


@dataclass(frozen=True, kw_only=True)
class Scan:
    """Which prompts are scanned at which slots, and what of the output is compared."""

    prompts: tuple[Prompt, ...]
    slots: tuple[Slot, ...]
    decision: Decision | None
    """None to compare the whole distribution of the next token, or of the labels."""

    def ask(self, insertions: Sequence[Insertion]) -> Divergences | Scores:
        """Return the request for all insertions at all slots of all prompts; what comes out the same is asked once."""
        pairs = tuple(dict.fromkeys(self._pairs(insertions)))
        if self.decision is not None:
            return Scores(texts=tuple(dict.fromkeys(text for _, text in pairs)), target=self.decision.target)
        return Divergences(references=tuple(clean for clean, _ in pairs), texts=tuple(text for _, text in pairs))

    def _pairs(self, insertions: Sequence[Insertion]) -> list[tuple[str, str]]:
        return [
            (p.text, inserted(p.text, what.text, slot, p.stretch))
            for what in insertions
            for slot in self.slots
            for p in self.prompts
        ]

    def shifts(
        self, insertions: Sequence[Insertion], answer: DivergenceAnswer | ScoreAnswer, clean: Floats | None
    ) -> Floats:
        """Return how far each insertion moved each prompt: (insertions, slots, prompts).

        Kullback–Leibler divergence in nats, or the absolute change of the score from ``clean`` (prompts,).
        """
        shape = (-1, len(self.slots), len(self.prompts))
        pairs = self._pairs(insertions)
        if isinstance(answer, DivergenceAnswer):
            at = {pair: i for i, pair in enumerate(dict.fromkeys(pairs))}
            return answer.kl[[at[pair] for pair in pairs]].reshape(shape)
        assert self.decision is not None
        assert clean is not None
        text_at = {text: i for i, text in enumerate(dict.fromkeys(text for _, text in pairs))}
        score = self.decision.score(answer)[[text_at[text] for _, text in pairs]]
        out: Floats = np.abs(score.reshape(shape) - clean)
        return out


@dataclass(frozen=True, kw_only=True)
class Ordinary:
    """Mean shifts of ordinary insertions: (insertions, slots) by number of tokens."""

    means: Mapping[int, Floats]

    def centre(self, tokens: int) -> Floats:
        """Return the median shift of ordinary insertions of this length, per slot: (slots,)."""
        out: Floats = np.exp(np.median(self._logs(tokens), axis=0))
        return out

    def allowance(self, tokens: int) -> Floats:
        """Return the shift up to which an insertion of this length is none out of the ordinary: (slots,)."""
        logs = self._logs(tokens)
        out: Floats = np.exp(np.median(logs, axis=0) + ROBUST_Z * _spread(logs))
        return out

    def z(self, tokens: int, means: Floats) -> list[float | None]:
        """Return the robust z-score of mean shifts (slots,); None where ordinary ones do not scatter."""
        logs = self._logs(tokens)
        away = np.log(np.maximum(means, _LEAST)) - np.median(logs, axis=0)
        return [float(a / s) if s > 0 else None for a, s in zip(away.tolist(), _spread(logs).tolist(), strict=True)]

    def _logs(self, tokens: int) -> Floats:
        out: Floats = np.log(np.maximum(self.means[min(max(tokens, 1), MOST_TOKENS)], _LEAST))
        return out


def _spread(logs: Floats) -> Floats:
    """Return the standard deviation that the median absolute deviation stands for, per slot."""
    out: Floats = 1.4826 * np.median(np.abs(logs - np.median(logs, axis=0)), axis=0)
    return out


def ordinary_insertions(words: Sequence[str], tokens: int, rng: np.random.Generator) -> list[Insertion]:
    """Return insertions of so many sampled words each, as many as there are words; single words are all of them."""
    if tokens == 1:
        return [Insertion(label=word, text=word, kind="sampled") for word in words]
    drawn = [rng.choice(len(words), size=tokens, replace=tokens > len(words)) for _ in words]
    texts = [" ".join(words[i] for i in some) for some in drawn]
    return [Insertion(label=text, text=text, kind="ordinary") for text in texts]
