"""Which behaviour is cut: the gaps that the policy's own check shows in the original, on all rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from audit import pipeline
from audit.checks._rewriting.swapping import comparisons
from audit.errors import user_error
from audit.progress import Progress
from audit.pruning import measuring
from audit.pruning.outcome import NothingToCut
from audit.types import Finding, Measurement, NotAssessed, PlannedCheck, Policy

if TYPE_CHECKING:
    from audit.capture.model import LoadedModel

BEHAVIOUR = "counterfactual"
"""The check type whose swap says what is to be cut."""

_GAP, _SIZE = "score_gap", "absolute_gap"


@dataclass(frozen=True, kw_only=True)
class Target:
    """The gaps that are to be cut: of one attribute, all in one metric."""

    attribute: str
    metric: str
    groups: tuple[str, ...]
    left: tuple[str, ...] = ()
    """Other attributes with a gap, which this cut is not about."""


def chosen(policy: Policy, name: str | None) -> PlannedCheck:
    """Return the check with an id, or the first that swaps.

    Raises
    ------
    UserError
        When the policy has none, or decides by what is read at no one place.
    """
    possible = [check for check in policy.checks if check.check == BEHAVIOUR]
    found = next((check for check in possible if name in {None, check.id}), None)
    if found is None:
        raise user_error(
            "There is no behaviour to cut",
            where=policy.path if name is None else "--check",
            found=f"no check of the type {BEHAVIOUR}" if name is None else f"{name!r}",
            expected=f"a check of the type {BEHAVIOUR}, whose swap says what is to be cut"
            + (f": {', '.join(check.id for check in possible)}" if possible else ""),
        )
    if not policy.decision.decides:
        raise user_error(
            "The behaviour cannot be cut",
            where=policy.decision_place,
            found="a decision by the likelihood of whole texts, which every token has a part in",
            expected="classes or answers: a place in the text at which the decision is read",
        )
    return found


def target(
    policy: Policy, check: PlannedCheck, loaded: LoadedModel, root: Path, progress: Progress
) -> Target | NothingToCut:
    """Return the gaps that the original shows on all rows.

    Raises
    ------
    UserError
        When the check does not assess the model.
    """
    from audit.capture.cost import Cost

    data = policy.datasets[check.data]
    _, outcomes = pipeline.capture(measuring.restricted(policy, check, data), loaded, root, progress, Cost())
    found = outcomes[check.id]
    if isinstance(found, NotAssessed):
        raise user_error(
            "The behaviour cannot be measured",
            where=check.place,
            found=f"not assessed: {found.reason}",
            expected="a model that does the task, on rows that show whether it does",
        )
    bounds = {metric: bound for c in check.criteria for metric, bound in c.bounds.items() if c.relation == "at_most"}
    attribute_of = _attributes(check, policy)
    shown = [m for m in _comparisons(found, _GAP) if _shows(m, bounds.get(_GAP, 0.0))]
    if not shown and _SIZE in bounds:
        # Gaps that cancel in the mean: each is as wrong as if it stood alone.
        shown = [m for m in _comparisons(found, _SIZE) if (m.low if m.low is not None else m.value) > bounds[_SIZE]]
    if not shown:
        return NothingToCut(check=check.id, reasons=tuple(_said(m) for m in _comparisons(found, _GAP)))
    largest = max(shown, key=lambda m: abs(m.value))
    attribute = attribute_of[largest.group]
    return Target(
        attribute=attribute,
        metric=largest.metric,
        groups=tuple(m.group for m in shown if attribute_of[m.group] == attribute),
        left=tuple(sorted({attribute_of[m.group] for m in shown} - {attribute})),
    )


def _comparisons(found: Finding, metric: str) -> list[Measurement]:
    return [m for m in found.measurements if m.metric == metric and not m.stratum]


def _shows(gap: Measurement, bound: float) -> bool:
    """Whether a gap is told from nothing, and not shown to lie within what the policy allows."""
    low, high = (gap.value if x is None else x for x in (gap.low, gap.high))
    return not low <= 0 <= high and not (-bound <= low and high <= bound)


def _said(gap: Measurement) -> str:
    interval = "every case" if gap.low is None else f"95 % interval {gap.low:+.4f} to {gap.high:+.4f}"
    return f"“{gap.group}” against {gap.reference}: mean score gap {gap.value:+.4f} ({interval})"


def _attributes(check: PlannedCheck, policy: Policy) -> dict[str, str]:
    data = policy.datasets[check.data]
    return {c.group: name for name, swap in check.params.swap.items() for c in comparisons(swap, (), data)}
