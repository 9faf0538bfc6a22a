"""Is this explanation fit to be shown to an overseer?

What it measures
----------------
How well an attribution, by one method and from one baseline input, tells what the model does, on a random sample of
rows. Tokens are taken out in the order of the attribution and in a random order: how far the probability of the
decision falls (comprehensiveness), how far it falls when only the first are kept (sufficiency), the areas under the
deletion and the insertion curve, and the rank correlation with taking out each token by itself. A second kind of
method and a second baseline input show how far the ranking is a matter of choice. Steps and completeness deltas are
printed, and how many texts converged. The weights of the model are shuffled part by part from the output down, to see
whether the attribution depends on what was learnt. And a word is made to decide, to see whether it ranks first.

Why it matters
--------------
A person who oversees a system is shown explanations and acts on them. A map of coloured words looks convincing
whether or not the words moved anything. Which method works differs from model to model and task to task, so it has
to be measured on the model at hand.

What it cannot show
-------------------
Whether the decisions are right, or whether the model treats anybody worse: it judges explanations, not the model, and
clears nothing. It is a statement about a method on average over these texts, not about a single map. Texts with tokens
taken out are none that the model was made for. The numbers compare orders on one model and are not comparable between
models. They do not tell a good baseline input from a bad one: two that rank differently can score alike. A planted
word is easier to find than what is spread over many words.

Validity checks
---------------
A model whose scores hardly vary decides nothing that could be explained, and is not assessed. Attributions must add up
to the difference of the scores for nearly all texts; those that do not converge are left out and listed. There must be
a second baseline input. The ranking must beat a random order, and a planted word that turns decisions must rank first
more often than not; else no explanation is called fit, whatever the bounds.

References
----------
DeYoung et al. (2020), ERASER, arXiv 1911.03429. Petsiuk, Das & Saenko (2018), RISE, arXiv 1806.07421. Jain & Wallace
(2019), Attention is not explanation. Adebayo et al. (2018), Sanity checks for saliency maps, arXiv 1810.03292. Bastings
et al. (2022), "Will you find these shortcuts?", EMNLP. Krishna et al. (2022), The disagreement problem in explainable
machine learning, arXiv 2202.01602. Sundararajan, Taly & Yan (2017), Axiomatic attribution for deep networks. Edin et
al. (2025), on the comparability of these numbers between models, ACL.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from audit.checks import _attributions, _competence, _needs, _rows, _stats
from audit.checks._attributions import (
    Attributed,
    Explained,
    MaxSteps,
    Tolerance,
    planted_word,
    randomised,
    removals,
    runs,
)
from audit.checks._attributions.token_shares import UNSEEN, mark, usable_baselines
from audit.registry import Example, LaterRounds
from audit.requests import (
    ALL_WEIGHTS,
    Ablations,
    CannotAnswer,
    CheckRun,
    Contrast,
    Method,
    Scores,
    Tokenised,
    TokenisedText,
)
from audit.shapes import Bools, Floats
from audit.types import (
    Dataset,
    Decision,
    Exhibit,
    Finding,
    Guards,
    Measurement,
    Metric,
    NotAssessed,
    Number,
    ParamProblem,
    Sample,
    Text,
    TokenMap,
    ValidityCheck,
    Worse,
)

T = TypeVar("T")

NAME = "explanation_faithfulness"
VERSION = "1"
TITLE = "Whether explanations tell what the model does"
BINDS = frozenset({"sample"})

SAMPLES = 5
"""Cases printed, and drawn at random."""
MAPS = 2


def _metric(name: str, title: str, meaning: str, reading: str, **other: Any) -> Metric:
    return Metric(name=name, title=title, meaning=meaning, reading=reading, **({"worse": Worse.LOWER} | other))


METRICS = (
    _metric(
        "comprehensiveness_over_random",
        "Comprehensiveness beyond a random order",
        "How much further the probability of the decision falls when the highest-ranked tokens are taken out than "
        "when random ones are (mean over 1, 5, 10, 20 and 50 % of the tokens).",
        "Taking out the highest-ranked tokens moves the decision's probability by {value} more than a random order",
        unit="probability",
        null=0.0,
    ),
    _metric(
        "sufficiency_over_random",
        "Sufficiency beyond a random order",
        "How much closer the probability of the decision stays when only the highest-ranked tokens are kept than when "
        "only random ones are.",
        "Keeping only the highest-ranked tokens keeps the decision's probability closer by {value} than a random order",
        unit="probability",
        null=0.0,
    ),
    _metric(
        "deletion_over_random",
        "Area of deletion below a random order",
        "Area between the deletion curves of a random order and of the attribution's.",
        "The area under the deletion curve is smaller by {value} than that of a random order",
        unit="probability",
        null=0.0,
    ),
    _metric(
        "insertion_over_random",
        "Area of insertion above a random order",
        "Area between the insertion curves of the attribution's order and of a random one.",
        "The area under the insertion curve is larger by {value} than that of a random order",
        unit="probability",
        null=0.0,
    ),
    _metric(
        "leave_one_out_agreement",
        "Rank agreement with leaving one token out",
        "Mean Kendall correlation, text by text, of the attributions with what taking out each token by itself does.",
        "The ranking agrees with leaving out one token at a time with a mean correlation of {value}",
        unit="correlation",
        null=0.0,
    ),
    _metric(
        "method_agreement",
        "Agreement of two kinds of method",
        "Mean rank correlation (Spearman) of absolute attributions by this method and by one of another kind.",
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
        "converged_share",
        "Share of texts that converged",
        "Share of texts whose attributions add up to the difference of the scores within the tolerance.",
        "{value} of the attributions add up within the tolerance",
        unit="share",
    ),
    _metric(
        "randomised_similarity",
        "Likeness under shuffled weights",
        "Mean rank correlation of absolute attributions with those of the model when all its weights are shuffled.",
        "With all weights shuffled the attribution is still alike with a mean correlation of {value}",
        unit="correlation",
        worse=Worse.HIGHER,
        null=0.0,
    ),
    _metric(
        "planted_word_first",
        "Planted words that rank first",
        "Share of texts whose decision a planted word turned in which that word ranks first.",
        "Where a planted word turned the decision, it ranks first in {value} of the texts",
        unit="share",
    ),
)
_METRIC = {m.name: m for m in METRICS}
_PROBABILITIES = frozenset(m.name for m in METRICS if m.unit == "probability")


class Params(BaseModel):
    """Parameters of a check of an explanation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: Annotated[Method, Field(description="The kind of attribution that is to be shown.")] = (
        "integrated_gradients"
    )
    baseline_inputs: Annotated[
        tuple[str, ...] | None,
        Field(
            description="Two of mask, unk, pad, token:<text>, the first being the one that is used; by default the "
            "mask (or unknown) token and the most common ordinary token.",
            min_length=2,
            max_length=2,
        ),
    ] = None
    sample: Annotated[int, Field(description="Rows that are attributed, drawn at random.", ge=5, le=5000)] = 32
    shuffled: Annotated[
        int, Field(description="Rows that are attributed again under shuffled weights; 0 for none.", ge=0, le=1000)
    ] = 8
    planted: Annotated[
        int, Field(description="Rows that a decisive word is planted in; 0 for none.", ge=0, le=1000)
    ] = 32
    tolerance: Tolerance = 0.02
    max_steps: MaxSteps = 512

    @property
    def other_method(self) -> Method:
        """A method of another kind: one takes tokens out, the others follow gradients or coalitions."""
        return "integrated_gradients" if self.method == "feature_ablation" else "feature_ablation"


