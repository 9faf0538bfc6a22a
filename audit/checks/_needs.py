"""What a check needs of a policy; without it nothing runs."""

from __future__ import annotations

from audit.types import Decision, ParamProblem


def a_decision(decision: Decision, found: str = "a likelihood has no decisions") -> list[ParamProblem]:
    """Return the problem of a policy that decides nothing, in the words of the check; none where it decides."""
    if decision.decides:
        return []
    return [ParamProblem(at=("check",), found=found, expected="a model.decision with positive and negative")]
