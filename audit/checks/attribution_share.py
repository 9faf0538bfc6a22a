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
should agree, and taking out the highest-ranked tokens should move the score more than a random order does.

References
----------
Sundararajan, Taly & Yan (2017), Axiomatic attribution for deep networks. Bilodeau et al. (2022),
Impossibility theorems for feature attribution, arXiv 2212.11870. Adebayo et al. (2018), Sanity checks for
saliency maps. DeYoung et al. (2020), ERASER. Sturmfels, Lundberg & Lee (2020), Visualizing the impact of
feature attribution baselines, Distill. Captum 0.9, FeatureAblation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from audit.checks import _stats
from audit.registry import Example, LaterRounds
from audit.requests import (
    Ablations,
    Attributions,
    CannotAnswer,
    CheckRun,
    Contrast,
    Method,
    Scores,
    TokenAttribution,
    Tokenised,
    TokenisedText,
)
from audit.shapes import Bools, Floats
from audit.types import (
    Cell,
    Column,
    Dataset,
    Decision,
    Finding,
    Guards,
    Measurement,
    Metric,
    NotAssessed,
    Number,
    ParamProblem,
    Row,
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


def _descriptive(
    name: str, title: str, meaning: str, reading: str, unit: str = "share", null: float | None = None
) -> Metric:
    worse = Worse.HIGHER if name.startswith(("protected", "excess")) else Worse.LOWER
    return Metric(
        name=name,
        title=title,
        meaning=meaning,
        reading=reading,
        unit=unit,
        worse=worse,
        null=null,
        descriptive=True,
        why_descriptive="attribution points and does not decide",
    )


METRICS = (
    _descriptive(
        "protected_share",
        "Share of attribution on protected words",
        "Absolute attribution on protected tokens divided by that on all tokens that are not special.",
        "{value} of the absolute attribution falls on {group} ({stratum})",
    ),
    _descriptive(
        "uniform_share",
        "Share if all tokens counted alike",
        "Number of protected tokens divided by the number of tokens that are not special.",
        "If all tokens counted alike, {value} would fall on {group} ({stratum})",
    ),
    _descriptive(
        "reference_share",
        "Share of as many reference words",
        "Mean absolute attribution of a reference token times the number of protected tokens, divided by the total.",
        "As many reference words get {value} ({stratum})",
    ),
    _descriptive(
        "excess_share",
        "Protected share beyond the reference",
        "Protected share minus reference share, row by row.",
        "The share on {group} is {amount} {more} than that of as many reference words ({stratum})",
        unit="points",
        null=0.0,
    ),
    _descriptive(
        "method_agreement",
        "Agreement of two kinds of method",
        "Mean rank correlation (Spearman) of absolute attributions by integrated gradients and by feature ablation.",
        "The two methods rank tokens with a mean correlation of {value}",
        unit="correlation",
        null=0.0,
    ),
    _descriptive(
        "baseline_agreement",
        "Agreement of two baseline inputs",
        "Mean rank correlation of absolute attributions from the two baseline inputs.",
        "The two baseline inputs give rankings with a mean correlation of {value}",
        unit="correlation",
        null=0.0,
    ),
    _descriptive(
        "comprehensiveness_over_random",
        "Comprehensiveness beyond a random order",
        "How much further the score falls when the highest-ranked tokens are taken out than when random ones are "
        "(mean over 10, 20 and 50 % of the tokens).",
        "Taking out the highest-ranked tokens moves the score by {value} more than a random order does",
        unit="logit",
        null=0.0,
    ),
    _descriptive(
        "sufficiency_over_random",
        "Sufficiency beyond a random order",
        "How much closer the score stays when only the highest-ranked tokens are kept than when only random ones are.",
        "Keeping only the highest-ranked tokens keeps the score closer by {value} than a random order does",
        unit="logit",
        null=0.0,
    ),
)
_METRIC = {m.name: m for m in METRICS}

SHARES = (0.1, 0.2, 0.5)
"""Shares of a text's tokens that are taken out or kept."""

LEAST_CONVERGED = 0.9
MAPS = 4


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
    tolerance: Annotated[
        float, Field(description="Completeness delta allowed, relative to the score difference.", gt=0, le=0.2)
    ] = 0.02
    max_steps: Annotated[
        int, Field(description="Steps after which a text counts as not converged.", ge=17, le=8192)
    ] = 512


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
    if not decision.decides:
        found.append(
            ParamProblem(
                at=("check",),
                found="a likelihood has no decision to attribute",
                expected="a model.decision with positive and negative",
            )
        )
    return tuple(found)


def judgeable(params: Params) -> frozenset[str]:
    """Return the metrics that may carry a criterion: none, attribution points and does not decide."""
    del params
    return frozenset()


def later_rounds(params: Params, data: Dataset) -> LaterRounds:
    """Return bounds on later rounds: three attributions of the sample, and its tokens taken out."""
    return LaterRounds(attributed_texts=4 * min(params.sample, len(data.rows)))


# ---- the run -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Marked:
    """A row with its tokens: which are protected, which are reference, which count at all."""

    row: Row
    text: TokenisedText
    protected: Bools
    reference: Bools
    counts: Bools


@dataclass(frozen=True, kw_only=True)
class _Attributed:
    """Attributions of the sample by one method from one baseline input."""

    method: Method
    baseline_input: str
    answers: tuple[TokenAttribution, ...]


def run(params: Params, data: Dataset, decision: Decision, rng: np.random.Generator) -> CheckRun:
    """Attribute a sample with two baseline inputs and two kinds of method, then test the ranking."""
    chosen = sorted(rng.permutation(len(data.rows))[: params.sample].tolist())
    rows = [data.rows[i] for i in chosen]
    texts = tuple(row.text for row in rows)
    tokens, scores = yield Tokenised(texts=texts), Scores(texts=texts, target=decision.target)
    marked = [_mark(row, text, params, data) for row, text in zip(rows, tokens, strict=True)]
    contrast = Contrast(target=decision.target, toward=decision.positive, against=decision.negative)
    gradients, refused = yield from _from_two_baselines(params, marked, texts, contrast)
    if not gradients:
        return NotAssessed(reason="no baseline input could be used: " + "; ".join(refused))
    first = gradients[0]
    ablated = yield from _attributed("feature_ablation", first.baseline_input, params, texts, contrast)
    kept = [i for i, a in enumerate(first.answers) if a.converged]
    if not kept:
        return NotAssessed(reason=f"none of {len(texts)} texts converged within {params.max_steps} steps")
    orders = [_orders(marked[i], first.answers[i].values, rng) for i in kept]
    removed = yield Ablations(
        texts=tuple(texts[i] for i in kept),
        positions=tuple(orders),
        contrast=contrast,
        baseline_input=first.baseline_input,
    )
    faithful = [_faithfulness(values) for values in removed]
    clusters = _stats.chosen(data.cluster_labels(), chosen)
    probability = decision.score(scores)
    return Finding(
        measurements=_measurements(params, marked, gradients, ablated, kept, faithful, clusters),
        validity=_validity(gradients, refused),
        exhibits=(
            _baseline_table(gradients, ablated, marked, decision),
            _faithfulness_table(faithful),
            *_maps(marked, first, decision, kept),
        ),
        samples=_samples(rows, chosen, marked, first, probability, decision),
        limits=_limits(data, chosen, first, kept, refused, params),
    )


def _from_two_baselines(
    params: Params, marked: Sequence[_Marked], texts: tuple[str, ...], contrast: Contrast
) -> Generator[Any, Any, tuple[list[_Attributed], list[str]]]:
    """Attribute from the first two baseline inputs that this model can use."""
    candidates = params.baseline_inputs or ("mask", "unk", *_common_tokens(marked))
    out: list[_Attributed] = []
    refused: list[str] = []
    for baseline_input in candidates:
        if len(out) == 2:
            break
        # By default the mask and the unknown token count as one kind: the second input is an ordinary token.
        if params.baseline_inputs is None and baseline_input == "unk" and out:
            continue
        try:
            out.append((yield from _attributed("integrated_gradients", baseline_input, params, texts, contrast)))
        except CannotAnswer as reason:
            refused.append(str(reason))
    return out, refused


def _attributed(
    method: Method, baseline_input: str, params: Params, texts: tuple[str, ...], contrast: Contrast
) -> Generator[Any, Any, _Attributed]:
    answers = yield Attributions(
        texts=texts,
        contrast=contrast,
        method=method,
        baseline_input=baseline_input,
        tolerance=params.tolerance,
        max_steps=params.max_steps,
    )
    return _Attributed(method=method, baseline_input=baseline_input, answers=answers)


def _common_tokens(marked: Sequence[_Marked]) -> list[str]:
    """Return ordinary tokens, the most common first: in distribution, and not protected."""
    seen: Counter[str] = Counter()
    for m in marked:
        seen.update(
            t for t, p, c in zip(m.text.tokens, m.protected, m.counts, strict=True) if c and not p and t.strip()
        )
    return [f"token:{token}" for token, _ in sorted(seen.items(), key=lambda item: (-item[1], item[0]))[:20]]


# ---- which tokens --------------------------------------------------------------------------------


def _mark(row: Row, text: TokenisedText, params: Params, data: Dataset) -> _Marked:
    counts = ~np.array(text.special, dtype=bool)
    protected = _covers(row, text, params.protected) & counts
    fields = params.reference
    if fields is None:
        fields = tuple(name for name in data.template.names if name not in {*params.protected, *data.legitimate})
    reference = _covers(row, text, fields) & counts & ~protected
    if not reference.any():
        # A text without such a field: every other word stands as the reference.
        reference = counts & ~protected
    return _Marked(row=row, text=text, protected=protected, reference=reference, counts=counts)


def _covers(row: Row, text: TokenisedText, fields: Sequence[str]) -> Bools:
    """Return which tokens overlap the text of these fields."""
    spans = [span for name in fields for span in row.spans.get(name, ())]
    return np.array([any(a < end and b > start for start, end in spans) for a, b in text.spans], dtype=bool)


def _shares(marked: _Marked, values: Floats) -> tuple[float, float, float] | None:
    """Return the protected, uniform and reference shares of one text; None where nothing is attributed."""
    size = np.abs(values) * marked.counts
    total, count = float(size.sum()), int(marked.protected.sum())
    if total <= 0 or not count or not marked.reference.any():
        return None
    reference = float(size[marked.reference].mean()) * count / total
    return float(size[marked.protected].sum()) / total, count / int(marked.counts.sum()), reference


# ---- measurements --------------------------------------------------------------------------------


def _measurements(
    params: Params,
    marked: Sequence[_Marked],
    gradients: Sequence[_Attributed],
    ablated: _Attributed,
    kept: Sequence[int],
    faithful: Sequence[tuple[Floats, Floats]],
    clusters: tuple[Sequence[str], ...],
) -> tuple[Measurement, ...]:
    group = " and ".join(f"“{name}”" for name in params.protected)
    out: list[Measurement] = []
    for attributed in (*gradients, ablated):
        label = _label(attributed)
        rows = [i for i, a in enumerate(attributed.answers) if a.converged]
        shares = [(i, s) for i in rows if (s := _shares(marked[i], attributed.answers[i].values)) is not None]
        if not shares:
            continue
        labels = _stats.chosen(clusters, [i for i, _ in shares])
        table = np.array([s for _, s in shares])
        columns = {
            "protected_share": table[:, 0],
            "uniform_share": table[:, 1],
            "reference_share": table[:, 2],
            "excess_share": table[:, 0] - table[:, 2],
        }
        for name, values in columns.items():
            lowest = -1.0 if name == "excess_share" else 0.0
            estimate = _stats.clustered_mean(values, labels, reach=1.0, support=(lowest, 1.0))
            # The uniform share counts tokens of the sampled texts: a property of them, not of the model.
            exact = name == "uniform_share"
            out.append(_stats.measure(_METRIC[name], estimate, group=group, stratum=label, exact=exact))
    out += _agreements(gradients, ablated, marked, clusters)
    labels = _stats.chosen(clusters, kept)
    for name, column in (("comprehensiveness_over_random", 0), ("sufficiency_over_random", 1)):
        gains = np.array([own[column] - other[column] for own, other in faithful])
        estimate = _stats.clustered_mean(gains, labels, reach=float(np.abs(gains).max()) or 1.0)
        out.append(_stats.measure(_METRIC[name], estimate, stratum=_label(gradients[0])))
    return tuple(out)


def _label(attributed: _Attributed) -> str:
    return f"{attributed.method.replace('_', ' ')} from {attributed.baseline_input}"


def _agreements(
    gradients: Sequence[_Attributed],
    ablated: _Attributed,
    marked: Sequence[_Marked],
    clusters: tuple[Sequence[str], ...],
) -> list[Measurement]:
    pairs = [("method_agreement", gradients[0], ablated)]
    if len(gradients) > 1:
        pairs.append(("baseline_agreement", gradients[0], gradients[1]))
    out = []
    for name, a, b in pairs:
        rows, values = [], []
        for i, m in enumerate(marked):
            if a.answers[i].converged and b.answers[i].converged and int(m.counts.sum()) > 2:
                rows.append(i)
                values.append(_spearman(np.abs(a.answers[i].values[m.counts]), np.abs(b.answers[i].values[m.counts])))
        if rows:
            labels = _stats.chosen(clusters, rows)
            estimate = _stats.clustered_mean(np.array(values), labels, reach=2.0, support=(-1.0, 1.0))
            out.append(_stats.measure(_METRIC[name], estimate, group=_label(a), reference=_label(b)))
    return out


def _spearman(a: Floats, b: Floats) -> float:
    """Rank correlation; a constant ranking agrees with nothing, so it counts as 0."""
    from scipy.stats import rankdata

    x, y = rankdata(a), rankdata(b)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    return float(np.corrcoef(x, y)[0, 1])


# ---- does the ranking predict what happens? ------------------------------------------------------


def _orders(marked: _Marked, values: Floats, rng: np.random.Generator) -> tuple[tuple[int, ...], ...]:
    """Return the sets of positions to take out.

    The text itself; then, for the attribution's order and for a random one, the first tokens of each share
    (comprehensiveness) and all but those (sufficiency).
    """
    positions = np.flatnonzero(marked.counts)
    ranked = positions[np.argsort(-np.abs(values[positions]), kind="stable")]
    sets: list[tuple[int, ...]] = [()]
    for order in (ranked, rng.permutation(positions)):
        for share in SHARES:
            k = max(1, round(share * len(positions)))
            top = order[:k]
            sets += [tuple(sorted(top.tolist())), tuple(sorted(order[k:].tolist()))]
    return tuple(sets)


def _faithfulness(values: Floats) -> tuple[Floats, Floats]:
    """Return (comprehensiveness, -sufficiency) of the attribution's order and of the random one, in logits.

    Both are counted toward the side that the text itself is on, so that larger is better.
    """
    whole, rest = values[0], values[1:].reshape(2, len(SHARES), 2)
    side = np.sign(whole) or 1.0
    drops = side * (whole - rest)
    own, other = drops.mean(axis=1)
    return np.array([own[0], -own[1]]), np.array([other[0], -other[1]])


# ---- validity, exhibits, samples, limits ---------------------------------------------------------


def _validity(gradients: Sequence[_Attributed], refused: Sequence[str]) -> tuple[ValidityCheck, ...]:
    share = [float(np.mean([a.converged for a in g.answers])) for g in gradients]
    return (
        ValidityCheck(
            name="completeness",
            title="Attributions add up to the score difference",
            guards=Guards.BOTH,
            passed=min(share) >= LEAST_CONVERGED,
            found=", ".join(f"{s:.0%} of texts from {g.baseline_input}" for s, g in zip(share, gradients, strict=True)),
            needed=f"at least {LEAST_CONVERGED:.0%} within the tolerance; the others are left out",
        ),
        ValidityCheck(
            name="two_baselines",
            title="Two baseline inputs",
            guards=Guards.BOTH,
            passed=len(gradients) == 2,
            found=f"{len(gradients)} could be used" + (f"; refused: {'; '.join(refused)}" if refused else ""),
            needed="two, because the baseline input shapes the answer",
        ),
    )


def _baseline_table(
    gradients: Sequence[_Attributed], ablated: _Attributed, marked: Sequence[_Marked], decision: Decision
) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for g in (*gradients, ablated):
        kept = [i for i, a in enumerate(g.answers) if a.converged]
        shares = [s[0] for i in kept if (s := _shares(marked[i], g.answers[i].values)) is not None]
        deltas = [
            abs(a.completeness_delta) / max(abs(a.score - a.baseline_score), 0.1)
            for a in (g.answers[i] for i in kept)
            if a.completeness_delta is not None
        ]
        steps = [a.n_steps for a in (g.answers[i] for i in kept) if a.n_steps is not None]
        at_baseline = np.array([a.baseline_score for a in g.answers])
        positive = float((at_baseline > _margin(decision)).mean())
        rows.append(
            (
                g.method.replace("_", " "),
                g.baseline_input,
                float(at_baseline.mean()),
                positive,
                len(kept),
                len(g.answers) - len(kept),
                float(np.median(steps)) if steps else None,
                float(np.median(deltas)) if deltas else None,
                max(deltas, default=None),
                float(np.median(shares)) if shares else None,
            )
        )
    return Table(
        id="baselines",
        title="Methods and baseline inputs",
        columns=(
            Column(title="Method"),
            Column(title="Baseline input"),
            Column(title="Mean score there", unit="logit"),
            Column(title=f"Decided “{decision.positive}” there", unit="share"),
            Column(title="Texts used", unit="count"),
            Column(title="Not converged", unit="count"),
            Column(title="Steps, median", unit="count"),
            Column(title="Delta, median", unit="share"),
            Column(title="Delta, worst", unit="share"),
            Column(title="Protected share, median", unit="share"),
        ),
        rows=tuple(rows),
        note="Scores are differences of logits. The delta is relative to the score difference (at least 0.1). A "
        "baseline input on which the model already decides one way explains the other way only.",
    )


def _margin(decision: Decision) -> float:
    """Return the decision threshold on the scale of logits."""
    return float(np.log(decision.threshold / (1 - decision.threshold)))


def _faithfulness_table(faithful: Sequence[tuple[Floats, Floats]]) -> Table:
    own = np.mean([a for a, _ in faithful], axis=0)
    other = np.mean([b for _, b in faithful], axis=0)
    return Table(
        id="faithfulness",
        title="Does the ranking predict what happens when tokens are taken out?",
        columns=(
            Column(title="Order"),
            Column(title="Comprehensiveness", unit="logit"),
            Column(title="Sufficiency", unit="logit"),
        ),
        rows=(("integrated gradients", float(own[0]), -float(own[1])), ("random", float(other[0]), -float(other[1]))),
        note="Mean change of the score, over 10, 20 and 50 % of the tokens, when the highest-ranked are taken out "
        "(comprehensiveness, higher is better) and when only they are kept (sufficiency, nearer to zero is better).",
    )


def _maps(
    marked: Sequence[_Marked], attributed: _Attributed, decision: Decision, kept: Sequence[int]
) -> list[TokenMap]:
    out = []
    for number, i in enumerate(kept[:MAPS]):
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


def _samples(
    rows: Sequence[Row],
    chosen: Sequence[int],
    marked: Sequence[_Marked],
    attributed: _Attributed,
    probability: Floats,
    decision: Decision,
) -> tuple[Sample, ...]:
    out = []
    for i, (row, index) in enumerate(list(zip(rows, chosen, strict=True))[:5]):
        shares = _shares(marked[i], attributed.answers[i].values) if attributed.answers[i].converged else None
        numbers = [Number(label="score", value=float(probability[i]), unit=decision.unit)]
        if shares is not None:
            numbers.append(Number(label="protected share", value=shares[0], unit="share"))
        note = "" if attributed.answers[i].converged else "did not converge: left out of the shares"
        out.append(Sample(row=index, texts=(Text(label="case", text=row.text),), numbers=tuple(numbers), note=note))
    return tuple(out)


def _limits(
    data: Dataset,
    chosen: Sequence[int],
    first: _Attributed,
    kept: Sequence[int],
    refused: Sequence[str],
    params: Params,
) -> tuple[str, ...]:
    out = [f"A random sample of {len(chosen)} of {len(data.rows)} rows was attributed."]
    if lost := len(first.answers) - len(kept):
        numbers = ", ".join(str(i + 1) for i in range(len(first.answers)) if i not in set(kept))
        out.append(
            f"{lost} texts did not converge within {params.max_steps} steps and are left out: "
            f"sample rows {numbers[:200]}."
        )
    out += [f"A baseline input was refused: {reason}." for reason in refused]
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
