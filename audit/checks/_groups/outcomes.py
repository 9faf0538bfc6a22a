"""Rows whose true outcome is known, whole and by group: what a check of right and wrong decisions works on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from audit.checks import _groups, _needs, _stats
from audit.checks._groups import Group
from audit.shapes import Bools, Floats
from audit.types import Dataset, Decision, Guards, Number, ParamProblem, Sample, Text, ValidityCheck


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """The labelled rows of a data set; arrays and labels are (labelled rows,)."""

    rows: tuple[int, ...]
    """Their indices in the data set."""
    truth: Bools
    clusters: _stats.Labels


def of(data: Dataset) -> Labelled:
    """Return the rows of the data that have a true outcome, in their order."""
    rows = tuple(i for i, row in enumerate(data.rows) if row.label is not None)
    return Labelled(
        rows=rows,
        truth=np.array([bool(data.rows[i].label) for i in rows], dtype=np.bool_),
        clusters=_stats.chosen(data.cluster_labels(), rows),
    )


def groups(data: Dataset, attributes: Sequence[str], labelled: Labelled, *, intersections: bool) -> list[Group]:
    """Return the groups of the data, their members among the labelled rows; one may have no such row left."""
    at = np.array(labelled.rows, dtype=np.int64)
    every = _groups.groups(data, attributes, intersections=intersections) if attributes else []
    return [replace(group, member=group.member[at]) for group in every]


def everybody(labelled: Labelled) -> Group:
    """Return all labelled rows as a group without a name, as measurements name it."""
    return Group(attribute="", name="", member=np.ones(len(labelled.rows), dtype=np.bool_))


# ---- before the run ------------------------------------------------------------------------------


def problems(data: Dataset, decision: Decision) -> list[ParamProblem]:
    """Say what keeps decisions from being compared with outcomes: no decisions, no outcomes, outcomes all alike."""
    found = []
    found += _needs.a_decision(decision)
    outcomes = {row.label for row in data.rows} - {None}
    if len(outcomes) < 2:
        said = "name no true outcomes" if not outcomes else f"name one outcome only: {_outcome(outcomes, decision)}"
        found.append(
            ParamProblem(
                at=("data",),
                found=f"the rows of {data.name!r} {said}",
                expected="a label in the data set, with rows of both outcomes",
                do="give the data set a label: column",
            )
        )
    return found


def _outcome(outcomes: set[bool | None], decision: Decision) -> str:
    return decision.positive if True in outcomes else decision.negative or f"not {decision.positive}"


# ---- what could not be measured, and drawn cases ----------------------------------------------------


def measured_check(unmeasured: Mapping[str, str]) -> ValidityCheck:
    """Return the check that every group was measured; ``unmeasured`` holds group → why it was not."""
    told = "; ".join(f"{name}: {why}" for name, why in list(unmeasured.items())[:10])
    return ValidityCheck(
        name="groups_measured",
        title="Every group could be measured",
        guards=Guards.FALSE_ALL_CLEAR,
        passed=not unmeasured,
        found=f"not measured: {told}" if unmeasured else "none was left out",
        needed="enough labelled rows of every group, of both outcomes where a number needs both",
    )


def too_few(group: Group, truth: Bools, fewest: int) -> str:
    """Return why a group is too small for numbers that need both outcomes; "" where it is large enough."""
    positives = int(truth[group.member].sum())
    short = [
        f"{n} rows with a {outcome} outcome"
        for n, outcome in ((positives, "positive"), (group.size - positives, "negative"))
        if n < fewest
    ]
    return f"{' and '.join(short)}, fewer than {fewest}" if short else ""


def samples(
    count: int, data: Dataset, labelled: Labelled, score: Floats, decision: Decision, rng: np.random.Generator
) -> tuple[Sample, ...]:
    """Return randomly drawn labelled rows with their decision and true outcome; ``score`` is (labelled rows,)."""
    out = []
    no = decision.negative or f"not {decision.positive}"
    selected = decision.selected(score)
    for at in sorted(rng.permutation(len(labelled.rows))[:count].tolist()):
        row = data.rows[labelled.rows[at]]
        decided, truth = (decision.positive if x else no for x in (selected[at], labelled.truth[at]))
        out.append(
            Sample(
                row=labelled.rows[at],
                texts=(Text(label="case", text=row.text),),
                numbers=(Number(label="score", value=float(score[at]), unit=decision.unit),),
                note=f"decision: {decided}; true outcome: {truth}",
            )
        )
    return tuple(out)
