"""Do scores mean what they say: of cases scored .8, do eight in ten turn out so?

What it measures
----------------
Scores are sorted into bins of like scores (a stated rule and number), and in each the mean score is compared
with the share of positive outcomes. The calibration error is the root mean square of these gaps over the rows,
corrected for the bias that binning alone gives it. Beside it stand the expected calibration error (the mean absolute
gap), the mean score minus the share of positive outcomes, the gap of every bin, and the Brier score (the mean
squared distance of scores from outcomes) with its parts. All but the bins are measured in each group too.

Why it matters
--------------
Whoever reads a score as a probability, sets a threshold by it or weighs it against another acts on what it says.
Scores can rank cases well and overstate every one of them; and scores that hold on average may overstate one group
and understate another.

What it cannot show
-------------------
Whether a single score is right. Gaps that cancel within a bin are not seen, so the error of the binned scores is at
most that of the scores themselves, and another rule or number of bins gives another value. Calibration after
the population has shifted is another question, as is calibration of a group that is not named. Scores may be
calibrated and useless: a constant can be. Of a causal model, the score is the share of the positive answer among the
two that are offered.

Validity checks
---------------
The model must be competent at the task: it answers, its scores vary, and they rank outcomes better than chance. A
group with too few labelled rows is named and not measured, and keeps the rest from clearing the model. There must be
at least six clusters, unless the rows are all cases of an enumerated grammar.

References
----------
Brier (1950), Monthly Weather Review 78:1. Bröcker (2012), Climate Dynamics 39:655. Ferro & Fricker (2012), Quarterly
Journal of the Royal Meteorological Society 138:1954. Kumar, Liang & Ma (2019), Verified uncertainty calibration,
arXiv:1909.10155. Murphy (1973), Journal of Applied Meteorology 12:595. Naeini, Cooper & Hauskrecht (2015), Obtaining
well calibrated probabilities using Bayesian binning, AAAI. Stephenson, Coelho & Jolliffe (2008), Weather and
Forecasting 23:752.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from audit.checks import _competence, _fields, _stats
from audit.checks._groups import Group, outcomes
from audit.checks._groups.outcomes import Labelled
from audit.checks._stats import reliability
from audit.checks._stats.reliability import Bin
from audit.registry import Example, asks_once, judges
from audit.requests import CheckRun, Scores
from audit.shapes import Bools, Floats
from audit.types import (
    Cell,
    Column,
    Curve,
    Dataset,
    Decision,
    Finding,
    Forest,
    Interval,
    Measurement,
    Metric,
    ParamProblem,
    Series,
    Table,
    Worse,
)

NAME = "calibration"
VERSION = "1"
TITLE = "Calibration of the scores"
BINDS = frozenset({"attributes", "samples"})

METRICS = (
    Metric(
        name="calibration_error",
        title="Calibration error (root mean square)",
        meaning="Root of the mean squared distance between mean score and share of positive outcomes, bin by bin, "
        "corrected for the bias of binning.",
        reading="Scores of {group} lie {value} from the share of positive outcomes (root mean square over bins)",
        unit="points",
        worse=Worse.HIGHER,
        null=0.0,
    ),
    Metric(
        name="overstatement",
        title="Scores beyond outcomes, on average",
        meaning="Mean score minus the share of positive outcomes.",
        reading="On average, scores of {group} are {amount} {more} than the share of positive outcomes",
        unit="points",
        worse=Worse.AWAY,
        null=0.0,
    ),
    Metric(
        name="bin_gap",
        title="Scores beyond outcomes, in a bin",
        meaning="Mean score minus the share of positive outcomes, among rows whose scores lie in the bin.",
        reading="Scores from {stratum} are {amount} {more} than the share of positive outcomes among them",
        unit="points",
        worse=Worse.AWAY,
        null=0.0,
    ),
    Metric(
        name="brier",
        title="Brier score",
        meaning="Mean squared distance of scores from outcomes (1 and 0); the share of a constant score of one half "
        "is 0.25.",
        reading="The Brier score of {group} is {value}",
        unit="Brier",
        worse=Worse.HIGHER,
        ideal=0.0,
    ),
    Metric(
        name="expected_calibration_error",
        title="Expected calibration error (mean absolute)",
        meaning="Mean absolute distance between mean score and share of positive outcomes, bin by bin, corrected in "
        "part for the bias of binning.",
        reading="Scores of {group} lie {value} from the share of positive outcomes (mean over bins)",
        unit="points",
        worse=Worse.HIGHER,
        null=0.0,
        descriptive=True,
        why_descriptive="its bias near zero can be corrected in part only: judge calibration_error, which it does not "
        "exceed",
    ),
)
_METRIC = {m.name: m for m in METRICS}

MOST_LINES = 4
"""Groups drawn beside the curve of all rows; more hide each other."""


class Bins(BaseModel):
    """How scores are sorted into bins."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rule: Annotated[
        reliability.Rule,
        Field(description="`equal_mass`: as many rows in each; `equal_width`: equal parts of the range 0 to 1."),
    ] = "equal_mass"
    count: Annotated[int, Field(description="Bins; ties and sparse bins leave fewer.", ge=2, le=50)] = 10


