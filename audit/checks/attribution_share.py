"""What a decision leans on, token by token, beside what it should look like if the words did not matter.

What it measures
----------------
The share of absolute attribution that falls on protected tokens, on a stated sample of rows. Beside it
stand the share they would get if all tokens counted alike, and the share of the same number of matched
reference tokens (fields that are neither protected nor a legitimate factor). Two kinds of method are used,
a path integral (integrated gradients) and taking tokens out (feature ablation), and two baseline inputs,
each with the model's own decision on it. How well the attribution predicts what happens when tokens are
taken out (comprehensiveness, sufficiency) is printed next to a random order.

Why it matters
--------------
It points at the words behind single decisions, which a gap between groups does not. It helps to read a
finding of the counterfactual check and to find what should be swapped next.

What it cannot show
-------------------
It points and does not decide: complete and linear methods can fail to beat guessing about what a model
does, attributions can be manipulated, and the baseline input shapes the answer. A low share never clears a
model, because proxies carry the effect on other tokens; a high share never condemns it. An attribution map
is not an explanation in the sense of Art. 86 of the EU AI Act.

Validity checks
---------------
Completeness: the attributions of a text must add up to the difference of the scores on text and baseline
input; texts that do not converge are left out and counted. The two methods and the two baseline inputs
must rank tokens alike beyond chance, and taking out the highest-ranked tokens must move the score further than
a random order does.

References
----------
Sundararajan, Taly & Yan (2017), Axiomatic attribution for deep networks. Bilodeau et al. (2022),
Impossibility theorems for feature attribution, arXiv 2212.11870. Adebayo et al. (2018), Sanity checks for
saliency maps. DeYoung et al. (2020), ERASER. Sturmfels, Lundberg & Lee (2020), Visualizing the impact of
feature attribution baselines, Distill. Captum 0.9, FeatureAblation.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from audit.checks import _attributions, _needs, _stats
from audit.checks._attributions import Attributed, Explained, MaxSteps, Tolerance, faithfulness, runs
from audit.checks._attributions.token_shares import UNSEEN, Marked, mark, shares_by_text, usable_baselines
from audit.checks._metrics import described
from audit.registry import Example, LaterRounds, judges
from audit.requests import (
    Ablations,
    CheckRun,
    Contrast,
    Scores,
    Tokenised,
)
from audit.shapes import Floats
from audit.types import (
    Column,
    Dataset,
    Decision,
    Finding,
    Measurement,
    NotAssessed,
    Number,
    ParamProblem,
    Sample,
    Table,
    Text,
    TokenMap,
    ValidityCheck,
    Worse,
)

NAME = "attribution_share"
VERSION = "1"
TITLE = "Attribution on protected words"
BINDS = frozenset({"protected", "reference", "sample"})


_metric = partial(described, why="attribution points and does not decide", unit="share", worse=Worse.LOWER, null=None)

METRICS = (
    _metric(
        "protected_share",
        "Share of attribution on protected words",
        "Absolute attribution on protected tokens divided by that on all tokens that are not special.",
        "{value} of the absolute attribution falls on {group} ({stratum})",
        worse=Worse.HIGHER,
    ),
    _metric(
        "uniform_share",
        "Share if all tokens counted alike",
        "Number of protected tokens divided by the number of tokens that are not special.",
        "If all tokens counted alike, {value} would fall on {group} ({stratum})",
    ),
    _metric(
        "reference_share",
        "Share of as many reference words",
        "Mean absolute attribution of a reference token times the number of protected tokens, divided by the total.",
        "As many reference words get {value} ({stratum})",
    ),
    _metric(
        "excess_share",
        "Protected share beyond the reference",
        "Protected share minus reference share, row by row.",
        "The share on {group} is {amount} {more} than that of as many reference words ({stratum})",
        unit="points",
        worse=Worse.HIGHER,
        null=0.0,
    ),
    _metric(
        "method_agreement",
        "Agreement of two kinds of method",
        "Mean rank correlation (Spearman) of absolute attributions by integrated gradients and by feature ablation.",
        "The two methods rank tokens with a mean correlation of {value}",
        unit="correlation",
        null=0.0,
    ),
    _metric(
        "baseline_agreement",
        "Agreement of two baseline inputs",
        "Mean rank correlation of absolute attributions from the two baseline inputs.",
        "The two baseline inputs give rankings with a mean correlation of {value}",
        unit="correlation",
        null=0.0,
    ),
    _metric(
        "comprehensiveness_over_random",
        "Comprehensiveness beyond a random order",
        "How much further the score falls when the highest-ranked tokens are taken out than when random ones are "
        "(mean over 10, 20 and 50 % of the tokens).",
        "Taking out the highest-ranked tokens moves the score by {value} more than a random order does",
        unit="logit",
        null=0.0,
    ),
    _metric(
        "sufficiency_over_random",
        "Sufficiency beyond a random order",
        "How much closer the score stays when only the highest-ranked tokens are kept than when only random ones are.",
        "Keeping only the highest-ranked tokens keeps the score closer by {value} than a random order does",
        unit="logit",
        null=0.0,
    ),
)
_METRIC = {m.name: m for m in METRICS}

MAPS = 4
"""Token maps printed, and drawn at random."""

SAMPLES = 5
"""Cases printed, and drawn at random."""


class Params(BaseModel):
    """Parameters of a check of attribution on protected words."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    protected: Annotated[
        tuple[str, ...], Field(description="Fields of the text whose words are protected.", min_length=1)
    ]
    reference: Annotated[
        tuple[str, ...] | None,
        Field(description="Fields that should not matter either; by default all neither protected nor legitimate."),
    ] = None
    sample: Annotated[int, Field(description="Rows that are attributed, drawn at random.", ge=5, le=5000)] = 32
    baseline_inputs: Annotated[
        tuple[str, ...] | None,
        Field(
            description="Two of mask, unk, pad, token:<text>; by default the mask (or unknown) token "
            "and the most common ordinary token.",
            min_length=2,
            max_length=2,
        ),
    ] = None
    tolerance: Tolerance = 0.02
    max_steps: MaxSteps = 512


