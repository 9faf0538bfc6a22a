"""Does the decision move on things that the policy says it must not lean on?

What it measures
----------------
The policy names fields that must not matter, such as a hospital's name or a postcode. Cases are written again with
several values of such a field and nothing else changed, and the model scores all versions. Reported per field: how far
the score of a case moves between two values, the share of cases whose decision is not the same for all of them, and,
where the policy gives words that stand for no value, the mean effect of naming one at all. Beside it stand fields that
should not matter either and fields that a decision may rest on, exchanged through as many values. An attribution is
printed beside: the share that falls on the field, and whether its words rank first where they turned the decision.

Why it matters
--------------
A classifier that reads the hospital instead of the complaint is right as long as hospitals and complaints go together
as they did in its training data, and no test on data from there shows it. It fails without notice where they do not.

What it cannot show
-------------------
What was not exchanged: other fields, other values, spellings, and what stands for the field elsewhere in the text.
A field can carry information that a person would use; whether it may be used is the policy's decision. The share of
flips grows with the number of values tried, which is why that number is printed. The attribution points and decides
nothing.

Validity checks
---------------
The exchange must reach the model's tokens. The model must be competent at the task, and there must be at least six
clusters for any claim beyond the cases tested.

References
----------
Geirhos et al. (2020), Shortcut learning in deep neural networks, Nature Machine Intelligence 2:665. Zech et al. (2018),
Variable generalization performance of a deep learning model to detect pneumonia in chest radiographs, PLoS Medicine
15(11). Kaushik, Hovy & Lipton (2020), Learning the difference that makes a difference with counterfactually-augmented
data. Bilodeau et al. (2022), Impossibility theorems for feature attribution, arXiv 2212.11870. Cameron, Gelbach &
Miller (2011), Robust inference with multiway clustering, JBES 29(2).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from audit.checks import _attributions, _competence, _fields, _needs, _stats
from audit.checks._attributions import Attributed, Explained, planted_word, runs
from audit.checks._attributions.token_shares import Marked, mark, shares_by_text, usable_baselines
from audit.checks._rewriting import exchanging, reaching
from audit.checks._rewriting.exchanging import Exchange, Moved
from audit.registry import Example, LaterRounds
from audit.requests import CannotAnswer, CheckRun, Contrast, Scores, Tokenised, TokenisedText
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
    ValidityCheck,
    Worse,
)

NAME = "shortcut_reliance"
VERSION = "1"
TITLE = "Whether decisions lean on what must not matter"
BINDS = frozenset({"shortcuts", "reference", "samples"})

_POINTS = "attribution points and does not decide"
_BESIDE = "it stands beside the fields that must not matter, for comparison"

METRICS = (
    Metric(
        name="move",
        title="Mean move of the score",
        meaning="Mean absolute difference of the score of a case between two values of the field, whatever its sign.",
        reading="The score of a case moves by {value} on average when only “{group}” is exchanged",
        unit="probability",
        worse=Worse.HIGHER,
        null=0.0,
    ),
    Metric(
        name="flip_rate",
        title="Share of decisions that hang on it",
        meaning="Share of cases whose decision is not the same for all values of the field that were tried.",
        reading="In {value} of cases the decision hangs on the value of “{group}”",
        unit="share",
        worse=Worse.HIGHER,
        null=0.0,
    ),
    Metric(
        name="removal_effect",
        title="Mean effect of naming it",
        meaning="Mean score over the values of the field minus the score with the words that stand for none.",
        reading="Scores are {amount} {more} where “{group}” is named than where it is not",
        unit="probability",
        worse=Worse.AWAY,
        null=0.0,
    ),
    Metric(
        name="reference_move",
        title="Mean move on a field that should not matter either",
        meaning="The same mean move for a reference field, exchanged through as many values.",
        reading="The score of a case moves by {value} on average when “{group}” is exchanged, which should not matter",
        unit="probability",
        worse=Worse.HIGHER,
        null=0.0,
        descriptive=True,
        why_descriptive=_BESIDE,
    ),
    Metric(
        name="legitimate_move",
        title="Mean move on a field that a decision may rest on",
        meaning="The same mean move for a legitimate factor, exchanged through as many values.",
        reading="The score of a case moves by {value} on average when “{group}” is exchanged, which may matter",
        unit="probability",
        worse=Worse.LOWER,
        null=0.0,
        descriptive=True,
        why_descriptive=_BESIDE,
    ),
    Metric(
        name="attributed_share",
        title="Share of attribution on it",
        meaning="Absolute attribution on the field's words divided by that on all tokens that are not special.",
        reading="{value} of the absolute attribution falls on “{group}”",
        unit="share",
        worse=Worse.HIGHER,
        descriptive=True,
        why_descriptive=_POINTS,
    ),
    Metric(
        name="reference_share",
        title="Share of as many reference words",
        meaning="Mean absolute attribution of a token of the reference fields (or of any other token, where there are "
        "none) times the number of the field's tokens, divided by the total.",
        reading="As many reference words as “{group}” has get {value}",
        unit="share",
        worse=Worse.LOWER,
        descriptive=True,
        why_descriptive=_POINTS,
    ),
    Metric(
        name="ranks_first",
        title="Decisive words that rank first",
        meaning="Share of the cases whose decision is another one under most other values in which no token outranks "
        "the field's words.",
        reading="Where “{group}” decided, its words rank first in {value} of cases",
        unit="share",
        worse=Worse.LOWER,
        descriptive=True,
        why_descriptive=_POINTS,
    ),
)
_METRIC = {m.name: m for m in METRICS}

LARGEST = 5
"""Single cases shown for the size of their move."""


class Shortcut(BaseModel):
    """A field that must not matter."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    from_: Annotated[str, Field(alias="from", description="The field of the text.")]
    values: Annotated[
        tuple[str, ...] | None,
        Field(description="Values that it is exchanged for; by default those that the data have.", min_length=2),
    ] = None
    neutral: Annotated[str, Field(description="Words that stand for no value, such as “a hospital”.")] = ""


