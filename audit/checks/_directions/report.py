"""What an intervention along a direction did, what guards it, and how it is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from audit.checks import _stats
from audit.checks._directions import contrasts
from audit.checks._directions.contrasts import Found
from audit.checks._directions.plan import PERMUTATIONS, Plan
from audit.checks._stats.estimates import Estimate
from audit.shapes import Floats
from audit.types import (
    Box,
    Column,
    Dataset,
    Decision,
    Direction,
    Exhibit,
    Forest,
    Guards,
    Interval,
    Measurement,
    Number,
    Sample,
    Table,
    Text,
    ValidityCheck,
)

ALPHA = 0.05
"""Level of the permutation tests of the boxes."""


@dataclass(frozen=True, kw_only=True)
class Moved:
    """What interventions at one layer did; changes of the score, row by row."""

    layer: int
    added: Floats
    """(rows without the condition,)"""
    null: Floats
    """(draws,): mean change by each comparison direction"""
    projected: Floats
    """(rows with the condition,)"""
    off_target: Floats


@dataclass(frozen=True, kw_only=True)
class Result:
    """Everything that was found out."""

    toward: str
    """The condition."""
    against: str
    """What it is compared with."""
    aside: str
    """The rows that the direction should leave alone; "" where none were named."""
    data: Dataset
    plan: Plan
    known: dict[int, float]
    p_of: dict[int, float]
    """Precondition per layer."""
    moved: list[Moved]
    embedding: Floats
    position: str
    """States of which the directions were taken."""
    layers: Mapping[int, Found]
    given: Direction | None
    """The direction that came from a file."""

    def scores(self, rows: Sequence[int]) -> Floats:
        """Return the scores of some rows as they are."""
        return np.array([self.known[i] for i in rows])

    def clusters(self, rows: Sequence[int]) -> _stats.Labels:
        """Return the cluster labels of some rows."""
        return tuple([column[i] for i in rows] for column in self.data.cluster_labels())

    @property
    def sign(self) -> float:
        """Which way the condition moves scores among the discovery rows: that way an effect has to go."""
        score, which = self.scores(self.plan.discovery), self.plan.ways.observed
        return 1.0 if score[which].mean() >= score[~which].mean() else -1.0

    def p_value(self) -> float | None:
        """Return the chance of so large an effect among directions that mean nothing, over all layers tested."""
        if not self.moved:
            return None
        observed = max(self.sign * float(m.added.mean()) for m in self.moved)
        largest = np.max([self.sign * m.null for m in self.moved], axis=0)
        return _stats.permutation_p(observed, largest)


def excludes_zero(estimate: Estimate) -> bool:
    """Whether the interval of an estimate excludes zero."""
    low, high = _stats.limits(estimate)
    return low > 0 or high < 0


# ---- what guards it ------------------------------------------------------------------------------


def preconditioned(result: Result) -> ValidityCheck:
    """Return the check that there is a direction at all."""
    best = min(result.p_of, key=lambda layer: result.p_of[layer])
    if result.given is not None:
        return ValidityCheck(
            name="states_differ",
            title="Along the direction, the conditions lie farther apart than under permuted labels",
            guards=Guards.FALSE_ALARM,
            passed=bool(result.moved),
            found=f"p = {result.p_of[best]:.4f} at its layer {best}",
            needed=f"at most {ALPHA:g}; without it the direction is not one of the condition, and is not added",
        )
    return ValidityCheck(
        name="states_differ",
        title="The mean difference is longer than under permuted labels",
        guards=Guards.FALSE_ALARM,
        passed=bool(result.moved),
        found=f"p = {result.p_of[best]:.4f} at layer {best}, corrected for {_counted(len(result.p_of), 'layer')}",
        needed=f"at most {ALPHA:g} at a layer tested; without it there is no direction to add",
    )


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def many_enough(result: Result) -> ValidityCheck:
    """Return the check that the effect is compared with enough directions, of both kinds."""
    kinds = result.plan.ways.kinds
    counts = {kind: kinds.count(kind) for kind in ("permuted labels", "irrelevant contrast")}
    return ValidityCheck(
        name="comparison_directions",
        title="Directions of the same length to compare with",
        guards=Guards.FALSE_ALARM,
        passed=len(kinds) >= 199 and counts["irrelevant contrast"] > 0,
        found=", ".join(f"{n} of {kind}" for kind, n in counts.items()),
        needed=f"199, some of them of columns with at least {contrasts.FEWEST_VALUES} values",
    )


def boxes(
    result: Result,
    effects: Sequence[Measurement],
    total: Estimate,
    p_value: float | None,
    aside: Sequence[Measurement],
) -> tuple[Box, ...]:
    """Return the four boxes; ``aside`` are the changes off target, told beside the causal box."""
    least = min(result.p_of.values())
    what = "length of the mean difference" if result.given is None else "mean difference along the given direction"
    corrected = f", corrected for {_counted(len(result.p_of), 'layer')}" if result.given is None else " at its layer"
    return (
        Box(
            name="decodable",
            ticked=least <= ALPHA,
            evidence=f"{what}: p = {least:.4f} against {PERMUTATIONS} permutations{corrected}",
        ),
        Box(name="beyond_text", ticked=None, evidence="the text is not compared by this check"),
        Box(name="specific", ticked=None, evidence="no control texts are examined by this check"),
        _causal(result, effects, total, p_value, aside),
    )


def _causal(
    result: Result,
    effects: Sequence[Measurement],
    total: Estimate,
    p_value: float | None,
    aside: Sequence[Measurement],
) -> Box:
    if p_value is None:
        along = "" if result.given is None else " along the given direction"
        evidence = f"no direction to add: the states do not differ{along} beyond chance"
        return Box(name="causal", ticked=False, evidence=evidence)
    best = max(effects, key=lambda m: result.sign * m.value)
    shown = best.low is not None and best.high is not None and (best.low > 0 or best.high < 0)
    explains = excludes_zero(total) and np.sign(total.value) == result.sign == np.sign(best.value)
    against = f"{len(result.plan.ways.kinds)} directions of the same length"
    evidence = f"score moved by {best.value:.3f} at {best.stratum}; p = {p_value:.4f} against {against}"
    evidence += "".join(f"; {m.value:.3f} off target" for m in aside if m.stratum == best.stratum)
    if not excludes_zero(total):
        evidence += "; the condition itself has no shown effect to explain"
    return Box(name="causal", ticked=bool(p_value <= ALPHA and shown and explains), evidence=evidence)


# ---- how it is shown -----------------------------------------------------------------------------


def exhibits(
    result: Result,
    decision: Decision,
    measured: Sequence[Measurement],
    p_value: float | None,
    titles: Mapping[str, str],
) -> tuple[Exhibit, ...]:
    """Return the changes on one axis, and the effect against directions that mean nothing."""
    forest = Forest(
        id="effects",
        title="Changes of the score",
        unit=decision.unit,
        null=0.0,
        rows=tuple(
            Interval(
                label=f"{titles[m.metric]} ({m.stratum})" if m.stratum else titles[m.metric],
                value=m.value,
                low=m.low,
                high=m.high,
                emphasis=m.metric == "effect",
            )
            for m in measured
            if m.metric != "indirect_effect"
        ),
        note="The projection is a second row: it raises false alarms and confirms nothing.",
    )
    return forest, _null_table(result, decision, p_value)


def _null_table(result: Result, decision: Decision, p_value: float | None) -> Table:
    rows: list[tuple[str | float | None, ...]] = []
    kinds = np.array(result.plan.ways.kinds)
    for m in result.moved:
        for kind in dict.fromkeys(result.plan.ways.kinds):
            null = result.sign * m.null[kinds == kind]
            observed = result.sign * float(m.added.mean())
            rows.append(
                (f"layer {m.layer}", kind, len(null), observed, float(np.quantile(null, 0.95)), float(null.max()))
            )
    layers = _counted(len(result.moved), "layer")
    said = "no layer was tested" if p_value is None else f"p = {p_value:.4f}, corrected for {layers}"
    return Table(
        id="null",
        title="The effect against directions that mean nothing",
        columns=(
            Column(title="Where"),
            Column(title="Compared with"),
            Column(title="Directions", unit="count"),
            Column(title="Effect", unit=decision.unit),
            Column(title="95th percentile of theirs", unit=decision.unit),
            Column(title="Largest of theirs", unit=decision.unit),
        ),
        rows=tuple(rows),
        note=f"Positive is the way in which the condition itself moves scores. {said}.",
    )


def samples(result: Result, decision: Decision, rng: np.random.Generator) -> tuple[Sample, ...]:
    """Return texts drawn at random with their scores, as they are and with the direction added."""
    rows = result.plan.without
    out = []
    for i in sorted(rng.permutation(len(rows))[:5].tolist()):
        numbers = [Number(label="score as it is", value=result.known[rows[i]], unit=decision.unit)]
        numbers += [
            Number(
                label=f"with the direction added at layer {m.layer}",
                value=result.known[rows[i]] + float(m.added[i]),
                unit=decision.unit,
            )
            for m in result.moved
        ]
        text = Text(label="text", text=result.data.rows[rows[i]].text)
        out.append(Sample(row=rows[i], texts=(text,), numbers=tuple(numbers)))
    return tuple(out)


def limits(result: Result) -> tuple[str, ...]:
    """Return what this very finding does not cover."""
    plan = result.plan
    out = (
        _given_limits(result)
        if result.given is not None
        else [
            f"The direction was found on {len(plan.discovery)} rows and added to {len(plan.without)} of other clusters."
        ]
    )
    if not result.data.cluster and result.given is None:
        out.append("The data name no cluster: near-copies of a row may have found the direction that moved it.")
    if not result.aside:
        out.append(
            "No rows were named that the direction should leave alone, so harm beside the point is not measured."
        )
    if not result.moved:
        where = (
            "at no layer asked for do the states differ"
            if result.given is None
            else ("along the given direction the states do not differ")
        )
        out.append(f"Nothing was added: {where} more than under permuted labels.")
    return tuple(out)


def _given_limits(result: Result) -> list[str]:
    """Return what has to be known of a direction that was not found here."""
    given = result.given
    assert given is not None
    found = result.layers[given.layer]
    stated = given.estimator == "stated"
    who = f"stated to be made by {given.made_by}" if stated else f"written by {given.made_by} ({given.estimator})"
    what = f"from “{given.negative}” toward “{given.positive}” at layer {given.layer}, {given.position}"
    added, own = float(np.linalg.norm(found.direction)), given.length
    how = (
        f"It was added to {len(result.plan.without)} rows at the length {added:.3g}, where its own is {own:.3g}; its "
        f"cosine to the mean difference of “{result.toward}” is {found.cosine:.2f}."
    )
    return [
        f"The direction comes from {given.read_from}, {who}: {what}"
        + (". Whether that is so was not examined." if stated else "."),
        how,
        "It was not found here: if it was found on these very texts, it would seem to do more than on others.",
        "What it is compared with was found on the rows it was added to, which makes the comparison harder to beat.",
    ]


def directions(result: Result) -> tuple[Direction, ...]:
    """Return the direction that was given, or those that were found beyond chance and added."""
    if result.given is not None:
        return (result.given,)
    clusters = result.clusters(result.plan.discovery)
    return tuple(
        Direction(
            vector=result.layers[moved.layer].direction.astype(np.float32),
            layer=moved.layer,
            position=result.position,
            estimator="mean_difference",
            positive=result.toward,
            negative=result.against,
            unit="activation",
            rows=len(result.plan.discovery),
            clusters=_stats.cluster_count(clusters),
        )
        for moved in result.moved
    )