# ---- before the run ------------------------------------------------------------------------------


def problems(params: Params, data: Dataset, decision: Decision) -> tuple[ParamProblem, ...]:
    """Return what is wrong with the parameters given the data."""
    del data
    return (
        *_attributions.same_baselines(params.baseline_inputs),
        *_needs.a_decision(decision, "a likelihood has no decision to explain"),
    )


def judgeable(params: Params) -> frozenset[str]:
    """Return the metrics that may carry a criterion: those that say something under these parameters.

    Taking out one token at a time agrees with itself, only a path converges, and what is not asked for is not known.
    """
    without: set[str] = set()
    if params.method == "feature_ablation":
        without.add("leave_one_out_agreement")
    if params.method != "integrated_gradients":
        without.add("converged_share")
    if not params.shuffled:
        without.add("randomised_similarity")
    if not params.planted:
        without.add("planted_word_first")
    return frozenset(_METRIC) - without


def later_rounds(params: Params, data: Dataset) -> LaterRounds:
    """Return bounds on later rounds: three attributions and their tokens taken out, the stages, the planted word."""
    sample = min(params.sample, len(data.rows))
    stages = (randomised.MOST_STAGES + 1) * min(params.shuffled, sample)
    tried = planted_word.DRAWN * (params.planted + planted_word.MOST_TAUGHT) if params.planted else 0
    return LaterRounds(
        scored_texts=tried,
        attributed_texts=4 * sample + stages + min(params.planted, len(data.rows)),
        state_texts=1 if params.shuffled else 0,
    )


