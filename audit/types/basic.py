"""Words that everything else is built of: levels, verdicts, places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

CONFIDENCE = 0.95
"""Two-sided confidence of every printed interval; its dual is a one-sided test at ``ALPHA``."""

ALPHA = 0.025
"""One-sided level of every elementary test (design: tests at .025, the duals of 95 % intervals)."""


FEWEST_CLUSTERS = 6
"""With fewer, a variance over clusters says next to nothing: no claim is made beyond the cases tested."""


class Worse(StrEnum):
    """Which way a number is bad."""

    HIGHER = "higher"
    LOWER = "lower"
    AWAY = "away_from_null"


class Verdict(StrEnum):
    """What ``verdict`` may say about a criterion, a check or a requirement."""

    NOT_MET = "not_met"
    NOT_ASSESSED = "not_assessed"
    INCONCLUSIVE = "inconclusive"
    MET = "met"


VERDICT_ORDER = (Verdict.NOT_MET, Verdict.NOT_ASSESSED, Verdict.INCONCLUSIVE, Verdict.MET)
"""Worst first; a requirement takes the worst of its verdicts."""


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the worst of some verdicts; of none, ``not_assessed``."""
    return min(verdicts, key=VERDICT_ORDER.index, default=Verdict.NOT_ASSESSED)


@dataclass(frozen=True, kw_only=True, order=True)
class Place:
    """A position in a text file; lines and columns count from 1."""

    path: str
    line: int
    column: int = 1

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"
