"""Do decisions stand when the text is disturbed in ways that should not matter?

What it measures
----------------
Texts are disturbed by typos, by changed case, by cutting off their end, by irrelevant sentences and by listed
paraphrases, at several strengths. At each, the share of decisions that differ from that on the text as it was, the
mean distance between the scores, and, where rows name their true outcome, the accuracy that is lost. For every row
the lowest strength at which its decision differs is found; the report shows how many have turned by each.

Why it matters
--------------
Texts in use are typed in haste, in capitals, on forms that cut them off, by people who put things their own way. A
decision that turns on a slip of the keyboard was not about the case.

What it cannot show
-------------------
Robustness against somebody who looks for the change that works: disturbances are drawn at random, and an adversary
chooses. Other disturbances, other languages, other strengths. A disturbance may change what a text says (a cut may
take the telling part away), and then the decision ought to change: cutting and distractors at high strength measure
what a decision rests on more than a fault. A model that always decides alike is robust and useless.

Validity checks
---------------
The model must be competent at the task. Each disturbance must change enough texts; those that it cannot change are
left out and counted. There must be at least six clusters, unless the rows are all cases of an enumerated grammar.

References
----------
Belinkov & Bisk (2018), Synthetic and natural noise both break neural machine translation, ICLR. Jia & Liang (2017),
Adversarial examples for evaluating reading comprehension systems, EMNLP (distractors). McNemar (1947), Psychometrika
12:153. Ribeiro, Wu, Guestrin & Singh (2020), Beyond accuracy: behavioral testing of NLP models with CheckList, ACL.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from audit.checks import _competence, _needs, _rows, _stats
from audit.checks._rewriting import perturbing
from audit.checks._rewriting.perturbing import Disturb, Kind
from audit.checks._stats import bounded
from audit.registry import Example, asks_once, judges
from audit.requests import CheckRun, ScoreAnswer, Scores
from audit.shapes import Bools, Floats
from audit.types import (
    Cell,
    Column,
    Curve,
    Dataset,
    Decision,
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
    TableParam,
    Text,
    ValidityCheck,
    Worse,
)

NAME = "robustness"
VERSION = "1"
TITLE = "Decisions on disturbed texts"
BINDS = frozenset({"samples"})

METRICS = (
    Metric(
        name="flip_rate",
        title="Decisions that turn",
        meaning="Share of rows whose decision on the disturbed text differs from that on the text as it was.",
        reading="By {group} at {stratum}, {value} of decisions turn",
        unit="share",
        worse=Worse.HIGHER,
        null=0.0,
    ),
    Metric(
        name="score_shift",
        title="Scores that move",
        meaning="Mean distance between the score of the disturbed text and that of the text as it was.",
        reading="By {group} at {stratum}, scores move by {value} on average",
        unit="score",
        worse=Worse.HIGHER,
        null=0.0,
    ),
    Metric(
        name="accuracy_loss",
        title="Accuracy that is lost",
        meaning="Share of decisions that agree with the true outcome on the texts as they were, minus that share on "
        "the disturbed texts.",
        reading="By {group} at {stratum}, accuracy is {amount} {more} on the texts as they were",
        unit="points",
        worse=Worse.HIGHER,
        null=0.0,
    ),
)
_METRIC = {m.name: m for m in METRICS}

FEWEST_CHANGED = 30
"""Rows that a disturbance must be able to change."""


class Params(BaseModel):
    """Parameters of a robustness check."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    typos: Annotated[bool, Field(description="Disturb by slips of the keyboard inside words.")] = True
    casing: Annotated[bool, Field(description="Disturb by the case of words.")] = True
    truncation: Annotated[bool, Field(description="Disturb by cutting words off at the end.")] = True
    distractors: Annotated[
        tuple[Annotated[str, Field(min_length=1)], ...],
        Field(
            description="Sentences that have nothing to do with the decision, to put behind the text; the model must "
            "be able to read both at once."
        ),
    ] = ()
    paraphrases: Annotated[
        TableParam, Field(description="Phrases with another way to put them: columns `phrase` and `other`.")
    ] = ()
    strengths: Annotated[
        tuple[Annotated[float, Field(gt=0, le=1)], ...],
        Field(description="Strengths from above 0 to 1: the share of what can be disturbed that is.", min_length=1),
    ] = (0.1, 0.25, 0.5, 1.0)
    sample: Annotated[int | None, Field(description="Rows to disturb, drawn at random; by default all.", ge=20)] = None
    samples: Annotated[int, Field(description="Randomly drawn rows printed in the report.", ge=5, le=100)] = 5

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if list(self.strengths) != sorted(set(self.strengths)):
            raise ValueError("strengths ascend, each once")
        return self

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The disturbances asked for."""
        asked: dict[Kind, bool] = {
            "typos": self.typos,
            "casing": self.casing,
            "truncation": self.truncation,
            "distractors": bool(self.distractors),
            "paraphrases": bool(self.paraphrases),
        }
        return tuple(kind for kind, wanted in asked.items() if wanted)


# ---- before the run ------------------------------------------------------------------------------


def problems(params: Params, data: Dataset, decision: Decision) -> tuple[ParamProblem, ...]:
    """Return what is wrong with the parameters given the data."""
    found = []
    found += _needs.a_decision(decision)
    if not params.kinds:
        found.append(ParamProblem(at=("typos",), found="no disturbance", expected="at least one"))
    for i, row in enumerate(params.paraphrases):
        if not (row.get("phrase", "").strip() and row.get("other", "").strip()):
            found.append(
                ParamProblem(
                    at=("paraphrases", i), found="a row without phrase or other", expected="text in both columns"
                )
            )
    distinct = len({row.text for row in data.rows})
    if distinct < FEWEST_CHANGED:
        found.append(
            ParamProblem(at=("data",), found=f"{distinct} texts", expected=f"at least {FEWEST_CHANGED} to disturb")
        )
    return tuple(found)


judgeable = judges(METRICS)
"""All; accuracy is measured where outcomes are known."""
later_rounds = asks_once


# ---- the run -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Disturbed:
    """One kind of disturbance on the rows that it can change."""

    kind: Kind
    rows: tuple[int, ...]
    """Positions among the chosen rows."""
    texts: tuple[tuple[str, ...], ...]
    """Strength by strength, a text per row."""


@dataclass(frozen=True, kw_only=True)
class _Results:
    """How a kind's rows were scored: as they were (rows,), and disturbed (strengths, rows)."""

    kind: Kind
    rows: tuple[int, ...]
    before: Floats
    after: Floats
    turned: Bools
    """(strengths, rows)"""

    def first_turn(self, strengths: Sequence[float]) -> list[float | None]:
        """Return the lowest strength at which each row's decision differs; None where it does at none."""
        return [
            next((s for s, turned in zip(strengths, self.turned[:, i], strict=True) if turned), None)
            for i in range(len(self.rows))
        ]


