"""The formats a record can be written in: what each file is called, who reads it, and how it is made.

A format is a function of the record alone. Libraries that draw or fill templates are imported by the
function, so that listing the formats costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from audit.errors import user_error
from audit.record import Record

MISSING_PANGO = "apt install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"
"""What to run where the system libraries that draw the PDF's text are missing (Debian, Ubuntu)."""


@dataclass(frozen=True, kw_only=True)
class Format:
    """A way to write a record down."""

    file_name: str
    """Name of the file in the output folder."""
    reader: str
    """Who reads it."""
    render: Callable[[Record], bytes]
    template: Callable[[Record, str], bytes] | None = None
    """The same with a report template named; None where a format has no templates."""


def _json(record: Record) -> bytes:
    return record.to_json().encode("utf-8")


def _pdf(record: Record, template: str = "technical") -> bytes:
    from audit.report import pdf

    return pdf.render(record, template)


def _html(record: Record, template: str = "technical") -> bytes:
    from audit.report import html

    return html.render(record, template)


def _junit(record: Record) -> bytes:
    from audit.report import junit

    return junit.render(record)


def _summary(record: Record) -> bytes:
    from audit.report import markdown

    return markdown.render(record)


FORMATS: Mapping[str, Format] = {
    "json": Format(file_name="record.json", reader="programs; every report is made from it", render=_json),
    "pdf": Format(file_name="report.pdf", reader="compliance officers and authorities", render=_pdf, template=_pdf),
    "html": Format(file_name="report.html", reader="the same, on a screen", render=_html, template=_html),
    "junit": Format(file_name="junit.xml", reader="the test page of a CI system", render=_junit),
    "summary": Format(file_name="summary.md", reader="the summary page of a CI run", render=_summary),
}
"""Names as ``--format`` takes them."""


def render(record: Record, name: str, *, template: str = "technical") -> bytes:
    """Return the record in one format.

    Raises
    ------
    UserError
        When there is no such format or template, or the PDF cannot be made on this machine.
    """
    if name not in FORMATS:
        raise user_error(
            "There is no such format",
            where="--format",
            found=name,
            expected=f"one of {', '.join(FORMATS)}",
        )
    found = FORMATS[name]
    if found.template is None:
        return found.render(record)
    _require(template)
    return found.template(record, template)


def _require(template: str) -> None:
    from audit.report.page import templates

    if template not in templates():
        raise user_error(
            "There is no such template",
            where="--template",
            found=template,
            expected=f"one of {', '.join(templates())}",
        )
