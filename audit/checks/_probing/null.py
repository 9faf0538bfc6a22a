"""The permutation null: thousands of relabelled data sets through the identical pipeline at once.

The statistic is the pooled held-out area of a ridge regression on the label (or of the difference of means). Its
predictions are linear in the labels, so all permutations of a training set are one matrix product. Its
regularisation is fixed before any label is seen. The observed labels run through it as one more column: what is
compared with the null is the same statistic, not the area of a better tuned probe.

The largest area over all cells is recorded per permutation (Westfall & Young 1993): a p-value made of those is
corrected for having looked at every layer and position.

References
----------
Phipson & Smyth (2010), Statistical Applications in Genetics and Molecular Biology 9:39. Westfall & Young (1993),
Resampling-based multiple testing. Winkler et al. (2014), NeuroImage 92:381 (exchangeable blocks).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from audit.checks._probing.designs import Design
from audit.checks._probing.folds import CannotProbe
from audit.checks._probing.task import Task
from audit.checks._probing.workers import Workers
from audit.checks._stats.permutations import draws_needed
from audit.shapes import Bools, Floats

Statistic: TypeAlias = Literal["ridge", "mean_difference"]

LEVEL = 0.05
"""Level of the box "decodable", which the number of draws must resolve."""

DRAWS_AT_ONCE = 250
"""Columns ranked at a time."""


@dataclass(frozen=True, kw_only=True)
class Null:
    """Permuted labels of the training rows, drawn before a state is seen."""

    statistic: Statistic
    labels: Bools
    """(training rows, 1 + draws); column 0 holds the labels as they are"""

    @property
    def scaled(self) -> bool:
        """Whether the statistic is taken on columns of unit variance."""
        return self.statistic == "ridge"

    def predict(self, design: Design, trained: Bools, rows: Bools) -> Floats:
        """Return predictions of every column for some ``rows``; ``trained`` are those whose labels are held."""
        labels = self.labels[design.train[trained]].astype(np.float64)
        return design.ridge(labels, rows) if self.statistic == "ridge" else design.difference(labels, rows)


def make_null(
    task: Task,
    *,
    draws: int,
    rng: np.random.Generator,
    statistic: Statistic = "ridge",
    comparisons: int = 1,
    level: float = LEVEL,
) -> Null:
    """Draw the permutations.

    ``comparisons`` counts the corrected p-values that are read against ``level`` (one per attribute, not per
    layer: layers and positions are corrected by the maximum).

    Raises
    ------
    CannotProbe
        When ``draws`` cannot resolve so many p-values at ``level``: at least 20 × comparisons / level are needed.
    """
    if draws < (needed := draws_needed(comparisons, level)):
        raise CannotProbe(
            f"{draws} permutations do not resolve {comparisons} corrected p-values at {level:g}; "
            f"at least {needed} are needed"
        )
    return Null(
        statistic=statistic,
        labels=np.column_stack([task.labels[task.trained], task.permuted(draws, rng)]),
    )


def areas(labels: Bools, scores: Floats, workers: Workers) -> Floats:
    """Return the area under the ROC curve of each column: (rows, draws) twice → (draws,). Ties count half."""
    parts = [slice(at, at + DRAWS_AT_ONCE) for at in range(0, labels.shape[1], DRAWS_AT_ONCE)]
    return np.concatenate(workers.each(lambda part: _areas(labels[:, part], scores[:, part]), parts))


def _areas(labels: Bools, scores: Floats) -> Floats:
    by_draw, positive = np.ascontiguousarray(scores.T), np.ascontiguousarray(labels.T)
    order = np.argsort(by_draw, axis=1)
    ordered = np.take_along_axis(by_draw, order, axis=1)
    tied = (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)
    rank_sums = np.take_along_axis(positive, order, axis=1) @ np.arange(1.0, by_draw.shape[1] + 1)
    if tied.any():
        from scipy.stats import rankdata

        rank_sums[tied] = (rankdata(by_draw[tied], axis=1) * positive[tied]).sum(axis=1)
    many = positive.sum(axis=1).astype(np.float64)
    out: Floats = (rank_sums - many * (many + 1) / 2) / (many * (by_draw.shape[1] - many))
    return out
