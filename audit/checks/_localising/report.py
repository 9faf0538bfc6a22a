"""What patching found, measured on held-out pairs, and how it is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from audit import laws
from audit.checks import _stats
from audit.checks._attributions import spearman
from audit.checks._localising.carried import carried, divisible, missed
from audit.checks._localising.division import Aligned, Division, Pair
from audit.checks._localising.part_sets import PartSet
from audit.checks._metrics import described
from audit.checks._rewriting.swapping import Comparison
from audit.checks._stats.estimates import Estimate
from audit.holm import holm
from audit.requests import PairEffects
from audit.shapes import Floats
from audit.types import (
    Column,
    Dataset,
    Decision,
    Exhibit,
    Forest,
    Grid,
    Guards,
    Interval,
    Measurement,
    Number,
    Part,
    Sample,
    Table,
    Text,
    ValidityCheck,
)

ALPHA = 0.05
"""Level of the tests of single parts, after Holm's correction."""

WORTH_TELLING = 0.1
"""Share of the effect from which on a part that works against it is told."""

LEAST_P = 0.0001
"""p-values below it are printed as such."""

LEAST_AGREEMENT = 0.5
"""Rank correlation of gradient and patching below which the screening is taken to have missed parts."""

_metric = partial(
    described,
    why="patching shows through which parts an effect passes; how large it may be is for behaviour to decide",
    unit="share",
)

METRICS = (
    _metric(
        "carried_share",
        "Share carried by the confirmed set",
        "Mean effect of taking the parts of the set, all together, from the counterpart's run, over the mean effect "
        "of the swap; on held-out pairs.",
        "With {stratum} taken from the counterpart's run, {value} of the effect of “{group}” instead of {reference} "
        "is there",
    ),
    _metric(
        "random_share",
        "Share carried by random sets",
        "The same of sets of as many parts of the same kinds, drawn at random; the mean over the draws.",
        "With as many parts drawn at random ({stratum}), {value} of the effect is there on average",
    ),
    _metric(
        "returned_share",
        "Share undone by taking the set back",
        "Mean effect of setting the parts of the set, in the counterpart's run, back to what they were, over the mean "
        "effect of the swap; less than the carried share where other parts do the same.",
        "With {stratum} set back in the counterpart's run, {value} of the effect is undone",
    ),
    _metric(
        "missed_share",
        "Share missed case by case",
        "Mean absolute difference between the effect of the set and that of the swap in single pairs, over the mean "
        "absolute effect of the swap: misses in both directions, which cancel in the carried share.",
        "In single pairs, the effect of {stratum} misses that of the swap by {value} of its size",
    ),
    _metric(
        "whole_share",
        "Share carried by all parts",
        "Mean effect of taking the attention and the MLP of every block from the counterpart's run, over the mean "
        "effect of the swap; what is left passes straight from the embeddings.",
        "The attention and MLPs of all blocks together carry {value} of the effect",
    ),
    _metric(
        "swap_effect",
        "Effect of the swap",
        "Mean difference of the logits' contrast between a text with the value and its counterpart with the reference.",
        "On held-out pairs the logit is {amount} {more} with “{group}” than with {reference}",
        unit="logit",
    ),
    _metric(
        "part_effect",
        "Effect of a single part",
        "Mean change of the logits' contrast when this part alone is taken from the counterpart's run.",
        "Taking {stratum} alone from the counterpart's run makes the logit {amount} {more}",
        unit="logit",
    ),
)
_METRIC = {m.name: m for m in METRICS}


