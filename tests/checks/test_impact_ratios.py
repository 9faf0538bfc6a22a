"""Tables of impact ratios: a case worked out by hand, the rule on small categories, unknown categories, the median."""

from __future__ import annotations

from typing import Any

import pytest

from audit.checks._toy import tasks
from audit.registry import check_types
from audit.types import Finding, Forest, NotAssessed, Table

MODEL = tasks.Reader(reads=lambda words: float(words[0]))
"""Selects a text that begins with a positive number, and scores by it."""

COUNTS = {
    # (sex, race, log-odds) → applicants
    ("female", "north", "2"): 10,
    ("female", "north", "-2"): 30,
    ("female", "south", "1"): 12,
    ("female", "south", "-1"): 18,
    ("male", "north", "2"): 30,
    ("male", "north", "-1"): 20,
    ("male", "south", "1"): 16,
    ("male", "south", "-2"): 24,
    ("", "south", "2"): 4,
    ("male", "", "-2"): 6,
}


@pytest.fixture
def of_counts(make_data: Any) -> Any:
    def make(counts: dict[tuple[str, str, str], int], **more: Any) -> Any:
        rows = [
            {"sex": sex, "race": race, "odds": odds, "case": f"c{k}x{i}"}
            for k, ((sex, race, odds), n) in enumerate(counts.items())
            for i in range(n)
        ]
        return make_data(rows, text="{odds} {case}", **more)

    return make


def table(found: Finding | NotAssessed, name: str) -> Table:
    assert isinstance(found, Finding)
    (one,) = [e for e in found.exhibits if e.id == f"impact_{name}"]
    assert isinstance(one, Table)
    return one


def approx(*row: Any) -> tuple[Any, ...]:
    return tuple(pytest.approx(cell) if isinstance(cell, float) else cell for cell in row)


# ---- a case worked out by hand -------------------------------------------------------------------


def test_the_three_tables_are_what_one_counts(of_counts: Any, run_check: Any) -> None:
    # 72 of 170 are selected, so the median is below zero: among those at −1, whom "above" does not count.
    found = run_check("impact_ratios", {}, of_counts(COUNTS), MODEL)

    women, men = 22 / 70, 46 / 96
    assert table(found, "sex").rows == (
        approx("female", 70, 22, women, women / men, 22, women, women / men),
        approx("male", 96, 46, men, 1.0, 46, men, 1.0),
        ("unknown", 4, None, None, None, None, None, None),
    )
    north, south = 40 / 90, 32 / 74
    assert table(found, "race").rows == (
        approx("north", 90, 40, north, 1.0, 40, north, 1.0),
        approx("south", 74, 32, south, south / north, 32, south, south / north),
        ("unknown", 6, None, None, None, None, None, None),
    )
    assert [row[:5] for row in table(found, "intersectional").rows] == [
        approx("female north", 40, 10, 0.25, 0.25 / 0.6),
        approx("female south", 30, 12, 0.4, 0.4 / 0.6),
        approx("male north", 50, 30, 0.6, 1.0),
        approx("male south", 40, 16, 0.4, 0.4 / 0.6),
        ("unknown", 10, None, None, None),
    ]


def test_scoring_rates_count_who_is_above_the_median_of_all(of_counts: Any, run_check: Any) -> None:
    # All are selected. The two of unknown sex lie on top and lift the median from 1.5 to 2, which women do not pass.
    data = of_counts(
        {("female", "n", "1"): 30, ("female", "s", "2"): 20, ("male", "n", "2"): 20, ("male", "s", "3"): 30,
         ("", "n", "4"): 2}
    )  # fmt: skip

    found = run_check("impact_ratios", {}, data, MODEL)

    assert [row[5:] for row in table(found, "sex").rows] == [(0, 0.0, 0.0), (30, 0.6, 1.0), (None, None, None)]
    assert [row[3:5] for row in table(found, "sex").rows[:2]] == [(1.0, 1.0), (1.0, 1.0)]


def test_every_ordered_pair_has_its_ratio_with_an_interval(of_counts: Any, run_check: Any, the: Any) -> None:
    found = run_check("impact_ratios", {}, of_counts(COUNTS), MODEL)

    ratio = the(found, "impact_ratio", group="female", reference="male")
    assert ratio.value == pytest.approx((22 / 70) / (46 / 96))
    assert ratio.low < ratio.value < ratio.high
    assert the(found, "impact_ratio", group="male", reference="female").value == pytest.approx(1 / ratio.value)
    assert isinstance(found, Finding)
    assert sum(m.metric == "impact_ratio" for m in found.measurements) == 2 + 2 + 12


def test_figures_show_ratios_to_the_highest_rate(of_counts: Any, run_check: Any) -> None:
    found = run_check("impact_ratios", {}, of_counts(COUNTS), MODEL)

    assert isinstance(found, Finding)
    forests = {e.id: e for e in found.exhibits if isinstance(e, Forest)}
    assert [line.label for line in forests["ratios_intersectional"].rows] == [
        "female north", "female south", "male south",
    ]  # fmt: skip
    assert list(forests) == ["ratios_sex", "ratios_race", "ratios_intersectional"]


