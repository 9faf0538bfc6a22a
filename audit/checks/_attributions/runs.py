"""What it took to attribute: steps, deltas, what did not converge, and what the model says of each baseline input."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from audit.checks._attributions import Attributed
from audit.types import Cell, Column, Decision, Table

FLOOR = 0.1
"""Score differences below this count as this: a ratio to nothing means nothing."""


def margin(decision: Decision) -> float:
    """Return the decision threshold on the scale of logits."""
    return float(np.log(decision.threshold / (1 - decision.threshold)))


def table(
    every: Sequence[Attributed], decision: Decision, *, more: tuple[Column, Sequence[float | None]] | None = None
) -> Table:
    """Return one row per method and baseline input; ``more`` is a last column with a cell for each."""
    return Table(
        id="baselines",
        title="Methods and baseline inputs",
        columns=(
            Column(title="Method"),
            Column(title="Baseline input"),
            Column(title="Mean score there", unit="logit"),
            Column(title=f"Decided “{decision.positive}” there", unit="share"),
            Column(title="Texts used", unit="count"),
            Column(title="Not converged", unit="count"),
            Column(title="Steps, median", unit="count"),
            Column(title="Steps, most", unit="count"),
            Column(title="Delta, median", unit="share"),
            Column(title="Delta, worst", unit="share"),
            *((more[0],) if more else ()),
        ),
        rows=tuple(
            (*_row(attributed, decision), *((more[1][i],) if more else ())) for i, attributed in enumerate(every)
        ),
        note="Scores are differences of logits. The delta is relative to the score difference (at least 0.1). A "
        "baseline input on which the model already decides one way explains the other way only.",
    )


def _row(attributed: Attributed, decision: Decision) -> tuple[Cell, ...]:
    kept = [attributed.answers[i] for i in attributed.converged]
    deltas = [
        abs(a.completeness_delta) / max(abs(a.score - a.baseline_score), FLOOR)
        for a in kept
        if a.completeness_delta is not None
    ]
    steps = [a.n_steps for a in kept if a.n_steps is not None]
    at_baseline = np.array([a.baseline_score for a in attributed.answers])
    return (
        attributed.method.replace("_", " "),
        attributed.baseline_input,
        float(at_baseline.mean()),
        float((at_baseline > margin(decision)).mean()),
        len(kept),
        len(attributed.answers) - len(kept),
        float(np.median(steps)) if steps else None,
        max(steps, default=None),
        float(np.median(deltas)) if deltas else None,
        max(deltas, default=None),
    )


def left_out(attributed: Attributed, max_steps: int) -> tuple[str, ...]:
    """List the texts that did not converge, by their number in the sample; nothing where all did."""
    lost = sorted({*range(len(attributed.answers))} - {*attributed.converged})
    if not lost:
        return ()
    numbers = ", ".join(str(i + 1) for i in lost)
    return (
        f"{len(lost)} texts did not converge within {max_steps} steps and are left out: sample rows {numbers[:200]}.",
    )
