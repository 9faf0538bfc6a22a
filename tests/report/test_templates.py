"""Report templates beside the technical one: the same record, fewer parts or another order."""

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pikepdf
import pytest

from audit import report
from audit.errors import UserError
from audit.record import ProviderPart, Record
from audit.report import page, pdf
from audit.report.sections import sections
from audit.types import Statement, fact_kinds

STANDARDS = ("PDF/A-3a", "PDF/UA-1")
OTHERS = ("eu_ai_act", "ll144", "summary")


@pytest.fixture(scope="module")
def talkative(hostile_record: Record) -> Record:
    """Hostile text, every fact long, and many times the same checks."""
    said = {kind.id: Statement(text="Long. " * 400, by="B" * 300, on="2026-11-01") for kind in fact_kinds()}
    facts = ProviderPart(path="p" * 300, sha256="0" * 64, statements=said)
    many = tuple(
        check.model_copy(update={"id": f"{check.id}-{i}", "title": check.title * 20})
        for i in range(3)
        for check in (*hostile_record.checks[:2], *hostile_record.checks[-2:])
    )
    return hostile_record.model_copy(update={"provider": facts, "checks": many, "limits": ("Limit. " * 300,) * 9})


@pytest.mark.parametrize("template", page.templates())
def test_every_template_is_whole(record: Record, page_tree: Any, template: str) -> None:
    printed = page.fill(record, medium="print", template=template)
    tree = page_tree(printed)

    assert tree.open == []
    assert len(tree.ids) == len(set(tree.ids))
    assert tree.links <= {f"#{anchor}" for anchor in tree.ids}
    assert all(after <= before + 1 for before, after in zip(tree.headings, tree.headings[1:], strict=False))


@pytest.mark.slow
@pytest.mark.parametrize("template", OTHERS)
def test_every_template_follows_the_standards(record: Record, template: str, verapdf: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.pdf"
    path.write_bytes(pdf.render(record, template))

    assert [set(verapdf.check(path, standard).broken) for standard in STANDARDS] == [set(), set()]


def test_a_summary_has_two_pages_whatever_the_record_holds(talkative: Record, record: Record) -> None:
    pages = [len(pikepdf.open(io.BytesIO(pdf.render(each, "summary"))).pages) for each in (record, talkative)]

    assert pages == [2, 2]


def test_a_summary_says_how_many_findings_it_leaves_out(talkative: Record, page_tree: Any) -> None:
    words = page_tree(page.fill(talkative, medium="print", template="summary")).words

    assert re.search(r"6 of 9, the worst first; the others stand in the technical report", words)


def test_a_summary_tells_the_verdict_the_findings_the_limits_and_who_is_to_sign(record: Record, page_tree: Any) -> None:
    words = page_tree(page.fill(record, medium="print", template="summary")).words

    assert "Of 4 judged checks, 1 did not meet a threshold" in words
    assert "swap-gap/score_gap" in words
    assert "One model, one day, one language." in words
    assert "Of 38 facts about it, the provider supplied 0; none of them was verified." in words
    assert record.model.digest in words.replace(" ", "")
    assert "Accepted by the provider’s responsible person" in words
    assert (
        "85.4 % [81.9 %, 88.5 %] of the rows of 'women' get the positive decision; the policy accepts at least" in words
    )


def test_the_order_by_article_is_that_of_the_articles(record: Record) -> None:
    printed = page.fill(record, medium="print", template="eu_ai_act")
    headings = re.findall(r'<h2 id="([\w-]+)"><span class="no">(\w+)</span>', printed)
    articles = [int(n) for s in sections("eu_ai_act") for n in re.findall(r"^Articles? (\d+)", s.title)]

    assert [(anchor, number) for anchor, number in headings] == [(s.anchor, s.number) for s in sections("eu_ai_act")]
    assert articles == sorted(articles)


def test_both_orders_hold_the_same_sections() -> None:
    assert {s.anchor for s in sections("eu_ai_act")} == {s.anchor for s in sections("technical")}


def test_results_are_numbered_by_their_section(record: Record, page_tree: Any) -> None:
    words = page_tree(page.fill(record, medium="print", template="eu_ai_act")).words

    assert "13.1 Score gaps when a group's name is swapped" in words
    assert "8.1 Score" not in words


def test_without_the_regulation_the_order_by_article_says_that_none_was_held(record: Record, page_tree: Any) -> None:
    words = page_tree(page.fill(record, medium="print", template="eu_ai_act")).words

    assert "so no clause of it was held against the results" in words


def test_articles_named_over_sections_exist(shared: Path) -> None:
    import json

    units = json.loads((shared / "data/ai_act/ai-act.units.json").read_text())
    known = {str(unit["id"]) for unit in (units if isinstance(units, list) else units["units"])}
    named = {n for s in sections("eu_ai_act") for n in re.findall(r"Articles? (\d+)", s.title)}

    assert {n for n in named if not any(re.fullmatch(rf"\D*{n}", each) for each in known)} == set()


# ---- on the command line -------------------------------------------------------------------------


def test_another_template_never_takes_the_technical_reports_place(
    record: Record, cli: Callable[..., Any], tmp_path: Path
) -> None:
    stored = tmp_path / "record.json"
    stored.write_text(record.to_json(), encoding="utf-8")

    ended = cli("report", stored, "--template", "summary", "--format", "html,junit")

    assert (ended.code, ended.err) == (0, "")
    assert sorted(path.name for path in tmp_path.glob("*.*")) == ["junit.xml", "record.json", "report-summary.html"]


def test_an_unknown_template_is_refused_with_those_there_are(cli: Callable[..., Any], tmp_path: Path) -> None:
    ended = cli("report", tmp_path / "record.json", "--template", "sumary")

    assert ended.code == 2
    assert "--template: sumary\n  expected: one of eu_ai_act, ll144, summary, technical" in ended.err


def test_the_reading_of_a_template_is_checked_before_anything_is_made(record: Record) -> None:
    with pytest.raises(UserError, match="There is no such template"):
        report.render(record, "pdf", template="../technical")
