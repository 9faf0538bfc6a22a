"""Area under the ROC curve of clustered rows.

The variance is that of Obuchowski (1997): each cluster contributes the placements of its positives among the
negatives and of its negatives among the positives. Here every cluster is left out in turn and the area
computed again from those placements, which needs no formula for their moments and counts pairs within a
cluster correctly.

The normal case is a label that is constant within clusters: a name is male or female in all its rows.

References
----------
DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44:837. Korn & Graubard (1998), Survey Methodology 24:193.
Kottas, Kuss & Zapf (2014), BMC Medical Research Methodology 14:26. Obuchowski (1997), Biometrics 53:567.
"""

from __future__ import annotations

import numpy as np

from audit.checks._stats.clustering import Labels, Way, chosen, effective_clusters, jackknife, variance, ways
from audit.checks._stats.estimates import Estimate, effective_size, t_law
from audit.shapes import Bools, Floats
from audit.types import Binomial


def auroc(labels: Bools, scores: Floats) -> float:
    """Return the chance that a positive scores above a negative, ties counting half.

    Raises
    ------
    ValueError
        When one of the two classes is empty: there is nothing to tell apart.
    """
    return _Placements(labels, scores).area


def clustered_auroc(labels: Bools, scores: Floats, clusters: Labels) -> Estimate:
    """Return the area with an interval that allows for clusters.

    The area is a proportion, that of pairs in the right order, so its law is that of a proportion of
    effective size (Korn & Graubard 1998; for the area: Kottas, Kuss & Zapf 2014). It stays within 0 and 1, and
    an area of exactly 1 is bounded by the number of disjoint pairs of clusters that can be formed.
    """
    placed = _Placements(labels, scores)
    found = variance(clusters, placed.area, placed.without)
    worth, pairs = _effective_per_class(labels, clusters), _disjoint_pairs(labels, clusters)
    spread = placed.area * (1 - placed.area)
    if found is None:
        size = 1.0
    elif spread == 0 or found == 0:
        size = float(pairs)  # in perfect order, or all tied: what the clusters bound
    else:
        df = min(worth - 1, placed.clusters_out_of_order(clusters))
        size = effective_size(len(labels), found * len(labels) / spread, df=df, clusters=pairs)
    law = Binomial(successes=placed.area * size, trials=size)
    return Estimate(
        value=placed.area,
        law=law,
        n=len(labels),
        clusters=_clusters_per_class(labels, clusters),
        jackknife=jackknife(clusters, placed.area, placed.without, worth=worth),
    )


def clustered_auroc_difference(labels: Bools, a: Floats, b: Floats, clusters: Labels) -> Estimate:
    """Return the area of ``a`` minus that of ``b`` on the same rows, with their correlation allowed for."""
    first, second = _Placements(labels, a), _Placements(labels, b)
    value = first.area - second.area

    def without(way: Way) -> Floats:
        return first.without(way) - second.without(way)

    worth = _effective_per_class(labels, clusters)
    law = t_law(value, variance(clusters, value, without), clusters=worth, reach=1.0, support=(-1.0, 1.0))
    return Estimate(
        value=value,
        law=law,
        n=len(labels),
        clusters=_clusters_per_class(labels, clusters),
        jackknife=jackknife(clusters, value, without, worth=worth),
    )


class _Placements:
    """For every row, how many rows of the other class lie on its right side, ties counting half."""

    def __init__(self, labels: Bools, scores: Floats) -> None:
        self._labels, self._scores = labels, scores
        self._positives, self._negatives = int(labels.sum()), int((~labels).sum())
        if not self._positives or not self._negatives:
            raise ValueError(f"{self._positives} positives and {self._negatives} negatives: nothing to tell apart")
        everyone = _midranks(scores, np.zeros(len(scores), dtype=np.int64))
        same_class = _midranks(scores, labels.astype(np.int64))
        below = everyone - same_class
        # A positive counts the negatives below it, a negative the positives above it.
        self._placed = np.where(labels, below, self._positives - below)
        self._pairs = float(self._placed[labels].sum())
        self.area = self._pairs / (self._positives * self._negatives)

    def without(self, way: Way) -> Floats:
        """Return the area with each cluster left out; NaN where that leaves a class empty."""
        positives = way.sums(self._labels)
        ranks = way.sums(np.where(self._labels, _midranks(self._scores, way.codes), 0.0))
        within = ranks - positives * (positives + 1) / 2
        p, n = self._positives - positives, self._negatives - way.sums(~self._labels)
        concordant = self._pairs - way.sums(self._placed) + within
        with np.errstate(divide="ignore", invalid="ignore"):
            out: Floats = np.where((p > 0) & (n > 0), concordant / (p * n), np.nan)
        return out

    def clusters_out_of_order(self, clusters: Labels) -> int:
        """Return how many clusters of a class hold a row on the rarer side of the order: they carry the spread."""
        others = np.where(self._labels, self._negatives, self._positives)
        rarer = self._placed < others if self.area >= 0.5 else self._placed > 0
        return min(
            int(np.count_nonzero(way.sums(side & rarer)))
            for way in ways(clusters)
            for side in (self._labels, ~self._labels)
        )


def _midranks(scores: Floats, groups: np.ndarray) -> Floats:
    """Return each row's rank among the rows of its group, from 1; ties share their mean rank."""
    order = np.lexsort((scores, groups))
    g, s = groups[order], scores[order]
    new_group = np.r_[True, g[1:] != g[:-1]]
    new_value = new_group | np.r_[True, s[1:] != s[:-1]]
    position = np.arange(len(s), dtype=np.float64)
    position -= np.maximum.accumulate(np.where(new_group, position, 0.0))
    tie = np.cumsum(new_value) - 1
    shared = np.bincount(tie, weights=position) / np.bincount(tie)
    out = np.empty(len(s))
    out[order] = shared[tie] + 1
    return out


def _clusters_per_class(labels: Bools, clusters: Labels) -> int:
    """Return the number of clusters that hold the class which fewer of them hold."""
    return min(int(np.count_nonzero(way.sums(side))) for way in ways(clusters) for side in (labels, ~labels))


def _effective_per_class(labels: Bools, clusters: Labels) -> float:
    """Return the number of equal clusters that the class with fewer is worth."""
    return min(effective_clusters(chosen(clusters, side)) for side in (labels, ~labels))


def _disjoint_pairs(labels: Bools, clusters: Labels) -> int:
    """Return how many pairs of a positive and a negative cluster can be formed that share none."""
    return min(max(1, min(_clusters_per_class(labels, clusters), way.count // 2)) for way in ways(clusters))
