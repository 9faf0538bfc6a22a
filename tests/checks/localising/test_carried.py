"""Shares of an effect, with intervals that hold the truth as often as they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.checks import _stats
from audit.checks._localising.carried import carried, divisible, reaches
from audit.checks._stats.estimates import limits


def labels(clusters: int, each: int) -> tuple[list[str]]:
    return ([f"name{i // each}" for i in range(clusters * each)],)


def test_the_share_is_the_ratio_of_the_means() -> None:
    effect, total = np.array([1.0, 2.0, 0.0, 3.0]), np.array([2.0, 2.0, 1.0, 3.0])

    found = carried(effect, total, (["a", "a", "b", "c"],))

    assert found.value == 0.75
    assert (found.n, found.clusters) == (4, 3)


def test_pairs_without_an_effect_do_not_rule_it() -> None:
    effect, total = np.array([1.0, 1.0, 1e-9]), np.array([1.0, 1.0, -1e-12])

    assert carried(effect, total, (["a", "b", "c"],)).value == pytest.approx(1.0)


@given(st.floats(0.1, 100), st.integers(0, 1000))
def test_the_share_does_not_depend_on_the_unit(scale: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    total = rng.normal(3, 1, 24)
    effect = 0.7 * total + rng.normal(0, 0.2, 24)

    found, other = (carried(k * effect, k * total, labels(6, 4)) for k in (1.0, scale))

    assert limits(found) == pytest.approx(limits(other))


def test_an_effect_that_is_hardly_known_is_not_divided_by() -> None:
    rng = np.random.default_rng(2)
    clusters = labels(8, 4)

    clear, faint = (_stats.clustered_mean(rng.normal(mean, 1, 32), clusters, reach=1.0) for mean in (3.0, 0.2))

    assert divisible(clear)
    assert not divisible(faint)


@pytest.mark.parametrize(
    ("mean", "scatter", "reached"), [(0.97, 0.02, True), (0.93, 0.1, False), (1.3, 0.02, False), (1.0, 0.0, True)]
)
def test_a_share_is_reached_by_its_whole_interval_and_not_by_overshooting(
    mean: float, scatter: float, *, reached: bool
) -> None:
    total = np.ones(32)
    effect = total * (mean + np.repeat(np.linspace(-scatter, scatter, 8), 4))

    assert reaches(carried(effect, total, labels(8, 4)), 0.9) is reached


@pytest.mark.parametrize(("clusters", "faint"), [(5, 3.0), (10, 1.5), (10, 3.0), (30, 1.0)])
def test_intervals_hold_the_truth_as_often_as_they_say(clusters: int, faint: float) -> None:
    # ``faint`` is the mean of the total effect over its scatter between clusters: small is hard to divide by.
    rng, held, asked = np.random.default_rng(7), 0, 0
    for _ in range(1000):
        of_cluster = np.repeat(rng.normal(faint, 1, clusters), 4)
        total = of_cluster + rng.normal(0, 0.3, len(of_cluster))
        effect = 0.8 * total + np.repeat(rng.normal(0, 0.3, clusters), 4) + rng.normal(0, 0.2, len(total))
        if not divisible(_stats.clustered_mean(total, labels(clusters, 4), reach=1.0)):
            continue
        low, high = limits(carried(effect, total, labels(clusters, 4)))
        asked, held = asked + 1, held + (low <= 0.8 <= high)

    assert asked >= 500
    assert 0.93 <= held / asked <= 0.99
