"""Writes a comparison as a comment on a pull request: the outcome first, then what got worse, with intervals.

GitHub takes comments of up to 65,536 characters; this stays below 60,000 bytes and counts what it leaves out. The first
line is a mark by which a later run finds its own comment and replaces it. Everything from outside is escaped down to
its letters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from audit.report import view
from audit.report.changes import wording
from audit.report.changes.wording import SHIFT_SIGNS, ChangeView
from audit.report.markdown import code, escaped
from audit.types import Comparison, Difference, MeasuredChange, Shift, Side

MARK = "<!-- inspectoscope: changes -->"
"""The first line, by which a comment is found again."""

MOST_BYTES = 60_000

NOT_MEANT = (
    "“Worse beyond noise” says that sampling alone seldom moves a number that far; it does not say why the number "
    "moved, nor that the change matters. No change shown does not mean no change."
)


def render(comparison: Comparison) -> bytes:
    """Return ``changes.md``."""
    sign = "✖" if comparison.regressions else "–"
    head = [
        MARK,
        f"## {sign} {wording.headline(comparison)}",
        "",
        " ".join((wording.tested(comparison), wording.rest(comparison))).strip(),
        wording.explained_by(comparison),
        "",
        f"Before: {_side(comparison.old)}  ",
        f"Now: {_side(comparison.new)}",
    ]
    foot = [
        "",
        NOT_MEANT,
        "",
        "This comment is not a conformity assessment, certificate or legal advice.",
        "",
    ]
    room = MOST_BYTES - len("\n".join([*head, *foot]).encode("utf-8"))
    body: list[str] = []
    for section in _sections(comparison):
        fitted = _fitted(section, room)
        room -= sum(len(line.encode("utf-8")) + 1 for line in fitted)
        body += fitted
    return "\n".join([*head, *body, *foot]).encode("utf-8")


def _sections(comparison: Comparison) -> Iterator[list[str]]:
    """Yield sections in the order of what matters; each ends its own fold, which is its last line."""
    if comparison.regressions:
        yield _table("### Got worse", ("What", "Before", "Now", "Change"), _worse(comparison), fold=False)
    yield _table(
        f"Beside the numbers: {len(comparison.differences)} differences",
        ("What", "Before", "Now"),
        map(_difference, comparison.differences),
    )
    others = [v for v in comparison.verdicts if not v.regression]
    yield _table(
        f"Verdicts that changed otherwise: {len(others)}",
        ("Criterion", "Before", "Now"),
        (
            (escaped(_named(v.check_title, v.metric_title), 200), view.VERDICT_WORDS[v.old], view.VERDICT_WORDS[v.new])
            for v in others
        ),
    )
    yield _table(
        f"New: {len(comparison.appeared)}",
        ("Check", "What"),
        ((escaped(a.check_title, 200), escaped(a.what, 300)) for a in comparison.appeared),
    )
    for shift in (Shift.UNTESTED, Shift.BETTER, Shift.MIRRORED, Shift.NOISE):
        those = comparison.shifted(shift)
        title = f"{wording.SHIFT_WORDS[shift].capitalize()}: {len(those)}"
        yield _table(title, ("What", "Before", "Now", "Change"), map(_number, those))


def _worse(comparison: Comparison) -> Iterator[Sequence[str]]:
    for v in comparison.verdicts:
        if v.regression:
            words = (view.VERDICT_WORDS[v.old], view.VERDICT_WORDS[v.new])
            yield f"✖ {escaped(_named(v.check_title, v.metric_title), 200)}", *words, escaped(v.new_reason, 300)
    yield from map(_number, comparison.shifted(Shift.WORSE))
    for loss in comparison.lost:
        told = escaped(wording.loss_sentence(loss), 400)
        yield f"○ {escaped(loss.check_title, 200)}", "shown", "not shown", told


def _number(change: MeasuredChange) -> Sequence[str]:
    shown = ChangeView(change=change)
    told = ", ".join(part for part in (shown.difference, shown.p, shown.note) if part)
    if change.shift is Shift.UNTESTED:
        told = change.why
    name = escaped(_named(change.check_title, shown.name), 300)
    return f"{SHIFT_SIGNS[change.shift]} {name}", *(escaped(cell, 200) for cell in (shown.old, shown.new, told))


def _named(check: str, what: str) -> str:
    return f"{check}: {what}" if what else check


def _difference(each: Difference) -> Sequence[str]:
    cells = (f"`{code(text[: wording.LONGEST])}`" if text else "" for text in (each.old, each.new))
    return escaped(f"{each.topic.value}, {each.what}", 200), *cells


def _table(title: str, columns: Sequence[str], rows: Iterator[Sequence[str]] | map, *, fold: bool = True) -> list[str]:  # type: ignore[type-arg]
    """Return a section: its title, its table, and what closes it; nothing where there are no rows."""
    told = [f"| {' | '.join(row)} |" for row in rows]
    if not told:
        return []
    table = [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}", *told]
    if fold:
        return ["", f"<details><summary>{title}</summary>", "", *table, "", "</details>"]
    return ["", title, "", *table, ""]


def _fitted(section: list[str], room: int) -> list[str]:
    """Return as much of a section as fits, and a count of the rows that do not."""
    if sum(len(line.encode("utf-8")) + 1 for line in section) <= room:
        return section
    start = next(i for i, line in enumerate(section) if line.startswith("| ")) + 2
    ends = section[-2:] if section[-1] == "</details>" else section[-1:]
    rows = section[start : len(section) - len(ends)]
    room -= sum(len(line.encode("utf-8")) + 1 for line in (*section[:start], *ends)) + 80
    kept: list[str] = []
    for row in rows:
        room -= len(row.encode("utf-8")) + 1
        if room < 0:
            break
        kept.append(row)
    return [*section[:start], *kept, "", f"{len(rows) - len(kept)} further rows are in `changes.json`.", *ends]


def _side(side: Side) -> str:
    model = f"model `{code(side.model)}` (`{side.model_digest[:12]}`)"
    policy = f"policy `{code(side.policy)}` {escaped(side.policy_version, 40)}"
    return f"{policy}, {model}, {view.when(side.created)}, record `{side.record_sha256[:12]}`"
