"""Permutation tests over exchangeable blocks.

Rows of one name or one template are not exchangeable with those of another, so what is shuffled are whole
blocks. A permuted data set must run through the identical pipeline, every choice included (layer, position),
and the test statistic is what was chosen: then the p-value is corrected for the choosing.

References
----------
Phipson & Smyth (2010), Statistical Applications in Genetics and Molecular Biology 9:39 (never p = 0).
Winkler et al. (2015), NeuroImage 123:253 (exchangeability blocks).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from audit.shapes import Bools, Floats
from audit.types import ALPHA

DRAWS_PER_CLAIM = 20
"""Draws per comparison and unit of alpha: at the level itself, 20 draws of the null lie beyond."""


def permutation_p(observed: float, null: Floats) -> float:
    """Return the chance of a value at least as large under the null; the observed one counts among the draws."""
    return float((1 + np.count_nonzero(null >= observed)) / (len(null) + 1))


def block_permutations(labels: Bools, blocks: Sequence[str], draws: int, rng: np.random.Generator) -> Bools:
    """Return ``labels`` permuted, one column per draw: (rows, draws).

    Where every block has one label (a name is male or female in all its rows), whole blocks exchange
    their labels: assumed is that under the null the label says nothing about the block, its size included.
    Where some block holds both labels, rows exchange theirs within their block and never across: assumed is
    that under the null a block's rows are alike but for their order; blocks with one label stay as they are.
    """
    labels = np.asarray(labels, dtype=np.bool_)
    codes = np.unique(np.asarray(blocks, dtype=object).astype(str), return_inverse=True)[1]
    held = np.bincount(codes, weights=labels)
    sizes = np.bincount(codes)
    if np.isin(held / sizes, (0.0, 1.0)).all():
        per_block = np.tile((held > 0)[:, None], (1, draws))
        return rng.permuted(per_block, axis=0)[codes]
    order = np.argsort(codes, kind="stable")
    out = np.empty((len(labels), draws), dtype=np.bool_)
    for rows in np.split(order, np.cumsum(sizes)[:-1]):
        out[rows] = rng.permuted(np.tile(labels[rows][:, None], (1, draws)), axis=0)
    return out


def draws_needed(comparisons: int, alpha: float = ALPHA) -> int:
    """Return the fewest draws that resolve a p-value at ``alpha`` after correction for ``comparisons``."""
    return math.ceil(DRAWS_PER_CLAIM * comparisons / alpha - 1e-9)
