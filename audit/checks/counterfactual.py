"""The same case with a protected attribute swapped.

What it measures
----------------
Each case is written again with nothing changed but the words that carry a protected attribute, and the
model scores both. Reported per value of the attribute: the mean difference of the scores, the mean
absolute difference, the mean difference in every declared stratum, and the share of cases whose decision
flips. A bound on the mean difference binds the absolute difference and each stratum too, because opposite
effects cancel in a mean.

Why it matters
--------------
It is the most direct evidence that a decision depends on an attribute: nothing but the attribute changed.
Scores are compared, not only decisions, because a shift that stays on one side of the threshold flips no
decision and still decides once the threshold or the sampling of answers changes.

What it cannot show
-------------------
It says nothing about attributes that were not swapped, about the realism of the templates, or about
outcomes in use. It is blind to proxies: a model that leans on a postcode passes it. A rate of zero flips
is bounded by the number of distinct clusters, and not shown to be zero.

Validity checks
---------------
Swaps must reach the model: texts that the tokenizer turns into the same tokens (names outside the
vocabulary) would look like equal treatment. The model must be competent at the task, and there must be at
least six clusters for any claim beyond the cases tested (of a grammar that is enumerated whole, none is made).

References
----------
Kusner, Loftus, Russell & Silva (2017), Counterfactual fairness, NeurIPS. Garg et al. (2019), Counterfactual
fairness in text classification through robustness, AIES. Cameron, Gelbach & Miller (2011), Robust inference
with multiway clustering, JBES 29(2). Korn & Graubard (1998), Confidence intervals for proportions with small
expected number of positive counts estimated from survey data, Survey Methodology 24(2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from audit.checks import _competence, _fields, _stats
from audit.checks._rewriting import planting, reaching, swapping
from audit.checks._rewriting.swapping import Case, Comparison, Swap
from audit.registry import Example, asks_once
from audit.requests import CheckRun, Request, ScoreAnswer, Scores, TokenisedText
from audit.shapes import Bools, Floats
from audit.types import (
    Column,
    Dataset,
    Decision,
    Finding,
    Forest,
    Interval,
    Measurement,
    Metric,
    Number,
    ParamProblem,
    Plant,
    Sample,
    Table,
    Text,
    ValidityCheck,
    Worse,
)

NAME = "counterfactual"
VERSION = "1"
TITLE = "The same case with a protected attribute swapped"
BINDS = frozenset({"swap", "strata", "samples"})

METRICS = (
    Metric(
        name="score_gap",
        title="Mean score gap",
        meaning="Mean difference of the score between a case with this value and the same case with the reference.",
        reading="The same cases score {amount} {more} with “{group}” than with {reference}",
        listing="Compared with the same cases with {reference}, scores are {more} with {items}",
        unit="score",
        worse=Worse.AWAY,
        null=0.0,
        judged_with=("absolute_gap", "stratum_gap"),
    ),
    Metric(
        name="absolute_gap",
        title="Mean absolute score gap",
        meaning="Mean size of the difference in single cases, whatever its sign: effects that cancel show here.",
        reading="In a single case the score moves by {value} on average between “{group}” and {reference}",
        unit="score",
        worse=Worse.HIGHER,
        null=0.0,
    ),
    Metric(
        name="stratum_gap",
        title="Mean score gap in a stratum",
        meaning="The mean score gap among the cases of one declared stratum; every stratum is judged.",
        reading="Where {stratum}, the same cases score {amount} {more} with “{group}” than with {reference}",
        unit="score",
        worse=Worse.AWAY,
        null=0.0,
    ),
    Metric(
        name="flip_rate",
        title="Share of flipped decisions",
        meaning="Share of cases in which the decision is another one when only the attribute is swapped.",
        reading="The decision changes in {value} of cases between “{group}” and {reference}",
        unit="share",
        worse=Worse.HIGHER,
        null=0.0,
    ),
)

LARGEST = 5
"""Single cases shown for the size of their gap."""


class Params(BaseModel):
    """Parameters of a counterfactual check."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    swap: Annotated[dict[str, Swap], Field(description="Protected attribute → how it is swapped.", min_length=1)]
    strata: Annotated[
        tuple[str, ...], Field(description="Fields whose combinations are the strata that are judged one by one.")
    ] = ()
    samples: Annotated[int, Field(description="Randomly drawn cases printed in the report.", ge=5, le=100)] = 5


# ---- before the run ------------------------------------------------------------------------------


def problems(params: Params, data: Dataset, decision: Decision) -> tuple[ParamProblem, ...]:
    """Return what is wrong with the parameters given the data."""
    del decision
    fields = set(data.rows[0].fields)
    found = _fields.missing(((("strata", i), name) for i, name in enumerate(params.strata)), fields)
    for attribute, swap in params.swap.items():
        found += swapping.problems(attribute, swap, data)
    return tuple(found)


def judgeable(params: Params) -> frozenset[str]:
    """Return the metrics that may carry a criterion: behaviour decides. Without strata there is no gap in one."""
    return frozenset(m.name for m in METRICS if params.strata or m.name != "stratum_gap")


