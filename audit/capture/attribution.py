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

Scores are rounded to the model's dtype, so in half precision no number of steps makes the misses vanish. What
rounding alone can cause is measured by shaking the ends and the middle of the path by less than the dtype can tell,
taken off each miss, stated as ``delta_floor``, and never counted as a want of steps.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from audit.capture.baselines import Baseline
from audit.capture.points import Point, Stream, Subject, Value
from audit.shapes import Floats

if TYPE_CHECKING:
    import torch

FIRST_INTERVALS = 8
"""Fewer see too little of a path to notice a spike; more are wasted on the flat ones."""

FLOOR = 0.1
"""Score differences below this (in logits) are judged absolutely: a ratio to nothing means nothing."""

ROUNDINGS = 2.0
"""A difference of two scores is off by at least this many units in the last place of the largest logit."""

COARSE = 1e-5
"""Above this epsilon (half precision) rounding is measured; below it, single precision, it is too small to matter."""

SHAKEN = tuple((alpha, seed) for alpha in (0.0, 0.5, 1.0) for seed in (1, 2))
"""Nodes that are run again, shaken."""

SPREAD = 3.0
"""How many times the largest of six such moves a difference of two scores may be off. Six draws reach 1.3 standard
deviations on average, and a path is held together by dozens of differences, each off by the rounding of two scores."""


@dataclass(frozen=True, kw_only=True)
class Path:
    """Attribution of one text along its path.

    ``values`` holds one signed number per token; ``completeness_delta`` is their sum minus the difference
    of the scores; ``local_error`` the sum of the absolute deltas of the sub-intervals, beyond rounding.
    """

    values: Floats
    score: float
    baseline_score: float
    n_steps: int
    completeness_delta: float
    delta_floor: float
    local_error: float
    converged: bool
    rows: int


Node: TypeAlias = tuple[float, int]
"""A place on the path, from 0 at the baseline input to 1 at the text, and the seed of a shake (0 for none)."""
Walk: TypeAlias = Generator[list[Node], list[Value], Path]
"""Asks for nodes of one path, is sent their values, returns the attribution."""


def integrated_gradients(
    stream: Stream, subjects: Sequence[Subject], *, tolerance: float, max_steps: int, epsilon: float
) -> list[Path]:
    """Attribute the scores of some texts to their tokens, halving intervals until each error is within tolerance.

    ``tolerance`` is relative to the score difference (at least ``FLOOR``); ``epsilon`` is that of the model's
    dtype. When ``max_steps`` nodes do not suffice the result says so: ``converged`` is False, and the caller
    leaves it out. The nodes that all texts want next are run together.
    """
    walks = [_walk(len(s.explained), tolerance=tolerance, max_steps=max_steps, epsilon=epsilon) for s in subjects]
    asked = {at: next(walk) for at, walk in enumerate(walks)}
    paths: dict[int, Path] = {}
    while asked:
        values = iter(
            stream.values([_point(subjects[at], node) for at, nodes in asked.items() for node in nodes], slopes=True)
        )
        answers = {at: [next(values) for _ in nodes] for at, nodes in asked.items()}
        asked = {}
        for at, answer in answers.items():
            try:
                asked[at] = walks[at].send(answer)
            except StopIteration as end:
                paths[at] = end.value
    return [paths[at] for at in range(len(subjects))]


def _point(subject: Subject, node: Node) -> Point:
    alpha, seed = node
    return Point(subject=subject, weights=np.full(len(subject.ids), alpha), jitter=seed)


