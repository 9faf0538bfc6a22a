"""A label decoded from the states of every layer, on clusters that the probe has not seen, and against chance.

What is decoded is settled before a state is seen: rows, labels, clusters, folds and permutations. The permuted labels
then run through the identical pipeline, and of each permutation the best layer counts (the maximum statistic of
Westfall & Young 1993), so choosing a layer costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from audit.checks import _probe, _stats
from audit.requests import StateAnswer
from audit.shapes import Bools, Floats
from audit.types import NotAssessed


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is decoded, fixed before a state is seen."""

    rows: tuple[int, ...]
    """Where the data hold them."""
    texts: tuple[str, ...]
    labels: Bools
    clusters: list[str]
    folds: _probe.Folds
    permuted: NDArray[np.bool_]
    """(rows, draws)"""

    @property
    def column(self) -> Floats:
        """The labels as the only column of a matrix."""
        return self.labels[:, None].astype(np.float64)

    @property
    def mixed(self) -> int:
        """How many clusters hold both labels; where any does, rows were permuted within their clusters."""
        held = {(c, bool(y)) for c, y in zip(self.clusters, self.labels, strict=True)}
        return len(held) - len(set(self.clusters))


def task(
    rows: Sequence[int],
    texts: Sequence[str],
    labels: Bools,
    clusters: list[str],
    *,
    folds: int,
    draws: int,
    names: tuple[str, str],
    rng: np.random.Generator,
) -> Task | NotAssessed:
    """Return the task, or why the clusters do not allow it; ``names`` are those of the positive and negative label."""
    per_side = [len({c for c, y in zip(clusters, labels, strict=True) if y == side}) for side in (True, False)]
    if min(per_side) < folds:
        return NotAssessed(
            reason=f"{per_side[0]} clusters hold “{names[0]}” and {per_side[1]} hold “{names[1]}”; "
            f"{folds} folds need at least {folds} of each"
        )
    split = _probe.grouped_folds(clusters, folds)
    if one_sided := _one_sided(split, labels):
        return NotAssessed(
            reason=f"split by cluster into {folds} folds, the rest of {one_sided} of them holds only one of "
            f"“{names[0]}” and “{names[1]}”: a probe could learn nothing there; another number of folds may do"
        )
    return Task(
        rows=tuple(rows),
        texts=tuple(texts),
        labels=labels,
        clusters=clusters,
        folds=split,
        permuted=_stats.block_permutations(labels, clusters, draws, rng),
    )


def _one_sided(folds: _probe.Folds, labels: Bools) -> int:
    """Return for how many folds the other folds hold a single label: there a probe has nothing to learn."""
    held = np.array([[labels[rows].sum(), (~labels[rows]).sum()] for rows in folds.held_out])
    return int(np.count_nonzero(((held.sum(axis=0) - held) == 0).any(axis=1)))


@dataclass(kw_only=True)
class Decoded:
    """Out-of-fold predictions by layer, and the permutation null of one set of states."""

    predictions: dict[int, Floats] = field(default_factory=dict)
    null: Floats | None = None
    """Largest area over the layers, per draw; None where no permutation was run."""

    def best(self, what: Task) -> Floats:
        """Return the prediction of the layer that is best on other folds, row by row."""
        return _probe.chosen_out_of_fold(np.array(list(self.predictions.values())), what.labels, what.folds)


def decode(states: StateAnswer, what: Task, *, with_null: bool) -> Decoded:
    """Probe every layer; one layer is in memory at a time."""
    out = Decoded()
    for layer in states:
        vectors = states[layer]
        labels = np.column_stack([what.column, what.permuted]) if with_null else what.column
        predicted = _probe.predictions(vectors, labels, what.folds)
        out.predictions[layer] = predicted[:, 0].copy()
        if with_null:
            area = _probe.aurocs(what.permuted, predicted[:, 1:])
            out.null = area if out.null is None else np.maximum(out.null, area)
    return out


def text_baselines(what: Task) -> dict[str, Floats]:
    """Return what the same probe reads off the texts themselves, by name."""
    return {
        "character n-grams": _probe.predictions(
            _probe.character_ngrams(what.texts), what.column, what.folds, scaled=False
        )[:, 0],
        "text length": _probe.predictions(_probe.lengths(what.texts), what.column, what.folds)[:, 0],
    }
