"""The tables of Local Law 144: the numbers of the check, the rule on small categories, room for what is not known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from audit.record import CheckPart, Record
from audit.report import findings, ll144, page, pdf
from audit.types import Cell, Column, Forest, Interval, Table, Verdict

STANDARDS = ("PDF/A-3a", "PDF/UA-1")
UNKNOWN = ("unknown", 40, None, None, None, None, None, None)
BY_SEX = (
    ("female", 300, 60, 0.2, 0.5, 120, 0.4, 0.8),
    ("male", 290, 116, 0.4, 1.0, 145, 0.5, 1.0),
    ("other", 10, 1, 0.1, None, 2, 0.2, None),
    UNKNOWN,
)
"""Of 640 rows, the 10 of "other" are 1.6 %."""


def table(name: str, rows: tuple[tuple[Cell, ...], ...] = BY_SEX) -> Table:
    titles = ("Category", "Applicants", "Selected", "Rate", "Ratio", "Above", "Rate", "Ratio")
    return Table(id=name, title=name, columns=tuple(Column(title=t) for t in titles), rows=rows)


@pytest.fixture
def with_tables(record: Record) -> Callable[..., Record]:
    """The invented record with a check of impact ratios in place of its rates; ``more`` changes that check."""

    def make(**more: Any) -> Record:
        (rates,) = (c for c in record.checks if c.id == "selection-rates")
        forest = Forest(
            id="ratios_sex", title="Selection rates as a multiple of that of male, the highest", unit="ratio",
            null=1.0, rows=(Interval(label="female", value=0.5, low=0.4, high=0.63),),
        )  # fmt: skip
        changed: dict[str, Any] = {
            "check": "impact_ratios",
            "params": {"small_share": 0.02, "leave_out_small": True, "left_out_because": "Ten applicants say little."},
            "exhibits": (*(table(name) for name in ll144.TABLES), forest),
            "limits": ("Arithmetic on the stated rows.",),
        }
        part: CheckPart = rates.model_copy(update=changed | more)
        return record.model_copy(update={"checks": (*record.checks[:1], part)})

    return make


@pytest.fixture
def words_of(page_tree: Any) -> Callable[[Record], str]:
    return lambda record: str(page_tree(page.fill(record, medium="print", template="ll144")).words)


def summary_of(record: Record) -> ll144.Summary:
    (found,) = ll144.summaries(record, findings.checks(record))
    return found


def test_a_line_is_what_the_check_counted(with_tables: Callable[..., Record]) -> None:
    found = summary_of(with_tables())

    assert [sheet.of for sheet in found.sheets] == ["sex", "race or ethnicity", "sex and race or ethnicity"]
    assert found.sheets[0].lines[0] == ll144.Category(
        name="female", applicants="300", share="46.9\u202f%", small=False, left_out=False, selected="60",
        selection_rate="20.0\u202f%", selection_ratio="0.50", above="120", scoring_rate="40.0\u202f%",
        scoring_ratio="0.80",
    )  # fmt: skip
    assert {sheet.unknown for sheet in found.sheets} == {"40"}


def test_a_category_left_out_keeps_its_number_and_rates_and_the_reason_is_printed(
    with_tables: Callable[..., Record], words_of: Callable[[Record], str]
) -> None:
    record = with_tables()

    line = summary_of(record).sheets[0].lines[2]
    assert (line.small, line.left_out, line.applicants, line.selected) == (True, True, "10", "1")
    assert (line.selection_rate, line.selection_ratio, line.scoring_ratio) == ("10.0\u202f%", "left out", "left out")
    assert (
        "Left out of the ratios as below 2 % of the rows (§ 5-301(d)): other. Their number and rates are printed. "
        "Reason given: Ten applicants say little. " in words_of(record).replace("\u202f", " ")
    )


def test_a_small_category_that_stays_in_is_marked(
    with_tables: Callable[..., Record], words_of: Callable[[Record], str]
) -> None:
    rows = (*BY_SEX[:2], ("other", 10, 1, 0.1, 0.25, 2, 0.2, 0.4), UNKNOWN)
    record = with_tables(params={}, exhibits=(table("impact_sex", rows),))

    line = summary_of(record).sheets[0].lines[2]
    assert (line.small, line.left_out, line.selection_ratio) == (True, False, "0.25")
    words = words_of(record).replace("\u202f", " ")
    assert "other below 2 % of the rows" in words
    assert "No category was left out of the ratios, though § 5-301(d) allows it for those below 2 %" in words


def test_a_ratio_to_a_rate_of_nothing_is_not_zero(with_tables: Callable[..., Record]) -> None:
    rows = (("female", 300, 0, 0.0, None, 120, 0.4, 0.8), ("male", 300, 0, 0.0, None, 150, 0.5, 1.0), UNKNOWN)

    found = summary_of(with_tables(exhibits=(table("impact_sex", rows),)))

    assert [line.selection_ratio for line in found.sheets[0].lines] == ["not measured", "not measured"]


def test_what_only_others_know_is_left_blank(
    with_tables: Callable[..., Record], words_of: Callable[[Record], str]
) -> None:
    words = words_of(with_tables())

    assert "These tables are not a bias audit under Local Law 144." in words
    assert "Distribution date of the toolfor the employer or vendor to supply" in words
    assert "Date of the datafor the employer or vendor to supply" in words
    assert "Date of the most recent bias auditfor the independent auditor to supply" in words
    assert "40 by sex; 40 by race or ethnicity; 40 by sex and race or ethnicity" in words
    assert "0.80 is a reference line of the federal Uniform Guidelines" in words


def test_tables_that_are_not_there_are_named(
    with_tables: Callable[..., Record], words_of: Callable[[Record], str]
) -> None:
    odd = replace(table("impact_race"), columns=(Column(title="Category"),), rows=(("female",),))
    record = with_tables(exhibits=(table("impact_sex"), odd))

    assert summary_of(record).missing == ("race or ethnicity", "sex and race or ethnicity")
    assert "The record holds no table by race or ethnicity nor by sex and race or ethnicity." in words_of(record)


def test_a_check_that_was_not_assessed_has_no_tables(
    with_tables: Callable[..., Record], words_of: Callable[[Record], str]
) -> None:
    record = with_tables(verdict=Verdict.NOT_ASSESSED, reason="the scores do not vary", exhibits=(), criteria=())

    words = words_of(record)
    assert "The scores do not vary. So there are no tables here." in words
    assert "Rates and impact ratios by sex" not in words


def test_a_record_without_the_check_says_so(record: Record, words_of: Callable[[Record], str]) -> None:
    words = words_of(record)

    assert "No check of this policy measures impact ratios (impact_ratios), so there is no table to print." in words


@pytest.mark.slow
def test_the_printed_tables_follow_the_standards(
    with_tables: Callable[..., Record], verapdf: Any, tmp_path: Path
) -> None:
    path = tmp_path / "report.pdf"
    path.write_bytes(pdf.render(with_tables(), "ll144"))

    assert [set(verapdf.check(path, standard).broken) for standard in STANDARDS] == [set(), set()]
