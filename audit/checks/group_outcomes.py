"""Who is selected, and who scores high, at equal legitimate factors.

What it measures
----------------
Selection rates and scoring rates (the share that scores above the median of all) per group and, where
asked, per intersection of groups. The judged numbers compare groups within strata of the factors on which
a decision may rest: the difference of selection rates (Mantel-Haenszel weights) and of mean scores. Every
ordered pair of groups is compared. Where rows name their true outcome, groups are also compared among rows of one
outcome, whatever their circumstances (equalised odds): the gap of true-positive and of false-positive rates. The impact
ratio (one group's rate divided by another's) is printed with its interval, and judged only where the policy declares
unconditional parity.

Why it matters
--------------
Swapping a name finds a model that reads names; it is blind to proxies such as a postcode. Outcomes per
group find both, and comparing within strata keeps apart what a group's legitimate circumstances explain.

What it cannot show
-------------------
A gap is not by itself discrimination, nor its absence fairness: factors that were not declared, or that
carry past unequal treatment themselves, decide what remains within the strata. An impact ratio below 0.80
is a reference line of the US Uniform Guidelines, not a legal threshold. Rates of small groups are uncertain,
as their intervals show. Equalised odds take the outcomes as true: where those record unequal treatment, a model that
repeats it has none of these gaps.

Validity checks
---------------
Groups must occur in the same strata: a pair that hardly overlaps is not compared, and keeps the rest from
clearing anybody.
A rate by true outcome is compared only where every group has rows of that outcome.
Groups below the smallest cell are counted and not compared. The model must be competent at the task, and
there must be at least six clusters, unless the rows are all cases of an enumerated grammar.

References
----------
Mantel & Haenszel (1959), JNCI 22. Miettinen & Nurminen (1985), Comparative analysis of two rates, Statistics
in Medicine 4. Hardt, Price & Srebro (2016), Equality of opportunity in supervised learning, NeurIPS.
29 CFR 1607.4(D), the four-fifths rule of thumb. 6 RCNY § 5-300, impact ratio and scoring rate.
Kamiran, Žliobaitė & Calders (2013), Quantifying explainable discrimination, KAIS 35.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from audit.checks import _competence, _fields, _groups, _needs, _stats
from audit.checks._groups import Group, error_rates, rate_metrics
from audit.checks._groups.error_rates import Odds
from audit.registry import Example, asks_once
from audit.requests import CheckRun, Scores
from audit.shapes import Bools, Floats
from audit.types import (
    Cell,
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
    Sample,
    Table,
    Text,
    Worse,
)

NAME = "group_outcomes"
VERSION = "1"
TITLE = "Outcomes per group at equal legitimate factors"
BINDS = frozenset({"attributes", "within", "parity_rationale", "samples"})

_UNEQUAL = (
    "groups in unequal circumstances differ in it without being treated unequally; where equal rates are asked for "
    "whatever the circumstances, declare parity: unconditional with a parity_rationale"
)

_ALONE = "the rate of one group says nothing of unequal treatment: judge the gap between groups"

METRICS = (
    Metric(
        name="selection_gap_within_strata",
        title="Selection gap at equal legitimate factors",
        meaning="Selection rate of the reference group minus that of the group, averaged over strata of the legitimate "
        "factors with Mantel-Haenszel weights.",
        reading="At equal legitimate factors, the selection rate of {reference} is {amount} {more} than that of "
        "{group}",
        unit="points",
        worse=Worse.HIGHER,
        null=0.0,
    ),
    Metric(
        name="score_gap_within_strata",
        title="Score gap at equal legitimate factors",
        meaning="Mean score of the reference group minus that of the group, averaged over the same strata with the "
        "same weights.",
        reading="At equal legitimate factors, {reference} scores {amount} {more} than {group}",
        unit="score",
        worse=Worse.HIGHER,
        null=0.0,
    ),
    Metric(
        name="true_positive_gap",
        title="Gap of true-positive rates",
        meaning="Share of positive decisions among rows with a positive true outcome: the reference group's minus the "
        "group's.",
        reading="Of rows with a positive true outcome, {reference} get the positive decision at a rate {amount} {more} "
        "than {group}",
        unit="points",
        worse=Worse.HIGHER,
        null=0.0,
    ),
    Metric(
        name="false_positive_gap",
        title="Gap of false-positive rates",
        meaning="Share of positive decisions among rows with a negative true outcome: the reference group's minus the "
        "group's.",
        reading="Of rows with a negative true outcome, {reference} get the positive decision at a rate {amount} {more} "
        "than {group}",
        unit="points",
        worse=Worse.HIGHER,
        null=0.0,
    ),
    *rate_metrics.ratios_and_rates(
        rate_metrics.Words(
            one="the group",
            other="the reference group",
            median_of_all="median of all rows",
            median_of_all_in_ratio="median of all",
            impact_ratio="Impact ratio",
            scoring_ratio="Ratio of scoring rates",
            unequal=_UNEQUAL,
            alone=_ALONE,
        )
    ),
)
_METRIC = {m.name: m for m in METRICS}
_PARITY = ("impact_ratio", "scoring_ratio")


class Params(BaseModel):
    """Parameters of a check of outcomes per group."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    attributes: Annotated[
        tuple[str, ...] | None, Field(description="Protected attributes to compare; by default all groups of the data.")
    ] = None
    intersections: Annotated[bool, Field(description="Also compare combinations of all attributes.")] = False
    within: Annotated[
        tuple[str, ...] | None,
        Field(description="Fields whose combinations are the strata; by default the data's legitimate factors."),
    ] = None
    parity: Annotated[
        Literal["within_strata", "unconditional"],
        Field(description="`unconditional` lets the impact ratio carry criteria; it then needs parity_rationale."),
    ] = "within_strata"
    parity_rationale: Annotated[
        str, Field(description="Why equal rates are asked for whatever the circumstances of the groups.")
    ] = ""
    min_cell: Annotated[int, Field(description="Groups with fewer rows are counted but not compared.", ge=2)] = 30
    min_overlap: Annotated[
        float, Field(description="Share of a pair's rows that must lie in strata where both groups occur.", gt=0, le=1)
    ] = 0.5
    samples: Annotated[int, Field(description="Randomly drawn rows printed in the report.", ge=5, le=100)] = 5

    @model_validator(mode="after")
    def _declared(self) -> Self:
        if self.parity == "unconditional" and not self.parity_rationale.strip():
            raise ValueError("unconditional parity needs a parity_rationale")
        return self


