"""Maps of a model's states that take a concept out of them, as plain linear algebra.

A concept is a class per state (which side of a swap a text stands on). Each map is affine, ``x -> A x + c``, because
what is affine can be folded exactly into the linear map that reads the states. Afterwards the classes have equal means
on the states that the map was fitted on, so that no linear predictor with a convex loss beats a constant there
(Belrose et al. 2023). What a predictor that is not linear can still read is not touched, and of other states nothing is
promised: that is for a measurement on held-out rows.

``mean_shift``  the states' component along the differences of class means is taken away, orthogonally
``leace``       the same, along the directions in which it moves the states least (least-squares concept erasure)
``repaired``    a further map behind one of these, fitted on pairs that differ in the concept alone: it brings
                both sides to where the reference side was. A map of what was erased cannot bring the concept back

Where what reads the states has no bias to hold ``c``, maps are fitted through the origin: the same problem with second
moments in the place of covariances, and ``c`` is zero.

References
----------
Belrose, Schneider-Joseph, Ravfogel, Cotterell, Raff & Biderman (2023), LEACE: perfect linear concept erasure in closed
form, arXiv:2306.03819. Ledoit & Wolf (2004), A well-conditioned estimator for large-dimensional covariance matrices,
Journal of Multivariate Analysis 88:365. Ravfogel et al. (2020), Null it out, arXiv:2004.07667 (erasure by
projection).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from audit.shapes import Floats, Ints

_RESOLUTION = 1e-10
"""Share of the largest variance below which a direction of single-precision states holds rounding alone."""

FEW_PER_DIMENSION = 5
"""States per dimension below which their covariance is shrunk: whitened as it is, it would mostly be noise."""

RIDGES = (1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Strengths of the repair's ridge that are tried, as shares of the mean variance of the erased states."""


@dataclass(frozen=True, kw_only=True, eq=False)
class AffineMap:
    """``x -> A x + c`` on states of one width."""

    matrix: Floats = field(repr=False)
    """A: (width, width)."""
    constant: Floats = field(repr=False)
    """c: (width,)."""
    rank: int
    """Directions that were taken out."""
    ridge: float | None = None
    """The ridge of a repair, as a share of the mean variance; None where nothing was repaired."""

    def __call__(self, states: Floats) -> Floats:
        """Return the mapped states, (rows, width)."""
        mapped: Floats = states @ self.matrix.T + self.constant
        return mapped

    def distance(self, states: Floats) -> float:
        """Return how far states are moved: the root of the mean squared distance."""
        return float(np.sqrt(np.mean(np.square(self(states) - states).sum(axis=1))))


def mean_shift(states: Floats, classes: Ints, *, constant: bool = True) -> AffineMap:
    """Project the class means onto each other: no state keeps a component along their differences.

    ``states`` are (rows, width), ``classes`` a code per row.

    Raises
    ------
    ValueError
        When there are fewer than two classes, or their means do not differ.
    """
    basis = _basis(_differences(states, classes))
    return _about(np.eye(states.shape[1]) - basis @ basis.T, states, basis.shape[1], constant)


def leace(states: Floats, classes: Ints, *, constant: bool = True) -> AffineMap:
    """Erase the class means' differences so that states move least in mean squared distance (LEACE).

    Arguments and errors are those of ``mean_shift``.
    """
    whiten, back = _whitening(states, constant)
    basis = _basis(whiten @ _differences(states, classes))
    return _about(np.eye(states.shape[1]) - back @ basis @ basis.T @ whiten, states, basis.shape[1], constant)


def anchored(cut: AffineMap, at: Floats) -> AffineMap:
    """Return the map with another constant: ``at``, (width,), is what it leaves where it is.

    The classes' means stay equal; they meet here and not halfway.
    """
    return AffineMap(matrix=cut.matrix, constant=at - cut.matrix @ at, rank=cut.rank, ridge=cut.ridge)


def random_like(cut: AffineMap, states: Floats, rng: np.random.Generator, *, constant: bool = True) -> AffineMap:
    """Return a map along random directions, matched with a cut: as large an effect on whitened states.

    The directions are uniform in the whitened space, so they lie where states vary. The effect is the mean squared
    movement there; one direction erased whole has an effect of one. There are as many directions as the cut has, and
    more where its effect is larger than that (it may move the mean as well): none is moved farther than erasing it
    would, because a component turned round is no cut and would make every other cut look gentle.
    """
    whiten, back = _whitening(states, constant)
    effect = float(np.mean(np.square((cut(states) - states) @ whiten.T).sum(axis=1)))
    # Drawn inside of what the states span: a direction in which nothing varies would be no cut.
    inside = whiten @ back
    count = min(max(cut.rank, math.ceil(effect - 1e-9)), round(float(np.trace(inside))))
    drawn = inside @ rng.standard_normal((states.shape[1], count))
    basis = np.linalg.qr(drawn)[0]
    removed = min(1.0, np.sqrt(effect / count)) * (back @ basis @ basis.T @ whiten)
    return _about(np.eye(states.shape[1]) - removed, states, cut.rank, constant)


