"""Which parts of the model carry the effect of a swap?

What it measures
----------------
The same case is written with an attribute's value and with its reference, and the parts of the model through which the
difference reaches the decision are looked for: attention heads, MLP neurons, layers and token positions. Two fifths
of the clusters screen. There the gradient estimates for every head and neuron at once what the score would be, were
that part alone as it is when the model reads the other text (attribution patching), and the parts that rank
highest are then patched in truth. The others confirm: as many of the ranked parts as carried the stated share while
screening are taken from the counterpart's run together, and the share of the swap's whole effect that they carry is
measured, in the mean and case by case; then the highest one by one. Where the parts that drive the effect overshoot
it together, those that work against it are taken along; a share may exceed one. Beside it stand sets of as
many parts of the same kinds drawn at random, the same parts taken back out of the counterpart's run, and the
attention and MLPs of all blocks together.

Why it matters
--------------
A gap says that a swap matters and not through what. Parts that are named and confirmed can be watched, compared
between versions, or cut out and the model examined again.

What it cannot show
-------------------
It shows through which parts an effect passes in these pairs, and not what these parts are for: a neuron that carries
the effect of a swapped name here may carry much else, and is not the neuron of gender. A part that lies behind
another carries its effect too, so single shares do not add up. Other parts may take over once these are cut (backup
and self-repair), so a small share does not show that a part is idle. The screening is of first order and can miss what
is saturated or cancels; what ranks low was not patched. Whatever the model derives from the words without a
head or a neuron passes straight from the embeddings and is no part's. No verdict rests on it: behaviour decides.

Validity checks
---------------
There must be an effect to localise: the swap has to move the score by at least what the policy says, with an interval
that excludes zero, or nothing is assessed. Pairs whose two texts have different numbers of tokens are left
out and counted. Parts are ranked and confirmed on disjoint clusters. The confirmed parts must come closer to the
whole effect than every random set, and the gradient's ranking must agree with the true effect of a sample of parts.
Single parts are corrected for how many were tried (Holm).

References
----------
Vig et al. (2020), Causal mediation analysis for interpreting neural NLP. Meng et al. (2022), Locating and editing
factual associations in GPT, arXiv 2202.05262. Nanda (2023), Attribution patching. Syed, Rager & Conmy (2023), arXiv
2310.10348. Kramar et al. (2024), AtP*, arXiv 2403.00745. Zhang & Nanda (2024), Towards best practices of activation
patching, arXiv 2309.16042. McGrath et al. (2023), The Hydra effect, arXiv 2307.15771.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from audit.checks import _competence, _needs, _rows, _stats
from audit.checks._localising import division, part_sets, report
from audit.checks._localising.carried import carried, reaches
from audit.checks._localising.division import Division, Pair
from audit.checks._localising.part_sets import PartSet
from audit.checks._localising.report import METRICS, Confirmed, Localised, Screened
from audit.checks._rewriting import swapping
from audit.checks._rewriting.swapping import Comparison, Swap
from audit.registry import Example, LaterRounds, judges
from audit.requests import CheckRun, Contrast, PartEffects, Patched, Scores, Tokenised
from audit.shapes import Floats
from audit.types import Dataset, Decision, Finding, Guards, NotAssessed, ParamProblem, Part, ValidityCheck

__all__ = ["METRICS"]

NAME = "localise"
VERSION = "1"
TITLE = "The parts that carry the effect of a swap"
BINDS = frozenset({"swap", "value"})

TRIED = 24
"""Parts that rank highest by the gradient and are patched one by one while screening."""

SAMPLED = 24
"""Parts drawn at random that are patched too: how far the gradient can be trusted shows on them."""


class Params(BaseModel):
    """Parameters of a check that localises the effect of a swap."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    swap: Annotated[
        dict[str, Swap],
        Field(description="Protected attribute → how it is swapped; one attribute.", min_length=1, max_length=1),
    ]
    value: Annotated[
        str, Field(description="Value that is compared with the reference; needed where there are several.")
    ] = ""
    kinds: Annotated[
        tuple[Literal["head", "neuron", "attention", "mlp"], ...],
        Field(description="Kinds of parts that are looked for.", min_length=1),
    ] = ("head", "neuron")
    least_effect: Annotated[
        float,
        Field(description="Mean effect of the swap on the score below which there is nothing to localise.", gt=0),
    ] = 0.01
    share: Annotated[
        float,
        Field(
            description="Share of the effect that the set has to carry while screening, its whole interval.", gt=0, le=1
        ),
    ] = 0.9
    most: Annotated[int, Field(description="Most parts that are patched together.", ge=1, le=1024)] = 64
    listed: Annotated[int, Field(description="Parts confirmed one by one.", ge=1, le=TRIED)] = 10
    draws: Annotated[int, Field(description="Random sets to compare with.", ge=19, le=1000)] = 19
    pairs: Annotated[
        int, Field(description="Most pairs that rank, and most that confirm; more are sampled down.", ge=6, le=5000)
    ] = 48
    gradient_at: Annotated[
        Literal["text", "both"],
        Field(description="Gradient at the text alone, or averaged over both texts of a pair."),
    ] = "both"


