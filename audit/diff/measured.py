"""Every number that both runs have, and whether it changed beyond noise.

The hypothesis is one-sided: the new value lies no farther on its bad side than the old one. It is tested at .025 after
Holm's correction over every judged number of the policy, so that a model that did not change is reported worse
in at most 2.5 of 100 comparisons, however many numbers there are. The bad side is the metric's own (``worse``), not
that of a bound. Where both sides are bad, the hypothesis is that the new value lies no farther from the null value:
it is rejected where the new value is shown to lie beyond the old one *and* beyond its mirror image, on either side.
Of two rows that are one gap seen from two sides, one is told (``mirrors``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from scipy.special import ndtri

from audit import laws
from audit.diff import contrasts, mirrors
from audit.diff.contrasts import Contrast
from audit.diff.mirrors import Key
from audit.holm import holm
from audit.record import CheckPart
from audit.types import (
    ALPHA,
    CONFIDENCE,
    FEWEST_CLUSTERS,
    MeasuredChange,
    Measurement,
    Mirror,
    Shift,
    Worse,
)

FEW = f"it rests on fewer than {FEWEST_CLUSTERS} clusters, which claim nothing beyond the cases tested"
OTHER_ROWS = "it is exact, and the rows are not the same: there is no error to compare the change with"


def by_key(check: CheckPart) -> Mapping[Key, Measurement]:
    """Return the measurements of a check by what names them; of two with one name, the first."""
    out: dict[Key, Measurement] = {}
    for m in check.measurements:
        out.setdefault((m.metric, m.group, m.reference, m.stratum), m)
    return out


def bound_metrics(*checks: CheckPart) -> frozenset[str]:
    """Return the metrics that a criterion of any of the checks binds."""
    return frozenset(name for check in checks for criterion in check.criteria for name in criterion.bounds)


def distances(old: CheckPart, new: CheckPart) -> Mapping[str, float]:
    """Return how far each bound metric's bound lies from no effect (or from 0): the least, where there are several.

    The new run's bounds count; the old one's only where the new run has none.
    """
    nulls = {metric.name: metric.null or 0.0 for check in (old, new) for metric in check.metrics}
    out: dict[str, float] = {}
    for check in (new, old):
        found: dict[str, float] = {}
        for name, bound in (item for criterion in check.criteria for item in criterion.bounds.items()):
            found[name] = min(found.get(name, math.inf), abs(bound - nulls.get(name, 0.0)))
        out = found | out
    return out


def changes(old: CheckPart, new: CheckPart, *, same_rows: bool, margin: float) -> list[MeasuredChange]:
    """Return every number that both checks have, not yet corrected for how many there are.

    ``margin`` is the share of a bound's distance from no effect that a judged change must exceed.
    """
    judged, before, after = distances(old, new), by_key(old), by_key(new)
    metrics = {metric.name: metric for metric in new.metrics}
    out = []
    for key, m in after.items():
        then = before.get(key)
        if then is None or key[0] not in metrics or not comparable(then, m):
            continue
        change = MeasuredChange(
            check=new.id,
            check_title=new.title,
            metric=replace(metrics[key[0]], unit=m.unit),
            old=then,
            new=m,
            judged=key[0] in judged,
            how="none",
            difference=m.value - then.value,
            margin=margin * judged.get(key[0], 0.0),
            shift=Shift.UNTESTED,
            mirror=mirrors.found(key, before, after),
        )
        out.append(_light(_compared(change, same_rows=same_rows, distance=judged.get(key[0], math.inf))))
    return out


def _light(change: MeasuredChange) -> MeasuredChange:
    """Return the change without what each cluster contributed: the records keep that."""
    return replace(change, old=replace(change.old, jackknife=None), new=replace(change.new, jackknife=None))


def comparable(old: Measurement, new: Measurement) -> bool:
    """Whether two numbers mean the same: in one unit, bad on one side, with one null value."""
    return (old.unit, old.worse, old.null) == (new.unit, new.worse, new.null)


def _compared(change: MeasuredChange, *, same_rows: bool, distance: float = math.inf) -> MeasuredChange:
    old, new = change.old, change.new
    if old.exact and new.exact:
        if not same_rows:
            return replace(change, why=OTHER_ROWS)
        shift = _moved(old, new, change.margin)
        return replace(
            change, how="exact", shift=shift, mirror=_with_gap(change, lambda: _moved_away(change), distance)
        )
    if any(not m.exact and (m.n if m.clusters is None else m.clusters) < FEWEST_CLUSTERS for m in (old, new)):
        return replace(change, why=FEW)
    minus, plus, how = _contrasts(old, new, same_rows=same_rows)
    step = change.margin + (contrasts.step(old, new) if how == "paired" else 0.0)
    worse, better = _p_values(old, new, minus, plus, step)
    low, high = contrasts.interval(minus)
    return replace(
        change,
        how=how,
        low=low,
        high=high,
        confidence=CONFIDENCE,
        p_worse=worse,
        p_better=better,
        shift=Shift.NOISE,
        mirror=_with_gap(change, lambda: _p_away(old, minus, plus, step), distance),
    )


def _with_gap(change: MeasuredChange, p_away: Callable[[], tuple[float, float]], distance: float) -> Mirror | None:
    """Return the change's mirror, with how the gap between both moved."""
    if change.mirror is None:
        return None
    farther, nearer = p_away()
    gap = mirrors.gap(change.old, change.new, farther=farther, nearer=nearer, distance=distance)
    return replace(change.mirror, gap=gap)