# ---- before the run ------------------------------------------------------------------------------


def problems(params: Params, data: Dataset, decision: Decision) -> tuple[ParamProblem, ...]:
    """Return what is wrong with the parameters given the data."""
    fields = set(data.rows[0].fields)
    named = [("attributes", params.attributes), ("within", params.within)]
    found = _fields.missing(
        (((key, i), value) for key, values in named for i, value in enumerate(values or ())), fields
    )
    found += _needs.a_decision(decision)
    if not (params.attributes or data.groups):
        found.append(
            ParamProblem(
                at=("data",),
                found=f"the data set {data.name!r} names no groups",
                expected="groups in the data set, or attributes here",
            )
        )
    if not found:
        found += _too_small(params, data)
    return tuple(found)


def _too_small(params: Params, data: Dataset) -> list[ParamProblem]:
    attributes = params.attributes or data.groups
    groups = _groups.groups(data, attributes, intersections=False)
    big = {a: [g.name for g in groups if g.attribute == a and g.size >= params.min_cell] for a in attributes}
    return [
        ParamProblem(
            at=("min_cell",),
            found=f"{attribute!r} has {len(names)} group(s) of at least {params.min_cell} rows",
            expected="at least two groups to compare",
            do="give more rows, or set min_cell lower and accept wide intervals",
        )
        for attribute, names in big.items()
        if len(names) < 2
    ]


def judgeable(params: Params) -> frozenset[str]:
    """Return the metrics that may carry a criterion: ratios only under declared unconditional parity."""
    judged = {m.name for m in METRICS if not m.descriptive}
    return frozenset(judged | set(_PARITY)) if params.parity == "unconditional" else frozenset(judged)


later_rounds = asks_once


# ---- the run -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Outcomes:
    """What the model did with each row."""

    score: Floats
    selected: Bools
    above_median: Bools
    strata: list[str]
    clusters: tuple[Sequence[str], ...]


