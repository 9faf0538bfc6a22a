"""Does adding the direction that a condition leaves inside change what the model does?

What it measures
----------------
The mean difference of the hidden states between texts with a condition and texts without it, found on one half of
the clusters. On the other half it is added, once and at its own length, to texts without the condition, and the
change of the score is measured: how much of what the condition does can be done from inside. The normalised
indirect effect is that change over the change that the condition itself makes; it is given only where the latter is
shown to differ from zero. Beside it: the same at the embedding layer, which holds little more than the words;
what the direction does to texts that it should leave alone; and, as a second row only, what taking the direction
away does to texts with the condition.

A direction from a file can take the place of the one that is found: one that an earlier audit of this model stored,
or one that was made elsewhere, of which the policy states the layer, the position, the classes and the maker. Then
all clusters confirm, and it is compared as any other at its own layer. It is added at its own length where that is in
units of activation, and else at that of the condition's mean difference.

Why it matters
--------------
That a condition can be read off the states does not mean that the model uses it. A direction that brings the
behaviour about where nothing in the text asks for it is evidence that the model acts on a state of its own.

What it cannot show
-------------------
It never fails a model and never clears one: behaviour decides. No effect may mean that the condition works along
more than one direction, or at other layers or tokens. Adding a vector takes the model where training never was, so a
change shows what can happen and not what does. Taking a direction away damages what was never there to
remove: projections turned honest planted models dishonest, and their row confirms nothing.

Validity checks
---------------
Directions are found and confirmed on disjoint clusters. The mean difference must be longer than under permuted
labels, corrected for the layers looked at; dividing noise by its length makes a direction of anything. Along a
direction from a file, the conditions must lie farther apart than under permuted labels. The effect
is compared with at least 199 directions of the same length from the same pipeline: permuted labels and contrasts
that mean nothing to the condition, at every layer tested, by their largest effect. Isotropic noise is no
such comparison and is not used. The model must be competent without the condition.

References
----------
Marks & Tegmark (2023), The geometry of truth, arXiv:2310.06824. Canby et al. (2024), How reliable are causal probing
interventions?, arXiv:2408.15510. Kumar, Tan & Sharma (2022), Probing classifiers are unreliable for concept removal
and detection, arXiv:2207.04153. Westfall & Young (1993), Resampling-based multiple testing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from audit.checks import _competence, _fields, _stats
from audit.checks._directions import contrasts, report
from audit.checks._directions.contrasts import Found
from audit.checks._directions.params import Condition, GivenDirection, OffTarget
from audit.checks._directions.plan import Plan, make_plan
from audit.checks._directions.report import Moved, Result
from audit.checks._metrics import described
from audit.checks._stats.clustering import Way, effective_clusters, variance
from audit.checks._stats.estimates import Estimate, t_law
from audit.registry import Example, LaterRounds, judges
from audit.requests import CheckRun, Request, ScoreAnswer, Scores, Shift, StateAnswer, States
from audit.shapes import Bools, Floats
from audit.types import (
    Dataset,
    Decision,
    Direction,
    Finding,
    Measurement,
    NotAssessed,
    ParamProblem,
    Row,
    ValidityCheck,
)

NAME = "direction_effect"
VERSION = "1"
TITLE = "What a direction inside the model does to its output"

_metric = partial(described, why="an intervention confirms and never decides: behaviour does", unit="score")

METRICS = (
    _metric(
        "effect",
        "Effect of adding the direction",
        "Mean change of the score when the direction is added to texts without the condition.",
        "Adding the direction of “{group}” at {stratum} makes scores {amount} {more}",
    ),
    _metric(
        "total_effect",
        "Effect of the condition itself",
        "Mean score of texts with the condition minus that of texts without it.",
        "With “{group}” scores are {amount} {more} than with {reference}",
    ),
    _metric(
        "indirect_effect",
        "Normalised indirect effect",
        "The effect of adding the direction, over the effect of the condition itself.",
        "At {stratum}, adding the direction does {value} of what the condition does",
        unit="share",
    ),
    _metric(
        "embedding_effect",
        "The same at the embedding layer",
        "Mean change of the score when the mean difference of the embeddings is added before the first block.",
        "Adding the embeddings' difference makes scores {amount} {more}",
    ),
    _metric(
        "off_target_change",
        "Change where nothing should change",
        "Mean absolute change of the score that the direction makes in texts outside the question.",
        "In texts with “{group}”, adding the direction at {stratum} moves the score by {value} on average",
    ),
    _metric(
        "projection_effect",
        "Taking the direction away (second row only)",
        "Mean change of the score when the states' component along the direction is removed from texts with the "
        "condition. It damages what was never there to remove, and confirms nothing.",
        "Taking the direction away at {stratum} makes scores {amount} {more} with “{group}”",
    ),
)
_METRIC = {m.name: m for m in METRICS}


class Params(BaseModel):
    """Parameters of an intervention along a direction."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    condition: Annotated[Condition, Field(description="What the direction is the direction of.")]
    direction: Annotated[
        GivenDirection | None,
        Field(description="A direction from a file, which is audited instead of one that is found here."),
    ] = None
    score: Annotated[
        Literal["decision", "correct"],
        Field(description="The score that may change: that of the decision, or the probability of the true outcome."),
    ] = "decision"
    layers: Annotated[
        Literal["choose"] | tuple[int, ...],
        Field(description="Layers to intervene at; choose takes the one where the mean difference is longest."),
    ] = "choose"
    position: Annotated[
        Literal["last", "mean"], Field(description="States of which the mean is taken: the last token's or all.")
    ] = "last"
    at: Annotated[Literal["all", "last"], Field(description="Tokens the direction is added to.")] = "all"
    irrelevant: Annotated[
        tuple[str, ...],
        Field(description="Columns that mean nothing to the condition; by default what rows share (the clusters)."),
    ] = ()
    off_target: Annotated[
        OffTarget | None, Field(description="Rows that the direction should leave alone; they train nothing.")
    ] = None
    draws: Annotated[
        int, Field(description="Directions of the same length that the effect is compared with.", ge=199, le=10_000)
    ] = 199
    max_rows: Annotated[
        int,
        Field(description="Texts without the condition that directions are added to; more are sampled down.", ge=12),
    ] = 80