def _walk(readings: int, *, tolerance: float, max_steps: int, epsilon: float) -> Walk:
    width = 1.0 / FIRST_INTERVALS
    intervals = [(i * width, (i + 1) * width) for i in range(FIRST_INTERVALS)]
    grid = [i * width / 2 for i in range(2 * FIRST_INTERVALS + 1)]
    shaken = list(SHAKEN) if epsilon > COARSE else []
    answers = yield [*((alpha, 0) for alpha in grid), *shaken]
    known = dict(zip(grid, answers, strict=False))
    moves = [abs(v.score - known[a].score) for (a, _), v in zip(shaken, answers[len(grid) :], strict=True)]
    noise = SPREAD * max(moves, default=0.0)
    while True:
        parts = np.array([_simpson(known, a, b) for a, b in intervals])
        rounding = max(noise, ROUNDINGS * epsilon * max(value.size for value in known.values()))
        changes = np.array([known[b].score - known[a].score for a, b in intervals])
        misses = np.maximum(np.abs(parts.sum(axis=1) - changes) - rounding, 0.0)
        error, difference = float(misses.sum()), known[1.0].score - known[0.0].score
        allowed = tolerance * max(abs(difference), FLOOR)
        # An interval within its fair share of the allowance stays as it is.
        split = [i for i, miss in enumerate(misses) if miss > allowed / len(intervals)]
        if error <= allowed or not np.isfinite(error) or len(known) + 2 * len(split) > max_steps:
            break
        intervals = _halved(intervals, split)
        new = sorted({point for a, b in intervals for point in (a, (a + b) / 2, b)} - known.keys())
        known |= zip(new, (yield [(alpha, 0) for alpha in new]), strict=True)
    values: Floats = parts.sum(axis=0)
    delta = float(values.sum() - difference)
    return Path(
        values=values,
        score=known[1.0].score,
        baseline_score=known[0.0].score,
        n_steps=len(known),
        completeness_delta=delta,
        delta_floor=rounding,
        local_error=error,
        converged=bool(error <= allowed and abs(delta) <= max(allowed, rounding)),
        rows=(len(known) + len(shaken)) * readings,
    )


def _simpson(known: dict[float, Value], a: float, b: float) -> Floats:
    start, middle, end = (_slope(known[alpha]) for alpha in (a, (a + b) / 2, b))
    out: Floats = (start + 4 * middle + end) * ((b - a) / 6)
    return out


def _slope(value: Value) -> Floats:
    assert value.slope is not None
    return value.slope


def _halved(intervals: Sequence[tuple[float, float]], split: Sequence[int]) -> list[tuple[float, float]]:
    chosen = set(split)
    out = []
    for i, (a, b) in enumerate(intervals):
        out += [(a, (a + b) / 2), ((a + b) / 2, b)] if i in chosen else [(a, b)]
    return out


def fixed_steps(stream: Stream, subjects: Sequence[Subject], *, n_steps: int) -> list[Path]:
    """Attribute texts with Gauss-Legendre quadrature of ``n_steps`` nodes, as Captum does by default.

    For comparison with other implementations; audits use ``integrated_gradients``.
    """
    x, w = np.polynomial.legendre.leggauss(n_steps)
    alphas = [*((x + 1) / 2).tolist(), 0.0, 1.0]
    found = stream.values([_point(subject, (alpha, 0)) for subject in subjects for alpha in alphas], slopes=True)
    out = []
    for at, subject in enumerate(subjects):
        *nodes, below, above = found[at * len(alphas) : (at + 1) * len(alphas)]
        values = (w / 2) @ np.array([_slope(node) for node in nodes])
        delta = float(values.sum() - (above.score - below.score))
        out.append(
            Path(
                values=values,
                score=above.score,
                baseline_score=below.score,
                n_steps=n_steps,
                completeness_delta=delta,
                delta_floor=0.0,
                local_error=abs(delta),
                converged=True,
                rows=len(alphas) * len(subject.explained),
            )
        )
    return out


def from_nothing(subjects: Sequence[Subject]) -> list[Subject]:
    """Return texts with embeddings of zeros as their baseline input, where a slope is gradient times embedding."""
    import torch

    return [
        replace(
            subject,
            baseline=Baseline(ids=subject.ids, moved=np.ones(len(subject.ids), dtype=bool), vector=torch.zeros(())),
        )
        for subject in subjects
    ]


def epsilon_of(dtype: torch.dtype) -> float:
    """Return the step between 1 and the next number that a dtype can hold."""
    import torch

    return float(torch.finfo(dtype).eps)
