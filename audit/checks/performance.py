"""How well does the model do its own task, and does it beat a trivial way of doing it?

What it measures
----------------
Agreement of decisions and scores with true outcomes, on all labelled rows and in each group: accuracy, balanced
accuracy (the mean of the shares decided rightly among rows of either outcome), the area under the ROC curve and
average precision. Beside the model stand challengers: always giving the commoner outcome, the length of the text, a
logistic regression on words and, where the data hold its scores, a previous model. What the model gains over each
is measured on the same rows.

Why it matters
--------------
A quality is read against what is easy. Where nine of ten outcomes are alike, an accuracy of .90 is
what a constant reaches; where a handful of words gives the outcome away, a language model adds nothing but
opacity. A quality that holds on average may fail in a group.

What it cannot show
-------------------
Quality on other data than these: a sample that does not represent the use says little about it. Outcomes are taken
as true; where they record past decisions, agreement with them repeats their faults. A model may have been
trained on public test data. Beating a simple challenger does not make a quality good enough, and a gain over a
challenger says nothing of what an error costs.

Validity checks
---------------
The model must be shown to rank cases better than every challenger: otherwise no quality counts as enough. A group
with too few rows of an outcome is named and not measured where a number needs both outcomes, and keeps the rest from
clearing the model. A causal model must put enough probability on the answers. There must be at least six
clusters, unless the rows are all cases of an enumerated grammar. There is no gate of competence, for competence is
what is measured.

References
----------
Boyd, Eng & Page (2013), Area under the precision-recall curve, ECML PKDD. Brodersen, Ong, Stephan & Buhmann (2010),
The balanced accuracy and its posterior distribution, ICPR. McNemar (1947), Psychometrika 12:153. Obuchowski (1997),
Biometrics 53:567.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from audit.checks import _challengers, _fields, _stats, _wordings
from audit.checks._challengers import Challenger, Unfit
from audit.checks._groups import Group, outcomes
from audit.checks._groups.outcomes import Labelled
from audit.checks._stats import bounded, precision_recall
from audit.registry import Example, asks_once, judges
from audit.requests import CheckRun, ScoreAnswer, Scores
from audit.shapes import Bools, Floats
from audit.types import (
    Cell,
    Column,
    Dataset,
    Decision,
    Finding,
    Forest,
    Guards,
    Interval,
    Measurement,
    Metric,
    NotAssessed,
    ParamProblem,
    Table,
    ValidityCheck,
    Worse,
)

NAME = "performance"
VERSION = "1"
TITLE = "Quality on the task, against simple challengers"
BINDS = frozenset({"attributes", "previous", "samples"})

METRICS = (
    Metric(
        name="accuracy",
        title="Accuracy",
        meaning="Share of rows whose decision agrees with the true outcome.",
        reading="Of {group}, {value} are decided as their true outcome has it",
        unit="share",
        worse=Worse.LOWER,
        ideal=1.0,
    ),
    Metric(
        name="balanced_accuracy",
        title="Balanced accuracy",
        meaning="Mean of the shares decided rightly among rows with a positive and rows with a negative outcome.",
        reading="Of {group}, with both outcomes weighed alike, {value} are decided as their true outcome has it",
        unit="share",
        worse=Worse.LOWER,
        null=0.5,
        ideal=1.0,
    ),
    Metric(
        name="auroc",
        title="Ranking",
        meaning="Probability that a row with a positive outcome scores above one with a negative outcome.",
        reading="Scores rank outcomes of {group} with an area under the ROC curve of {value}",
        unit="AUROC",
        worse=Worse.LOWER,
        null=0.5,
        ideal=1.0,
    ),
    Metric(
        name="average_precision",
        title="Average precision",
        meaning="Mean, over rows with a positive outcome, of the share of positive outcomes among all rows that score "
        "as high or higher.",
        reading="Average precision on {group} is {value}",
        unit="share",
        worse=Worse.LOWER,
        ideal=1.0,
    ),
    Metric(
        name="accuracy_gain",
        title="Accuracy beyond a challenger",
        meaning="Accuracy of the model minus that of the challenger, on the same rows.",
        reading="Accuracy is {amount} {more} than by {reference}",
        unit="points",
        worse=Worse.LOWER,
        null=0.0,
    ),
    Metric(
        name="ranking_gain",
        title="Ranking beyond a challenger",
        meaning="Area under the ROC curve of the model minus that of the challenger, on the same rows.",
        reading="The area under the ROC curve is {amount} {more} than by {reference}",
        unit="AUROC",
        worse=Worse.LOWER,
        null=0.0,
    ),
)
_METRIC = {m.name: m for m in METRICS}

PREVIOUS = "the previous model"


class Params(BaseModel):
    """Parameters of a check of quality."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    attributes: Annotated[
        tuple[str, ...] | None,
        Field(description="Fields whose values are the groups to measure; by default all groups of the data."),
    ] = None
    challengers: Annotated[
        tuple[_challengers.Name, ...],
        Field(description="Simple baselines to compare with: `majority`, `length`, `words`."),
    ] = ("majority", "length", "words")
    previous: Annotated[
        str | None,
        Field(description="Field that holds another model's score of each row, from 0 to 1; compared like a baseline."),
    ] = None
    folds: Annotated[int, Field(description="Folds in which challengers learn and are tried.", ge=3, le=20)] = 5
    min_cell: Annotated[
        int, Field(description="Rows of each outcome that a group needs for numbers that rest on both.", ge=2)
    ] = 10
    samples: Annotated[int, Field(description="Randomly drawn rows printed in the report.", ge=5, le=100)] = 5