def problems(params: Params, data: Dataset, decision: Decision) -> tuple[ParamProblem, ...]:
    """Return what is wrong with the parameters given the data."""
    names = data.template.names
    expected = "a field of the text: one of " + ", ".join(names)
    found = [
        ParamProblem(at=(key, i), found=f"the field {value!r} does not stand in the text", expected=expected)
        for key, values in (("protected", params.protected), ("reference", params.reference or ()))
        for i, value in enumerate(values)
        if value not in names
    ]
    found += _attributions.same_baselines(params.baseline_inputs)
    found += _needs.a_decision(decision, "a likelihood has no decision to attribute")
    return tuple(found)


judgeable = judges(METRICS)
"""None, attribution points and does not decide."""


def later_rounds(params: Params, data: Dataset) -> LaterRounds:
    """Return bounds on later rounds: three attributions of the sample, and its tokens taken out."""
    return LaterRounds(attributed_texts=4 * min(params.sample, len(data.rows)))


# ---- the run -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Answered:
    """Everything that was asked of the model, about a sample of rows."""

    chosen: list[int]
    """Where the data hold the sample."""
    marked: list[Marked]
    score: Floats
    gradients: list[Attributed]
    """From one baseline input or two; the first is what maps and orders are made of."""
    ablated: Attributed
    faithful: list[faithfulness.Faithfulness]
    """Of the texts for which the first converged."""
    refused: list[str]


def run(params: Params, data: Dataset, decision: Decision, rng: np.random.Generator) -> CheckRun:
    """Attribute a sample with two baseline inputs and two kinds of method, then test the ranking."""
    answered = yield from _ask(params, data, decision, rng)
    if isinstance(answered, NotAssessed):
        return answered
    first, marked, size = answered.gradients[0], answered.marked, len(answered.chosen)
    measured = _measurements(params, answered, _stats.chosen(data.cluster_labels(), answered.chosen))
    drawn = sorted(rng.permutation(size)[:SAMPLES].tolist())
    mapped = sorted(rng.permutation(first.converged)[:MAPS].tolist())
    return Finding(
        measurements=measured,
        validity=_validity(answered.gradients, answered.refused, measured),
        exhibits=(
            _baseline_table((*answered.gradients, answered.ablated), marked, decision),
            faithfulness.table(answered.faithful, "integrated gradients"),
            *_maps(marked, first, decision, mapped),
        ),
        samples=_samples(drawn, answered, decision),
        limits=_limits(data, answered, params),
    )


