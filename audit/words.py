"""Words of a text and the tokens that carry them.

A tokenizer cuts words where its training made it, so a token is nothing that a reader can judge. Signed
attributions add up: the sum over a word's tokens is what the word got, and completeness survives it. (Norms and
absolute values do not add up; nothing here takes them.)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audit.requests import Group, Span, TokenisedText
from audit.shapes import Floats

# Thai, Lao, Burmese, Khmer, Japanese and Chinese set no spaces between words: only the tokens can say where one ends.
_UNSPACED = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_WORD = re.compile(
    rf"\d+(?:[.,]\d+)*[^\W{_UNSPACED}]*"
    rf"|[^\W{_UNSPACED}]+(?:['’‑-][^\W{_UNSPACED}]+)*"
    rf"|[{_UNSPACED}]"
    r"|[^\w\s]"
)
"""Numbers with their points, words with apostrophes and hyphens inside, every other sign by itself."""


@dataclass(frozen=True, kw_only=True)
class Word:
    """A word of a text and the positions of its tokens."""

    text: str
    span: Span
    tokens: tuple[int, ...]


def words(text: str, tokens: TokenisedText) -> tuple[Word, ...]:
    """Return the words of a text with their tokens, in order: each token that is not special is in exactly one.

    A token that reaches over several words makes them one, and so do characters that several tokens share (the
    bytes of an emoji): what cannot be taken out apart is not told apart.
    """
    carried = [(span, i) for i, span in enumerate(tokens.spans) if not tokens.special[i]]
    pieces = sorted([*((match.span(), -1) for match in _WORD.finditer(text)), *carried])
    clusters: list[tuple[int, int, list[int]]] = []
    for (start, end), token in pieces:
        own = [token] if token >= 0 else []
        if clusters and start < clusters[-1][1]:
            begin, reach, held = clusters[-1]
            clusters[-1] = (begin, max(reach, end), held + own)
        else:
            clusters.append((start, end, own))
    return tuple(_word(text, (start, end), tuple(sorted(held))) for start, end, held in clusters if held)


def _word(text: str, span: Span, tokens: tuple[int, ...]) -> Word:
    whole = text[slice(*span)]
    if not (bare := whole.strip()):
        return Word(text=whole, span=span, tokens=tokens)
    start = span[0] + whole.index(bare)  # many tokenizers count the space before a word as part of it
    return Word(text=bare, span=(start, start + len(bare)), tokens=tokens)


def touching(tokens: TokenisedText, group: Group) -> tuple[int, ...]:
    """Return the positions of the tokens that share a character with a group; special tokens share none."""
    return tuple(
        i
        for i, (a, b) in enumerate(tokens.spans)
        if not tokens.special[i] and any(a < end and b > start for start, end in group)
    )


def summed(values: Floats, groups: Sequence[Sequence[int]]) -> Floats:
    """Return the signed sum over the tokens of each group."""
    return np.array([values[list(group)].sum() for group in groups], dtype=np.float64)