# ---- before the run ------------------------------------------------------------------------------


def problems(params: Params, data: Dataset, decision: Decision) -> tuple[ParamProblem, ...]:
    """Return what is wrong with the parameters given the data."""
    fields = sorted(set(data.rows[0].fields))
    named: list[tuple[tuple[str | int, ...], str]] = [(("condition", "column"), params.condition.column)]
    named += [(("irrelevant", i), name) for i, name in enumerate(params.irrelevant)]
    if params.off_target is not None:
        named.append((("off_target", "column"), params.off_target.column))
    if found := _fields.missing(named, fields):
        return tuple(found)
    found += _empty_groups(params, data)
    if params.direction is not None and params.layers != "choose":
        found.append(
            ParamProblem(
                at=("layers",),
                found="layers beside a direction from a file",
                expected="the direction's own layer alone",
            )
        )
    if params.score == "correct":
        if not decision.decides:
            found.append(ParamProblem(at=("score",), found="a policy without a decision", expected="decision"))
        elif any(row.label is None for row in data.rows):
            found.append(
                ParamProblem(at=("score",), found="rows without a true outcome", expected="a label in every row")
            )
    return tuple(found)


def _empty_groups(params: Params, data: Dataset) -> list[ParamProblem]:
    asked: list[tuple[tuple[str | int, ...], str, str]] = [
        (("condition", "toward"), params.condition.column, params.condition.toward)
    ]
    asked += [(("condition", "against", i), params.condition.column, v) for i, v in enumerate(params.condition.against)]
    if off := params.off_target:
        asked += [(("off_target", "values", i), off.column, v) for i, v in enumerate(off.values)]
    out = []
    for at, column, value in asked:
        known = sorted({row.fields[column] for row in data.rows})
        if value not in known:
            out.append(ParamProblem(at=at, found=f"no row has {value!r}", expected="one of " + ", ".join(known[:20])))
    return out