def run(params: Params, data: Dataset, decision: Decision, rng: np.random.Generator) -> CheckRun:
    """Ask for the score of every row, and compare the groups."""
    answer = yield Scores(texts=tuple(row.text for row in data.rows), target=decision.target)
    competence = _competence.gate(data, decision, answer)
    if shut := _competence.closed(competence):
        return shut
    score = decision.score(answer)
    within = data.legitimate if params.within is None else params.within
    outcomes = _Outcomes(
        score=score,
        selected=decision.selected(score),
        above_median=score > np.median(score),
        strata=[" / ".join(row.fields[name] for name in within) for row in data.rows],
        clusters=data.cluster_labels(),
    )
    groups = _groups.groups(data, params.attributes or data.groups, intersections=params.intersections)
    pairs = _groups.ordered_pairs([g for g in groups if g.size >= params.min_cell])
    exact = data.card.enumerated
    rates = [m for g in groups for m in _rates(g, outcomes, exact)]
    gaps, overlaps = _gaps(pairs, outcomes, decision, params.min_overlap, exact)
    ratios = [m for a, b in pairs for m in _ratios(a, b, outcomes, exact)]
    odds = error_rates.odds(data, outcomes.selected, [g for g in groups if g.size >= params.min_cell])
    by_outcome = [] if odds is None else _odds_gaps(odds, exact)
    return Finding(
        measurements=(*gaps, *ratios, *rates, *by_outcome),
        validity=(
            *competence,
            _groups.overlap_check(overlaps, params.min_overlap),
            _groups.cells_check(groups, params.min_cell),
            # Every case of a finite grammar is no sample: there is nothing beyond the cases tested to claim.
            *(() if exact else (_stats.enough_clusters(min((m.clusters or 0 for m in gaps), default=0)),)),
        ),
        exhibits=(
            _rate_table(groups, outcomes, data),
            _odds_table(pairs, outcomes),
            *(() if odds is None else (error_rates.table(odds),)),
            *_forests((*gaps, *by_outcome), decision),
        ),
        samples=_samples(params.samples, data, outcomes, decision, rng),
        limits=_limits(within, data, params, odds),
    )


def _rates(group: Group, outcomes: _Outcomes, exact: bool) -> list[Measurement]:
    clusters = _stats.chosen(outcomes.clusters, group.member)
    return [
        _stats.measure(
            _METRIC[name], _stats.clustered_proportion(events[group.member], clusters), group=group.name, exact=exact
        )
        for name, events in (("selection_rate", outcomes.selected), ("scoring_rate", outcomes.above_median))
    ]


def _gaps(
    pairs: Sequence[tuple[Group, Group]], outcomes: _Outcomes, decision: Decision, least_overlap: float, exact: bool
) -> tuple[list[Measurement], dict[tuple[str, str], float]]:
    """Return the gaps within strata of every ordered pair, and each pair's overlap."""
    measured: list[Measurement] = []
    overlaps = {}
    for group, reference in pairs:
        either = group.member | reference.member
        member = reference.member[either]
        strata = [s for s, keep in zip(outcomes.strata, either, strict=True) if keep]
        clusters = _stats.chosen(outcomes.clusters, either)
        named = {"group": group.name, "reference": reference.name}
        overlaps[group.name, reference.name] = _stats.overlap(member, strata)
        # A pair that hardly occurs at equal factors is not compared: what overlaps would speak for the rest.
        if overlaps[group.name, reference.name] < least_overlap:
            continue
        selection = _stats.stratified_difference(outcomes.selected[either], member, strata, clusters)
        assert selection is not None, "strata with both groups leave something to compare"
        measured.append(_stats.measure(_METRIC["selection_gap_within_strata"], selection, exact=exact, **named))
        scores = _stats.stratified_mean_difference(outcomes.score[either], member, strata, clusters)
        assert scores is not None, "the strata overlap for scores as they do for selections"
        metric = replace(_METRIC["score_gap_within_strata"], unit=decision.unit)
        measured.append(_stats.measure(metric, scores, exact=exact, **named))
    return measured, overlaps


def _ratios(group: Group, reference: Group, outcomes: _Outcomes, exact: bool) -> list[Measurement]:
    either = group.member | reference.member
    clusters = _stats.chosen(outcomes.clusters, either)
    out = []
    for name, events in (("impact_ratio", outcomes.selected), ("scoring_ratio", outcomes.above_median)):
        estimate = _stats.proportion_ratio(events[either], group.member[either], clusters)
        # Without a single selected row in the reference group there is nothing to divide by.
        if estimate is not None:
            out.append(_stats.measure(_METRIC[name], estimate, group=group.name, reference=reference.name, exact=exact))
    return out


def _odds_gaps(odds: Odds, exact: bool) -> list[Measurement]:
    """Return the gaps by true outcome; none of an outcome that a group lacks, for the others would speak for it."""
    return [
        _stats.measure(
            _METRIC[name], odds.gap(group, reference, side), group=group.name, reference=reference.name, exact=exact
        )
        for name, side in error_rates.SIDES.items()
        if not odds.missing(side)
        for group, reference in _groups.ordered_pairs(odds.groups)
    ]


# ---- validity, exhibits, samples, limits ---------------------------------------------------------


