"""Sampling laws: intervals and one-sided p-values of a measurement, from what the record keeps of it.

A measurement carries its law (``audit.types.Law``), so a verdict can be computed again from a record
alone, with no model and no data. Every function is a pure function of the law.

``p_greater(law, bound)`` is the p-value of the hypothesis "the true value is at most ``bound``": small
means that the true value was shown to be greater. ``p_less`` is its mirror. Both are the duals of
``interval``: the 95 % interval lies above ``bound`` exactly when ``p_greater(law, bound) <= .025``.

Two proportions are compared by the score statistic of Miettinen & Nurminen (1985). Plain, it is not
good enough to accuse with: enumerated over all tables, its one-sided test at .025 errs up to 2.7 times too
often, and at the 1.4e-4 that Holm's correction asks of 182 ordered pairs of 14 groups, up to 150 times
too often (20 rows against 300). It is therefore used with the correction for skewness of Gart & Nam
(1988, 1990; stratified: Laud 2017) and half a unit of continuity (Yates 1934; Mantel & Haenszel 1959; Laud
2017, appendix S2). So corrected, no enumerated table layout exceeds its level at either;
``benchmarks/simulations.py`` repeats the enumeration.

References
----------
Clopper & Pearson (1934), Biometrika 26:404. Gart & Nam (1988), Biometrics 44:323. Gart & Nam (1990),
Biometrics 46:637. Korn & Graubard (1998), Survey Methodology 24:193. Laud (2017), Pharmaceutical
Statistics 16:334. Miettinen & Nurminen (1985), Statistics in Medicine 4:213.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import numpy as np
from scipy.optimize import brentq
from scipy.special import betainc, betaincinv, ndtr, ndtri, stdtr, stdtrit

from audit.shapes import Floats
from audit.types import ALPHA, CONFIDENCE, Binomial, Law, NoVariation, StudentT, TwoProportions

RATIO_LIMIT = 1e6
"""Where the interval of a ratio ends when the data do not bound it: a record holds no infinities."""

POWER = 0.8
"""The chance of a decision that ``rows_needed`` plans for, if the value stays where it is."""

MOST_ROWS = 1e6
"""Times the present rows: beyond, no number of rows is named."""

Contrast = Literal["difference", "ratio"]

# ---- every law -----------------------------------------------------------------------------------


def interval(law: Law, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the two-sided interval of ``law`` at ``confidence``, with equal tails."""
    alpha = (1 - confidence) / 2
    match law:
        case StudentT():
            half = float(stdtrit(law.df, 1 - alpha)) * law.se
            low, high = law.estimate - half, law.estimate + half
        case Binomial():
            low, high = _clopper_pearson(law.successes, law.trials, alpha)
        case TwoProportions():
            low, high = _score_interval(law, alpha)
        case NoVariation():
            half = (1 - alpha ** (1 / law.clusters)) * law.reach
            low, high = law.estimate - half, law.estimate + half
    bottom, top = support(law)
    return max(low, bottom), min(high, top)


def support(law: Law) -> tuple[float, float]:
    """Return the range of what ``law`` estimates; a bound at its edge cannot be crossed."""
    match law:
        case StudentT() | NoVariation():
            return law.support or (-math.inf, math.inf)
        case Binomial():
            return 0.0, 1.0
        case TwoProportions():
            return (-1.0, 1.0) if law.contrast == "difference" else (0.0, math.inf)


def p_greater(law: Law, bound: float) -> float:
    """Return the p-value of "the true value is at most ``bound``"."""
    bottom, top = support(law)
    if bound < bottom:
        return 0.0
    if bound >= top:
        return 1.0
    match law:
        case StudentT():
            return float(stdtr(law.df, (bound - law.estimate) / law.se))
        case Binomial():
            return _binomial_p(law.successes, law.trials, bound)
        case TwoProportions():
            return float(ndtr(-score(law, bound, tail=1)))
        case NoVariation():
            return _no_variation_p(law, law.estimate - bound)


def p_less(law: Law, bound: float) -> float:
    """Return the p-value of "the true value is at least ``bound``"."""
    bottom, top = support(law)
    if bound > top:
        return 0.0
    if bound <= bottom:
        return 1.0
    match law:
        case StudentT():
            return float(stdtr(law.df, (law.estimate - bound) / law.se))
        case Binomial():
            return _binomial_p(law.trials - law.successes, law.trials, 1 - bound)
        case TwoProportions():
            return float(ndtr(-score(law, bound, tail=-1)))
        case NoVariation():
            return _no_variation_p(law, bound - law.estimate)


# ---- how many rows a new run would need ----------------------------------------------------------


def scaled(law: Law, factor: float) -> Law:
    """Return the law of the same estimate from ``factor`` times as many rows and clusters."""
    match law:
        case StudentT():
            return replace(law, se=law.se / math.sqrt(factor), df=(law.df + 1) * factor - 1)
        case Binomial():
            return Binomial(successes=law.successes * factor, trials=law.trials * factor)
        case TwoProportions():
            strata = tuple((k1 * factor, n1 * factor, k0 * factor, n0 * factor) for k1, n1, k0, n0 in law.strata)
            return replace(law, strata=strata)
        case NoVariation():
            return replace(law, clusters=math.ceil(law.clusters * factor))


