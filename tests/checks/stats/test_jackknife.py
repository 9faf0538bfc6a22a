"""What each cluster contributes to an estimate: its squares sum to the variance, whatever the estimator."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.checks import _stats
from audit.checks._stats import bounded, clustering
from audit.types import Jackknife, StudentT

RNG = np.random.default_rng(5)
N = 120
NAMES = ([f"name {i % 30}" for i in range(N)],)
CROSSED = ([f"name {i % 12}" for i in range(N)], [f"template {i // 12}" for i in range(N)])
VALUES = RNG.normal(0.2, 0.3, N)
LABELS = RNG.random(N) < 0.4
STRATA = [f"stratum {i % 3}" for i in range(N)]

ESTIMATORS = {
    "mean": lambda v, c: _stats.clustered_mean(v, c, reach=1.0),
    "mean difference": lambda v, c: _stats.stratified_mean_difference(v, LABELS, STRATA, c),
    "AUROC difference": lambda v, c: _stats.clustered_auroc_difference(LABELS, v, -v, c),
}


def combined(jackknife):
    squares = [float(np.square(way).sum()) for way in jackknife.unpacked()]
    return squares[0] if len(squares) == 1 else max(squares[0], squares[1], squares[0] + squares[1] - squares[2])


@pytest.mark.parametrize("clusters", [NAMES, CROSSED], ids=["one way", "two ways"])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_squares_of_the_moves_sum_to_the_variance(name, clusters):
    estimate = ESTIMATORS[name](VALUES, clusters)

    assert isinstance(estimate.law, StudentT)
    assert combined(estimate.jackknife) == pytest.approx(estimate.law.se**2, rel=1e-5)


@pytest.mark.parametrize(
    "estimate",
    [
        _stats.clustered_proportion(VALUES > 0.3, NAMES),
        _stats.clustered_auroc(LABELS, VALUES, NAMES),
        _stats.stratified_difference(VALUES > 0.3, LABELS, STRATA, NAMES),
        _stats.proportion_ratio(VALUES > 0.3, LABELS, NAMES),
        bounded.share(np.clip(VALUES, 0, 1), NAMES),
        bounded.paired_difference(np.clip(VALUES, 0, 1), np.clip(-VALUES, 0, 1), NAMES),
    ],
    ids=["proportion", "AUROC", "difference", "ratio", "share", "paired difference"],
)
def test_proportions_and_areas_have_one_too(estimate):
    assert len(estimate.jackknife.unpacked()[0]) == 30
    assert 0 < combined(estimate.jackknife) < 0.5


def test_a_ratio_is_that_of_the_rows_that_are_left():
    selected = VALUES > 0.3
    estimate = _stats.proportion_ratio(selected, LABELS, NAMES)
    left = np.array([name != "name 0" for name in NAMES[0]])

    without = _stats.proportion_ratio(selected[left], LABELS[left], _stats.chosen(NAMES, left)).value

    # Names are ordered as text, and "name 0" comes first.
    moved = estimate.jackknife.unpacked()[0][0] / np.sqrt(29 / 30)
    assert moved == pytest.approx(without - estimate.value, rel=1e-5)


def test_the_jackknife_of_a_difference_is_the_difference_of_the_jackknives():
    other = VALUES + RNG.normal(0, 0.1, N)
    first, second = (_stats.clustered_mean(v, NAMES, reach=1.0).jackknife.unpacked()[0] for v in (VALUES, other))

    both = _stats.clustered_mean(other - VALUES, NAMES, reach=1.0).jackknife.unpacked()[0]

    assert second - first == pytest.approx(both, abs=1e-7)


@pytest.mark.parametrize(("clusters", "kept"), [(256, 256), (257, 129), (1000, 250), (5000, 250)])
def test_many_clusters_are_left_out_in_groups_of_one_size(clusters, kept):
    values = np.random.default_rng(1).normal(0, 1, clusters)

    estimate = _stats.clustered_mean(values, ([str(i) for i in range(clusters)],), reach=1.0)

    moves = estimate.jackknife.unpacked()[0]
    assert len(moves) == kept <= clustering.MOST_UNITS
    assert estimate.jackknife.df == kept - 1
    assert float(np.square(moves).sum()) == pytest.approx(estimate.law.se**2, rel=0.3)


def test_crossings_that_are_too_many_are_left_away():
    labels = ([f"name {i % 50}" for i in range(2000)], [f"template {i // 50}" for i in range(2000)])

    jackknife = _stats.clustered_mean(np.random.default_rng(1).normal(0, 1, 2000), labels, reach=1.0).jackknife

    assert [len(way) for way in jackknife.unpacked()] == [50, 40]


def test_an_estimate_that_a_cluster_carries_alone_has_none():
    assert _stats.clustered_mean(np.ones(3), (["a", "a", "a"],), reach=1.0).jackknife is None


def test_a_jackknife_stays_small_in_a_record():
    jackknife = _stats.clustered_mean(
        np.random.default_rng(1).normal(0, 1, 5000), ([str(i) for i in range(5000)],), reach=1.0
    ).jackknife

    assert len(json.dumps(jackknife.moves)) < 1500


def test_clusters_are_told_apart_by_the_labels_of_every_row():
    mean = lambda labels: _stats.clustered_mean(np.arange(4.0), (labels,), reach=1.0).jackknife.units  # noqa: E731

    assert mean(["a", "a", "b", "c"]) != mean(["a", "b", "b", "c"])
    assert mean(["a", "a", "b", "c"]) == mean(["a", "a", "b", "c"])


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=2, max_size=20))
def test_moves_come_back_as_they_were_packed(moves):
    packed = Jackknife.packed(units="u", df=3.0, moves=[np.array(moves)])

    assert packed.unpacked()[0].tolist() == moves


@pytest.mark.parametrize(
    ("moves", "message"),
    [
        (("not base64",), "not base64"),
        (("AAAA",), "buffer size must be a multiple"),
        (("AAAAAA==",), "at least two clusters"),
        (("AADAfwAAwH8=",), "finite move"),
        ((), "0 ways of clustering"),
    ],
)
def test_damaged_moves_are_refused(moves, message):
    with pytest.raises(ValueError, match=message):
        Jackknife(units="u", df=3.0, moves=moves)
