"""The direction that a probe reads, in the model's own activation space.

Deterministic: closed form or a convex problem solved to convergence, never a randomised decomposition, and signed
by rule: the positive class has the larger mean projection. For a test of cause, find it on discovery rows (the
task's training rows) and use it on others. The audit binds it to the model, whose digest no check knows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from audit import shapes
from audit.checks._probing.cells import PENALTIES, Estimator
from audit.checks._probing.designs import Vectors
from audit.checks._probing.folds import CannotProbe
from audit.checks._probing.logistic import log_loss
from audit.checks._probing.null import LEVEL
from audit.checks._probing.sweeps import Cell, CellStates, Sweep
from audit.checks._probing.task import Task
from audit.checks._probing.workers import workers
from audit.checks._stats.clustering import cluster_count
from audit.shapes import Floats
from audit.types import Direction


def fit_direction(
    states: shapes.States,
    task: Task,
    *,
    cell: Cell,
    positive: str,
    negative: str,
    estimator: Estimator = "mean_difference",
    penalties: Sequence[float] = PENALTIES,
) -> Direction:
    """Return the direction that all training rows of a task give at one cell.

    ``cell`` says where the ``states`` (rows, width) were read. C of the logistic regression is chosen by the
    log-loss on the task's folds.

    Raises
    ------
    CannotProbe
        When the states are the same in every row.
    """
    source = Vectors(states, task)
    if estimator == "mean_difference":
        vector, intercept, penalty = _difference(states, task), None, None
    else:
        with workers() as pool:
            per_fold = pool.each(lambda fold: _losses(source, task, fold, penalties), range(task.folds.count))
        penalty = penalties[int(np.argmin(np.sum(per_fold, axis=0)))]
        vector, intercept = _logistic(source, task, penalty)
    if not vector.any():
        raise CannotProbe(f"{cell}: the states do not differ between the classes, so there is no direction")
    vector, intercept = _signed(vector, intercept, states, task)
    return Direction(
        vector=vector.astype(np.float32),
        layer=cell.layer,
        position=cell.position,
        estimator=estimator,
        positive=positive,
        negative=negative,
        unit="activation" if estimator == "mean_difference" else "log_odds_per_activation",
        intercept=intercept,
        penalty=penalty,
        rows=int(task.trained.sum()),
        clusters=cluster_count(task.measured_clusters()),
    )


def directions(states: CellStates, found: Sweep, *, positive: str, negative: str) -> tuple[Direction, ...]:
    """Return the directions of a sweep that beats chance, one per estimator, at the place it did best on other folds.

    Where the labels cannot be read beyond chance there is no direction: dividing noise by its length makes one of
    anything.
    """
    if found.decodable is None or found.decodable.p > LEVEL:
        return ()
    out = []
    for estimator in next(iter(found.cells.values())).probed:
        cell = found.best(estimator)
        try:
            out.append(
                fit_direction(
                    states[cell], found.task, cell=cell, positive=positive, negative=negative, estimator=estimator
                )
            )
        except CannotProbe:  # states that are all alike do best where every other layer is worse than chance
            continue
    return tuple(out)


def _difference(states: shapes.States, task: Task) -> Floats:
    values = states.astype(np.float64)
    positive, negative = task.trained & task.labels, task.trained & ~task.labels
    out: Floats = values[positive].mean(axis=0) - values[negative].mean(axis=0)
    return out


def _losses(source: Vectors, task: Task, fold: int, penalties: Sequence[float]) -> list[float]:
    """Return the held-out log-loss of one fold at each C."""
    held = task.folds.held(fold) & task.trained
    sign = np.where(task.labels[held], 1.0, -1.0)
    fits = source.design((fold,), scaled=True).logistic(task.labels, penalties)
    return [log_loss(sign, scores[held] + fit.intercept) for fit, scores in fits]


def _logistic(source: Vectors, task: Task, penalty: float) -> tuple[Floats, float]:
    """Return weights and intercept for states as they are: standardisation undone."""
    design = source.design((), scaled=True)
    (fit, _), *_ = design.logistic(task.labels, [penalty])
    mean, per_deviation = source.moments(())
    if len(fit.weights) == len(mean):
        scaled = fit.weights
    else:
        # Row weights sum to zero, so the mean of the rows drops out of their combination.
        scaled = source.combination(design.train, fit.weights) * per_deviation
    weights = scaled * per_deviation
    return weights, fit.intercept - float(weights @ (mean + source.centre))


def _signed(vector: Floats, intercept: float | None, states: shapes.States, task: Task) -> tuple[Floats, float | None]:
    """Turn the vector so that positives project further along it on average."""
    if float(vector @ _difference(states, task)) >= 0:
        return vector, intercept
    return -vector, None if intercept is None else -intercept
