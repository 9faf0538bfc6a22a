"""Can a protected attribute be read off the model's hidden states?

What it measures
----------------
A linear probe (logistic regression, its regularisation chosen in nested folds) is fitted at every layer to tell two
values of an attribute apart, on whole clusters that it has not seen. Printed per layer: the area under the ROC curve
with its interval. Beside it stand what can be read off the text alone (character n-grams, length), off the same
architecture with random weights (for small models), and the result expected by chance for the best of all layers.

Why it matters
--------------
An attribute that cannot be read off the states cannot be used. Where it can be, the curve tells at which
depth it becomes explicit, which is where to look for its use.

What it cannot show
-------------------
Decodable is not used: models that ignore the attribute hold it as readily as those that do not, because the
text does. So
this never fails a model and never clears one. When the probe finds nothing, another probe may find something.

Validity checks
---------------
Chance is measured by permuting the attribute over whole clusters through the same folds, with a ridge regression as
the statistic of both the permuted and the observed labels, taking the best layer each time. The layer is chosen on
other folds than those it is reported on. A cluster must carry a single value of the attribute, or rows are permuted
within it. Where rows share two things, both are kept on one side of every fold, as far as they are not crossed.

References
----------
Hewitt & Liang (2019), Designing and interpreting probes with control tasks. Westfall & Young (1993),
Resampling-based multiple testing (maximum statistic). Obuchowski (1997), Nonparametric analysis of clustered
ROC curve data, Biometrics 53. Belinkov (2022), Probing classifiers: promises, shortcomings, and advances.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from audit.checks import _fields, _probing, _stats
from audit.checks._probing import Sweep, boxes
from audit.checks._stats.clustering import Labels, Way, ways
from audit.registry import Example, LaterRounds, judges
from audit.requests import CannotAnswer, CheckRun, Pool, States
from audit.shapes import Bools, Floats
from audit.types import (
    Box,
    Column,
    Curve,
    Dataset,
    Decision,
    Direction,
    Finding,
    Guards,
    Measurement,
    Metric,
    NotAssessed,
    Number,
    ParamProblem,
    Sample,
    Series,
    Table,
    Text,
    ValidityCheck,
    Worse,
)

NAME = "leakage_probe"
VERSION = "2"
TITLE = "Protected attribute in the hidden states"
BINDS = frozenset({"attribute", "values", "cluster"})

METRICS = (
    Metric(
        name="auroc",
        title="Probe, layer by layer",
        meaning="Probability that a row with the attribute gets a higher probe score than one without, out of fold.",
        reading="At {stratum}, “{group}” is told from “{reference}” with an area under the curve of {value}",
        unit="AUROC",
        worse=Worse.HIGHER,
        null=0.5,
        descriptive=True,
        why_descriptive="decodable is not used: a probe alone never decides",
    ),
    Metric(
        name="auroc_layer_chosen",
        title="Probe, layer chosen on other folds",
        meaning="The same with the layer chosen on the other folds, so that the choice flatters nothing.",
        reading="“{group}” is told from “{reference}” with an area under the curve of {value}",
        unit="AUROC",
        worse=Worse.HIGHER,
        null=0.5,
        descriptive=True,
        why_descriptive="decodable is not used: a probe alone never decides",
    ),
    Metric(
        name="beyond_baseline",
        title="Beyond what the text alone gives away",
        meaning="Area under the curve of the probe (layer chosen on other folds) minus that of a baseline, same rows.",
        reading="The probe's area under the curve is {amount} {more} than that of {reference}",
        unit="AUROC",
        worse=Worse.HIGHER,
        null=0.0,
        descriptive=True,
        why_descriptive="decodable is not used: a probe alone never decides",
    ),
)
_METRIC = {m.name: m for m in METRICS}


class Params(BaseModel):
    """Parameters of a leakage probe."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    attribute: Annotated[str, Field(description="The field that holds the protected attribute.")]
    values: Annotated[
        tuple[str, str] | None,
        Field(
            description="The two values to tell apart, the first being the positive one; by default the field's two."
        ),
    ] = None
    pool: Annotated[Pool, Field(description="Which states of a text: mean of all tokens, the last or the first.")] = (
        "mean"
    )
    cluster: Annotated[
        str | None,
        Field(description="Field whose values never stand on both sides of a fold; by default the data's clusters."),
    ] = None
    folds: Annotated[int, Field(description="Cross-validation folds, of whole clusters.", ge=3, le=20)] = 5
    permutations: Annotated[int, Field(description="Draws of the permutation test.", ge=400, le=100_000)] = 1000
    max_rows: Annotated[int, Field(description="Rows used; more are sampled down, and the report says so.", ge=40)] = (
        1500
    )