@dataclass(frozen=True, kw_only=True)
class Screened:
    """What the screening pairs said."""

    effects: tuple[PairEffects, ...]
    estimated: Mapping[Part, float]
    """By the gradient: the mean first-order effect of every part."""
    patched: Mapping[Part, float]
    """The mean true effect of those that were patched: the highest, and some drawn at random."""
    ranked: PartSet
    """By the size of the effect, whichever way: those that are confirmed one by one."""
    sets: tuple[PartSet, ...]
    """Nested: the first 1, 2, 3, … of the ranking."""
    chosen: int
    reached: bool
    """Whether it carried the share that was asked for, without overshooting."""
    shares: tuple[float, ...]
    """Carried by each of the sets, on screening pairs."""
    wanted: float
    every: tuple[Part, ...]
    by_field: Mapping[str, Floats]
    """Mean first-order effect of the states of each field's tokens, (layers,)."""

    @property
    def set(self) -> PartSet:
        """Return the set that is confirmed."""
        return self.sets[self.chosen]

    @cached_property
    def agreement(self) -> float:
        """Return the rank correlation of estimated and true effects over the parts that were patched."""
        parts = list(self.patched)
        return spearman(np.array([self.estimated[p] for p in parts]), np.array([self.patched[p] for p in parts]))


@dataclass(frozen=True, kw_only=True)
class Confirmed:
    """What patching did in the held-out pairs; every array has pairs first, in logits."""

    clusters: _stats.Labels
    total: Floats
    """(pairs,)"""
    nested: Floats
    """(pairs, sets)"""
    whole: Floats
    random: Floats
    """(pairs, draws)"""
    back: Floats
    parts: PartSet
    alone: Floats
    """(pairs, parts)"""
    lone_random: Floats
    """(pairs, others): single parts that are in no set, drawn at random"""

    cells: Mapping[tuple[int, str], float]
    """Mean effect of taking what a block puts out at the tokens of a field."""

    def share(self, effect: Floats) -> Estimate:
        """Return the share of the total effect."""
        return carried(effect, self.total, self.clusters)

    def missed(self, effect: Floats) -> Estimate:
        """Return by how much the effect of single pairs is missed, relative to its size."""
        return missed(effect, self.total, self.clusters)

    @cached_property
    def total_estimate(self) -> Estimate:
        """Return the mean effect of the swap."""
        return self.mean(self.total)

    def mean(self, effect: Floats) -> Estimate:
        """Return a mean effect, in logits."""
        reach = float(np.abs(self.total).max())
        return _stats.clustered_mean(effect, self.clusters, reach=reach)

    @property
    def divisible(self) -> bool:
        """Whether the total effect is known well enough for shares of it."""
        return divisible(self.total_estimate)

    @cached_property
    def random_shares(self) -> Floats:
        """Return the share of every random set."""
        out: Floats = self.random.mean(axis=0) / self.total.mean()
        return out

    @cached_property
    def p_values(self) -> list[float]:
        """Return for each single part the two-sided p-value of no effect, corrected for all of them (Holm)."""
        estimates = [self.mean(column) for column in self.alone.T]
        return holm([min(1.0, 2 * min(laws.p_greater(e.law, 0.0), laws.p_less(e.law, 0.0))) for e in estimates])


@dataclass(frozen=True, kw_only=True)
class Localised:
    """Everything that was found out."""

    comparison: Comparison
    data: Dataset
    decision: Decision
    plan: Division
    there_is: ValidityCheck
    """That the swap has an effect at all."""
    screened: Screened
    confirmed: Confirmed
    scores: tuple[Floats, Floats]
    """Of all pairs, in the decision's unit: with the reference, and with the value."""

    @property
    def set_name(self) -> str:
        """Return how the report names the confirmed set."""
        return _named(self.screened.set)


def _named(parts: PartSet) -> str:
    return parts[0].name if len(parts) == 1 else _counted(parts)


def _counted(parts: PartSet) -> str:
    titles = {"head": "head", "neuron": "neuron", "attention": "attention", "mlp": "MLP"}
    counts = {title: sum(part.kind == kind for part in parts) for kind, title in titles.items()}
    return " and ".join(_plural(count, title) for title, count in counts.items() if count)


# ---- numbers -------------------------------------------------------------------------------------