# ---- before the run ------------------------------------------------------------------------------


def problems(params: Params, data: Dataset, decision: Decision) -> tuple[ParamProblem, ...]:
    """Return what is wrong with the parameters given the data."""
    found: list[ParamProblem] = []
    found += _needs.a_decision(decision, "a likelihood has no decision whose parts could be looked for")
    for attribute, swap in params.swap.items():
        if wrong := tuple(swapping.problems(attribute, swap, data)):
            found += wrong
            continue
        if len(swap.reference) > 1:
            found.append(
                ParamProblem(
                    at=("swap", attribute, "reference"),
                    found=f"{len(swap.reference)} references",
                    expected="one: states are taken from a single counterpart",
                )
            )
        found += _value_problems(params.value, [c.group for c in swapping.comparisons(swap, (), data)])
    return tuple(found)


def _value_problems(value: str, groups: Sequence[str]) -> list[ParamProblem]:
    expected = f"one of {', '.join(map(repr, groups))}"
    if value and value not in groups:
        return [ParamProblem(at=("value",), found=f"{value!r} has no cases to compare", expected=expected)]
    if not value and len(groups) > 1:
        return [ParamProblem(at=("value",), found="several values to compare", expected=expected)]
    return []


judgeable = judges(METRICS)


def later_rounds(params: Params, data: Dataset) -> LaterRounds:
    """Return bounds on later rounds: both texts of every pair, their gradients, and every set patched."""
    pairs = min(params.pairs, len(data.rows) * 2)
    nested = len(part_sets.sizes(params.most))
    screening = TRIED + SAMPLED + 2 + 2 * nested
    held_out = 2 + nested + (1 + len(params.kinds)) * params.draws + params.listed + 2
    held_out += report.MOST_CELLS
    # Two forwards and two backwards for a gradient, and a counterpart read with every batch of sets.
    return LaterRounds(scored_texts=pairs * (4 + 6 + 2 * (screening + held_out)))


# ---- the run -------------------------------------------------------------------------------------


