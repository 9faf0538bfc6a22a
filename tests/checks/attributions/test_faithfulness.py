"""Taking tokens out in the order of an attribution, and at random."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.checks._attributions import faithfulness


def scores(weights: np.ndarray, sets: tuple[tuple[int, ...], ...]) -> np.ndarray:
    """What a sum of weights becomes when positions are taken out."""
    return np.array([weights.sum() - weights[list(taken)].sum() for taken in sets])


def test_the_known_weights_give_known_falls() -> None:
    # Ten tokens of weights 10 to 1: the first, the first two and the first five are taken out, or kept.
    weights = np.arange(10.0, 0.0, -1.0)
    sets = faithfulness.position_sets(weights, np.ones(10, dtype=bool), np.random.default_rng(0))

    found = faithfulness.faithfulness(scores(weights, sets))

    assert found.ranked.comprehensiveness == pytest.approx((10 + 19 + 40) / 3)
    assert found.ranked.sufficiency == pytest.approx((45 + 36 + 15) / 3)


def test_a_random_order_is_worth_its_share_on_average() -> None:
    weights, everything = np.arange(10.0, 0.0, -1.0), np.ones(10, dtype=bool)
    rng = np.random.default_rng(1)
    found = [
        faithfulness.faithfulness(scores(weights, faithfulness.position_sets(weights, everything, rng)))
        for _ in range(400)
    ]

    taken = np.mean([f.random.comprehensiveness for f in found])
    assert taken == pytest.approx(55 * (0.1 + 0.2 + 0.5) / 3, rel=0.05)
    assert np.mean([f.comprehensiveness_gain for f in found]) == pytest.approx(69 / 3 - taken)
    assert np.mean([f.sufficiency_gain for f in found]) > 0


def test_a_text_on_the_other_side_falls_towards_zero_too() -> None:
    weights = -np.arange(10.0, 0.0, -1.0)
    sets = faithfulness.position_sets(weights, np.ones(10, dtype=bool), np.random.default_rng(0))

    found = faithfulness.faithfulness(scores(weights, sets))

    assert found.ranked.comprehensiveness == pytest.approx((10 + 19 + 40) / 3)


@given(data=st.data(), seed=st.integers(0, 999))
def test_what_is_taken_out_and_what_is_kept_are_all_that_counts(data: st.DataObject, seed: int) -> None:
    counts = np.array(data.draw(st.lists(st.booleans(), min_size=1, max_size=30).filter(any)))
    values = np.random.default_rng(seed).normal(size=len(counts))

    sets = faithfulness.position_sets(values, counts, np.random.default_rng(seed))

    assert sets[0] == ()
    assert len(sets) == 1 + 2 * 2 * len(faithfulness.SHARES)
    for top, rest in zip(sets[1::2], sets[2::2], strict=True):
        assert sorted((*top, *rest)) == np.flatnonzero(counts).tolist()
        assert top  # at least one token, however short the text


@given(seed=st.integers(0, 999))
def test_no_order_of_a_sum_of_weights_is_more_comprehensive_than_that_of_the_weights(seed: int) -> None:
    weights = np.abs(np.random.default_rng(seed).normal(size=12))
    sets = faithfulness.position_sets(weights, np.ones(12, dtype=bool), np.random.default_rng(seed))

    found = faithfulness.faithfulness(scores(weights, sets))

    assert found.comprehensiveness_gain >= -1e-12
    assert found.sufficiency_gain >= -1e-12


def test_the_random_order_has_a_row_of_its_own() -> None:
    falls = faithfulness.Falls
    texts = [
        faithfulness.Faithfulness(
            ranked=falls(comprehensiveness=c, sufficiency=1.0), random=falls(comprehensiveness=0.5, sufficiency=s)
        )
        for c, s in ((2.0, 3.0), (4.0, 5.0))
    ]

    assert faithfulness.table(texts, "integrated gradients").rows == (
        ("integrated gradients", 3.0, 1.0),
        ("random", 0.5, 4.0),
    )
