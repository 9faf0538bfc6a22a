"""Logistic regression in the row space: scikit-learn's solution, coefficient by coefficient."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from audit.checks._probing import PENALTIES, make_task
from audit.checks._probing.designs import Rows, Vectors
from audit.checks._probing.logistic import ColumnSpace, RowSpace, path


def rows(n: int, width: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2 == 0
    correlated = rng.normal(size=(n, 8)) @ rng.normal(size=(8, width))
    return correlated + rng.normal(size=(n, width)) + 0.4 * np.outer(labels, rng.normal(size=width)), labels


@pytest.mark.parametrize("width", [10, 300])
@pytest.mark.parametrize("penalty", PENALTIES)
def test_both_spaces_give_scikit_learns_coefficients(width: int, penalty: float) -> None:
    x, y = rows(80, width, seed=0)
    reference = LogisticRegression(C=penalty, tol=1e-12, max_iter=100_000).fit(x, y)

    (in_columns,) = path(ColumnSpace(x), y, [penalty])
    (in_rows,) = path(RowSpace(x @ x.T), y, [penalty])

    size = np.abs(reference.coef_).max()
    assert in_columns.weights == pytest.approx(reference.coef_[0], abs=1e-5 * size)
    assert x.T @ in_rows.weights == pytest.approx(reference.coef_[0], abs=1e-5 * size)
    assert in_columns.intercept == pytest.approx(reference.intercept_[0], abs=1e-4)
    assert in_rows.intercept == pytest.approx(reference.intercept_[0], abs=1e-4)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), width=st.integers(1, 60), penalty=st.sampled_from(PENALTIES))
def test_the_gradient_of_scikit_learns_objective_vanishes(seed: int, width: int, penalty: float) -> None:
    x, y = rows(30, width, seed)

    (fit,) = path(RowSpace(x @ x.T), y, [penalty])

    weights = x.T @ fit.weights
    wrong = 1 / (1 + np.exp(-(x @ weights + fit.intercept))) - y
    assert np.abs(weights + penalty * x.T @ wrong).max() <= 1e-4 * max(1, np.abs(weights).max())
    assert abs(wrong.sum()) <= 1e-4


def test_a_path_ends_where_a_single_fit_does() -> None:
    x, y = rows(60, 200, seed=2)

    along = list(path(RowSpace(x @ x.T), y, PENALTIES))
    alone = [next(path(RowSpace(x @ x.T), y, [penalty])) for penalty in PENALTIES]

    for warm, cold in zip(along, alone, strict=True):
        assert warm.weights == pytest.approx(cold.weights, abs=1e-5 * np.abs(cold.weights).max())


def test_one_class_far_from_the_other_still_settles() -> None:
    x = np.concatenate([np.full((10, 3), -500.0), np.full((10, 3), 500.0)]) + np.random.default_rng(0).normal(
        size=(20, 3)
    )

    (fit,) = path(RowSpace(x @ x.T), np.arange(20) >= 10, [10.0])

    assert (x.T @ fit.weights > 0).all()


@pytest.mark.parametrize("width", [15, 300])
def test_columns_are_standardised_by_the_training_rows_alone(width: int) -> None:
    x, y = rows(100, width, seed=3)
    x[:, 0] = 7.0  # constant everywhere
    task = make_task(y, rng=np.random.default_rng(0))
    x[task.folds.held(1), 1] = 50.0  # what a held-out fold holds must not shape the others
    scaler = StandardScaler().fit(x[~task.folds.held(1)])
    z = scaler.transform(x)
    reference = LogisticRegression(C=0.1, tol=1e-12, max_iter=100_000).fit(
        z[~task.folds.held(1)], y[~task.folds.held(1)]
    )

    design = Vectors(x, task).design((1,), scaled=True)
    ((fit, scores),) = design.logistic(y, [0.1])

    assert isinstance(design, Rows) == (width > 100)
    assert scores == pytest.approx(z @ reference.coef_[0], abs=1e-4)
    assert fit.intercept == pytest.approx(reference.intercept_[0], abs=1e-5)


def test_a_column_that_only_varies_where_it_is_held_out_counts_for_nothing() -> None:
    x, y = rows(100, 300, seed=4)
    task = make_task(y, rng=np.random.default_rng(0))
    x[:, 5] = 1234.5
    without = Vectors(x.astype(np.float32), task).design((0,), scaled=True).logistic(y, [0.1])[0][1]
    x[task.folds.held(0), 5] = np.random.default_rng(1).normal(size=int(task.folds.held(0).sum())) * 1e4

    with_it = Vectors(x.astype(np.float32), task).design((0,), scaled=True).logistic(y, [0.1])[0][1]

    assert with_it == pytest.approx(without, abs=1e-9)
