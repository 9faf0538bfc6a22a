"""The two pages of an explanation: whole, within two pages, to the standards, and harmless whatever the case says."""

from __future__ import annotations

import io
import re

import pikepdf
import pytest

from audit.errors import UserError
from audit.explanation import parsed
from audit.report import explanation as pages
from audit.report import html, pdf

from .conftest import overlong

STANDARDS = ("PDF/A-3a", "PDF/UA-1")


def filled(explanation, medium="print"):
    return pages.fill(explanation, medium=medium, security_policy=html.security_policy()).split("</style>")[1]


def words(page):
    """Return what is read on a page, in one line."""
    import html as entities

    return " ".join(entities.unescape(re.sub(r"<title>.*?</title>|<[^>]+>", " ", page)).split())


def test_a_reason_is_printed_with_what_was_tested(ordinary):
    page = words(filled(ordinary))

    assert "The model decided “deny”. Its score for “approve” is 0.120; above 0.5 the decision is “approve”" in page
    assert "Without this statement the score for “approve” would have been 0.451 instead of 0.120." in page
    assert "0.624 on average over 2 other values; turned by 1" in page
    assert "History “good” instead of “poor”: score 0.950, decision “approve”." in page


def test_what_must_not_matter_is_put_before_the_reviewer_and_is_no_reason(ordinary):
    page = words(filled(ordinary))

    assert "For the reviewer 1 factor that must not matter moved this decision’s score." in page
    assert "Name “Lena” moved the score towards “deny”: 0.56 log-odds on average against 63 other values" in page
    assert "It tells sex in these data: values of its own group keep the score 1.15 log-odds nearer to “deny”" in page
    assert "is no reason for the decision" in page
    assert "Name: “Lena”" not in page


def test_reasons_that_do_not_pass_are_not_printed(refused):
    page = words(filled(refused))

    assert "Refused No reasons are given." in page
    assert "Without them the decision loses more than without others: not shown (1.79 log-odds lost; 0 of 5" in page
    assert "History: “poor”" not in page
    assert "Without this statement" not in page


def test_a_credit_page_never_gives_a_score_as_a_reason(ordinary, refused):
    for explanation in (ordinary, refused):
        page = words(filled(explanation)).lower()

        assert "score too low" not in page
        assert "insufficient points" not in page
        assert not re.search(r"(because|reason\w*)[^.]{0,40}\bscore (is|was) (too )?low", page)


def test_who_is_told_nothing_is_told_so(ordinary):
    assert re.search(r"Where to contest the decision not supplied", words(filled(ordinary)))


def test_the_contact_is_printed_as_stated(ordinary):
    from audit.types import Statement

    stated = Statement(text="Appeals desk, room 4", by="A. Person, head of credit", on="2026-11-01")
    page = words(filled(ordinary.model_copy(update={"contact": stated})))

    assert "Appeals desk, room 4 stated by A. Person, head of credit, 1 November 2026; not verified" in page


@pytest.mark.parametrize("template", ["credit_decision", "medical_triage", "general"])
def test_every_template_says_for_whom_it_is_and_what_it_is_not(ordinary, template):
    page = words(filled(ordinary.model_copy(update={"template": template})))

    expected = {
        "credit_decision": ("Written for the lender’s reviewer", "It is not an adverse action notice"),
        "medical_triage": ("Written for a clinician. Not medical advice", "It is not a diagnosis"),
        "general": ("Written for whoever reviews the decision", "It is no statement of reasons under any law"),
    }[template]
    assert all(words in page for words in expected)


def test_hostile_text_shows_as_text_and_runs_nowhere():
    for medium in ("print", "screen"):
        page = filled(overlong(refuse=False), medium)

        assert "<script" not in page
        assert "&lt;script&gt;" in page
        assert not re.search("[\u202e\u202c\u200b\x07\ud800\U0010ffff]", page)
        assert "⟨U+202E⟩" in page


@pytest.mark.slow
@pytest.mark.parametrize("refuse", [False, True])
def test_two_pages_whatever_the_case_holds(refuse):
    with pikepdf.open(io.BytesIO(pdf.render_explanation(overlong(refuse=refuse)))) as made:
        assert len(made.pages) == 2


@pytest.mark.slow
@pytest.mark.parametrize("which", ["ordinary", "refused", "overlong"])
def test_pages_follow_the_standards(request, verapdf, tmp_path, which):
    explanation = overlong(refuse=False) if which == "overlong" else request.getfixturevalue(which)
    path = tmp_path / "explanation.pdf"
    path.write_bytes(pdf.render_explanation(explanation))

    assert [set(verapdf.check(path, standard).broken) for standard in STANDARDS] == [set(), set()]
    with pikepdf.open(path) as made:
        assert len(made.pages) == 2


@pytest.mark.slow
def test_the_data_travel_with_the_page_and_the_same_data_give_the_same_bytes(ordinary):
    first, second = pdf.render_explanation(ordinary), pdf.render_explanation(ordinary)

    with pikepdf.open(io.BytesIO(first)) as made:
        attached = made.attachments["explanation.json"].get_file().read_bytes()

    assert first == second
    assert parsed(attached, "attached") == ordinary


def test_an_unknown_format_is_refused(ordinary):
    with pytest.raises(UserError) as told:
        pages.render(ordinary, "docx")

    assert str(told.value) == ("There is no such format\n\n--format: docx\n  expected: one of json, html, pdf")
