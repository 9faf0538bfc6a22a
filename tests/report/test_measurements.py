import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.record import Record
from audit.report import measurements
from audit.types import Verdict

FORMULA = re.compile("[=+\\-@\t\r＝＋－＠]")


def rows(record: Record, delimiter: str = ",") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(measurements.render(record).decode("utf-8-sig")), delimiter=delimiter))


def is_number(text: str) -> bool:
    return re.fullmatch(r"-?\d+(\.\d+)?(e[+-]?\d+)?", text) is not None


def runs_something(cell: str) -> bool:
    """Whether a spreadsheet would take the cell for a formula."""
    return FORMULA.match(cell.lstrip()) is not None and not is_number(cell)


def test_every_measurement_has_a_row_with_the_numbers_of_the_record(record: Record) -> None:
    found = [row for row in rows(record) if row["value"]]

    measured = [(check.id, m) for check in record.checks for m in check.measurements]
    assert len(found) == len(measured) == 21
    for row, (check, m) in zip(found, measured, strict=True):
        assert (row["check"], row["group"], row["metric"]) == (check, m.group, m.metric)
        assert (float(row["value"]), int(row["n"])) == (m.value, m.n)
        assert (row["low"], row["high"]) == tuple("" if end is None else repr(end) for end in (m.low, m.high))


def test_a_judged_measurement_says_against_what_and_how_it_came_out(record: Record) -> None:
    first, *_ = rows(record)

    told = ("check_verdict", "verdict", "relation", "bound", "policy_line", "reason")
    assert {name: first[name] for name in told} == {
        "check_verdict": "not_met", "verdict": "not_met", "relation": "at_most", "bound": "0.05",
        "policy_line": "11", "reason": "4 of 14 comparisons lie beyond the bound.",
    }  # fmt: skip


def test_what_is_not_judged_has_no_verdict(record: Record) -> None:
    assert {(row["verdict"], row["bound"]) for row in rows(record) if row["check"] in {"why", "leakage"}} == {("", "")}


def test_a_check_that_measured_nothing_has_a_row_without_a_value(record: Record) -> None:
    (row,) = [row for row in rows(record) if row["check"] == "beliefs"]

    assert (row["check_verdict"], row["value"], row["metric"]) == (Verdict.NOT_ASSESSED.value, "", "")
    assert row["reason"] == "The data set 'pairs' has no column 'statement'."


def test_the_file_is_what_spreadsheets_and_rfc_4180_expect(record: Record) -> None:
    content = measurements.render(record)

    assert content.startswith(b"\xef\xbb\xbfpolicy,policy_version,model,")
    assert content.count(b"\r\n") == content.count(b"\n") == len(rows(record)) + 1


@pytest.mark.parametrize(
    "evil",
    ["=HYPERLINK(1)", "+1", "-2+3", "@SUM(1)", "  =1", "＝1", "a;=1+1", 'a";=1', "a,\t@b", "x|=cmd|' /C calc'!A0"],
)
def test_a_name_that_is_a_formula_stays_a_name(record: Record, evil: str) -> None:
    text = record.to_json().replace("transgender", evil.replace('"', '\\"').replace("\t", "\\t"))
    hostile = Record.model_validate_json(text)

    for delimiter in ",;\t|":
        cells = csv.reader(io.StringIO(measurements.render(hostile).decode("utf-8-sig")), delimiter=delimiter)
        assert [cell for row in cells for cell in row if runs_something(cell)] == []


def test_the_check_for_formulas_sees_one() -> None:
    assert runs_something("=1+1")
    assert runs_something(" @x")
    assert not runs_something("-0.25")
    assert not runs_something("'=1+1")


def test_hostile_text_breaks_no_row(record: Record, hostile_record: Record) -> None:
    found = rows(hostile_record)

    assert len(found) == len(rows(record))
    assert all(set(row) == set(measurements.COLUMNS) and None not in row.values() for row in found)


@given(st.text(), st.sampled_from(",;\t|"))
def test_no_text_becomes_a_formula(text: str, delimiter: str) -> None:
    out = io.StringIO()
    csv.writer(out).writerow(["first", measurements.harmless(text), "last"])

    cells = next(csv.reader(io.StringIO(out.getvalue()), delimiter=delimiter))
    assert not any(FORMULA.match(cell.lstrip()) for cell in cells)


@given(st.text(alphabet=st.characters(categories=["L", "N"]), max_size=30))
def test_ordinary_names_stay_as_they_are(text: str) -> None:
    assert measurements.harmless(text) == text
