"""Which number stands for a check that carries no criterion, and that it says of how many it was chosen."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.record import Record
from audit.report import findings, html, leading, markdown, page
from audit.report.terminal import terminal_summary
from audit.types import Measurement, Worse


def number(value: float, *, worse: Worse = Worse.HIGHER, null: float | None = 0.0, metric: str = "move") -> Measurement:
    return Measurement(metric=metric, value=value, n=40, unit="probability", worse=worse, null=null, exact=True)


def screen(record: Record, numbers: Sequence[float]) -> Record:
    """The first check of the invented audit alone, with some of its numbers and no bound."""
    part = record.checks[0]
    kept = tuple(m for value in numbers for m in part.measurements if m.value == value)
    bare = {"criteria": (), "verdict": None, "reason": "the policy sets no criterion", "measurements": kept}
    return record.model_copy(update={"checks": (part.model_copy(update=bare),)})


# ---- the rule ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "worse", "null", "expected"),
    [
        ((0.01, 0.3, 0.2), Worse.HIGHER, 0.0, (1, "largest of 3")),
        ((-0.16, 0.16), Worse.HIGHER, 0.0, (1, "largest of 2")),
        ((-0.4, 0.16), Worse.HIGHER, 0.0, (1, "largest of 2")),
        ((1.7, 0.6, 0.9), Worse.LOWER, 1.0, (1, "smallest of 3")),
        ((0.4, 0.7, 0.1), Worse.AWAY, 0.5, (2, "farthest from no effect of 3")),
        ((-0.3, 0.2), Worse.AWAY, None, (0, "farthest from no effect of 2")),
        ((0.2, 0.4), Worse.HIGHER, None, (1, "largest of 2")),
        ((0.2, 0.2), Worse.HIGHER, 0.0, (0, "largest of 2")),
        ((0.2,), Worse.HIGHER, 0.0, (0, "")),
    ],
)
def test_the_number_farthest_on_its_bad_side_of_no_effect_leads(
    values: tuple[float, ...], worse: Worse, null: float | None, expected: tuple[int, str]
) -> None:
    assert leading.chosen([number(v, worse=worse, null=null) for v in values]) == expected


def test_numbers_of_other_metrics_are_not_compared_with_it() -> None:
    share = number(0.9, metric="flip_rate")

    assert leading.chosen([number(0.01), share, number(0.02), share]) == (2, "largest of 2")


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=8), st.sampled_from(Worse))
def test_the_order_in_which_groups_were_measured_does_not_matter(values: list[float], worse: Worse) -> None:
    there, back = [number(v, worse=worse) for v in values], [number(v, worse=worse) for v in reversed(values)]
    (first, how), (last, again) = leading.chosen(there), leading.chosen(back)

    assert how == again
    if worse is Worse.AWAY:
        assert abs(there[first].value) == abs(back[last].value)
    else:
        assert there[first].value == back[last].value


# ---- where it is shown ---------------------------------------------------------------------------


def test_a_judged_check_is_led_by_its_worst_line_which_was_not_chosen_for_its_size(record: Record) -> None:
    check = findings.checks(record)[0]

    assert check.lead is not None
    assert (check.lead.line, check.lead.chosen) == (check.lines[0], "")
    assert check.lead.told == check.lines[0].reading


def test_a_check_without_measurements_is_led_by_none(record: Record) -> None:
    assert findings.checks(record)[-1].lead is None


def test_readings_begin_with_the_line_that_leads_and_name_none_twice(record: Record) -> None:
    (check,) = findings.checks(screen(record, (0.03, 0.094, 0.2104, 0.011, 0.055, 0.048, 0.021)))

    assert [line.measurement.value for line in check.readings if line.measurement] == [
        0.2104,
        0.03,
        0.094,
        0.011,
        0.055,
    ]


def test_an_exact_number_has_no_interval_that_could_be_wrong(record: Record) -> None:
    (check,) = findings.checks(screen(record, (0.03, 0.094)))
    assert check.lead is not None
    assert check.lead.line.measurement is not None
    exact = replace(check.lead.line.measurement, exact=True, low=None, high=None, law=None)

    told = replace(check.lead, line=replace(check.lead.line, measurement=exact)).told

    assert told.endswith("; this is the largest of 2 such numbers")


def test_the_terminal_shows_the_largest_with_its_interval_and_says_of_how_many(record: Record) -> None:
    lines = terminal_summary(screen(record, (0.03, 0.2104, 0.011))).replace("\u00a0", " ").splitlines()

    assert lines[:5] == [
        "– measured, not judged: Score gaps when a group's name is swapped (policies/invented.yaml:8)",
        "    On the same sentences, comments naming 'transgender' are scored 0.21 [0.19, 0.23] higher than",
        "    comments naming the reference (american, white, straight, young (reference group of the invented",
        "    policy)); this is the largest of 3 such numbers, and its interval does not allow for that",
        "    choice.",
    ]


def test_a_single_number_is_not_said_to_be_chosen(record: Record) -> None:
    assert "such numbers" not in terminal_summary(screen(record, (0.03,)))


def test_every_summary_shows_the_same_number(record: Record) -> None:
    screening = screen(record, (0.03, 0.2104, 0.011))
    (check,) = findings.checks(screening)
    assert check.lead is not None

    (row,) = markdown.rows(check)
    fragment = html.fragment(screening)

    assert "transgender" in row
    assert "largest of 3 such numbers" in row
    assert "largest of 3 such numbers" in fragment


def test_the_pages_say_how_the_number_was_chosen(record: Record, page_tree: Any) -> None:
    chosen, alone = (
        page_tree(page.fill(screen(record, numbers), medium="print")).words for numbers in ((0.03, 0.2104), (0.03,))
    )

    assert "Mean score gap, transgender; largest of 2" in chosen
    assert "The largest of several is so in part by chance" in chosen
    assert "this is the largest of 2 such numbers, and its interval does not allow for that choice" in chosen
    assert "largest of" not in alone