def measurements(found: Localised) -> tuple[Measurement, ...]:
    """Return the shares with their intervals, then the effects they are shares of, part by part."""
    c, screened = found.confirmed, found.screened

    def measure(name: str, estimate: Estimate, stratum: str = "") -> Measurement:
        group, reference = found.comparison.group, found.comparison.reference
        return _stats.measure(_METRIC[name], estimate, group=group, reference=reference, stratum=stratum)

    return (
        measure("carried_share", c.share(c.nested[:, screened.chosen]), found.set_name),
        measure("random_share", c.share(c.random.mean(axis=1)), _counted(screened.set)),
        measure("returned_share", c.share(c.back), found.set_name),
        measure("missed_share", c.missed(c.nested[:, screened.chosen]), found.set_name),
        measure("whole_share", c.share(c.whole)),
        measure("swap_effect", c.total_estimate),
        *(measure("part_effect", c.mean(c.alone[:, i]), part.name) for i, part in enumerate(c.parts)),
    )


def validity(found: Localised) -> tuple[ValidityCheck, ...]:
    """Return what guards the set: random sets carry less, and the screening saw what patching sees."""
    c, screened = found.confirmed, found.screened
    share, others = c.share(c.nested[:, screened.chosen]).value, c.random_shares
    return (
        ValidityCheck(
            name="beyond_random",
            title="The set comes closer to the effect than random sets",
            guards=Guards.FALSE_ALARM,
            passed=bool(abs(1 - share) < np.abs(1 - others).min()),
            found=f"a share of {share:.3f}; {_plural(len(others), 'random set')} of as many parts carry "
            f"{_plain(others.mean())} on average, the closest {_plain(others[np.argmin(np.abs(1 - others))])}",
            needed="closer to the whole effect than every one of them",
        ),
        ValidityCheck(
            name="screening_agrees",
            title="The gradient ranks parts as patching does",
            guards=Guards.FALSE_ALL_CLEAR,
            passed=screened.agreement >= LEAST_AGREEMENT,
            found=f"rank correlation {screened.agreement:.2f} over {len(screened.patched)} parts, the highest and some "
            "drawn at random",
            needed=f"at least {LEAST_AGREEMENT:g}; below it, parts that were not patched may carry much",
        ),
        ValidityCheck(
            name="share_reached",
            title="The set carries the share that was asked for",
            guards=Guards.FALSE_ALL_CLEAR,
            passed=screened.reached,
            found=f"{screened.shares[screened.chosen]:.3f} of the effect with {_plural(len(screened.set), 'part')} in "
            "the screening pairs",
            needed=f"{screened.wanted:g} to {2 - screened.wanted:g}, the whole interval, with at most "
            f"{len(screened.sets[-1])} parts",
        ),
    )