def _contrasts(
    old: Measurement, new: Measurement, *, same_rows: bool
) -> tuple[Contrast, Contrast, Literal["paired", "independent"]]:
    """Return the laws of new minus old and of new plus old, in pairs where the records allow it."""
    minus, plus = (contrasts.paired(old, new, sign) for sign in _SIGNS) if same_rows else (None, None)
    if minus is not None and plus is not None:
        return minus, plus, "paired"
    apart, together = (contrasts.independent(old, new, sign) for sign in _SIGNS)
    return apart, together, "independent"


_SIGNS: tuple[contrasts.Sign, contrasts.Sign] = (-1, 1)


def _moved(old: Measurement, new: Measurement, margin: float) -> Shift:
    """Compare two exact values of the same rows."""
    gain = _badness(new) - _badness(old)
    if _rounding(old, new) or abs(gain) <= margin:
        return Shift.NOISE
    return Shift.WORSE if gain > 0 else Shift.BETTER


def _moved_away(change: MeasuredChange) -> tuple[float, float]:
    """Return 0 for whichever of "no farther" and "no nearer" two exact values refute, else 1."""
    gone = _distance(change.new) - _distance(change.old)
    return float(gone <= change.margin), float(-gone <= change.margin)


def _badness(m: Measurement) -> float:
    """Return a number that is larger the worse the value is."""
    if m.worse is Worse.AWAY:
        return _distance(m)
    return m.value if m.worse is Worse.HIGHER else -m.value


def _distance(m: Measurement) -> float:
    return abs(m.value - (m.null or 0.0))


def _rounding(old: Measurement, new: Measurement) -> bool:
    return math.isclose(old.value, new.value, rel_tol=contrasts.ROUNDING, abs_tol=contrasts.ROUNDING)


def _p_values(old: Measurement, new: Measurement, minus: Contrast, plus: Contrast, step: float) -> tuple[float, float]:
    """Return the p-values of "not worse" and of "not better", beyond ``step``; a change of rounding is neither."""
    if _rounding(old, new):
        return 1.0, 1.0
    if old.worse is Worse.AWAY:
        return _p_away(old, minus, plus, step)
    rise, fall = contrasts.p_greater(minus, step), contrasts.p_less(minus, -step)
    return (rise, fall) if old.worse is Worse.HIGHER else (fall, rise)


def _p_away(old: Measurement, minus: Contrast, plus: Contrast, step: float) -> tuple[float, float]:
    """Return the p-values of "no farther from the null value" and of "no nearer to it".

    New lies farther from 0 than old where new - old and new + old have the same sign, and nearer where they have
    opposite ones. Each needs two rejections (an intersection-union test, which needs no correction); that either
    sign will do is paid for by doubling.
    """
    centre = 2 * (old.null or 0.0)
    up, down = contrasts.p_greater(minus, step), contrasts.p_less(minus, -step)
    above, below = contrasts.p_greater(plus, centre + step), contrasts.p_less(plus, centre - step)
    farther = min(max(up, above), max(down, below))
    nearer = min(max(up, below), max(down, above))
    return min(1.0, 2 * farther), min(1.0, 2 * nearer)


# ---- over the whole policy -----------------------------------------------------------------------


def corrected(those: Sequence[MeasuredChange]) -> tuple[MeasuredChange, ...]:
    """Return the changes of one family with their p-values adjusted and what is said of each, worst news first."""
    tested = [change for change in those if change.p_worse is not None and change.p_better is not None]
    worse = holm([change.p_worse for change in tested if change.p_worse is not None])
    better = holm([change.p_better for change in tested if change.p_better is not None])
    adjusted = {id(c): pair for c, pair in zip(tested, zip(worse, better, strict=True), strict=True)}
    out = [_said(change, *adjusted[id(change)], len(tested)) if id(change) in adjusted else change for change in those]
    return tuple(sorted(mirrors.told(out), key=_news))


def _said(change: MeasuredChange, worse: float, better: float, tests: int) -> MeasuredChange:
    shift = Shift.WORSE if worse <= ALPHA else Shift.BETTER if better <= ALPHA else Shift.NOISE
    return replace(
        change,
        p_worse_adjusted=worse,
        p_better_adjusted=better,
        shift=shift,
        detectable=_detectable(change, tests),
    )


def _detectable(change: MeasuredChange, tests: int) -> float | None:
    """Return the change for the worse that has a chance of 80 % to be reported, to first order."""
    if change.low is None or change.high is None:
        return None
    level = ALPHA / max(tests, 1) / (2 if change.new.worse is Worse.AWAY else 1)
    half = (change.high - change.low) / 2
    return half / float(-ndtri(ALPHA)) * float(ndtri(laws.POWER) - ndtri(level))


_ORDER = (Shift.WORSE, Shift.UNTESTED, Shift.NOISE, Shift.MIRRORED, Shift.BETTER)


def _news(change: MeasuredChange) -> tuple[int, float]:
    """Sort key: what got worse first, then what could not be tested, each by its p-value."""
    return _ORDER.index(change.shift), 0.0 if change.p_worse is None else change.p_worse
