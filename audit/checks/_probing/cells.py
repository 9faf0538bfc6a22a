"""What one cell (a layer at a position, a baseline) yields: scores of rows by probes that never saw their cluster.

Nested: for each outer fold, C is the one with the smallest log-loss on the other folds, and the fold's scores
are divided by the spread of those other folds' held-out scores. Folds that chose another C then lie on one
scale and can be pooled, and cells can be compared, without a look at the fold itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np

from audit.checks._probing.designs import Design, Source
from audit.checks._probing.logistic import log_loss
from audit.checks._probing.null import Null, areas
from audit.checks._probing.task import Task
from audit.checks._probing.workers import Workers
from audit.checks._stats.roc import auroc
from audit.shapes import Bools, Floats

Estimator: TypeAlias = Literal["mean_difference", "logistic"]

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""scikit-learn's C (larger is freer) for standardised states: from heavily shrunk to nearly separating."""

LeftOut: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """How every cell is probed, fixed before a state is seen."""

    estimators: tuple[Estimator, ...] = ("mean_difference", "logistic")
    penalties: tuple[float, ...] = PENALTIES
    """C of the logistic regression, ascending; chosen in nested folds"""
    null: Null | None = None


@dataclass(frozen=True, kw_only=True)
class Probed:
    """Scores of one cell by one estimator, and what was chosen for them on other folds."""

    scores: Floats
    """(rows,), held out; the unit is the spread of held-out scores on the other folds"""
    inner_area: Floats
    """(folds,): area under the ROC curve on the other folds, by models that saw neither them nor this fold"""
    penalties: tuple[float, ...] | None
    """C chosen for each fold; None for an estimator without one"""


@dataclass(frozen=True, kw_only=True)
class CellResult:
    """Everything that is kept of a cell once its states are let go."""

    probed: Mapping[Estimator, Probed]
    null: Floats | None = None
    """(1 + draws,): area of the null statistic, of the labels as they are and of each permutation"""


def probe(source: Source, task: Task, pipeline: Pipeline, workers: Workers | None = None) -> CellResult:
    """Return held-out scores of all rows by each estimator, and the null areas where a null is given."""
    workers = workers or Workers()
    pairs = [left_out for left_out in task.folds.training_sets() if len(left_out) == 2]
    trained = dict(zip(pairs, workers.each(lambda p: _train(source, task, pipeline, p), pairs), strict=True))
    inner = {
        name: [_inner(task, fold, {pair: scores[name] for pair, scores in trained.items()}) for fold in _each(task)]
        for name in pipeline.estimators
    }
    outer = workers.each(
        lambda fold: _score_fold(source, task, pipeline, fold, {name: inner[name][fold] for name in inner}),
        _each(task),
    )
    return CellResult(
        probed={name: _assembled(task, name, inner[name], [out.scores[name] for out in outer]) for name in inner},
        null=None if pipeline.null is None else _null_areas(task, pipeline.null, [out.null for out in outer], workers),
    )


def _each(task: Task) -> range:
    return range(task.folds.count)


# ---- inner folds: what is chosen ------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Scores:
    """Scores of all rows by one training set, at each C: (penalties, rows) and (penalties,)."""

    scores: Floats
    intercepts: Floats
    penalties: tuple[float, ...] | None


@dataclass(frozen=True, kw_only=True)
class _Inner:
    """What the other folds say about one outer fold."""

    area: float
    spread: float
    penalty: float | None


def _train(source: Source, task: Task, pipeline: Pipeline, left_out: LeftOut) -> dict[Estimator, _Scores]:
    """Fit every estimator without some folds."""
    out: dict[Estimator, _Scores] = {}
    if "logistic" in pipeline.estimators:
        design = source.design(left_out, scaled=True)
        out["logistic"] = _logistic(design, task.labels, pipeline.penalties)
    if "mean_difference" in pipeline.estimators:
        out["mean_difference"] = _difference(source.design(left_out, scaled=False), task.labels)
    return out


def _logistic(design: Design, labels: Bools, penalties: Sequence[float]) -> _Scores:
    fits = design.logistic(labels, penalties)
    return _Scores(
        scores=np.stack([scores for _, scores in fits]),
        intercepts=np.array([fit.intercept for fit, _ in fits]),
        penalties=tuple(penalties),
    )


def _difference(design: Design, labels: Bools) -> _Scores:
    column = labels[design.train].astype(np.float64)[:, None]
    return _Scores(
        scores=design.difference(column, np.ones(len(labels), dtype=np.bool_)).T, intercepts=np.zeros(1), penalties=None
    )


def _inner(task: Task, fold: int, trained: Mapping[LeftOut, _Scores]) -> _Inner:
    """Choose C for one outer fold by the log-loss on the other folds, and measure how well that did there."""
    rows = task.trained & ~task.folds.held(fold)
    sign = np.where(task.labels, 1.0, -1.0)
    some = next(iter(trained.values()))
    scores, losses = np.empty((len(some.scores), len(rows))), np.zeros(len(some.scores))
    for pair, found in trained.items():
        if fold not in pair:
            continue
        other = rows & task.folds.held(*pair)
        scores[:, other] = found.scores[:, other]
        losses += [log_loss(sign[other], s[other] + b) for s, b in zip(found.scores, found.intercepts, strict=True)]
    best = int(np.argmin(losses))
    return _Inner(
        area=auroc(task.labels[rows], scores[best, rows]),
        spread=float(scores[best, rows].std()) or 1.0,
        penalty=None if some.penalties is None else some.penalties[best],
    )


# ---- outer folds: what is reported ----------------------------------------------------------------


@dataclass(kw_only=True)
class _Fold:
    """Scores of the rows that one fold holds out, and their predictions under every permutation."""

    scores: dict[Estimator, Floats] = field(default_factory=dict)
    null: Floats | None = None


def _score_fold(source: Source, task: Task, pipeline: Pipeline, fold: int, chosen: Mapping[Estimator, _Inner]) -> _Fold:
    held, out = task.folds.held(fold), _Fold()
    null = pipeline.null
    for scaled in (True, False):
        name: Estimator = "logistic" if scaled else "mean_difference"
        if name not in chosen and (null is None or null.scaled != scaled):
            continue
        design = source.design((fold,), scaled=scaled)
        if name in chosen:
            found = (
                _logistic(design, task.labels, [chosen[name].penalty or 0.0])
                if scaled
                else _difference(design, task.labels)
            )
            out.scores[name] = found.scores[0, held] / chosen[name].spread
        if null is not None and null.scaled == scaled:
            out.null = null.predict(design, task.trained, held & task.trained)
    return out


def _assembled(task: Task, name: Estimator, inner: Sequence[_Inner], per_fold: Sequence[Floats]) -> Probed:
    scores = np.empty(len(task.labels))
    for fold, found in enumerate(per_fold):
        scores[task.folds.held(fold)] = found
    return Probed(
        scores=scores,
        inner_area=np.array([i.area for i in inner]),
        penalties=tuple(float(i.penalty or 0.0) for i in inner) if name == "logistic" else None,
    )


def _null_areas(task: Task, null: Null, per_fold: Sequence[Floats | None], workers: Workers) -> Floats:
    predicted = np.empty(null.labels.shape)
    fold_of = task.folds.of_row[task.trained]
    for fold, found in enumerate(per_fold):
        predicted[fold_of == fold] = found
    return areas(null.labels, predicted, workers)