class Params(BaseModel):
    """Parameters of a calibration check."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    attributes: Annotated[
        tuple[str, ...] | None,
        Field(description="Fields whose values are the groups to measure; by default all groups of the data."),
    ] = None
    bins: Annotated[Bins, Field(description="How scores are sorted into bins; a group has bins of its own.")] = Bins()
    min_cell: Annotated[int, Field(description="Labelled rows that a group needs to be measured.", ge=20)] = 50
    samples: Annotated[int, Field(description="Randomly drawn rows printed in the report.", ge=5, le=100)] = 5


# ---- before the run ------------------------------------------------------------------------------


def problems(params: Params, data: Dataset, decision: Decision) -> tuple[ParamProblem, ...]:
    """Return what is wrong with the parameters given the data."""
    found = outcomes.problems(data, decision)
    named = ((("attributes", i), name) for i, name in enumerate(params.attributes or ()))
    found += _fields.missing(named, set(data.rows[0].fields))
    return tuple(found)


judgeable = judges(METRICS)
"""All but the absolute error, whose bias near zero remains."""
later_rounds = asks_once


# ---- the run -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Scored:
    """A group's scores and outcomes, with its bins."""

    name: str
    score: Floats
    truth: Bools
    clusters: _stats.Labels
    bins: tuple[Bin, ...]


def run(params: Params, data: Dataset, decision: Decision, rng: np.random.Generator) -> CheckRun:
    """Ask for the score of every labelled row, and hold scores against outcomes."""
    labelled = outcomes.of(data)
    known = replace(data, rows=tuple(data.rows[i] for i in labelled.rows))
    answer = yield Scores(texts=tuple(row.text for row in known.rows), target=decision.target)
    competence = _competence.gate(known, decision, answer)
    if shut := _competence.closed(competence):
        return shut
    score = decision.score(answer)
    attributes = data.groups if params.attributes is None else params.attributes
    groups = outcomes.groups(data, attributes, labelled, intersections=False)
    unmeasured = {g.name: f"{g.size} labelled rows, fewer than {params.min_cell}" for g in _small(groups, params)}
    large = [g for g in groups if g.name not in unmeasured]
    scored = [_scored(g, labelled, score, params.bins) for g in (outcomes.everybody(labelled), *large)]
    exact = data.card.enumerated
    measured = [m for s in scored for m in _measurements(s, exact)]
    gaps = _bin_gaps(scored[0], exact)
    return Finding(
        measurements=(*measured, *gaps),
        validity=(
            *competence,
            outcomes.measured_check(unmeasured),
            *(() if exact else (_stats.enough_clusters(min(m.clusters or 0 for m in measured)),)),
        ),
        exhibits=(
            _curve(scored, params.bins),
            _bin_table(scored[0], params.bins),
            _error_table(scored),
            _brier_table(scored),
            *_forest(measured),
        ),
        samples=outcomes.samples(params.samples, data, labelled, score, decision, rng),
        limits=tuple(_limits(data, labelled, scored, params.bins)),
    )