judgeable = judges(METRICS)
"""None, an intervention confirms and never decides."""


def later_rounds(params: Params, data: Dataset) -> LaterRounds:
    """Return bounds on later rounds: every direction at every layer tested, and a few rows more."""
    del data
    layers = 1 if params.layers == "choose" else len(params.layers)
    return LaterRounds(scored_texts=params.max_rows * (layers * (params.draws + 3) + 1))


# ---- the run -------------------------------------------------------------------------------------


def run(params: Params, data: Dataset, decision: Decision, rng: np.random.Generator) -> CheckRun:
    """Find the direction on one half of the clusters, or take the one that is given, and add it on the others."""
    plan = make_plan(
        params.condition,
        params.off_target,
        data,
        split=params.direction is None,
        columns=params.irrelevant or data.cluster,
        max_rows=params.max_rows,
        draws=params.draws,
        rng=rng,
    )
    if isinstance(plan, NotAssessed):
        return plan
    confirmation = (*plan.with_condition, *plan.without, *plan.off_target)
    states, embeddings, before, after, *read = yield tuple(_first(params, data, decision, plan, confirmation))
    given: Direction | None = read[0].direction if read else None
    score = _Score(params=params, data=data, decision=decision)
    known = {i: float(s) for i, s in zip(plan.discovery, score.of(plan.discovery, before), strict=True)}
    known |= {i: float(s) for i, s in zip(confirmation, score.of(confirmation, after), strict=True)}
    gate = _gate(plan, data, decision, after)
    if shut := _competence.closed(gate):
        return shut
    if params.layers != "choose" and (outside := set(params.layers) - set(states)):
        return NotAssessed(reason=f"the model has layers 0 to {len(states) - 1}, and {sorted(outside)} was asked for")
    layers = _layers(params, plan, states, given)
    p_of = contrasts.precondition({k: f for k, f in layers.items() if k > 0 or given is not None})
    tested = _tested(params, layers, p_of)
    words = contrasts.found(embeddings[0], plan.ways).direction
    answers = yield tuple(_interventions(params, data, decision, plan, layers, tested, words))
    moved, embedding = _moved(score, plan, known, tested, answers)
    result = Result(
        toward=params.condition.toward,
        against=" or ".join(params.condition.against),
        aside=" or ".join(params.off_target.values) if params.off_target else "",
        data=data,
        plan=plan,
        known=known,
        p_of=p_of,
        moved=moved,
        embedding=embedding,
        position=params.position,
        layers=layers,
        given=given,
    )
    return _finding(result, decision, gate, rng)


def _first(params: Params, data: Dataset, decision: Decision, plan: Plan, confirmation: Sequence[int]) -> list[Request]:
    """Return the first round: states where directions are found, all scores as they are, the given direction."""
    texts, given = _texts(data, plan.discovery), params.direction
    layers: tuple[int, ...] | Literal["all"] = "all" if given is None or given.layer is None else (given.layer,)
    out: list[Request] = [
        States(texts=texts, pool=params.position, layers=layers),
        # The last token's embedding is the same in every text; what the words bring along shows in the mean.
        States(texts=texts, pool="mean", layers=(0,)),
        Scores(texts=texts, target=decision.target),
        Scores(texts=_texts(data, confirmation), target=decision.target),
    ]
    return out if given is None else [*out, given.request]


def _layers(params: Params, plan: Plan, states: StateAnswer, given: Direction | None) -> dict[int, Found]:
    """Return the direction of every layer, or the given one at its own."""
    if given is None or params.direction is None:
        return contrasts.by_layer(states, plan.ways)
    length = params.direction.length or ("own" if given.unit == "activation" else "mean_difference")
    what = contrasts.Given(vector=given.vector.astype(np.float64), own_length=length == "own")
    return {given.layer: contrasts.found(states[given.layer], plan.ways, what)}


