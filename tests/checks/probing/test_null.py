"""The permutation null: scikit-learn's ridge, scikit-learn's areas, and p-values that keep their level."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from audit.checks._probing import CannotProbe, Cell, Pipeline, by_position, make_null, make_task, sweep
from audit.checks._probing.cells import probe
from audit.checks._probing.designs import Vectors
from audit.checks._probing.null import areas
from audit.checks._probing.workers import Workers
from audit.checks._stats.permutations import permutation_p

Plant = Callable[..., SimpleNamespace]


@pytest.mark.parametrize("width", [9, 200])
def test_every_column_is_a_ridge_regression_held_out(plant: Plant, width: int) -> None:
    planted = plant(clusters=20, rows=3, width=width, strength=2.0)
    task = make_task(planted.labels, planted.clusters, rng=np.random.default_rng(0))
    null = make_null(task, draws=400, rng=np.random.default_rng(1))

    found = probe(Vectors(planted.states, task), task, Pipeline(estimators=(), null=null)).null

    x = planted.states.astype(np.float64)
    for column in (0, 1, 400):
        y, predicted = null.labels[:, column], np.empty(60)
        for fold in range(5):
            held = task.folds.held(fold)
            z = StandardScaler().fit(x[~held]).transform(x)
            penalty = np.square(z[~held]).sum(axis=1).mean()
            model = Ridge(alpha=penalty).fit(z[~held], y[~held].astype(float))
            predicted[held] = z[held] @ model.coef_
        assert found is not None
        assert found[column] == pytest.approx(roc_auc_score(y, predicted), abs=1e-9)


def test_the_difference_of_means_may_stand_in_for_the_ridge(plant: Plant) -> None:
    planted = plant(clusters=20, rows=3, width=100, strength=2.0)
    task = make_task(planted.labels, planted.clusters, rng=np.random.default_rng(0))
    null = make_null(task, draws=400, rng=np.random.default_rng(1), statistic="mean_difference")

    found = probe(Vectors(planted.states, task), task, Pipeline(estimators=(), null=null)).null

    x, predicted = planted.states.astype(np.float64), np.empty(60)
    for fold in range(5):
        held, y = task.folds.held(fold), null.labels[:, 3]
        along = x[~held & y].mean(axis=0) - x[~held & ~y].mean(axis=0)
        predicted[held] = (x[held] - x[~held].mean(axis=0)) @ along
    assert found is not None
    assert found[3] == pytest.approx(roc_auc_score(null.labels[:, 3], predicted), abs=1e-9)


def test_areas_of_many_columns_are_scikit_learns_with_and_without_ties() -> None:
    rng = np.random.default_rng(0)
    labels = rng.permuted(np.tile((np.arange(40) < 15)[:, None], (1, 300)), axis=0)
    scores = rng.normal(size=(40, 300))
    scores[:, ::3] = rng.integers(0, 4, size=scores[:, ::3].shape)

    found = areas(labels, scores, Workers())

    assert found == pytest.approx([roc_auc_score(y, s) for y, s in zip(labels.T, scores.T, strict=True)])


def test_whole_names_exchange_labels_where_the_label_is_constant_in_them() -> None:
    names, templates = np.divmod(np.arange(200), 10)
    clusters = ([str(c) for c in templates], [str(c) for c in names])
    task = make_task(names % 2 == 0, clusters, rng=np.random.default_rng(0))

    drawn = task.permuted(50, np.random.default_rng(1))

    for name in range(20):
        assert (drawn[names == name] == drawn[names == name][0]).all()


def test_too_few_draws_are_refused() -> None:
    task = make_task(np.arange(40) % 2 == 0, rng=np.random.default_rng(0))

    with pytest.raises(
        CannotProbe,
        match=r"^1000 permutations do not resolve 3 corrected p-values at 0.05; at least 1200 are needed$",
    ):
        make_null(task, draws=1000, rng=np.random.default_rng(0), comparisons=3)


def test_a_planted_direction_is_beyond_every_permutation(plant: Plant) -> None:
    planted = plant(width=200, strength=3.0)
    noise = plant(width=200, seed=9)
    task = make_task(planted.labels, planted.clusters, rng=np.random.default_rng(0))
    null = make_null(task, draws=400, rng=np.random.default_rng(1))

    found = sweep(
        by_position({"last": {0: noise.states, 1: planted.states}}), task, Pipeline(estimators=(), null=null)
    ).decodable

    assert found is not None
    assert found.p == found.p_of[Cell("last", 1)] == pytest.approx(1 / 401)
    assert found.p_of[Cell("last", 0)] > 0.01


@pytest.mark.parametrize("constant", [True, False], ids=["label of names", "label of rows"])
def test_corrected_p_values_are_uniform_on_noise(constant: bool) -> None:
    # 8 correlated layers of names with noise of their own; 120 runs; two-sided bounds of one in a thousand.
    p = [_p_on_noise(seed, constant=constant) for seed in range(120)]

    for level in (0.05, 0.25, 0.5):
        low, high = binom.ppf([0.0005, 0.9995], 120, level)
        assert low <= sum(value <= level for value in p) <= high, level


def _p_on_noise(seed: int, *, constant: bool) -> float:
    rng = np.random.default_rng(seed)
    names = np.repeat(np.arange(24), 3)
    labels = (rng.permutation(24) < 12)[names] if constant else np.tile([True, False, False], 24)
    if not constant:
        labels = np.concatenate([rng.permutation(labels[:3]) for _ in range(24)])
    task = make_task(labels, ([str(c) for c in names],), rng=rng)
    null = make_null(task, draws=400, rng=rng)
    common = rng.normal(size=(24, 20))[names]
    layers = {k: (common + rng.normal(size=(72, 20))).astype(np.float32) for k in range(8)}
    found = sweep(by_position({"last": layers}), task, Pipeline(estimators=(), null=null)).decodable
    assert found is not None
    return permutation_p(max(found.observed.values()), found.largest)
