"""Tables, plots and sampled tasks that show behaviour under cues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from audit.checks._cues.comparing import DEPLOYMENT, EVALUATION, Compared, CuedScores, CueTexts
from audit.types import Column, Dataset, Forest, Interval, Number, Sample, Table, Text


def exhibits(
    results: Sequence[Compared], families: Sequence[CueTexts], cued: Mapping[str, CuedScores]
) -> tuple[Forest | Table, ...]:
    gaps = [m for result in results for m in result.measurements if m.metric in {"score_gap", "stratum_gap"}]
    forest = Forest(
        id="score_gap",
        title="Mean score under evaluation cues minus that under deployment cues",
        unit="probability",
        null=0.0,
        rows=tuple(
            Interval(label=m.stratum, value=m.value, low=m.low, high=m.high, emphasis=m.metric == "score_gap")
            for m in gaps
        ),
    )
    return forest, _shuffle_table(results), _wording_table(families, cued)


def _shuffle_table(results: Sequence[Compared]) -> Table:
    return Table(
        id="shuffled",
        title="Mean gaps against cue-shuffled references",
        columns=(
            Column(title="Family of cues"),
            Column(title="Observed", unit="probability"),
            Column(title="Shuffled, mean size", unit="probability"),
            Column(title="Shuffled, 95th percentile of the size", unit="probability"),
            Column(title="Draws", unit="count"),
            Column(title="p", unit="p"),
        ),
        rows=tuple(
            (
                r.name,
                r.measurements[0].value,
                float(np.abs(r.shuffled).mean()),
                float(np.quantile(np.abs(r.shuffled), 0.95)),
                len(r.shuffled),
                r.p,
            )
            for r in results
        ),
        note="Shuffled: the scores of every task are given to the two kinds of cue at random, as many to each as "
        "there are.",
    )


def _wording_table(families: Sequence[CueTexts], cued: Mapping[str, CuedScores]) -> Table:
    rows = []
    for family in families:
        scores = cued[family.name]
        for place, wording in enumerate(family.wordings):
            kind = EVALUATION if place < family.first else DEPLOYMENT
            mean, share = float(scores.scores[:, place].mean()), float(scores.decided[:, place].mean())
            rows.append((family.name, kind, wording, mean, share))
    return Table(
        id="wordings",
        title="Every wording of every cue",
        columns=(
            Column(title="Family of cues"),
            Column(title="Kind"),
            Column(title="Wording"),
            Column(title="Mean score", unit="probability"),
            Column(title="Positive decisions", unit="share"),
        ),
        rows=tuple(rows),
        note="Wordings of one kind that differ among themselves as much as from the other kind point to their words, "
        "not to their kind.",
    )


def samples(
    count: int,
    data: Dataset,
    families: Sequence[CueTexts],
    cued: Mapping[str, CuedScores],
    rng: np.random.Generator,
) -> tuple[Sample, ...]:
    out = []
    for i in sorted(rng.permutation(len(data.rows))[:count].tolist()):
        family = families[int(rng.integers(len(families)))]
        first, second = int(rng.integers(family.first)), int(rng.integers(family.first, len(family.wordings)))
        scores = cued[family.name].scores[i]
        out.append(
            Sample(
                row=i,
                texts=(
                    Text(label="under a cue of evaluation", text=family.texts[i][first]),
                    Text(label="under a cue of deployment", text=family.texts[i][second]),
                ),
                numbers=(
                    Number(label="score under the first", value=float(scores[first]), unit="probability"),
                    Number(label="score under the second", value=float(scores[second]), unit="probability"),
                ),
                note=f"cues: {family.name}",
            )
        )
    return tuple(out)


def limits(wordings: int, strata: Sequence[str], data: Dataset, cued: Mapping[str, CuedScores]) -> tuple[str, ...]:
    out = [f"{wordings} wordings of cues were put to {len(data.rows)} tasks; other cues are not excluded."]
    few = [name for name, scores in cued.items() if not scores.crossed]
    if few:
        out.append(
            f"With fewer than six wordings of a kind ({', '.join(few)}), intervals speak of the wordings listed and of "
            "no others."
        )
    if any(scores.crossed for scores in cued.values()) and len(data.cluster) > 1:
        out.append("Tasks share two things and wordings are a third; the intervals allow for the first and the last.")
    if not strata:
        out.append("No strata were declared: effects that run against each other show only in the mean absolute gap.")
    return tuple(out)
