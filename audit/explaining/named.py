"""What the policy says must not matter, and what it did on this case: the counterfactual decides."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from audit.explaining.confirming import Others, Standpoint
from audit.explaining.frame import Frame
from audit.explanation import NamedFactor


def named(name: str, value: str, others: Others | None, at: Standpoint) -> NamedFactor:
    """Return what other values of a factor did to the decision.

    It moved the score where any other value did by more than the margin, or turned the decision. Where its values tell
    a protected attribute, as first names tell sex, the other groups' values are also held against the own group's: what
    is left is the attribute's, and not that of one name.
    """
    frame = at.frame
    tells = tuple(frame.tells.get(name, {}))
    if others is None or not len(others.log_odds):
        why = "no other value of it is known"
        return NamedFactor(
            field=name, label=frame.label(name), value=value, tells=tells, outcome="not assessed", why=why
        )
    effects = np.array([at.effect(x) for x in others.log_odds])
    turned = sum(at.turned(x) for x in others.log_odds)
    groups = _groups(name, value, dict(zip(others.values, effects.tolist(), strict=True)), frame)
    sizes = [float(np.abs(effects).max()), *(abs(effect) for effect in groups.values())]
    return NamedFactor(
        field=name,
        label=frame.label(name),
        value=value,
        tells=tells,
        outcome="moved the score" if turned or max(sizes) > frame.rules.margin else "no effect shown",
        effect=float(effects.mean()),
        largest=sizes[0],
        values=len(effects),
        turned=turned,
        groups=groups,
    )


def _groups(name: str, value: str, effects: Mapping[str, float], frame: Frame) -> dict[str, float]:
    """Return, for each attribute that the field tells, the other groups' mean effect over the own group's."""
    out = {}
    for attribute, group_of in frame.tells.get(name, {}).items():
        own = group_of.get(value)
        if own is None:
            continue
        same = [effect for other, effect in effects.items() if group_of[other] == own]
        different = [effect for other, effect in effects.items() if group_of[other] != own]
        if different:
            out[attribute] = float(np.mean(different) - (np.mean(same) if same else 0.0))
    return out
