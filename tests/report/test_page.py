import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from audit.record import QualificationPart, QualifiedCell, QualifiedCheck, Record
from audit.report import fonts, page
from audit.types import Column, Person, Table, Verdict


@pytest.fixture(scope="module")
def filled(record: Record) -> str:
    return page.fill(record, medium="print")


@pytest.fixture(scope="module")
def tree(filled: str, page_tree: Any) -> Any:
    return page_tree(filled)


def test_every_element_is_closed(tree: Any) -> None:
    assert tree.open == []


def test_headings_never_skip_a_level(tree: Any) -> None:
    assert tree.headings[0] == 1
    assert all(after <= before + 1 for before, after in zip(tree.headings, tree.headings[1:], strict=False))


def test_every_link_leads_to_a_heading_of_the_page(tree: Any) -> None:
    assert len(tree.ids) == len(set(tree.ids))
    assert tree.links <= {f"#{anchor}" for anchor in tree.ids}


def test_every_figure_has_its_words(filled: str) -> None:
    figures = re.findall(r"<figure.*?</figure>", filled, flags=re.DOTALL)

    assert len(figures) == 4
    for figure in figures:
        assert re.search(r"<svg[^>]*><title>[^<]{40,}</title>", figure) or 'class="tokens"' in figure
        assert "<figcaption>" in figure


def test_every_table_has_a_caption_and_header_cells(filled: str) -> None:
    tables = re.findall(r"<table.*?</table>", filled, flags=re.DOTALL)

    assert len(tables) > 30
    for table in tables:
        assert re.search(r'<th scope="(row|col)"', table)
        assert "<caption>" in table or 'class="identity"' in table


def test_every_row_of_a_table_has_as_many_cells_as_its_head(filled: str) -> None:
    for table in re.findall(r"<table.*?</table>", filled, flags=re.DOTALL):
        rows = re.findall(r"<tr>.*?</tr>", table, flags=re.DOTALL)
        assert len({len(re.findall(r"<t[hd][ >]", row)) for row in rows}) == 1


def test_the_cover_says_the_verdict_the_worst_finding_and_what_the_paper_is_not(filled: str, page_tree: Any) -> None:
    cover = page_tree(filled.partition("<main>")[0]).words

    assert (
        "Of 4 judged checks, 1 did not meet a threshold, 1 could not be assessed, 1 is inconclusive and "
        "1 met every threshold." in cover
    )
    assert (
        "On the same sentences, comments naming 'transgender' are scored 0.210 [0.188, 0.233] higher than comments "
        "naming the reference (american, white, straight, young (reference group of the invented policy)); "
        "the policy accepts at most 0.05." in cover
    )
    assert "Draft until signed" in cover
    assert (
        "This document is not a conformity assessment, EU declaration of conformity, certificate or legal advice."
        in cover
    )


def test_the_standard_sentence_stands_with_results_limits_and_hazards(tree: Any) -> None:
    sentence = (
        "The evidence in this section may be used by the provider when drawing up the documentation referred to in "
        "Article 11(1) and Annex IV, point 2(g), of Regulation (EU) 2024/1689. It does not by itself demonstrate "
        "conformity with any requirement."
    )

    assert tree.words.count(sentence) == 3


def test_what_was_not_supplied_is_said(tree: Any) -> None:
    text = "".join(tree.text)
    assert "Approvalnot supplied; date not supplied" in text
    assert "Set byHead of trust (invented); 1 November 2026" in text
    assert "Licencenot supplied" in text


def test_deviations_are_listed(tree: Any, record: Record) -> None:
    assert "Changed on the command line: checks.swap-gap.rounds was set to 3" in tree.words
    assert "This is run 2 of this policy on this model" in tree.words


def test_a_criterion_dated_after_the_run_is_a_deviation(record: Record, page_tree: Any) -> None:
    part = record.checks[0]
    (criterion,) = part.criteria
    late = type(criterion)(**{**vars(criterion), "approved_by": Person(on="2026-12-24")})
    changed = record.model_copy(update={"checks": (part.model_copy(update={"criteria": (late,)}),)})

    words = page_tree(page.fill(changed, medium="print")).words

    assert (
        "Score gaps when a group's name is swapped: the date of its approval (24 December 2026) lies after the day on "
        "which the run began." in words
    )