def run(params: Params, data: Dataset, decision: Decision, rng: np.random.Generator) -> CheckRun:
    """Ask for the scores of the texts as they are and disturbed, all at once."""
    rows = _rows.distinct(data)
    if params.sample is not None:
        rows = sorted(rng.permutation(rows)[: params.sample].tolist())
    chosen = replace(data, rows=tuple(data.rows[i] for i in rows))
    plain = [row.text for row in chosen.rows]
    disturbed = _disturbed(params, plain, int(rng.integers(2**32)))
    texts = list(dict.fromkeys([*plain, *(text for d in disturbed for some in d.texts for text in some)]))
    answer = yield Scores(texts=tuple(texts), target=decision.target)
    at = {text: i for i, text in enumerate(texts)}
    competence = _competence.gate(chosen, decision, _picked(answer, [at[text] for text in plain]))
    if shut := _competence.closed(competence):
        return shut
    score = decision.score(answer)
    results = [_results(d, plain, score, at, decision) for d in disturbed if d.rows]
    if not results:
        return NotAssessed(reason="no disturbance changes a single text", validity=(_changed_check(disturbed),))
    exact = chosen.card.enumerated
    measured = [m for r in results for m in _measurements(r, params.strengths, chosen, decision, exact)]
    return Finding(
        measurements=tuple(measured),
        validity=(
            *competence,
            _changed_check(disturbed),
            *(() if exact else (_stats.enough_clusters(min((m.clusters or 0 for m in measured), default=0)),)),
        ),
        exhibits=(_curve(results, params, chosen), _table(results, params.strengths)),
        samples=_samples(params, rows, chosen, disturbed, results, decision, rng),
        limits=tuple(_limits(params, chosen, disturbed)),
    )