# ---- the run -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Answered:
    """Everything that was asked of the model, about a sample of rows."""

    chosen: list[int]
    """Where the data hold the sample."""
    counts: list[Bools]
    clusters: _stats.Labels
    distinct: _stats.Labels
    """The clusters of all distinct rows, which words are planted in."""
    score: Floats
    every: list[Attributed]
    """The explanation itself, the same from the second baseline input where there is one, and the other method."""
    second: Attributed | None
    other: Attributed
    tested: list[removals.Tested]
    """Of the texts for which the explanation converged."""
    stages: list[randomised.Stage]
    planted: planted_word.Found | None
    not_shuffled: str
    not_planted: str
    """Why this model cannot be asked that; "" where it could or was not to be."""
    refused: list[str]
    """Why a baseline input could not be used."""


def run(params: Params, data: Dataset, decision: Decision, rng: np.random.Generator) -> CheckRun:
    """Attribute a sample and put the attribution to every test."""
    distinct = _rows.distinct(data)
    chosen = sorted(distinct[i] for i in rng.permutation(len(distinct))[: params.sample])
    texts = tuple(data.rows[i].text for i in chosen)
    every = tuple(data.rows[i].text for i in distinct)
    tokens, scores = yield Tokenised(texts=texts), Scores(texts=every, target=decision.target)
    gate = _competence.decides(
        decision, scores, tuple([column[i] for i in distinct] for column in data.cluster_labels())
    )
    if shut := _competence.closed(gate):
        return shut
    known = _Known(distinct=distinct, chosen=chosen, tokens=tokens, score=decision.score(scores))
    answered = yield from _ask(params, data, decision, known, rng)
    if isinstance(answered, NotAssessed):
        return replace(answered, validity=gate)
    return _finding(params, data, decision, answered, gate, rng)


@dataclass(frozen=True, kw_only=True)
class _Known:
    """What the first round told."""

    distinct: list[int]
    """Rows whose text no earlier row has."""
    chosen: list[int]
    """The sample, in the order of the data."""
    tokens: Sequence[TokenisedText]
    """Of the sample."""
    score: Floats
    """Of the distinct rows."""


