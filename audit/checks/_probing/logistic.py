"""L2-penalised logistic regression, exactly scikit-learn's objective, in the smaller of two spaces.

Minimised is ½‖w‖² + C Σ log(1 + exp(-s f)), f = w·x + b, s = ±1, with b free of penalty. With fewer rows than
columns w is a combination of the rows, so everything happens between rows: their inner products are all that
is needed, whatever the width. Newton's method with step halving; the fit at one C starts from the one before.

References
----------
Rasmussen & Williams (2006), Gaussian Processes for Machine Learning, algorithm 3.1 (the symmetric system in the
row space). Zhu & Hastie (2004), Biostatistics 5:427.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.linalg import lapack
from scipy.special import expit

from audit.shapes import Bools, Floats

TOLERANCE = 1e-3
"""A full Newton step that moves no log-odds by more than this (or this share of their range, if that is below 1) is
the last. The slope p(1 - p) changes by at most a factor of exp(step) meanwhile, so the error left is the step's square:
a millionth."""

ROUNDING = 1e-10
"""Steps of log-odds below this are rounding, whatever their range."""

MOST_STEPS = 100
MOST_HALVINGS = 40


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A solution: row weights (in the row space) or column weights, and the intercept."""

    weights: Floats
    intercept: float


class _Space(Protocol):
    """Where Newton's steps are computed."""

    def step(self, slope: Floats, pull: Floats, margin: Floats, penalty: float) -> tuple[Floats, float]:
        """Return weights and intercept of the minimum of the local quadratic model.

        ``slope`` is p(1 - p), ``pull`` is y - p, ``margin`` is f.
        """

    def margin(self, weights: Floats) -> Floats:
        """Return w·x of the training rows."""

    def squared_norm(self, weights: Floats, margin: Floats) -> float:
        """Return ‖w‖²."""

    @property
    def size(self) -> int:
        """Number of weights."""


class RowSpace:
    """Inner products of the training rows: (rows, rows)."""

    def __init__(self, gram: Floats) -> None:
        self._gram = np.ascontiguousarray(gram)

    @property
    def size(self) -> int:
        """Number of training rows."""
        return len(self._gram)

    def margin(self, weights: Floats) -> Floats:
        """Return w·x of the training rows."""
        out: Floats = self._gram @ weights
        return out

    def squared_norm(self, weights: Floats, margin: Floats) -> float:
        """Return ‖w‖²."""
        return float(weights @ margin)

    def step(self, slope: Floats, pull: Floats, margin: Floats, penalty: float) -> tuple[Floats, float]:
        """Solve (K + (C S)⁻¹) a + b = f + pull / slope with Σ a = 0, through I + √(CS) K √(CS)."""
        root = np.sqrt(penalty * slope)
        system = self._gram * root
        system *= root[:, None]
        system.flat[:: len(root) + 1] += 1
        # pull / √slope stays small where the slope vanishes on the right side: the slope is |pull| (1 - |pull|).
        target = root * margin + np.sqrt(penalty) * pull / np.sqrt(slope)
        solved = root[:, None] * _solve(system, np.stack([target, root], axis=1))
        intercept = float(solved[:, 0].sum() / solved[:, 1].sum())
        return solved[:, 0] - intercept * solved[:, 1], intercept


class ColumnSpace:
    """Training rows as they are: (rows, columns)."""

    def __init__(self, vectors: Floats) -> None:
        self._vectors = vectors

    @property
    def size(self) -> int:
        """Number of columns."""
        return int(self._vectors.shape[1])

    def margin(self, weights: Floats) -> Floats:
        """Return w·x of the training rows."""
        out: Floats = self._vectors @ weights
        return out

    def squared_norm(self, weights: Floats, margin: Floats) -> float:  # noqa: ARG002 - the row space needs it
        """Return ‖w‖²."""
        return float(weights @ weights)

    def step(self, slope: Floats, pull: Floats, margin: Floats, penalty: float) -> tuple[Floats, float]:
        """Solve the normal equations of the reweighted least squares, the intercept as a last column."""
        width = self.size
        scaled = self._vectors * np.sqrt(slope)[:, None]
        system = np.empty((width + 1, width + 1))
        system[:width, :width] = scaled.T @ scaled
        system.flat[: width * (width + 1) : width + 2] += 1 / penalty
        system[width, :width] = system[:width, width] = slope @ self._vectors
        system[width, width] = slope.sum()
        target = slope * margin + pull
        solved = _solve(system, np.append(target @ self._vectors, target.sum())[:, None])[:, 0]
        return solved[:-1], float(solved[-1])


def path(space: _Space, labels: Bools, penalties: Sequence[float]) -> Iterator[Fit]:
    """Yield the fit at each C, which should ascend: the next one starts where the last one ended.

    Raises
    ------
    ArithmeticError
        When Newton's method does not settle, which a convex problem of finite numbers never shows.
    """
    sign = np.where(labels, 1.0, -1.0)
    share = float(np.mean(labels))
    weights, margin, intercept = np.zeros(space.size), np.zeros(len(labels)), float(np.log(share / (1 - share)))
    for penalty in penalties:
        for _ in range(MOST_STEPS):
            weights, margin, intercept, settled = _improve(space, sign, penalty, weights, margin, intercept)
            if settled:
                break
        else:
            raise ArithmeticError(f"logistic regression at C = {penalty:g} did not settle in {MOST_STEPS} steps")
        yield Fit(weights=weights, intercept=intercept)


def _improve(
    space: _Space, sign: Floats, penalty: float, weights: Floats, margin: Floats, intercept: float
) -> tuple[Floats, Floats, float, bool]:
    """Take one Newton step, halved until the objective does not rise; say whether it was a full and tiny one."""
    total = margin + intercept
    wrong = expit(-sign * total)
    slope = np.maximum(wrong * expit(sign * total), np.finfo(np.float64).tiny)
    aim, aim_intercept = space.step(slope, sign * wrong, total, penalty)
    aim_margin = space.margin(aim)
    moved = float(np.abs(aim_margin + aim_intercept - total).max())
    if moved <= max(TOLERANCE * min(1.0, float(np.abs(aim_margin).max())), ROUNDING):
        return aim, aim_margin, aim_intercept, True
    before = _objective(space, sign, penalty, weights, margin, intercept)
    part = 1.0
    for _ in range(MOST_HALVINGS):
        tried = (
            weights + part * (aim - weights),
            margin + part * (aim_margin - margin),
            intercept + part * (aim_intercept - intercept),
        )
        if _objective(space, sign, penalty, *tried) <= before:
            return *tried, False
        part /= 2
    raise ArithmeticError("a Newton step did not lower the objective of a logistic regression")


def _objective(space: _Space, sign: Floats, penalty: float, weights: Floats, margin: Floats, intercept: float) -> float:
    return log_loss(sign, margin + intercept) * penalty + space.squared_norm(weights, margin) / 2


def log_loss(sign: Floats, margin: Floats) -> float:
    """Return Σ log(1 + exp(-s f))."""
    return float(np.logaddexp(0.0, -sign * margin).sum())


def _solve(system: Floats, right: Floats) -> Floats:
    """Solve a symmetric positive definite system, overwriting it."""
    # The transpose of a C-ordered symmetric matrix is itself in LAPACK's order: no copy.
    factor, failed = lapack.dpotrf(system.T, lower=1, overwrite_a=1, clean=0)
    if failed:
        raise ArithmeticError("the system of a logistic regression is not positive definite")
    solved, _ = lapack.dpotrs(factor, np.asfortranarray(right), lower=1, overwrite_b=1)
    out: Floats = solved
    return out
