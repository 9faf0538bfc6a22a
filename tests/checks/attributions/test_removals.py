"""Taking tokens out in the order of an attribution and at random, on sums of weights known by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.checks._attributions import removals

ALL = np.ones(10, dtype=bool)
WEIGHTS = np.arange(1.0, 11.0) / 10
"""Ten tokens; the last weighs most. Their sum is 5.5."""


def sigmoid(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))


def read(weights: np.ndarray, values: np.ndarray, *, side: int = 1, seed: int = 0) -> removals.Tested:
    """What a sum of weights becomes when its tokens are taken out in the order of some values."""
    plan = removals.removals(values, np.ones(len(weights), dtype=bool), side, np.random.default_rng(seed))
    return plan.read(np.array([weights.sum() - weights[list(taken)].sum() for taken in plan.sets]))


# ---- known answers -------------------------------------------------------------------------------


def test_known_weights_give_known_falls() -> None:
    found = read(WEIGHTS, WEIGHTS).ranked

    # 1, 5 and 10 % are one token of ten, 20 % two, 50 % five: 1.0, 1.9 and 4.0 of the sum go, or are kept.
    without = np.mean([sigmoid(5.5 - gone) for gone in (1.0, 1.0, 1.0, 1.9, 4.0)])
    kept = np.mean([sigmoid(kept) for kept in (1.0, 1.0, 1.0, 1.9, 4.0)])
    assert found.comprehensiveness == pytest.approx(sigmoid(5.5) - without)
    assert found.sufficiency == pytest.approx(sigmoid(5.5) - kept)


def test_known_weights_give_known_curves_and_areas() -> None:
    found = read(WEIGHTS, WEIGHTS).ranked

    gone = np.concatenate([[0.0], np.cumsum(WEIGHTS[::-1])])
    assert found.deletion == pytest.approx([sigmoid(5.5 - x) for x in gone])
    assert found.insertion == pytest.approx([sigmoid(x) for x in gone])
    assert found.deletion_area == pytest.approx((found.deletion[1:] + found.deletion[:-1]).sum() / 20)
    assert found.insertion_area == pytest.approx((found.insertion[1:] + found.insertion[:-1]).sum() / 20)


def test_the_right_order_agrees_with_leaving_one_out_and_the_reverse_disagrees() -> None:
    assert read(WEIGHTS, WEIGHTS).ranked.tau == pytest.approx(1)
    assert read(WEIGHTS, -WEIGHTS).ranked.tau == pytest.approx(-1)


def test_a_text_decided_the_other_way_is_its_mirror_image() -> None:
    plain, mirrored = read(WEIGHTS, WEIGHTS).ranked, read(-WEIGHTS, -WEIGHTS, side=-1).ranked

    assert mirrored.comprehensiveness == pytest.approx(plain.comprehensiveness)
    assert mirrored.insertion == pytest.approx(plain.insertion)
    assert mirrored.tau == pytest.approx(plain.tau)


def test_what_speaks_against_the_decision_comes_last() -> None:
    weights = np.array([3.0, -5.0, 0.1, 1.0])

    plan = removals.removals(weights, np.ones(4, dtype=bool), 1, np.random.default_rng(0))

    assert plan.sets[1:3] == ((0,), (1, 2, 3))


def test_special_tokens_are_never_taken_out() -> None:
    counts = np.array([False, True, True, True, False])

    plan = removals.removals(np.arange(5.0), counts, 1, np.random.default_rng(0))

    assert {at for taken in plan.sets for at in taken} == {1, 2, 3}
    assert (1, 2, 3) in plan.sets


def test_fewer_than_three_tokens_have_no_rank_correlation() -> None:
    found = read(np.array([1.0, 2.0]), np.array([1.0, 2.0]))

    assert found.ranked.tau is None
    assert "leave_one_out_agreement" not in found.beyond_random()


def test_a_text_of_special_tokens_alone_is_refused() -> None:
    with pytest.raises(ValueError, match="a text without tokens that count has none to take out"):
        removals.removals(np.ones(2), np.zeros(2, dtype=bool), 1, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [([1, 2, 3], [4, 5, 6], 1.0), ([1, 2, 3], [1, 3, 2], 1 / 3), ([1, 1, 1], [1, 2, 3], 0.0), ([1, 2], [1, 2], None)],
)
def test_kendall_is_zero_for_a_constant_and_none_for_two(a: list[int], b: list[int], expected: float | None) -> None:
    found = removals.kendall(np.array(a, dtype=float), np.array(b, dtype=float))

    assert found == (expected if expected is None else pytest.approx(expected))


# ---- the random order ----------------------------------------------------------------------------


def test_an_order_drawn_at_random_is_worth_no_more_than_the_random_order() -> None:
    rng = np.random.default_rng(1)
    gains = [read(WEIGHTS, rng.normal(size=10), seed=i).beyond_random() for i in range(400)]

    for name in gains[0]:
        values = np.array([gain[name] for gain in gains])
        assert abs(values.mean()) < 4 * values.std() / 20, name


def test_more_random_orders_scatter_less_about_the_same_mean() -> None:
    def comprehensiveness(orders: int) -> np.ndarray:
        out = []
        for seed in range(150):
            plan = removals.removals(WEIGHTS, ALL, 1, np.random.default_rng(seed), random_orders=orders)
            scores = np.array([WEIGHTS.sum() - WEIGHTS[list(taken)].sum() for taken in plan.sets])
            out.append(plan.read(scores).random.comprehensiveness)
        return np.array(out)

    one, many = comprehensiveness(1), comprehensiveness(8)

    assert many.std() < one.std() / 2
    assert abs(many.mean() - one.mean()) < 4 * one.std() / np.sqrt(150)


# ---- properties ----------------------------------------------------------------------------------


@given(seed=st.integers(0, 999), tokens=st.integers(1, 25))
def test_no_order_beats_that_of_the_weights_of_a_sum(seed: int, tokens: int) -> None:
    weights = np.random.default_rng(seed).normal(size=tokens)
    side = 1 if weights.sum() > 0 else -1

    found = read(weights, weights, side=side, seed=seed)

    gains = found.beyond_random()
    assert all(gains[f"{name}_over_random"] >= -1e-12 for name in ("comprehensiveness", "sufficiency", "deletion"))
    assert gains["insertion_over_random"] >= -1e-12
    assert gains.get("leave_one_out_agreement", 1) == pytest.approx(1)


@given(seed=st.integers(0, 999), tokens=st.integers(1, 25))
def test_curves_start_and_end_where_the_text_and_the_empty_one_are(seed: int, tokens: int) -> None:
    weights = np.random.default_rng(seed).normal(size=tokens)

    found = read(weights, np.random.default_rng(seed + 1).normal(size=tokens))

    for order in (found.ranked, found.random):
        assert order.deletion[[0, -1]] == pytest.approx([sigmoid(weights.sum()), 0.5])
        assert order.insertion[[0, -1]] == pytest.approx([0.5, sigmoid(weights.sum())])


@given(seed=st.integers(0, 999), tokens=st.integers(1, 25))
def test_no_set_is_asked_for_twice_and_the_text_itself_comes_first(seed: int, tokens: int) -> None:
    values = np.random.default_rng(seed).normal(size=tokens)

    sets = removals.removals(values, np.ones(tokens, dtype=bool), 1, np.random.default_rng(seed)).sets

    assert sets[0] == ()
    assert len(set(sets)) == len(sets)
    assert all(list(taken) == sorted(set(taken)) for taken in sets)


# ---- exhibits ------------------------------------------------------------------------------------


def test_the_random_order_has_a_row_and_a_dashed_line_of_its_own() -> None:
    tested = [read(WEIGHTS, WEIGHTS, seed=seed) for seed in range(3)]

    table, (deletion, insertion) = removals.table(tested, "ig"), removals.curves(tested, "ig")

    assert [row[0] for row in table.rows] == ["ig", "random"]
    assert table.rows[0][1:] == pytest.approx(
        (
            tested[0].ranked.comprehensiveness,
            tested[0].ranked.sufficiency,
            tested[0].ranked.deletion_area,
            tested[0].ranked.insertion_area,
            1.0,
        )
    )
    assert [(s.label, s.reference) for s in deletion.series] == [("ig", False), ("random order", True)]
    assert insertion.series[1].y == pytest.approx(np.mean([t.random.insertion for t in tested], axis=0))
