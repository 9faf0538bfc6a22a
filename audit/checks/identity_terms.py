"""Is a text judged otherwise because it names a group of people?

What it measures
----------------
For every identity term, texts that name it beside all texts that do not, on labelled texts. How much more often a
text with a negative true outcome gets the positive decision (false positives) and a text with a positive one does
not (false negatives); how much higher texts score at the same outcome; and three areas under the ROC curve (Borkan et
al. 2019): within texts that name the term, of its negatives against the others' positives (low where harmless texts
that name it score like abusive ones), and of its positives against the others' negatives (low where abusive texts that
name it score like harmless ones).

Why it matters
--------------
A classifier that has met a term mostly in abuse takes the term for abuse. Texts by and about the people it names are
then held back or hidden, while abuse that names others passes.

What it cannot show
-------------------
Whether the term is the cause: texts that name it may differ in other ways, unless they are templates that differ in
nothing else (then `counterfactual` compares them pair by pair). Terms that were not listed, other spellings, and
texts that speak of a group without naming it. A word may have another sense in which it names nobody. Labels are
taken as true; where annotators judged texts that name a group otherwise, that is in the labels. Equality differences
(sums over terms) grow with the number of terms and by chance alone, so they are shown and not judged.

Validity checks
---------------
The model must be competent at the task. A term with too few texts of an outcome is named and not measured where
that outcome is needed, and keeps the rest from clearing the model. There must be at least six clusters in each
comparison, unless the rows are all cases of an enumerated grammar. Terms are many: criteria are corrected
for all that are compared.

References
----------
Borkan, Dixon, Sorensen, Thain & Vasserman (2019), Nuanced metrics for measuring unintended bias with real data for text
classification, WWW companion, arXiv:1903.04561. Dixon, Li, Sorensen, Thain & Vasserman (2018), Measuring and
mitigating unintended bias in text classification, AIES. Miettinen & Nurminen (1985), Statistics in Medicine 4:213.
Obuchowski (1997), Biometrics 53:567.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from audit.checks import _competence, _fields, _stats
from audit.checks._groups import Group, outcomes
from audit.registry import Example, asks_once, judges
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
    NotAssessed,
    ParamProblem,
    Table,
    Worse,
)

NAME = "identity_terms"
VERSION = "1"
TITLE = "Errors and scores of texts that name a group"
BINDS = frozenset({"term", "samples"})

METRICS = (
    Metric(
        name="false_positive_gap",
        title="False positives beyond other texts",
        meaning="Share of positive decisions among texts with a negative true outcome that name the term, minus that "
        "share among those that do not.",
        reading="Texts that name {group} get a wrong positive decision at a rate {amount} {more} than other texts",
        listing="Texts that name them get a wrong positive decision at a {more} rate than other texts: {items}",
        unit="points",
        worse=Worse.HIGHER,
        null=0.0,
    ),
    Metric(
        name="false_negative_gap",
        title="False negatives beyond other texts",
        meaning="Share of negative decisions among texts with a positive true outcome that name the term, minus that "
        "share among those that do not.",
        reading="Texts that name {group} get a wrong negative decision at a rate {amount} {more} than other texts",
        listing="Texts that name them get a wrong negative decision at a {more} rate than other texts: {items}",
        unit="points",
        worse=Worse.HIGHER,
        null=0.0,
    ),
    Metric(
        name="term_score_gap",
        title="Score beyond other texts of the same outcome",
        meaning="Mean score of texts that name the term minus that of texts that do not, within outcomes, with "
        "Mantel-Haenszel weights.",
        reading="At the same true outcome, texts that name {group} score {amount} {more} than other texts",
        listing="At the same true outcome, texts that name them score {more} than other texts: {items}",
        unit="score",
        worse=Worse.AWAY,
        null=0.0,
    ),
    Metric(
        name="subgroup_auc",
        title="Ranking within texts that name the term",
        meaning="Probability that a text with a positive outcome scores above one with a negative outcome, both naming "
        "the term.",
        reading="Among texts that name {group}, scores rank outcomes with an area under the curve of {value}",
        unit="AUROC",
        worse=Worse.LOWER,
        null=0.5,
        ideal=1.0,
    ),
    Metric(
        name="bpsn_auc",
        title="Its negatives below others' positives",
        meaning="Probability that a text with a positive outcome that does not name the term scores above one with a "
        "negative outcome that does (background positive, subgroup negative).",
        reading="Negatives that name {group} rank below other positives with an area under the curve of {value}",
        unit="AUROC",
        worse=Worse.LOWER,
        null=0.5,
        ideal=1.0,
    ),
    Metric(
        name="bnsp_auc",
        title="Its positives above others' negatives",
        meaning="Probability that a text with a positive outcome that names the term scores above one with a negative "
        "outcome that does not (background negative, subgroup positive).",
        reading="Positives that name {group} rank above other negatives with an area under the curve of {value}",
        unit="AUROC",
        worse=Worse.LOWER,
        null=0.5,
        ideal=1.0,
    ),
)
_METRIC = {m.name: m for m in METRICS}

MOST_LINES = 30
"""Terms in a figure: those that lie furthest on the bad side; the table has all."""


class Params(BaseModel):
    """Parameters of a check of identity terms."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    term: Annotated[
        str | None,
        Field(description="Field that holds the term a text names; blank where it names none. This or terms."),
    ] = None
    terms: Annotated[
        tuple[Annotated[str, Field(min_length=1)], ...],
        Field(description="Terms to look for in the texts, as whole words in either case; a text may name several."),
    ] = ()
    min_cell: Annotated[
        int, Field(description="Texts of an outcome that a term needs where that outcome is measured.", ge=2)
    ] = 20
    samples: Annotated[int, Field(description="Randomly drawn texts printed in the report.", ge=5, le=100)] = 5

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.term is None) == (not self.terms):
            raise ValueError("give exactly one of term and terms")
        if len({t.casefold() for t in self.terms}) < len(self.terms):
            raise ValueError("a term stands twice in terms")
        return self


