"""Every layer at every position, one at a time: the whole curve, and the cell that other folds would choose.

The best cell of a sweep is flattered by the choice: with 50 noise rows per class, the best of 32 layers averages
an area of .60. So two things stand beside the curve. The corrected p-value compares the best cell with the best
cell of every permutation. And the honest score of a row comes from the cell that was best on the inner folds of
that row's outer fold, which hold neither the row nor anything of its cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np

from audit import shapes
from audit.checks._probing.cells import CellResult, Estimator, Pipeline, probe
from audit.checks._probing.designs import Vectors
from audit.checks._probing.folds import CannotProbe
from audit.checks._probing.task import Task
from audit.checks._probing.workers import workers
from audit.checks._stats.estimates import Estimate
from audit.checks._stats.permutations import permutation_p
from audit.checks._stats.roc import clustered_auroc, clustered_auroc_difference
from audit.requests import StateAnswer
from audit.shapes import Floats


class Cell(NamedTuple):
    """A place in the model where states are read."""

    position: str
    layer: int

    def __str__(self) -> str:
        return f"{self.position}, layer {self.layer}"


class CellStates(Protocol):
    """A lazy mapping from cell to states (rows, width): each access reads one cell."""

    def __getitem__(self, cell: Cell, /) -> shapes.States: ...
    def __iter__(self) -> Iterator[Cell]: ...
    def __len__(self) -> int: ...


Advance: TypeAlias = Callable[[], None]


class _Joined(Mapping[Cell, shapes.States]):
    """State answers of several positions as one mapping; nothing is read before it is asked for."""

    def __init__(self, answers: Mapping[str, StateAnswer]) -> None:
        self._answers = answers
        self._cells = [Cell(position, layer) for position, answer in answers.items() for layer in answer]

    def __getitem__(self, cell: Cell) -> shapes.States:
        return self._answers[cell.position][cell.layer]

    def __iter__(self) -> Iterator[Cell]:
        return iter(self._cells)

    def __len__(self) -> int:
        return len(self._cells)


def by_position(answers: Mapping[str, StateAnswer]) -> CellStates:
    """Return the state answers of each position as one lazy mapping."""
    return _Joined(answers)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Scores of the cell that the inner folds choose."""

    scores: Floats
    """(rows,)"""
    cells: tuple[Cell, ...]
    """The cell chosen for each outer fold."""


@dataclass(frozen=True, kw_only=True)
class Corrected:
    """The null statistic against permutations, corrected for the number of cells by their maximum."""

    p: float
    """Of the best cell."""
    p_of: Mapping[Cell, float]
    """Of each cell, against the same largest values (single-step max-T)."""
    observed: Mapping[Cell, float]
    """Area of the null statistic, per cell."""
    largest: Floats
    """(draws,): largest area over the cells, per permutation."""


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """Held-out scores of every cell; states are not kept."""

    task: Task
    cells: Mapping[Cell, CellResult]
    decodable: Corrected | None

    def area(self, cell: Cell, estimator: Estimator = "logistic") -> Estimate:
        """Return the area of one cell, with an interval that allows for clusters but not for having chosen it."""
        return area(self.task, self.cells[cell].probed[estimator].scores)

    def chosen(self, estimator: Estimator = "logistic") -> Choice:
        """Return, for each row, the score of the cell that did best on the inner folds of its fold."""
        cells = list(self.cells)
        inner = np.array([self.cells[cell].probed[estimator].inner_area for cell in cells])
        best = [cells[i] for i in np.argmax(inner, axis=0)]
        scores = np.empty(len(self.task.labels))
        for fold, cell in enumerate(best):
            held = self.task.folds.held(fold)
            scores[held] = self.cells[cell].probed[estimator].scores[held]
        return Choice(scores=scores, cells=tuple(best))

    def best(self, estimator: Estimator = "logistic") -> Cell:
        """Return the cell with the best mean inner area: where a direction is taken, never what is reported of it."""
        return max(self.cells, key=lambda cell: float(self.cells[cell].probed[estimator].inner_area.mean()))


def sweep(states: CellStates, task: Task, pipeline: Pipeline, *, advance: Advance | None = None) -> Sweep:
    """Probe every cell; one cell's states are in memory at a time.

    Raises
    ------
    CannotProbe
        When there is no cell, or a cell holds another number of rows than the task.
    """
    if len(states) == 0:
        raise CannotProbe("no layer and no position was given to probe")
    found: dict[Cell, CellResult] = {}
    with workers() as pool:
        for cell in states:
            vectors = states[cell]
            if len(vectors) != len(task.labels):
                raise CannotProbe(f"{cell}: {len(vectors)} states for {len(task.labels)} rows")
            found[cell] = probe(Vectors(vectors, task), task, pipeline, pool)
            if advance is not None:
                advance()
    return Sweep(task=task, cells=found, decodable=None if pipeline.null is None else _corrected(found))


def _corrected(found: Mapping[Cell, CellResult]) -> Corrected:
    areas = {cell: result.null for cell, result in found.items() if result.null is not None}
    largest = np.max([area[1:] for area in areas.values()], axis=0)
    observed = {cell: float(area[0]) for cell, area in areas.items()}
    p_of = {cell: permutation_p(value, largest) for cell, value in observed.items()}
    return Corrected(p=min(p_of.values()), p_of=p_of, observed=observed, largest=largest)


# ---- areas of a task's scores ---------------------------------------------------------------------


def area(task: Task, scores: Floats) -> Estimate:
    """Return the area under the ROC curve of the measured rows, with an interval that allows for clusters."""
    return clustered_auroc(task.labels[task.trained], scores[task.trained], task.measured_clusters())


def area_difference(task: Task, scores: Floats, baseline: Floats) -> Estimate:
    """Return the area of ``scores`` minus that of ``baseline`` on the same rows, their correlation allowed for."""
    rows = task.trained
    return clustered_auroc_difference(task.labels[rows], scores[rows], baseline[rows], task.measured_clusters())