def run(params: Params, data: Dataset, decision: Decision, rng: np.random.Generator) -> CheckRun:
    """Rank the parts on some of the clusters, and confirm the highest on the others."""
    (swap,) = params.swap.values()
    comparison = division.comparison(swap, params.value, data)
    candidates = division.candidates(comparison, rng)
    texts = tuple(dict.fromkeys(t for p in candidates for t in (p.text, p.counterpart)))
    distinct = replace(data, rows=tuple(data.rows[i] for i in _rows.distinct(data)))
    original, tokens = yield (
        Scores(texts=tuple(row.text for row in distinct.rows), target=decision.target),
        Tokenised(texts=texts),
    )
    gate = _competence.gate(distinct, decision, original)
    if shut := _competence.closed(gate):
        return shut
    aligned = division.aligned(candidates, dict(zip(texts, tokens, strict=True)), swap, data)
    plan = division.divided(aligned.pairs, params.pairs, rng) if aligned.pairs else _unusable(aligned.check)
    if isinstance(plan, NotAssessed):
        return plan
    found = yield from _localise(params, data, decision, comparison, plan, rng)
    if isinstance(found, NotAssessed):
        return found
    return Finding(
        measurements=report.measurements(found),
        validity=(
            *gate,
            found.there_is,
            aligned.check,
            _stats.enough_clusters(_stats.cluster_count(division.clusters(plan.held_out))),
            *report.validity(found),
        ),
        exhibits=report.exhibits(found),
        samples=report.samples(found, rng),
        limits=report.limits(found, aligned),
    )


def _localise(
    params: Params,
    data: Dataset,
    decision: Decision,
    comparison: Comparison,
    plan: Division,
    rng: np.random.Generator,
) -> Generator[Any, Any, Localised | NotAssessed]:
    """See whether there is an effect, screen the parts that could carry it, and confirm the highest."""
    before, after = yield (
        Scores(texts=_texts(plan.pairs), target=decision.target),
        Scores(texts=_counterparts(plan.pairs), target=decision.target),
    )
    scores = decision.score(before), decision.score(after)
    there_is = _something(plan, scores[1] - scores[0], params.least_effect)
    if not there_is.passed:
        return NotAssessed(reason=f"nothing to localise: {there_is.found} ({there_is.needed})", validity=(there_is,))
    contrast = Contrast(target=decision.target, toward=decision.positive, against=decision.negative)
    screened = yield from _screen(params, plan, contrast, data.template.names, rng)
    if isinstance(screened, NotAssessed):
        return screened
    confirmed = yield from _confirm(params, plan, contrast, screened, rng)
    if not confirmed.divisible:
        return _too_faint(confirmed)
    return Localised(
        comparison=comparison,
        data=data,
        decision=decision,
        plan=plan,
        there_is=there_is,
        screened=screened,
        confirmed=confirmed,
        scores=scores,
    )


def _unusable(check: ValidityCheck) -> NotAssessed:
    failed = replace(check, guards=Guards.MEASUREMENT, passed=False)
    return NotAssessed(reason=f"no pair of texts can be compared: {check.found}", validity=(failed,))


def _texts(pairs: Sequence[Pair]) -> tuple[str, ...]:
    return tuple(pair.text for pair in pairs)


def _counterparts(pairs: Sequence[Pair]) -> tuple[str, ...]:
    return tuple(pair.counterpart for pair in pairs)


def _something(plan: Division, effect: Floats, least: float) -> ValidityCheck:
    """Return the check that the swap has an effect, over all pairs."""
    estimate = _stats.clustered_mean(effect, division.clusters(plan.pairs), reach=1.0, support=(-1.0, 1.0))
    low, high = _stats.limits(estimate)
    return ValidityCheck(
        name="something_to_localise",
        title="The swap has an effect to localise",
        guards=Guards.MEASUREMENT,
        passed=abs(estimate.value) >= least and (low > 0 or high < 0),
        found=f"the swap moves the score by {estimate.value:.4f} [{low:.4f}, {high:.4f}] on average over "
        f"{len(effect)} pairs",
        needed=f"at least {least:g} either way, and an interval that excludes zero",
    )


def _too_faint(confirmed: Confirmed) -> NotAssessed:
    low, high = _stats.limits(confirmed.total_estimate)
    found = f"{confirmed.total_estimate.value:.3f} [{low:.3f}, {high:.3f}] logits on the held-out pairs"
    return NotAssessed(
        reason=f"the effect is known too poorly on the held-out pairs to speak of shares of it: {found}",
        validity=(
            ValidityCheck(
                name="effect_held_out",
                title="The effect is known well enough on held-out pairs",
                guards=Guards.MEASUREMENT,
                passed=False,
                found=found,
                needed="an interval whose half-width is at most half of the effect",
            ),
        ),
    )


