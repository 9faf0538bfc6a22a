"""How far scores lie from what they promise: binned calibration errors without the bias of binning.

Rows are sorted into bins of like scores, and in each the mean score is compared with the share of positive outcomes.
The gap that is seen is never zero, even of a perfectly calibrated model, so its square is too large by its
variance. That variance is taken away (Bröcker 2012; Ferro & Fricker 2012; Kumar, Liang & Ma 2019): what
remains is unbiased, and its root is the calibration error. The variance of a gap is that of its clusters; with one
score per bin and independent rows it is the published ȳ(1 - ȳ)/(n - 1).

What is estimated is the error of the binned scores. It is never greater than the error of the scores themselves
(Kumar, Liang & Ma 2019), since what cancels within a bin is not seen.

References
----------
Bröcker (2012), Estimating reliability and resolution of probability forecasts through decomposition of the
empirical score, Climate Dynamics 39:655. Ferro & Fricker (2012), A bias-corrected decomposition of the Brier score,
Quarterly Journal of the Royal Meteorological Society 138:1954. Kumar, Liang & Ma (2019), Verified uncertainty
calibration, NeurIPS, arXiv:1909.10155. Murphy (1973), A new vector partition of the probability score, Journal of
Applied Meteorology 12:595. Stephenson, Coelho & Jolliffe (2008), Two extra components in the Brier score
decomposition, Weather and Forecasting 23:752.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from scipy.special import ndtr

from audit.checks import _stats
from audit.checks._stats import bounded
from audit.checks._stats.clustering import effective_clusters, linearised_variance, ways
from audit.checks._stats.estimates import Estimate, t_law
from audit.shapes import Bools, Floats, Ints
from audit.types import RootT, StudentT

Rule: TypeAlias = Literal["equal_mass", "equal_width"]

FEWEST_ROWS = 5
"""A bin with fewer rows, or a single cluster, is joined to its neighbour: its variance cannot be told."""


@dataclass(frozen=True, kw_only=True)
class Bin:
    """Rows of like scores."""

    rows: Ints
    """Indices of its rows."""
    score: float
    """Mean score."""
    observed: float
    """Share of positive outcomes."""
    variance: float
    """Of score - observed, by clusters; 0 where nothing varied."""
    claimed: float
    """The variance that it would have if the scores were right, and each cluster counted as one row."""

    @property
    def gap(self) -> float:
        """Mean score minus the share of positive outcomes."""
        return self.score - self.observed


def bins(scores: Floats, truth: Bools, clusters: _stats.Labels, *, rule: Rule, count: int) -> tuple[Bin, ...]:
    """Return the bins from low scores to high; rows of one score are never parted.

    ``equal_mass`` puts the same number of rows in each as far as ties allow, ``equal_width`` divides the range from 0
    to 1. Empty bins are left out.
    """
    inner = np.arange(1, count) / count
    edges = np.unique(np.quantile(scores, inner)) if rule == "equal_mass" else inner
    codes = np.searchsorted(edges, scores, side="left" if rule == "equal_mass" else "right")
    out: list[Bin] = []
    waiting: list[Ints] = []
    for code in np.unique(codes):
        waiting.append(np.flatnonzero(codes == code))
        rows = np.concatenate(waiting)
        if _enough(rows, clusters):
            out.append(_bin(rows, scores, truth, clusters))
            waiting = []
    if waiting:  # too few at the top: they join the bin below
        below = [out.pop().rows] if out else []
        out.append(_bin(np.concatenate([*below, *waiting]), scores, truth, clusters))
    return tuple(out)


def _enough(rows: Ints, clusters: _stats.Labels) -> bool:
    return len(rows) >= FEWEST_ROWS and _stats.cluster_count(_stats.chosen(clusters, rows)) > 1


def _bin(rows: Ints, scores: Floats, truth: Bools, clusters: _stats.Labels) -> Bin:
    rows = np.sort(rows)
    law = _stats.clustered_mean(scores[rows] - truth[rows], _stats.chosen(clusters, rows), reach=1.0).law
    worth = effective_clusters(_stats.chosen(clusters, rows))
    return Bin(
        rows=rows,
        score=float(scores[rows].mean()),
        observed=float(truth[rows].mean()),
        variance=law.se**2 if isinstance(law, StudentT) else 0.0,
        claimed=float((scores[rows] * (1 - scores[rows])).mean()) / worth,
    )


TELLING = 10
"""With an outcome in fewer clusters, Student's t does not see what rare outcomes could do."""


def gap(scores: Floats, truth: Bools, clusters: _stats.Labels) -> Estimate:
    """Return the mean score minus the share of positive outcomes.

    Where one of the outcomes is rare its scatter cannot be seen, and of low scores without a single positive
    outcome next to none is: then the interval is that of as many coins (``bounded``).
    """
    fewest = min(int(np.count_nonzero(way.sums(side))) for way in ways(clusters) for side in (truth, ~truth))
    if fewest < TELLING:
        return bounded.paired_difference(scores, truth.astype(np.float64), clusters)
    return _stats.clustered_mean(scores - truth, clusters, reach=1.0, support=(-1.0, 1.0))


# ---- calibration errors --------------------------------------------------------------------------


def squared_error(those: tuple[Bin, ...]) -> float:
    """Return the mean squared gap less its bias; unbiased, so it may come out below zero."""
    return float(_weights(those) @ np.array([b.gap**2 - b.variance for b in those]))


