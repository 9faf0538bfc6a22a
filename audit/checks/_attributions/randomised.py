"""Does an attribution change when what the model has learnt is destroyed, part by part from the output down?

If it stays, it shows the text and the architecture, not the model (Adebayo et al. 2018, Sanity checks for saliency
maps). A fall at some stage says little: an attribution may pass late, so the whole curve is shown and the number that
may be judged is that of the last stage, where nothing learnt is left.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from audit.checks import _attributions, _stats
from audit.checks._attributions import Attributed, Explained
from audit.requests import ALL_WEIGHTS, States
from audit.shapes import Bools
from audit.types import Curve, Series

MOST_STAGES = 8
"""Stages that are asked of a deep model, the last one beside them: evenly from the head to the first block."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """How alike the attributions of the audited model and of one with shuffled weights are."""

    randomised: int
    """As in ``Attributions``."""
    label: str
    similarity: _stats.Estimate | None
    """Mean rank correlation of absolute values; None where no text converged under both."""
    left_out: int
    """Texts that did not converge."""


def stages(blocks: int) -> list[int]:
    """Return the stages that are asked of a model with so many blocks, ending with all weights."""
    every = np.arange(1, blocks + 2)
    chosen = every[np.unique(np.linspace(0, blocks, min(MOST_STAGES, blocks + 1)).round().astype(int))]
    return [*chosen.tolist(), ALL_WEIGHTS]


def curve_of(
    main: Attributed,
    rows: Sequence[int],
    explained: Explained,
    counts: Sequence[Bools],
    clusters: tuple[Sequence[str], ...],
) -> Generator[Any, Any, list[Stage]]:
    """Attribute some of the texts again at every stage, and compare.

    Parameters
    ----------
    main
        The attribution that is tested.
    rows
        Which of its texts are attributed again; they must have converged.
    counts, clusters
        For all of its texts: which tokens are ranked, and what texts share.

    Raises
    ------
    CannotAnswer
        When the model's weights cannot be shuffled.
    """
    texts = tuple(explained.texts[i] for i in rows)
    states = yield States(texts=texts[:1], layers="all")
    again = replace(explained, texts=texts).request(main.method, main.baseline_input)
    blocks, out = max(states), []
    for stage in stages(blocks):
        answers = yield replace(again, randomised=stage)
        out.append(_stage(stage, answers, main, rows, counts, clusters))
    return out


def _stage(
    stage: int,
    answers: Sequence[Any],
    main: Attributed,
    rows: Sequence[int],
    counts: Sequence[Bools],
    clusters: tuple[Sequence[str], ...],
) -> Stage:
    kept = [(i, answer) for i, answer in zip(rows, answers, strict=True) if answer.converged]
    values = [
        _attributions.spearman(*(np.abs(a.values[counts[i]]) for a in (main.answers[i], answer)))
        for i, answer in kept
        if int(counts[i].sum()) > 2
    ]
    used = [i for i, _ in kept if int(counts[i].sum()) > 2]
    similarity = None
    if used:
        similarity = _stats.clustered_mean(
            np.array(values), _stats.chosen(clusters, used), reach=2.0, support=(-1.0, 1.0)
        )
    return Stage(randomised=stage, label=_label(stage), similarity=similarity, left_out=len(rows) - len(kept))


def _label(stage: int) -> str:
    if stage == ALL_WEIGHTS:
        return "all weights"
    return "the head" if stage == 1 else f"the head and {stage - 1} block{'s' * (stage > 2)}"


def exhibit(found: Sequence[Stage]) -> Curve:
    """Return the whole curve; the stage of all weights stands behind the last block."""
    shown = [(i, s, s.similarity) for i, s in enumerate(found) if s.similarity is not None]
    limits = [_stats.limits(similarity) for _, _, similarity in shown]
    lost = sum(s.left_out for s in found)
    named = "; ".join(f"{i + 1}: {s.label}" for i, s, _ in shown)
    note = f"Weights are shuffled within their tensors, from the output down. Stage {named}. An attribution may change "
    note += "late without fault; one that is still alike when all weights are shuffled does not show what was learnt."
    if lost:
        note += f" {lost} attributions under shuffled weights did not converge and are left out."
    return Curve(
        id="randomisation",
        title="How alike the attribution stays when weights are shuffled",
        x_title="Stage, from the output down",
        y_title="Mean rank correlation with the audited model",
        unit="correlation",
        null=0.0,
        series=(
            Series(
                label="attribution under shuffled weights",
                # With itself it is wholly alike: where the curve starts.
                x=(0.0, *(float(i + 1) for i, _, _ in shown)),
                y=(1.0, *(similarity.value for _, _, similarity in shown)),
                low=(1.0, *(low for low, _ in limits)),
                high=(1.0, *(high for _, high in limits)),
            ),
        ),
        note=note,
    )