# ---- screening -----------------------------------------------------------------------------------


def _screen(
    params: Params, plan: Division, contrast: Contrast, names: Sequence[str], rng: np.random.Generator
) -> Generator[Any, Any, Screened | NotAssessed]:
    """Rank the parts by the gradient, then by patching the highest, and find how many carry the share."""
    pairs = plan.screening
    effects = yield PartEffects(
        texts=_texts(pairs), references=_counterparts(pairs), contrast=contrast, gradient_at=params.gradient_at
    )
    by_pair = part_sets.estimates(effects, params.kinds)
    estimated = {part: float(values.mean()) for part, values in by_pair.items()}
    total = np.array([one.total for one in effects])
    order = part_sets.ranked(estimated)
    if not order:
        return _no_part(len(estimated))
    highest = order[:TRIED]
    every = sorted(estimated, key=lambda part: part.name)
    drawn = [every[i] for i in rng.permutation(len(every))[:SAMPLED].tolist()]
    tried = list(dict.fromkeys([*highest, *drawn]))
    alone = yield from _effects(pairs, [(part,) for part in tried], contrast)
    patched = dict(zip(tried, alone.mean(axis=0).tolist(), strict=True))
    # By the true effect where it is known, and behind that by the gradient.
    first = part_sets.ranked({part: patched[part] for part in highest})
    ranking = [*first, *(part for part in order if part not in patched)]
    if not ranking:
        return _no_part(len(estimated))
    known = estimated | {part: patched[part] for part in first}
    driving = [part for part in ranking if known[part] * total.mean() > 0]
    best = yield from _best_set(params, pairs, contrast, total, [driving, ranking])
    return Screened(
        effects=tuple(effects),
        estimated=estimated,
        patched=patched,
        ranked=tuple(ranking[: params.listed]),
        sets=best.sets,
        chosen=best.chosen,
        reached=best.reached,
        shares=best.shares,
        wanted=params.share,
        every=tuple(every),
        by_field=report.first_order(effects, pairs, names),
    )


@dataclass(frozen=True, kw_only=True)
class _Best:
    """Nested sets of one ranking, and which of them is to be confirmed."""

    sets: tuple[PartSet, ...]
    shares: tuple[float, ...]
    chosen: int
    reached: bool

    @property
    def rank(self) -> tuple[bool, float]:
        """Sort those that reach the share first, by their size; then the others by how far they are from it."""
        return not self.reached, len(self.sets[self.chosen]) if self.reached else abs(1 - self.shares[self.chosen])


def _best_set(
    params: Params, pairs: Sequence[Pair], contrast: Contrast, total: Floats, rankings: Sequence[Sequence[Part]]
) -> Generator[Any, Any, _Best]:
    """Return the smallest set that reaches the share: of parts that drive the effect, or of all that move it.

    Where those that drive it overshoot, what works against them belongs to what carries the effect.
    """
    nested = [part_sets.nested(ranking, params.most) for ranking in rankings]
    together = yield from _effects(pairs, [parts for sets in nested for parts in sets], contrast)
    clusters, found, at = division.clusters(pairs), [], 0
    for sets in filter(None, nested):
        shares = [carried(effect, total, clusters) for effect in together[:, at : at + len(sets)].T]
        at += len(sets)
        enough = [i for i, share in enumerate(shares) if reaches(share, params.share)]
        closest = int(np.argmin([abs(1 - share.value) for share in shares]))
        found.append(
            _Best(
                sets=tuple(sets),
                shares=tuple(share.value for share in shares),
                chosen=enough[0] if enough else closest,
                reached=bool(enough),
            )
        )
    return min(found, key=lambda best: best.rank)