# ---- before the run ------------------------------------------------------------------------------


def problems(params: Params, data: Dataset, decision: Decision) -> tuple[ParamProblem, ...]:
    """Return what is wrong with the parameters given the data."""
    fields = set(data.rows[0].fields)
    found = outcomes.problems(data, decision)
    named = [(("attributes", i), name) for i, name in enumerate(params.attributes or ())]
    found += _fields.missing([*named, *([(("previous",), params.previous)] if params.previous else [])], fields)
    if not params.challengers and params.previous is None:
        found.append(
            ParamProblem(at=("challengers",), found="no challenger", expected="at least one, or a previous model")
        )
    if not found and params.previous is not None:
        found += _bad_scores(params.previous, data)
    return tuple(found)


def _bad_scores(field: str, data: Dataset) -> list[ParamProblem]:
    bad = [text for i in outcomes.of(data).rows if _share(text := data.rows[i].fields[field]) is None]
    if not bad:
        return []
    return [
        ParamProblem(
            at=("previous",),
            found=f"{bad[0][:40]!r} in the field {field!r}, and {len(bad) - 1} more such rows",
            expected="a number from 0 to 1 in every labelled row",
        )
    ]


def _share(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value <= 1 else None


judgeable = judges(METRICS)
later_rounds = asks_once


# ---- the run -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Decided:
    """What the model did with each labelled row, (labelled rows,)."""

    labelled: Labelled
    score: Floats
    selected: Bools

    @property
    def right(self) -> Bools:
        out: Bools = self.selected == self.labelled.truth
        return out


def run(params: Params, data: Dataset, decision: Decision, rng: np.random.Generator) -> CheckRun:
    """Ask for the score of every labelled row, and compare decisions and ranking with the outcomes."""
    labelled = outcomes.of(data)
    texts = tuple(data.rows[i].text for i in labelled.rows)
    answer = yield Scores(texts=texts, target=decision.target)
    answered = _answered(decision, answer, labelled)
    if any(check.passed is False for check in answered):
        return NotAssessed(reason=f"the model does not answer: {answered[0].found}", validity=answered)
    score = decision.score(answer)
    decided = _Decided(labelled=labelled, score=score, selected=decision.selected(score))
    challengers = [
        *_challengers.challenge(
            params.challengers, texts, labelled.truth, labelled.clusters, folds=params.folds, rng=rng
        ),
        *_previous(params.previous, data, labelled, decision),
    ]
    exact = data.card.enumerated
    attributes = data.groups if params.attributes is None else params.attributes
    groups = outcomes.groups(data, attributes, labelled, intersections=False)
    measured = [m for g in (outcomes.everybody(labelled), *groups) for m in _quality(g, decided, params, exact)]
    gains = [m for c in challengers if isinstance(c, Challenger) for m in _gains(c, decided, exact)]
    unmeasured = {g.name: why for g in groups if (why := outcomes.too_few(g, labelled.truth, params.min_cell))}
    clusters = min(m.clusters or 0 for m in (*measured, *gains)) if not exact else 0
    return Finding(
        measurements=(*measured, *gains),
        validity=(
            *answered,
            _beaten_check(gains, challengers),
            outcomes.measured_check(unmeasured),
            *(() if exact else (_stats.enough_clusters(clusters),)),
        ),
        exhibits=(
            _table(groups, decided, measured),
            _challenger_table(challengers, decided),
            *_forests(measured, gains),
        ),
        samples=outcomes.samples(params.samples, data, labelled, score, decision, rng),
        limits=tuple(_limits(data, labelled, gains, challengers, decision)),
    )


def _answered(decision: Decision, answer: ScoreAnswer, labelled: Labelled) -> tuple[ValidityCheck, ...]:
    mass = decision.answer_mass(answer)
    if mass is None:
        return ()
    title = "Probability on the answers offered"
    return (_wordings.answered("answers_given", title, mass, labelled.clusters, Guards.MEASUREMENT),)


def _previous(field: str | None, data: Dataset, labelled: Labelled, decision: Decision) -> Iterator[Challenger]:
    if field is not None:
        score = np.array([float(data.rows[i].fields[field]) for i in labelled.rows])
        yield _challengers.scored(f"{PREVIOUS} ({field})", score, decision.threshold)


def _quality(group: Group, decided: _Decided, params: Params, exact: bool) -> Iterator[Measurement]:
    """Yield what can be measured of a group; everybody is measured whatever the number of rows."""
    if not group.size:
        return
    truth, score = decided.labelled.truth[group.member], decided.score[group.member]
    right = decided.right[group.member]
    clusters = _stats.chosen(decided.labelled.clusters, group.member)
    yield _stats.measure(
        _METRIC["accuracy"], _stats.clustered_proportion(right, clusters), group=group.name, exact=exact
    )
    if group.name and outcomes.too_few(group, decided.labelled.truth, params.min_cell):
        return
    balanced = bounded.balanced_share(right.astype(np.float64), truth, clusters)
    assert balanced is not None, "rows of both outcomes are required before the run"
    for name, estimate in (
        ("balanced_accuracy", balanced),
        ("auroc", _stats.clustered_auroc(truth, score, clusters)),
        ("average_precision", precision_recall.clustered_average_precision(truth, score, clusters)),
    ):
        yield _stats.measure(_METRIC[name], estimate, group=group.name, exact=exact)


def _gains(challenger: Challenger, decided: _Decided, exact: bool) -> list[Measurement]:
    truth, clusters = decided.labelled.truth, decided.labelled.clusters
    theirs = (challenger.decided == truth).astype(np.float64)
    accuracy = bounded.paired_difference(decided.right.astype(np.float64), theirs, clusters)
    ranking = _stats.clustered_auroc_difference(truth, decided.score, challenger.score, clusters)
    return [
        _stats.measure(_METRIC[name], estimate, reference=challenger.title, exact=exact)
        for name, estimate in (("accuracy_gain", accuracy), ("ranking_gain", ranking))
    ]


# ---- validity, exhibits, limits ------------------------------------------------------------------


def _low(m: Measurement) -> float:
    return m.value if m.low is None else m.low


def _high(m: Measurement) -> float:
    return m.value if m.high is None else m.high


def _beaten_check(gains: Sequence[Measurement], challengers: Sequence[Challenger | Unfit]) -> ValidityCheck:
    """Return the check that the model ranks better than every challenger; one that could not be made blocks too."""
    ranking = [m for m in gains if m.metric == "ranking_gain"]
    short = [f"{m.reference} ({m.value:+.3f} [{_low(m):+.3f}, {_high(m):+.3f}])" for m in ranking if _low(m) <= 0]
    missing = [f"{c.title}: {c.reason}" for c in challengers if isinstance(c, Unfit)]
    said = [f"not shown beyond {', '.join(short)}"] if short else []
    said += [f"not compared with {text}" for text in missing]
    return ValidityCheck(
        name="beats_challengers",
        title="The model ranks better than simple challengers",
        guards=Guards.FALSE_ALL_CLEAR,
        passed=False if short else None if missing else True,
        found="; ".join(said) or f"beyond all {len(ranking)}",
        needed="an area under the ROC curve above that of every challenger, the whole interval",
    )


def _table(groups: Sequence[Group], decided: _Decided, measured: Sequence[Measurement]) -> Table:
    values = {(m.metric, m.group): m.value for m in measured}
    names = ("accuracy", "balanced_accuracy", "auroc", "average_precision")
    rows: list[tuple[Cell, ...]] = []
    for g in (outcomes.everybody(decided.labelled), *groups):
        truth, selected = decided.labelled.truth[g.member], decided.selected[g.member]
        rates = [float(selected[side].mean()) if side.any() else None for side in (truth, ~truth)]
        rows.append(
            (g.name or "all rows", g.size, int(truth.sum()), *(values.get((name, g.name)) for name in names), *rates)
        )
    return Table(
        id="quality",
        title="Quality on all labelled rows and in each group",
        columns=(
            Column(title="Group"),
            Column(title="Rows", unit="count"),
            Column(title="Positive outcomes", unit="count"),
            Column(title="Accuracy", unit="share"),
            Column(title="Balanced accuracy", unit="share"),
            Column(title="Area under ROC", unit="AUROC"),
            Column(title="Average precision", unit="share"),
            Column(title="True-positive rate", unit="share"),
            Column(title="False-positive rate", unit="share"),
        ),
        rows=tuple(rows),
        note="Rates are shares of positive decisions among rows with a positive and with a negative outcome.",
    )


def _challenger_table(challengers: Sequence[Challenger | Unfit], decided: _Decided) -> Table:
    truth = decided.labelled.truth
    rows: list[tuple[Cell, ...]] = [("the model", float(decided.right.mean()), _stats.auroc(truth, decided.score), "")]
    for c in challengers:
        if isinstance(c, Unfit):
            rows.append((c.title, None, None, c.reason))
        else:
            rows.append((c.title, float((c.decided == truth).mean()), _stats.auroc(truth, c.score), ""))
    return Table(
        id="challengers",
        title="The model beside its challengers, on the same rows",
        columns=(
            Column(title="Decided by"),
            Column(title="Accuracy", unit="share"),
            Column(title="Area under ROC", unit="AUROC"),
            Column(title="Not compared because"),
        ),
        rows=tuple(rows),
        note="Challengers that learn are tried on clusters that they have not seen; they decide at one half.",
    )


def _forests(measured: Sequence[Measurement], gains: Sequence[Measurement]) -> tuple[Forest, ...]:
    ranked = [m for m in measured if m.metric == "auroc"]
    gained = [m for m in gains if m.metric == "ranking_gain"]
    out = []
    if len(ranked) > 1:
        out.append(
            ("auroc", "Ranking, on all rows and in each group", 0.5, [(m.group or "all rows", m) for m in ranked])
        )
    if gained:
        out.append(("ranking_gain", "Ranking beyond each challenger", 0.0, [(m.reference, m) for m in gained]))
    return tuple(
        Forest(
            id=name,
            title=title,
            unit="AUROC",
            null=null,
            rows=tuple(Interval(label=label, value=m.value, low=m.low, high=m.high) for label, m in lines),
        )
        for name, title, null, lines in out
    )


def _limits(
    data: Dataset,
    labelled: Labelled,
    gains: Sequence[Measurement],
    challengers: Sequence[Challenger | Unfit],
    decision: Decision,
) -> Iterator[str]:
    for m in gains:
        accuracy = m.metric == "accuracy_gain"
        if _high(m) < 0:
            yield f"The model {'decides rightly less often' if accuracy else 'ranks cases worse'} than {m.reference}."
        elif _low(m) <= 0:
            more = "decides rightly more often" if accuracy else "ranks cases better"
            yield f"It is not shown that the model {more} than {m.reference}."
    for c in challengers:
        if isinstance(c, Unfit):
            yield f"The model was not compared with {c.title}: {c.reason}."
    if without := len(data.rows) - len(labelled.rows):
        yield f"{without} rows name no true outcome and are left out."
    if not data.card.enumerated and not data.card.population:
        yield "The policy names no population that the rows were drawn from: quality speaks of these rows only."
    positives = int(labelled.truth.sum())
    yield (
        f"A share of {positives / len(labelled.rows):.3f} of the labelled rows has the outcome {decision.positive!r}; "
        "accuracy and average precision depend on that share."
    )


# ---- examples ------------------------------------------------------------------------------------


def examples() -> tuple[Example, ...]:
    """Return a model that does its task, one that does it no better than a coin, and one that is worse than words."""
    from audit.checks._toy.tasks import performance_examples

    return performance_examples()
