"""A probe of the states that stands beside a behavioural finding: it describes, and never decides.

What is read is fixed before a state is seen (a task and a number of permutations). Beside the probe stand what the
text alone gives away, the same architecture with random weights and, of a causal model, the likelihood it gives the
text, all through the same folds.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from audit import shapes
from audit.checks import _probing, _stats
from audit.requests import CannotAnswer, Request, Scores, StateAnswer, States, TextLikelihood
from audit.shapes import Floats
from audit.types import Box, Decision

LEVEL = 0.05
"""Of the permutation test behind the box "decodable"."""

POSITION = "pre_answer"
"""Where states are read: the last token before the answer, when nothing has been said yet."""


class _Picked(Mapping[int, shapes.States]):
    """States of different texts, laid out as the rows of a task; nothing is read before it is asked for."""

    def __init__(self, answer: StateAnswer, rows: np.ndarray) -> None:
        self._answer, self._rows = answer, rows

    def __getitem__(self, layer: int) -> shapes.States:
        states: shapes.States = self._answer[layer][self._rows]
        return states

    def __iter__(self) -> Iterator[int]:
        return iter(self._answer)

    def __len__(self) -> int:
        return len(self._answer)


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """What a probe reads, layer by layer and with the layer chosen on other folds."""

    task: _probing.Task
    by_layer: Mapping[int, Floats]
    """Layer → held-out scores (rows,)."""
    chosen: Floats
    """(rows,): scores of the layer that the other folds chose."""
    p: float
    permutations: int
    beyond: Mapping[str, _stats.Estimate]
    """Baseline → area of the probe minus that of the baseline."""
    not_compared: tuple[str, ...]
    """Why a baseline is missing."""

    def boxes(self, specific: Box, causal: Box) -> tuple[Box, ...]:
        """Return the four boxes; the last two come from whoever examined them."""
        short = [name for name, estimate in self.beyond.items() if _stats.limits(estimate)[0] <= 0]
        said = f"not shown beyond {', '.join(short)}" if short else f"beyond {', '.join(self.beyond)}"
        return (
            Box(
                name="decodable",
                ticked=self.p <= LEVEL,
                evidence=f"p = {self.p:.4f} for the best layer, against {self.permutations} permutations of whole "
                "clusters",
            ),
            Box(name="beyond_text", ticked=not short, evidence="; ".join([said, *self.not_compared])),
            specific,
            causal,
        )


def unexamined(reason: str) -> tuple[Box, ...]:
    """Return four boxes that nobody looked into, and why."""
    evidence = f"not examined: {reason}"
    return (
        Box(name="decodable", ticked=None, evidence=evidence),
        Box(name="beyond_text", ticked=None, evidence=evidence),
        Box(name="specific", ticked=None, evidence=evidence),
        Box(name="causal", ticked=None, evidence=evidence),
    )


def decode(
    texts: Sequence[str],
    task: _probing.Task,
    decision: Decision,
    *,
    permutations: int,
    rng: np.random.Generator,
) -> Generator[Request, Any, Decoded]:
    """Ask for the states just before the answer to ``texts`` (rows,), and read the task's labels off them.

    Raises
    ------
    CannotAnswer
        When the model gives no states.
    CannotProbe
        When the permutations asked for resolve nothing.
    """
    null = _probing.make_null(task, draws=permutations, rng=rng)
    unique = tuple(dict.fromkeys(texts))
    row_of = {text: i for i, text in enumerate(unique)}
    rows = np.array([row_of[text] for text in texts])
    pipeline = _probing.Pipeline(estimators=("logistic",), null=null)
    states = yield States(texts=unique, pool="last")
    found = _probing.sweep(_probing.by_position({POSITION: _Picked(states, rows)}), task, pipeline)
    assert found.decodable is not None
    chosen = found.chosen().scores
    baselines = {
        "character n-grams": _probing.character_ngrams(texts, task),
        "text length": _probing.lengths(texts, task),
    }
    missing: list[str] = []
    try:
        untrained = yield States(texts=unique, pool="last", weights="random")
        plain = _probing.Pipeline(estimators=("logistic",))
        again = _probing.sweep(_probing.by_position({POSITION: _Picked(untrained, rows)}), task, plain)
        baselines["random weights"] = again.chosen().scores
    except CannotAnswer as reason:
        missing.append(f"random weights not compared: {reason}")
    if decision.kind != "classes":
        try:
            likelihood = yield Scores(texts=unique, target=TextLikelihood())
            values = likelihood.values[rows, likelihood.names.index("log_likelihood")]
            baselines["the model's own likelihood"] = _probing.features(values, task)
        except CannotAnswer as reason:
            missing.append(f"the model's own likelihood not compared: {reason}")
    return Decoded(
        task=task,
        by_layer={cell.layer: result.probed["logistic"].scores for cell, result in found.cells.items()},
        chosen=chosen,
        p=found.decodable.p,
        permutations=permutations,
        beyond={name: _probing.area_difference(task, chosen, scores) for name, scores in baselines.items()},
        not_compared=tuple(missing),
    )