# ---- repair --------------------------------------------------------------------------------------


def repaired(
    cut: AffineMap,
    states: Floats,
    targets: Floats,
    folds: Sequence[Ints],
    *,
    reads: Floats,
    constant: bool = True,
) -> AffineMap:
    """Return the cut followed by the ridge regression of ``targets`` on the erased states.

    The regression is shrunk towards no repair, so a ridge without end leaves the cut as it was. How strong it is, is
    chosen by the targets of states that were left out: ``folds`` are the row numbers of each part, which share no
    independent unit. ``states`` and ``targets`` are (rows, width). ``reads``, (width, width), is W'W of what reads the
    states: distances from the targets are those that it sees.
    """
    erased = cut(states)
    fits = []
    for left_out in folds:
        kept = np.setdiff1d(np.arange(len(states)), left_out)
        fits.append((_Ridge.of(erased[kept], targets[kept], constant), left_out))
    errors = [sum(_seen(fit.at(ridge)(erased[rows]) - targets[rows], reads) for fit, rows in fits) for ridge in RIDGES]
    if min(errors) >= _seen(erased - targets, reads):
        return cut
    ridge = RIDGES[int(np.argmin(errors))]
    repair = _Ridge.of(erased, targets, constant).at(ridge)
    return AffineMap(
        matrix=repair.matrix @ cut.matrix,
        constant=repair.matrix @ cut.constant + repair.constant,
        rank=cut.rank,
        ridge=ridge,
    )


def _seen(missed: Floats, reads: Floats) -> float:
    """Return the sum of squared distances behind what reads the states."""
    return float(np.sum((missed @ reads) * missed))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Ridge:
    """Ridge regressions of what is missing to the targets, for any strength by one decomposition."""

    vectors: Floats
    values: Floats
    cross: Floats
    middle: Floats
    target: Floats

    @classmethod
    def of(cls, states: Floats, targets: Floats, constant: bool) -> _Ridge:
        width = states.shape[1]
        middle = states.mean(axis=0) if constant else np.zeros(width)
        target = targets.mean(axis=0) if constant else np.zeros(width)
        centred = states - middle
        values, vectors = np.linalg.eigh(centred.T @ centred / len(states))
        missing = (targets - target) - centred
        cross = vectors.T @ (centred.T @ missing / len(states))
        return cls(vectors=vectors, values=values, cross=cross, middle=middle, target=target)

    def at(self, ridge: float) -> AffineMap:
        strength = ridge * float(self.values.mean())
        matrix = np.eye(len(self.values)) + (self.vectors @ (self.cross / (self.values + strength)[:, None])).T
        return AffineMap(matrix=matrix, constant=self.target - matrix @ self.middle, rank=0, ridge=ridge)


# ---- parts of the maps ---------------------------------------------------------------------------


def _differences(states: Floats, classes: Ints) -> Floats:
    """Return each class mean minus the mean of all, weighted by the classes' shares: (width, classes)."""
    codes = np.unique(classes)
    if len(codes) < 2:
        raise ValueError("one class has nothing that tells it from another")
    # A cross-covariance with the classes, so it is about the mean also where maps go through the origin:
    # what has to vanish is what tells classes apart, not where all of them lie.
    middle = states.mean(axis=0)
    columns = [np.mean(classes == code) * (states[classes == code].mean(axis=0) - middle) for code in codes]
    return np.stack(columns, axis=1)


def _basis(directions: Floats) -> Floats:
    """Return an orthonormal basis of what some directions span: (width, rank)."""
    vectors, lengths, _ = np.linalg.svd(directions, full_matrices=False)
    if lengths[0] == 0:
        raise ValueError("the classes have the same mean, so there is no direction between them")
    basis: Floats = vectors[:, lengths > 1e-8 * lengths[0]]
    return basis


def _whitening(states: Floats, constant: bool) -> tuple[Floats, Floats]:
    """Return the matrix that gives states unit covariance, and its pseudo-inverse: both (width, width).

    Through the origin it is the second moment that becomes the unit matrix.
    """
    centred = states - states.mean(axis=0) if constant else states
    moment = centred.T @ centred / len(states)
    if len(states) < FEW_PER_DIMENSION * states.shape[1]:
        from sklearn.covariance import ledoit_wolf_shrinkage

        share = float(ledoit_wolf_shrinkage(centred, assume_centered=True))
        moment = (1 - share) * moment + share * np.trace(moment) / len(moment) * np.eye(len(moment))
    values, vectors = np.linalg.eigh(moment)
    kept = values > _RESOLUTION * values[-1]
    roots, vectors = np.sqrt(values[kept]), vectors[:, kept]
    return (vectors / roots) @ vectors.T, (vectors * roots) @ vectors.T


def _about(matrix: Floats, states: Floats, rank: int, constant: bool) -> AffineMap:
    """Return the map with this matrix that leaves the mean of all states where it is, or the origin."""
    middle = states.mean(axis=0)
    return AffineMap(matrix=matrix, constant=(middle - matrix @ middle) * constant, rank=rank)