@dataclass(frozen=True, kw_only=True)
class _Score:
    """How an answer becomes the score that may change."""

    params: Params
    data: Dataset
    decision: Decision

    def of(self, rows: Sequence[int], answer: ScoreAnswer) -> Floats:
        """Return one score per row."""
        score = self.decision.score(answer)
        if self.params.score == "decision":
            return score
        true = np.array([bool(self.data.rows[i].label) for i in rows])
        return np.where(true, score, 1 - score)


def _texts(data: Dataset, rows: Sequence[int]) -> tuple[str, ...]:
    return tuple(data.rows[i].text for i in rows)


def _gate(plan: Plan, data: Dataset, decision: Decision, answer: ScoreAnswer) -> tuple[ValidityCheck, ...]:
    """Return the competence checks, on texts without the condition: with it the model may well answer otherwise."""
    start = len(plan.with_condition)
    part = slice(start, start + len(plan.without))
    rows: tuple[Row, ...] = tuple(data.rows[i] for i in plan.without)
    return _competence.gate(replace(data, rows=rows), decision, replace(answer, values=answer.values[part]))


def _tested(params: Params, layers: dict[int, Found], p_of: dict[int, float]) -> list[int]:
    """Return the layers to intervene at; none where the states do not differ between the conditions."""
    if params.layers == "choose":
        best = max(p_of, key=lambda layer: layers[layer].ratio)
        return [best] if p_of[best] <= report.ALPHA else []
    return [layer for layer in params.layers if layers[layer].direction.any() and p_of.get(layer, 0.0) <= report.ALPHA]


def _interventions(
    params: Params,
    data: Dataset,
    decision: Decision,
    plan: Plan,
    layers: dict[int, Found],
    tested: Sequence[int],
    words: Floats,
) -> list[Request]:
    """Return all interventions: the embeddings' difference, then four kinds per layer tested.

    These are the direction added, taken away and added off target, and every comparison direction added.
    """

    def scores(rows: Sequence[int], layer: int, vector: Floats, mode: Literal["add", "project_out"] = "add") -> Scores:
        shift = Shift(layer=layer, vector=vector, mode=mode, at=params.at)
        return Scores(texts=_texts(data, rows), target=decision.target, intervene=shift)

    out: list[Request] = [scores(plan.without, 0, words)]
    for layer in tested:
        found = layers[layer]
        out.append(scores(plan.without, layer, found.direction))
        out.append(scores(plan.with_condition, layer, found.direction, "project_out"))
        if plan.off_target:
            out.append(scores(plan.off_target, layer, found.direction))
        out += [scores(plan.without, layer, vector) for vector in found.null]
    return out


def _moved(
    score: _Score,
    plan: Plan,
    known: dict[int, float],
    tested: Sequence[int],
    answers: Sequence[Any],
) -> tuple[list[Moved], Floats]:
    """Return the changes that each intervention made, in the order in which they were asked for."""

    def change(rows: Sequence[int], answer: ScoreAnswer) -> Floats:
        out: Floats = score.of(rows, answer) - np.array([known[i] for i in rows])
        return out

    left = list(answers)
    embedding = change(plan.without, left.pop(0))
    draws, out = plan.ways.null.shape[1], []
    for layer in tested:
        added, projected = left.pop(0), left.pop(0)
        aside = change(plan.off_target, left.pop(0)) if plan.off_target else np.zeros(0)
        null = np.array([change(plan.without, left.pop(0)).mean() for _ in range(draws)])
        out.append(
            Moved(
                layer=layer,
                added=change(plan.without, added),
                null=null,
                projected=change(plan.with_condition, projected),
                off_target=aside,
            )
        )
    return out, embedding


# ---- what is reported ----------------------------------------------------------------------------


