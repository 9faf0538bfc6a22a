"""Means and proportions of clustered rows, and how two arms compare: differences, ratios and odds over strata.

A proportion or a comparison of proportions keeps an exact or score interval and is deflated to the number of
independent rows its clusters are worth; means take Student's t on a cluster jackknife.

References
----------
Korn & Graubard (1998), Survey Methodology 24:193. Mantel & Haenszel (1959), Journal of the National Cancer
Institute 22:719. Miettinen & Nurminen (1985), Statistics in Medicine 4:213. Rao & Scott (1992), Biometrics
48:577 (counts divided by a design effect).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np

from audit import two_proportions
from audit.checks._stats.arms import Arms
from audit.checks._stats.clustering import (
    Labels,
    Way,
    chosen,
    cluster_count,
    combined,
    effective_clusters,
    jackknife,
    unclustered,
    variance,
    ways,
)
from audit.checks._stats.estimates import Estimate, effective_size, t_law
from audit.shapes import Bools, Floats
from audit.types import Binomial, TwoProportions


def clustered_mean(
    values: Floats, clusters: Labels, *, reach: float, support: tuple[float, float] | None = None
) -> Estimate:
    """Return a mean, of values or of differences between paired values.

    ``reach`` is how far a single cluster's mean could lie from the estimate at most; it only matters where
    every cluster came out the same. ``support`` is the range of what is estimated, where it has one: no
    interval leaves it.
    """
    values = np.asarray(values, dtype=np.float64)
    value, worth = float(values.mean()), effective_clusters(clusters)
    without = _mean_without(values)
    law = t_law(value, variance(clusters, value, without), clusters=worth, reach=reach, support=support)
    return Estimate(
        value=value,
        law=law,
        n=len(values),
        clusters=cluster_count(clusters),
        jackknife=jackknife(clusters, value, without),
    )


def clustered_proportion(events: Bools, clusters: Labels) -> Estimate:
    """Return a proportion with the exact interval of its effective counts.

    The design effect can only be estimated by clusters in which something happened, so their number gives
    its degrees of freedom. When nothing happened (or everything did) nothing is known of how events cluster,
    and a cluster counts as one case.
    """
    events = np.asarray(events, dtype=np.bool_)
    n, value, size = len(events), float(events.mean()), float(len(events))
    without = _mean_without(events.astype(np.float64))
    if not unclustered(clusters):
        found = variance(clusters, value, without)
        expected = value * (1 - value) / n
        effect = None if found is None or expected == 0 else found / expected
        size = _size(events, clusters, effect, df=effective_clusters(clusters) - 1)
    law = Binomial(successes=value * size, trials=size)
    return Estimate(
        value=value,
        law=law,
        n=n,
        clusters=cluster_count(clusters),
        jackknife=jackknife(clusters, value, without),
    )


def _mean_without(values: Floats) -> Callable[[Way], Floats]:
    """Return the function that takes the mean without each cluster."""

    def without(way: Way) -> Floats:
        left = len(values) - way.sizes
        with np.errstate(divide="ignore", invalid="ignore"):
            out: Floats = np.where(left > 0, (values.sum() - way.sums(values)) / left, np.nan)
        return out

    return without


def _size(events: Bools, clusters: Labels, design_effect: float | None, *, df: float) -> float:
    """Return how many independent rows the clustered ``events`` are worth; no design effect, clusters count."""
    worth = effective_clusters(clusters)
    if design_effect is None:
        return worth
    telling = min(int(np.count_nonzero(way.sums(side))) for way in ways(clusters) for side in (events, ~events))
    return effective_size(len(events), design_effect, df=min(df, telling), clusters=worth)


# ---- two groups, compared where they are alike ---------------------------------------------------


def overlap(member: Bools, strata: Sequence[str]) -> float:
    """Return the share of rows in strata where both groups occur: only they can be compared."""
    return float(np.mean(Arms(member, strata).kept))


def stratified_difference(selected: Bools, member: Bools, strata: Sequence[str], clusters: Labels) -> Estimate | None:
    """Return the selection rate of members minus that of the others, within strata; None without overlap.

    Strata where both occur are averaged with Mantel-Haenszel weights. The counts are divided by the design
    effect of that weighted difference (at least 1), so rows that share a cluster count for less.
    """
    return _two_proportions(selected, member, strata, clusters, "difference")


def proportion_ratio(
    selected: Bools, member: Bools, clusters: Labels, strata: Sequence[str] | None = None
) -> Estimate | None:
    """Return the selection rate of members over that of the others (the impact ratio), within strata if given.

    None where one of the groups is missing, or where nobody of the others was selected: nothing can be
    divided by that, and the difference of the rates is what remains to be reported.
    """
    return _two_proportions(selected, member, [""] * len(member) if strata is None else strata, clusters, "ratio")


def stratified_mean_difference(
    values: Floats, member: Bools, strata: Sequence[str], clusters: Labels, *, reach: float = 1.0
) -> Estimate | None:
    """Return the mean of members minus that of the others, within strata; None without overlap.

    The weights are those of ``stratified_difference``, so scores and decisions are compared on one population.
    """
    arms = Arms(member, strata)
    if not arms.kept.any():
        return None
    kept, y = chosen(clusters, arms.kept), np.asarray(values, dtype=np.float64)[arms.kept]
    value, worth = arms.difference(y), arms.effective_clusters(kept)

    def without(way: Way) -> Floats:
        return arms.without(y, way, "difference")

    found = variance(kept, value, without) if worth > 1 else None
    law = t_law(value, found, clusters=worth, reach=reach)
    left_out = jackknife(kept, value, without, worth=worth) if worth > 1 else None
    return Estimate(value=value, law=law, n=len(y), clusters=arms.clusters(kept), jackknife=left_out)


def _two_proportions(
    selected: Bools,
    member: Bools,
    strata: Sequence[str],
    clusters: Labels,
    contrast: Literal["difference", "ratio"],
) -> Estimate | None:
    arms = Arms(member, strata)
    if not arms.kept.any():
        return None
    events, kept = np.asarray(selected, dtype=np.bool_)[arms.kept], chosen(clusters, arms.kept)
    counts = arms.counts(events)
    value = two_proportions.point(TwoProportions(strata=_rows(counts), contrast=contrast))
    if math.isinf(value):
        return None
    worth = arms.effective_clusters(kept)
    if not unclustered(kept):
        influence = arms.influence(events, 1.0 if contrast == "difference" else value)
        counts = counts * _worth(events, influence, worth, kept)
    law = TwoProportions(strata=_rows(counts), contrast=contrast)
    happened = events.astype(np.float64)
    left_out = None
    if worth > 1:
        left_out = jackknife(kept, value, lambda way: arms.without(happened, way, contrast), worth=worth)
    return Estimate(value=value, law=law, n=len(events), clusters=arms.clusters(kept), jackknife=left_out)


def _rows(counts: Floats) -> tuple[tuple[float, float, float, float], ...]:
    return tuple((float(a), float(b), float(c), float(d)) for a, b, c, d in counts)


def _worth(events: Bools, influence: Floats, fewest: float, clusters: Labels) -> float:
    """Return how many independent rows a row is worth in a comparison of two groups.

    Both groups are divided by one design effect, that of their difference: it allows for clusters that
    the groups share, and leaves the weights of the strata as they are. ``fewest`` is the effective number of
    clusters of the group that has fewer; with a single one, that group is worth a single row.
    """
    if fewest <= 1:
        return 1 / len(events)
    independent, effect = float(np.square(influence).sum()), None
    if independent > 0:
        found = combined(clusters, lambda way: float(np.square(way.sums(influence)).sum()))
        effect = found / independent * fewest / (fewest - 1)
    return _size(events, clusters, effect, df=fewest - 1) / len(events)


# ---- a description of the strata ------------------------------------------------------------------


class CommonOdds(NamedTuple):
    """Mantel and Haenszel's odds ratio over strata, and their test of no association; rows independent.

    None stands where the tables do not determine a number.
    """

    odds_ratio: float | None
    low: float | None
    high: float | None
    p: float | None


def mantel_haenszel(selected: Bools, member: Bools, strata: Sequence[str]) -> CommonOdds:
    """Return the common odds ratio of selection, members against the others, for a descriptive table."""
    from statsmodels.stats.contingency_tables import StratifiedTable

    arms = Arms(member, strata)
    if not arms.kept.any():
        return CommonOdds(None, None, None, None)
    tables = [
        np.array([[k1, n1 - k1], [k0, n0 - k0]])
        for k1, n1, k0, n0 in arms.counts(np.asarray(selected, dtype=np.bool_)[arms.kept])
    ]
    with np.errstate(divide="ignore", invalid="ignore"):
        table = StratifiedTable(tables)
        found = (table.oddsratio_pooled, *table.oddsratio_pooled_confint(), table.test_null_odds().pvalue)
    return CommonOdds(*(float(x) if np.isfinite(x) else None for x in found))
