"""What the text alone gives away, through the same folds.

A probe that does not beat these has read the text, not the model. Each baseline returns one held-out score
per row; ``area_difference`` compares it with the probe's. Random weights need nothing here: they are a sweep
over another mapping of states.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from audit.checks._probing.cells import PENALTIES, Pipeline, probe
from audit.checks._probing.designs import Kernel, Source, Vectors
from audit.checks._probing.folds import CannotProbe
from audit.checks._probing.task import Task
from audit.checks._probing.workers import workers
from audit.shapes import Floats

NGRAMS = (1, 4)
"""Lengths of the character n-grams, which do not cross words."""

NGRAM_PENALTIES = (0.1, 1.0, 10.0, 100.0, 1e3, 1e4)
"""C for text vectors of length one, whose inner products are thousands of times smaller than those of states."""


def character_ngrams(texts: Sequence[str], task: Task) -> Floats:
    """Return held-out scores of a logistic regression on weighted character n-grams (scikit-learn's TF-IDF).

    The weights are counted over all texts, labels unseen. The regression only needs inner products, so the
    number of n-grams costs nothing.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    _one_per_row(len(texts), task)
    weighted = TfidfVectorizer(analyzer="char_wb", ngram_range=NGRAMS, sublinear_tf=True).fit_transform(texts)
    return _held_out(Kernel((weighted @ weighted.T).toarray().astype(np.float64), task), task, NGRAM_PENALTIES)


def lengths(texts: Sequence[str], task: Task) -> Floats:
    """Return held-out scores of a logistic regression on the numbers of characters and of words."""
    return features(np.array([[len(t), len(t.split())] for t in texts], dtype=np.float64), task)


def features(vectors: NDArray[np.floating], task: Task) -> Floats:
    """Return held-out scores of a logistic regression on features from elsewhere, (rows, any number).

    Such as an independent encoder's embeddings, or a single column: the model's own likelihood of the text. The
    sign of a column is learnt with the rest.

    Raises
    ------
    CannotProbe
        When there is not one row of features per row of the task, or one of them is not a finite number.
    """
    _one_per_row(len(vectors), task)
    if not np.isfinite(vectors).all():
        raise CannotProbe("features of a baseline hold values that are not numbers")
    columns = vectors.reshape(len(vectors), -1).astype(np.float64)
    return _held_out(Vectors(columns, task), task, PENALTIES)


def _held_out(source: Source, task: Task, penalties: tuple[float, ...]) -> Floats:
    pipeline = Pipeline(estimators=("logistic",), penalties=penalties)
    with workers() as pool:
        return probe(source, task, pipeline, pool).probed["logistic"].scores


def _one_per_row(found: int, task: Task) -> None:
    if found != len(task.labels):
        raise CannotProbe(f"a baseline has {found} rows for {len(task.labels)} rows of the task")
