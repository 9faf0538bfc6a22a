"""An estimate on its way to becoming a measurement: a value with the law of its error."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from audit import laws
from audit.types import ALPHA, CONFIDENCE, Jackknife, Law, Measurement, Metric, NoVariation, StudentT


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A value, how it would scatter, and what it was computed from.

    ``clusters`` is the number of independent units that its uncertainty rests on: of two cluster columns
    the smaller number, of two groups that of the smaller group.
    """

    value: float
    law: Law
    n: int
    clusters: int
    jackknife: Jackknife | None = None
    """What each cluster contributes; None where the estimator does not say."""


def limits(estimate: Estimate, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the interval of an estimate."""
    return laws.interval(estimate.law, confidence)


def measure(
    metric: Metric,
    estimate: Estimate,
    *,
    group: str = "",
    reference: str = "",
    stratum: str = "",
    exact: bool = False,
) -> Measurement:
    """Return the estimate as a measurement of ``metric``, with its interval.

    ``exact`` is for rows that are every case of a finite grammar: they are no sample, so the value has no
    sampling error and no interval.
    """
    if exact:
        return exact_value(metric, estimate.value, estimate.n, group=group, reference=reference, stratum=stratum)
    low, high = limits(estimate)
    return Measurement(
        metric=metric.name,
        group=group,
        reference=reference,
        stratum=stratum,
        value=estimate.value,
        low=low,
        high=high,
        confidence=CONFIDENCE,
        n=estimate.n,
        clusters=estimate.clusters,
        unit=metric.unit,
        worse=metric.worse,
        null=metric.null,
        law=estimate.law,
        jackknife=estimate.jackknife,
    )


def exact_value(
    metric: Metric, value: float, n: int, *, group: str = "", reference: str = "", stratum: str = ""
) -> Measurement:
    """Return a count, a single case or a full enumeration: a number without an interval."""
    return Measurement(
        metric=metric.name,
        group=group,
        reference=reference,
        stratum=stratum,
        value=float(value),
        n=n,
        unit=metric.unit,
        worse=metric.worse,
        null=metric.null,
        exact=True,
    )


# ---- from a variance to a law --------------------------------------------------------------------

_RESOLUTION = float(np.finfo(np.float32).eps)
"""Models answer in single precision: a spread below this share of the reach is rounding, not scatter."""


def t_law(
    value: float,
    variance: float | None,
    *,
    clusters: float,
    reach: float,
    support: tuple[float, float] | None = None,
) -> StudentT | NoVariation:
    """Return the law of a mean-like estimate that rests on so many (effective) ``clusters``.

    Where every cluster came out the same, Student's t would have no width: the law is then what
    ``clusters`` equal clusters exclude, each of them at most ``reach`` away. A ``variance`` of None (a single
    cluster carries the estimate) leaves a single cluster.
    """
    if variance is None:
        return NoVariation(estimate=value, clusters=1, reach=reach, support=support)
    if math.sqrt(variance) <= _RESOLUTION * reach:
        return NoVariation(estimate=value, clusters=max(1, int(clusters)), reach=reach, support=support)
    return StudentT(estimate=value, se=math.sqrt(variance), df=max(clusters - 1, 1.0), support=support)


def effective_size(n: float, design_effect: float, *, df: float, clusters: float) -> float:
    """Return how many independent rows ``n`` clustered ones are worth for an exact interval.

    Korn & Graubard (1998): n over the design effect, shrunk by the squared ratio of the t quantiles at
    n - 1 and at ``df`` because the design effect is itself an estimate; never more than ``n``. The shrinking
    never takes it below the number of ``clusters``, which is what rows are worth that agree within clusters.
    """
    plain = n / max(design_effect, 1.0)
    shrunk = plain * float(stdtrit(max(n - 1, 1), 1 - ALPHA) / stdtrit(max(df, 1.0), 1 - ALPHA)) ** 2
    return max(shrunk, min(plain, clusters))