def _picked(answer: ScoreAnswer, rows: Sequence[int]) -> ScoreAnswer:
    return replace(answer, values=answer.values[list(rows)])


def _disturbers(params: Params, seed: int) -> Mapping[Kind, Disturb]:
    pairs = {row["phrase"]: row["other"] for row in params.paraphrases}
    every: dict[Kind, Disturb] = {
        "typos": perturbing.typos(seed),
        "casing": perturbing.casing(seed),
        "truncation": perturbing.truncation(),
        "distractors": perturbing.distractors(params.distractors, seed),
        "paraphrases": perturbing.paraphrases(pairs, seed),
    }
    return {kind: every[kind] for kind in params.kinds}


def _disturbed(params: Params, plain: Sequence[str], seed: int) -> list[_Disturbed]:
    """Return the texts of every kind; rows that the strongest disturbance leaves as they are are left out."""
    out = []
    for kind, disturb in _disturbers(params, seed).items():
        rows = tuple(i for i, text in enumerate(plain) if disturb(text, params.strengths[-1]) != text)
        texts = tuple(tuple(disturb(plain[i], strength) for i in rows) for strength in params.strengths)
        out.append(_Disturbed(kind=kind, rows=rows, texts=texts))
    return out


def _results(d: _Disturbed, plain: Sequence[str], score: Floats, at: Mapping[str, int], decision: Decision) -> _Results:
    before = score[[at[plain[i]] for i in d.rows]]
    after = np.stack([score[[at[text] for text in texts]] for texts in d.texts])
    turned = decision.selected(after) != decision.selected(before)
    return _Results(kind=d.kind, rows=d.rows, before=before, after=after, turned=turned)


def _stratum(strength: float) -> str:
    return f"strength {strength:g}"


def _measurements(
    r: _Results, strengths: Sequence[float], data: Dataset, decision: Decision, exact: bool
) -> Iterator[Measurement]:
    clusters = _stats.chosen(data.cluster_labels(), r.rows)
    known = np.array([data.rows[i].label is not None for i in r.rows])
    truth = np.array([bool(data.rows[i].label) for i in r.rows])
    right_before = decision.selected(r.before) == truth
    metric = replace(_METRIC["score_shift"], unit=decision.unit)
    for strength, after, turned in zip(strengths, r.after, r.turned, strict=True):
        flips = _stats.clustered_proportion(turned, clusters)
        shift = bounded.share(np.abs(after - r.before), clusters)
        estimates = [(_METRIC["flip_rate"], flips), (metric, shift)]
        if known.any():
            pair = [x[known].astype(np.float64) for x in (right_before, decision.selected(after) == truth)]
            loss = bounded.paired_difference(pair[0], pair[1], _stats.chosen(clusters, known))
            estimates.append((_METRIC["accuracy_loss"], loss))
        for one, estimate in estimates:
            yield _stats.measure(one, estimate, group=r.kind, stratum=_stratum(strength), exact=exact)


# ---- validity, exhibits, samples, limits ---------------------------------------------------------


def _changed_check(disturbed: Sequence[_Disturbed]) -> ValidityCheck:
    few = [f"{d.kind} ({len(d.rows)})" for d in disturbed if len(d.rows) < FEWEST_CHANGED]
    return ValidityCheck(
        name="texts_changed",
        title="Every disturbance changes enough texts",
        guards=Guards.FALSE_ALL_CLEAR,
        passed=not few,
        found=f"too few texts changed: {', '.join(few)}" if few else f"all {len(disturbed)} disturbances",
        needed=f"at least {FEWEST_CHANGED} texts that a disturbance changes",
    )


