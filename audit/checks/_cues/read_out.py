"""Whether hidden states tell cues of evaluation from cues of deployment, beside the behaviour under them."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from audit.checks import _probing, _stats
from audit.checks._cues.comparing import DEPLOYMENT, EVALUATION, CueTexts
from audit.checks._probing import beside
from audit.requests import CannotAnswer, Request
from audit.types import Box, Curve, Decision, Measurement, Metric, Series


@dataclass(frozen=True, kw_only=True)
class Inside:
    """Whether the kind of cue can be read off the states: described, never judged."""

    boxes: tuple[Box, ...]
    measurements: tuple[Measurement, ...] = ()
    exhibits: tuple[Curve, ...] = ()


def told_apart(
    families: Sequence[CueTexts],
    items: int,
    decision: Decision,
    metric: Metric,
    *,
    folds: int,
    permutations: int,
    max_rows: int,
    rng: np.random.Generator,
) -> Generator[Request, Any, Inside]:
    """Read the kind of cue off the states, on wordings that the probe has not seen; ``metric`` names its area."""
    most = max(1, max_rows // sum(len(f.wordings) for f in families))
    chosen = sorted(rng.permutation(items)[:most].tolist())
    rows = [
        (family.texts[i][place], wording, place < family.first)
        for family in families
        for i in chosen
        for place, wording in enumerate(family.wordings)
    ]
    texts, wordings, kinds = (list(column) for column in zip(*rows, strict=True))
    labels, clusters = np.array(kinds), (wordings,)
    try:
        task = _probing.make_task(labels, clusters, folds=folds, rng=rng)
        decoded = yield from beside.decode(texts, task, decision, permutations=permutations, rng=rng)
    except (_probing.CannotProbe, CannotAnswer) as reason:
        return Inside(boxes=beside.unexamined(str(reason)))
    area = _stats.measure(
        metric,
        _stats.clustered_auroc(labels, decoded.chosen, clusters),
        group=EVALUATION,
        reference=DEPLOYMENT,
    )
    curve = Curve(
        id="cue_read_out",
        title="Reading the kind of cue off the states just before the answer",
        x_title="layer",
        y_title="area under the ROC curve",
        unit="AUROC",
        series=(
            Series(
                label="probe",
                x=tuple(map(float, decoded.by_layer)),
                y=tuple(_stats.auroc(labels, scores) for scores in decoded.by_layer.values()),
            ),
        ),
        null=0.5,
        note="On wordings that the probe has not seen. A cue that can be read off the states need not be used.",
    )
    return Inside(
        boxes=decoded.boxes(
            Box(name="specific", ticked=None, evidence="no control texts are examined by this check"),
            Box(name="causal", ticked=None, evidence="no intervention is made by this check"),
        ),
        measurements=(area,),
        exhibits=(curve,),
    )
