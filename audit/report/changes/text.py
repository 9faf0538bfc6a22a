"""Writes a comparison for a terminal or a log: what got worse first, one line each."""

from __future__ import annotations

from collections.abc import Iterator

from audit.report import page, view
from audit.report.changes import wording
from audit.report.changes.wording import ChangeView
from audit.text import printable
from audit.types import Comparison, Shift, Side

LISTED = 40
"""Lines of one kind that are printed; the rest is counted."""


def render(comparison: Comparison) -> bytes:
    """Return ``changes.txt``."""
    return ("\n".join(map(printable, lines(comparison))) + "\n").encode("utf-8", "replace")


def lines(comparison: Comparison) -> list[str]:
    """Return the comparison line by line; text from outside is not yet made printable."""
    return [
        wording.headline(comparison),
        f"  {wording.tested(comparison)} {wording.rest(comparison)}".rstrip(),
        f"  {wording.explained_by(comparison)}",
        f"  before: {_side(comparison.old)}",
        f"  now:    {_side(comparison.new)}",
        *_listed("Got worse", _worse(comparison)),
        *_listed("Differs beside the numbers", _differences(comparison)),
        *_listed(
            "Verdicts that changed otherwise",
            (f"{v.check_title}: {wording.verdict_sentence(v)}" for v in comparison.verdicts if not v.regression),
        ),
        *_listed("Not tested", _numbers(comparison, Shift.UNTESTED)),
        *_listed("Better", _numbers(comparison, Shift.BETTER)),
        *_listed("The same seen from the other group", _numbers(comparison, Shift.MIRRORED)),
        *_listed("New", (f"{each.check_title}: {each.what}" for each in comparison.appeared)),
        *_listed("Not assessed in either run", iter(comparison.unassessed)),
    ]


def _worse(comparison: Comparison) -> Iterator[str]:
    for verdict in comparison.verdicts:
        if verdict.regression:
            yield f"✖ {verdict.check_title}: {wording.verdict_sentence(verdict)}"
    yield from (f"✖ {told}" for told in _numbers(comparison, Shift.WORSE))
    for loss in comparison.lost:
        yield f"○ {loss.check_title}: {wording.loss_sentence(loss)}"


def _numbers(comparison: Comparison, shift: Shift) -> Iterator[str]:
    for change in comparison.shifted(shift):
        yield f"{change.check_title}: {ChangeView(change=change).sentence}"


def _differences(comparison: Comparison) -> Iterator[str]:
    for each in comparison.differences:
        old, new = (page.shortened(text, wording.LONGEST) for text in (each.old, each.new))
        yield f"{each.topic.value}, {each.what}: {f'{old} → {new}' if old else new or f'{old} → nothing'}"


def _listed(title: str, told: Iterator[str]) -> list[str]:
    every = list(told)
    if not every:
        return []
    more = [f"  … and {len(every) - LISTED} more"] if len(every) > LISTED else []
    return ["", title, *(f"  {line}" for line in every[:LISTED]), *more]


def _side(side: Side) -> str:
    model = f"model {side.model} ({side.model_digest[:12]})"
    return f"{side.policy} {side.policy_version}, {model}, {view.when(side.created)}, record {side.record_sha256[:12]}"
