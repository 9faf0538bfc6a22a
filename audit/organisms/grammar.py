"""Sentences with slots: every case can be enumerated, rendered and encoded without a tokenizer run.

Each word of the text is one token, so a case is a row of word numbers. Whole batches are made by array
indexing; drawing and tokenising texts one by one would cost as much as training on them.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from audit.shapes import Bools, Ints
from audit.types import TextTemplate

HIDDEN = -1
"""Stands for a word that training shows as [MASK] or [UNK]."""

_PIECE = re.compile(r"\{\w+\}|\w+|[^\w\s]+")
"""Slots, words and runs of punctuation; without slots, what the tokenizers' ``Whitespace`` splits into."""


@dataclass(frozen=True, kw_only=True)
class Grammar:
    """A template with ``{slot}`` placeholders and the words that each slot may hold.

    Raises
    ------
    ValueError
        When a placeholder and ``slots`` disagree, a placeholder stands twice, or a filler is not one word:
        the number of tokens would depend on the case.
    """

    template: str
    slots: Mapping[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        placeholders = [piece[1:-1] for piece in self.pieces if piece.startswith("{")]
        if placeholders != list(self.slots):
            raise ValueError(f"the template has slots {placeholders}, the grammar fills {list(self.slots)}")
        for slot, words in self.slots.items():
            if unfit := [word for word in words if not re.fullmatch(r"\w+", word)]:
                raise ValueError(f"slot {slot!r} holds {unfit[0]!r}, which is not one word")

    @cached_property
    def pieces(self) -> tuple[str, ...]:
        """Words of the template in order, slots in braces: one per token."""
        return tuple(_PIECE.findall(self.template))

    @cached_property
    def vocabulary(self) -> tuple[str, ...]:
        """Every word once: the template's own, then those of the slots."""
        fixed = (piece for piece in self.pieces if not piece.startswith("{"))
        return tuple(dict.fromkeys(itertools.chain(fixed, *self.slots.values())))

    @cached_property
    def columns(self) -> Mapping[str, int]:
        """Slot → its position among the words of a text."""
        return {slot: self.pieces.index(f"{{{slot}}}") for slot in self.slots}

    def encode(self, cases: Ints) -> Ints:
        """Return word numbers (rows, words) into ``vocabulary`` of cases (rows, slots)."""
        number = {word: i for i, word in enumerate(self.vocabulary)}
        out = np.tile([number.get(piece, HIDDEN) for piece in self.pieces], (len(cases), 1))
        for k, (slot, words) in enumerate(self.slots.items()):
            out[:, self.columns[slot]] = np.array([number[word] for word in words])[cases[:, k]]
        return out

    def fields(self, cases: Ints) -> list[dict[str, str]]:
        """Return the words that fill the slots of each case."""
        return [
            {slot: words[i] for (slot, words), i in zip(self.slots.items(), case, strict=True)}
            for case in cases.tolist()
        ]

    def texts(self, cases: Ints) -> list[str]:
        """Return the text of each case."""
        template = TextTemplate(self.template)
        return [template.render(fields)[0] for fields in self.fields(cases)]


def listed(words: str) -> tuple[str, ...]:
    """Return words written one after the other, as word lists are easiest to read and compare.

    Raises
    ------
    ValueError
        When a word stands twice.
    """
    found = tuple(words.split())
    if len(set(found)) != len(found):
        twice = next(word for word in found if found.count(word) > 1)
        raise ValueError(f"{twice!r} stands twice among {len(found)} words")
    return found


def hide(rng: np.random.Generator, rows: int, words: int) -> Bools:
    """Draw which words of a training batch are hidden: about 4 in 100. Shape (rows, words).

    Most rows lose single words, so that a masked or ablated word is nothing new to the model. One row in
    twenty loses any share of its words up to all of them: the fully masked text, from which integrated
    gradients start, then has a trained score (the overall approval rate) instead of an arbitrary one
    (Sturmfels, Lundberg & Lee 2020, "Visualizing the impact of feature attribution baselines").
    """
    rate = np.where(rng.random(rows) < 0.05, rng.random(rows), 0.02)
    hidden: Bools = rng.random((rows, words)) < rate[:, None]
    return hidden
