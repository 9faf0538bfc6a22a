"""An explanation in a few lines, for whoever asked for it on a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from audit.explanation import Explanation
from audit.report.explanation import wording


def lines(e: Explanation) -> Iterator[str]:
    """Yield what was decided, what counted or why that is not said, and what must not matter and did."""
    yield f"{e.case.id} ({e.case.source})"
    yield f"  {wording.decision(e)}"
    for factor in wording.reasons(e):
        yield f"  counted: {factor.name}. {factor.sentence}"
    if e.refused:
        yield f"  {wording.heading(e, 'refused')}"
        yield from (f"  {why}" for why in wording.refusal(e))
    yield from (f"  must not matter: {wording.flag(e, factor)}" for factor in e.moved)
    yield from (f"  would have turned it: {wording.change(found)}" for found in e.search.found)