def _plural(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _plain(share: float) -> str:
    """Return a share in three decimals, zero without a sign."""
    return f"{round(share, 3) + 0.0:.3f}"


# ---- exhibits ------------------------------------------------------------------------------------


def exhibits(found: Localised) -> tuple[Exhibit, ...]:
    """Return the map over layers and fields, the parts by name, the shares, and how they grow with the set."""
    return _map(found), _parts(found), _shares(found), _growth(found), _first_order_map(found)


MOST_COLUMNS = 12
"""Columns of a map; the fields with the smallest effects are left out of it."""

MOST_CELLS = 40
"""Cells of the map that are patched: those where the gradient sees most."""


def first_order(effects: Sequence[PairEffects], pairs: Sequence[Pair], names: Sequence[str]) -> dict[str, Floats]:
    """Return for every field, those of the template first, the mean first-order effect of its states (layers,)."""
    out: dict[str, Floats] = {name: np.zeros(len(effects[0].states)) for name in names}
    for pair, one in zip(pairs, effects, strict=True):
        for at, name in enumerate(pair.fields):
            out[name] = out.get(name, 0.0) + one.states[:, at] / len(pairs)
    largest = sorted(out, key=lambda name: -float(np.abs(out[name]).max()))[:MOST_COLUMNS]
    return {name: values for name, values in out.items() if name in largest}


def cells(by_field: Mapping[str, Floats]) -> dict[str, list[int]]:
    """Return the blocks whose output is patched at each field: the cells where the gradient sees most."""
    every = [(block, field) for field, values in by_field.items() for block in range(len(values) - 1)]
    chosen = sorted(every, key=lambda cell: -abs(float(by_field[cell[1]][cell[0] + 1])))[:MOST_CELLS]
    return {field: sorted(block for block, name in chosen if name == field) for field in by_field}


def _map(found: Localised) -> Grid:
    """Return the map that patching drew on held-out pairs."""
    c = found.confirmed
    blocks = sorted({block for block, _ in c.cells})
    fields = tuple(found.screened.by_field)
    return Grid(
        id="map",
        title="Where the difference is carried: layers and fields of the text",
        row_title="After",
        column_title="Tokens of",
        unit="logit",
        rows=tuple(f"block {block}" for block in blocks),
        columns=fields,
        values=tuple(tuple(c.cells.get((block, field)) for field in fields) for block in blocks),
        note=f"On {len(c.total)} held-out pairs: how far the logit moves on average when the states of these tokens "
        f"after that block are taken from the counterpart. The whole effect is {c.total.mean():.3f}.",
    )


def _first_order_map(found: Localised) -> Grid:
    """Return the same by the gradient, with the embeddings."""
    by_field, effects = found.screened.by_field, found.screened.effects
    total = float(np.mean([one.total for one in effects]))
    return Grid(
        id="first_order_map",
        title="The same to first order, as it was screened",
        row_title="After",
        column_title="Tokens of",
        unit="logit",
        rows=("embeddings", *(f"block {block}" for block in range(len(effects[0].states) - 1))),
        columns=tuple(by_field),
        values=tuple(tuple(map(float, row)) for row in np.stack(list(by_field.values()), axis=1)),
        note=f"By the gradient, on {len(effects)} screening pairs, where the whole effect is {total:.3f}. Where this "
        "differs much from what patching found, the model is far from linear along the swap.",
    )


def _parts(found: Localised) -> Table:
    c, screened = found.confirmed, found.screened
    largest = float(np.abs(c.lone_random.mean(axis=0)).max(initial=0.0))
    rows = []
    for i, part in enumerate(c.parts):
        estimate = c.mean(c.alone[:, i])
        low, high = _stats.limits(estimate)
        beyond = abs(estimate.value) > largest
        rows.append(
            (
                part.name,
                "yes" if part in screened.set else "no",
                screened.estimated[part],
                estimate.value,
                low,
                high,
                float(estimate.value / c.total.mean()),
                f"{c.p_values[i]:.4f}" if c.p_values[i] >= LEAST_P else f"< {LEAST_P}",
                "yes" if c.p_values[i] <= ALPHA and beyond else "no",
            )
        )
    return Table(
        id="parts",
        title="The parts that rank highest, one by one",
        columns=(
            Column(title="Part"),
            Column(title="In the set"),
            Column(title="By gradient, screening", unit="logit"),
            Column(title="Held out", unit="logit"),
            Column(title="Low", unit="logit"),
            Column(title="High", unit="logit"),
            Column(title="Share", unit="share"),
            Column(title="p (Holm)"),
            Column(title="Confirmed"),
        ),
        rows=tuple(rows),
        note=f"{len(screened.estimated):,} parts were screened by the gradient, {len(screened.patched)} patched while "
        f"screening, {len(rows)} confirmed one by one. Confirmed: p at most {ALPHA:g} corrected for these, and more "
        f"than each of {c.lone_random.shape[1]} others drawn at random (at most {largest:.3g}). Shares do not add up "
        "where one part lies behind another; a negative one works against the effect.",
    )


def _shares(found: Localised) -> Forest:
    c, chosen = found.confirmed, found.screened.chosen
    rows = [
        ("confirmed set", c.nested[:, chosen], True),
        ("the same, taken back", c.back, False),
        ("random sets, mean", c.random.mean(axis=1), False),
        ("random sets, closest to it", c.random[:, int(np.argmin(np.abs(1 - c.random_shares)))], False),
        ("attention and MLPs of all blocks", c.whole, False),
    ]
    shown = []
    for label, effect, emphasis in rows:
        estimate = c.share(effect)
        low, high = _stats.limits(estimate)
        shown.append(Interval(label=label, value=estimate.value, low=low, high=high, emphasis=emphasis))
    return Forest(
        id="shares",
        title=f"Share of the effect carried by {found.set_name}",
        unit="share",
        null=0.0,
        rows=tuple(shown),
        note=f"On {len(c.total)} held-out pairs. The random set that comes closest was chosen for that.",
    )


def _growth(found: Localised) -> Table:
    c, screened = found.confirmed, found.screened
    rows = []
    for i, parts in enumerate(screened.sets):
        estimate = c.share(c.nested[:, i])
        low, high = _stats.limits(estimate)
        rows.append(
            (len(parts), screened.shares[i], estimate.value, low, high, "yes" if i == screened.chosen else "no")
        )
    return Table(
        id="growth",
        title="Share carried by the first parts of the ranking together",
        columns=(
            Column(title="Parts", unit="count"),
            Column(title="Screening pairs", unit="share"),
            Column(title="Held-out pairs", unit="share"),
            Column(title="Low", unit="share"),
            Column(title="High", unit="share"),
            Column(title="Confirmed set"),
        ),
        rows=tuple(rows),
        note=f"The confirmed set is the smallest whose share, its whole interval, was {screened.wanted:g} to "
        f"{2 - screened.wanted:g} while screening, or else the one closest to the whole effect.",
    )


# ---- samples and limits --------------------------------------------------------------------------

SAMPLES = 5


def samples(found: Localised, rng: np.random.Generator) -> tuple[Sample, ...]:
    """Return held-out pairs drawn at random, with what the set did in each."""
    pairs, c = found.plan.held_out, found.confirmed
    first, (before, after), unit = len(found.plan.screening), found.scores, found.decision.unit
    drawn = sorted(rng.permutation(len(pairs))[:SAMPLES].tolist())
    return tuple(
        Sample(
            row=pairs[i].row,
            texts=(
                Text(label=f"with {found.comparison.reference}", text=pairs[i].text),
                Text(label=f"with “{found.comparison.group}”", text=pairs[i].counterpart),
            ),
            numbers=(
                Number(label="score with the reference", value=float(before[first + i]), unit=unit),
                Number(label="score with the value", value=float(after[first + i]), unit=unit),
                Number(label="effect of the swap", value=float(c.total[i]), unit="logit"),
                Number(label="effect of the set", value=float(c.nested[i, found.screened.chosen]), unit="logit"),
            ),
        )
        for i in drawn
    )


def limits(found: Localised, aligned: Aligned) -> tuple[str, ...]:
    """Return what this very finding does not cover."""
    plan, screened = found.plan, found.screened
    every, unpatched = len(screened.estimated), len(screened.estimated) - len(screened.patched)
    ranked = f"Parts were ranked on {len(plan.screening)} pairs and confirmed on {len(plan.held_out)} of other clusters"
    by_gradient = f"{unpatched:,} of {every:,} parts were not patched by themselves: the gradient ranks them low"
    out = [
        f"{ranked}, of {len(aligned.pairs)} that align.",
        f"{by_gradient}, and it can miss what is saturated or cancels.",
        "Parts that carry the effect here may carry much else; what cutting them costs is not measured by this check.",
    ]
    shares = found.confirmed.alone.mean(axis=0) / found.confirmed.total.mean()
    if shares.min() <= -WORTH_TELLING:
        out.append(
            f"Parts work against each other: by themselves those listed carry from {shares.min():.0%} to "
            f"{shares.max():.0%} of the effect, and what a set of them carries is a balance."
        )
    if len(found.plan.held_out[0].clusters) > 1:
        out.append("Pairs that rank and pairs that confirm share values of the second thing that cases share.")
    if found.comparison.left_out:
        out.append(f"Cases share {found.comparison.left_out} further things, for which the intervals do not allow.")
    return tuple(out)
