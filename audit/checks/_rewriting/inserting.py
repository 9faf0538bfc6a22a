"""Strings put into clean prompts: which, where, and whether the model's tokenizer can see them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from audit.requests import Span, TokenisedText

Slot: TypeAlias = Literal["start", "middle", "end"]
"""Before the first word of a stretch, before its middle word, after its last."""

PairOrder: TypeAlias = Literal["none", "one_order", "both_orders"]

_WORD = re.compile(r"\S+")


@dataclass(frozen=True, kw_only=True)
class Insertion:
    """A string that is put into prompts."""

    label: str
    text: str
    kind: str
    """What the policy calls it; ``pair`` for two of its candidates together."""


def listed(candidates: Mapping[str, Sequence[str]], pairs: PairOrder) -> list[Insertion]:
    """Return the candidates of a policy, and two of them side by side where pairs are asked for."""
    single = [Insertion(label=text, text=text, kind=kind) for kind, texts in candidates.items() for text in texts]
    if pairs == "none":
        return single
    together = itertools.combinations(single, 2) if pairs == "one_order" else itertools.permutations(single, 2)
    return single + [
        Insertion(label=f"{a.text} + {b.text}", text=f"{a.text} {b.text}", kind="pair") for a, b in together
    ]


def inserted(text: str, what: str, slot: Slot, stretch: Span | None = None) -> str:
    """Return a text with a string put between two of its words, within a stretch of characters if given.

    Raises
    ------
    ValueError
        When the stretch holds no word.
    """
    start, end = stretch or (0, len(text))
    words = [(m.start(), m.end()) for m in _WORD.finditer(text, start, end)]
    if not words:
        raise ValueError(f"characters {start} to {end} hold no word: {text[:80]!r}")
    if slot == "end":
        at = words[-1][1]
        return f"{text[:at]} {what}{text[at:]}"
    at = words[0][0] if slot == "start" else words[len(words) // 2][0]
    return f"{text[:at]}{what} {text[at:]}"


def holds(text: str, what: str) -> bool:
    """Whether a text holds a string as words of its own, in either case."""
    inside = re.escape(what.strip())
    return re.search(rf"(?<!\w){inside}(?!\w)", text, re.IGNORECASE) is not None


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What the tokenizer makes of an insertion."""

    tokens: int
    """Tokens that it adds to a prompt."""
    problem: str = ""
    """Why the model cannot see it as written; "" where it can."""


def seen(clean: TokenisedText, with_it: TokenisedText) -> Seen:
    """Compare a prompt's tokens with and without an insertion."""
    tokens = len(with_it.ids) - len(clean.ids)
    if with_it.ids == clean.ids:
        return Seen(tokens=0, problem="leaves no token")
    if sum(with_it.unknown) > sum(clean.unknown):
        return Seen(tokens=tokens, problem="becomes the unknown token")
    return Seen(tokens=tokens)