def problems(params: Params, data: Dataset, decision: Decision) -> tuple[ParamProblem, ...]:
    """Return what is wrong with the parameters given the data."""
    del decision
    fields = set(data.rows[0].fields)
    named = {"attribute": params.attribute} | ({"cluster": params.cluster} if params.cluster else {})
    if found := _fields.missing((((key,), name) for key, name in named.items()), fields):
        return tuple(found)
    known = sorted({row.fields[params.attribute] for row in data.rows} - {""})
    if params.values is None and len(known) != 2:
        found.append(
            ParamProblem(
                at=("attribute",),
                found=f"{params.attribute!r} has {len(known)} values: {', '.join(known[:10])}",
                expected="two values, or values: [positive, negative] to choose two",
            )
        )
    if params.values is not None and params.values[0] == params.values[1]:
        found.append(
            ParamProblem(at=("values", 1), found=f"{params.values[1]!r} a second time", expected="another value")
        )
    found += [
        ParamProblem(at=("values", i), found=f"no row has {value!r}", expected="one of " + ", ".join(known[:20]))
        for i, value in enumerate(params.values or ())
        if value not in known
    ]
    return tuple(found)


judgeable = judges(METRICS)
"""None, decodable is not used."""


def later_rounds(params: Params, data: Dataset) -> LaterRounds:
    """Return bounds on later rounds: the texts once more, under random weights."""
    return LaterRounds(state_texts=min(params.max_rows, len(data.rows)))


# ---- the run -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """What is decoded, fixed before a state is seen."""

    rows: tuple[int, ...]
    texts: tuple[str, ...]
    names: tuple[str, str]
    """The two values, the positive one first."""
    task: _probing.Task
    null: _probing.Null


def run(params: Params, data: Dataset, decision: Decision, rng: np.random.Generator) -> CheckRun:
    """Decode the attribute from every layer, from the text and from random weights."""
    del decision
    names = _values(params, data)
    try:
        plan = _plan(params, data, names, rng)
    except _probing.CannotProbe as reason:
        return NotAssessed(reason=f"{reason} (positive “{names[0]}”, negative “{names[1]}”)")
    states = yield States(texts=plan.texts, pool=params.pool)
    cells = _probing.by_position({params.pool: states})
    swept = _probing.sweep(cells, plan.task, _probing.Pipeline(null=plan.null))
    baselines = {
        "character n-grams": _probing.character_ngrams(plan.texts, plan.task),
        "text length": _probing.lengths(plan.texts, plan.task),
    }
    untrained: Sweep | None = None
    limits = []
    try:
        again = yield States(texts=plan.texts, pool=params.pool, weights="random")
        plain = _probing.Pipeline(estimators=("logistic",))
        untrained = _probing.sweep(_probing.by_position({params.pool: again}), plan.task, plain)
        baselines["random weights"] = untrained.chosen().scores
    except CannotAnswer as reason:
        limits.append(f"Random weights were not compared: {reason}.")
    result = _Result(
        plan=plan,
        swept=swept,
        baselines=baselines,
        untrained=untrained,
        clustered=bool(params.cluster or data.cluster),
        directions=_probing.directions(cells, swept, positive=names[0], negative=names[1]),
    )
    return _finding(result, (*limits, *_limits(result, data)), rng)


