"""Selection and scoring rates by sex, by race or ethnicity and by both, and the ratios between them.

What it measures
----------------
Three tables: categories of sex, of race or ethnicity, and of both crossed. For each category the number of
applicants, how many are selected, the share that is (the selection rate), the share that scores above the median of
the whole sample (the scoring rate), and each of these rates divided by that of the category where it is highest (the
impact ratio). Applicants of unknown category are counted. Beside the tables, the ratio of every ordered pair of
categories with its interval.

Why it matters
--------------
Employers in New York City may use an automated employment decision tool only after a bias audit that holds these
tables; the same ratio is the rule of thumb of the US Uniform Guidelines. A low ratio says where a selection must
be looked into.

What it cannot show
-------------------
Unlawful discrimination or its absence, or what causes a difference: applicants of different categories may differ in
what the job asks for (`group_outcomes` compares at equal legitimate factors). It is not a bias audit under Local Law
144, which an independent auditor makes and an employer publishes. No pass mark stands in that law; 0.80 is a
reference line of the Uniform Guidelines. The ratio to the highest rate is arithmetic on the stated rows: the
highest of several uncertain rates is too high more often than too low, which is why pairs have the intervals. Rates
of small categories are uncertain, as those show.

Validity checks
---------------
Categories below a stated share of the rows may be left out of the ratios, with the reason in the policy: their count
and rates are still printed, and they keep the rest from clearing anybody. The model must be competent at the
task. There must be at least six clusters, unless the rows are all cases of an enumerated grammar.

References
----------
6 RCNY §§ 5-300 to 5-303 (New York City, Local Law 144 of 2021): selection rate, scoring rate, impact ratio,
intersectional categories, unknown category, categories below 2 %. 29 CFR 1607.4(D), Uniform Guidelines on Employee
Selection Procedures: the four-fifths rule of thumb. Miettinen & Nurminen (1985), Statistics in Medicine 4:213.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from audit.checks import _competence, _fields, _groups, _needs, _stats
from audit.checks._groups import CROSS, Group, rate_metrics
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
    Guards,
    Interval,
    Measurement,
    Number,
    ParamProblem,
    Sample,
    Table,
    Text,
    ValidityCheck,
)

NAME = "impact_ratios"
VERSION = "1"
TITLE = "Selection and scoring rates by sex, race or ethnicity, and both"
BINDS = frozenset({"sex", "race", "unknown", "samples", "parity_rationale", "left_out_because"})

_UNEQUAL = (
    "groups in unequal circumstances differ in it without being treated unequally; where equal rates are asked for "
    "whatever the circumstances, say why in parity_rationale"
)
_ALONE = "the rate of one category says nothing of unequal treatment: judge the ratio between categories"

METRICS = rate_metrics.ratios_and_rates(
    rate_metrics.Words(
        one="the category",
        other="another",
        median_of_all="median of the whole sample",
        median_of_all_in_ratio="sample median",
        impact_ratio="Impact ratio of selection rates",
        scoring_ratio="Impact ratio of scoring rates",
        unequal=_UNEQUAL,
        alone=_ALONE,
    )
)
_METRIC = {m.name: m for m in METRICS}
_RATIOS = {"impact_ratio": "selection_rate", "scoring_ratio": "scoring_rate"}


class Params(BaseModel):
    """Parameters of the tables of impact ratios."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sex: Annotated[str, Field(description="Field with the applicant's sex; blank where it is unknown.")] = "sex"
    race: Annotated[str, Field(description="Field with race or ethnicity; blank where it is unknown.")] = "race"
    unknown: Annotated[
        tuple[str, ...], Field(description="Further values that mean an unknown category, such as `not stated`.")
    ] = ()
    small_share: Annotated[
        float, Field(description="Share of the rows below which a category may be left out of the ratios.", ge=0, lt=1)
    ] = 0.02
    leave_out_small: Annotated[
        bool, Field(description="Leave such categories out of the ratios; their count and rates are still printed.")
    ] = False
    left_out_because: Annotated[
        str, Field(description="Why small categories are left out; printed under the tables. Needed to leave them out.")
    ] = ""
    parity_rationale: Annotated[
        str,
        Field(description="Why equal rates are asked for whatever the circumstances; lets the ratios carry criteria."),
    ] = ""
    samples: Annotated[int, Field(description="Randomly drawn rows printed in the report.", ge=5, le=100)] = 5

    @model_validator(mode="after")
    def _stated(self) -> Self:
        if self.leave_out_small and not self.left_out_because.strip():
            raise ValueError("categories are left out for a reason: say it in left_out_because")
        if self.sex == self.race:
            raise ValueError("sex and race are two fields")
        return self


# ---- before the run ------------------------------------------------------------------------------


