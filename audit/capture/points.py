"""Runs mixtures of texts and their baseline inputs through the model, packed across texts.

Integrated gradients, input × gradient, ablation and Shapley values all ask the same: what is the score with each
token's embedding somewhere between the text's and the baseline's? Only embeddings are mixed, so whatever the model
derives from token ids stays the text's; an ablation is the mixture with weights of 0 and 1.

Rows of all texts are sorted by length and packed to a token budget, whatever text and method they belong to, so
batches stay full while easy texts finish early.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from audit.capture.baselines import Baseline
from audit.capture.contrasts import Explained, Reading, read
from audit.capture.model import LoadedModel
from audit.capture.tokens import Padded, TokenIds, pad
from audit.requests import CannotAnswer
from audit.shapes import Floats

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """A text with its baseline input, and what is explained of it."""

    ids: TokenIds
    baseline: Baseline
    explained: Explained


@dataclass(frozen=True, kw_only=True, eq=False)
class Point:
    """A mixture of one text with its baseline input."""

    subject: Subject
    weights: Floats
    """Per token of the text: 1 is the text's embedding, 0 the baseline's."""
    jitter: int = 0
    """Seed of a shake by less than the model's dtype can tell, which shows how far rounding moves the score."""


@dataclass(frozen=True, kw_only=True)
class Value:
    """What the model said at a point, or in one of the rows that make it up."""

    score: float
    size: float
    """Of the logits that went into the score: what the model's dtype rounds."""
    slope: Floats | None = None
    """(tokens,): gradient times the way from the baseline's embedding to the text's; None where none was asked."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Row:
    """One sequence of one point."""

    point: Point
    reading: Reading


RunRows: TypeAlias = Callable[[Sequence[Row], bool], list[Value]]
"""Runs one batch of rows, with gradients or without."""


class Stream:
    """Runs points in batches and counts what they cost."""

    def __init__(self, run: RunRows, *, budget: int, most_rows: Callable[[int], int] = lambda _: 512) -> None:
        self._run, self._budget, self._most_rows = run, budget, most_rows
        self.calls = 0
        """Batches: calls of the model."""
        self.rows = 0
        self.tokens = 0
        self.rows_backward = 0
        self.tokens_backward = 0

    def values(self, points: Sequence[Point], *, slopes: bool = False) -> list[Value]:
        """Return the value of each point, its readings summed; slopes cost a backward pass."""
        rows = [(at, Row(point=p, reading=r)) for at, p in enumerate(points) for r in p.subject.explained]
        found: list[list[Value]] = [[] for _ in points]
        for batch in self._packed(rows):
            answers = self._run([row for _, row in batch], slopes)
            for (at, _), value in zip(batch, answers, strict=True):
                found[at].append(value)
            self._count([row for _, row in batch], slopes)
        return [_sum(values) for values in found]

    def _packed(self, rows: Sequence[tuple[int, Row]]) -> Iterator[list[tuple[int, Row]]]:
        """Yield batches of rows, shortest first; the order depends on the points alone."""
        current: list[tuple[int, Row]] = []
        for entry in sorted(rows, key=lambda entry: len(entry[1].reading.ids)):
            reading = entry[1].reading
            full = (len(current) + 1) * len(reading.ids) > self._budget
            if current and (full or len(current) >= self._most_rows(max(1, len(reading.terms)))):
                yield current
                current = []
            current.append(entry)
        if current:
            yield current

    def _count(self, rows: Sequence[Row], slopes: bool) -> None:
        tokens = sum(len(row.reading.ids) for row in rows)
        self.calls += 1
        self.rows += len(rows)
        self.tokens += tokens
        self.rows_backward += len(rows) * slopes
        self.tokens_backward += tokens * slopes


def _sum(values: Sequence[Value]) -> Value:
    if len(values) == 1:
        return values[0]
    slopes = [value.slope for value in values if value.slope is not None]
    return Value(
        score=sum(value.score for value in values),
        size=sum(value.size for value in values),
        slope=np.sum(slopes, axis=0) if slopes else None,
    )


# ---- one batch -----------------------------------------------------------------------------------


def run_rows(loaded: LoadedModel, rows: Sequence[Row], slopes: bool) -> list[Value]:
    """Run one batch.

    Raises
    ------
    CannotAnswer
        When slopes are asked of a model through which no gradient flows.
    """
    import torch

    batch = pad(loaded, [row.reading.ids for row in rows])
    with torch.no_grad() if slopes else torch.inference_mode():
        start, end, dtype = _ends(loaded, batch, rows)
        # Mixed and contracted in single precision whatever the model computes in.
        point = torch.lerp(start, end, _weights(batch, rows)[:, :, None])
        _shake(point, rows, torch.finfo(dtype).eps)
        point = point.to(dtype)
    readings = [row.reading for row in rows]
    if not slopes:
        with torch.inference_mode():
            score, size = read(loaded, batch, readings, point)
        return _values(score, size)
    with torch.enable_grad():
        point.requires_grad_()
        score, size = read(loaded, batch, readings, point)
        gradient = _gradient(score, point)
    # Contracted over the width on the device: only one number per token travels.
    slope = (gradient.float() * (end - start)).sum(-1).double().cpu().numpy()
    return _values(score, size, [s[: len(r.point.subject.ids)] for s, r in zip(slope, rows, strict=True)])


def _values(score: torch.Tensor, size: torch.Tensor, slopes: Sequence[Floats] | None = None) -> list[Value]:
    pairs = zip(score.detach().double().tolist(), size.double().tolist(), strict=True)
    return [Value(score=s, size=z, slope=slopes[i] if slopes else None) for i, (s, z) in enumerate(pairs)]


def _ends(loaded: LoadedModel, batch: Padded, rows: Sequence[Row]) -> tuple[torch.Tensor, torch.Tensor, torch.dtype]:
    """Return the embeddings (rows, tokens, width) of the baseline inputs and of the texts in single precision."""
    import torch

    ids = batch.ids.clone()
    for at, row in enumerate(rows):
        replaced = row.point.subject.baseline.ids
        ids[at, : len(replaced)] = torch.from_numpy(replaced.astype(np.int64))
    embed = loaded.parts.embeddings
    end = embed(batch.ids)
    start = embed(ids).float()
    for at, row in enumerate(rows):
        baseline = row.point.subject.baseline
        if baseline.vector is not None:
            start[at, np.flatnonzero(baseline.moved)] = baseline.vector.to(start.device)
    return start, end.float(), end.dtype


def _weights(batch: Padded, rows: Sequence[Row]) -> torch.Tensor:
    import torch

    weights = np.ones(batch.ids.shape, dtype=np.float32)  # tokens of an answer, and padding, stay what they are
    for at, row in enumerate(rows):
        weights[at, : len(row.point.weights)] = row.point.weights
    return torch.from_numpy(weights).to(batch.ids.device)


def _shake(point: torch.Tensor, rows: Sequence[Row], epsilon: float) -> None:
    """Move embeddings by up to half a unit in their last place: what follows is rounded in other ways."""
    import torch

    for at, row in enumerate(rows):
        if row.point.jitter:
            stream = torch.Generator().manual_seed(row.point.jitter)
            share = torch.rand(point.shape[1:], generator=stream).to(point.device) - 0.5
            point[at] *= 1.0 + epsilon * share


def _gradient(score: torch.Tensor, point: torch.Tensor) -> torch.Tensor:
    import torch

    refused = CannotAnswer(
        "this model gives no gradients (as many quantised ones), so neither integrated gradients nor input × gradient "
        "can be had of it; feature ablation and Shapley sampling need none"
    )
    if not score.requires_grad:
        raise refused
    try:
        # The sum, not one backward call per row: rows do not influence each other.
        (gradient,) = torch.autograd.grad(score.sum(), point)
    except NotImplementedError as error:
        raise refused from error
    except RuntimeError as error:
        if "not implemented" in str(error) or "appears to not have been used" in str(error):
            raise refused from error
        raise
    return gradient