def _values(params: Params, data: Dataset) -> tuple[str, str]:
    """Return the two values to tell apart, the positive one first."""
    if params.values is not None:
        return params.values
    first, second = sorted({row.fields[params.attribute] for row in data.rows} - {""})
    return first, second


def _plan(params: Params, data: Dataset, names: tuple[str, str], rng: np.random.Generator) -> _Plan:
    usable = [i for i, row in enumerate(data.rows) if row.fields[params.attribute] in names]
    chosen = tuple(sorted(rng.permutation(usable)[: params.max_rows].tolist()))
    rows = [data.rows[i] for i in chosen]
    clusters: Labels = (
        ([row.fields[params.cluster] for row in rows],)
        if params.cluster
        else _stats.chosen(data.cluster_labels(), chosen)
    )
    labels = np.array([row.fields[params.attribute] == names[0] for row in rows])
    task = _probing.make_task(labels, clusters, folds=params.folds, rng=rng)
    return _Plan(
        rows=chosen,
        texts=tuple(row.text for row in rows),
        names=names,
        task=task,
        null=_probing.make_null(task, draws=params.permutations, rng=rng),
    )


# ---- what is reported ----------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Result:
    """Everything that was found out."""

    plan: _Plan
    swept: Sweep
    baselines: Mapping[str, Floats]
    untrained: Sweep | None
    clustered: bool
    """Whether a column says what rows share."""
    directions: tuple[Direction, ...]

    @property
    def mixed(self) -> int:
        """How many clusters hold both values; none where the values are whole in one of two columns."""
        found = [_mixed(way, self.plan.task.labels) for way in ways(self.plan.task.clusters)]
        return 0 if 0 in found else found[0]

    @property
    def shuffled(self) -> str:
        """What the permutations exchange."""
        return "of rows within their clusters" if self.mixed else "of whole clusters"

    def area(self, scores: Floats) -> float:
        """Return an area without its interval."""
        return _stats.auroc(self.plan.task.labels, scores)

    def measure(self, metric: str, estimate: _stats.Estimate, stratum: str = "") -> Measurement:
        """Return an area as a measurement of the two values."""
        group, reference = self.plan.names
        return _stats.measure(_METRIC[metric], estimate, group=group, reference=reference, stratum=stratum)


def _mixed(way: Way, labels: Bools) -> int:
    share = way.sums(labels) / way.sizes
    return int(np.count_nonzero((share > 0) & (share < 1)))


def _finding(result: _Result, limits: Sequence[str], rng: np.random.Generator) -> Finding:
    swept, task = result.swept, result.plan.task
    best = swept.chosen().scores
    layers = {cell.layer: result.measure("auroc", swept.area(cell), f"layer {cell.layer}") for cell in swept.cells}
    beyond = {name: _probing.area_difference(task, best, scores) for name, scores in result.baselines.items()}
    assert swept.decodable is not None, "the trained weights were decoded with their null"
    return Finding(
        measurements=(
            result.measure("auroc_layer_chosen", _probing.area(task, best)),
            *(
                _stats.measure(_METRIC["beyond_baseline"], estimate, group=result.plan.names[0], reference=name)
                for name, estimate in beyond.items()
            ),
            *layers.values(),
        ),
        validity=(_one_value(result), _probing.whole_clusters(task, named=result.clustered)),
        boxes=(
            boxes.decodable(swept.decodable),
            boxes.beyond_text(beyond),
            Box(name="specific", ticked=None, evidence="no control texts are examined by this check"),
            Box(name="causal", ticked=None, evidence="no intervention is made by this check"),
        ),
        exhibits=(_curve(result, layers), _null_table(result, swept.decodable)),
        samples=_samples(result.plan, best, rng),
        limits=tuple(limits),
        directions=result.directions,
    )


def _one_value(result: _Result) -> ValidityCheck:
    count = _stats.cluster_count(result.plan.task.clusters)
    return ValidityCheck(
        name="clusters",
        title="Clusters carry one value each",
        guards=Guards.FALSE_ALARM,
        passed=result.mixed == 0,
        found=f"{result.mixed} of {count} clusters hold both values" if result.mixed else f"all {count} clusters",
        needed="one value per cluster: then whole clusters exchange theirs, and chance is that of new clusters",
    )


