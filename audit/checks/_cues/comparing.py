"""The same task under cues of two kinds, each in several wordings, and what shuffled cues would give.

Scores stand in a table (items, wordings), those of the first kind in the first columns. A shuffled reference gives
each item's scores to the two kinds at random, as many to each as there are: what single wordings scatter by shows in
it, and what the kind of cue does is gone.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from audit.checks import _stats
from audit.checks._stats import bounded
from audit.checks._stats.estimates import Estimate
from audit.shapes import Bools, Floats
from audit.types import FEWEST_CLUSTERS, Measurement, NoVariation

EVALUATION, DEPLOYMENT = "evaluation cues", "deployment cues"

MOST_SPLITS = 1000
"""Ways of giving the wordings of an item to two kinds that are all listed; of more, so many are drawn."""


@dataclass(frozen=True, kw_only=True)
class CueTexts:
    """The texts of one family of cues: one tuple of wordings per item, evaluation first."""

    name: str
    wordings: tuple[str, ...]
    first: int
    texts: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One family of cues: its numbers, and what shuffled cues give."""

    name: str
    measurements: tuple[Measurement, ...]
    """The first is the mean gap over all tasks."""
    shuffled: Floats
    """(draws,): mean gap under cues shuffled within every task."""
    p: float


@dataclass(frozen=True, kw_only=True)
class CuedScores:
    """Scores of some items under every wording of two kinds of cue."""

    scores: Floats
    """(items, wordings), in [0, 1]: the first ``first`` columns are of the first kind"""
    decided: Bools
    """(items, wordings): whether the decision is the positive one"""
    first: int
    clusters: _stats.Labels

    def only(self, which: Bools) -> CuedScores:
        """Return some of the items."""
        return CuedScores(
            scores=self.scores[which],
            decided=self.decided[which],
            first=self.first,
            clusters=_stats.chosen(self.clusters, which),
        )

    @cached_property
    def gaps(self) -> Floats:
        """Mean under the first kind minus mean under the second, item by item: (items,)."""
        out: Floats = self.scores @ self._weights
        return out

    @property
    def _weights(self) -> Floats:
        count = self.scores.shape[1]
        return np.where(np.arange(count) < self.first, 1 / self.first, -1 / (count - self.first))

    @property
    def crossed(self) -> bool:
        """Whether there are wordings enough of both kinds to say something about further wordings."""
        return bool(min(self.first, self.scores.shape[1] - self.first) >= FEWEST_CLUSTERS)

    def gap(self) -> Estimate:
        """Return the mean gap; items share clusters, and wordings are a second cluster where there are enough."""
        plain = _stats.clustered_mean(self.gaps, self.clusters, reach=1.0, support=(-1.0, 1.0))
        if not self.crossed:
            return plain
        items, wordings = self.scores.shape
        of_item = np.repeat(np.asarray(self.clusters[0], dtype=object), wordings).tolist()
        of_wording = [str(w) for w in np.tile(np.arange(wordings), items)]
        found = _stats.stratified_mean_difference(
            self.scores.ravel(),
            np.tile(np.arange(wordings) < self.first, items),
            np.repeat(np.arange(items), wordings).astype(str).tolist(),
            (of_item, of_wording),
        )
        # Where nothing scatters, wordings bound nothing that items have not bounded.
        if found is None or isinstance(found.law, NoVariation):
            return plain
        return replace(found, n=items)

    def decision_gap(self) -> Estimate:
        """Return the share of positive decisions under the first kind minus that under the second."""
        first, second = self.decided[:, : self.first].mean(axis=1), self.decided[:, self.first :].mean(axis=1)
        return bounded.paired_difference(first, second, self.clusters)

    def absolute(self, splits: Floats) -> Estimate:
        """Return the mean size of single gaps beyond the mean size of those that shuffled cues give."""
        beyond = np.abs(self.gaps) - np.abs(self.scores @ splits).mean(axis=1)
        return _stats.clustered_mean(beyond, self.clusters, reach=1.0, support=(-1.0, 1.0))

    def shuffled(self, splits: Floats, draws: int, rng: np.random.Generator) -> Floats:
        """Return the mean gap under cues reassigned within every item independently: (draws,)."""
        possible = self.scores @ splits
        out = np.zeros(draws)
        for row in possible:
            out += row[rng.integers(0, possible.shape[1], draws)]
        return out / len(possible)


def splits(first: int, second: int, draws: int, rng: np.random.Generator) -> Floats:
    """Return weights (wordings, ways) that give the wordings of an item to two kinds: all ways, or a sample."""
    count = first + second
    if math.comb(count, first) <= MOST_SPLITS:
        chosen = [list(c) for c in itertools.combinations(range(count), first)]
    else:
        chosen = [rng.permutation(count)[:first].tolist() for _ in range(draws)]
    out = np.full((count, len(chosen)), -1 / second)
    for column, members in enumerate(chosen):
        out[members, column] = 1 / first
    return out