def test_a_check_that_was_not_assessed_says_why_and_shows_no_number(tree: Any) -> None:
    words = tree.words.split("8.6 Statements against beliefs not assessed")[1].split("9 Explanation quality")[0]

    assert "The data set 'pairs' has no column 'statement'." in words
    assert "Nothing was measured, so nothing is reported." in words
    assert "Table" not in words


def test_an_audit_that_explains_nothing_says_so(small_record: Record, page_tree: Any) -> None:
    words = page_tree(page.fill(small_record, medium="print")).words

    assert "Not assessed. No check of this audit examined how faithful explanations of single outputs are." in words


def met(record: Record, **policy: object) -> Record:
    """The invented audit with nothing but its met check."""
    return record.model_copy(update={"checks": record.checks[1:2], "policy": record.policy.model_copy(update=policy)})


def test_every_criterion_met_is_said_only_when_nothing_was_changed(record: Record, page_tree: Any) -> None:
    sentence = "Every criterion of the policy was met, within the scope and limits stated here"

    assert sentence in page_tree(page.fill(met(record, overrides={}), medium="print")).words
    assert sentence not in page_tree(page.fill(met(record), medium="print")).words


def test_an_audit_without_criteria_says_that_it_did_not_judge(record: Record, page_tree: Any) -> None:
    only = record.model_copy(update={"checks": record.checks[2:3]})

    assert "This audit measured without judging" in page_tree(page.fill(only, medium="print")).words


def test_at_least_five_drawn_cases_are_printed_where_there_are_five(filled: str, record: Record) -> None:
    printed = filled.count('class="sample"')

    assert printed == sum(min(len(check.samples), 10) for check in record.checks)


def test_every_character_of_a_report_has_a_glyph(hostile_record: Record, page_tree: Any) -> None:
    words = "".join(page_tree(page.fill(hostile_record, medium="print")).text)

    assert {f"U+{ord(ch):04X}" for ch in words if ch != "\n" and ord(ch) not in fonts.coverage()} == set()


@pytest.mark.parametrize("value", [None, 0.5, True])
def test_a_template_cannot_print_what_is_not_text(value: object) -> None:
    template = page._environment().from_string("{{ value }}")

    with pytest.raises(TypeError, match="make it text first"):
        template.render(value=value)


def test_a_template_cannot_print_what_is_not_there() -> None:
    with pytest.raises(UndefinedError):
        page._environment().from_string("{{ nothing }}").render()


def test_the_report_id_names_policy_day_and_record(record: Record) -> None:
    found = page.identity(record)

    assert found.report_id == f"invented-20261120-{found.digest[:8]}"
    assert page.identity(record.model_copy(update={"limits": ()})).digest != found.digest


def test_the_command_repeats_the_run(record: Record) -> None:
    strange = record.model.model_copy(update={"kind": "hub", "name": "my model; rm -rf /", "revision": "v2"})
    folder = record.model.model_copy(update={"kind": "folder", "name": "/home/somebody/model"})

    assert page.command(record.model_copy(update={"model": strange})) == (
        "inspectoscope run policies/invented.yaml --model 'my model; rm -rf /' --revision v2 "
        "--set checks.swap-gap.rounds=3 --dtype float32 --executor local "
        "--fail-on not_met,not_assessed,inconclusive"
    )
    assert "--model MODEL " in page.command(record.model_copy(update={"model": folder}))


def test_long_texts_are_cut_and_say_how_long_they_were() -> None:
    assert page.shortened("a" * 12000, 10) == "aaaaaaaaaa… (12\u202f000 characters in all)"
    assert page.shortened("short", 10) == "short"


