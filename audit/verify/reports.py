"""Whether a PDF is the report on its record: made again and compared, byte by byte where that is possible."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import zip_longest

from audit import redaction
from audit.attestation import Statement
from audit.errors import UserError
from audit.record import Record, parsed
from audit.report import render, toolchain
from audit.report.page import templates
from audit.verify import pdf
from audit.verify.differing import differences
from audit.verify.given import Given
from audit.verify.saying import attested, broken, counted, listed, not_covered

ABOUT = "the PDF"
_END = b"%%EOF"


def check(given: Given) -> Iterator[Statement]:
    """Say whether the PDF and the record belong together."""
    if given.report is None:
        yield not_covered(ABOUT, "no PDF was given")
        return
    if given.contents is None:
        yield broken(ABOUT, "cannot be read: it is damaged")
    else:
        yield from _attached(given, given.contents)
    yield from _made_again(given, given.report, given.contents)


def _attached(given: Given, contents: pdf.Contents) -> Iterator[Statement]:
    about = "the record in the PDF"
    if len(contents.records) != 1:
        yield broken(about, f"is there {len(contents.records)} times, and once is how a report is made")
    elif not given.beside:
        return
    elif contents.records[0] == given.raw:
        yield attested(about, f"is {given.name}, byte for byte")
    elif _holds_more(given, contents):
        yield attested(about, f"is {given.name} with texts that are withheld there; all the rest is the same")
    else:
        yield broken(about, f"is not {given.name}: {_unlike(contents.records[0], given.raw)}")


def _holds_more(given: Given, contents: pdf.Contents) -> bool:
    """Whether the record in the PDF is the one given, but for texts that this one withholds."""
    try:
        inside, beside = (json.loads(raw) for raw in (contents.records[0], given.raw))
    except (ValueError, RecursionError):
        return False
    return bool(given.record.texts and given.record.texts.withheld) and redaction.same_record(inside, beside)


def _unlike(inside: bytes, beside: bytes) -> str:
    """Return where the record in the PDF and the one beside it differ; JSON from outside may be anything."""
    try:
        found = list(differences(json.loads(inside), json.loads(beside)))
    except (ValueError, RecursionError):
        return "one of them is no JSON"
    return listed(map(str, found)) or "the same content in other bytes"


# ---- made again ----------------------------------------------------------------------------------


def _made_again(given: Given, report: bytes, contents: pdf.Contents | None) -> Iterator[Statement]:
    said = contents.toolchain if contents else {}
    named = said.get("template", "")
    template = named if named in templates() else "technical"
    try:
        again = render(_reported(given, contents), "pdf", template=template)
        here = toolchain.this(template)
    except (UserError, OSError, ValueError) as error:
        found = error.problems[0].found if isinstance(error, UserError) else str(error)
        yield not_covered(ABOUT, f"could not be made again here to be compared: {found}")
        return
    if report.startswith(again):
        yield from _same_bytes(report, again)
        return
    yield from _compared(report, again, toolchain.differing(said, here))


def _reported(given: Given, contents: pdf.Contents | None) -> Record:
    """Return the record that the PDF is on: the one in it, where the one given withholds texts of it."""
    if contents and len(contents.records) == 1 and _holds_more(given, contents):
        return parsed(contents.records[0], f"the record in {ABOUT}")
    return given.record


def _same_bytes(report: bytes, again: bytes) -> Iterator[Statement]:
    yield attested(ABOUT, f"is, in its first {len(again):,} bytes, what the record gives: made again and the same")
    yield from _added(report[len(again) :])


def _added(tail: bytes) -> Iterator[Statement]:
    """Say what follows the first revision: a later one can show other pages, and only a signature can answer for it."""
    about = f"{ABOUT} behind its first revision"
    if tail and b"/ByteRange" not in tail:
        yield broken(about, f"was added to after it was made: {counted(len(tail), 'byte')} without a signature follow")
    elif tail:
        yield not_covered(
            about,
            f"{counted(len(tail), 'byte')} follow, a signature among them: what was compared is the report before "
            "signature, and for the rest the signature must answer",
        )


def _compared(report: bytes, again: bytes, other: tuple[str, ...]) -> Iterator[Statement]:
    """Compare what can be compared of two PDFs that are not the same bytes.

    A report that differs is broken whatever it says it was made with: that word is easily forged.
    """
    differing = (i for i, pair in enumerate(zip(report, again, strict=False)) if pair[0] != pair[1])
    where = f"the first byte that differs is number {next(differing, min(len(report), len(again))) + 1:,}"
    first = report[: report.find(_END) + len(_END)] + b"\n"
    try:
        unlike = _unlike_pages(_read(first), _read(again))
    except UserError as error:
        yield broken(ABOUT, f"is not what its record gives: {where}, and it cannot be read: {error.problems[0].found}")
        return
    if unlike:
        named = f"; it says that it was made with another {listed(other)}, and only that could show more"
        yield broken(ABOUT, f"is not what its record gives: {where}, and {unlike}{named if other else ''}")
    elif not other:
        yield broken(ABOUT, f"is not what its record gives: {where}, though its pages hold the same text and structure")
    else:
        yield attested(ABOUT, "has the text and the structure that the record gives: made again and compared")
        yield not_covered(
            f"{ABOUT}'s drawing",
            f"how its pages are drawn was not compared, because it was made with another {listed(other)}",
        )
        yield from _added(report[len(first) :].strip())


def _read(data: bytes) -> pdf.Contents:
    return pdf.read(data, ABOUT, text=True)


def _unlike_pages(then: pdf.Contents, now: pdf.Contents) -> str:
    """Return on which pages the text differs, or that the structure or the attachments do; nothing where none does."""
    pages = [str(i) for i, pair in enumerate(zip_longest(then.pages, now.pages), 1) if pair[0] != pair[1]]
    if pages:
        return f"the text differs on page{'s' * (len(pages) > 1)} {listed(pages)}"
    if then.structure != now.structure:
        return "the structure behind the text differs"
    files = sorted(name for name in {*then.attachments, *now.attachments}
                   if then.attachments.get(name) != now.attachments.get(name))  # fmt: skip
    return f"the attached {listed(files)} differ" if files else ""