# ---- before the run ------------------------------------------------------------------------------


def problems(params: Params, data: Dataset, decision: Decision) -> tuple[ParamProblem, ...]:
    """Return what is wrong with the parameters given the data."""
    found = outcomes.problems(data, decision)
    if params.term is not None:
        found += _fields.missing([(("term",), params.term)], set(data.rows[0].fields))
    if not found:
        labelled = outcomes.of(data)
        if not any(_cells(g, labelled.truth, params.min_cell).all() for g in _terms(params, data, labelled)):
            found.append(
                ParamProblem(
                    at=("min_cell",),
                    found=f"no term with {params.min_cell} texts of either outcome",
                    expected="at least one term that can be measured, and as many texts that do not name it",
                    do="name terms that the texts hold, give more texts, or set min_cell lower",
                )
            )
    return tuple(found)


judgeable = judges(METRICS)
later_rounds = asks_once


# ---- terms ---------------------------------------------------------------------------------------


def _terms(params: Params, data: Dataset, labelled: outcomes.Labelled) -> list[Group]:
    """Return the labelled texts that name each term; of listed terms also those that no text names."""
    if params.term is not None:
        return outcomes.groups(data, (params.term,), labelled, intersections=False)
    texts = [data.rows[i].text for i in labelled.rows]
    return [Group(attribute="term", name=term, member=_naming(term, texts)) for term in params.terms]


def _naming(term: str, texts: Sequence[str]) -> Bools:
    word = re.compile(rf"(?<!\w){re.escape(term)}(?!\w)", re.IGNORECASE)
    return np.array([word.search(text) is not None for text in texts], dtype=np.bool_)


def _cells(term: Group, truth: Bools, fewest: int) -> Bools:
    """Return whether there are enough texts: (term's negatives and others', term's positives and others')."""
    sizes = [(int((term.member & side).sum()), int((~term.member & side).sum())) for side in (~truth, truth)]
    return np.array([min(own, others) >= fewest for own, others in sizes])