class Params(BaseModel):
    """Parameters of a check of shortcuts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    shortcuts: Annotated[
        dict[str, Shortcut], Field(description="What must not matter → the field that carries it.", min_length=1)
    ]
    reference: Annotated[
        tuple[str, ...], Field(description="Fields that should not matter either, exchanged for comparison.")
    ] = ()
    values: Annotated[int, Field(description="Most values that a field is exchanged for.", ge=2, le=50)] = 6
    cases: Annotated[
        int, Field(description="Most cases that are written again, drawn at random.", ge=10, le=100_000)
    ] = 200
    attributed: Annotated[
        int, Field(description="Cases that are attributed beside, drawn at random; 0 for none.", ge=0, le=1000)
    ] = 24
    samples: Annotated[int, Field(description="Randomly drawn cases printed in the report.", ge=5, le=100)] = 5


# ---- before the run ------------------------------------------------------------------------------


def problems(params: Params, data: Dataset, decision: Decision) -> tuple[ParamProblem, ...]:
    """Return what is wrong with the parameters given the data."""
    named: list[tuple[tuple[str | int, ...], str]] = [
        (("shortcuts", what, "from"), shortcut.from_) for what, shortcut in params.shortcuts.items()
    ]
    named += [(("reference", i), field) for i, field in enumerate(params.reference)]
    found = _fields.missing(named, set(data.rows[0].fields))
    for at, field in named:
        if field in data.rows[0].fields and field not in data.template.names:
            found.append(
                ParamProblem(
                    at=at,
                    found=f"the field {field!r} does not stand in the text, so exchanging it changes nothing",
                    expected=f"a field of the text: {_fields.one_of(set(data.template.names))}",
                )
            )
        elif field in data.rows[0].fields and len({row.fields[field] for row in data.rows} - {""}) < 2:
            found.append(ParamProblem(at=at, found=f"{field!r} has one value", expected="two values or more"))
    for what, shortcut in params.shortcuts.items():
        if shortcut.from_ in data.legitimate:
            found.append(
                ParamProblem(
                    at=("shortcuts", what, "from"),
                    found=f"{shortcut.from_!r}, which the data set calls a legitimate factor",
                    expected="a field that a decision must not rest on",
                )
            )
    found += _needs.a_decision(decision, "a likelihood decides nothing")
    return tuple(found)


def judgeable(params: Params) -> frozenset[str]:
    """Return the metrics that may carry a criterion: behaviour decides. Without neutral words nothing is removed."""
    removed = {"removal_effect"} if any(s.neutral for s in params.shortcuts.values()) else set()
    return frozenset({"move", "flip_rate"} | removed)


def later_rounds(params: Params, data: Dataset) -> LaterRounds:
    """Return bounds on later rounds: the attribution of some cases per field, from the first usable baseline input."""
    del data
    return LaterRounds(attributed_texts=2 * params.attributed * len(params.shortcuts))


# ---- the run -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Tried:
    """One field, what its exchange was and what came of it."""

    what: str
    """What the report calls it."""
    role: str
    """``must not matter``, ``reference`` or ``legitimate``."""
    exchange: Exchange
    moved: Moved

    @property
    def estimates(self) -> Mapping[str, _stats.Estimate]:
        return exchanging.estimates(self.exchange, self.moved)


def run(params: Params, data: Dataset, decision: Decision, rng: np.random.Generator) -> CheckRun:
    """Score every case with every value, then attribute some of them."""
    exchanges = _exchanged(params, data, rng)
    texts = tuple(dict.fromkeys(t for _, _, one in exchanges for t in one.texts))
    originals = tuple(dict.fromkeys(row.text for row in data.rows))
    pairs = reaching.drawn((p for _, role, one in exchanges if role == MUST_NOT for p in one.pairs), rng)
    scored, original, tokenised = yield (
        Scores(texts=texts, target=decision.target),
        Scores(texts=originals, target=decision.target),
        reaching.tokens(pairs),
    )
    by_row = _competence.spread_over(original, originals, [row.text for row in data.rows])
    gate = _competence.gate(data, decision, by_row)
    if shut := _competence.closed(gate):
        return shut
    score = dict(zip(texts, decision.score(scored).tolist(), strict=True))
    tried = [
        _Tried(what=what, role=role, exchange=one, moved=exchanging.moved(one, score, decision.threshold))
        for what, role, one in exchanges
    ]
    pointed, why_not = yield from _point(params, data, decision, tried, rng)
    judged = [t for t in tried if t.role == MUST_NOT]
    enough = () if data.card.enumerated else (_stats.enough_clusters(_fewest(judged)),)
    return Finding(
        measurements=(*_measurements(tried, data.card.enumerated), *pointed),
        validity=(*gate, _visible(pairs, tokenised), *enough),
        exhibits=(_forest(tried), _table(tried), _largest(judged, score)),
        samples=_samples(params, judged, score, decision, rng),
        limits=_limits(params, tried, why_not),
    )


MUST_NOT, REFERENCE, LEGITIMATE = "must not matter", "reference", "legitimate"


def _exchanged(params: Params, data: Dataset, rng: np.random.Generator) -> list[tuple[str, str, Exchange]]:
    """Return every exchange with what the report calls it and its role; all fields go through the same cases."""
    rows = rng.permutation(len(data.rows)).tolist()
    out, used = [], {shortcut.from_ for shortcut in params.shortcuts.values()}
    for what, shortcut in params.shortcuts.items():
        values = shortcut.values or exchanging.values_of(data, shortcut.from_, params.values, rng)
        one = exchanging.exchange(data, shortcut.from_, values[: params.values], shortcut.neutral, rows, params.cases)
        out.append((what, MUST_NOT, one))
    most = max(len(one.values) for _, _, one in out)
    for role, fields in ((REFERENCE, params.reference), (LEGITIMATE, data.legitimate)):
        for field in fields:
            values = exchanging.values_of(data, field, most, rng)
            if field in data.template.names and field not in used and len(values) > 1:
                out.append((field, role, exchanging.exchange(data, field, values, "", rows, params.cases)))
                used.add(field)
    return out


def _fewest(judged: Sequence[_Tried]) -> int:
    return min(_stats.cluster_count(t.exchange.clusters) for t in judged)


def _measurements(tried: Sequence[_Tried], enumerated: bool) -> list[Measurement]:
    out = []
    for one in tried:
        found = one.estimates
        if one.role != MUST_NOT:
            name = "reference_move" if one.role == REFERENCE else "legitimate_move"
            out.append(_stats.measure(_METRIC[name], found["move"], group=one.what, exact=enumerated))
            continue
        out += [
            _stats.measure(_METRIC[name], estimate, group=one.what, exact=enumerated)
            for name, estimate in found.items()
        ]
    return out


# ---- the attribution beside ----------------------------------------------------------------------


def _point(
    params: Params, data: Dataset, decision: Decision, tried: Sequence[_Tried], rng: np.random.Generator
) -> Generator[Any, Any, tuple[list[Measurement], list[str]]]:
    """Attribute cases at random and cases that the field decided; without an answer, say why."""
    out: list[Measurement] = []
    if not params.attributed:
        return out, ["No case was attributed."]
    reference = tuple(t.exchange.field for t in tried if t.role == REFERENCE)
    for one in (t for t in tried if t.role == MUST_NOT):
        try:
            out += yield from _pointed(params, data, decision, one, reference, rng)
        except CannotAnswer as reason:
            return out, [f"No attribution stands beside “{one.what}”: {reason}."]
    return out, []


def _pointed(
    params: Params, data: Dataset, decision: Decision, one: _Tried, reference: Sequence[str], rng: np.random.Generator
) -> Generator[Any, Any, list[Measurement]]:
    frames, most = one.exchange.frames, params.attributed
    some = rng.permutation(len(frames))[:most].tolist()
    decided = rng.permutation(np.flatnonzero(one.moved.decided))[:most].tolist()
    numbers = sorted({*some, *decided})
    rows = [data.rows[frames[i].row] for i in numbers]
    texts = tuple(row.text for row in rows)
    tokens = yield Tokenised(texts=texts)
    others = tuple(name for name in reference if name != one.exchange.field)
    marked = [mark(row, text, (one.exchange.field,), others) for row, text in zip(rows, tokens, strict=True)]
    contrast = Contrast(target=decision.target, toward=decision.positive, against=decision.negative)
    explained = Explained(texts=texts, contrast=contrast, tolerance=0.02, max_steps=512)
    attributed = yield from _first_usable(usable_baselines(marked), explained)
    labels = _stats.chosen(one.exchange.clusters, numbers)
    margin = runs.margin(decision)
    first = {
        n: any(
            planted_word.ranks_first(attributed.answers[n], span, 1 if attributed.answers[n].score > margin else -1)
            for span in rows[n].spans[one.exchange.field]
        )
        for n, i in enumerate(numbers)
        if i in set(decided) and attributed.answers[n].converged
    }
    drawn = {n for n, i in enumerate(numbers) if i in set(some)}
    return [*_shares(one.what, attributed, marked, labels, drawn), *_firsts(one.what, first, labels)]


def _first_usable(candidates: Sequence[str], explained: Explained) -> Generator[Any, Any, Attributed]:
    refused: CannotAnswer | None = None
    for baseline_input in candidates:
        try:
            return (yield from _attributions.attributed("integrated_gradients", baseline_input, explained))
        except CannotAnswer as reason:
            refused = refused or reason
    assert refused is not None, "there is always a candidate"
    raise refused


def _shares(
    what: str, attributed: Attributed, marked: Sequence[Marked], labels: _stats.Labels, drawn: set[int]
) -> list[Measurement]:
    shares = {n: some for n, some in shares_by_text(attributed, marked).items() if n in drawn}
    if not shares:
        return []
    clusters = _stats.chosen(labels, list(shares))
    return [
        _stats.measure(
            _METRIC[name], _stats.clustered_mean(values, clusters, reach=1.0, support=(0.0, 1.0)), group=what
        )
        for name, values in (
            ("attributed_share", np.array([some.protected for some in shares.values()])),
            ("reference_share", np.array([some.reference for some in shares.values()])),
        )
    ]


def _firsts(what: str, first: Mapping[int, bool], labels: _stats.Labels) -> list[Measurement]:
    if not first:
        return []
    estimate = _stats.clustered_proportion(np.array(list(first.values())), _stats.chosen(labels, list(first)))
    return [_stats.measure(_METRIC["ranks_first"], estimate, group=what)]


# ---- validity, exhibits, samples, limits ---------------------------------------------------------


def _visible(pairs: Sequence[tuple[str, str]], tokenised: Sequence[TokenisedText]) -> ValidityCheck:
    return reaching.reaches_the_model(
        pairs,
        tokenised,
        name="exchange_reaches_the_model",
        title="Exchanged texts differ in the model's tokens",
    )


def _forest(tried: Sequence[_Tried]) -> Forest:
    rows = []
    for one in tried:
        estimate = one.estimates["move"]
        low, high = _stats.limits(estimate)
        label = f"{one.what} ({one.role})"
        rows.append(Interval(label=label, value=estimate.value, low=low, high=high, emphasis=one.role == MUST_NOT))
    return Forest(
        id="moves",
        title="How far the score of a case moves when one field is exchanged",
        unit="probability",
        null=0.0,
        rows=tuple(rows),
        note="Mean absolute difference between two values of the field, with everything else as it was.",
    )


def _table(tried: Sequence[_Tried]) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (
            one.what,
            one.exchange.field,
            one.role,
            len(one.exchange.values),
            len(one.exchange.frames),
            float(one.moved.move.mean()),
            float(one.moved.move.max()),
            int(one.moved.flips.sum()),
        )
        for one in tried
    ]
    return Table(
        id="exchanged",
        title="What was exchanged",
        columns=(
            Column(title="What"),
            Column(title="Field"),
            Column(title="Role"),
            Column(title="Values", unit="count"),
            Column(title="Cases", unit="count"),
            Column(title="Mean move", unit="probability"),
            Column(title="Largest move", unit="probability"),
            Column(title="Decisions that hang on it", unit="count"),
        ),
        rows=tuple(rows),
        note="The more values are tried, the more decisions can be seen to hang on them: compare fields with as many.",
    )


def _largest(judged: Sequence[_Tried], score: Mapping[str, float]) -> Table:
    single = []
    for one in judged:
        for frame in one.exchange.frames:
            ordered = sorted(frame.texts, key=lambda text: (score[text], text))
            single.append((score[ordered[0]] - score[ordered[-1]], one.what, ordered[0], ordered[-1]))
    single.sort()
    return Table(
        id="largest",
        title="Single cases that move furthest",
        columns=(
            Column(title="What"),
            Column(title="Lowest score with"),
            Column(title="Highest score with"),
            Column(title="Lowest", unit="probability"),
            Column(title="Highest", unit="probability"),
        ),
        rows=tuple((what, low, high, score[low], score[high]) for _, what, low, high in single[:LARGEST]),
        note="Chosen for their size: they are not typical.",
    )


def _samples(
    params: Params,
    judged: Sequence[_Tried],
    score: Mapping[str, float],
    decision: Decision,
    rng: np.random.Generator,
) -> tuple[Sample, ...]:
    every = [(one, frame) for one in judged for frame in one.exchange.frames]
    out = []
    for i in sorted(rng.permutation(len(every))[: params.samples].tolist()):
        one, frame = every[i]
        low, high = min(frame.texts, key=score.__getitem__), max(frame.texts, key=score.__getitem__)
        texts = (
            Text(label="case", text=frame.own),
            Text(label=f"lowest score with another “{one.what}”", text=low),
            Text(label=f"highest score with another “{one.what}”", text=high),
        )
        numbers = tuple(
            Number(label=label, value=score[text], unit=decision.unit)
            for label, text in (("score", frame.own), ("lowest score", low), ("highest score", high))
        )
        out.append(Sample(row=frame.row, texts=texts, numbers=numbers))
    return tuple(out)


def _limits(params: Params, tried: Sequence[_Tried], why_not: Sequence[str]) -> tuple[str, ...]:
    out = [
        f"“{one.what}” was exchanged for {len(one.exchange.values)} values in {len(one.exchange.frames)} cases; "
        "nothing is said of other values."
        for one in tried
        if one.role == MUST_NOT
    ]
    if not params.reference:
        out.append("No reference field was named: nothing says how far the score moves on any exchange of words.")
    return (*out, *why_not)


# ---- examples ------------------------------------------------------------------------------------


def examples() -> tuple[Example, ...]:
    """Return a model that leans on names, one that does not, and one with nothing to lean with."""
    from audit.checks._toy import credit_examples, criterion

    return credit_examples({"shortcuts": {"name": {"from": "name"}}, "cases": 60}, criterion("move", "at_most", 0.02))