def _no_part(tried: int) -> NotAssessed:
    found = f"none of {tried:,} parts moves the score"
    return NotAssessed(
        reason=f"no part to confirm: {found}",
        validity=(
            ValidityCheck(
                name="parts_found",
                title="Some part moves the score",
                guards=Guards.MEASUREMENT,
                passed=False,
                found=found,
                needed="one at least, in the screening pairs",
            ),
        ),
    )


def _effects(pairs: Sequence[Pair], sets: Sequence[PartSet], contrast: Contrast) -> Generator[Any, Any, Floats]:
    """Return what every set does in every pair, (pairs, sets)."""
    scores = yield _patching(pairs, sets, contrast)
    out: Floats = scores[:, 1:] - scores[:, :1]
    return out


def _patching(pairs: Sequence[Pair], sets: Sequence[PartSet], contrast: Contrast, *, back: bool = False) -> Patched:
    """Return the request for no part and then every set; ``back`` takes them out of the counterpart's run."""
    texts, references = _texts(pairs), _counterparts(pairs)
    if back:
        texts, references = references, texts
    return Patched(texts=texts, references=references, sets=((), *sets), contrast=contrast)


# ---- confirming ----------------------------------------------------------------------------------


def _confirm(
    params: Params, plan: Division, contrast: Contrast, screened: Screened, rng: np.random.Generator
) -> Generator[Any, Any, Confirmed]:
    """Patch on the held-out pairs: the nested sets, all parts, random sets, and the highest one by one."""
    pairs, chosen = plan.held_out, screened.set
    singles = screened.ranked
    # Of few others there are few sets; the same one twice would count twice.
    random = list(dict.fromkeys(part_sets.matched(chosen, screened.every, rng) for _ in range(params.draws)))
    lone = [
        (part,)
        for kind in dict.fromkeys(part.kind for part in singles)
        for part in part_sets.others(params.draws, kind, (*screened.sets[-1], *singles), screened.every, rng)
    ]
    groups: list[Sequence[PartSet]] = [
        screened.sets,
        [part_sets.everything(screened.effects[0])],
        random,
        [(part,) for part in singles],
        lone,
    ]
    wanted = report.cells(screened.by_field)
    scores, back, *mapped = yield (
        _patching(pairs, [one for group in groups for one in group], contrast),
        _patching(pairs, [chosen], contrast, back=True),
        *(_at_field(pairs, field, blocks, contrast) for field, blocks in wanted.items() if blocks),
    )
    cells = {
        (block, field): float((effects - scores[:, 0]).mean())
        for (field, blocks), answer in zip(((f, b) for f, b in wanted.items() if b), mapped, strict=True)
        for block, effects in zip(blocks, answer.T, strict=True)
    }
    ends = np.cumsum([1, *map(len, groups)])
    nested, whole, by_chance, alone, lone_by_chance = (
        scores[:, a:b] - scores[:, :1] for a, b in itertools.pairwise(ends.tolist())
    )
    return Confirmed(
        clusters=division.clusters(pairs),
        total=back[:, 0] - scores[:, 0],
        nested=nested,
        whole=whole[:, 0],
        random=by_chance,
        back=back[:, 0] - back[:, 1],
        parts=singles,
        alone=alone,
        lone_random=lone_by_chance,
        cells=cells,
    )


def _at_field(pairs: Sequence[Pair], field: str, blocks: Sequence[int], contrast: Contrast) -> Patched:
    """Return the request for what each block puts out at the tokens of one field."""
    return Patched(
        texts=_texts(pairs),
        references=_counterparts(pairs),
        sets=tuple((Part(kind="layer", block=block),) for block in blocks),
        contrast=contrast,
        positions=tuple(pair.tokens_of(field) for pair in pairs),
    )


# ---- examples ------------------------------------------------------------------------------------


def examples() -> tuple[Example, ...]:
    """Return a toy whose effect passes through three parts, one where it passes through all, one without an effect."""
    from audit.checks._toy.parts import localise_examples

    return localise_examples()
