"""Numbers that are measured from both sides: a gap of A against B, and the same gap of B against A.

Where only one side of no effect is bad, any change of such a gap is worse in one of its rows and better in the other.
Which of the two is the news is said by the gap itself. Where it is shown to have come nearer to no effect, the row that
got better tells it and the other mirrors that one; where it is shown to have gone farther, the row that got worse does.
Where neither is shown, because it is not known on which side of no effect the gap lies, both rows stand as they are: a
comparison must not lose a regression to a doubt. So they do where the gap turned, beyond its bound on one side before
and on the other now: then another group is at a disadvantage than was.

Both rows count in Holm's correction. Each tests one side and either can be rejected, so together they are the two-sided
test of one gap; counted once, a gap that did not change would be reported twice as often as the level allows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal, TypeAlias

from audit.types import ALPHA, MeasuredChange, Measurement, Mirror, Shift, Worse

Key: TypeAlias = tuple[str, str, str, str]
"""Metric, group, reference and stratum: what names a number within a check."""

Gap: TypeAlias = Literal["nearer", "farther", "turned", "unclear"]

SAME = 1e-9
"""Share of a value (or of one, where it is smaller) within which two rows say the same."""

_TOLD_BY = {(Shift.WORSE, "nearer"): Shift.BETTER, (Shift.BETTER, "farther"): Shift.WORSE}
"""What is said of a row, and how its gap moved, when the mirrored row tells it; and what is said of that one."""


def found(key: Key, old: Mapping[Key, Measurement], new: Mapping[Key, Measurement]) -> Mirror | None:
    """Return the row that says the same with both groups swapped, in both runs; None where there is none.

    The same name is not enough: a probe trained on A and tested on B is another number than one trained on B.
    """
    metric, group, reference, stratum = key
    swapped = (metric, reference, group, stratum)
    if not reference or swapped not in old or swapped not in new:
        return None
    if not all(_same(side[key], side[swapped]) for side in (old, new)):
        return None
    return Mirror(group=reference, reference=group)


def _same(one: Measurement, other: Measurement) -> bool:
    """Whether two numbers are one seen from two sides: opposite differences, or a ratio and 1 over it."""
    null = one.null
    if one.worse is Worse.AWAY or null is None or (one.worse, null) != (other.worse, other.null):
        return False
    if math.isclose(one.value - null, null - other.value, rel_tol=SAME, abs_tol=SAME):
        return True
    return null == 1 and math.isclose(one.value * other.value, 1, rel_tol=SAME)


def gap(old: Measurement, new: Measurement, *, farther: float, nearer: float, distance: float) -> Gap:
    """Say how the gap moved, by the p-values of "no farther from no effect" and "no nearer to it".

    They are doubled for a change that may go either way; here the way is known, and only on which side of no effect
    the gap lies is not. They are not corrected for how many numbers there are, because this only tells apart two rows
    of which one is reported anyway. A laxer level would find more gaps that closed, at the price of regressions: at
    .10, 7 of 100 that ``benchmarks/diff.py`` plants on the same rows are lost, at .025 none. ``distance`` is how far
    the bound lies from no effect; a gap that no criterion binds never turns.
    """
    if min(farther, nearer) > 2 * ALPHA:
        return "unclear"
    before, after = (m.value - (m.null or 0.0) for m in (old, new))
    if before * after < 0 and min(abs(before), abs(after)) > distance:
        return "turned"
    return "farther" if farther < nearer else "nearer"


def told(those: Sequence[MeasuredChange]) -> list[MeasuredChange]:
    """Return the changes of one family, those that another row tells marked as its mirrors."""
    rows = {_row(change, change.new.group, change.new.reference): change for change in those}
    out = []
    for change in those:
        of = change.mirror
        other = None if of is None else rows.get(_row(change, of.group, of.reference))
        mirrored = other is not None and of is not None and _TOLD_BY.get((change.shift, of.gap)) is other.shift
        out.append(replace(change, shift=Shift.MIRRORED) if mirrored else change)
    return out


def _row(change: MeasuredChange, group: str, reference: str) -> tuple[str, str, str, str, str]:
    return change.check, change.metric.name, group, reference, change.new.stratum
