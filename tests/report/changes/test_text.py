"""What a terminal says of a comparison."""

from dataclasses import replace

import pytest

from audit.report import changes
from audit.types import Comparison, Mirror, Shift


def said(comparison: Comparison) -> str:
    return changes.render(comparison, "text").decode().replace("\u202f", "").replace("\u00a0", " ")


def test_what_got_worse_comes_first(comparison: Comparison) -> None:
    lines = said(comparison).splitlines()

    assert lines[0] == (
        "Something got worse: 1 criterion was met and is not met, 3 numbers are worse beyond noise and 1 thing is no "
        "longer shown."
    )
    assert lines[1:3] == [
        "  17 numbers that criteria bind were tested, corrected together (Holm): 17 as independent samples. "
        "14 show no change.",
        "  The runs differ in the model and bounds.",
    ]
    at = lines.index("Got worse")
    assert lines[at + 1] == (
        "  ✖ Positive decisions by group: Selection rate: threshold met → threshold not met (1 of 3 comparisons lies "
        "beyond the bound.)"
    )
    assert lines[at + 2].startswith("  ✖ Positive decisions by group: Selection rate, women")
    assert lines[at + 3].startswith("  ✖ Score gaps when a group's name is swapped: Mean score gap, ")
    assert lines[at + 5] == "  ○ Which sentence of a pair is likelier: the check is gone"


def test_a_number_is_told_before_and_now_with_its_change_and_their_intervals(comparison: Comparison) -> None:
    (line,) = (line for line in said(comparison).splitlines() if "Selection rate, women" in line)

    assert line == (
        "  ✖ Positive decisions by group: Selection rate, women: 85.4% [81.9%, 88.5%] before, 62.5% [58.0%, 67.0%] "
        "now; worse beyond noise (lower is worse): −22.9 [−28.5, −17.3] points, p < 0.001, as independent samples"
    )


def test_what_else_differs_is_named(comparison: Comparison) -> None:
    lines = said(comparison).splitlines()

    at = lines.index("Differs beside the numbers")
    assert lines[at + 2 : at + 4] == [
        "  model, name: models/invented-toxicity → models/invented-toxicity-2",
        "  criteria, swap-gap: bounds: Mean score gap at most 0.05 → Mean score gap at most 0.9",
    ]


@pytest.mark.parametrize(("gap", "told"), [("nearer", "better beyond noise"), ("farther", "worse beyond noise")])
def test_a_mirrored_number_names_the_one_that_tells_its_change(comparison: Comparison, gap: str, told: str) -> None:
    row = comparison.judged[1]
    named = replace(row.new, group="men", reference="women", stratum="")
    mirror = Mirror(group="women", reference="men", gap=gap)  # type: ignore[arg-type]
    mirrored = replace(row, new=named, shift=Shift.MIRRORED, mirror=mirror)

    lines = said(replace(comparison, judged=(mirrored,), verdicts=(), lost=())).splitlines()

    assert lines[0] == "Nothing is shown to have got worse."
    assert lines[1].endswith(" 1 mirrors another number.")
    (line,) = (lines[i + 1] for i, line in enumerate(lines) if line == "The same seen from the other group")
    assert line.startswith(f"  {row.check_title}: {row.metric.title}, men against women: ")
    assert f"; mirrors women against men, which is {told}: " in line


@pytest.mark.parametrize(
    ("gap", "told"),
    [
        ("unclear", "; whether the gap between the two opened or closed is not shown"),
        ("turned", "; the gap turned: it lies beyond its bound on the other side now"),
        ("farther", ", as independent samples"),
    ],
)
def test_a_gap_of_which_both_rows_stand_is_told_with_the_reason(comparison: Comparison, gap: str, told: str) -> None:
    row = comparison.judged[0]
    mirror = Mirror(group="men", reference="women", gap=gap)  # type: ignore[arg-type]

    lines = said(replace(comparison, judged=(replace(row, mirror=mirror),), verdicts=(), lost=())).splitlines()

    (line,) = (line for line in lines if "worse beyond noise (" in line)
    assert line.endswith(told)


def test_nothing_worse_is_not_told_as_nothing_changed(unchanged: Comparison) -> None:
    lines = said(unchanged).splitlines()

    assert lines[0] == "Nothing is shown to have got worse."
    assert lines[2] == "  Both runs have the same policy, bounds, data, methods, toolchain and model files."
    assert "Got worse" not in lines
    assert lines[-2:] == ["Not assessed in either run", "  Statements against beliefs"]


def test_text_from_outside_moves_no_cursor(hostile_comparison: Comparison) -> None:
    text = changes.render(hostile_comparison, "text").decode()

    assert not set(text) & {"\x00", "\x1b", "\u202e", "\ue000"}
