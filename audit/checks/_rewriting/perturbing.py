"""Texts disturbed on purpose, a little or a lot, the same way every time.

Which words are disturbed first, and how, depends on the text, the kind and a seed alone. A stronger disturbance
does what a weaker one does and more, so that the strength at which a decision turns is a property of the text and not
of another draw.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Literal, TypeAlias

import numpy as np

Kind: TypeAlias = Literal["typos", "casing", "truncation", "distractors", "paraphrases"]

Disturb: TypeAlias = Callable[[str, float], str]
"""(text, strength in (0, 1]) → text"""

MEANINGS: dict[Kind, str] = {
    "typos": "share of the words of four letters and more that get one slip of the keyboard inside them",
    "casing": "share of the words whose letters change case",
    "truncation": "share of the words cut off at the end",
    "distractors": "share of the irrelevant sentences put behind the text",
    "paraphrases": "share of the listed phrases in the text that are put otherwise",
}

_WORD = re.compile(r"\S+")
_LETTERS = re.compile(r"[^\W\d_]{4,}")

_NEIGHBOURS = {
    "a": "s", "b": "v", "c": "x", "d": "f", "e": "r", "f": "g", "g": "h", "h": "j", "i": "o", "j": "k", "k": "l",
    "l": "k", "m": "n", "n": "m", "o": "p", "p": "o", "q": "w", "r": "t", "s": "d", "t": "y", "u": "i", "v": "b",
    "w": "e", "x": "c", "y": "u", "z": "x",
}  # fmt: skip
"""A key beside each on a QWERTY keyboard."""


def typos(seed: int) -> Disturb:
    """Return a disturbance by slips: two letters swapped, one left out, doubled, or its neighbour on the keyboard.

    First and last letters stay, as most slips leave them.
    """

    def disturb(text: str, strength: float) -> str:
        rng = _stream(seed, "typos", text)
        words = list(_LETTERS.finditer(text))
        order, slips = rng.permutation(len(words)), rng.integers(0, 2**31, size=(len(words), 2))
        chosen = order[: _count(strength, len(words))]
        return _replaced(
            text, {words[i].span(): _slip(words[i].group(), int(slips[i, 0]), int(slips[i, 1])) for i in chosen}
        )

    return disturb


def _slip(word: str, where: int, how: int) -> str:
    """Return the word with one slip that changes it; a swap of equal letters becomes a doubling."""
    at = 1 + where % (len(word) - 2)
    before, letter, after = word[:at], word[at], word[at + 1 :]
    if how % 4 == 0 and at + 1 < len(word) - 1 and word[at + 1] != letter:
        return before + after[0] + letter + after[1:]
    if how % 4 == 1:
        return before + after
    beside = _NEIGHBOURS.get(letter.lower())
    if how % 4 == 2 and beside is not None:
        return before + (beside.upper() if letter.isupper() else beside) + after
    return before + letter + letter + after


def casing(seed: int) -> Disturb:
    """Return a disturbance that turns words into capitals, and words of capitals into small letters."""

    def disturb(text: str, strength: float) -> str:
        words = [word for word in _WORD.finditer(text) if word.group().swapcase() != word.group()]
        chosen = _stream(seed, "casing", text).permutation(len(words))[: _count(strength, len(words))]
        return _replaced(text, {words[i].span(): _other_case(words[i].group()) for i in chosen})

    return disturb


def _other_case(word: str) -> str:
    return word.lower() if word.isupper() else word.upper()


def truncation() -> Disturb:
    """Return a disturbance that cuts words off at the end; the first word always stays."""

    def disturb(text: str, strength: float) -> str:
        words = list(_WORD.finditer(text))
        kept = max(1, len(words) - _count(strength, len(words)))
        return text[: words[kept - 1].end()] if words else text

    return disturb


def distractors(sentences: Sequence[str], seed: int) -> Disturb:
    """Return a disturbance that puts irrelevant sentences behind the text, in an order of the text's own."""

    def disturb(text: str, strength: float) -> str:
        order = _stream(seed, "distractors", text).permutation(len(sentences))[: _count(strength, len(sentences))]
        return " ".join([text, *(sentences[i] for i in order)])

    return disturb


def paraphrases(pairs: Mapping[str, str], seed: int) -> Disturb:
    """Return a disturbance that puts listed phrases otherwise; whole words, in either case, longer phrases first."""
    known = {phrase.casefold(): other for phrase, other in pairs.items()}
    listed = "|".join(re.escape(phrase) for phrase in sorted(known, key=len, reverse=True))
    phrase = re.compile(rf"(?<!\w)(?:{listed})(?!\w)", re.IGNORECASE)

    def disturb(text: str, strength: float) -> str:
        found = [match for match in phrase.finditer(text) if match.group().casefold() in known]
        chosen = _stream(seed, "paraphrases", text).permutation(len(found))[: _count(strength, len(found))]
        return _replaced(text, {found[i].span(): known[found[i].group().casefold()] for i in chosen})

    return disturb


def _count(strength: float, things: int) -> int:
    """Return how many of some things a strength takes: at least one, where there is one."""
    return min(things, math.ceil(strength * things - 1e-9))


def _stream(seed: int, kind: Kind, text: str) -> np.random.Generator:
    digest = blake2b(f"{seed} {kind} {text}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return np.random.default_rng(int.from_bytes(digest, "big"))


def _replaced(text: str, by_span: Mapping[tuple[int, int], str]) -> str:
    out, at = [], 0
    for (start, end), other in sorted(by_span.items()):
        out += [text[at:start], other]
        at = end
    return "".join([*out, text[at:]])
