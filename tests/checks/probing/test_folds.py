"""Splits: whole clusters, both classes, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.checks._probing import CannotProbe, grouped_folds, make_task, random_folds


def everyone(n: int) -> np.ndarray:
    return np.ones(n, dtype=bool)


@given(seed=st.integers(0, 1000), clusters=st.integers(12, 40), count=st.integers(3, 6))
def test_no_cluster_stands_on_both_sides(seed: int, clusters: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    names = np.concatenate([np.arange(clusters), rng.integers(0, clusters, 60)])
    labels = names % 2 == 0

    folds = grouped_folds(([str(c) for c in names],), labels, everyone(len(names)), count=count, rng=rng)

    for name in set(names.tolist()):
        assert len(set(folds.of_row[names == name].tolist())) == 1
    assert sorted(set(folds.of_row.tolist())) == list(range(count))


def test_folds_are_even_where_clusters_are() -> None:
    names = np.repeat(np.arange(20), 3)

    folds = grouped_folds(
        ([str(c) for c in names],), names % 2 == 0, everyone(60), count=5, rng=np.random.default_rng(0)
    )

    assert np.bincount(folds.of_row).tolist() == [12] * 5


def test_rows_that_only_get_scores_are_spread_over_folds_too() -> None:
    labels = np.arange(100) % 2 == 0
    trained = np.arange(100) < 50

    folds = grouped_folds(([str(i) for i in range(100)],), labels, trained, count=5, rng=np.random.default_rng(0))

    assert np.bincount(folds.of_row[trained]).tolist() == [10] * 5
    assert np.bincount(folds.of_row[~trained]).tolist() == [10] * 5


def test_the_same_seed_makes_the_same_folds() -> None:
    labels = np.arange(40) % 2 == 0

    first, second, other = (make_task(labels, rng=np.random.default_rng(seed)).folds.of_row for seed in (3, 3, 4))

    assert (first == second).all()
    assert (first != other).any()


def test_every_fold_and_every_pair_is_left_out_once() -> None:
    folds = make_task(np.arange(40) % 2 == 0, folds=4, rng=np.random.default_rng(0)).folds

    left_out = list(folds.training_sets())

    assert left_out == [(0,), (1,), (2,), (3,), (0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]


def test_two_columns_that_are_not_crossed_are_both_kept_whole() -> None:
    names = np.repeat(np.arange(40), 2)
    facts = names // 2

    task = make_task(facts % 2 == 0, ([str(c) for c in names], [str(c) for c in facts]), rng=np.random.default_rng(0))

    assert not task.folds.crossing
    for fact in range(20):
        assert len(set(task.folds.of_row[facts == fact].tolist())) == 1


def test_crossed_columns_keep_the_first_whole_and_say_so() -> None:
    names, templates = np.divmod(np.arange(200), 10)

    task = make_task(
        names % 2 == 0, ([str(c) for c in names], [str(c) for c in templates]), rng=np.random.default_rng(0)
    )

    assert task.folds.crossing
    for name in range(20):
        assert len(set(task.folds.of_row[names == name].tolist())) == 1


def test_a_random_split_of_clustered_rows_is_refused() -> None:
    labels = np.arange(40) % 2 == 0

    with pytest.raises(
        CannotProbe,
        match=r"^a random split is refused: rows share person and template, and copies would stand on both sides$",
    ):
        random_folds(labels, everyone(40), shared=["person", "template"], rng=np.random.default_rng(0))


def test_rows_that_share_nothing_may_be_split_at_random() -> None:
    folds = random_folds(np.arange(40) % 2 == 0, everyone(40), shared=[], rng=np.random.default_rng(0))

    assert np.bincount(folds.of_row).tolist() == [8] * 5


def test_fewer_clusters_than_folds_are_refused() -> None:
    names = np.repeat(np.arange(12), 5)
    labels = names < 4

    with pytest.raises(
        CannotProbe,
        match=r"^4 clusters hold positive rows and 8 negative ones; 5 folds need at least 5 of each$",
    ):
        make_task(labels, ([str(c) for c in names],), rng=np.random.default_rng(0))


def test_a_label_with_one_class_is_refused() -> None:
    with pytest.raises(
        CannotProbe,
        match=r"^no row is negative: the label has one class, and there is nothing to tell apart$",
    ):
        make_task(everyone(30), rng=np.random.default_rng(0))


def test_two_folds_are_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match=r"^2 folds; nested cross-validation needs at least 3$"):
        make_task(np.arange(30) % 2 == 0, folds=2, rng=np.random.default_rng(0))


@given(seed=st.integers(0, 300))
def test_every_training_set_holds_both_classes(seed: int) -> None:
    # Five clusters of a class are often all in two folds: such a split is drawn again.
    names = np.repeat(np.arange(40), 2)
    labels = names < 5

    task = make_task(labels, ([str(c) for c in names],), rng=np.random.default_rng(seed))

    for left_out in task.folds.training_sets():
        kept = labels[~task.folds.held(*left_out)]
        assert kept.any()
        assert not kept.all()


def test_sizes_that_force_a_bad_split_give_way_to_another() -> None:
    # By size, each large negative cluster is a fold of its own, and training on that fold alone sees one class.
    sizes = [40, 40, *[4] * 9, 1]
    names = np.repeat(np.arange(12), sizes)
    labels = ~np.isin(names, [0, 1, 11])

    task = make_task(labels, ([str(c) for c in names],), folds=3, rng=np.random.default_rng(0))

    for left_out in task.folds.training_sets():
        assert not labels[~task.folds.held(*left_out)].all()
