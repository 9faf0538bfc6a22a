"""Which pairs rank the parts of a model and which confirm them, fixed before a state is seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from audit.checks import _stats
from audit.checks._rewriting import swapping
from audit.checks._rewriting.swapping import Case, Comparison, Swap
from audit.requests import TokenisedText
from audit.types import Dataset, Guards, NotAssessed, Span, ValidityCheck

SCREENING = 0.4
"""Share of the clusters that rank parts: intervals need more of them than a ranking does."""

FEWEST_CLUSTERS_EACH = 3
"""What ``direction_effect`` asks of each of its parts, too."""

MOST_TOKENISED = 2000
"""Pairs whose tokens are compared; of more, these are drawn at random."""

ELSEWHERE = "other words"
LAST = "last token"
"""Where a model that reads forward decides, if no field of the text ends there."""
SPECIAL = "special tokens"


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A case with the reference value, and the same case with the value in question: its counterpart."""

    row: int
    text: str
    """With the reference value."""
    counterpart: str
    """With the value in question."""
    clusters: tuple[str, ...]
    fields: tuple[str, ...] = ()
    """For every token, the field of the text that it lies in, or ``ELSEWHERE``, ``LAST`` or ``SPECIAL``."""

    def tokens_of(self, field: str) -> tuple[int, ...]:
        """Return the positions of a field's tokens; none where the text does not have it."""
        return tuple(i for i, name in enumerate(self.fields) if name == field)


@dataclass(frozen=True, kw_only=True)
class Aligned:
    """The pairs whose two texts have the same number of tokens, and how many have not."""

    pairs: tuple[Pair, ...]
    misaligned: int
    alike: int
    """Pairs whose two texts are the same tokens: the swap does not reach the model."""

    @property
    def check(self) -> ValidityCheck:
        """Return the check that what is left out is not most of it."""
        left_out = self.misaligned + self.alike
        examined = left_out + len(self.pairs)
        return ValidityCheck(
            name="pairs_align",
            title="The two texts of a pair align token by token",
            guards=Guards.FALSE_ALL_CLEAR,
            passed=2 * left_out <= examined,
            found=f"{self.misaligned} of {examined} pairs have different numbers of tokens and are left out; "
            f"{self.alike} are the same tokens",
            needed="at least half of the pairs usable; parts that act on the others are not seen",
        )


@dataclass(frozen=True, kw_only=True)
class Division:
    """The pairs by what they are for; they share no value of the first thing that cases share."""

    screening: tuple[Pair, ...]
    held_out: tuple[Pair, ...]

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Return all of them."""
        return self.screening + self.held_out


def clusters(pairs: Sequence[Pair]) -> _stats.Labels:
    """Return, for each thing that pairs share, the label of every pair."""
    return tuple(list(column) for column in zip(*(pair.clusters for pair in pairs), strict=True))


def candidates(comparison: Comparison, rng: np.random.Generator) -> tuple[Pair, ...]:
    """Return the pairs of a comparison, before anything is known of their tokens."""
    chosen = sorted(rng.permutation(len(comparison.cases))[:MOST_TOKENISED].tolist())
    return tuple(_pair(comparison.cases[i]) for i in chosen)


def _pair(case: Case) -> Pair:
    return Pair(row=case.row, text=case.references[0], counterpart=case.text, clusters=case.clusters)


def aligned(pairs: Sequence[Pair], tokens: Mapping[str, TokenisedText], swap: Swap, data: Dataset) -> Aligned:
    """Return the pairs that can be compared position by position, with the field of every token."""
    spans = _Spans(swap, data)
    out, misaligned, alike = [], 0, 0
    for pair in pairs:
        text, counterpart = tokens[pair.text], tokens[pair.counterpart]
        if len(text.ids) != len(counterpart.ids):
            misaligned += 1
        elif text.ids == counterpart.ids:
            alike += 1
        else:
            fields = _fields(text, spans.of(pair.row, pair.text))
            out.append(
                Pair(
                    row=pair.row,
                    text=pair.text,
                    counterpart=pair.counterpart,
                    clusters=pair.clusters,
                    fields=fields,
                )
            )
    return Aligned(pairs=tuple(out), misaligned=misaligned, alike=alike)


def divided(pairs: Sequence[Pair], most: int, rng: np.random.Generator) -> Division | NotAssessed:
    """Divide pairs by what they share first, and draw at most ``most`` for each part."""
    labels = [pair.clusters[0] for pair in pairs]
    names = sorted(set(labels))
    ranking = max(FEWEST_CLUSTERS_EACH, round(SCREENING * len(names)))
    first = {names[i] for i in rng.permutation(len(names))[:ranking].tolist()}
    parts = [[p for p, name in zip(pairs, labels, strict=True) if (name in first) is where] for where in (True, False)]
    drawn = [tuple(part[i] for i in sorted(rng.permutation(len(part))[:most].tolist())) for part in parts]
    fewest = min(len({pair.clusters[0] for pair in part}) for part in drawn)
    if fewest < FEWEST_CLUSTERS_EACH:
        found = f"{fewest} clusters of aligned pairs in one part"
        return NotAssessed(
            reason=f"too few clusters to rank parts on some and confirm them on others: {found}",
            validity=(
                ValidityCheck(
                    name="two_divisions",
                    title="Enough clusters to rank on some and confirm on others",
                    guards=Guards.MEASUREMENT,
                    passed=False,
                    found=found,
                    needed=f"at least {FEWEST_CLUSTERS_EACH} in each",
                ),
            ),
        )
    return Division(screening=drawn[0], held_out=drawn[1])


# ---- which field a token lies in -----------------------------------------------------------------


class _Spans:
    """Where the fields of a text stand, also of a text that was written for a pair."""

    def __init__(self, swap: Swap, data: Dataset) -> None:
        self._swap, self._data = swap, data
        self._known = {row.text: row.spans for row in data.rows}

    def of(self, row: int, text: str) -> Mapping[str, tuple[Span, ...]]:
        """Return the spans of each field; none where the text is not one of the data's template."""
        if text in self._known:
            return self._known[text]
        fields, swapped = self._data.rows[row].fields, self._swap.from_
        for form in self._forms(fields[swapped]):
            written = self._data.rendered({**fields, swapped: form}, self._data.rows[row])
            if written.text == text:
                return written.spans
        return {}

    def _forms(self, form: str) -> tuple[str, ...]:
        for pair in self._swap.pairs or ():
            if form in pair.values():
                return tuple(pair.values())
        return self._swap.values or ()


def _fields(text: TokenisedText, spans: Mapping[str, tuple[Span, ...]]) -> tuple[str, ...]:
    def field(start: int, end: int) -> str:
        if start == end:
            return SPECIAL
        for name, places in spans.items():
            # A token may bring the space before its word along.
            if any(start < to and end > at for at, to in places):
                return name
        return ELSEWHERE

    out = [field(*span) for span in text.spans]
    if out[-1] == ELSEWHERE:
        out[-1] = LAST
    return tuple(out)


def comparison(swap: Swap, value: str, data: Dataset) -> Comparison:
    """Return the comparison that is localised; ``problems`` has seen to it that there is one."""
    return next(c for c in swapping.comparisons(swap, (), data) if value in {"", c.group})
