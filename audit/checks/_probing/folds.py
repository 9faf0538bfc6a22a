"""Splits that keep whole clusters together.

Rows of one name, template or fact are near copies. With some of them in training and others held out, a probe
scores what it remembers; so a fold takes whole clusters, and a random split of clustered rows is refused.

The inner folds of nested cross-validation are the other outer folds: the model trained without folds i and j
serves the choice of regularisation both for fold i (validated on j) and for fold j (validated on i). Nothing
chosen for a fold ever saw one of its rows, and k folds cost k(k - 1)/2 inner training sets instead of k(k - 1).

References
----------
Varma & Simon (2006), BMC Bioinformatics 7:91 (why choices are nested).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from audit.checks._stats.clustering import Labels, Way, ways
from audit.shapes import Bools, Ints

FEWEST_FOLDS = 3
"""With two folds nothing is left to choose the regularisation on."""

TRIES = 100
"""Splits drawn before it is said that some training set always lacks a class."""


class CannotProbe(Exception):  # noqa: N818 - named as a check reads it
    """The data do not allow the probe; the message is the reason a report prints (``NotAssessed``)."""


@dataclass(frozen=True, kw_only=True)
class Folds:
    """Which fold holds each row out."""

    of_row: Ints
    """(rows,), 0 to count - 1"""
    count: int
    crossing: bool = False
    """Whether clusters of the second column stand on both sides of folds: fully crossed columns cannot both be kept."""

    def held(self, *folds: int) -> Bools:
        """Return which rows these folds hold out."""
        return np.isin(self.of_row, folds)

    def training_sets(self) -> Iterator[tuple[int, ...]]:
        """Yield what each training set leaves out: every fold, then every pair of folds."""
        yield from ((i,) for i in range(self.count))
        yield from itertools.combinations(range(self.count), 2)


def grouped_folds(
    clusters: Labels, labels: Bools, trained: Bools, *, count: int = 5, rng: np.random.Generator
) -> Folds:
    """Split rows into folds of whole clusters, as even in rows as whole clusters allow.

    Of two cluster columns both are kept whole where their connected parts allow it (rows linked by either
    column stay together); where they are crossed, the first is kept whole and ``crossing`` says so.

    The split does not look at the labels, so permuted labels can run through it; only a split that leaves some
    training set without a class is drawn again.

    Raises
    ------
    CannotProbe
        When there are fewer clusters than folds, in either class, or no split leaves both classes to train on.
    ValueError
        When ``count`` is below three.
    """
    if count < FEWEST_FOLDS:
        raise ValueError(f"{count} folds; nested cross-validation needs at least {FEWEST_FOLDS}")
    way, crossing = _together(clusters, count)
    _enough(way, labels, trained, count)
    for attempt in range(TRIES):
        # Clusters of different sizes have one order by size; when that will not do, any order must.
        of_cluster = _even(way, trained, count, rng, by_size=attempt < TRIES // 2)
        folds = Folds(of_row=of_cluster[way.codes], count=count, crossing=crossing)
        if all(_both(labels[trained & ~folds.held(*left_out)]) for left_out in folds.training_sets()):
            return folds
    raise CannotProbe(
        f"none of {TRIES} splits into {count} folds left both classes to train on: too few clusters hold one of them"
    )


def random_folds(
    labels: Bools,
    trained: Bools,
    *,
    shared: Sequence[str],
    count: int = 5,
    rng: np.random.Generator,
) -> Folds:
    """Split rows that share nothing into folds.

    Raises
    ------
    CannotProbe
        When ``shared`` names cluster columns, and as ``grouped_folds`` does.
    """
    if shared:
        raise CannotProbe(
            f"a random split is refused: rows share {' and '.join(shared)}, and copies would stand on both sides"
        )
    return grouped_folds(([str(i) for i in range(len(labels))],), labels, trained, count=count, rng=rng)


def _both(labels: Bools) -> bool:
    return bool(labels.any() and not labels.all())


def _together(clusters: Labels, count: int) -> tuple[Way, bool]:
    """Return the clusters that stay together, and whether the second column had to be given up."""
    each = ways(clusters)
    if len(each) == 1:
        return each[0], False
    first, second = each
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array(
        (np.ones(len(first.codes)), (first.codes, first.count + second.codes)), shape=(first.count + second.count,) * 2
    )
    parts, part = connected_components(links, directed=False)
    if parts >= 2 * count:
        return Way(codes=part[first.codes].astype(np.int64), count=int(parts)), False
    return first, True


def _enough(way: Way, labels: Bools, trained: Bools, count: int) -> None:
    held = {"positive": trained & labels, "negative": trained & ~labels}
    found = {name: int(np.count_nonzero(way.sums(rows))) for name, rows in held.items()}
    for name, clusters in found.items():
        if clusters == 0:
            raise CannotProbe(f"no row is {name}: the label has one class, and there is nothing to tell apart")
    if min(found.values()) < count:
        raise CannotProbe(
            f"{found['positive']} clusters hold positive rows and {found['negative']} negative ones; "
            f"{count} folds need at least {count} of each"
        )


def _even(way: Way, trained: Bools, count: int, rng: np.random.Generator, *, by_size: bool) -> Ints:
    """Return a fold per cluster, each into the lightest one: in random order, or the largest first."""
    sizes, others = way.sums(trained), way.sums(~trained)
    order = rng.permutation(way.count)
    if by_size:
        order = order[np.lexsort((-others[order], -sizes[order]))]
    load = np.zeros((count, 2))
    out = np.empty(way.count, dtype=np.int64)
    for cluster in order:
        at = int(np.lexsort((load[:, 1], load[:, 0]))[0]) if sizes[cluster] else int(np.argmin(load[:, 1]))
        out[cluster] = at
        load[at] += sizes[cluster], others[cluster]
    return out
