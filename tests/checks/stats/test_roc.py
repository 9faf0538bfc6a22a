"""The area under the ROC curve: known answers, published formulas, brute force."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from audit import laws
from audit.checks import _stats
from audit.checks._stats.clustering import variance
from audit.checks._stats.roc import _Placements
from audit.types import Binomial, NoVariation, StudentT


def names(codes: np.ndarray) -> list[str]:
    return [f"name {c}" for c in codes]


def test_a_positive_above_every_negative_is_a_whole_area() -> None:
    labels = np.array([False, False, True, True])

    assert _stats.auroc(labels, np.array([0.1, 0.2, 0.3, 0.4])) == 1.0
    assert _stats.auroc(labels, np.array([0.4, 0.3, 0.2, 0.1])) == 0.0


def test_ties_count_half() -> None:
    # Of four pairs one is in order, one is not and two are tied.
    assert _stats.auroc(np.array([True, True, False, False]), np.array([2.0, 1.0, 2.0, 1.0])) == 0.5
    assert _stats.auroc(np.array([True, False, False]), np.array([1.0, 1.0, 0.0])) == 0.75


def test_a_single_class_tells_nothing_apart() -> None:
    with pytest.raises(ValueError, match=r"^3 positives and 0 negatives: nothing to tell apart$"):
        _stats.auroc(np.array([True] * 3), np.zeros(3))


@given(data=st.data())
def test_the_area_is_scikit_learns(data: st.DataObject) -> None:
    n = data.draw(st.integers(2, 40))
    scores = np.array(data.draw(st.lists(st.integers(0, 6), min_size=n, max_size=n)), dtype=float)
    labels = np.array([True, False, *data.draw(st.lists(st.booleans(), min_size=n - 2, max_size=n - 2))])

    assert _stats.auroc(labels, scores) == pytest.approx(roc_auc_score(labels, scores))


@given(data=st.data())
def test_leaving_a_cluster_out_is_the_same_as_computing_without_it(data: st.DataObject) -> None:
    n = data.draw(st.integers(6, 40))
    scores = np.array(data.draw(st.lists(st.integers(0, 8), min_size=n, max_size=n)), dtype=float)
    labels = np.array([True, False, *data.draw(st.lists(st.booleans(), min_size=n - 2, max_size=n - 2))])
    codes = np.array(data.draw(st.lists(st.integers(0, 4), min_size=n, max_size=n)))

    found = variance((names(codes),), _stats.auroc(labels, scores), _Placements(labels, scores).without)

    left = [codes != c for c in set(codes.tolist())]
    if any(labels[keep].all() or not labels[keep].any() for keep in left):
        assert found is None
    else:
        apart = np.array([roc_auc_score(labels[keep], scores[keep]) for keep in left])
        total = ((apart - roc_auc_score(labels, scores)) ** 2).sum()
        assert found == pytest.approx((len(left) - 1) / len(left) * total, abs=1e-12)


def test_independent_rows_have_the_variance_of_delong() -> None:
    # DeLong, DeLong & Clarke-Pearson (1988): S10 / m + S01 / n; leaving one out divides by m - 1 and n - 1.
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 2 == 0
    scores = rng.normal(size=200) + labels
    order = scores[labels][:, None] > scores[~labels][None, :]
    s10, s01 = order.mean(axis=1).var(ddof=1), order.mean(axis=0).var(ddof=1)

    found = variance((names(np.arange(200)),), _stats.auroc(labels, scores), _Placements(labels, scores).without)

    assert found == pytest.approx(199 / 200 * (s10 / 99 + s01 / 99))
    assert found == pytest.approx(s10 / 100 + s01 / 100, rel=0.01)


def test_rows_of_a_name_that_agree_count_once() -> None:
    rng = np.random.default_rng(1)
    labels, scores = np.arange(40) % 2 == 0, rng.normal(size=40)
    once = _stats.clustered_auroc(labels, scores, (names(np.arange(40)),))

    tenfold = _stats.clustered_auroc(
        np.repeat(labels, 10), np.repeat(scores, 10), (names(np.repeat(np.arange(40), 10)),)
    )

    assert tenfold.value == once.value
    assert tenfold.clusters == once.clusters == 20
    assert isinstance(tenfold.law, Binomial)
    assert isinstance(once.law, Binomial)
    # Rows that agree are worth their names, and no more than a few percent more for being 400 instead of 40.
    assert tenfold.law.trials == pytest.approx(once.law.trials, rel=0.1)


def test_a_perfect_order_is_bounded_by_the_pairs_of_names() -> None:
    # Sixteen names a side make sixteen disjoint pairs: an area of A puts them all in order with chance A^16.
    name = np.repeat(np.arange(32), 20)

    found = _stats.clustered_auroc(name < 16, -name.astype(float), (names(name),))

    assert found.value == 1.0
    assert _stats.limits(found) == (pytest.approx(0.025 ** (1 / 16)), 1.0)


def test_scores_that_are_all_tied_say_no_more_than_the_names_bound() -> None:
    name = np.repeat(np.arange(20), 5)

    found = _stats.clustered_auroc(name % 2 == 0, np.zeros(100), (names(name),))

    low, high = _stats.limits(found)
    assert found.value == 0.5
    assert low < 0.25
    assert high > 0.75


def test_a_class_of_a_single_name_leaves_everything_open() -> None:
    name = np.repeat(np.arange(11), 5)
    scores = np.random.default_rng(0).normal(size=55)

    found = _stats.clustered_auroc(name == 0, scores, (names(name),))

    low, high = _stats.limits(found)
    assert found.clusters == 1
    assert high - low > 0.9


@given(seed=st.integers(0, 500), clusters=st.integers(2, 12), apart=st.floats(0, 4), two_way=st.booleans())
def test_no_area_has_an_interval_without_width(seed: int, clusters: int, apart: float, two_way: bool) -> None:
    rng = np.random.default_rng(seed)
    name = rng.integers(0, clusters, 30)
    labels = name % 2 == 0
    labels[:2] = True, False
    scores = np.round(rng.normal(size=30) + apart * labels)
    groups = (names(name), names(rng.integers(0, 4, 30))) if two_way else (names(name),)

    found = _stats.clustered_auroc(labels, scores, groups)

    low, high = _stats.limits(found)
    assert 0 <= low <= found.value <= high <= 1
    assert low < high


# ---- differences ---------------------------------------------------------------------------------


def test_two_scores_on_the_same_rows_are_compared_in_pairs() -> None:
    # A score and its copy with a little noise: far closer to each other than either is to the truth.
    rng = np.random.default_rng(2)
    name = np.repeat(np.arange(40), 5)
    labels = name < 20
    scores = rng.normal(size=40)[name] + labels
    copy = scores + 0.01 * rng.normal(size=200)

    found = _stats.clustered_auroc_difference(labels, scores, copy, (names(name),))

    alone = _stats.clustered_auroc(labels, scores, (names(name),))
    width, width_alone = np.ptp(_stats.limits(found)), np.ptp(_stats.limits(alone))
    assert isinstance(found.law, StudentT)
    assert found.law.df == 19
    assert width < width_alone / 5


def test_a_score_compared_with_itself_is_bounded_by_clusters() -> None:
    name = np.repeat(np.arange(24), 5)
    scores = np.random.default_rng(3).normal(size=120)

    found = _stats.clustered_auroc_difference(name < 12, scores, scores, (names(name),))

    assert found.law == NoVariation(estimate=0.0, clusters=12, reach=1.0, support=(-1.0, 1.0))
    assert laws.interval(found.law) == pytest.approx((-0.265, 0.265), abs=1e-3)