@given(st.text(st.sampled_from("ab ,"), max_size=90))
def test_a_cell_may_break_inside_words_that_no_column_can_hold_and_nowhere_else(text: str) -> None:
    pieces = page.pieces(text)

    assert "".join(pieces) == text
    assert all(len(word) <= page.LONGEST_WORD for piece in pieces for word in piece.split())
    assert len(pieces) == 1 or max(map(len, text.split()), default=0) >= page.LONGEST_WORD or not text


def test_a_long_name_breaks_behind_the_marks_that_join_its_words() -> None:
    assert page.pieces("outcomes/score_gap_within_strata of a check") == [
        "outcomes/", "score_", "gap_", "within_", "strata", " of a check",
    ]  # fmt: skip


def test_a_parameter_without_text_is_no_blank_field() -> None:
    assert page.compact("") == "empty"
    assert page.compact(None) == "not set"


def test_a_table_prints_its_columns_with_decimals_of_their_own() -> None:
    table = Table(
        id="t", title="", columns=(Column(title="name"), Column(title="gap", unit="probability"), Column(title="n")),
        rows=(("a", 0.5, 3), ("b", None, 12345)),
    )  # fmt: skip

    printed = [[(cell.text, cell.numeric) for cell in row] for row in page.cells(table)]

    assert printed == [
        [("a", False), ("0.500", True), ("3", True)],
        [("b", False), ("not measured", True), ("12\u202f345", True)],
    ]


def test_the_templates_are_the_files_of_the_folder() -> None:
    assert page.templates() == ("eu_ai_act", "ll144", "summary", "technical")


def test_the_method_annex_prints_error_rates_that_hold_and_names_those_that_do_not(record: Record) -> None:
    cell = QualifiedCell(
        family="credit", kind="direct 0.60", role="plant", right=(Verdict.NOT_MET,), audits=3,
        verdicts=dict.fromkeys(Verdict, 0) | {Verdict.NOT_MET: 3}, share_right=1.0, low=0.2924, high=1.0,
    )  # fmt: skip
    checks = (
        QualifiedCheck(id="a", check="counterfactual", status="valid", cells=(cell,)),
        QualifiedCheck(id="b", check="group_outcomes", status="valid", cells=(cell,)),
        QualifiedCheck(id="c", check="trigger_scan", status="not examined"),
    )
    qualified = QualificationPart(made_on="2026-11-23", tool="0.1.0", checks=checks)

    text = page.fill(record.model_copy(update={"qualification": qualified}), medium="print", template="technical")

    assert "Audits of planted models with policies that use counterfactual" in text
    assert "100.0\u202f% [29.2\u202f%, 100.0\u202f%]" in text
    assert "group_outcomes (b) was used in the same audits." in text
    assert "trigger_scan (c): not examined. A check that found nothing may have been unable to find it." in text


# ---- what is said once ---------------------------------------------------------------------------


def with_references(*references: str) -> Table:
    columns = (Column(title="Value"), Column(title="Reference"), Column(title="Cases", unit="count"))
    return Table(id="t", title="T", columns=columns, rows=tuple((f"v{i}", r, 3) for i, r in enumerate(references)))


MANY = "american, white, christian, male and middle aged on average"


def test_a_long_text_that_most_rows_share_is_printed_once_under_the_table(record: Record, page_tree: Any) -> None:
    table = with_references(MANY, MANY, MANY, MANY, "white")
    part = record.checks[0].model_copy(update={"exhibits": (table,)})

    words = page_tree(page.fill(record.model_copy(update={"checks": (part,)}), medium="print")).words

    assert page.repeated(table) == {1: MANY}
    assert words.count(MANY) == 1
    assert f"Reference, the usual one: {MANY}." in words
    assert words.count("the usual one3") + words.count("the usual one 3") == 4


@pytest.mark.parametrize("references", [(MANY,) * 3, (MANY,) * 4 + ("white",) * 4, ("men",) * 9, ()])
def test_short_few_or_mixed_texts_stay_where_they_are(references: tuple[str, ...]) -> None:
    assert page.repeated(with_references(*references)) == {}
