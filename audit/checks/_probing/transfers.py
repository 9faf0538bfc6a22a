"""Trained on one data set, tested on another: what a probe learnt beyond the set it learnt it on.

Clusters are whole over all sets: where a statement and its negation share a fact, neither is scored by a model
that saw the other. So every cell of the matrix is held out, the diagonal too, and cells can be compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from audit.checks._probing.cells import Estimator, Pipeline
from audit.checks._probing.folds import CannotProbe
from audit.checks._probing.sweeps import Advance, Cell, CellStates, sweep
from audit.checks._probing.task import Task
from audit.checks._stats.clustering import chosen
from audit.checks._stats.estimates import Estimate
from audit.checks._stats.roc import clustered_auroc
from audit.shapes import Floats


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """Areas under the ROC curve, by the set that trained and the set that tested."""

    sets: tuple[str, ...]
    areas: Mapping[tuple[str, str], Estimate]
    cells: Mapping[str, tuple[Cell, ...]]
    """The cell chosen for each outer fold, on the training set's inner folds alone."""
    scores: Mapping[str, Floats]
    """Held-out scores of all rows, by the set that trained."""

    def off_diagonal(self) -> tuple[float, tuple[str, str]]:
        """Return the mean area between different sets, and the pair with the smallest.

        The mean is a description: its cells share rows, and no interval is given for it.
        """
        between = {pair: found.value for pair, found in self.areas.items() if pair[0] != pair[1]}
        return float(np.mean(list(between.values()))), min(between, key=lambda pair: between[pair])


def transfer(
    states: CellStates,
    task: Task,
    sets: Sequence[str],
    pipeline: Pipeline,
    *,
    estimator: Estimator = "logistic",
    advance: Advance | None = None,
) -> Transfer:
    """Train on each data set in turn and score all of them; ``sets`` (rows,) names the set of each row.

    Raises
    ------
    CannotProbe
        When there is a single set, or one lacks a class outside some pair of folds.
    """
    of_row = np.asarray(sets, dtype=object).astype(str)
    names = tuple(dict.fromkeys(of_row[task.trained].tolist()))
    if len(names) < 2:
        raise CannotProbe("one data set: there is none to carry the probe over to")
    pipeline = replace(pipeline, estimators=(estimator,), null=None)
    areas, cells, scores = {}, {}, {}
    for trained_on in names:
        within = task.only(of_row == trained_on)
        _both_classes(within, trained_on)
        choice = sweep(states, within, pipeline, advance=advance).chosen(estimator)
        cells[trained_on], scores[trained_on] = choice.cells, choice.scores
        for tested_on in names:
            rows = task.trained & (of_row == tested_on)
            areas[trained_on, tested_on] = clustered_auroc(
                task.labels[rows], choice.scores[rows], chosen(task.clusters, rows)
            )
    return Transfer(sets=names, areas=areas, cells=cells, scores=scores)


def _both_classes(task: Task, name: str) -> None:
    for left_out in task.folds.training_sets():
        kept = task.labels[task.trained & ~task.folds.held(*left_out)]
        if kept.size == 0 or kept.all() or not kept.any():
            raise CannotProbe(f"data set “{name}” has too few clusters of a class to train on outside every two folds")
