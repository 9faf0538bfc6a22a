"""Puts one decision explained before a reader: every format is a pure function of an ``Explanation``.

``wording`` makes sentences of it, ``drawn`` draws the score beside its threshold, and the template in
``report_templates/explanation`` lays out two pages, on paper and on the screen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from audit.errors import user_error
from audit.explanation import Explanation
from audit.report.page import Identity, Medium

TEMPLATE = "explanation/report"

FILES: Mapping[str, str] = {"json": "explanation.json", "html": "explanation.html", "pdf": "explanation.pdf"}
"""Formats as ``explain --format`` takes them, and what each file is called."""


def render(explanation: Explanation, name: str) -> bytes:
    """Return an explanation in one format.

    Raises
    ------
    UserError
        When there is no such format, or the PDF cannot be made on this machine.
    """
    if name not in FILES:
        raise user_error("There is no such format", where="--format", found=name, expected=f"one of {', '.join(FILES)}")
    if name == "json":
        return explanation.to_json().encode("utf-8")
    if name == "pdf":
        from audit.report import pdf

        return pdf.render_explanation(explanation)
    from audit.report import html

    return fill(explanation, medium="screen", security_policy=html.security_policy()).encode("utf-8")


def identity(explanation: Explanation) -> Identity:
    """Return what tells this page from every other."""
    from audit.report import view

    digest = hashlib.sha256(explanation.to_json().encode("utf-8")).hexdigest()
    day = f"{view.moment(explanation.created):%Y%m%d}"
    return Identity(digest=digest, report_id=f"{explanation.policy.id[:32]}-explained-{day}-{digest[:8]}")


def fill(explanation: Explanation, *, medium: Medium, **more: str) -> str:
    """Return an explanation as HTML."""
    from audit.report import page
    from audit.report.explanation import drawn, wording

    return page.filled(
        TEMPLATE,
        medium=medium,
        e=explanation,
        identity=identity(explanation),
        wording=wording,
        scale=drawn.scale(explanation.outcome),
        **more,
    )
