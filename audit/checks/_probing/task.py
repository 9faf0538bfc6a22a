"""What is decoded: labels, clusters and folds, fixed before a state is seen."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from audit.checks._probing.folds import Folds, grouped_folds
from audit.checks._stats.clustering import Labels, chosen, ways
from audit.checks._stats.permutations import block_permutations
from audit.shapes import Bools


@dataclass(frozen=True, kw_only=True)
class Task:
    """Rows with a label to decode, and rows that are only scored.

    Control texts and rows of another data set belong here too: they never train, and each is scored by the
    model that did not see its clusters.
    """

    labels: Bools
    """(rows,), True for the positive class; of rows that do not train it says nothing"""
    clusters: Labels
    folds: Folds
    trained: Bools
    """(rows,), which rows train and are measured"""

    def only(self, trained: Bools) -> Task:
        """Return the task with some of its training rows; folds stay as they are."""
        return replace(self, trained=self.trained & trained)

    def measured_clusters(self) -> Labels:
        """Return the cluster labels of the rows that train and are measured."""
        return chosen(self.clusters, self.trained)

    def permuted(self, draws: int, rng: np.random.Generator) -> Bools:
        """Return the labels of the training rows, permuted over exchangeable blocks: (training rows, draws).

        Of two cluster columns the blocks are those of the one in which the label is constant, else the first.
        """
        labels = self.labels[self.trained]
        columns = self.measured_clusters()
        constant = [i for i, way in enumerate(ways(columns)) if _constant(way.sums(labels), way.sizes)]
        return block_permutations(labels, columns[constant[0] if constant else 0], draws, rng)


def _constant(held: np.ndarray, sizes: np.ndarray) -> bool:
    return bool(np.isin(held / sizes, (0.0, 1.0)).all())


def make_task(
    labels: Bools,
    clusters: Labels | None = None,
    *,
    trained: Bools | None = None,
    folds: int = 5,
    rng: np.random.Generator,
) -> Task:
    """Return a task with folds of whole clusters; without ``clusters`` every row is its own.

    Raises
    ------
    CannotProbe
        As ``grouped_folds`` does.
    """
    labels = np.asarray(labels, dtype=np.bool_)
    shared: Labels = ([str(i) for i in range(len(labels))],) if clusters is None else clusters
    which = np.ones(len(labels), dtype=np.bool_) if trained is None else np.asarray(trained, dtype=np.bool_)
    split = grouped_folds(shared, labels, which, count=folds, rng=rng)
    return Task(labels=labels, clusters=shared, folds=split, trained=which)