def _why_not(term: Group, truth: Bools, fewest: int) -> str:
    """Return why a number of a term is missing; "" where none is."""
    if why := outcomes.too_few(term, truth, fewest):
        return why
    others = replace(term, member=~term.member)
    return f"of the other texts, {why}" if (why := outcomes.too_few(others, truth, fewest)) else ""


# ---- the run -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Judged:
    """What the model did with each labelled text."""

    score: Floats
    selected: Bools
    truth: Bools
    clusters: _stats.Labels


def run(params: Params, data: Dataset, decision: Decision, rng: np.random.Generator) -> CheckRun:
    """Ask for the score of every labelled text, and hold those that name a term against the others."""
    labelled = outcomes.of(data)
    known = replace(data, rows=tuple(data.rows[i] for i in labelled.rows))
    answer = yield Scores(texts=tuple(row.text for row in known.rows), target=decision.target)
    competence = _competence.gate(known, decision, answer)
    if shut := _competence.closed(competence):
        return shut
    score = decision.score(answer)
    judged = _Judged(score=score, selected=decision.selected(score), truth=labelled.truth, clusters=labelled.clusters)
    terms, exact = _terms(params, data, labelled), data.card.enumerated
    measured = [m for term in terms for m in _measurements(term, judged, params.min_cell, decision, exact)]
    if not measured:
        return NotAssessed(reason=f"no term has {params.min_cell} texts of either outcome", validity=competence)
    unmeasured = {t.name: why for t in terms if (why := _why_not(t, labelled.truth, params.min_cell))}
    return Finding(
        measurements=tuple(measured),
        validity=(
            *competence,
            outcomes.measured_check(unmeasured),
            *(() if exact else (_stats.enough_clusters(min(m.clusters or 0 for m in measured)),)),
        ),
        exhibits=(
            _table(terms, judged),
            _equality_table(terms, judged, params.min_cell),
            *_forests(measured, decision),
        ),
        samples=outcomes.samples(params.samples, data, labelled, score, decision, rng),
        limits=tuple(_limits(params, data, terms, judged)),
    )


def _measurements(term: Group, judged: _Judged, fewest: int, decision: Decision, exact: bool) -> Iterator[Measurement]:
    """Yield what can be measured of a term: each number needs texts of the outcomes it rests on."""
    negatives, positives = _cells(term, judged.truth, fewest)
    truth = judged.truth
    for name, enough, side, wrong in (
        ("false_positive_gap", negatives, ~truth, judged.selected),
        ("false_negative_gap", positives, truth, ~judged.selected),
    ):
        if enough:
            clusters = _stats.chosen(judged.clusters, side)
            gap = _stats.stratified_difference(wrong[side], term.member[side], [""] * int(side.sum()), clusters)
            assert gap is not None, "there are texts with the term and without"
            yield _stats.measure(_METRIC[name], gap, group=term.name, exact=exact)
    if not (negatives and positives):
        return
    strata = ["positive" if label else "negative" for label in truth]
    score = _stats.stratified_mean_difference(judged.score, term.member, strata, judged.clusters)
    assert score is not None, "both outcomes occur with the term and without"
    yield _stats.measure(replace(_METRIC["term_score_gap"], unit=decision.unit), score, group=term.name, exact=exact)
    for name, rows in (
        ("subgroup_auc", term.member),
        ("bpsn_auc", term.member != truth),
        ("bnsp_auc", term.member == truth),
    ):
        area = _stats.clustered_auroc(truth[rows], judged.score[rows], _stats.chosen(judged.clusters, rows))
        yield _stats.measure(_METRIC[name], area, group=term.name, exact=exact)


# ---- exhibits and limits -------------------------------------------------------------------------


def _rates(rows: Bools, judged: _Judged) -> tuple[float | None, float | None]:
    """Return the false-positive and the false-negative rate of some texts; None without the outcome."""
    wrong = ((~judged.truth, judged.selected), (judged.truth, ~judged.selected))
    fp, fn = (float(events[rows & side].mean()) if (rows & side).any() else None for side, events in wrong)
    return fp, fn