def calibration_error(those: tuple[Bin, ...], scores: Floats, truth: Bools, clusters: _stats.Labels) -> Estimate:
    """Return the root of the mean squared gap, corrected for bias.

    The error of the square is that of its clusters to first order, and, where gaps are near zero and the first
    order vanishes, the scatter of the squared gaps themselves (twice their squared variance); both are added, which
    errs on the wide side. A bin in which hardly an outcome differs shows too little variance (none, where scores are
    low and no outcome is positive), so no bin counts with less than its scores claim.
    """
    n, value, worth = len(scores), squared_error(those), effective_clusters(clusters)
    influence = np.empty(n)
    for b in those:
        own = scores[b.rows] - truth[b.rows]
        influence[b.rows] = 2 * b.gap * (own - b.gap) + b.gap**2 - b.variance - value
    first = linearised_variance(clusters, influence / n)
    second = sum(
        w**2 * (2 * max(b.variance, b.claimed) ** 2 + 4 * b.gap**2 * max(b.claimed - b.variance, 0.0))
        for w, b in zip(_weights(those), those, strict=True)
    )
    count, root = _stats.cluster_count(clusters), math.sqrt(max(value, 0.0))
    if first is None or first + second <= 0:
        law = t_law(root, None if first is None else 0.0, clusters=worth, reach=1.0, support=(0.0, 1.0))
        return Estimate(value=root, law=law, n=n, clusters=count)
    spread = RootT(square=max(value, 0.0), se=math.sqrt(first + second), df=max(worth - 1, 1.0), most=1.0)
    return Estimate(value=root, law=spread, n=n, clusters=count)


def absolute_error(those: tuple[Bin, ...], *, corrected: bool) -> float:
    """Return the expected calibration error: the mean absolute gap, as it stands or corrected for bias.

    The correction takes away how much larger the absolute value of a normal variable around the gap seen is on
    average (the bias estimate of Kumar, Liang & Ma's software, here in closed form). It is partial: of a
    perfectly calibrated model about six tenths of the bias remain. Never below zero.
    """
    gaps = np.array([b.gap for b in those])
    if not corrected:
        return float(_weights(those) @ np.abs(gaps))
    return max(0.0, float(_weights(those) @ (2 * np.abs(gaps) - _mean_absolute(gaps, _spreads(those)))))


def absolute_error_estimate(those: tuple[Bin, ...], scores: Floats, truth: Bools, clusters: _stats.Labels) -> Estimate:
    """Return the corrected expected calibration error with an interval that errs on the wide side."""
    n, gaps, spreads = len(scores), np.array([b.gap for b in those]), _spreads(those)
    corrected = 2 * np.abs(gaps) - _mean_absolute(gaps, spreads)
    value = float(_weights(those) @ corrected)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = 2 * np.sign(gaps) - np.where(spreads > 0, 2 * ndtr(gaps / spreads) - 1, np.sign(gaps))
    influence = np.empty(n)
    for b, own, steep in zip(those, corrected, slope, strict=True):
        influence[b.rows] = steep * (scores[b.rows] - truth[b.rows] - b.gap) + own - value
    law = t_law(
        max(value, 0.0),
        linearised_variance(clusters, influence / n),
        clusters=effective_clusters(clusters),
        reach=1.0,
        support=(0.0, 1.0),
    )
    return Estimate(value=max(value, 0.0), law=law, n=n, clusters=_stats.cluster_count(clusters))


def _weights(those: tuple[Bin, ...]) -> Floats:
    sizes = np.array([len(b.rows) for b in those], dtype=np.float64)
    out: Floats = sizes / sizes.sum()
    return out


def _spreads(those: tuple[Bin, ...]) -> Floats:
    out: Floats = np.sqrt(np.array([b.variance for b in those]))
    return out


def _mean_absolute(mean: Floats, spread: Floats) -> Floats:
    """Return the mean of |x| for x normal: the folded normal distribution's."""
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(spread > 0, mean / spread, np.inf)
    out: Floats = np.where(
        spread > 0,
        spread * math.sqrt(2 / math.pi) * np.exp(-(z**2) / 2) + mean * (1 - 2 * ndtr(-z)),
        np.abs(mean),
    )
    return out


# ---- the Brier score -----------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Decomposition:
    """The Brier score as reliability - resolution + uncertainty + within."""

    reliability: float
    """Mean squared distance of scores from outcomes, bin by bin: 0 is best."""
    resolution: float
    """Mean squared distance of the bins' outcomes from all outcomes: what telling cases apart earns."""
    uncertainty: float
    """Variance of the outcomes: the score of always giving their mean."""
    within: float
    """What scores that differ within a bin add (Stephenson, Coelho & Jolliffe 2008)."""

    @property
    def brier(self) -> float:
        """The mean squared distance of scores from outcomes."""
        return self.reliability - self.resolution + self.uncertainty + self.within


def decomposition(those: tuple[Bin, ...], scores: Floats, truth: Bools, *, corrected: bool) -> Decomposition:
    """Return the parts of the Brier score; corrected for the bias of binning they still add up to it.

    The correction is that of Ferro & Fricker (2012) and takes rows as independent.
    """
    w, n, y = _weights(those), len(scores), truth.astype(np.float64)
    rates = np.array([b.observed for b in those])
    reliability = float(w @ np.array([b.gap**2 for b in those]))
    resolution, uncertainty = float(w @ (rates - y.mean()) ** 2), float(y.mean() * (1 - y.mean()))
    brier = float(np.square(scores - y).mean())
    within = brier - (reliability - resolution + uncertainty)
    if corrected:
        sizes = np.array([len(b.rows) for b in those], dtype=np.float64)
        shared = float(w @ (rates * (1 - rates) / np.maximum(sizes - 1, 1)))
        whole = uncertainty / max(n - 1, 1)
        reliability, resolution, uncertainty = reliability - shared, resolution - shared + whole, uncertainty + whole
    return Decomposition(reliability=reliability, resolution=resolution, uncertainty=uncertainty, within=within)
