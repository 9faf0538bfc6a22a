"""Average precision of clustered rows.

Average precision is the mean, over the positives, of the precision at each one's score: the sum that
scikit-learn's ``average_precision_score`` takes, without interpolation. Its error is linearised: the derivative of
the sum with respect to each row's weight, added up in clusters (the infinitesimal jackknife). As a mean over
the positives it keeps the interval of a proportion of so many rows, which covers where Student's t and the
bootstrap do not (Boyd, Eng & Page 2013), deflated where clusters or the negatives make it scatter more.

References
----------
Boyd, Eng & Page (2013), Area under the precision-recall curve: point estimates and confidence intervals, ECML
PKDD. Jaeckel (1972), The infinitesimal jackknife, Bell Laboratories memorandum. Korn & Graubard (1998), Survey
Methodology 24:193.
"""

from __future__ import annotations

import numpy as np

from audit.checks._stats.clustering import Labels, chosen, effective_clusters, linearised_variance, ways
from audit.checks._stats.estimates import Estimate, effective_size
from audit.shapes import Bools, Floats
from audit.types import Binomial


def average_precision(labels: Bools, scores: Floats) -> float:
    """Return the mean precision at the scores of the positives.

    Raises
    ------
    ValueError
        When there is no positive: there is nothing to be precise about.
    """
    return _value_and_influence(labels, scores)[0]


def clustered_average_precision(labels: Bools, scores: Floats, clusters: Labels) -> Estimate:
    """Return the average precision with an interval that allows for clusters.

    Raises
    ------
    ValueError
        When there is no positive.
    """
    value, influence = _value_and_influence(labels, scores)
    held = _clusters_of(labels, clusters)

    found, spread = linearised_variance(clusters, influence), value * (1 - value)
    if found is None:
        size = 1.0
    elif spread <= _FLAT or found <= _FLAT:
        size = float(held)  # perfect order: what the clusters that hold positives bound
    else:
        df = effective_clusters(chosen(clusters, labels)) - 1
        positives = int(labels.sum())
        size = effective_size(positives, found * positives / spread, df=df, clusters=1)
    return Estimate(
        value=value,
        law=Binomial(successes=value * size, trials=size),
        n=len(labels),
        clusters=held,
    )


_FLAT = 1e-12
"""A spread below this is rounding."""


def _clusters_of(labels: Bools, clusters: Labels) -> int:
    """Return the number of clusters that hold a positive; of two ways, the smaller number."""
    return min(int(np.count_nonzero(way.sums(labels))) for way in ways(clusters))


def _value_and_influence(labels: Bools, scores: Floats) -> tuple[float, Floats]:
    """Return the average precision, and its derivative by each row's weight: (rows,)."""
    positives = int(labels.sum())
    if not positives:
        raise ValueError("no positive: there is nothing to be precise about")
    order = np.argsort(-scores, kind="stable")
    hit, ranked = labels[order], scores[order]
    # Rows of one score are found together, so each counts up to the last of them.
    last = np.r_[np.flatnonzero(np.diff(ranked) != 0), len(ranked) - 1]
    tie = np.searchsorted(last, np.arange(len(ranked)))
    found, taken = np.cumsum(hit)[last][tie].astype(np.float64), (last[tie] + 1).astype(np.float64)
    precision = found / taken
    value = float(precision[hit].sum() / positives)
    # A row counts at its own score and at every lower one: among what is taken, and a positive among what is found.
    first = np.r_[0, last[:-1] + 1][tie]
    as_found = _from(first, np.where(hit, 1 / taken, 0.0))
    as_taken = _from(first, np.where(hit, found / taken**2, 0.0))
    influence = np.where(hit, precision - value + as_found, 0.0) - as_taken
    out = np.empty(len(labels))
    out[order] = influence / positives
    return value, out


def _from(first: np.ndarray, values: Floats) -> Floats:
    """Return, for each rank, the sum of ``values`` from rank ``first`` to the end."""
    rest: Floats = np.cumsum(values[::-1])[::-1][first]
    return rest
