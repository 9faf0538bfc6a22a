"""Integrated gradients with steps spent where the path is steep.

The attribution of token t is the integral of its gradient-times-difference along the straight path from
the baseline input to the text (Sundararajan, Taly & Yan 2017). Each node of the quadrature costs one
forward and one backward row, and gives the model's score there for free. So on every sub-interval the
sum of the attributions can be held against the true change of the score, and only intervals that miss
it are halved. All nodes are reused. The stated error is the sum of the absolute local misses: no
cancellation between them can hide an unresolved spike, which a single completeness delta allows.

The delta is taken at the true end of the path: only embeddings are replaced, so whatever the model derives
from token ids stays the text's. (Captum's own delta compares with a run on other ids and never vanishes for
RoBERTa-like models and decoder classifiers.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from audit.capture.contrasts import Logits2Score, logits, repeated
from audit.capture.model import LoadedModel
from audit.capture.tokens import Padded, TokenIds, pad
from audit.shapes import Floats

if TYPE_CHECKING:
    pass

FIRST_INTERVALS = 8
"""Fewer see too little of a path to notice a spike; more are wasted on the flat ones."""

FLOOR = 0.1
"""Score differences below this (in logits) are judged absolutely: a ratio to nothing means nothing."""


@dataclass(frozen=True, kw_only=True)
class Path:
    """Attribution of one text along its path.

    ``values`` holds one signed number per token; ``completeness_delta`` is their sum minus the difference
    of the scores; ``local_error`` the sum of the absolute deltas of the sub-intervals.
    """

    values: Floats
    score: float
    baseline_score: float
    n_steps: int
    completeness_delta: float
    local_error: float
    converged: bool
    rows: int


class _Nodes:
    """Per-token slopes and scores at points of one text's path, computed once each."""

    def __init__(
        self, loaded: LoadedModel, score: Logits2Score, ids: TokenIds, baseline: TokenIds, budget: int
    ) -> None:
        import torch

        self._loaded, self._score = loaded, score
        self._batch = pad(loaded, [ids])
        with torch.no_grad():
            embed = loaded.parts.embeddings
            start = embed(torch.from_numpy(baseline.astype(np.int64))[None].to(self._batch.ids.device))
            self._dtype = start.dtype
            # Interpolated and contracted in single precision whatever the model computes in.
            self._start = start.float()
            self._way = embed(self._batch.ids).float() - self._start
        self._most = max(1, budget // len(ids))
        self.rows = 0

    def at(self, alphas: Sequence[float]) -> tuple[Floats, Floats]:
        """Return slopes (points, tokens) and scores (points,) at ``alphas``."""
        slopes, scores = [], []
        for first in range(0, len(alphas), self._most):
            part = alphas[first : first + self._most]
            slope, score = self._pass(part)
            slopes.append(slope)
            scores.append(score)
        return np.concatenate(slopes), np.concatenate(scores)

    def _pass(self, alphas: Sequence[float]) -> tuple[Floats, Floats]:
        import torch

        batch = repeated(self._batch, len(alphas))
        weight = torch.tensor(alphas, dtype=torch.float32, device=self._way.device)[:, None, None]
        with torch.enable_grad():
            point = (self._start + weight * self._way).to(self._dtype).requires_grad_()
            score = self._score(logits(self._loaded, batch, point))
            # The sum, not one backward call per row: rows do not influence each other.
            (gradient,) = torch.autograd.grad(score.sum(), point)
        self.rows += len(alphas)
        # Contracted over the width on the device: only one number per token travels.
        slope = (gradient.float() * self._way).sum(-1)
        return slope.double().cpu().numpy(), score.detach().double().cpu().numpy()


def integrated_gradients(
    loaded: LoadedModel,
    score: Logits2Score,
    ids: TokenIds,
    baseline: TokenIds,
    *,
    tolerance: float,
    max_steps: int,
    budget: int,
) -> Path:
    """Attribute ``score`` of one text to its tokens, halving intervals until the error is within tolerance.

    ``tolerance`` is relative to the score difference (at least ``FLOOR``). When ``max_steps`` nodes do not
    suffice the result says so: ``converged`` is False, and the caller leaves it out.
    """
    nodes = _Nodes(loaded, score, ids, baseline, budget)
    width = 1.0 / FIRST_INTERVALS
    grid = [i * width / 2 for i in range(2 * FIRST_INTERVALS + 1)]
    slopes, scores = nodes.at(grid)
    known = {alpha: (slopes[i], float(scores[i])) for i, alpha in enumerate(grid)}
    intervals = [(i * width, (i + 1) * width) for i in range(FIRST_INTERVALS)]
    difference = known[1.0][1] - known[0.0][1]
    allowed = tolerance * max(abs(difference), FLOOR)
    while True:
        parts = [_simpson(known, a, b) for a, b in intervals]
        misses = np.array(
            [abs(part.sum() - (known[b][1] - known[a][1])) for part, (a, b) in zip(parts, intervals, strict=True)]
        )
        error = float(misses.sum())
        # An interval within its fair share of the allowance stays as it is.
        split = [i for i, miss in enumerate(misses) if miss > allowed / len(intervals)]
        if error <= allowed or not np.isfinite(error) or len(known) + 2 * len(split) > max_steps:
            break
        intervals = _halved(intervals, split)
        new = sorted({point for a, b in intervals for point in (a, (a + b) / 2, b)} - known.keys())
        slopes, scores = nodes.at(new)
        known |= {alpha: (slopes[i], float(scores[i])) for i, alpha in enumerate(new)}
    values = np.sum(parts, axis=0)
    return Path(
        values=values,
        score=known[1.0][1],
        baseline_score=known[0.0][1],
        n_steps=len(known),
        completeness_delta=float(values.sum() - difference),
        local_error=error,
        converged=bool(error <= allowed),
        rows=nodes.rows,
    )


def _simpson(known: dict[float, tuple[Floats, float]], a: float, b: float) -> Floats:
    middle = (a + b) / 2
    out: Floats = (known[a][0] + 4 * known[middle][0] + known[b][0]) * ((b - a) / 6)
    return out


def _halved(intervals: Sequence[tuple[float, float]], split: Sequence[int]) -> list[tuple[float, float]]:
    chosen = set(split)
    out = []
    for i, (a, b) in enumerate(intervals):
        out += [(a, (a + b) / 2), ((a + b) / 2, b)] if i in chosen else [(a, b)]
    return out


def fixed_steps(
    loaded: LoadedModel,
    score: Logits2Score,
    rows: Sequence[TokenIds],
    baselines: Sequence[TokenIds],
    *,
    n_steps: int,
    budget: int,
) -> list[Path]:
    """Attribute texts with Gauss-Legendre quadrature of ``n_steps`` nodes, as Captum does by default.

    For comparison with other implementations; audits use ``integrated_gradients``.
    """
    x, w = np.polynomial.legendre.leggauss(n_steps)
    alphas = [*((x + 1) / 2).tolist(), 0.0, 1.0]
    out = []
    for ids, baseline in zip(rows, baselines, strict=True):
        nodes = _Nodes(loaded, score, ids, baseline, budget)
        slopes, scores = nodes.at(alphas)
        values = (w / 2) @ slopes[:n_steps]
        delta = float(values.sum() - (scores[-1] - scores[-2]))
        out.append(
            Path(
                values=values,
                score=float(scores[-1]),
                baseline_score=float(scores[-2]),
                n_steps=n_steps,
                completeness_delta=delta,
                local_error=abs(delta),
                converged=True,
                rows=nodes.rows,
            )
        )
    return out


def replaced_scores(
    loaded: LoadedModel,
    score: Logits2Score,
    ids: TokenIds,
    baseline: TokenIds,
    positions: Sequence[Sequence[int]],
    *,
    budget: int,
) -> tuple[Floats, int]:
    """Return the score with each set of positions taken from the baseline input, and the rows it cost.

    The empty set is the text itself.
    """
    import torch

    variants = np.tile(ids.astype(np.int64), (len(positions), 1))
    for row, replaced in enumerate(positions):
        chosen = list(replaced)
        variants[row, chosen] = baseline[chosen]
    # The same input is run once, however many sets lead to it.
    distinct, back = np.unique(variants, axis=0, return_inverse=True)
    single = pad(loaded, [ids])
    most = max(1, budget // len(ids))
    scores = []
    with torch.inference_mode():
        for first in range(0, len(distinct), most):
            part = torch.from_numpy(distinct[first : first + most]).to(single.ids.device)
            like = repeated(single, len(part))
            batch = Padded(ids=part, mask=like.mask, lengths=like.lengths)
            scores.append(score(logits(loaded, batch)).double().cpu().numpy())
    return np.concatenate(scores)[back.reshape(-1)], len(distinct)
