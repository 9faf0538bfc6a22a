"""Two groups of rows, compared within the strata in which both occur."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from audit.checks._stats.clustering import Labels, Way, chosen, cluster_count, effective_clusters
from audit.shapes import Bools, Floats


class Arms:
    """Two groups over the strata in which both occur."""

    def __init__(self, member: Bools, strata: Sequence[str]) -> None:
        member = np.asarray(member, dtype=np.bool_)
        _, codes = np.unique(np.asarray(strata, dtype=object).astype(str), return_inverse=True)
        both = (np.bincount(codes, weights=member) > 0) & (np.bincount(codes, weights=~member) > 0)
        self.kept: Bools = both[codes]
        self.member: Bools = member[self.kept]
        _, self._stratum = np.unique(codes[self.kept], return_inverse=True)
        self._count = int(both.sum())
        self._n = self._totals(np.ones(len(self.member)))

    def _totals(self, values: Floats) -> Floats:
        """Return the sum of ``values`` by arm (members first) and stratum, (2, strata)."""
        at = np.where(self.member, 0, self._count) + self._stratum
        sums = np.bincount(at, weights=values, minlength=2 * self._count).astype(np.float64)
        return sums.reshape(2, self._count)

    def counts(self, events: Bools) -> Floats:
        """Return events and rows of both arms by stratum, (strata, 4), as a law takes them."""
        k = self._totals(events.astype(np.float64))
        return np.stack([k[0], self._n[0], k[1], self._n[1]], axis=1)

    def clusters(self, labels: Labels) -> int:
        """Return the number of clusters of the arm that has fewer."""
        return min(cluster_count(chosen(labels, side)) for side in (self.member, ~self.member))

    def effective_clusters(self, labels: Labels) -> float:
        """Return the number of equal clusters that the arm with fewer is worth."""
        return min(effective_clusters(chosen(labels, side)) for side in (self.member, ~self.member))

    def difference(self, values: Floats) -> float:
        """Return the weighted difference of the arms' means."""
        weighted, weight = _weigh(self._totals(values), self._n)
        return float((weighted[0] - weighted[1]).sum() / weight.sum())

    def without(self, values: Floats, way: Way, contrast: Literal["difference", "ratio"]) -> Floats:
        """Return the weighted difference, or ratio, without each cluster in turn; only strata it touches change."""
        touched, cell = np.unique(way.codes * self._count + self._stratum, return_inverse=True)
        arm = np.where(self.member, 0, len(touched)) + cell
        less, fewer = (
            np.bincount(arm, weights=x, minlength=2 * len(touched)).reshape(2, -1)
            for x in (values, np.ones(len(values)))
        )
        total, n, stratum = self._totals(values), self._n, touched % self._count
        before, weight_before = _weigh(total, n)
        after, weight_after = _weigh(total[:, stratum] - less, n[:, stratum] - fewer)
        cluster = touched // self._count

        def changed(now: Floats, then: Floats) -> Floats:
            return np.asarray(then.sum() + np.bincount(cluster, weights=now - then[stratum], minlength=way.count))

        first, second = (changed(a, b) for a, b in zip(after, before, strict=True))
        weight = changed(weight_after, weight_before)
        above, below = (first - second, weight) if contrast == "difference" else (first, second)
        with np.errstate(divide="ignore", invalid="ignore"):
            out: Floats = np.where((weight > _NOTHING) & (below > _NOTHING), above / below, np.nan)
        return out

    def influence(self, events: Bools, scale: float) -> Floats:
        """Return what each row contributes to the error of rate - scale * reference rate."""
        k, n = self._totals(events.astype(np.float64)), self._n
        weight = n[0] * n[1] / n.sum(axis=0)
        arm = np.where(self.member, 0, 1)
        residual = events - (k / n)[arm, self._stratum]
        share = (weight / weight.sum())[self._stratum] / n[arm, self._stratum]
        out: Floats = np.where(self.member, 1.0, -scale) * share * residual
        return out


_NOTHING = 1e-9
"""A sum of weights, or of weighted means, below this is rounding."""


def _weigh(totals: Floats, n: Floats) -> tuple[Floats, Floats]:
    """Return each stratum's weighted means, (2, strata), and its Mantel-Haenszel weight; 0 without overlap."""
    weight = np.where(n.min(axis=0) > 0.5, n[0] * n[1] / np.maximum(n.sum(axis=0), 1.0), 0.0)
    means = totals / np.maximum(n, 1.0)
    return weight * means, weight
