"""The comparison as JSON, as a page, and as a change report in PDF."""

import base64
import hashlib
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from pydantic import ValidationError

from audit.errors import UserError
from audit.report import changes
from audit.report.changes import document
from audit.types import Comparison, Mirror, Shift

# ---- JSON ----------------------------------------------------------------------------------------


def test_json_begins_with_the_outcome_and_comes_back_whole(comparison: Comparison) -> None:
    text = changes.render(comparison, "json").decode()

    assert list(json.loads(text))[:3] == ["regressed", "headline", "schema_version"]
    assert json.loads(text)["regressed"] is True
    assert document.read(text) == comparison


def test_damaged_json_is_refused(comparison: Comparison) -> None:
    data = json.loads(document.to_json(comparison))
    del data["judged"]

    with pytest.raises(ValidationError):
        document.read(json.dumps(data))


def test_a_format_that_does_not_exist_is_told(comparison: Comparison) -> None:
    with pytest.raises(UserError) as told:
        changes.render(comparison, "docx")

    assert str(told.value) == (
        "There is no such format\n\n--format: docx\n  expected: one of text, markdown, json, html, pdf"
    )


# ---- the page ------------------------------------------------------------------------------------


def test_the_page_says_the_outcome_and_what_the_provider_is_to_supply(comparison: Comparison, page_tree: Any) -> None:
    words = page_tree(changes.render(comparison, "html").decode()).words

    assert "Something got worse: 1 criterion was met and is not met" in words
    assert "a description of relevant changes made by the provider to the system through its lifecycle" in words
    assert "What was changednot supplied" in words
    assert "It does not by itself demonstrate conformity with any requirement." in words


def test_headings_go_down_one_step_at_a_time(comparison: Comparison, page_tree: Any) -> None:
    tree = page_tree(changes.render(comparison, "html").decode())

    assert tree.headings[0] == 1
    assert all(b - a <= 1 for a, b in zip(tree.headings, tree.headings[1:], strict=False))
    assert len(tree.ids) == len(set(tree.ids))


def test_the_security_policy_allows_the_one_style_sheet_and_nothing_else(comparison: Comparison) -> None:
    text = changes.render(comparison, "html").decode()
    (style,) = re.findall(r"<style>(.*?)</style>", text, flags=re.DOTALL)

    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src &#39;sha256-{digest}&#39;" in text
    assert " style=" not in text


def test_no_text_from_outside_becomes_mark_up(hostile_comparison: Comparison, page_tree: Any) -> None:
    tree = page_tree(changes.render(hostile_comparison, "html").decode())

    assert not {"script", "img", "a"} & tree.tags
    assert tree.open == []
    assert "<script>alert(1)</script>" in tree.words


def test_a_comparison_without_anything_worse_has_its_page_too(unchanged: Comparison, page_tree: Any) -> None:
    words = page_tree(changes.render(unchanged, "html").decode()).words

    assert "Nothing is shown to have got worse." in words
    assert "seen from about" in words


def test_a_mirrored_number_names_the_one_that_tells_its_change(comparison: Comparison, page_tree: Any) -> None:
    row = comparison.judged[0]
    mirror = Mirror(group="women", reference="men", gap="nearer")
    mirrored = replace(comparison, judged=(replace(row, shift=Shift.MIRRORED, mirror=mirror),))

    words = page_tree(changes.render(mirrored, "html").decode()).words

    assert "mirrored Mirrors women against men, which is better beyond noise." in words


def test_long_comparisons_are_cut_and_say_so(comparison: Comparison, page_tree: Any) -> None:
    many = replace(comparison, judged=comparison.judged * 20, differences=comparison.differences * 40)

    words = page_tree(changes.render(many, "html").decode()).words

    assert f"{20 * 17 - document.PRINTED} further numbers stand in changes.json" in words
    assert "60 further differences stand in changes.json" in words


# ---- the PDF -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pdf(comparison: Comparison) -> bytes:
    return changes.render(comparison, "pdf")


@pytest.mark.slow
@pytest.mark.parametrize("standard", ["PDF/A-3a", "PDF/UA-1"])
def test_a_change_report_follows_the_standard(standard: str, pdf: bytes, verapdf: Any, tmp_path: Path) -> None:
    path = tmp_path / "changes.pdf"
    path.write_bytes(pdf)

    outcome = verapdf.check(path, standard)

    assert outcome.assertions > 100
    assert (set(outcome.broken), outcome.follows) == (set(), True)


@pytest.mark.slow
def test_a_change_report_full_of_hostile_text_follows_the_standards(
    hostile_comparison: Comparison, verapdf: Any, tmp_path: Path
) -> None:
    path = tmp_path / "changes.pdf"
    path.write_bytes(changes.render(hostile_comparison, "pdf"))

    assert [set(verapdf.check(path, each).broken) for each in ("PDF/A-3a", "PDF/UA-1")] == [set(), set()]


@pytest.mark.slow
def test_the_comparison_is_attached_whole(pdf: bytes, comparison: Comparison) -> None:
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        files = {name: each.get_file().read_bytes() for name, each in opened.attachments.items()}
        title = str(opened.docinfo["/Title"])

    assert {name: document.read(content.decode()) for name, content in files.items()} == {"changes.json": comparison}
    assert title == "Model audit change report: An invented policy for the tests of the report"


@pytest.mark.slow
def test_the_same_comparison_gives_the_same_bytes(pdf: bytes, comparison: Comparison) -> None:
    assert changes.render(comparison, "pdf") == pdf
