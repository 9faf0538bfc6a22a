"""Says in a few lines what an audit found, for whoever started it and is still watching."""

from __future__ import annotations

import textwrap

from audit.record import Record
from audit.report import findings, freezing, view, waivers
from audit.report.findings import CheckView
from audit.text import printable
from audit.types import Verdict

WIDTH = 100
INDENT = " " * 4
LONGEST_NAME = 150
LONGEST_TEXT = 500


def terminal_summary(record: Record) -> str:
    """Return the verdict of every check with the line that decides it, and the count of verdicts."""
    checks = findings.checks(record)
    told = [line for check in checks for line in _told(check)]
    frozen = textwrap.wrap(_text(freezing.told(record)), WIDTH, break_on_hyphens=False)
    return "\n".join([*told, *_waived(record), *frozen, "", findings.counted(checks)])


def _waived(record: Record) -> list[str]:
    return [
        line
        for waiver in waivers.views(record)
        for line in textwrap.wrap(_text(waiver.told), WIDTH, subsequent_indent=INDENT, break_on_hyphens=False)
    ]


def _told(check: CheckView) -> list[str]:
    part = check.part
    where = f"{part.place.path}:{part.place.line}"
    verdict = f"{view.VERDICT_SIGNS[part.verdict]} {view.VERDICT_WORDS[part.verdict]}"
    lines = [f"{verdict}: {_text(part.title, LONGEST_NAME)} ({_text(where, LONGEST_NAME)})"]
    # A number within its bound that is not called met needs its reason beside it.
    why = (part.reason,) if part.verdict is Verdict.INCONCLUSIVE or not check.headlines else ()
    for sentence in (*check.headlines, *why):
        lines += textwrap.wrap(
            view.sentence(_text(sentence)),
            WIDTH,
            initial_indent=INDENT,
            subsequent_indent=INDENT,
            break_on_hyphens=False,
        )
    return lines


def _text(text: str, most: int = LONGEST_TEXT) -> str:
    return printable(text)[:most]
