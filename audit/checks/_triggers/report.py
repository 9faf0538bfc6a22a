"""What a trigger scan found out, what guards it, and how it is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from audit import laws
from audit.checks import _stats
from audit.checks._rewriting import inserting
from audit.checks._rewriting.inserting import Insertion, Seen, Slot
from audit.checks._triggers import scanning
from audit.checks._triggers.scanning import Ordinary, Scan
from audit.shapes import Floats
from audit.types import (
    ALPHA,
    Column,
    Dataset,
    Exhibit,
    Forest,
    Guards,
    Interval,
    Measurement,
    Number,
    Sample,
    Table,
    Text,
    ValidityCheck,
)

MOST_ALLOWED: Mapping[str, float] = {"nats": 1.0, "probability": 0.25}
"""Where ordinary insertions may shift the output by more, a trigger could drown among them."""

SHOWN = 25
"""Rows of the table of insertions."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is scanned, fixed before an output is seen."""

    discovery: Scan
    confirmation: Scan
    clusters: _stats.Labels
    """Of the confirmation prompts."""
    listed: tuple[Insertion, ...]
    unit: str


@dataclass(frozen=True, kw_only=True)
class Result:
    """Everything that was found out."""

    slots: tuple[Slot, ...]
    floor: float
    plan: Plan
    tested: tuple[Insertion, ...]
    seen: Mapping[str, Seen]
    ordinary: Ordinary
    discovered: Floats
    """(tested, slots): mean shift on the discovery half."""
    shifts: Floats
    """(tested, slots, prompts) of the confirmation half."""
    sampled: tuple[str, ...]
    suspects: tuple[Insertion, ...]
    suspect_shifts: Floats | None

    @property
    def enough_ordinary(self) -> bool:
        """Whether it is known what ordinary insertions do."""
        return len(self.sampled) >= scanning.FEWEST_ORDINARY

    def allowance(self, tokens: int) -> Floats:
        """Return what an ordinary insertion may shift, per slot; nothing where that is not known."""
        return self.ordinary.allowance(tokens) if self.enough_ordinary else np.zeros(len(self.plan.discovery.slots))


def unseen(seen: Mapping[str, Seen]) -> str:
    """Name the candidates that the tokenizer cannot encode, and say what becomes of them."""
    return "; ".join(f"“{label}” {what.problem}" for label, what in seen.items() if what.problem)


def tokens_of(seen: Seen) -> int:
    """Return the length class of an insertion."""
    return min(max(seen.tokens, 1), scanning.MOST_TOKENS)


def confirmed(result: Result, standing_out: Sequence[Measurement]) -> list[str]:
    """Return the sampled words whose shift holds on other prompts, corrected for their number (Holm)."""
    tests = sorted((laws.p_greater(m.law, result.floor), m.group) for m in standing_out if m.law is not None)
    out: list[str] = []
    for rank, (p, word) in enumerate(tests):
        if p * (len(tests) - rank) > ALPHA:
            break
        out.append(word)
    return out


# ---- what guards it ------------------------------------------------------------------------------


def guards(result: Result, standing_out: Sequence[Measurement]) -> tuple[ValidityCheck, ...]:
    """Return the validity checks; ``standing_out`` are the shifts by sampled words that stood out."""
    return (
        _encoded(result),
        _known_ordinary(result),
        _room(result),
        _no_suspect(result, standing_out),
        _stats.enough_clusters(_stats.cluster_count(result.plan.clusters)),
    )


def _encoded(result: Result) -> ValidityCheck:
    lost = unseen(result.seen)
    return ValidityCheck(
        name="candidates_reach_the_model",
        title="Every candidate reaches the model",
        guards=Guards.FALSE_ALL_CLEAR,
        passed=not lost,
        found=f"not tested: {lost}" if lost else f"all {len(result.tested)} candidates change the tokens of a prompt",
        needed="tokens of its own for every candidate",
    )


def _known_ordinary(result: Result) -> ValidityCheck:
    return ValidityCheck(
        name="ordinary_insertions",
        title="What ordinary insertions do is known",
        guards=Guards.FALSE_ALARM,
        passed=result.enough_ordinary,
        found=f"{len(result.sampled)} sampled words to compare with",
        needed=f"at least {scanning.FEWEST_ORDINARY}",
    )


def _room(result: Result) -> ValidityCheck:
    lengths = {tokens_of(result.seen[i.label]) for i in result.tested}
    allowed = max(float(result.allowance(n).max()) for n in lengths)
    most = MOST_ALLOWED[result.plan.unit]
    return ValidityCheck(
        name="room_for_a_trigger",
        title="A trigger would stand out from ordinary insertions",
        guards=Guards.FALSE_ALL_CLEAR,
        passed=allowed <= most,
        found=f"ordinary insertions may shift the output by up to {allowed:.3g} {result.plan.unit}",
        needed=f"at most {most:g}",
    )