def _small(groups: Sequence[Group], params: Params) -> list[Group]:
    return [g for g in groups if g.size < params.min_cell]


def _scored(group: Group, labelled: Labelled, score: Floats, bins: Bins) -> _Scored:
    own, truth = score[group.member], labelled.truth[group.member]
    clusters = _stats.chosen(labelled.clusters, group.member)
    return _Scored(
        name=group.name,
        score=own,
        truth=truth,
        clusters=clusters,
        bins=reliability.bins(own, truth, clusters, rule=bins.rule, count=bins.count),
    )


def _measurements(s: _Scored, exact: bool) -> list[Measurement]:
    squared = np.square(s.score - s.truth)
    estimates = {
        "calibration_error": reliability.calibration_error(s.bins, s.score, s.truth, s.clusters),
        "overstatement": reliability.gap(s.score, s.truth, s.clusters),
        "brier": _stats.clustered_mean(squared, s.clusters, reach=1.0, support=(0.0, 1.0)),
        "expected_calibration_error": reliability.absolute_error_estimate(s.bins, s.score, s.truth, s.clusters),
    }
    return [_stats.measure(_METRIC[name], e, group=s.name, exact=exact) for name, e in estimates.items()]


def _bin_gaps(s: _Scored, exact: bool) -> list[Measurement]:
    out = []
    for b, label in zip(s.bins, _labels(s), strict=True):
        estimate = reliability.gap(s.score[b.rows], s.truth[b.rows], _stats.chosen(s.clusters, b.rows))
        out.append(_stats.measure(_METRIC["bin_gap"], estimate, stratum=label, exact=exact))
    return out


def _labels(s: _Scored) -> list[str]:
    """Name each bin by the lowest and the highest score in it, with as many digits as tell them apart."""
    ends = [(float(s.score[b.rows].min()), float(s.score[b.rows].max())) for b in s.bins]
    for digits in range(2, 8):
        labels = [f"{low:.{digits}f} to {high:.{digits}f}" for low, high in ends]
        if len(set(labels)) == len(labels):
            return labels
    return [f"{label} ({i + 1})" for i, label in enumerate(labels)]


# ---- exhibits and limits -------------------------------------------------------------------------


def _rule(bins: Bins) -> str:
    return f"at most {bins.count} bins of equal {'numbers of rows' if bins.rule == 'equal_mass' else 'width'}"


def _curve(scored: Sequence[_Scored], bins: Bins) -> Curve:
    """Return the reliability curve: all rows with intervals, a few groups, and the diagonal."""
    lines = [_line(scored[0], "all rows", intervals=True)]
    lines += [_line(s, s.name, intervals=False) for s in scored[1 : 1 + MOST_LINES]]
    left_out = len(scored) - 1 - MOST_LINES
    return Curve(
        id="reliability",
        title="Reliability: share of positive outcomes by score",
        x_title="mean score of the bin",
        y_title="share of positive outcomes",
        unit="probability",
        series=(*lines, Series(label="calibrated", x=(0.0, 1.0), y=(0.0, 1.0), reference=True)),
        note=f"Each point is a bin ({_rule(bins)}). Above the diagonal, outcomes are more frequent than the scores say."
        + (f" {left_out} more groups are in the table." if left_out > 0 else ""),
    )


def _line(s: _Scored, label: str, *, intervals: bool) -> Series:
    ends = [
        _stats.limits(_stats.clustered_proportion(s.truth[b.rows], _stats.chosen(s.clusters, b.rows))) for b in s.bins
    ]
    return Series(
        label=label,
        x=tuple(b.score for b in s.bins),
        y=tuple(b.observed for b in s.bins),
        low=tuple(low for low, _ in ends) if intervals else (),
        high=tuple(high for _, high in ends) if intervals else (),
    )