def rows_needed(law: Law, n: int, p: Callable[[Law], float], level: float = ALPHA) -> int | None:
    """Return how many rows a new run needs so that ``p`` falls to ``level``; None where none would do.

    ``n`` rows gave this ``law``; clusters are taken to grow with the rows and the value to stay where it
    is. A value that scatters would then fall on the wrong side of a bare ``level`` every other time,
    so the level that leaves a chance of ``POWER`` is aimed at. A value without scatter needs no such room.
    """
    scatters = not isinstance(law, NoVariation) and not (
        isinstance(law, Binomial) and law.successes in {0, law.trials}
    )
    target = float(ndtr(ndtri(level) - ndtri(POWER))) if scatters else level
    few, many = 1.0, 1.0
    while p(scaled(law, many)) > target:
        few, many = many, many * 2
        if many > MOST_ROWS:
            return None
    while many / few > 1.001:
        middle = math.sqrt(few * many)
        few, many = (few, middle) if p(scaled(law, middle)) <= target else (middle, many)
    return math.ceil(n * many - 1e-9)


# ---- one proportion ------------------------------------------------------------------------------


def _clopper_pearson(k: float, n: float, alpha: float) -> tuple[float, float]:
    """Exact interval of a proportion (Clopper & Pearson 1934); counts may be effective ones."""
    low = 0.0 if k <= 0 else float(betaincinv(k, n - k + 1, alpha))
    high = 1.0 if k >= n else float(betaincinv(k + 1, n - k, 1 - alpha))
    return low, high


def _binomial_p(k: float, n: float, bound: float) -> float:
    """P(X >= k) for X ~ Binomial(n, bound), the tail that ``_clopper_pearson`` inverts."""
    return 1.0 if k <= 0 else float(betainc(k, n - k + 1, bound))


def _no_variation_p(law: NoVariation, distance: float) -> float:
    """P(no cluster differs), when a share ``distance / reach`` of them would have to."""
    return max(0.0, 1 - max(distance, 0.0) / law.reach) ** law.clusters


# ---- two proportions over strata -----------------------------------------------------------------


def point(law: TwoProportions) -> float:
    """Return the Mantel-Haenszel weighted difference, or ratio, of two proportions."""
    k1, n1, k0, n0 = np.asarray(law.strata, dtype=float).T
    weight = n1 * n0 / (n1 + n0)
    first, second = float(weight @ (k1 / n1)), float(weight @ (k0 / n0))
    if law.contrast == "difference":
        return (first - second) / float(weight.sum())
    return first / second if second > 0 else math.inf


def score(law: TwoProportions, value: float, *, tail: Literal[1, -1]) -> float:
    """Return the corrected score at ``value``, large where the data lie above it (tail 1) or below (-1)."""
    counts = np.asarray(law.strata, dtype=float)
    return float(corrected_score(counts, law.contrast, value, tail=tail))


def plain_score(law: TwoProportions, value: float) -> float:
    """Return Miettinen & Nurminen's statistic as they published it: positive where the data lie above."""
    counts = np.asarray(law.strata, dtype=float)
    gap, spread, _, _ = _moments(counts, law.contrast, np.asarray(value))
    return _standardised(gap, spread).item()


def corrected_score(
    counts: Floats,
    contrast: Contrast,
    value: Floats | float,
    *,
    tail: Literal[1, -1],
    continuity: float = 0.5,
) -> Floats:
    """Return the score with its corrections for skewness and continuity.

    ``counts`` has the axes (..., strata, 4), ``value`` the axes (...): many tables are tested at once.
    ``continuity`` is the share of a unit by which the gap is brought nearer to ``value``.

    The skewness correction solves z + skewness (z² - 1) / 6 = statistic for z. Where the quadratic has no
    root (the statistic lies beyond what so skewed a law reaches) z stays at its turning point, the smallest
    claim that can be made there.
    """
    gap, spread, third, unit = _moments(counts, contrast, np.asarray(value, dtype=float))
    z = _standardised(tail * gap - continuity * unit, spread)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        bend = np.where(spread > _FLAT, tail * third / spread**3 / 6, 0.0)
        root = np.sqrt(np.maximum(1 + 4 * bend * (z + bend), 0.0))
        straight = (np.abs(bend) < 1e-7) | np.isinf(z)
        corrected: Floats = np.where(straight, z, (root - 1) / (2 * bend))
    return corrected


_FLAT = 1e-7
"""A spread below this is that of a law with no scatter (all proportions are 0 or 1)."""


def _standardised(gap: Floats, spread: Floats) -> Floats:
    """Return gap / spread; without spread, 0 or an infinity: the value is exactly right or impossible."""
    certain = np.where(gap > 1e-9, np.inf, np.where(gap < -1e-9, -np.inf, 0.0))
    return np.where(spread > _FLAT, gap / np.where(spread > _FLAT, spread, 1.0), certain)


