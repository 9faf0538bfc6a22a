"""Mean differences and what they are compared with."""

from __future__ import annotations

import numpy as np
import pytest

from audit.checks._directions import contrasts

BLOCKS = [f"b{i // 2}" for i in range(80)]
CONDITION = np.arange(80) % 2 == 0


def drawn(rng: np.random.Generator, *, draws: int = 199, columns: bool = True) -> contrasts.Splits:
    known = {"block": BLOCKS} if columns else {}
    return contrasts.splits(CONDITION, BLOCKS, known, draws=draws, permutations=400, rng=rng)


def states(rng: np.random.Generator, apart: float) -> np.ndarray:
    values = rng.normal(size=(80, 6))
    values[CONDITION, 2] += apart
    return values.astype(np.float32)


def test_the_direction_is_the_difference_of_the_means() -> None:
    values = states(np.random.default_rng(0), 3.0)

    found = contrasts.found(values, drawn(np.random.default_rng(1)))

    expected = values[CONDITION].mean(axis=0) - values[~CONDITION].mean(axis=0)
    np.testing.assert_allclose(found.direction, expected, atol=1e-6)


def test_every_comparison_is_as_long_as_the_direction() -> None:
    found = contrasts.found(states(np.random.default_rng(0), 3.0), drawn(np.random.default_rng(1)))

    assert found.null.shape == (199, 6)
    np.testing.assert_allclose(np.linalg.norm(found.null, axis=1), np.linalg.norm(found.direction))


def test_comparisons_are_not_the_direction_again() -> None:
    # Permuted labels of states that lie far apart would find the distance again, were it not taken out.
    found = contrasts.found(states(np.random.default_rng(0), 50.0), drawn(np.random.default_rng(1)))

    cosine = found.null @ found.direction / np.linalg.norm(found.direction) ** 2
    assert np.abs(cosine).max() < 0.95
    assert np.abs(cosine).mean() < 0.5


def test_half_of_the_comparisons_are_contrasts_of_other_columns() -> None:
    ways = drawn(np.random.default_rng(1))

    assert ways.kinds.count("permuted labels") == 100
    assert ways.kinds.count("irrelevant contrast") == 99
    halves = ways.null[:, np.array(ways.kinds) == "irrelevant contrast"]
    # Both rows of a block lie on one side, and about half of the blocks on each.
    assert (halves[::2] == halves[1::2]).all()
    assert set(halves.sum(axis=0)) == {40}


def test_without_a_column_to_contrast_all_comparisons_are_permutations() -> None:
    ways = drawn(np.random.default_rng(1), columns=False)

    assert set(ways.kinds) == {"permuted labels"}
    assert ways.null.shape == (80, 199)


def test_permutations_stay_within_blocks() -> None:
    ways = drawn(np.random.default_rng(1))

    assert (ways.permuted[::2] != ways.permuted[1::2]).all()


def test_a_real_difference_is_longer_than_chance_and_the_layer_is_named() -> None:
    rng, ways = np.random.default_rng(3), drawn(np.random.default_rng(1))

    layers = contrasts.by_layer({1: states(rng, 0.0), 2: states(rng, 2.0)}, ways)
    p_of = contrasts.precondition(layers)

    assert p_of[2] == pytest.approx(1 / 401)
    assert p_of[1] > 0.05


def test_noise_is_called_a_difference_as_rarely_as_promised() -> None:
    ways = drawn(np.random.default_rng(1))
    alarms = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        layers = contrasts.by_layer({k: states(rng, 0.0) for k in range(4)}, ways)
        alarms += min(contrasts.precondition(layers).values()) <= 0.05

    # Binomial(200, .05) exceeds 19 in fewer than one run in a hundred.
    assert alarms <= 19