def _ask(
    params: Params, data: Dataset, decision: Decision, known: _Known, rng: np.random.Generator
) -> Generator[Any, Any, _Answered | NotAssessed]:
    """Attribute the sample in several ways, and put the first to every test."""
    rows = [data.rows[i] for i in known.chosen]
    marked = [mark(row, text, (), ()) for row, text in zip(rows, known.tokens, strict=True)]
    explained = Explained(
        texts=tuple(row.text for row in rows),
        contrast=Contrast(target=decision.target, toward=decision.positive, against=decision.negative),
        tolerance=params.tolerance,
        max_steps=params.max_steps,
    )
    found, refused = yield from _attributions.from_two_baselines(
        params.baseline_inputs or usable_baselines(marked),
        explained,
        method=params.method,
        alike=UNSEEN if params.baseline_inputs is None else (),
    )
    if not found:
        return NotAssessed(reason="no baseline input could be used: " + "; ".join(refused))
    main, counts = found[0], [m.counts for m in marked]
    if not main.converged:
        return NotAssessed(reason=f"none of {len(rows)} texts converged within {params.max_steps} steps")
    other = yield from _attributions.attributed(params.other_method, main.baseline_input, explained)
    tested = yield from _tested(main, counts, explained, runs.margin(decision), rng)
    clusters = _stats.chosen(data.cluster_labels(), known.chosen)
    stages, not_shuffled = yield from _if_it_can(_shuffled(params, main, explained, counts, clusters, rng))
    planted, not_planted = yield from _if_it_can(_planted(params, data, decision, known, main, explained, rng))
    score_of = dict(zip(known.distinct, known.score.tolist(), strict=True))
    return _Answered(
        chosen=known.chosen,
        counts=counts,
        clusters=clusters,
        distinct=_stats.chosen(data.cluster_labels(), known.distinct),
        score=np.array([score_of[i] for i in known.chosen]),
        every=[*found, other],
        second=found[1] if len(found) > 1 else None,
        other=other,
        tested=tested,
        stages=stages or [],
        planted=planted,
        not_shuffled=not_shuffled,
        not_planted=not_planted,
        refused=refused,
    )


def _tested(
    main: Attributed, counts: Sequence[Bools], explained: Explained, margin: float, rng: np.random.Generator
) -> Generator[Any, Any, list[removals.Tested]]:
    """Take tokens out of the texts for which the explanation converged."""
    plans = [
        removals.removals(main.answers[i].values, counts[i], 1 if main.answers[i].score > margin else -1, rng)
        for i in main.converged
    ]
    scores = yield Ablations(
        texts=tuple(explained.texts[i] for i in main.converged),
        positions=tuple(plan.sets for plan in plans),
        contrast=explained.contrast,
        baseline_input=main.baseline_input,
    )
    return [plan.read(values) for plan, values in zip(plans, scores, strict=True)]


def _shuffled(
    params: Params,
    main: Attributed,
    explained: Explained,
    counts: Sequence[Bools],
    clusters: _stats.Labels,
    rng: np.random.Generator,
) -> Generator[Any, Any, list[randomised.Stage]]:
    """Attribute some texts again while weights are shuffled; none where the policy asks for none."""
    if not params.shuffled:
        return []
    some = sorted(rng.permutation(main.converged)[: params.shuffled].tolist())
    return (yield from randomised.curve_of(main, some, explained, counts, clusters))


def _planted(
    params: Params,
    data: Dataset,
    decision: Decision,
    known: _Known,
    main: Attributed,
    explained: Explained,
    rng: np.random.Generator,
) -> Generator[Any, Any, planted_word.Found | None]:
    """Plant a decisive word in distinct texts; None where the policy asks for none."""
    if not params.planted:
        return None
    texts, selected = [data.rows[i].text for i in known.distinct], decision.selected(known.score)
    return (yield from planted_word.ask(main, texts, selected, explained, params.planted, decision, rng))


def _if_it_can(asking: Generator[Any, Any, T]) -> Generator[Any, Any, tuple[T | None, str]]:
    """Return what came of asking, or nothing and why the model cannot be asked: what was measured stays."""
    try:
        return (yield from asking), ""
    except CannotAnswer as reason:
        return None, str(reason)


# ---- measurements --------------------------------------------------------------------------------


