"""The words a report must not use: they would claim what no measurement can show."""

import ast
import re
from pathlib import Path

import pytest

from audit import report, resources
from audit.record import Record
from audit.report import html, junit, markdown, page

BANNED = re.compile(
    r"\b(compliant|complies|comply|certified|certif(?:y|ies)|approved|conforms?|proves?|proven|guarantees?|guaranteed"
    r"|unbiased|debias\w*|fair|safe|trustworthy|CE|lie detector|the model knows|AI[- ]Act[- ]ready"
    r"|presumption of conformity)\b"
)
LITERALS = sorted(Path(report.__file__).parent.rglob("*.py"))
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

    assert banned("\n".join(strings)) == []


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
