"""Writes ``gl-code-quality.json``: what needs attention, for the widget of a GitLab merge request.

The format is the subset of Code Climate's that GitLab documents (CI/CD, Code Quality, report format). GitLab
keeps one entry per fingerprint and drops the others, and shows no path that begins with ``./``.
"""

from __future__ import annotations

from typing import Any

from audit.record import Record
from audit.report import attention, plain
from audit.report.attention import Alert
from audit.types import Verdict


def render(record: Record) -> bytes:
    """Return ``gl-code-quality.json``."""
    return plain.document([_entry(alert) for alert in attention.alerts(record)])


def _entry(alert: Alert) -> dict[str, Any]:
    return {
        "description": plain.line(alert.text, 1_000),
        "check_name": plain.line(alert.check.part.check, 255),
        "fingerprint": alert.fingerprint,
        "severity": _severity(alert),
        "location": {
            "path": plain.line(attention.policy_path(alert.place)),
            "lines": {"begin": max(alert.place.line, 1)},
        },
    }


def _severity(alert: Alert) -> str:
    if alert.verdict is Verdict.NOT_MET:
        return "critical"
    return "major" if alert.stops else "minor"
