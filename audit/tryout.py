"""Runs the examples that a check brings: a planted signal that it must find, and noise that it must not.

They need no model, take seconds, and say at a user's site whether a check, shipped or of one's own, does what it says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from audit import verdict
from audit.checks import _toy
from audit.errors import UserError, user_error
from audit.registry import CheckType, Example
from audit.types import Finding, NotAssessed, PlannedCheck, Verdict


@dataclass(frozen=True, kw_only=True)
class Tried:
    """How an example ended."""

    name: str
    held: bool
    said: str
    """What was expected and what came out, in words."""


def tried(check: CheckType) -> tuple[Tried, ...]:
    """Run every example of a check.

    Raises
    ------
    UserError
        When it has none: a check that finds nothing planted may find nothing at all.
    """
    examples = check.examples()
    if not examples:
        raise user_error(
            "There is nothing to try",
            where=check.name,
            found="a check without examples",
            expected="at least one planted signal that it finds, and noise that it does not find",
            do="write them in its function examples()",
        )
    return tuple(_tried(check, example) for example in examples)


def failed(check: CheckType, outcomes: tuple[Tried, ...]) -> UserError | None:
    """Return an error that names the examples that did not come out, or None."""
    wrong = [each for each in outcomes if not each.held]
    if not wrong:
        return None
    return user_error(
        "A check does not do what it says",
        where=check.name,
        found=", ".join(each.name for each in wrong),
        expected="every example to come out as it says",
        do="mend the check, or the example",
    )


def _tried(check: CheckType, example: Example) -> Tried:
    params = check.params.model_validate(dict(example.params))
    if problems := check.problems(params, example.data, example.decision):
        first = problems[0]
        return Tried(name=example.name, held=False, said=f"its parameters are refused: {first.found}")
    run = check.run(params, example.data, example.decision, np.random.default_rng(0))
    outcome = _toy.drive(run, example.model)
    said = list(_said(check, example, params, outcome))
    return Tried(name=example.name, held=all(held for held, _ in said), said="; ".join(words for _, words in said))


def _said(
    check: CheckType, example: Example, params: object, outcome: Finding | NotAssessed
) -> Iterator[tuple[bool, str]]:
    if example.verdict is not None:
        reached = _judged(check, example, params, outcome)
        same = reached is example.verdict
        words = f"{example.verdict.value}" if same else f"{example.verdict.value} expected, {reached.value} reached"
        yield same, words
    if example.holds is not None:
        held = isinstance(outcome, Finding) and example.holds(outcome)
        yield held, "what it says of the finding " + ("holds" if held else "does not hold")


def _judged(check: CheckType, example: Example, params: object, outcome: Finding | NotAssessed) -> Verdict:
    planned = PlannedCheck(
        id="it",
        check=check.name,
        title=check.title,
        data=example.data.name,
        params=params,
        criteria=example.criteria,
        seed=0,
        place=_toy.PLACE,
    )
    may = check.judgeable(params)
    metrics = {m.name: replace(m, descriptive=m.name not in may) for m in check.metrics}
    judged, _ = verdict.judge({"it": outcome}, [planned], [], {"it": metrics})
    return judged["it"].verdict or Verdict.NOT_ASSESSED