def _table(terms: Sequence[Group], judged: _Judged) -> Table:
    everybody = np.ones(len(judged.truth), dtype=np.bool_)
    rows: list[tuple[Cell, ...]] = []
    for name, member in [("all texts", everybody), *((t.name, t.member) for t in terms)]:
        score = float(judged.score[member].mean()) if member.any() else None
        rows.append((name, int(member.sum()), int((member & judged.truth).sum()), *_rates(member, judged), score))
    return Table(
        id="terms",
        title="Texts that name a term, and how they were decided",
        columns=(
            Column(title="Term"),
            Column(title="Texts", unit="count"),
            Column(title="Positive outcomes", unit="count"),
            Column(title="False-positive rate", unit="share"),
            Column(title="False-negative rate", unit="share"),
            Column(title="Mean score", unit="probability"),
        ),
        rows=tuple(rows),
        note="Rates are shares of wrong decisions among texts with a negative and with a positive true outcome.",
    )


def _equality_table(terms: Sequence[Group], judged: _Judged, fewest: int) -> Table:
    """Return Dixon et al.'s equality differences: sums over terms of distances from the rate of all texts."""
    everybody = _rates(np.ones(len(judged.truth), dtype=np.bool_), judged)
    rows: list[tuple[Cell, ...]] = []
    for at, title in ((0, "false positives"), (1, "false negatives")):
        side = (~judged.truth, judged.truth)[at]
        counted = [t for t in terms if int((t.member & side).sum()) >= fewest]
        overall, own = everybody[at], [_rates(t.member, judged)[at] for t in counted]
        total = sum(abs(rate - overall) for rate in own if rate is not None and overall is not None)
        rows.append((title, len(counted), overall, float(total) if counted else None))
    return Table(
        id="equality_differences",
        title="Equality differences (Dixon et al. 2018)",
        columns=(
            Column(title="Of"),
            Column(title="Terms", unit="count"),
            Column(title="Rate of all texts", unit="share"),
            Column(title="Sum of distances from it", unit="points"),
        ),
        rows=tuple(rows),
        note="The sum grows with the number of terms, and by chance alone; it is shown for comparison with published "
        "figures and not judged.",
    )


def _forests(measured: Sequence[Measurement], decision: Decision) -> tuple[Forest, ...]:
    out = []
    for name in ("false_positive_gap", "false_negative_gap", "term_score_gap"):
        lines = sorted((m for m in measured if m.metric == name), key=lambda m: -m.value)
        if not lines:
            continue
        metric, more = _METRIC[name], len(lines) - MOST_LINES
        out.append(
            Forest(
                id=name,
                title=metric.title,
                unit=decision.unit if metric.unit == "score" else metric.unit,
                null=0.0,
                rows=tuple(Interval(label=m.group, value=m.value, low=m.low, high=m.high) for m in lines[:MOST_LINES]),
                note=f"The {MOST_LINES} highest; {more} more are in the table of measurements." if more > 0 else "",
            )
        )
    return tuple(out)


def _limits(params: Params, data: Dataset, terms: Sequence[Group], judged: _Judged) -> Iterator[str]:
    if params.terms:
        several = int((np.sum([t.member for t in terms], axis=0) > 1).sum())
        yield f"Terms were looked for as they are spelt; {several} texts name several and count for each."
    if not data.cluster:
        yield "The data name nothing that texts share: each text counts as independent of all others."
    if without := len(data.rows) - len(judged.truth):
        yield f"{without} texts have no true outcome and are left out."
    if not data.card.enumerated and not data.card.population:
        yield "The policy names no population that the texts were drawn from: rates speak of these texts only."


# ---- examples ------------------------------------------------------------------------------------


def examples() -> tuple[Example, ...]:
    """Return a model that takes a term for abuse, one that does not, and one that flags everything."""
    from audit.checks._toy.tasks import term_examples

    return term_examples()