# ---- unknown and small categories ----------------------------------------------------------------


def test_values_that_mean_unknown_are_no_category(of_counts: Any, run_check: Any) -> None:
    data = of_counts({**COUNTS, ("not stated", "north", "2"): 9, (" ", "north", "2"): 3})

    found = run_check("impact_ratios", {"unknown": ["not stated"]}, data, MODEL)

    assert [row[:2] for row in table(found, "sex").rows] == [("female", 70), ("male", 96), ("unknown", 16)]
    said = "16 rows of unknown sex and 6 rows of unknown race are in no category; they count for the median."
    assert found.limits[2] == said


SMALL = {**COUNTS, ("male", "east", "2"): 3}


def test_a_small_category_stays_in_unless_it_is_left_out(of_counts: Any, run_check: Any, check_of: Any) -> None:
    found = run_check("impact_ratios", {}, of_counts(SMALL), MODEL)

    assert table(found, "race").rows[0] == approx("east", 3, 3, 1.0, 1.0, 3, 1.0, 1.0)
    assert check_of(found, "categories").passed is True


def test_a_category_below_two_per_cent_is_left_out_with_its_reason_count_and_rates(
    of_counts: Any, run_check: Any, check_of: Any
) -> None:
    params = {"leave_out_small": True, "left_out_because": "Three applicants say nothing."}

    found = run_check("impact_ratios", params, of_counts(SMALL), MODEL)

    race = table(found, "race")
    assert race.rows[0] == approx("east", 3, 3, 1.0, None, 3, 1.0, None)
    assert race.rows[1] == approx("north", 90, 40, 40 / 90, 1.0, 40, 40 / 90, 1.0)
    assert race.note.endswith(
        "Left out of the ratios, as below 2 % of the rows: east. Reason given: Three applicants say nothing."
    )
    assert table(found, "sex").note.endswith("those of unknown category included.")
    gate = check_of(found, "categories")
    assert (gate.passed, gate.found) == (False, "left out: east, male east")
    assert isinstance(found, Finding)
    assert not [m for m in found.measurements if m.reference and "east" in m.group + m.reference]


def test_two_per_cent_exactly_is_not_below(of_counts: Any, run_check: Any) -> None:
    data = of_counts({**COUNTS, ("male", "east", "2"): 4, ("male", "north", "-2"): 26})
    params = {"leave_out_small": True, "left_out_because": "few"}

    found = run_check("impact_ratios", params, data, MODEL)

    assert len(data.rows) == 200
    assert table(found, "race").rows[0][4] is not None


def test_where_nobody_is_selected_there_is_no_ratio(of_counts: Any, run_check: Any) -> None:
    data = of_counts({("f", "n", "-1"): 20, ("f", "s", "-2"): 20, ("m", "n", "-1"): 20, ("m", "s", "-3"): 20})

    found = run_check("impact_ratios", {}, data, MODEL)

    assert isinstance(found, Finding)
    assert [row[2:5] for row in table(found, "sex").rows[:2]] == [(0, 0.0, None), (0, 0.0, None)]
    assert "impact_ratio" not in {m.metric for m in found.measurements}
    assert "scoring_ratio" in {m.metric for m in found.measurements}


# ---- what it may be used for ---------------------------------------------------------------------


def test_ratios_are_judged_only_where_it_is_said_why() -> None:
    check = check_types()["impact_ratios"]
    read = check.params.model_validate

    assert check.judgeable(read({})) == frozenset()
    assert check.judgeable(read({"parity_rationale": "A public service."})) == {"impact_ratio", "scoring_ratio"}


def test_the_report_says_that_it_is_no_bias_audit(of_counts: Any, run_check: Any) -> None:
    found = run_check("impact_ratios", {"parity_rationale": "A public service."}, of_counts(COUNTS), MODEL)

    assert found.limits == (
        "These tables are arithmetic on the stated rows. They are not a bias audit under Local Law 144, which calls "
        "for an independent auditor; no pass mark stands there, and 0.80 is a reference line of the US Uniform "
        "Guidelines.",
        "The rows are synthetic: rates of made-up applicants say how the model decides, not how it is used.",
        "4 rows of unknown sex and 6 rows of unknown race are in no category; they count for the median.",
        "The policy names no population that the rows were drawn from: rates speak of these rows only.",
        "Equal rates are asked for whatever the circumstances: A public service.",
    )


def test_parameters_that_say_too_little_are_refused(of_counts: Any, problems_of: Any) -> None:
    read = check_types()["impact_ratios"].params.model_validate
    with pytest.raises(ValueError, match="categories are left out for a reason: say it in left_out_because"):
        read({"leave_out_small": True})
    with pytest.raises(ValueError, match="sex and race are two fields"):
        read({"race": "sex"})
    assert problems_of("impact_ratios", {"race": "rice"}, of_counts(COUNTS)) == [(("race",), "no field 'rice'")]
    assert problems_of("impact_ratios", {"unknown": ["male"]}, of_counts(COUNTS)) == [
        (("sex",), "fewer than two categories in 'sex'")
    ]
