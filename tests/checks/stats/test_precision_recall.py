"""Average precision: scikit-learn's value, the derivative it rests on, and intervals that cover."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from audit.checks import _stats
from audit.checks._stats import precision_recall
from audit.checks._stats.precision_recall import average_precision, clustered_average_precision


def alone(n: int) -> tuple[list[str]]:
    return ([str(i) for i in range(n)],)


def test_a_ranking_worked_out_by_hand() -> None:
    labels = np.array([True, False, True, False, True])
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5])

    assert average_precision(labels, scores) == pytest.approx((1 / 1 + 2 / 3 + 3 / 5) / 3)


def test_rows_of_one_score_are_found_together() -> None:
    labels = np.array([True, False, True, False])

    assert average_precision(labels, np.full(4, 0.3)) == pytest.approx(0.5)


def test_without_a_positive_there_is_nothing_to_measure() -> None:
    with pytest.raises(ValueError, match="no positive: there is nothing to be precise about"):
        average_precision(np.zeros(3, dtype=bool), np.arange(3.0))


cases = st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=1, max_size=30).filter(
    lambda rows: any(label for label, _ in rows)
)


@given(cases)
def test_it_is_the_average_precision_of_scikit_learn(rows: list[tuple[bool, int]]) -> None:
    labels, scores = np.array([r[0] for r in rows]), np.array([float(r[1]) for r in rows])

    assert average_precision(labels, scores) == pytest.approx(average_precision_score(labels, scores))


@given(cases, st.randoms(use_true_random=False))
def test_the_influence_of_a_row_is_the_derivative_by_its_weight(rows: list[tuple[bool, int]], random) -> None:
    labels, scores = np.array([r[0] for r in rows]), np.array([float(r[1]) for r in rows])
    i = random.randrange(len(rows))
    step = 1e-5

    up, down = np.ones(len(rows)), np.ones(len(rows))
    up[i] += step
    down[i] -= step
    slope = (
        average_precision_score(labels, scores, sample_weight=up)
        - average_precision_score(labels, scores, sample_weight=down)
    ) / (2 * step)

    assert precision_recall._value_and_influence(labels, scores)[1][i] == pytest.approx(slope, abs=1e-6)


def test_a_perfect_order_is_bounded_by_the_clusters_that_hold_positives() -> None:
    labels = np.array([True] * 12 + [False] * 30)
    clusters = ([f"c{i // 2}" for i in range(42)],)

    found = clustered_average_precision(labels, labels.astype(float), clusters)

    low, high = _stats.limits(found)
    assert (found.value, high, found.clusters) == (1.0, 1.0, 6)
    assert low == pytest.approx(0.025 ** (1 / 6))


def test_one_cluster_says_next_to_nothing() -> None:
    labels = np.array([True, False, True, False])

    low, high = _stats.limits(clustered_average_precision(labels, np.array([0.9, 0.8, 0.3, 0.1]), (["a"] * 4,)))

    assert high - low > 0.9


def drawn(rng: np.random.Generator, clusters: int, rows: int, positive: float, apart: float, shared: float):
    of = np.repeat(np.arange(clusters), rows)
    labels = rng.random(len(of)) < positive
    labels[0] = True
    own, common = rng.normal(size=len(of)), rng.normal(size=clusters)[of]
    return labels, apart * labels + math.sqrt(1 - shared) * own + math.sqrt(shared) * common, ([str(c) for c in of],)


@pytest.mark.parametrize(
    ("clusters", "rows", "positive", "apart", "shared"),
    [(200, 1, 0.1, 1.0, 0.0), (100, 1, 0.5, 1.0, 0.0), (40, 5, 0.3, 1.0, 0.5), (20, 10, 0.3, 1.0, 0.4)],
)
def test_intervals_cover_as_promised(clusters: int, rows: int, positive: float, apart: float, shared: float) -> None:
    rng = np.random.default_rng(5)
    labels, scores, _ = drawn(rng, 40_000 // rows, rows, positive, apart, shared)
    truth, runs, covered = average_precision(labels, scores), 300, 0

    for _ in range(runs):
        low, high = _stats.limits(clustered_average_precision(*drawn(rng, clusters, rows, positive, apart, shared)))
        covered += low <= truth <= high

    assert covered / runs >= 0.93 - math.sqrt(0.95 * 0.05 / runs)
