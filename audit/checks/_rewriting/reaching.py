"""Whether texts that were written to differ still differ once the model's tokenizer has read them.

A tokenizer may drop what was changed: an accent, a rare sign, a word beyond its vocabulary. Then nothing was tried, and
that nothing moved says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from audit.requests import Tokenised, TokenisedText
from audit.types import Guards, ValidityCheck

MOST_TOKENISED = 2000
"""Pairs of texts whose tokens are compared; of more, these are drawn at random."""

Pair = tuple[str, str]


def drawn(pairs: Iterable[Pair], rng: np.random.Generator) -> list[Pair]:
    """Return the pairs to compare, each once."""
    every = sorted(set(pairs))
    chosen = sorted(rng.permutation(len(every))[:MOST_TOKENISED].tolist())
    return [every[i] for i in chosen]


def tokens(pairs: Sequence[Pair]) -> Tokenised:
    """Return the request for the tokens of both texts of every pair."""
    return Tokenised(texts=tuple(text for pair in pairs for text in pair))


def reaches_the_model(
    pairs: Sequence[Pair], answer: Sequence[TokenisedText], *, name: str, title: str
) -> ValidityCheck:
    """Return the check that no pair became the same tokens; ``answer`` is that of ``tokens``."""
    blind = sum(a.ids == b.ids for a, b in zip(answer[::2], answer[1::2], strict=True))
    return ValidityCheck(
        name=name,
        title=title,
        guards=Guards.FALSE_ALL_CLEAR,
        passed=blind == 0,
        found=f"{blind} of {len(pairs)} pairs of texts look the same to the model",
        needed="none",
    )