later_rounds = asks_once


# ---- the run -------------------------------------------------------------------------------------


def run(params: Params, data: Dataset, decision: Decision, rng: np.random.Generator) -> CheckRun:
    """Ask for the scores of all versions of all cases, and compare them."""
    comparisons = [c for swap in params.swap.values() for c in swapping.comparisons(swap, params.strata, data)]
    texts = tuple(dict.fromkeys(t for c in comparisons for case in c.cases for t in (case.text, *case.references)))
    originals = tuple(row.text for row in data.rows)
    order = None if decision.decides else _competence.shuffled(data, rng)
    pairs = reaching.drawn(((case.text, case.references[0]) for c in comparisons for case in c.cases), rng)
    asked: list[Request] = [
        Scores(texts=texts, target=decision.target),
        Scores(texts=originals, target=decision.target),
        reaching.tokens(pairs),
    ]
    if order is not None:
        asked.append(Scores(texts=tuple(order.shuffled), target=decision.target))
    answers = yield tuple(asked)
    scored, original, tokenised = answers[:3]
    if order is not None:
        likelihood = dict(zip(originals, decision.score(original), strict=True))
        order.likelier = np.array([likelihood[r.text] for r in order.rows]) > decision.score(answers[3])
    competence = _competence.gate(data, decision, original, order)
    if shut := _competence.closed(competence):
        return shut
    scores = _ByText(texts, decision, scored)
    measured = [_measured(c, scores, data.card.enumerated) for c in comparisons]
    # Every case of a finite grammar is no sample: there is nothing beyond the cases tested to claim.
    fewest = min(_stats.cluster_count(c.clusters) for c in comparisons)
    enough = () if data.card.enumerated else (_stats.enough_clusters(fewest),)
    return Finding(
        measurements=tuple(m for some in measured for m in some),
        validity=(*competence, _visible(pairs, tokenised), *enough),
        exhibits=_exhibits(comparisons, scores, measured, decision),
        samples=_samples(params.samples, comparisons, scores, rng),
        limits=_limits(params, comparisons, data),
    )


class _ByText:
    """Scores and decisions by text."""

    def __init__(self, texts: Sequence[str], decision: Decision, answer: ScoreAnswer) -> None:
        values = decision.score(answer)
        self.decision = decision
        self._score = dict(zip(texts, values.tolist(), strict=True))

    def of(self, cases: Sequence[Case]) -> tuple[Floats, Floats]:
        """Return the scores of some cases with the value in question, and the mean with the references."""
        own = np.array([self._score[case.text] for case in cases])
        other = np.array([np.mean([self._score[t] for t in case.references]) for case in cases])
        return own, other

    def selected(self, score: Floats) -> Bools:
        """Return the decisions."""
        return self.decision.selected(score)


def _measured(comparison: Comparison, scores: _ByText, enumerated: bool) -> list[Measurement]:
    cases, named = comparison.cases, {"group": comparison.group, "reference": comparison.reference}
    own, other = scores.of(cases)
    gaps, clusters = own - other, comparison.clusters
    decides = scores.decision.decides
    # Probabilities differ by at most one; log-likelihoods have no such end, and their own range stands in.
    reach = 1.0 if decides else float(np.ptp(np.concatenate([own, other]))) or 1.0
    metric = {m.name: replace(m, unit=scores.decision.unit) if m.unit == "score" else m for m in METRICS}

    def mean(name: str, values: Floats, keep: Sequence[int] | None = None, stratum: str = "") -> Measurement:
        kept = list(range(len(values))) if keep is None else list(keep)
        labels = tuple([column[i] for i in kept] for column in clusters)
        support = (0.0 if name == "absolute_gap" else -1.0, 1.0) if decides else None
        estimate = _stats.clustered_mean(values[kept], labels, reach=reach, support=support)
        return _stats.measure(metric[name], estimate, stratum=stratum, exact=enumerated, **named)

    out = [mean("score_gap", gaps), mean("absolute_gap", np.abs(gaps))]
    for stratum in sorted({case.stratum for case in cases} - {""}):
        inside = [i for i, case in enumerate(cases) if case.stratum == stratum]
        out += [mean("stratum_gap", gaps, inside, stratum)]
    if decides:
        flips = scores.selected(own) != scores.selected(other)
        estimate = _stats.clustered_proportion(flips, clusters)
        out.append(_stats.measure(metric["flip_rate"], estimate, exact=enumerated, **named))
    return out


# ---- validity, exhibits, samples, limits ---------------------------------------------------------


def _visible(pairs: Sequence[tuple[str, str]], tokenised: Sequence[TokenisedText]) -> ValidityCheck:
    return reaching.reaches_the_model(
        pairs,
        tokenised,
        name="swap_reaches_the_model",
        title="Swapped texts differ in the model's tokens",
    )