def problems(params: Params, data: Dataset, decision: Decision) -> tuple[ParamProblem, ...]:
    """Return what is wrong with the parameters given the data."""
    named = [(("sex",), params.sex), (("race",), params.race)]
    found = _fields.missing(named, set(data.rows[0].fields))
    found += _needs.a_decision(decision)
    if not found:
        known = _known(params, data)
        found += [
            ParamProblem(at=at, found=f"fewer than two categories in {name!r}", expected="categories to compare")
            for at, name in named
            if len({row.fields[name] for row in known.rows} - {""}) < 2
        ]
    return tuple(found)


def judgeable(params: Params) -> frozenset[str]:
    """Return the metrics that may carry a criterion: the ratios, once it is said why equal rates are asked for."""
    return frozenset(_RATIOS) if params.parity_rationale.strip() else frozenset()


later_rounds = asks_once


# ---- the run -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Sample:
    """What the model did with each row, by name of rate: (rows,)."""

    score: Floats
    events: Mapping[str, Bools]
    clusters: _stats.Labels

    def rate(self, name: str, group: Group) -> float:
        return float(self.events[name][group.member].mean())


def _known(params: Params, data: Dataset) -> Dataset:
    """Return the data with a blank for every value that means an unknown category."""
    blank = dict.fromkeys(params.unknown, "")
    rows = []
    for row in data.rows:
        stated = {name: row.fields[name].strip() for name in (params.sex, params.race)}
        own = {name: blank.get(value, value) for name, value in stated.items()}
        rows.append(replace(row, fields={**row.fields, **own}))
    return replace(data, rows=tuple(rows))


def run(params: Params, data: Dataset, decision: Decision, rng: np.random.Generator) -> CheckRun:
    """Ask for the score of every row, and set the categories side by side."""
    answer = yield Scores(texts=tuple(row.text for row in data.rows), target=decision.target)
    competence = _competence.gate(data, decision, answer)
    if shut := _competence.closed(competence):
        return shut
    score = decision.score(answer)
    sample = _Sample(
        score=score,
        events={"selection_rate": decision.selected(score), "scoring_rate": score > np.median(score)},
        clusters=data.cluster_labels(),
    )
    known, exact = _known(params, data), data.card.enumerated
    groups = _groups.groups(known, (params.sex, params.race), intersections=True)
    small = _small(groups, params, len(data.rows))
    kept = [g for g in groups if g.name not in small]
    ratios = [m for a, b in _groups.ordered_pairs(kept) for m in _ratios(a, b, sample, exact)]
    rates = [m for g in groups for m in _rates(g, sample, exact)]
    return Finding(
        measurements=(*ratios, *rates),
        validity=(
            *competence,
            _left_out_check(small, params),
            *(() if exact else (_stats.enough_clusters(min(m.clusters or 0 for m in (*ratios, *rates))),)),
        ),
        exhibits=(
            *(_table(attribute, groups, small, sample, known, params) for attribute in _attributes(params)),
            *_forests(ratios, kept, sample, params),
        ),
        samples=_samples(params, data, sample, decision, rng),
        limits=tuple(_limits(params, data, known)),
    )


def _attributes(params: Params) -> tuple[str, str, str]:
    return params.sex, params.race, CROSS.join((params.sex, params.race))


def _small(groups: Sequence[Group], params: Params, rows: int) -> frozenset[str]:
    """Name the categories that are left out of the ratios."""
    if not params.leave_out_small:
        return frozenset()
    return frozenset(g.name for g in groups if g.size < params.small_share * rows)


def _rates(group: Group, sample: _Sample, exact: bool) -> list[Measurement]:
    clusters = _stats.chosen(sample.clusters, group.member)
    return [
        _stats.measure(
            _METRIC[name], _stats.clustered_proportion(events[group.member], clusters), group=group.name, exact=exact
        )
        for name, events in sample.events.items()
    ]


def _ratios(group: Group, reference: Group, sample: _Sample, exact: bool) -> list[Measurement]:
    either = group.member | reference.member
    clusters = _stats.chosen(sample.clusters, either)
    out = []
    for name, rate in _RATIOS.items():
        estimate = _stats.proportion_ratio(sample.events[rate][either], group.member[either], clusters)
        # Without a single selected row in the reference there is nothing to divide by.
        if estimate is not None:
            out.append(_stats.measure(_METRIC[name], estimate, group=group.name, reference=reference.name, exact=exact))
    return out


# ---- validity, exhibits, samples, limits ---------------------------------------------------------


def _left_out_check(small: frozenset[str], params: Params) -> ValidityCheck:
    return ValidityCheck(
        name="categories",
        title="Every category is in the ratios",
        guards=Guards.FALSE_ALL_CLEAR,
        passed=not small,
        found=f"left out: {', '.join(sorted(small)[:10])}" if small else "none is left out",
        needed=f"no category left out as below {100 * params.small_share:g} % of the rows",
    )


def _highest(name: str, groups: Sequence[Group], sample: _Sample) -> Group | None:
    """Return the category whose rate is highest; None where nobody has the event."""
    top = max(groups, key=lambda g: sample.rate(name, g), default=None)
    return top if top is not None and sample.rate(name, top) > 0 else None


