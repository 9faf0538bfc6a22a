"""Writes ``measurements.csv``: every measurement in a row, for spreadsheets and data frames.

RFC 4180, in UTF-8 with a byte order mark, without which spreadsheets misread names that are not English
(read it as ``utf-8-sig``). A check that measured nothing has one row without a value, so that it is not
missed. Numbers stand as the record has them, not rounded.

A spreadsheet runs a cell that begins with ``=``, ``+``, ``-`` or ``@``, and some take a semicolon or a tab for the
end of a cell, so text from outside gets an apostrophe before such a character wherever a cell could
begin (OWASP, CSV Injection).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import TypeAlias

from audit.record import Record
from audit.report import findings, plain
from audit.report.findings import CheckView, Line
from audit.types import Measurement

Field: TypeAlias = str | int | float | bool | None

COLUMNS = (
    "policy", "policy_version", "model", "model_digest",
    "check", "check_type", "check_version", "check_title", "check_verdict", "policy_line",
    "metric", "metric_title", "group", "reference", "stratum",
    "value", "low", "high", "confidence", "exact", "n", "clusters", "unit", "worse", "null_value",
    "verdict", "relation", "bound", "adjusted_p", "rows_needed", "reason",
)  # fmt: skip

_STARTS_A_FORMULA = re.compile(r"""(^|[;,|"'\t])(\s*)([=+\-@\uff1d\uff0b\uff0d\uff20])""")


def render(record: Record) -> bytes:
    """Return ``measurements.csv``."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\r\n")
    table.writerow(COLUMNS)
    for check in findings.checks(record):
        for row in _rows(check, record):
            table.writerow([_field(row.get(name)) for name in COLUMNS])
    return out.getvalue().encode("utf-8-sig")


def harmless(text: str) -> str:
    """Return text from outside as one line that no spreadsheet takes for a formula."""
    return _STARTS_A_FORMULA.sub(r"\1\2'\3", plain.line(text))


def _field(value: Field) -> str | int | float:
    """Return what the CSV writer takes: numbers are ours and stay numbers, text is not."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return harmless(value) if isinstance(value, str) else value


def _rows(check: CheckView, record: Record) -> Iterator[dict[str, Field]]:
    part = check.part
    common: dict[str, Field] = {
        "policy": record.policy.id,
        "policy_version": record.policy.version,
        "model": record.model.name,
        "model_digest": record.model.digest,
        "check": part.id,
        "check_type": part.check,
        "check_version": part.version,
        "check_title": part.title,
        "check_verdict": "" if part.verdict is None else part.verdict.value,
        "policy_line": part.place.line,
        "reason": part.reason,
    }
    if not part.measurements:
        yield common
    # In the order of the record: ``lines`` holds the same objects, worst first.
    by_measurement = {id(line.measurement): line for line in check.lines}
    for m in part.measurements:
        yield common | _measured(m, by_measurement[id(m)])


def _measured(m: Measurement, line: Line) -> dict[str, Field]:
    """Return a measurement and, where it was judged, the worst verdict that rests on it."""
    out: dict[str, Field] = {
        "metric": m.metric,
        "metric_title": line.metric.title,
        "group": m.group,
        "reference": m.reference,
        "stratum": m.stratum,
        "value": m.value,
        "low": m.low,
        "high": m.high,
        "confidence": m.confidence,
        "exact": m.exact,
        "n": m.n,
        "clusters": m.clusters,
        "unit": m.unit,
        "worse": m.worse.value,
        "null_value": m.null,
    }
    if line.criterion is not None and line.hypothesis is not None:
        out |= {
            "policy_line": line.criterion.place.line,
            "verdict": line.hypothesis.verdict.value,
            "relation": line.criterion.relation,
            "bound": line.hypothesis.bound,
            "adjusted_p": line.hypothesis.p_bad_adjusted,
            "rows_needed": line.hypothesis.rows_needed,
            "reason": line.criterion.reason,
        }
    return out