def _measurements(params: Params, answered: _Answered) -> tuple[Measurement, ...]:
    main, clusters = answered.every[0], answered.clusters
    found: list[tuple[str, _stats.Estimate | None]] = [
        *_beyond_random(answered.tested, _stats.chosen(clusters, main.converged)),
        ("method_agreement", _attributions.agreement(main, answered.other, answered.counts, clusters)),
    ]
    if answered.second is not None:
        found.append(("baseline_agreement", _attributions.agreement(main, answered.second, answered.counts, clusters)))
    if params.method == "integrated_gradients":
        converged = np.array([answer.converged for answer in main.answers])
        found.append(("converged_share", _stats.clustered_proportion(converged, clusters)))
    last = [stage.similarity for stage in answered.stages if stage.randomised == ALL_WEIGHTS]
    found += [("randomised_similarity", similarity) for similarity in last]
    if answered.planted is not None:
        found.append(("planted_word_first", planted_word.estimate(answered.planted, answered.distinct)))
    may = judgeable(params)
    return tuple(
        _stats.measure(_METRIC[name], estimate) for name, estimate in found if estimate is not None and name in may
    )


def _beyond_random(
    tested: Sequence[removals.Tested], clusters: _stats.Labels
) -> list[tuple[str, _stats.Estimate | None]]:
    out: list[tuple[str, _stats.Estimate | None]] = []
    each = [text.beyond_random() for text in tested]
    for name in ("comprehensiveness", "sufficiency", "deletion", "insertion"):
        values = np.array([of_text[f"{name}_over_random"] for of_text in each])
        estimate = _stats.clustered_mean(values, clusters, reach=1.0, support=(-1.0, 1.0))
        out.append((f"{name}_over_random", estimate))
    ranked = [i for i, of_text in enumerate(each) if "leave_one_out_agreement" in of_text]
    if ranked:
        values = np.array([each[i]["leave_one_out_agreement"] for i in ranked])
        estimate = _stats.clustered_mean(values, _stats.chosen(clusters, ranked), reach=2.0, support=(-1.0, 1.0))
        out.append(("leave_one_out_agreement", estimate))
    return out


# ---- the finding ---------------------------------------------------------------------------------


def _finding(
    params: Params,
    data: Dataset,
    decision: Decision,
    answered: _Answered,
    gate: Sequence[ValidityCheck],
    rng: np.random.Generator,
) -> Finding:
    main = answered.every[0]
    measured = _measurements(params, answered)
    drawn = sorted(rng.permutation(len(answered.chosen))[:SAMPLES].tolist())
    mapped = sorted(rng.permutation(main.converged)[:MAPS].tolist())
    return Finding(
        measurements=measured,
        validity=(*gate, *_validity(params, answered, measured)),
        exhibits=_exhibits(params, decision, answered, mapped),
        samples=_samples(data, decision, answered, drawn),
        limits=_limits(params, data, answered),
    )


def _validity(params: Params, answered: _Answered, measured: Sequence[Measurement]) -> tuple[ValidityCheck, ...]:
    """Return what must hold before an explanation may be called fit; a bad one is bad without it."""
    by_name = {m.metric: m for m in measured}
    paths = [a for a in answered.every if a.method == "integrated_gradients"]
    checks = [
        *([_attributions.completeness_check(paths)] if paths else []),
        _attributions.two_baselines_check(
            [a for a in (answered.every[0], answered.second) if a is not None], answered.refused
        ),
        _attributions.above_zero_check(
            "ranking_predicts",
            "The ranking predicts better than a random order",
            by_name.get("comprehensiveness_over_random"),
            "comprehensiveness beyond a random order",
        ),
    ]
    if params.planted:
        checks.append(_planted_check(by_name.get("planted_word_first"), answered.not_planted))
    return tuple(replace(check, guards=Guards.FALSE_ALL_CLEAR) for check in checks)