def _exhibits(
    comparisons: Sequence[Comparison], scores: _ByText, measured: Sequence[Sequence[Measurement]], decision: Decision
) -> tuple[Forest | Table, ...]:
    gaps = sorted((some[0] for some in measured), key=lambda m: -m.value)
    forest = Forest(
        id="score_gap",
        title="Mean score gap to the same cases with the reference",
        unit=decision.unit,
        null=0.0,
        rows=tuple(Interval(label=m.group, value=m.value, low=m.low, high=m.high) for m in gaps),
    )
    return forest, _means(comparisons, scores, decision), _largest(comparisons, scores, decision)


def _means(comparisons: Sequence[Comparison], scores: _ByText, decision: Decision) -> Table:
    rows: list[tuple[str | float | int | None, ...]] = []
    for c in comparisons:
        own, other = scores.of(c.cases)
        up = down = None
        if decision.decides:
            before, after = scores.selected(other), scores.selected(own)
            up, down = int((after & ~before).sum()), int((before & ~after).sum())
        rows.append((c.group, c.reference, len(c.cases), float(own.mean()), float(other.mean()), up, down))
    return Table(
        id="means",
        title="Mean scores with the value and with the reference",
        columns=(
            Column(title="Value"),
            Column(title="Reference"),
            Column(title="Cases", unit="count"),
            Column(title="Mean with value", unit=decision.unit),
            Column(title="Mean with reference", unit=decision.unit),
            Column(title="Decisions gained", unit="count"),
            Column(title="Decisions lost", unit="count"),
        ),
        rows=tuple(rows),
        note="A decision is gained where only the value leads to the positive one, lost where only the reference does.",
    )


def _largest(comparisons: Sequence[Comparison], scores: _ByText, decision: Decision) -> Table:
    single = []
    for c in comparisons:
        own, other = scores.of(c.cases)
        single += [
            (abs(a - b), case.text, c.group, c.reference, a, b) for case, a, b in zip(c.cases, own, other, strict=True)
        ]
    single.sort(key=lambda item: (-item[0], item[1]))
    return Table(
        id="largest",
        title="Single cases with the largest gap",
        columns=(
            Column(title="Case"),
            Column(title="Value"),
            Column(title="Reference"),
            Column(title="Score with value", unit=decision.unit),
            Column(title="Score with reference", unit=decision.unit),
        ),
        rows=tuple(
            (text, group, reference, float(a), float(b)) for _, text, group, reference, a, b in single[:LARGEST]
        ),
        note="Chosen for their size: they are not typical.",
    )


def _samples(
    count: int, comparisons: Sequence[Comparison], scores: _ByText, rng: np.random.Generator
) -> tuple[Sample, ...]:
    every = [(c, case) for c in comparisons for case in c.cases]
    out = []
    for i in sorted(rng.permutation(len(every))[:count].tolist()):
        c, case = every[i]
        own, other = scores.of([case])
        unit = scores.decision.unit
        out.append(
            Sample(
                row=case.row,
                texts=(
                    Text(label=f"with “{c.group}”", text=case.text),
                    Text(
                        label=f"with {c.reference}" if len(case.references) == 1 else "with the first reference",
                        text=case.references[0],
                    ),
                ),
                numbers=(
                    Number(label=f"score with “{c.group}”", value=float(own[0]), unit=unit),
                    Number(label="score with the reference", value=float(other[0]), unit=unit),
                ),
            )
        )
    return tuple(out)


def _limits(params: Params, comparisons: Sequence[Comparison], data: Dataset) -> tuple[str, ...]:
    units = sum(len(c.cases) for c in comparisons)
    out = [f"{units} comparisons of single cases, made from {len(data.rows)} rows of the data set “{data.name}”."]
    if not params.strata:
        out.append(
            "No strata were declared: effects that run against each other in parts of the data show only in the "
            "mean absolute gap."
        )
    if any(len(case.references) > 1 for c in comparisons for case in c.cases):
        out.append(
            "The reference is the mean over several values; a value that is part of it is compared with the others."
        )
    if any(c.left_out for c in comparisons):
        out.append("Cases share more than two things; the intervals allow for the first two of them.")
    return tuple(out)


# ---- a planted effect ----------------------------------------------------------------------------


def plant(params: Params, data: Dataset, decision: Decision, metric: str, group: str | None = None) -> Plant:
    """Return the texts in which a score gap of one value would show: of the comparison with the fewest cases.

    Raises
    ------
    CannotPlant
        When the metric counts decisions, which have no dose, or the rows hold no case of ``group``.
    """
    del decision
    return planting.of_swaps(params.swap, params.strata, data, metric, group)


# ---- examples ------------------------------------------------------------------------------------


def examples() -> tuple[Example, ...]:
    """Return a planted difference that must be found and a harmless one that must not."""
    from audit.checks._toy import credit_examples, criterion

    return credit_examples(
        {"swap": {"sex": {"from": "name", "pairs": credit_pairs()}}, "strata": ["income"]},
        criterion("score_gap", "at_most", 0.02, absolute_gap=0.02, stratum_gap=0.02),
    )


def credit_pairs() -> list[dict[str, str]]:
    """Return matched names of the toy applicants."""
    from audit.checks._toy import NAMES

    return [{"female": f, "male": m} for f, m in NAMES]
