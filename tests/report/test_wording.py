"""The words a report must not use: they would claim what no measurement can show."""

import ast
import re
from pathlib import Path

import pytest

from audit import report, resources
from audit.record import Record
from audit.registry import check_types
from audit.report import html, junit, markdown, page

BANNED = re.compile(
    r"\b(compliant|complies|comply|certified|certif(?:y|ies)|approved|conforms?|proves?|proven|guarantees?|guaranteed"
    r"|unbiased|debias\w*|fair|safe|trustworthy|CE|lie detector|the model knows|AI[- ]Act[- ]ready"
    r"|presumption of conformity)\b"
)
_PACKAGE = Path(report.__file__).parents[1]
LITERALS = sorted(
    path
    for name in ("report", "checks", "verdict", "types", "verify", "history", "diff", "spike")
    for path in (_PACKAGE / name).rglob("*.py")
    if "_toy" not in path.parts  # models and texts of the examples, which no report prints
) + [_PACKAGE / name for name in ("ledger.py", "redaction.py", "traceability.py", "qualification.py", "record.py")]
"""Whatever has strings that are printed: checks give titles, readings, limits and their method, verdict the reasons."""

NO_CLAIMS = {
    "_competence.py": {"fair"},  # "a model that cannot do the task is unmeasured, not fair"
    "reliability.py": {"unbiased"},  # of an estimator, in docstrings that no report prints
    "judgement.py": {"approved"},  # the field `approved_by`: who approved a bound
}
TEMPLATES = sorted(resources.folder("report_templates").rglob("*.j2"))
POLICIES = sorted(resources.folder("policies").rglob("*.yaml"))
"""Shipped policies and tables of law: their words are printed too."""


def banned(text: str) -> list[str]:
    return [found.group() for found in BANNED.finditer(text)]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_template_claims_too_much(path: Path) -> None:
    assert banned(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.name)
def test_no_policy_and_no_table_of_law_claims_too_much(path: Path) -> None:
    values = "[poor, fair, good]"  # a payment history, in the order of its values
    found = banned(path.read_text(encoding="utf-8").replace(values, ""))

    assert [word for word in found if word != "approved"] == []  # what a bank decides about a loan


@pytest.mark.parametrize("path", LITERALS, ids=lambda path: path.name)
def test_no_string_of_the_report_claims_too_much(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    strings = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]

    assert set(banned("\n".join(strings))) - NO_CLAIMS.get(path.name, set()) == set()


@pytest.mark.parametrize("name", sorted(check_types()))
def test_no_text_of_a_check_claims_too_much(name: str) -> None:
    """What the report prints of every check, as it prints it, whatever file it stands in."""
    kind = check_types()[name]
    metrics = [text for m in kind.metrics for text in (m.title, m.meaning, m.reading, m.why_descriptive)]
    params = [field.description or "" for field in kind.params.model_fields.values()]

    assert banned("\n".join([kind.title, *kind.method.values(), *metrics, *params])) == []


def test_the_finished_reports_claim_nothing_either(record: Record) -> None:
    printed = page.fill(record, medium="print").split("</style>")[1]

    assert banned(printed) == []
    assert banned(html.fragment(record)) == []
    assert banned(junit.render(record).decode()) == []
    assert banned(markdown.render(record).decode()) == []


def test_a_claim_would_be_found() -> None:
    assert banned("This model is compliant and safe.") == ["compliant", "safe"]


@pytest.mark.parametrize("path", TEMPLATES + POLICIES, ids=lambda path: path.name)
def test_no_template_lifts_the_escaping(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert not re.search(r"\|\s*safe|autoescape|Markup|style=|<script|https?:", text)