def _curve(result: _Result, layers: Mapping[int, Measurement]) -> Curve:
    x = tuple(float(layer) for layer in layers)
    series = [
        Series(
            label="probe",
            x=x,
            y=tuple(m.value for m in layers.values()),
            low=tuple(float(m.low or 0) for m in layers.values()),
            high=tuple(float(m.high or 1) for m in layers.values()),
        )
    ]
    series += [
        Series(label=name, x=x, y=(result.area(result.baselines[name]),) * len(x), reference=True)
        for name in ("character n-grams", "text length")
    ]
    if result.untrained is not None:
        y = tuple(result.area(found.probed["logistic"].scores) for found in result.untrained.cells.values())
        series.append(Series(label="random weights", x=x, y=y, reference=True))
    return Curve(
        id="layers",
        title=f"Reading “{result.plan.names[0]}” off the states of each layer",
        x_title="layer",
        y_title="area under the ROC curve",
        unit="AUROC",
        series=tuple(series),
        null=0.5,
        note="Layer 0 enters the first block. Intervals allow for clusters; the best layer is judged "
        "against the best of permuted ones.",
    )


def _null_table(result: _Result, found: _probing.Corrected) -> Table:
    null = found.largest
    return Table(
        id="null",
        title="The best layer against chance",
        columns=(
            Column(title="Best layer observed", unit="AUROC"),
            Column(title="Best by chance, mean", unit="AUROC"),
            Column(title="Best by chance, 95th percentile", unit="AUROC"),
            Column(title="Draws", unit="count"),
            Column(title="p", unit="p"),
        ),
        rows=((max(found.observed.values()), float(null.mean()), float(np.quantile(null, 0.95)), len(null), found.p),),
        note=f"Chance: the attribute in permutations {result.shuffled}, through the same folds and the same choice of "
        "layer. Both sides are ridge regressions with one regularisation for all, so the area observed is not that of "
        "the probe.",
    )


def _samples(plan: _Plan, best: Floats, rng: np.random.Generator) -> tuple[Sample, ...]:
    return tuple(
        Sample(
            row=plan.rows[i],
            texts=(Text(label="case", text=plan.texts[i]),),
            numbers=(Number(label="probe score, out of fold", value=float(best[i]), unit="score"),),
            note=f"attribute: {plan.names[0] if plan.task.labels[i] else plan.names[1]}",
        )
        for i in sorted(rng.permutation(len(plan.rows))[:5].tolist())
    )


def _limits(result: _Result, data: Dataset) -> tuple[str, ...]:
    used, clusters = len(result.plan.rows), _stats.cluster_count(result.plan.task.clusters)
    out = [f"{used} of {len(data.rows)} rows were used, in {clusters} clusters."]
    if not result.clustered:
        out.append(
            "The data name no cluster: rows were taken as independent, and near-copies may stand on both "
            "sides of a fold."
        )
    return tuple(out)


# ---- examples ------------------------------------------------------------------------------------


def examples() -> tuple[Example, ...]:
    """Return states that hold the attribute, which must be seen, and states that do not."""
    from audit.checks._toy import DECISION, MERIT, Toy, applicants, credit

    def ticked(finding: Finding, name: str) -> bool | None:
        return next(box.ticked for box in finding.boxes if box.name == name)

    common: dict[str, Any] = {
        "params": {"attribute": "sex", "cluster": "name", "permutations": 400},
        "data": applicants(),
        "decision": DECISION,
    }
    return (
        Example(
            name="states hold the attribute",
            model=credit(0.0),
            holds=lambda f: ticked(f, "decodable") is True,
            **common,
        ),
        Example(
            name="states hold noise",
            model=Toy(weights=MERIT),
            holds=lambda f: ticked(f, "decodable") is False,
            **common,
        ),
    )
