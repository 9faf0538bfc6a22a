"""Permutations of exchangeable blocks, and the p-values made of them."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.checks import _stats


def test_the_observed_value_counts_among_the_draws() -> None:
    null = np.array([0.1, 0.2, 0.5, 0.5, 0.9])

    assert _stats.permutation_p(0.5, null) == pytest.approx(4 / 6)
    assert _stats.permutation_p(2.0, null) == pytest.approx(1 / 6)


@pytest.mark.parametrize(("comparisons", "draws"), [(1, 800), (24, 19_200)])
def test_draws_grow_with_what_is_compared(comparisons: int, draws: int) -> None:
    assert _stats.draws_needed(comparisons) == draws


def test_draws_grow_as_the_level_falls() -> None:
    assert _stats.draws_needed(1, 0.001) == 20_000


def test_a_name_keeps_one_label_in_every_draw() -> None:
    names = np.repeat(list("abcdefgh"), [1, 2, 3, 4, 1, 2, 3, 4])
    labels = np.isin(names, list("abc"))

    drawn = _stats.block_permutations(labels, names.tolist(), 50, np.random.default_rng(0))

    assert drawn.shape == (20, 50)
    for name in set(names.tolist()):
        assert (drawn[names == name] == drawn[names == name][0]).all()
    first_rows = [names.tolist().index(name) for name in "abcdefgh"]
    assert (drawn[first_rows].sum(axis=0) == 3).all()


def test_every_assignment_of_names_is_drawn_alike() -> None:
    labels = np.array([True, True, False, False])

    drawn = _stats.block_permutations(labels, list("abcd"), 6000, np.random.default_rng(1))

    seen = Counter(tuple(column) for column in drawn.T.tolist())
    assert len(seen) == 6
    assert max(abs(count - 1000) for count in seen.values()) < 5 * np.sqrt(1000)


@given(data=st.data())
def test_rows_of_a_mixed_block_exchange_labels_only_within_it(data: st.DataObject) -> None:
    n = data.draw(st.integers(4, 30))
    labels = np.array([True, False, *data.draw(st.lists(st.booleans(), min_size=n - 2, max_size=n - 2))])
    blocks = ["a", "a", *data.draw(st.lists(st.sampled_from("abc"), min_size=n - 2, max_size=n - 2))]

    drawn = _stats.block_permutations(labels, blocks, 20, np.random.default_rng(0))

    for block in set(blocks):
        rows = np.array([b == block for b in blocks])
        assert (drawn[rows].sum(axis=0) == labels[rows].sum()).all()


def test_the_same_seed_draws_the_same() -> None:
    labels, blocks = np.arange(30) % 3 == 0, [str(i // 2) for i in range(30)]

    first, second = (_stats.block_permutations(labels, blocks, 5, np.random.default_rng(7)) for _ in range(2))

    assert (first == second).all()


def test_labels_of_names_without_signal_are_seldom_called_decodable() -> None:
    # Scores shared by a name look like signal to a permutation of rows, and not to one of names.
    rng = np.random.default_rng(4)
    name = np.repeat(np.arange(16), 20)
    labels = name < 8
    alarms = Counter()
    for _ in range(60):
        scores = rng.normal(size=16)[name] + 0.3 * rng.normal(size=320)
        observed = _stats.auroc(labels, scores)
        for kind, blocks in (("names", name), ("rows", np.arange(320))):
            drawn = _stats.block_permutations(labels, blocks.astype(str).tolist(), 99, rng)
            null = np.array([_stats.auroc(column, scores) for column in drawn.T])
            alarms[kind] += _stats.permutation_p(observed, null) <= 0.05

    assert alarms["names"] <= 9  # 3 expected; more than 9 has a chance of one in a thousand
    assert alarms["rows"] >= 15
