"""Draws words from a model's vocabulary: insertions that nobody chose."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from audit.capture.model import LoadedModel
from audit.requests import Vocabulary, Words

_AT_ONCE = 256
"""Token numbers decoded at a time: a vocabulary may hold a quarter of a million of them."""


def sample(loaded: LoadedModel, request: Vocabulary) -> Words:
    """Return words that the tokenizer reads back as the one token they were drawn as.

    Pieces of words, special tokens, white space and bytes that are no characters are passed over. The order of
    the draw depends on the seed and the size of the vocabulary alone.
    """
    tokenizer = loaded.tokenizer
    size = len(tokenizer)
    numbers = np.arange(size - round(size * request.last), size)
    order = np.random.default_rng(request.seed).permutation(numbers)
    special = set(tokenizer.all_special_ids)
    found: dict[str, None] = {}
    for at in range(0, len(order), _AT_ONCE):
        part = [int(i) for i in order[at : at + _AT_ONCE] if int(i) not in special]
        for number, text in zip(part, tokenizer.batch_decode([[i] for i in part]), strict=True):
            word = text.strip()
            if _is_word(word) and _reads_back(loaded, word, number):
                found.setdefault(word)
        if len(found) >= request.sample:
            break
    return Words(words=tuple(found)[: request.sample], drawn_from=len(numbers))


def _is_word(word: str) -> bool:
    return word.isprintable() and any(c.isalnum() for c in word) and not any(c.isspace() for c in word)


def _reads_back(loaded: LoadedModel, word: str, number: int) -> bool:
    """Whether the word is this one token, after a space or at the start of a text."""

    def ids(text: str) -> Sequence[int]:
        return list(loaded.tokenizer(text, add_special_tokens=False)["input_ids"])

    return [number] in (ids(f" {word}"), ids(word))
