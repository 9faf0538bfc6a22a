"""Clusters, and what they do to a variance: statsmodels where it has the same, brute force where not."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st

from audit.checks._stats import clustering
from audit.checks._stats.clustering import Way
from audit.shapes import Floats
from audit.types import Guards


def names(codes: np.ndarray | list[int]) -> list[str]:
    return [f"c{c}" for c in codes]


def mean_without(values: np.ndarray) -> object:
    """The mean with each cluster left out."""

    def without(way: Way) -> Floats:
        left = len(values) - way.sizes
        with np.errstate(divide="ignore", invalid="ignore"):
            out: Floats = np.where(left > 0, (values.sum() - way.sums(values)) / left, np.nan)
        return out

    return without


def variance_of_mean(values: np.ndarray, labels: clustering.Labels) -> float | None:
    return clustering.variance(labels, float(values.mean()), mean_without(values))  # type: ignore[arg-type]


def test_equal_clusters_have_the_variance_of_statsmodels() -> None:
    values = np.random.default_rng(0).normal(size=60)
    codes = np.arange(60) % 12

    found = variance_of_mean(values, (names(codes),))

    reference = sm.OLS(values, np.ones(60)).fit(cov_type="cluster", cov_kwds={"groups": codes})
    assert found == pytest.approx(reference.bse[0] ** 2)


def test_unequal_clusters_err_upwards_where_the_sandwich_errs_downwards() -> None:
    rng = np.random.default_rng(1)
    codes = np.repeat(np.arange(10), [30, 1, 1, 1, 2, 2, 3, 3, 4, 5])
    values = rng.normal(size=10)[codes] + 0.1 * rng.normal(size=len(codes))

    found = variance_of_mean(values, (names(codes),))

    sandwich = sm.OLS(values, np.ones(len(codes))).fit(cov_type="cluster", cov_kwds={"groups": codes})
    assert found is not None
    assert found > sandwich.bse[0] ** 2


@given(data=st.data())
def test_neither_the_order_of_rows_nor_the_names_of_clusters_matter(data: st.DataObject) -> None:
    n = data.draw(st.integers(4, 40))
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    values, first, second = rng.normal(size=n), rng.integers(0, 5, n), rng.integers(0, 4, n)
    order, renamed = rng.permutation(n), rng.permutation(5)

    plain = variance_of_mean(values, (names(first), names(second)))
    moved = variance_of_mean(values[order], (names(renamed[first][order]), names(second[order])))

    assert (moved is None) == (plain is None)
    assert moved is None or moved == pytest.approx(plain)


@given(data=st.data())
def test_two_ways_that_are_the_same_are_one(data: st.DataObject) -> None:
    n = data.draw(st.integers(4, 30))
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    values, codes = rng.normal(size=n), rng.integers(0, 6, n)

    once, twice = variance_of_mean(values, (names(codes),)), variance_of_mean(values, (names(codes), names(codes)))

    assert (once is None) == (twice is None)
    assert once is None or twice == pytest.approx(once)


def test_a_single_cluster_has_no_variance() -> None:
    assert variance_of_mean(np.arange(5.0), (["a"] * 5,)) is None


# ---- how many they are worth ---------------------------------------------------------------------


def test_equal_clusters_are_worth_their_number() -> None:
    assert clustering.effective_clusters((names(np.arange(40) % 8),)) == pytest.approx(8)


def test_a_cluster_with_half_of_the_rows_weighs_as_all_others_together() -> None:
    labels = (["big"] * 50 + names(list(range(50))),)

    assert clustering.effective_clusters(labels) == pytest.approx(100**2 / (50**2 + 50))
    assert clustering.cluster_count(labels) == 51


@given(codes=st.lists(st.integers(0, 9), min_size=1, max_size=60))
def test_clusters_are_worth_at_least_one_and_at_most_their_number(codes: list[int]) -> None:
    worth = clustering.effective_clusters((names(codes),))

    assert 1 - 1e-9 <= worth <= clustering.cluster_count((names(codes),)) + 1e-9


def test_of_two_ways_the_smaller_number_counts() -> None:
    labels = (names(np.arange(12) % 6), names(np.arange(12) % 4))

    assert clustering.cluster_count(labels) == 4
    assert clustering.effective_clusters(labels) == pytest.approx(4)


def test_rows_are_unclustered_when_each_stands_alone_in_every_way() -> None:
    assert clustering.unclustered((names(list(range(5))),))
    assert not clustering.unclustered((names(list(range(5))), ["a"] * 5))


# ---- choosing rows -------------------------------------------------------------------------------


@given(kept=st.lists(st.booleans(), min_size=6, max_size=6))
def test_a_mask_and_its_indices_choose_the_same_rows(kept: list[bool]) -> None:
    labels = (list("abcdef"), list("uvwxyz"))

    by_mask = clustering.chosen(labels, np.array(kept))

    assert by_mask == clustering.chosen(labels, [i for i, keep in enumerate(kept) if keep])
    assert by_mask[0] == [name for name, keep in zip("abcdef", kept, strict=True) if keep]


# ---- the check -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "passed"), [(0, False), (5, False), (6, True)])
def test_six_clusters_are_enough(n: int, passed: bool) -> None:
    check = clustering.enough_clusters(n)

    assert (check.passed, check.found, check.guards) == (passed, f"{n} clusters", Guards.FALSE_ALL_CLEAR)