def _finding(result: Result, decision: Decision, gate: tuple[ValidityCheck, ...], rng: np.random.Generator) -> Finding:
    total = _total(result)
    p_value = result.p_value()
    effects = [
        _measure(result, decision, "effect", m.added, result.plan.without, f"layer {m.layer}") for m in result.moved
    ]
    measured = [*effects, _named(result, decision, "total_effect", total)]
    measured += _indirect(result, decision, total)
    measured.append(_measure(result, decision, "embedding_effect", result.embedding, result.plan.without, "layer 0"))
    for m in result.moved:
        if len(m.off_target):
            measured.append(_off_target(result, decision, m))
        measured.append(
            _measure(result, decision, "projection_effect", m.projected, result.plan.with_condition, f"layer {m.layer}")
        )
    titles = {m.name: m.title for m in METRICS}
    aside = [m for m in measured if m.metric == "off_target_change"]
    return Finding(
        measurements=tuple(measured),
        validity=(*gate, report.preconditioned(result), report.many_enough(result)),
        boxes=report.boxes(result, effects, total, p_value, aside),
        exhibits=report.exhibits(result, decision, measured, p_value, titles),
        samples=report.samples(result, decision, rng),
        limits=report.limits(result),
        directions=report.directions(result),
    )


def _measure(
    result: Result, decision: Decision, name: str, values: Floats, rows: Sequence[int], stratum: str
) -> Measurement:
    estimate = _stats.clustered_mean(values, result.clusters(rows), reach=_reach(decision, values))
    return _named(result, decision, name, estimate, stratum)


def _named(result: Result, decision: Decision, name: str, estimate: Estimate, stratum: str = "") -> Measurement:
    metric = _METRIC[name]
    metric = replace(metric, unit=decision.unit) if metric.unit == "score" else metric
    reference = result.against if name == "total_effect" else ""
    return _stats.measure(metric, estimate, group=result.toward, reference=reference, stratum=stratum)


def _reach(decision: Decision, values: Floats) -> float:
    return 1.0 if decision.decides else float(np.ptp(values)) or 1.0


def _total(result: Result) -> Estimate:
    """Return the mean score with the condition minus the mean without, with clusters that both share allowed for."""
    rows = (*result.plan.with_condition, *result.plan.without)
    member = np.arange(len(rows)) < len(result.plan.with_condition)
    estimate = _stats.stratified_mean_difference(result.scores(rows), member, [""] * len(rows), result.clusters(rows))
    assert estimate is not None, "both groups have rows"
    return estimate


def _indirect(result: Result, decision: Decision, total: Estimate) -> list[Measurement]:
    """Return effect over total effect, with both errors in its interval; none where there is no effect to explain."""
    if not report.excludes_zero(total):
        return []
    out = []
    for m in result.moved:
        estimate = _ratio(result, m)
        out.append(_named(result, decision, "indirect_effect", estimate, f"layer {m.layer}"))
    return out


def _ratio(result: Result, moved: Moved) -> Estimate:
    plan = result.plan
    rows = (*plan.with_condition, *plan.without)
    member = np.arange(len(rows)) < len(plan.with_condition)
    scores, clusters = result.scores(rows), result.clusters(rows)
    change = np.concatenate([np.zeros(len(plan.with_condition)), moved.added])

    def value(keep: Bools) -> float:
        inside, outside = keep & member, keep & ~member
        if not inside.any() or not outside.any():
            return float("nan")
        return float(change[outside].mean() / (scores[inside].mean() - scores[outside].mean()))

    def without(way: Way) -> Floats:
        return np.array([value(way.codes != code) for code in range(way.count)])

    whole = value(np.ones(len(rows), dtype=np.bool_))
    law = t_law(whole, variance(clusters, whole, without), clusters=effective_clusters(clusters), reach=1.0)
    return Estimate(value=whole, law=law, n=len(rows), clusters=_stats.cluster_count(clusters))


def _off_target(result: Result, decision: Decision, moved: Moved) -> Measurement:
    values = np.abs(moved.off_target)
    estimate = _stats.clustered_mean(
        values, result.clusters(result.plan.off_target), reach=_reach(decision, values), support=None
    )
    metric = replace(_METRIC["off_target_change"], unit=decision.unit)
    return _stats.measure(metric, estimate, group=result.aside, stratum=f"layer {moved.layer}")


# ---- examples ------------------------------------------------------------------------------------


def examples() -> tuple[Example, ...]:
    """Return a direction that the output follows, one that it ignores, and states without one."""
    from audit.checks._toy.directions import direction_examples

    return direction_examples()