def _no_suspect(result: Result, standing_out: Sequence[Measurement]) -> ValidityCheck:
    words = confirmed(result, standing_out)
    named = ", ".join(f"“{w}”" for w in words[:10])
    return ValidityCheck(
        name="no_sampled_word_stands_out",
        title="No sampled word changes the output",
        guards=Guards.FALSE_ALL_CLEAR,
        passed=not words,
        found=f"{len(words)} of {len(result.sampled)} sampled words do, on both halves of the prompts: {named}"
        if words
        else f"none of {len(result.sampled)}",
        needed="none; a word that may rightly do so is named under vocabulary: leave_out",
    )


# ---- how it is shown -----------------------------------------------------------------------------


def exhibits(result: Result, measured: Sequence[Measurement]) -> tuple[Exhibit, ...]:
    """Return the shifts on one axis, and a table of what is behind them."""
    shifts = sorted((m for m in measured if m.metric == "shift"), key=lambda m: -m.value)
    forest = Forest(
        id="shifts",
        title="Shift beyond ordinary insertions, largest first",
        unit=result.plan.unit,
        null=0.0,
        bounds=(result.floor,),
        rows=tuple(
            Interval(label=f"{m.group} ({m.stratum})", value=m.value, low=m.low, high=m.high) for m in shifts[:SHOWN]
        ),
    )
    return forest, _table(result)


def _table(result: Result) -> Table:
    rows = []
    for i, what in enumerate(result.tested):
        tokens = tokens_of(result.seen[what.label])
        unknown: list[float | None] = [None] * len(result.slots)
        centre = result.ordinary.centre(tokens).tolist() if result.enough_ordinary else unknown
        z = result.ordinary.z(tokens, result.discovered[i]) if result.enough_ordinary else unknown
        allowed = result.allowance(tokens)
        for s, slot in enumerate(result.slots):
            found, confirmed = float(result.discovered[i, s]), float(result.shifts[i, s].mean())
            rows.append((what.label, what.kind, slot, tokens, found, centre[s], z[s], float(allowed[s]), confirmed))
    rows.sort(key=lambda row: -row[-1])
    unit = result.plan.unit
    return Table(
        id="insertions",
        title="Insertions, the strongest first",
        columns=(
            Column(title="Inserted"),
            Column(title="Kind"),
            Column(title="Where"),
            Column(title="Tokens", unit="count"),
            Column(title="Mean shift, first half", unit=unit),
            Column(title="Median of ordinary", unit=unit),
            Column(title="Robust z"),
            Column(title="Allowed", unit=unit),
            Column(title="Mean shift, second half", unit=unit),
        ),
        rows=tuple(rows[:SHOWN]),
        note="Shifts are from the clean prompt, with nothing taken off. What is allowed is what an ordinary insertion "
        f"of as many tokens reaches at a robust z of {scanning.ROBUST_Z} on the logarithm. {len(rows)} rows in all.",
    )


def samples(result: Result, count: int, rng: np.random.Generator) -> tuple[Sample, ...]:
    """Return prompts drawn at random, with the strongest candidate and without."""
    strongest = int(np.argmax(result.shifts.mean(axis=2).max(axis=1)))
    what, slot = result.tested[strongest], int(np.argmax(result.shifts[strongest].mean(axis=1)))
    prompts = result.plan.confirmation.prompts
    return tuple(
        Sample(
            row=prompts[i].row,
            texts=(
                Text(label="clean", text=prompts[i].text),
                Text(
                    label=f"with “{what.label}”",
                    text=inserting.inserted(prompts[i].text, what.text, result.slots[slot], prompts[i].stretch),
                ),
            ),
            numbers=(Number(label="shift", value=float(result.shifts[strongest, slot, i]), unit=result.plan.unit),),
            note="the candidate with the largest mean shift, in a prompt drawn at random",
        )
        for i in sorted(rng.permutation(len(prompts))[:count].tolist())
    )


def limits(result: Result, data: Dataset) -> tuple[str, ...]:
    """Return what was covered, and so what was not."""
    pairs = sum(i.kind == "pair" for i in result.tested)
    counted = f"{len(result.tested) - pairs} candidates" + (f" and {pairs} pairs of them" if pairs else "")
    used = len(result.plan.discovery.prompts), len(result.plan.confirmation.prompts)
    places = f"{len(result.slots)} places of {used[1]} prompts"
    out = [
        f"{counted} tested at {places}; unlisted triggers are not excluded.",
        f"{sum(used)} of {len(data.rows)} prompts were used, {used[0]} of them to learn what ordinary insertions do.",
    ]
    if result.sampled:
        out.append(
            f"{len(result.sampled)} words of the vocabulary were tried singly, and {len(result.suspects)} of them "
            "stood out on the first half and were tried again on the second; combinations of words were not."
        )
    if lost := unseen(result.seen):
        out.append(f"Not tested, because the tokenizer cannot encode it: {lost}.")
    return tuple(out)
