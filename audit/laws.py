"""Sampling laws: intervals and one-sided p-values of a measurement, from what the record keeps of it.

A measurement carries its law (``audit.types.Law``), so that a verdict can be re-computed from a record
alone, with no model and no data. Every function is a pure function of the law.

``p_greater(law, bound)`` is the p-value of the hypothesis "the true value is at most ``bound``": small
means that the true value was shown to be greater. ``p_less`` is its mirror. Both are the duals of
``interval``: the 95 % interval lies above ``bound`` exactly when ``p_greater(law, bound) <= .025``.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq
from scipy.special import betainc, betaincinv, ndtr, ndtri, stdtr, stdtrit

from audit.types import Binomial, Law, NoVariation, StudentT, TwoProportions

# ---- intervals -----------------------------------------------------------------------------------


def interval(law: Law, confidence: float = 0.95) -> tuple[float, float]:
    """Return the two-sided interval of ``law`` at ``confidence`` (equal tails)."""
    alpha = (1 - confidence) / 2
    match law:
        case StudentT():
            half = float(stdtrit(law.df, 1 - alpha)) * law.se
            return law.estimate - half, law.estimate + half
        case Binomial():
            return _clopper_pearson(law.successes, law.trials, alpha)
        case TwoProportions():
            return _score_interval(law, alpha)
        case NoVariation():
            half = (1 - alpha ** (1 / law.clusters)) * law.reach
            return law.estimate - half, law.estimate + half


def p_greater(law: Law, bound: float) -> float:
    """Return the p-value of "the true value is at most ``bound``"."""
    match law:
        case StudentT():
            return float(stdtr(law.df, (bound - law.estimate) / law.se))
        case Binomial():
            return _binomial_p(law.successes, law.trials, bound)
        case TwoProportions():
            return float(ndtr(-score_statistic(law, bound)))
        case NoVariation():
            return _no_variation_p(law, law.estimate - bound)


def p_less(law: Law, bound: float) -> float:
    """Return the p-value of "the true value is at least ``bound``"."""
    match law:
        case StudentT():
            return float(stdtr(law.df, (law.estimate - bound) / law.se))
        case Binomial():
            return _binomial_p(law.trials - law.successes, law.trials, 1 - bound)
        case TwoProportions():
            return float(ndtr(score_statistic(law, bound)))
        case NoVariation():
            return _no_variation_p(law, bound - law.estimate)


# ---- one proportion ------------------------------------------------------------------------------


def _clopper_pearson(k: float, n: float, alpha: float) -> tuple[float, float]:
    """Exact interval of a proportion (Clopper & Pearson 1934); counts may be effective ones."""
    low = 0.0 if k <= 0 else float(betaincinv(k, n - k + 1, alpha))
    high = 1.0 if k >= n else float(betaincinv(k + 1, n - k, 1 - alpha))
    return low, high


def _binomial_p(k: float, n: float, bound: float) -> float:
    """P(X >= k) for X ~ Binomial(n, bound), the tail that ``_clopper_pearson`` inverts."""
    if k <= 0 or bound >= 1:
        return 1.0
    if bound <= 0:
        return 0.0
    return float(betainc(k, n - k + 1, bound))


def _no_variation_p(law: NoVariation, distance: float) -> float:
    """P(no cluster differs), when a share ``distance / reach`` of them would have to."""
    if distance <= 0:
        return 1.0
    return max(0.0, 1 - distance / law.reach) ** law.clusters


# ---- two proportions over strata -----------------------------------------------------------------


def point(law: TwoProportions) -> float:
    """Return the Mantel-Haenszel weighted difference, or ratio, of two proportions."""
    k1, n1, k0, n0 = np.asarray(law.strata, dtype=float).T
    weight = n1 * n0 / (n1 + n0)
    first, second = float(weight @ (k1 / n1)), float(weight @ (k0 / n0))
    if law.contrast == "difference":
        return (first - second) / float(weight.sum())
    return first / second if second > 0 else math.inf


def score_statistic(law: TwoProportions, value: float) -> float:
    """Return the score statistic at ``value``: positive when the estimate lies above it.

    Miettinen & Nurminen (1985), equations 8 and 9 for one stratum and section 7 for several, with
    their n/(n-1) variance correction; weights are Mantel-Haenszel's.
    """
    k1, n1, k0, n0 = np.asarray(law.strata, dtype=float).T
    weight = n1 * n0 / (n1 + n0)
    weight = weight / weight.sum()
    scale = 1.0 if law.contrast == "difference" else value
    offset = value if law.contrast == "difference" else 0.0
    restricted = _restricted_difference if law.contrast == "difference" else _restricted_ratio
    p1, p0 = restricted(k1, n1, k0, n0, value)
    n = n1 + n0
    variance = (p1 * (1 - p1) / n1 + scale**2 * p0 * (1 - p0) / n0) * n / np.maximum(n - 1, 1)
    gap = float(weight @ (k1 / n1 - scale * (k0 / n0) - offset))
    spread = math.sqrt(max(float(weight**2 @ variance), 0.0))
    if spread < 1e-12:
        return 0.0 if abs(gap) < 1e-12 else math.copysign(math.inf, gap)
    return gap / spread


def _restricted_difference(
    k1: np.ndarray, n1: np.ndarray, k0: np.ndarray, n0: np.ndarray, delta: float
) -> tuple[np.ndarray, np.ndarray]:
    """Maximum-likelihood p1, p0 under p1 - p0 = delta: the closed-form root of the cubic."""
    n, c = n1 + n0, k1 + k0
    l3 = n
    l2 = (n1 + 2 * n0) * delta - n - c
    l1 = (n0 * delta - n - 2 * k0) * delta + c
    l0 = k0 * delta * (1 - delta)
    q = l2**3 / (3 * l3) ** 3 - l1 * l2 / (6 * l3**2) + l0 / (2 * l3)
    p = np.where(q >= 0, 1.0, -1.0) * np.sqrt(np.maximum(l2**2 / (3 * l3) ** 2 - l1 / (3 * l3), 0.0))
    ratio = np.divide(q, p**3, out=np.zeros_like(q), where=np.abs(p) > 1e-12)
    angle = (math.pi + np.arccos(np.clip(ratio, -1.0, 1.0))) / 3
    p0 = np.clip(2 * p * np.cos(angle) - l2 / (3 * l3), max(0.0, -delta), min(1.0, 1 - delta))
    return np.clip(p0 + delta, 0.0, 1.0), p0


def _restricted_ratio(
    k1: np.ndarray, n1: np.ndarray, k0: np.ndarray, n0: np.ndarray, ratio: float
) -> tuple[np.ndarray, np.ndarray]:
    """Maximum-likelihood p1, p0 under p1 = ratio * p0: the smaller root of the quadratic."""
    if ratio <= 0:
        return np.zeros_like(k1), k0 / n0
    a = (n1 + n0) * ratio
    b = -(n1 * ratio + k1 + n0 + k0 * ratio)
    c = k1 + k0
    p0 = (-b - np.sqrt(np.maximum(b**2 - 4 * a * c, 0.0))) / (2 * a)
    p0 = np.clip(p0, 0.0, min(1.0, 1 / ratio))
    return np.clip(ratio * p0, 0.0, 1.0), p0


def _score_interval(law: TwoProportions, alpha: float) -> tuple[float, float]:
    z = float(-ndtri(alpha))
    estimate = point(law)
    if law.contrast == "difference":
        return (
            _root(lambda d: score_statistic(law, d) - z, -1.0, estimate, at_edge=-1.0),
            _root(lambda d: score_statistic(law, d) + z, estimate, 1.0, at_edge=1.0),
        )
    # Ratios are searched on the log scale; beyond a factor of a million the data say nothing.
    top = 1e6
    middle = min(max(estimate, 1 / top), top)
    low = math.exp(
        _root(
            lambda u: score_statistic(law, math.exp(u)) - z,
            -math.log(top),
            math.log(middle),
            at_edge=-math.inf,
        )
    )
    high = math.exp(
        _root(
            lambda u: score_statistic(law, math.exp(u)) + z,
            math.log(middle),
            math.log(top),
            at_edge=math.log(top),
        )
    )
    return low, high


def _root(f: Callable[[float], float], left: float, right: float, *, at_edge: float) -> float:
    """Return the zero of a decreasing ``f`` in an interval, or ``at_edge`` where it has none."""
    if not f(left) > 0 > f(right):
        return at_edge
    return float(brentq(f, left, right, xtol=1e-10))