def _planted_check(measured: Measurement | None, why_not: str) -> ValidityCheck:
    found, passed = why_not or "the word turned no decision", None
    if measured is not None and measured.low is not None and measured.high is not None:
        found = f"in a share of {measured.value:.2f} [{measured.low:.2f}, {measured.high:.2f}] of {measured.n} texts"
        passed = measured.low > 0.5
    return ValidityCheck(
        name="planted_word",
        title="A planted decisive word ranks first",
        guards=Guards.FALSE_ALL_CLEAR,
        passed=passed,
        found=found,
        needed="more often than not, the whole interval",
    )


def _exhibits(params: Params, decision: Decision, answered: _Answered, mapped: Sequence[int]) -> tuple[Exhibit, ...]:
    named = params.method.replace("_", " ")
    out: list[Exhibit] = [
        removals.table(answered.tested, named),
        *removals.curves(answered.tested, named),
        runs.table(answered.every, decision),
    ]
    if any(stage.similarity is not None for stage in answered.stages):
        out.append(randomised.exhibit(answered.stages))
    if answered.planted is not None:
        out.append(planted_word.table(answered.planted))
    main = answered.every[0]
    out += [_map(number + 1, i, main, decision) for number, i in enumerate(mapped)]
    return tuple(out)


def _map(number: int, i: int, main: Attributed, decision: Decision) -> TokenMap:
    answer = main.answers[i]
    difference = max(abs(answer.score - answer.baseline_score), runs.FLOOR)
    return TokenMap(
        id=f"map-{number}",
        title=f"Row {i + 1} of the sample: what moved the score towards “{decision.positive}”",
        tokens=answer.text.tokens,
        values=tuple(np.asarray(answer.values).tolist()),
        protected=(False,) * len(answer.text.tokens),
        method=main.method.replace("_", " "),
        baseline_input=main.baseline_input,
        score=answer.score,
        baseline_score=answer.baseline_score,
        unit="logit",
        n_steps=answer.n_steps,
        completeness_delta=None if answer.completeness_delta is None else answer.completeness_delta / difference,
    )


def _samples(data: Dataset, decision: Decision, answered: _Answered, drawn: Sequence[int]) -> tuple[Sample, ...]:
    main = answered.every[0]
    at = {i: n for n, i in enumerate(main.converged)}
    out = []
    for i in drawn:
        numbers = [Number(label="score", value=float(answered.score[i]), unit=decision.unit)]
        if i in at:
            ranked = answered.tested[at[i]].ranked
            numbers += [
                Number(label="comprehensiveness", value=ranked.comprehensiveness, unit="probability"),
                Number(label="sufficiency", value=ranked.sufficiency, unit="probability"),
            ]
        note = "" if i in at else "did not converge: left out"
        texts = (Text(label="case", text=data.rows[answered.chosen[i]].text),)
        out.append(Sample(row=answered.chosen[i], texts=texts, numbers=tuple(numbers), note=note))
    return tuple(out)


def _limits(params: Params, data: Dataset, answered: _Answered) -> tuple[str, ...]:
    main = answered.every[0]
    what = f"{params.method.replace('_', ' ')} from the baseline input “{main.baseline_input}”"
    out = [
        f"A random sample of {len(answered.chosen)} of {len(data.rows)} rows was explained by {what}.",
        "Other explanations are not judged.",
        *runs.left_out(main, params.max_steps),
    ]
    out += [f"A baseline input was refused: {reason}." for reason in answered.refused]
    if answered.not_shuffled:
        out.append(f"Weights were not shuffled: {answered.not_shuffled}.")
    if answered.not_planted:
        out.append(f"No word was planted: {answered.not_planted}.")
    return tuple(out)


# ---- examples ------------------------------------------------------------------------------------


def examples() -> tuple[Example, ...]:
    """Return an attribution that is the model's, one that is noise, and a model with nothing to explain."""
    from audit.checks._toy.explained import explanation_examples

    return explanation_examples()
