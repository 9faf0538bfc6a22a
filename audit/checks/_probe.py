"""Linear probes: how well a label can be read off a set of vectors, out of fold.

A probe here is a ridge regression on the label, cross-validated over whole clusters (a name never stands on
both sides). Its out-of-fold predictions are a linear function of the labels, so a thousand permutations of
the labels run through the identical pipeline as one matrix product. The regularisation is fixed before any
label is seen, and so are the folds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.shapes import Bools, Floats

PENALTY = 1.0
"""Ridge penalty relative to the mean squared length of a training row: the kernel with unit diagonal and
a penalty of one. Fixed, so that no label tunes it."""

DRAWS_AT_ONCE = 200
"""Permutations multiplied at a time: bounds memory at rows × this many numbers."""


@dataclass(frozen=True, kw_only=True)
class Folds:
    """Held-out rows of each fold; whole clusters stay together."""

    held_out: tuple[NDArray[np.intp], ...]
    rows: int


def grouped_folds(clusters: Sequence[str], folds: int) -> Folds:
    """Split rows into folds of whole clusters, as even as scikit-learn's ``GroupKFold`` makes them.

    The split does not look at the labels: permuted labels run through the same folds.

    Raises
    ------
    ValueError
        When there are fewer clusters than folds.
    """
    from sklearn.model_selection import GroupKFold

    index = np.arange(len(clusters))
    split = GroupKFold(n_splits=folds).split(index, groups=np.asarray(clusters))
    return Folds(held_out=tuple(test for _, test in split), rows=len(clusters))


def predictions(vectors: NDArray[np.floating], labels: Floats, folds: Folds, *, scaled: bool = True) -> Floats:
    """Return out-of-fold predictions of one or many label vectors.

    Parameters
    ----------
    vectors
        (rows, width)
    labels
        (rows, draws), numbers such as 0 and 1
    scaled
        Whether each column is brought to unit variance; not for factors of a kernel, whose scale counts.

    Returns
    -------
    Floats
        (rows, draws): the predicted label, relative to the training mean.
    """
    out = np.empty_like(labels, dtype=np.float64)
    for held in folds.held_out:
        train = np.setdiff1d(np.arange(folds.rows), held, assume_unique=True)
        fit, test = _standardised(vectors, train, held, scaled=scaled)
        hat = _hat(fit, test)
        for part in _parts(labels.shape[1]):
            y = labels[train][:, part]
            out[np.ix_(held, np.arange(labels.shape[1])[part])] = hat @ (y - y.mean(axis=0))
    return out


def _standardised(
    vectors: NDArray[np.floating], train: NDArray[np.intp], held: NDArray[np.intp], *, scaled: bool
) -> tuple[Floats, Floats]:
    """Centre and scale by the training rows; a constant column becomes zero."""
    fit = vectors[train].astype(np.float64)
    centre, spread = fit.mean(axis=0), fit.std(axis=0)
    spread = np.where(spread < 1e-12, np.inf, spread) if scaled else np.ones_like(spread)
    return (fit - centre) / spread, (vectors[held].astype(np.float64) - centre) / spread


def _hat(fit: Floats, test: Floats) -> Floats:
    """Return the matrix that turns training labels into test predictions, in the smaller of the two spaces."""
    rows, width = fit.shape
    penalty = PENALTY * float((fit**2).sum(axis=1).mean()) or 1.0
    if rows <= width:
        return np.asarray(np.linalg.solve(fit @ fit.T + penalty * np.eye(rows), fit @ test.T).T, dtype=np.float64)
    covariance = fit.T @ fit + penalty * np.eye(width)
    return np.asarray(test @ np.linalg.solve(covariance, fit.T), dtype=np.float64)


def _parts(draws: int) -> Iterator[slice]:
    for start in range(0, draws, DRAWS_AT_ONCE):
        yield slice(start, min(start + DRAWS_AT_ONCE, draws))


def aurocs(labels: NDArray[np.bool_], scores: Floats) -> Floats:
    """Return the area under the ROC curve of each column: (rows, draws) → (draws,). Ties count half.

    ``labels`` has one column per draw, or a single one for all.
    """
    from scipy.stats import rankdata

    ranks = rankdata(scores, axis=0)
    positive = labels.sum(axis=0)
    negative = labels.shape[0] - positive
    area: Floats = ((ranks * labels).sum(axis=0) - positive * (positive + 1) / 2) / (positive * negative)
    return area


def chosen_out_of_fold(per_layer: Floats, labels: Bools, folds: Folds) -> Floats:
    """Return, for each row, the prediction of the layer that did best on all *other* folds.

    Reporting the best layer on the rows that chose it flatters it; this does not. (layers, rows) → (rows,)
    """
    out = np.empty(per_layer.shape[1])
    for held in folds.held_out:
        rest = np.setdiff1d(np.arange(folds.rows), held, assume_unique=True)
        skill = aurocs(labels[rest][:, None], per_layer[:, rest].T)
        out[held] = per_layer[int(np.argmax(skill)), held]
    return out


# ---- text-only baselines -------------------------------------------------------------------------


def character_ngrams(texts: Sequence[str]) -> Floats:
    """Return text vectors of weighted character n-grams, compressed without loss to (rows, rows).

    The probe only sees inner products, so any factor of the kernel serves; the eigen-decomposition of the
    kernel gives one. Computed over all texts, labels unseen.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    weighted = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True).fit_transform(texts)
    kernel = (weighted @ weighted.T).toarray()
    values, vectors = np.linalg.eigh(kernel)
    kept = values > 1e-9 * values[-1]
    factor: Floats = vectors[:, kept] * np.sqrt(values[kept])
    return factor


def lengths(texts: Sequence[str]) -> Floats:
    """Return the numbers of characters and words of each text: (rows, 2)."""
    return np.array([[len(t), len(t.split())] for t in texts], dtype=np.float64)
