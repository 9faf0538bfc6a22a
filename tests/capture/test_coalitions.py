"""Values of groups where the truth is known: games that can be solved by hand, and by enumeration of all orders."""

from __future__ import annotations

import itertools
from math import factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.capture.coalitions import (
    ablation_plan,
    ablation_values,
    replaced_tokens,
    shapley_plan,
    shapley_values,
)

PAIRS = 26


def played(game, plan):
    return np.array([game(frozenset(np.flatnonzero(row).tolist())) for row in plan.present])


def by_all_orders(game, groups):
    """Shapley values by their definition: what each adds, averaged over every order."""
    values = np.zeros(groups)
    for order in itertools.permutations(range(groups)):
        there = frozenset()
        for group in order:
            values[group] += game(there | {group}) - game(there)
            there |= {group}
    return values / factorial(groups)


def random_game(seed):
    rng = np.random.default_rng(seed)
    known = {}

    def game(there):
        key = tuple(sorted(there))
        return known.setdefault(key, float(rng.normal()))

    return game


@pytest.mark.parametrize("groups", [1, 2, 3, 6])
def test_few_groups_are_enumerated_and_exact(groups):
    game = random_game(groups)
    plan = shapley_plan(groups, PAIRS, np.random.default_rng(0))

    found = shapley_values(plan, played(game, plan))

    assert len(plan.present) == 2**groups
    np.testing.assert_allclose(found.values, by_all_orders(game, groups), atol=1e-12)
    assert not found.standard_errors.any()


def test_every_coalition_is_run_once_however_many_orders_pass_it():
    plan = shapley_plan(8, PAIRS, np.random.default_rng(3))

    assert plan.orders.shape == (PAIRS, 9)
    assert len({row.tobytes() for row in plan.present}) == len(plan.present) < PAIRS * 7 + 2
    assert not plan.present[0].any()
    assert plan.present[-1].all()
    assert (plan.orders[:, 0] == 0).all()
    assert (plan.orders[:, -1] == len(plan.present) - 1).all()


@given(st.integers(9, 24), st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_sampled_values_add_up_whatever_was_drawn(groups, seed):
    game = random_game(seed)
    plan = shapley_plan(groups, 8, np.random.default_rng(seed))
    scores = played(game, plan)

    found = shapley_values(plan, scores)

    assert found.values.sum() == pytest.approx(scores[-1] - scores[0], abs=1e-9)
    assert (found.standard_errors >= 0).all()


@given(st.lists(st.floats(-5, 5), min_size=9, max_size=20), st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_where_groups_only_add_up_each_gets_its_own_and_nothing_scatters(weights, seed):
    """A linear model: the dummy gets nothing, equals get the same, and no order matters."""
    plan = shapley_plan(len(weights), 8, np.random.default_rng(seed))

    found = shapley_values(plan, played(lambda there: sum(weights[i] for i in there), plan))

    np.testing.assert_allclose(found.values, weights, atol=1e-9)
    np.testing.assert_allclose(found.standard_errors, 0.0, atol=1e-9)


def test_a_dummy_gets_nothing_and_equals_get_the_same():
    def both_or_nothing(there):
        return 6.0 * ({0, 1} <= there) + 3.0 * bool(there & {2, 3})

    plan = shapley_plan(5, PAIRS, np.random.default_rng(0))

    found = shapley_values(plan, played(both_or_nothing, plan))

    np.testing.assert_allclose(found.values, [3.0, 3.0, 1.5, 1.5, 0.0], atol=1e-12)


def test_the_standard_error_says_how_far_samples_are_from_the_truth():
    """Over many draws about 95 % of the truths lie within t standard errors."""

    def game(there):
        return float(len(there) ** 2 % 7) + 2.0 * (0 in there) * (1 in there)

    plan = shapley_plan(12, 5000, np.random.default_rng(99))
    truth = shapley_values(plan, played(game, plan)).values  # all 4,096 coalitions
    assert len(plan.present) == 2**12
    inside = []
    for seed in range(60):
        drawn = shapley_plan(12, PAIRS, np.random.default_rng(seed))
        found = shapley_values(drawn, played(game, drawn))
        inside.append(np.abs(found.values - truth) <= 2.179 * found.standard_errors)

    assert 0.90 <= np.mean(inside) <= 0.99


@given(st.integers(0, 12))
def test_ablation_takes_each_group_out_of_the_whole_once(groups):
    game = random_game(groups)
    plan = ablation_plan(groups)
    scores = played(game, plan)

    found = ablation_values(plan, scores)

    everything = frozenset(range(groups))
    expected = [game(everything) - game(everything - {i}) for i in range(groups)]
    np.testing.assert_allclose(found.values, np.array(expected), atol=1e-12)
    assert len(plan.present) == {0: 1, 1: 2}.get(groups, groups + 2)


def test_tokens_of_groups_that_are_gone_are_replaced_and_no_others():
    present = np.array([[True, False], [False, True], [True, True]])

    assert replaced_tokens(present, [(1, 2), (4,)], 5).tolist() == [
        [False, False, False, False, True],
        [False, True, True, False, False],
        [False, False, False, False, False],
    ]