def _moments(counts: Floats, contrast: Contrast, value: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return the weighted gap to ``value``, its standard deviation, third moment, and the unit of counting.

    Miettinen & Nurminen (1985), equations 8 to 10 with their n / (n - 1), Mantel-Haenszel weights. One case
    more in one arm moves the gap by one ``unit``, averaged over arms and strata.
    """
    k1, n1, k0, n0 = np.moveaxis(counts, -1, 0)
    at = value[..., None]
    if contrast == "difference":
        scale, offset = np.ones_like(at), at
        p1, p0 = _restricted_difference(k1, n1, k0, n0, at)
    else:
        scale, offset = at, np.zeros_like(at)
        p1, p0 = _restricted_ratio(k1, n1, k0, n0, at)
    n = n1 + n0
    weight = n1 * n0 / n
    total = weight.sum(axis=-1)
    weight = weight / total[..., None]
    v1, v0 = p1 * (1 - p1), p0 * (1 - p0)
    variance = (v1 / n1 + scale**2 * v0 / n0) * n / np.maximum(n - 1, n / 2)
    third = v1 * (1 - 2 * p1) / n1**2 - scale**3 * v0 * (1 - 2 * p0) / n0**2
    gap = (weight * (k1 / n1 - scale * (k0 / n0) - offset)).sum(axis=-1)
    unit = (weight * (n0 + scale * n1) / n).sum(axis=-1) / total
    return gap, np.sqrt((weight**2 * variance).sum(axis=-1)), (weight**3 * third).sum(axis=-1), unit


def _restricted_difference(k1: Floats, n1: Floats, k0: Floats, n0: Floats, delta: Floats) -> tuple[Floats, Floats]:
    """Maximum-likelihood p1, p0 under p1 - p0 = delta: the closed-form root of the cubic."""
    n, k = n1 + n0, k1 + k0
    l2 = (n1 + 2 * n0) * delta - n - k
    l1 = (n0 * delta - n - 2 * k0) * delta + k
    l0 = k0 * delta * (1 - delta)
    q = (l2 / (3 * n)) ** 3 - l1 * l2 / (6 * n**2) + l0 / (2 * n)
    radius = np.sqrt(np.maximum((l2 / (3 * n)) ** 2 - l1 / (3 * n), 0.0))
    radius = np.where(q >= 0, radius, -radius)
    flat = np.abs(radius) < 1e-12
    cosine = np.where(flat, 0.0, q / np.where(flat, 1.0, radius) ** 3)
    angle = (math.pi + np.arccos(np.clip(cosine, -1.0, 1.0))) / 3
    p0 = np.clip(2 * radius * np.cos(angle) - l2 / (3 * n), np.maximum(0.0, -delta), np.minimum(1.0, 1 - delta))
    return np.clip(p0 + delta, 0.0, 1.0), p0


def _restricted_ratio(k1: Floats, n1: Floats, k0: Floats, n0: Floats, ratio: Floats) -> tuple[Floats, Floats]:
    """Maximum-likelihood p1, p0 under p1 = ratio * p0: the smaller root of the quadratic.

    It is written with the root's conjugate, which keeps its digits where the ratio is small.
    """
    a = (n1 + n0) * ratio
    b = n1 * ratio + k1 + n0 + k0 * ratio
    c = k1 + k0
    p0 = 2 * c / (b + np.sqrt(np.maximum(b**2 - 4 * a * c, 0.0)))
    p0 = np.clip(p0, 0.0, 1 / np.maximum(ratio, 1.0))
    return np.clip(ratio * p0, 0.0, 1.0), p0


def _score_interval(law: TwoProportions, alpha: float) -> tuple[float, float]:
    """Invert the corrected score; ratios are searched on the log scale."""
    z, estimate = float(-ndtri(alpha)), point(law)

    def above(value: float) -> float:
        return score(law, value, tail=1) - z

    def below(value: float) -> float:
        return score(law, value, tail=-1) - z

    if law.contrast == "difference":
        low = estimate if above(-1.0) <= 0 else float(brentq(above, -1.0, estimate, xtol=1e-10))
        high = estimate if below(1.0) <= 0 else float(brentq(below, estimate, 1.0, xtol=1e-10))
        return (-1.0 if above(-1.0) <= 0 else low), (1.0 if below(1.0) <= 0 else high)
    top = math.log(RATIO_LIMIT)
    middle = math.log(min(max(estimate, 1 / RATIO_LIMIT), RATIO_LIMIT))
    open_below, open_above = above(1 / RATIO_LIMIT) <= 0, below(RATIO_LIMIT) <= 0
    low = 0.0 if open_below else math.exp(brentq(lambda u: above(math.exp(u)), -top, middle, xtol=1e-10))
    high = RATIO_LIMIT if open_above else math.exp(brentq(lambda u: below(math.exp(u)), middle, top, xtol=1e-10))
    return low, high
