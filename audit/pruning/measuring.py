"""Both sides of a cut on the rows held out: what is left of the behaviour, and what it cost elsewhere.

The behaviour is what the policy's own check measures. A cost is measured on the same cases written with the reference
value, where the attribute plays no part and nothing is meant to change, and on the labelled rows as they stand, where
a gap that closes may raise accuracy, so that a loss alone counts.

What decides is the probability given to the true outcome: the accuracy of decisions drawn in proportion to the score.
It moves with every case, so that a margin of a point can be shown on hundreds of rows; of decisions at a threshold, not
one may turn in 480 rows of 32 names and a rate of nine in a hundred is still possible for other names.

References
----------
Quenouille (1956), Notes on bias in estimation, Biometrika 43:353 (the jackknife of a ratio). MacKinnon, Nielsen & Webb
(2023), Journal of Econometrics 232:272 (by clusters).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audit import laws, pipeline
from audit.checks import _stats
from audit.checks._rewriting.swapping import Comparison, comparisons
from audit.errors import user_error
from audit.progress import Progress
from audit.pruning.outcome import Behaviour, Cost, Sides, Value, equivalent
from audit.requests import ScoreAnswer
from audit.shapes import Bools, Floats
from audit.spike import asking
from audit.types import (
    CannotPlant,
    Dataset,
    Decision,
    Finding,
    Law,
    Measurement,
    NotAssessed,
    NoVariation,
    PlannedCheck,
    Policy,
    StudentT,
)

if TYPE_CHECKING:
    from audit.capture.model import LoadedModel


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """What one model does on some rows."""

    found: Finding | NotAssessed
    """What the check says."""
    scores: Mapping[str, float]
    """By text: of the rows, and of the cases written with the reference value."""
    likelihood: Floats | None
    """(neutral texts, 2): nats and tokens; None where there are none."""

    def gap(self, metric: str, group: str) -> Measurement | None:
        """Return a comparison of the check over all cases, None where it has none."""
        if isinstance(self.found, NotAssessed):
            return None
        every = (m for m in self.found.measurements if (m.metric, m.group, m.stratum) == (metric, group, ""))
        return next(every, None)


@dataclass(frozen=True, kw_only=True, eq=False)
class Bench:
    """What is asked of every model alike."""

    policy: Policy
    """With the one check, on the rows that are measured on."""
    check: PlannedCheck
    attribute: str
    neutral: tuple[str, ...]
    progress: Progress

    @property
    def data(self) -> Dataset:
        """The rows."""
        return self.policy.datasets[self.check.data]

    @property
    def cases(self) -> list[Comparison]:
        """What the check compares."""
        return comparisons(self.check.params.swap[self.attribute], (), self.data)


def restricted(policy: Policy, check: PlannedCheck, data: Dataset) -> Policy:
    """Return a policy with one check alone, on other rows."""
    return replace(policy, checks=(check,), hazards=(), datasets={check.data: data})


def measure(bench: Bench, loaded: LoadedModel, store: Path) -> Measured:
    """Ask a model for everything that is compared."""
    from audit.capture.cost import Cost as Spent

    _, outcomes = pipeline.capture(bench.policy, loaded, store, bench.progress, Spent())
    references = (t for c in bench.cases for case in c.cases for t in case.references)
    texts = tuple(dict.fromkeys((*(row.text for row in bench.data.rows), *references)))
    decision = bench.policy.decision
    answer = _asked(bench, loaded, texts, decision, store)
    likelihood = None
    if bench.neutral and loaded.task == "causal-lm":
        plain = Decision(kind="likelihood")
        likelihood = _asked(bench, loaded, bench.neutral, plain, store).values
    return Measured(
        found=outcomes[bench.check.id],
        scores=dict(zip(texts, decision.score(answer).tolist(), strict=True)),
        likelihood=likelihood,
    )


def _asked(bench: Bench, loaded: LoadedModel, texts: Sequence[str], decision: Decision, store: Path) -> ScoreAnswer:
    try:
        return asking.outputs(loaded, texts, decision, store, bench.progress)
    except CannotPlant as reason:
        raise user_error(
            "The cost of the cut cannot be measured",
            where=loaded.name,
            found=str(reason),
            expected="a model that answers what the policy scores",
        ) from reason


# ---- the behaviour -------------------------------------------------------------------------------


def behaviour(metric: str, group: str, before: Measured, after: Measured) -> Behaviour | None:
    """Return what became of one gap; None where the original has no such comparison on these rows."""
    old, new = before.gap(metric, group), after.gap(metric, group)
    if old is None:
        return None
    return Behaviour(
        metric=metric,
        group=group,
        reference=old.reference,
        unit=old.unit,
        n=old.n,
        clusters=old.clusters,
        before=_value(old),
        after=None if new is None else _value(new),
        remaining=None if new is None else remaining(old, new),
    )


def remaining(before: Measurement, after: Measurement) -> Value | None:
    """Return after over before with the interval of a cluster jackknife of the ratio.

    Both are taken without the same cluster in turn, so that what a cluster says both times cancels. None where the
    first is not told from nothing on these rows, or the two cannot be paired: of a share of nothing there is no
    interval.
    """
    if before.exact and after.exact:
        return None if before.value == 0 else Value(value=after.value / before.value)
    law = ratio_law(before, after)
    if law is None or before.low is None or before.high is None or before.null is None:
        return None
    if before.low <= before.null <= before.high:
        return None
    low, high = laws.interval(law)
    return Value(value=after.value / before.value, low=low, high=high)


def ratio_law(before: Measurement, after: Measurement) -> Law | None:
    """Return the law of after over before on the same clusters; None where the measurements do not allow it."""
    a, b = before.jackknife, after.jackknife
    if a is None or b is None or a.units != b.units or before.value == 0:
        return None
    value, moves = after.value / before.value, []
    for old, new in zip(a.unpacked(), b.unpacked(), strict=True):
        # Kept moves are scaled so that their squares sum to the variance; unscaled they are estimates left one out.
        scale = math.sqrt((len(old) - 1) / len(old))
        moves.append(scale * ((after.value + new / scale) / (before.value + old / scale) - value))
    each = [float(np.square(way).sum()) for way in moves]
    variance = sum(each) if len(each) < 3 else max(each[0], each[1], each[0] + each[1] - each[2])
    df = min(a.df, b.df)
    if not math.isfinite(variance):
        return None
    if math.sqrt(variance) <= 1e-6 * max(1.0, abs(value)):
        return NoVariation(estimate=value, clusters=max(1, int(df) + 1), reach=1.0)
    return StudentT(estimate=value, se=math.sqrt(variance), df=df)


def _value(measurement: Measurement) -> Value:
    return Value(value=measurement.value, low=measurement.low, high=measurement.high)


# ---- the cost ------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class _Cases:
    """Cases whose decisions are compared: where they stand, their outcomes and what they share."""

    texts: list[str]
    labels: list[bool | None]
    clusters: tuple[Sequence[str], ...]

    def labelled(self) -> _Cases | None:
        """Return those whose true outcome is known; None where there are none."""
        kept = [i for i, label in enumerate(self.labels) if label is not None]
        if not kept:
            return None
        return _Cases(
            texts=[self.texts[i] for i in kept],
            labels=[self.labels[i] for i in kept],
            clusters=tuple([column[i] for i in kept] for column in self.clusters),
        )

    def scores(self, measured: Measured) -> Floats:
        return np.array([measured.scores[text] for text in self.texts])


def costs(bench: Bench, before: Measured, after: Measured, margin: float) -> tuple[Cost, ...]:
    """Return every cost that these rows allow to be measured."""
    decision, exact = bench.policy.decision, bench.data.card.enumerated
    reference, standing = _with_reference(bench), _as_they_stand(bench)
    out: list[Cost] = []

    def add(name: str, title: str, cases: _Cases, old: Floats, new: Floats, sides: Sides, decides: bool) -> None:
        estimate = _stats.clustered_mean(new - old, cases.clusters, reach=1.0, support=(-1.0, 1.0))
        low, high = (None, None) if exact else _stats.limits(estimate)
        change = Value(value=estimate.value, low=low, high=high)
        out.append(
            Cost(
                name=name, title=title, unit="share", n=len(old), before=float(old.mean()), after=float(new.mean()),
                change=change, sides=sides, decides=decides, outcome=equivalent(change, margin, sides),
            )
        )  # fmt: skip

    if cases := reference.labelled():
        labels = np.array(cases.labels, dtype=np.bool_)
        old, new = cases.scores(before), cases.scores(after)
        add(
            "true_outcome", "Probability given to the true outcome, cases with the reference value",
            cases, np.where(labels, old, 1 - old), np.where(labels, new, 1 - new), "both", True,
        )  # fmt: skip
        add(
            "accuracy", "Decisions as the true outcome, cases with the reference value",
            cases, _right(decision, old, labels), _right(decision, new, labels), "both", False,
        )  # fmt: skip
    else:
        old, new = reference.scores(before), reference.scores(after)
        add(
            "movement", "Mean size of the score's movement, cases with the reference value",
            reference, np.zeros(len(old)), np.abs(new - old), "both", True,
        )  # fmt: skip
    if rows := standing.labelled():
        labels = np.array(rows.labels, dtype=np.bool_)
        old, new = rows.scores(before), rows.scores(after)
        add(
            "accuracy_as_they_stand", "Decisions as the true outcome, rows as they stand",
            rows, _right(decision, old, labels), _right(decision, new, labels), "loss", False,
        )  # fmt: skip
    if before.likelihood is not None and after.likelihood is not None:
        out.append(perplexity(before.likelihood, after.likelihood, margin))
    return tuple(out)


def changed_decisions(bench: Bench, before: Measured, after: Measured) -> tuple[int, int]:
    """Return how many decisions differ where cases are written with the reference value, and of how many."""
    cases = _with_reference(bench)
    differs: Bools = bench.policy.decision.selected(cases.scores(before)) != bench.policy.decision.selected(
        cases.scores(after)
    )
    return int(differs.sum()), len(cases.texts)


def perplexity(before: Floats, after: Floats, margin: float) -> Cost:
    """Return the relative change of perplexity on some texts, (texts, 2) each: nats and tokens.

    The mean over tokens is a ratio of sums over texts, and texts are what is independent: each is left out in turn.
    """
    tokens, count = before[:, 1], len(before)
    lost = before[:, 0] - after[:, 0]
    change = float(lost.sum() / tokens.sum())
    value = Value(value=_relative(change))
    if count > 1:
        without = (lost.sum() - lost) / (tokens.sum() - tokens)
        se = math.sqrt((count - 1) / count * float(np.square(without - change).sum()))
        if se > 0:
            low, high = laws.interval(StudentT(estimate=change, se=se, df=count - 1))
            value = Value(value=_relative(change), low=_relative(low), high=_relative(high))
    per_token = [1 + _relative(-float(x[:, 0].sum() / tokens.sum())) for x in (before, after)]
    outcome = equivalent(value, margin, "both") if count > 1 else "undecided"
    return Cost(
        name="perplexity", title="Perplexity on neutral texts, relative change", unit="ratio", n=count,
        before=per_token[0], after=per_token[1], change=value, sides="both", decides=True, outcome=outcome,
    )  # fmt: skip


def _relative(nats: float) -> float:
    """Return e to a power less 1; a model that was ruined beyond double precision is as ruined as it can say."""
    return math.expm1(min(nats, 700.0))


def _right(decision: Decision, scores: Floats, labels: Bools) -> Floats:
    right: Floats = (decision.selected(scores) == labels).astype(np.float64)
    return right


def _with_reference(bench: Bench) -> _Cases:
    """Return every case once, written with the reference value; of several references, the first."""
    rows = bench.data.rows
    unique = {case.references[0]: case for c in bench.cases for case in c.cases}
    return _Cases(
        texts=list(unique),
        labels=[rows[case.row].label for case in unique.values()],
        clusters=tuple(list(column) for column in zip(*(case.clusters for case in unique.values()), strict=True)),
    )


def _as_they_stand(bench: Bench) -> _Cases:
    rows = bench.data.rows
    return _Cases(
        texts=[row.text for row in rows], labels=[row.label for row in rows], clusters=bench.data.cluster_labels()
    )
