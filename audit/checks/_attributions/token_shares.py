"""Which tokens carry which fields of a row, and what share of an attribution falls on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from audit.checks._attributions import Attributed
from audit.requests import TokenisedText
from audit.shapes import Bools, Floats
from audit.types import Row

UNSEEN = ("mask", "unk")
"""Tokens that stand for no word: as baseline inputs they count as one kind."""
CANDIDATES = 20
"""Ordinary tokens that are tried as a baseline input; a vocabulary may lack some by themselves."""


@dataclass(frozen=True, kw_only=True)
class Marked:
    """A row with its tokens: which are protected, which are reference, which count at all (all but special ones)."""

    row: Row
    text: TokenisedText
    protected: Bools
    reference: Bools
    counts: Bools


def mark(row: Row, text: TokenisedText, protected: Sequence[str], reference: Sequence[str]) -> Marked:
    """Mark the tokens of one row by the fields that they render, given by name."""
    counts = ~np.array(text.special, dtype=bool)
    own = _covers(row, text, protected) & counts
    others = _covers(row, text, reference) & counts & ~own
    if not others.any():
        # A text without such a field: every other word stands as the reference.
        others = counts & ~own
    return Marked(row=row, text=text, protected=own, reference=others, counts=counts)


def _covers(row: Row, text: TokenisedText, fields: Sequence[str]) -> Bools:
    """Return which tokens overlap the text of these fields."""
    spans = [span for name in fields for span in row.spans.get(name, ())]
    return np.array([any(a < end and b > start for start, end in spans) for a, b in text.spans], dtype=bool)


def common_tokens(marked: Sequence[Marked], most: int) -> list[str]:
    """Return ordinary tokens, the most common first: in distribution, and not protected."""
    seen: Counter[str] = Counter()
    for m in marked:
        seen.update(
            t for t, p, c in zip(m.text.tokens, m.protected, m.counts, strict=True) if c and not p and t.strip()
        )
    return [token for token, _ in sorted(seen.items(), key=lambda item: (-item[1], item[0]))[:most]]


def usable_baselines(marked: Sequence[Marked]) -> tuple[str, ...]:
    """Return the baseline inputs that are tried where a policy names none: no word at all, then common words."""
    return (*UNSEEN, *(f"token:{token}" for token in common_tokens(marked, CANDIDATES)))


class Shares(NamedTuple):
    """Shares of the absolute attribution of one text."""

    protected: float
    uniform: float
    """What the protected tokens would get if all tokens counted alike."""
    reference: float
    """What as many reference tokens get."""


def shares_by_text(attributed: Attributed, marked: Sequence[Marked]) -> dict[int, Shares]:
    """Return the shares of each text that converged and in which something is attributed."""
    found = {i: shares(marked[i], attributed.answers[i].values) for i in attributed.converged}
    return {i: some for i, some in found.items() if some is not None}


def shares(marked: Marked, values: Floats) -> Shares | None:
    """Return the shares of one text; None where nothing is attributed, or nothing is protected or to compare with."""
    size = np.abs(values) * marked.counts
    total, count = float(size.sum()), int(marked.protected.sum())
    if total <= 0 or not count or not marked.reference.any():
        return None
    return Shares(
        protected=float(size[marked.protected].sum()) / total,
        uniform=count / int(marked.counts.sum()),
        reference=float(size[marked.reference].mean()) * count / total,
    )
