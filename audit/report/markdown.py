"""Writes ``summary.md`` for the summary page of a CI run: the verdicts first, then a table.

Everything from outside is escaped down to its letters, so that a group named ``[click](http://…)`` or
``@everyone`` stays a name. GitHub refuses summaries of more than 1 MiB; this stays below 900 kB.

What to read is linked to where it lies, beside this file. The targets stand at the end, one to a line
(``[report.html]: report.html``), so that a pipeline that shows the text elsewhere can put its own there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from audit.record import Record
from audit.report import findings, freezing, page, view, waivers
from audit.report.findings import CheckView, Line
from audit.text import printable
from audit.types import Place, Verdict

MOST_BYTES = 900_000

MOST_WAIVERS = 12
"""Waivers that are told in full: a comment has little room, and its other lines must stay."""

TO_READ = ("report.html", "report.pdf", "record.json")
"""Files that the text links to, by their names in the output folder."""

MOST_HAZARDS = 100

_SPECIAL = re.compile(r"""[\\`*_{}\[\]<>#+!|~@:/&"^$=]|(?<=[A-Za-z])\.""")
"""What Markdown, HTML or a link finder could act on; dots too, where they could join a host name."""


def render(record: Record) -> bytes:
    """Return ``summary.md``."""
    checks = findings.checks(record)
    head = "\n".join(["## " + title(record), "", *heading(record, checks)])
    foot = "\n".join([*_hazards(record), "", *closing(record)])
    table = fitting([row for check in checks for row in rows(check)], MOST_BYTES - _size(head, foot))
    return "\n".join([head, *table, foot]).encode("utf-8")


def title(record: Record) -> str:
    """Return the policy's title, escaped."""
    return escaped(record.policy.title, 300)


def heading(record: Record, checks: Sequence[CheckView]) -> list[str]:
    """Return the verdicts, counted, and what they are about."""
    about = [
        f"Model `{code(record.model.name)}`",
        f"policy `{code(record.policy.path)}`",
        view.when(record.created),
    ]
    counts = f"**{findings.counted(checks)}** There is no overall score."
    return [counts, "", " · ".join(about), "", *waived(record)]


def waived(record: Record) -> list[str]:
    """Return the waivers, each in a line; nothing where there is none."""
    lines = [f"- {escaped(waiver.told, 900)}" for waiver in waivers.views(record)]
    if not lines:
        return []
    more = [f"- {len(lines) - MOST_WAIVERS} further waivers are in `record.json`."] * (len(lines) > MOST_WAIVERS)
    return ["**Waivers** (none changes a verdict)", "", *lines[:MOST_WAIVERS], *more, ""]


def closing(record: Record) -> list[str]:
    """Return where to read on, what the text follows from, and what it is not."""
    html, pdf, numbers = (f"[{name}]" for name in TO_READ)
    return [
        f"To read: {html} and {pdf} (for people, with the evidence), {numbers} (every number).",
        f"Record SHA-256 `{page.identity(record).digest}`.{_place(record)}",
        "",
        escaped(freezing.told(record), 1_500),
        "",
        "This summary is not a conformity assessment, certificate or legal advice.",
        "",
        *(f"[{name}]: {name}" for name in TO_READ),
        "",
    ]


def _hazards(record: Record) -> list[str]:
    """Return the hazards with their verdicts: one can stay open although every check is met."""
    if not record.requirements:
        return []
    shown = [
        f"- {view.VERDICT_SIGNS[hazard.verdict]} {view.VERDICT_WORDS[hazard.verdict]}: {escaped(hazard.text, 300)}"
        + (f" ({escaped(hazard.reason, 300)})" if hazard.reason else "")
        for hazard in record.requirements[:MOST_HAZARDS]
    ]
    more = len(record.requirements) - len(shown)
    return ["", "**Hazards**", "", *shown, *([f"- {more} further hazards are in `record.json`."] if more else [])]


def _place(record: Record) -> str:
    place = record.history
    return "" if place is None else f" Run {place.number} of its history, head `{code(place.head)}`."


def fitting(lines: Sequence[str], room: int) -> list[str]:
    """Return a table with as many rows as fit into ``room`` bytes, and a count of the others."""
    head = ["| Check | Verdict | Measured [95 % interval] | Bound | Policy line |", "| --- | --- | --- | --- | --- |"]
    room -= _size(*head) + 200
    kept: list[str] = []
    for row in lines:
        room -= _size(row)
        if room < 0:
            return [*head, *kept, "", f"{len(lines) - len(kept)} further rows are in `record.json`."]
        kept.append(row)
    return [*head, *kept]


def _size(*lines: str) -> int:
    """Return how many bytes some lines take."""
    return sum(len(line.encode("utf-8")) + 1 for line in lines)


def rows(check: CheckView) -> list[str]:
    """Return a row of the table for each criterion of a check; one for a check that has none."""
    if check.criteria:
        return [
            _row(
                check,
                c.criterion.verdict,
                c.deciding,
                "; ".join(b for _, b in c.bounds),
                c.criterion.place,
                c.criterion.reason,
                c.sentences,
            )
            for c in check.criteria
        ]
    lead = (None, ()) if check.lead is None else (check.lead.line, (check.lead.told,))
    return [_row(check, check.part.verdict, lead[0], "none set", check.part.place, check.part.reason, lead[1])]


def _row(
    check: CheckView,
    verdict: Verdict | None,
    line: Line | None,
    bound: str,
    at: Place,
    reason: str,
    sentences: Sequence[str] = (),
) -> str:
    told = ". ".join(sentences) or (line.reading if line and line.measurement else reason)
    cells = (
        escaped(check.part.title, 200),
        f"{view.VERDICT_SIGNS[verdict]} {view.VERDICT_WORDS[verdict]}",
        escaped(told, 600),
        escaped(bound, 200),
        f"`{code(at.path)}:{at.line}`",
    )
    return f"| {' | '.join(cells)} |"


def escaped(text: str, most: int) -> str:
    """Return outside text with every character that Markdown or HTML could act on as an entity."""
    flat = page.shortened(printable(text.replace("\n", " ")), most).strip(" ")
    return _SPECIAL.sub(lambda found: f"&#{ord(found.group())};", flat)


def code(text: str) -> str:
    """Return outside text for a code span: it may hold anything but what ends the span or the cell."""
    return re.sub(r"[`|\\\r\n]", "·", page.shortened(printable(text), 300))