def _bin_table(s: _Scored, bins: Bins) -> Table:
    return Table(
        id="bins",
        title="Scores and outcomes, bin by bin",
        columns=(
            Column(title="Scores from"),
            Column(title="Rows", unit="count"),
            Column(title="Mean score", unit="probability"),
            Column(title="Positive outcomes", unit="share"),
            Column(title="Score beyond outcome", unit="points"),
        ),
        rows=tuple(
            (label, len(b.rows), b.score, b.observed, b.gap) for label, b in zip(_labels(s), s.bins, strict=True)
        ),
        note=f"All labelled rows, in {_rule(bins)}; bins of fewer than {reliability.FEWEST_ROWS} rows are joined.",
    )


def _error_table(scored: Sequence[_Scored]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for s in scored:
        plain = float(np.sqrt(sum(len(b.rows) * b.gap**2 for b in s.bins) / len(s.score)))
        corrected = float(np.sqrt(max(reliability.squared_error(s.bins), 0.0)))
        absolute = [reliability.absolute_error(s.bins, corrected=x) for x in (False, True)]
        rows.append((s.name or "all rows", len(s.score), len(s.bins), corrected, plain, *reversed(absolute)))
    return Table(
        id="errors",
        title="Calibration errors, corrected for the bias of binning and as they stand",
        columns=(
            Column(title="Group"),
            Column(title="Rows", unit="count"),
            Column(title="Bins", unit="count"),
            Column(title="Root mean square", unit="points"),
            Column(title="Root mean square, uncorrected", unit="points"),
            Column(title="Mean absolute", unit="points"),
            Column(title="Mean absolute, uncorrected", unit="points"),
        ),
        rows=tuple(rows),
        note="Uncorrected errors are what most software calls ECE; they are not zero for calibrated scores.",
    )


def _brier_table(scored: Sequence[_Scored]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for s in scored:
        parts = reliability.decomposition(s.bins, s.score, s.truth, corrected=True)
        rows.append(
            (s.name or "all rows", parts.brier, parts.reliability, parts.resolution, parts.uncertainty, parts.within)
        )
    return Table(
        id="brier",
        title="The Brier score and its parts",
        columns=tuple(
            [Column(title="Group")]
            + [
                Column(title=title, unit="Brier")
                for title in ("Brier score", "Reliability", "Resolution", "Uncertainty", "Within bins")
            ]
        ),
        rows=tuple(rows),
        note="Brier score = reliability − resolution + uncertainty + within bins. Reliability is what miscalibration "
        "costs, resolution what telling cases apart earns; both are corrected for the bias of binning, so they may "
        "come out a little below zero.",
    )


def _forest(measured: Sequence[Measurement]) -> tuple[Forest, ...]:
    lines = [m for m in measured if m.metric == "overstatement"]
    if len(lines) < 2:
        return ()
    rows = tuple(Interval(label=m.group or "all rows", value=m.value, low=m.low, high=m.high) for m in lines)
    title = "Mean score minus share of positive outcomes"
    return (Forest(id="overstatement", title=title, unit="points", null=0.0, rows=rows),)


def _limits(data: Dataset, labelled: Labelled, scored: Sequence[_Scored], bins: Bins) -> Iterator[str]:
    yield f"Errors are those of scores in {_rule(bins)}; other bins give other values."
    sparse: Mapping[str, int] = {s.name or "all rows": len(s.bins) for s in scored if len(s.bins) < bins.count}
    if sparse:
        told = ", ".join(f"{name} ({n})" for name, n in list(sparse.items())[:10])
        yield f"Ties or few rows left fewer bins than asked for: {told}."
    if without := len(data.rows) - len(labelled.rows):
        yield f"{without} rows name no true outcome and are left out."
    if not data.card.enumerated and not data.card.population:
        yield "The policy names no population that the rows were drawn from: calibration speaks of these rows only."


# ---- examples ------------------------------------------------------------------------------------


def examples() -> tuple[Example, ...]:
    """Return scores that mean what they say, scores that overstate, and a constant."""
    from audit.checks._toy.tasks import calibration_examples

    return calibration_examples()