def _table(
    attribute: str, groups: Sequence[Group], small: frozenset[str], sample: _Sample, known: Dataset, params: Params
) -> Table:
    own = [g for g in groups if g.attribute == attribute]
    tops = {name: _highest(name, [g for g in own if g.name not in small], sample) for name in sample.events}
    rows: list[tuple[Cell, ...]] = []
    for g in own:
        cells: list[Cell] = [g.name, g.size]
        for name, events in sample.events.items():
            rate, top = sample.rate(name, g), tops[name]
            ratio = None if g.name in small or top is None else rate / sample.rate(name, top)
            cells += [int(events[g.member].sum()), rate, ratio]
        rows.append(tuple(cells))
    rows.append(("unknown", _groups.unknown(known, attribute), *(None,) * 6))
    crossed = attribute not in {params.sex, params.race}
    title = {params.sex: "sex", params.race: "race or ethnicity"}.get(attribute, "sex and race or ethnicity")
    return Table(
        id=f"impact_{'intersectional' if crossed else 'sex' if attribute == params.sex else 'race'}",
        title=f"Rates and impact ratios by {title}",
        columns=(
            Column(title="Category"),
            Column(title="Applicants", unit="count"),
            Column(title="Selected", unit="count"),
            Column(title="Selection rate", unit="share"),
            Column(title="Impact ratio", unit="ratio"),
            Column(title="Above median", unit="count"),
            Column(title="Scoring rate", unit="share"),
            Column(title="Impact ratio, scoring", unit="ratio"),
        ),
        rows=tuple(rows),
        note=_note([g.name for g in own if g.name in small], params),
    )


def _note(left_out: Sequence[str], params: Params) -> str:
    said = (
        "An impact ratio is the category's rate divided by the highest rate of the table. The median is that of all "
        "rows, those of unknown category included."
    )
    if left_out:
        said += (
            f" Left out of the ratios, as below {100 * params.small_share:g} % of the rows: {', '.join(left_out)}. "
            f"Reason given: {params.left_out_because}"
        )
    return said


def _forests(ratios: Sequence[Measurement], kept: Sequence[Group], sample: _Sample, params: Params) -> Iterator[Forest]:
    """Yield the ratios of each table's selection rates to the highest, with their intervals."""
    for kind, attribute in zip(("sex", "race", "intersectional"), _attributes(params), strict=True):
        top = _highest("selection_rate", [g for g in kept if g.attribute == attribute], sample)
        if top is None:
            continue
        those = [m for m in ratios if m.metric == "impact_ratio" and m.reference == top.name]
        if those:
            yield Forest(
                id=f"ratios_{kind}",
                title=f"Selection rates as a multiple of that of {top.name}, the highest",
                unit="ratio",
                null=1.0,
                rows=tuple(Interval(label=m.group, value=m.value, low=m.low, high=m.high) for m in those),
                note="The highest of several uncertain rates is too high more often than too low, so these ratios "
                "lean low.",
            )


def _samples(
    params: Params, data: Dataset, sample: _Sample, decision: Decision, rng: np.random.Generator
) -> tuple[Sample, ...]:
    out = []
    for i in sorted(rng.permutation(len(data.rows))[: params.samples].tolist()):
        row, selected = data.rows[i], bool(sample.events["selection_rate"][i])
        category = ", ".join(row.fields[name] or "unknown" for name in (params.sex, params.race))
        decided = decision.positive if selected else decision.negative or f"not {decision.positive}"
        out.append(
            Sample(
                row=i,
                texts=(Text(label="case", text=row.text), Text(label="category", text=category)),
                numbers=(Number(label="score", value=float(sample.score[i]), unit=decision.unit),),
                note=f"decision: {decided}",
            )
        )
    return tuple(out)


def _limits(params: Params, data: Dataset, known: Dataset) -> Iterator[str]:
    yield (
        "These tables are arithmetic on the stated rows. They are not a bias audit under Local Law 144, which calls "
        "for an independent auditor; no pass mark stands there, and 0.80 is a reference line of the US Uniform "
        "Guidelines."
    )
    if data.card.origin == "synthetic":
        yield "The rows are synthetic: rates of made-up applicants say how the model decides, not how it is used."
    counted = [(name, _groups.unknown(known, name)) for name in (params.sex, params.race)]
    told = " and ".join(f"{n} rows of unknown {name}" for name, n in counted)
    yield f"{told} are in no category; they count for the median."
    if not data.card.enumerated and not data.card.population:
        yield "The policy names no population that the rows were drawn from: rates speak of these rows only."
    if params.parity_rationale.strip():
        yield f"Equal rates are asked for whatever the circumstances: {params.parity_rationale}"


# ---- examples ------------------------------------------------------------------------------------


def examples() -> tuple[Example, ...]:
    """Return a model that selects one category less often, one that does not, and one that selects everybody."""
    from audit.checks._toy.tasks import ratio_examples

    return ratio_examples()