def _ask(
    params: Params, data: Dataset, decision: Decision, rng: np.random.Generator
) -> Generator[Any, Any, _Answered | NotAssessed]:
    chosen = sorted(rng.permutation(len(data.rows))[: params.sample].tolist())
    rows = [data.rows[i] for i in chosen]
    texts = tuple(row.text for row in rows)
    tokens, scores = yield Tokenised(texts=texts), Scores(texts=texts, target=decision.target)
    reference = _reference_fields(params, data)
    marked = [mark(row, text, params.protected, reference) for row, text in zip(rows, tokens, strict=True)]
    contrast = Contrast(target=decision.target, toward=decision.positive, against=decision.negative)
    explained = Explained(texts=texts, contrast=contrast, tolerance=params.tolerance, max_steps=params.max_steps)
    # By default the mask and the unknown token count as one kind: the second input is an ordinary token.
    gradients, refused = yield from _attributions.from_two_baselines(
        params.baseline_inputs or usable_baselines(marked),
        explained,
        alike=UNSEEN if params.baseline_inputs is None else (),
    )
    if not gradients:
        return NotAssessed(reason="no baseline input could be used: " + "; ".join(refused))
    first = gradients[0]
    ablated = yield from _attributions.attributed("feature_ablation", first.baseline_input, explained)
    if not first.converged:
        return NotAssessed(reason=f"none of {len(texts)} texts converged within {params.max_steps} steps")
    removed = yield Ablations(
        texts=tuple(texts[i] for i in first.converged),
        positions=tuple(
            faithfulness.position_sets(first.answers[i].values, marked[i].counts, rng) for i in first.converged
        ),
        contrast=contrast,
        baseline_input=first.baseline_input,
    )
    return _Answered(
        chosen=chosen,
        marked=marked,
        score=decision.score(scores),
        gradients=gradients,
        ablated=ablated,
        faithful=[faithfulness.faithfulness(values) for values in removed],
        refused=refused,
    )


def _reference_fields(params: Params, data: Dataset) -> tuple[str, ...]:
    """Return the fields to compare with: by default those that are neither protected nor legitimate."""
    if params.reference is not None:
        return params.reference
    return tuple(name for name in data.template.names if name not in {*params.protected, *data.legitimate})


# ---- measurements --------------------------------------------------------------------------------


def _measurements(params: Params, answered: _Answered, clusters: tuple[Sequence[str], ...]) -> tuple[Measurement, ...]:
    gradients, ablated, first = answered.gradients, answered.ablated, answered.gradients[0]
    return (
        *_share_measurements(params, answered.marked, (*gradients, ablated), clusters),
        *_agreements(gradients, ablated, answered.marked, clusters),
        *_gains(answered.faithful, first, _stats.chosen(clusters, first.converged)),
    )


def _share_measurements(
    params: Params, marked: Sequence[Marked], every: Sequence[Attributed], clusters: tuple[Sequence[str], ...]
) -> list[Measurement]:
    """Return the shares of each method and baseline input, over the texts that converged."""
    group = " and ".join(f"“{name}”" for name in params.protected)
    out: list[Measurement] = []
    for attributed in every:
        shares = shares_by_text(attributed, marked)
        if not shares:
            continue
        labels = _stats.chosen(clusters, list(shares))
        own, uniform, reference = np.array(list(shares.values())).T
        columns = {
            "protected_share": own,
            "uniform_share": uniform,
            "reference_share": reference,
            "excess_share": own - reference,
        }
        for name, values in columns.items():
            lowest = -1.0 if name == "excess_share" else 0.0
            estimate = _stats.clustered_mean(values, labels, reach=1.0, support=(lowest, 1.0))
            # The uniform share counts tokens of the sampled texts: a property of them, not of the model.
            exact = name == "uniform_share"
            out.append(_stats.measure(_METRIC[name], estimate, group=group, stratum=attributed.label, exact=exact))
    return out


def _agreements(
    gradients: Sequence[Attributed],
    ablated: Attributed,
    marked: Sequence[Marked],
    clusters: tuple[Sequence[str], ...],
) -> list[Measurement]:
    pairs = [("method_agreement", gradients[0], ablated)]
    pairs += [("baseline_agreement", gradients[0], second) for second in gradients[1:]]
    counts = [m.counts for m in marked]
    return [
        _stats.measure(_METRIC[name], estimate, group=a.label, reference=b.label)
        for name, a, b in pairs
        if (estimate := _attributions.agreement(a, b, counts, clusters)) is not None
    ]


