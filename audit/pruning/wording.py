"""What a cut did, in words: one screen, and a page of Markdown. Reduced on these cases, and never more than that."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from audit.pruning.outcome import Cost, NothingToCut, Pruned, RandomCut, Value
from audit.text import printable

_KINDS = {
    "repaired": "least-squares concept erasure (LEACE), repaired towards the reference",
    "leace": "least-squares concept erasure (LEACE)",
    "mean_shift": "projection of the class means onto each other",
    "parts": "parts of the model silenced",
}
_REDUCED = {
    "reduced": "reduced",
    "undecided": "undecided: the interval reaches beyond what counts as reduced",
    "not reduced": "not reduced by as much",
    "not assessed": "not assessed",
}
_EQUIVALENCE = {
    "equivalent": "equivalent within the margin",
    "undecided": "undecided: the interval reaches beyond the margin",
    "not equivalent": "not equivalent: the change lies beyond the margin",
    "not assessed": "not assessed: nothing that could decide was measured",
}


def nothing(found: NothingToCut) -> Iterator[str]:
    """Yield what is said where the original shows no gap."""
    yield f"There is nothing to cut: {found.check} shows no gap in this model, so no model was written."
    yield from (f"  {reason}" for reason in found.reasons)


def lines(made: Pruned) -> Iterator[str]:
    """Yield the outcome for a terminal."""
    rows = made.rows
    yield f"{made.check}: a cut of {made.attribute} from a copy of {made.base_model}"
    yield f"  cut       {cut(made)}"
    yield f"  rows      fitted on {rows['fitted']}, measured on {rows['held_out']} others"
    for number, b in enumerate(made.behaviours):
        yield f"  gap       “{b.group}” against {b.reference}: {reduction(made, number)}"
        others = ", ".join(_random_reduction(r, number) for r in made.random)
        if others:
            yield f"            matched random cuts reduced it by {others}"
    yield f"            {_REDUCED[made.reduced]} (at least {_percent(made.at_least)} asked)"
    for cost in made.costs:
        yield f"  cost      {cost.title}: {change(cost)}: {within(cost)}"
        if made.random:
            yield f"            matched random cuts: {random_changes(made, cost)}"
    if made.changed_decisions is not None:
        yield (
            f"  decisions {made.changed_decisions} of {made.reference_cases} changed where cases are written with the "
            "reference value"
        )
    yield f"  verdict   {verdict(made)}"
    yield from (f"  limit     {limit}" for limit in made.limits)


def verdict(made: Pruned) -> str:
    """Return the outcome in a sentence."""
    gap = {
        "reduced": f"The gap was reduced by at least {_percent(made.at_least)} on these cases",
        "undecided": f"Whether the gap was reduced by {_percent(made.at_least)} is undecided on these cases",
        "not reduced": f"The gap was not reduced by {_percent(made.at_least)} on these cases",
        "not assessed": "The gap of the copy was not assessed",
    }[made.reduced]
    cost = {
        "equivalent": f"what else was measured stayed within {points(made.margin)}",
        "undecided": f"whether what else was measured stayed within {points(made.margin)} is undecided",
        "not equivalent": f"something else moved by more than {points(made.margin)}",
        "not assessed": "what it cost elsewhere was not assessed",
    }[made.equivalence]
    return f"{gap}, and {cost}."


def cut(made: Pruned) -> str:
    """Return what was cut."""
    if made.cut.kind == "parts":
        return f"{_KINDS['parts']}: {', '.join(made.cut.parts)}"
    repair = "" if made.cut.kind != "repaired" or made.cut.ridge is not None else " (no repair held on rows left out)"
    return f"{_KINDS[made.cut.kind]}{repair}, rank {made.cut.rank}, folded into {made.cut.site}"


def reduction(made: Pruned, number: int) -> str:
    """Return how far one gap fell."""
    b = made.behaviours[number]
    before = f"{b.before.value:+.4f} before"
    if b.after is None:
        return f"{before}, the copy is not assessed: {made.not_assessed or 'the check has no such comparison'}"
    share = b.reduction
    fell = "by a share that is not assessed, because the gap is not told from nothing on these rows"
    if share is not None:
        fell = f"by {_percent(share.value)}{_within(share)}"
        if share.value < 0:
            interval = _within(share).replace("interval", "interval of the reduction")
            fell = f"by nothing: it grew by {_percent(-share.value)}{interval}"
    return f"{before}, {b.after.value:+.4f} after: reduced {fell} on these cases"


def change(cost: Cost) -> str:
    """Return how far a cost moved."""
    digits = 3 if cost.unit == "ratio" else 1
    before, after = (
        (f"{cost.before:.{digits}f}", f"{cost.after:.{digits}f}")
        if cost.unit == "ratio"
        else (_percent(cost.before), _percent(cost.after))
    )
    interval = ""
    if cost.change.low is not None and cost.change.high is not None:
        interval = f", 95 % interval {_amount(cost.change.low, cost)} to {_amount(cost.change.high, cost)}"
    return f"{before} → {after} ({_amount(cost.change.value, cost)}{interval})"


def within(cost: Cost) -> str:
    """Return whether a cost stayed within the margin, and whether that decides."""
    if cost.decides or cost.outcome == "not equivalent":
        return _EQUIVALENCE[cost.outcome]
    return "within the margin" if cost.outcome == "equivalent" else "not shown to leave the margin, nor to keep it"


def random_changes(made: Pruned, cost: Cost) -> str:
    """Return how far the matched random cuts moved a cost."""
    return ", ".join(_amount(r.changes[cost.name], cost) for r in made.random)


def points(share: float) -> str:
    """Return a margin in points."""
    return f"{100 * share:g} point{'' if share == 0.01 else 's'}"


def markdown(made: Pruned) -> str:
    """Return a page that says the same as the terminal, for whoever finds the folder."""
    out = [f"# A copy of {_cell(Path(made.base_model).name)} with a behaviour cut", "", verdict(made), ""]
    out += [
        f"Cut of {_cell(made.attribute)}, measured by the check `{made.check}` of the policy `{made.policy}`.",
        f"What was cut: {_cell(cut(made))}.",
        f"Fitted on {made.rows['fitted']} rows, measured on {made.rows['held_out']} others.",
        f"Made on {made.made_on} by Inspectoscope {made.tool}.",
        "",
        "| gap | before | after | reduced on these cases | matched random cuts |",
        "| --- | --- | --- | --- | --- |",
    ]
    for number, b in enumerate(made.behaviours):
        share = "not assessed" if b.reduction is None else f"{_percent(b.reduction.value)}{_within(b.reduction)}"
        after = f"not assessed: {_cell(made.not_assessed)}" if b.after is None else f"{b.after.value:+.4f}"
        randoms = ", ".join(_random_reduction(r, number) for r in made.random) or "none"
        out.append(
            f"| {_cell(b.group)} against {_cell(b.reference)} | {b.before.value:+.4f} | {after} | {share} | {randoms} |"
        )
    out += ["", "| cost | change | outcome | matched random cuts |", "| --- | --- | --- | --- |"]
    for c in made.costs:
        out.append(f"| {_cell(c.title)} | {change(c)} | {within(c)} | {random_changes(made, c) or 'none'} |")
    out += ["", "## What this does not show", "", *(f"- {limit}" for limit in made.limits), ""]
    out += [f"Original {made.base_digest}, copy {made.copy_digest}. All numbers are in prune.json.", ""]
    return "\n".join(out)


def _random_reduction(random: RandomCut, number: int) -> str:
    remaining = random.remaining[number]
    return "not assessed" if remaining is None else _percent(1 - abs(remaining))


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %".replace(".0 %", " %")


def _amount(share: float, cost: Cost) -> str:
    # A random cut may ruin a causal model by more orders of magnitude than a line holds.
    return f"{100 * share:+.3g} %" if cost.unit == "ratio" else f"{100 * share:+.2f} points"


def _within(value: Value) -> str:
    if value.low is None or value.high is None:
        return ""
    return f" (95 % interval {_percent(value.low)} to {_percent(value.high)})"


def _cell(text: str) -> str:
    """Return outside text so that it can end no cell, open no tag and hide nothing."""
    return printable(text).replace("|", "\\|").replace("<", "&lt;")