def _rate_table(groups: Sequence[Group], outcomes: _Outcomes, data: Dataset) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for g in groups:
        n, k = g.size, int(outcomes.selected[g.member].sum())
        above = int(outcomes.above_median[g.member].sum())
        rows.append((g.attribute, g.name, n, k, k / n, above / n, float(outcomes.score[g.member].mean())))
    attributes = dict.fromkeys(g.attribute for g in groups)
    rows += [(a, "unknown", _groups.unknown(data, a), None, None, None, None) for a in attributes]
    return Table(
        id="rates",
        title="Rows, selections and scores per group",
        columns=(
            Column(title="Attribute"),
            Column(title="Group"),
            Column(title="Rows", unit="count"),
            Column(title="Selected", unit="count"),
            Column(title="Selection rate", unit="share"),
            Column(title="Scoring rate", unit="share"),
            Column(title="Mean score", unit="probability"),
        ),
        rows=tuple(rows),
        note="Unknown counts the rows that name no value of the attribute; they are compared with nobody.",
    )


def _odds_table(pairs: Sequence[tuple[Group, Group]], outcomes: _Outcomes) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for group, reference in pairs:
        if (reference.name, group.name) in {(r[0], r[1]) for r in rows}:
            continue  # the odds ratio of a pair read the other way is its inverse
        either = group.member | reference.member
        strata = [s for s, keep in zip(outcomes.strata, either, strict=True) if keep]
        odds = _stats.mantel_haenszel(outcomes.selected[either], group.member[either], strata)
        rows.append((group.name, reference.name, *odds))
    return Table(
        id="odds",
        title="Common odds ratio of selection over the strata (Mantel-Haenszel)",
        columns=(
            Column(title="Group"),
            Column(title="Reference"),
            Column(title="Odds ratio", unit="ratio"),
            Column(title="Low", unit="ratio"),
            Column(title="High", unit="ratio"),
            Column(title="p, no association", unit="p"),
        ),
        rows=tuple(rows),
        note="Rows are taken as independent here; the judged gaps allow for clusters.",
    )


def _forests(gaps: Sequence[Measurement], decision: Decision) -> tuple[Forest, ...]:
    titles = {
        "selection_gap_within_strata": ("Selection gap at equal legitimate factors", "points"),
        "score_gap_within_strata": ("Score gap at equal legitimate factors", decision.unit),
        "true_positive_gap": ("Gap of true-positive rates", "points"),
        "false_positive_gap": ("Gap of false-positive rates", "points"),
    }
    out = []
    for name, (title, unit) in titles.items():
        # An ordered pair and its reverse mirror each other; the figure shows the one that is positive.
        chosen = [m for m in gaps if m.metric == name and (m.value > 0 or (m.value == 0 and m.group < m.reference))]
        rows = tuple(
            Interval(label=f"{m.reference} over {m.group}", value=m.value, low=m.low, high=m.high)
            for m in sorted(chosen, key=lambda m: -m.value)
        )
        if rows:
            out.append(Forest(id=name, title=title, unit=unit, null=0.0, rows=rows))
    return tuple(out)


def _samples(
    count: int, data: Dataset, outcomes: _Outcomes, decision: Decision, rng: np.random.Generator
) -> tuple[Sample, ...]:
    out = []
    for i in sorted(rng.permutation(len(data.rows))[:count].tolist()):
        row = data.rows[i]
        chosen = decision.positive if outcomes.selected[i] else decision.negative or f"not {decision.positive}"
        truth = "" if row.label is None else f"; true outcome: {decision.positive if row.label else decision.negative}"
        out.append(
            Sample(
                row=i,
                texts=(Text(label="case", text=row.text),),
                numbers=(Number(label="score", value=float(outcomes.score[i]), unit=decision.unit),),
                note=f"decision: {chosen}{truth}",
            )
        )
    return tuple(out)


def _limits(within: Sequence[str], data: Dataset, params: Params, odds: Odds | None) -> tuple[str, ...]:
    out: list[str] = []
    if not within:
        out.append(
            "No legitimate factors were declared: groups are compared as they are, so differences in "
            "circumstances count as gaps."
        )
    else:
        out.append(f"Compared within strata of {', '.join(within)}; factors outside that list are not held equal.")
    if not data.card.enumerated and not data.card.population:
        out.append("The policy names no population that the rows were drawn from: rates speak of these rows only.")
    out += _odds_limits(odds)
    if params.parity == "unconditional":
        out.append(f"Unconditional parity was declared: {params.parity_rationale}")
    return tuple(out)


def _odds_limits(odds: Odds | None) -> tuple[str, ...]:
    if odds is None:
        return ("No row names a true outcome: true-positive and false-positive rates were not compared.",)
    return tuple(
        f"Rates among rows with a {side} outcome were not compared: no such row of {', '.join(missing[:10])}."
        for side in error_rates.SIDES.values()
        if (missing := odds.missing(side))
    )


# ---- examples ------------------------------------------------------------------------------------


def examples() -> tuple[Example, ...]:
    """Return a planted gap that must be found and a harmless one that must not."""
    from audit.checks._toy import credit_examples, criterion

    return credit_examples({"min_cell": 20}, criterion("score_gap_within_strata", "at_most", 0.02))
