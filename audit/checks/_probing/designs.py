"""Vectors standardised by one set of training rows, in the smaller of two spaces.

With fewer rows than columns only inner products are kept, (rows, rows): n = 1,000 rows of width 4,096 take 8 MB
instead of 33. Standardisation is that of the training rows alone, so nothing of a held-out row shapes its score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from audit import shapes
from audit.checks._probing.logistic import ColumnSpace, Fit, RowSpace, path
from audit.checks._probing.task import Task
from audit.shapes import Bools, Floats

CONSTANT = 1e-12
"""A column whose variance among the training rows is below this share of its mean square is constant there."""

COLUMNS_AT_ONCE = 1024
"""Columns scaled and multiplied at a time: the scaled copy stays small enough for the processor's cache."""

ROWS_PER_COLUMN = 1.5
"""Up to so many rows per column a Newton step costs less between rows (a third of rows³) than between columns (rows ×
columns² and a third of columns³)."""

RIDGE = 1.0
"""Ridge penalty of the null statistic, relative to the mean squared length of a training row; no label tunes it."""


class Design(Protocol):
    """Standardised vectors of all rows, as seen from one set of training rows.

    Scores are w·x, centred at the mean of the training rows and without the intercept: an intercept follows
    the share of positives in training, which is low just where the held-out share is high, and would pull a
    pooled area below one half on noise.
    """

    @property
    def train(self) -> Bools:
        """Return which rows train: (rows,)."""

    def logistic(self, labels: Bools, penalties: Sequence[float]) -> list[tuple[Fit, Floats]]:
        """Return the fit and the scores (rows,) at each C, ascending; ``labels`` of all rows."""

    def difference(self, labels: Floats, rows: Bools) -> Floats:
        """Return scores of ``rows`` along the difference of class means; (training rows, draws) → (rows, draws)."""

    def ridge(self, labels: Floats, rows: Bools) -> Floats:
        """Return ridge predictions of the label, from its training mean: (training rows, draws) → (rows, draws)."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """A design in the row space: inner products of all rows, centred at the training mean."""

    gram: Floats
    train: Bools

    def logistic(self, labels: Bools, penalties: Sequence[float]) -> list[tuple[Fit, Floats]]:
        """Return the fit and the scores at each C; the weights are those of the training rows."""
        across = self.gram[:, self.train]
        fits = path(RowSpace(across[self.train]), labels[self.train], penalties)
        return [(fit, across @ fit.weights) for fit in fits]

    def difference(self, labels: Floats, rows: Bools) -> Floats:
        """Return scores along the difference of class means."""
        out: Floats = self.gram[np.ix_(rows, self.train)] @ contrast(labels)
        return out

    def ridge(self, labels: Floats, rows: Bools) -> Floats:
        """Return ridge predictions."""
        from scipy.linalg import cho_factor, cho_solve

        system = self.gram[np.ix_(self.train, self.train)]
        system.flat[:: len(system) + 1] += _ridge(float(np.trace(system)), len(system))
        # The rows are fewer than the draws: solving for them leaves one product per permutation.
        across = self.gram[np.ix_(self.train, rows)]
        hat = cho_solve(cho_factor(system, lower=True, check_finite=False), across, check_finite=False)
        out: Floats = hat.T @ (labels - labels.mean(axis=0))
        return out


@dataclass(frozen=True, kw_only=True)
class Columns:
    """A design in the column space: the standardised vectors themselves."""

    vectors: Floats
    train: Bools

    def logistic(self, labels: Bools, penalties: Sequence[float]) -> list[tuple[Fit, Floats]]:
        """Return the fit and the scores at each C; the weights are those of the columns."""
        fits = path(ColumnSpace(self.vectors[self.train]), labels[self.train], penalties)
        return [(fit, self.vectors @ fit.weights) for fit in fits]

    def difference(self, labels: Floats, rows: Bools) -> Floats:
        """Return scores along the difference of class means."""
        out: Floats = self.vectors[rows] @ (self.vectors[self.train].T @ contrast(labels))
        return out

    def ridge(self, labels: Floats, rows: Bools) -> Floats:
        """Return ridge predictions."""
        from scipy.linalg import cho_factor, cho_solve

        fit = self.vectors[self.train]
        system = fit.T @ fit
        system.flat[:: len(system) + 1] += _ridge(float(np.trace(system)), len(fit))
        target = fit.T @ (labels - labels.mean(axis=0))
        out: Floats = self.vectors[rows] @ cho_solve(cho_factor(system, lower=True, check_finite=False), target)
        return out


def contrast(labels: Floats) -> Floats:
    """Return the row weights of mean(positive) - mean(negative), per draw; zero where a class is empty."""
    positive = labels.sum(axis=0)
    negative = len(labels) - positive
    usable = (positive > 0) & (negative > 0)
    out: Floats = np.where(usable, labels / np.maximum(positive, 1) - (1 - labels) / np.maximum(negative, 1), 0.0)
    return out


def _ridge(squared_lengths: float, rows: int) -> float:
    return RIDGE * squared_lengths / rows or 1.0


# ---- where designs come from ---------------------------------------------------------------------


class Source(Protocol):
    """Vectors or inner products from which a design can be made for any training set."""

    def design(self, left_out: tuple[int, ...], *, scaled: bool) -> Design:
        """Return the design of the training rows outside some folds; ``scaled`` to unit variance or only centred."""


class Vectors:
    """States or features of all rows: (rows, width)."""

    def __init__(self, values: shapes.States | Floats, task: Task) -> None:
        self._folds, self._trained = task.folds, task.trained
        values = values.astype(np.float64)
        # Centred once, so that variances from sums and sums of squares keep their digits.
        self.centre: Floats = values[task.trained].mean(axis=0)
        values -= self.centre
        self._values = values
        held = [task.folds.held(i) & task.trained for i in range(task.folds.count)]
        self._rows = np.array([int(rows.sum()) for rows in held])
        self._sums = np.stack([values[rows].sum(axis=0) for rows in held])
        self._squares = np.stack([np.square(values[rows]).sum(axis=0) for rows in held])
        self._by_rows = int(self._rows.sum()) < ROWS_PER_COLUMN * values.shape[1]

    @cached_property
    def _plain(self) -> Floats:
        return _gram(self._values, np.ones(self._values.shape[1]))

    def moments(self, left_out: tuple[int, ...]) -> tuple[Floats, Floats]:
        """Return the mean of the training rows, from ``centre``, and one over their deviation, 0 where constant."""
        kept = np.setdiff1d(np.arange(self._folds.count), left_out)
        rows = self._rows[kept].sum()
        mean, square = self._sums[kept].sum(axis=0) / rows, self._squares[kept].sum(axis=0) / rows
        variance = square - mean**2
        whole = self._squares.sum(axis=0) / self._rows.sum()
        varies = variance > CONSTANT * whole
        return mean, np.where(varies, 1 / np.sqrt(np.where(varies, variance, 1.0)), 0.0)

    def design(self, left_out: tuple[int, ...], *, scaled: bool) -> Design:
        """Return the design of the training rows outside some folds."""
        train = self._trained & ~self._folds.held(*left_out)
        mean, per_deviation = self.moments(left_out)
        scale = per_deviation if scaled else np.ones_like(mean)
        if self._by_rows:
            gram = _gram(self._values, scale) if scaled else self._plain
            return Rows(gram=centred(gram, train), train=train)
        return Columns(vectors=(self._values - mean) * scale, train=train)

    def combination(self, rows: Bools, weights: Floats) -> Floats:
        """Return Σ weights × (row - centre) over some rows: (width,)."""
        out: Floats = weights @ self._values[rows]
        return out


class Kernel:
    """Inner products of all rows, (rows, rows), such as those of weighted n-grams; their scale is their own."""

    def __init__(self, gram: Floats, task: Task) -> None:
        self._gram, self._folds, self._trained = gram, task.folds, task.trained

    def design(self, left_out: tuple[int, ...], *, scaled: bool) -> Design:  # noqa: ARG002 - a kernel has no columns
        """Return the design of the training rows outside some folds."""
        train = self._trained & ~self._folds.held(*left_out)
        return Rows(gram=centred(self._gram, train), train=train)


def centred(gram: Floats, train: Bools) -> Floats:
    """Return inner products of rows from the mean of the training rows."""
    with_mean = gram[:, train].mean(axis=1)
    out: Floats = gram - with_mean
    out -= with_mean[:, None]
    out += with_mean[train].mean()
    return out


def _gram(values: Floats, scale: Floats) -> Floats:
    out = np.zeros((len(values),) * 2)
    for start in range(0, values.shape[1], COLUMNS_AT_ONCE):
        part = values[:, start : start + COLUMNS_AT_ONCE] * scale[start : start + COLUMNS_AT_ONCE]
        out += part @ part.T
    return out
