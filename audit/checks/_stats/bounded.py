"""Means of values between 0 and 1, with the intervals of the coins they could be.

A probability that a model puts on an answer is read exactly, and over items that look alike it hardly scatters.
Student's t would then give an interval so narrow that it promises the items not seen to be like those seen, and it
would call a coin of .51 shown to be above one half. So a value between 0 and 1 is counted as that many
thousandths of an event: no such value scatters more than a coin of the same mean, and the exact interval of the coins
is kept. It costs power where values are alike, and it makes zero events cost what they should.

Clusters deflate the counts as they do those of proportions (Korn & Graubard 1998; ``means``). Where nothing
happened in any item, or everything did, nothing is known of how events cluster, and a cluster counts as one item.

References
----------
Korn & Graubard (1998), Survey Methodology 24:193. McNemar (1947), Psychometrika 12:153.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from audit.checks._stats.clustering import (
    Labels,
    Way,
    cluster_count,
    effective_clusters,
    jackknife,
    unclustered,
    variance,
    ways,
)
from audit.checks._stats.estimates import Estimate, effective_size
from audit.shapes import Bools, Floats
from audit.types import Binomial, NoVariation, TwoProportions

ALIKE = 0.05
"""Differences of pairs that all lie in a band of this width count as one value."""

_NOTHING = 1e-9
"""A variance below this is rounding."""


def share(values: Floats, clusters: Labels, weights: Floats | None = None) -> Estimate:
    """Return the mean of ``values`` in [0, 1] with the exact interval of as many coins as they are worth.

    With ``weights`` (rows,) it is the weighted mean, worth Kish's effective number of rows.
    """
    values = np.asarray(values, dtype=np.float64)
    w = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    value, kish = float(w @ values / w.sum()), float(w.sum() ** 2 / np.square(w).sum())
    size = _size(
        [values > 0.5],
        clusters,
        rows=kish,
        found=variance(clusters, value, _without(values, w)),
        expected=value * (1 - value) / kish,
    )
    left_out = jackknife(clusters, value, _without(values, w))
    value = min(max(value, 0.0), 1.0)
    return Estimate(
        value=value,
        law=Binomial(successes=value * size, trials=size),
        n=len(values),
        clusters=cluster_count(clusters),
        jackknife=left_out,
    )


def balanced_share(values: Floats, side: Bools, clusters: Labels) -> Estimate | None:
    """Return the mean of ``values`` in which rows of both sides weigh one half; None where a side has no row."""
    counts = np.array([np.count_nonzero(~side), np.count_nonzero(side)])
    if not counts.all():
        return None
    return share(values, clusters, weights=1 / (2 * counts[side.astype(np.int64)]))


def paired_difference(values: Floats, others: Floats, clusters: Labels) -> Estimate:
    """Return the mean of ``values`` minus that of ``others``, both in [0, 1] and measured on the same rows.

    What counts are the rows that differ, upwards and downwards (McNemar 1947): the interval is that of two
    proportions, the mean rise and the mean fall, deflated where clusters (or rises and falls that exclude each
    other) make the difference scatter more. What a row says both times cancels. Rows that all differ alike leave
    what their clusters exclude, as zero events do.
    """
    gap = np.asarray(values, dtype=np.float64) - np.asarray(others, dtype=np.float64)
    n, value, count = len(gap), float(gap.mean()), cluster_count(clusters)
    without = _without(gap, np.ones(n))
    left_out = jackknife(clusters, value, without)
    if float(np.ptp(gap)) <= ALIKE:
        worth = max(1, int(effective_clusters(clusters)))
        alike = NoVariation(estimate=value, clusters=worth, reach=1.0, support=(-1.0, 1.0))
        return Estimate(value=value, law=alike, n=n, clusters=count, jackknife=left_out)
    rise, fall = float(np.maximum(gap, 0).mean()), float(np.maximum(-gap, 0).mean())
    size = _size(
        [gap > 0.5, gap < -0.5],
        clusters,
        rows=float(n),
        found=variance(clusters, value, without),
        expected=(rise * (1 - rise) + fall * (1 - fall)) / n,
        paired=True,
    )
    law = TwoProportions(strata=((rise * size, size, fall * size, size),), contrast="difference")
    return Estimate(value=value, law=law, n=n, clusters=count, jackknife=left_out)


def _size(
    events: list[Bools],
    clusters: Labels,
    *,
    rows: float,
    found: float | None,
    expected: float,
    paired: bool = False,
) -> float:
    """Return how many coins the rows are worth; of pairs, even rows that share nothing may be worth less."""
    if unclustered(clusters):
        return rows / max(1.0, (found or 0.0) / expected) if paired and expected > _NOTHING else rows
    worth = min(effective_clusters(clusters), rows)
    telling = [
        int(np.count_nonzero(way.sums(side)))
        for arm in events
        if arm.any() and not arm.all()
        for way in ways(clusters)
        for side in (arm, ~arm)
    ]
    if found is None or expected <= _NOTHING or not telling:
        return worth
    df = min(effective_clusters(clusters) - 1, *telling)
    return effective_size(rows, found / expected, df=df, clusters=worth)


def _without(values: Floats, weights: Floats) -> Callable[[Way], Floats]:
    """Return the function that takes the weighted mean without each cluster."""
    weighted = weights * values

    def without(way: Way) -> Floats:
        left = weights.sum() - way.sums(weights)
        with np.errstate(divide="ignore", invalid="ignore"):
            out: Floats = np.where(left > _NOTHING, (weighted.sum() - way.sums(weighted)) / left, np.nan)
        return out

    return without