def _gains(
    faithful: Sequence[faithfulness.Faithfulness], attributed: Attributed, clusters: tuple[Sequence[str], ...]
) -> list[Measurement]:
    gains = {
        "comprehensiveness_over_random": np.array([f.comprehensiveness_gain for f in faithful]),
        "sufficiency_over_random": np.array([f.sufficiency_gain for f in faithful]),
    }
    return [
        _stats.measure(
            _METRIC[name],
            _stats.clustered_mean(values, clusters, reach=float(np.abs(values).max()) or 1.0),
            stratum=attributed.label,
        )
        for name, values in gains.items()
    ]


# ---- validity, exhibits, samples, limits ---------------------------------------------------------


def _validity(
    gradients: Sequence[Attributed], refused: Sequence[str], measured: Sequence[Measurement]
) -> tuple[ValidityCheck, ...]:
    by_name = {m.metric: m for m in measured}
    return (
        _attributions.completeness_check(gradients),
        _attributions.two_baselines_check(gradients, refused),
        *(
            _attributions.above_zero_check(name, title, by_name.get(metric), what)
            for name, title, metric, what in (
                ("methods_agree", "The two methods agree", "method_agreement", "mean rank correlation"),
                ("baselines_agree", "The two baseline inputs agree", "baseline_agreement", "mean rank correlation"),
                (
                    "ranking_predicts",
                    "The ranking predicts better than a random order",
                    "comprehensiveness_over_random",
                    "comprehensiveness beyond a random order",
                ),
            )
        ),
    )


def _baseline_table(every: Sequence[Attributed], marked: Sequence[Marked], decision: Decision) -> Table:
    shares = [[some.protected for some in shares_by_text(attributed, marked).values()] for attributed in every]
    median = [float(np.median(those)) if those else None for those in shares]
    return runs.table(every, decision, more=(Column(title="Protected share, median", unit="share"), median))


def _maps(
    marked: Sequence[Marked], attributed: Attributed, decision: Decision, mapped: Sequence[int]
) -> list[TokenMap]:
    out = []
    for number, i in enumerate(mapped):
        a, m = attributed.answers[i], marked[i]
        difference = max(abs(a.score - a.baseline_score), 0.1)
        out.append(
            TokenMap(
                id=f"map-{number + 1}",
                title=f"Row {i + 1} of the sample: what moved the score towards “{decision.positive}”",
                tokens=m.text.tokens,
                values=tuple(a.values.tolist()),
                protected=tuple(m.protected.tolist()),
                method="integrated gradients",
                baseline_input=attributed.baseline_input,
                score=a.score,
                baseline_score=a.baseline_score,
                unit="logit",
                n_steps=a.n_steps,
                completeness_delta=None if a.completeness_delta is None else a.completeness_delta / difference,
            )
        )
    return out


def _samples(drawn: Sequence[int], answered: _Answered, decision: Decision) -> tuple[Sample, ...]:
    first = answered.gradients[0]
    shares = shares_by_text(first, answered.marked)
    out = []
    for i in drawn:
        numbers = [Number(label="score", value=float(answered.score[i]), unit=decision.unit)]
        if i in shares:
            numbers.append(Number(label="protected share", value=shares[i].protected, unit="share"))
        note = "" if first.answers[i].converged else "did not converge: left out of the shares"
        texts = (Text(label="case", text=answered.marked[i].row.text),)
        out.append(Sample(row=answered.chosen[i], texts=texts, numbers=tuple(numbers), note=note))
    return tuple(out)


def _limits(data: Dataset, answered: _Answered, params: Params) -> tuple[str, ...]:
    size = len(answered.chosen)
    out = [f"A random sample of {size} of {len(data.rows)} rows was attributed."]
    out += runs.left_out(answered.gradients[0], params.max_steps)
    out += [f"A baseline input was refused: {reason}." for reason in answered.refused]
    return tuple(out)


# ---- examples ------------------------------------------------------------------------------------


def examples() -> tuple[Example, ...]:
    """Return a model that leans on names, which must show, and one that does not, which must not."""
    from audit.checks._toy import DECISION, applicants, credit

    def share(finding: Finding) -> Measurement:
        return next(m for m in finding.measurements if m.metric == "protected_share")

    common: dict[str, Any] = {
        "params": {"protected": ["name"], "sample": 60},
        "data": applicants(),
        "decision": DECISION,
    }
    return (
        Example(
            name="names weigh as much as merit",
            model=credit(3.0),
            holds=lambda f: (share(f).low or 0) > 0.1,
            **common,
        ),
        Example(
            name="names do not matter",
            model=credit(0.0),
            holds=lambda f: (share(f).high or 1) < 0.02,
            **common,
        ),
    )