def _curve(results: Sequence[_Results], params: Params, data: Dataset) -> Curve:
    """Return the share of decisions that differ, by strength: from none at strength 0."""
    series = []
    for r in results:
        clusters = _stats.chosen(data.cluster_labels(), r.rows)
        flips = [_stats.clustered_proportion(turned, clusters) for turned in r.turned]
        ends = [_stats.limits(estimate) for estimate in flips]
        series.append(
            Series(
                label=r.kind,
                x=(0.0, *params.strengths),
                y=(0.0, *(estimate.value for estimate in flips)),
                low=(0.0, *(low for low, _ in ends)),
                high=(0.0, *(high for _, high in ends)),
            )
        )
    return Curve(
        id="strength",
        title="Decisions that turn, by strength of the disturbance",
        x_title="strength",
        y_title="share of decisions that differ",
        unit="share",
        series=tuple(series),
        note="Strength is " + "; ".join(f"for {kind}, the {perturbing.MEANINGS[kind]}" for kind in params.kinds) + ".",
    )


def _table(results: Sequence[_Results], strengths: Sequence[float]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for r in results:
        first = r.first_turn(strengths)
        by = [sum(x is not None and x <= s for x in first) / len(first) for s in strengths]
        half = next((s for s, share in zip(strengths, by, strict=True) if share > 0.5), None)
        rows.append(
            (r.kind, len(first), *by, first.count(None) / len(first), "at none tried" if half is None else f"{half:g}")
        )
    return Table(
        id="turning_strengths",
        title="Lowest strength at which a decision turns",
        columns=(
            Column(title="Disturbance"),
            Column(title="Rows", unit="count"),
            *(Column(title=f"Turned by {s:g}", unit="share") for s in strengths),
            Column(title="Never turned", unit="share"),
            Column(title="More than half turned by"),
        ),
        rows=tuple(rows),
        note="A decision counts from the lowest strength at which it differs, even if it turns back at higher ones.",
    )


def _samples(
    params: Params,
    rows: Sequence[int],
    data: Dataset,
    disturbed: Sequence[_Disturbed],
    results: Sequence[_Results],
    decision: Decision,
    rng: np.random.Generator,
) -> tuple[Sample, ...]:
    """Return drawn rows, each under one kind of disturbance at full strength."""
    cases = [
        (d, r, k) for d, r in zip([d for d in disturbed if d.rows], results, strict=True) for k in range(len(d.rows))
    ]
    out = []
    for pick in sorted(rng.permutation(len(cases))[: params.samples].tolist()):
        d, r, k = cases[pick]
        first = r.first_turn(params.strengths)[k]
        turned = f"the decision turns at strength {first:g}" if first is not None else "the decision stands"
        out.append(
            Sample(
                row=rows[d.rows[k]],
                texts=(
                    Text(label="as it was", text=data.rows[d.rows[k]].text),
                    Text(label=f"{d.kind}, {_stratum(params.strengths[-1])}", text=d.texts[-1][k]),
                ),
                numbers=(
                    Number(label="score as it was", value=float(r.before[k]), unit=decision.unit),
                    Number(label="score disturbed", value=float(r.after[-1, k]), unit=decision.unit),
                ),
                note=turned,
            )
        )
    return tuple(out)


def _limits(params: Params, data: Dataset, disturbed: Sequence[_Disturbed]) -> Iterator[str]:
    yield "Disturbances are drawn at random, once per text; somebody who looks for a change that works may find one."
    for d in disturbed:
        if left_out := len(data.rows) - len(d.rows):
            yield f"{left_out} of {len(data.rows)} texts hold nothing that {d.kind} could change; they are left out."
    if params.typos:
        yield "Typos follow a QWERTY keyboard and letters of alphabets; other scripts are typed otherwise."
    if not data.card.enumerated and not data.card.population:
        yield "The policy names no population that the rows were drawn from: rates speak of these rows only."


# ---- examples ------------------------------------------------------------------------------------


def examples() -> tuple[Example, ...]:
    """Return a model that reads past disturbances, one that a slip throws off, and one that says nothing."""
    from audit.checks._toy.tasks import robustness_examples

    return robustness_examples()
