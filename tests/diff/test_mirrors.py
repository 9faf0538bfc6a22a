"""Two rows that are one gap, seen from either group: which of them is told."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit import diff
from audit.checks import _stats
from audit.types import Metric, Mirror, Shift, Worse

RNG = np.random.default_rng(7)
NOISE = RNG.normal(0, 0.1, 80)
NOISE -= NOISE.mean()
OTHER = NOISE[::-1]
RATIO = Metric(name="ratio", title="Ratio", meaning="", reading="{value}", unit="", worse=Worse.LOWER, null=1.0)


def both(made, values, metric="lead", **named):
    """A number seen from group a, and the same number seen from group b."""
    return (
        made.mean(values, metric, group="a", reference="b", **named),
        made.mean(-np.asarray(values), metric, group="b", reference="a", **named),
    )


def shifts(made, old, new, *, bounds, rows="the same rows", margin=0.0):
    """What is said of each row, by its group."""
    records = made.record(made.check(*old, bounds=bounds)), made.record(made.check(*new, bounds=bounds), rows=rows)
    comparison = diff.compare(*records, margin=margin)
    return {change.new.group: change.shift for change in (*comparison.judged, *comparison.described)}


# ---- what the gap says ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "a", "b"),
    [
        (0.5, 0.0, Shift.BETTER, Shift.MIRRORED),
        (0.5, 0.2, Shift.BETTER, Shift.MIRRORED),
        (0.5, -0.05, Shift.BETTER, Shift.MIRRORED),
        (0.0, 0.5, Shift.WORSE, Shift.MIRRORED),
        (-0.05, 0.5, Shift.WORSE, Shift.MIRRORED),
        (0.2, 0.2, Shift.NOISE, Shift.NOISE),
    ],
)
@pytest.mark.parametrize("rows", ["the same rows", "other rows"])
def test_one_of_two_rows_tells_how_the_gap_moved(made, old, new, a, b, rows):
    then, now = both(made, NOISE + old), both(made, OTHER + new)

    assert shifts(made, then, now, bounds={"lead": 0.1}, rows=rows) == {"a": a, "b": b}
    assert shifts(made, then[::-1], now, bounds={"lead": 0.1}, rows=rows) == {"a": a, "b": b}


@pytest.mark.parametrize(("old", "new"), [(0.5, -0.3), (-0.3, 0.5)])
def test_a_gap_that_turned_beyond_its_bound_is_better_for_one_group_and_worse_for_the_other(made, old, new):
    said = shifts(made, both(made, NOISE + old), both(made, OTHER + new), bounds={"lead": 0.1})

    assert sorted(said.values()) == [Shift.BETTER, Shift.WORSE]
    assert said["a"] is (Shift.BETTER if old > 0 else Shift.WORSE)


def test_a_regression_is_not_lost_to_a_doubt_on_which_side_the_gap_lies(made):
    # Every row moved by .04, so the change is shown; a mean of -.01 among values that scatter by 1 is on neither side.
    wide = RNG.normal(0, 1, 80)
    wide -= wide.mean()

    said = shifts(made, both(made, wide - 0.01), both(made, wide + 0.03 + NOISE / 10), bounds={"lead": 0.1})

    assert said == {"a": Shift.WORSE, "b": Shift.BETTER}


@pytest.mark.parametrize(
    ("old", "new", "a", "b"),
    [
        (0.161, 0.005, Shift.BETTER, Shift.MIRRORED),
        (0.161, -0.005, Shift.BETTER, Shift.MIRRORED),
        (0.005, 0.161, Shift.WORSE, Shift.MIRRORED),
        (0.161, -0.12, Shift.BETTER, Shift.WORSE),
        (0.161, -0.161, Shift.BETTER, Shift.WORSE),
    ],
)
def test_so_it_is_of_exact_values(made, old, new, a, b):
    def sides(value):
        return (
            made.exact(value, "lead", group="a", reference="b"),
            made.exact(-value, "lead", group="b", reference="a"),
        )

    assert shifts(made, sides(old), sides(new), bounds={"lead": 0.1}) == {"a": a, "b": b}


def test_a_number_that_no_criterion_binds_has_no_bound_to_turn_beyond(made):
    bound = made.share(1, 50)
    then, now = (*both(made, NOISE + 0.5), bound), (*both(made, OTHER - 0.2), bound)

    said = shifts(made, then, now, bounds={"rate": 0.1})

    assert said == {"": Shift.NOISE, "a": Shift.BETTER, "b": Shift.MIRRORED}


@pytest.mark.parametrize(
    ("few", "many", "a", "b"),
    [((30, 60), (60, 60), Shift.BETTER, Shift.MIRRORED), ((60, 60), (30, 60), Shift.WORSE, Shift.MIRRORED)],
)
def test_ratios_mirror_one_another_by_division(made, few, many, a, b):
    def sides(of_a, of_b):
        """Of 100 rows each, so many of either group are chosen."""
        events = np.r_[np.arange(100) < of_a, np.arange(100) < of_b]
        member, labels = np.arange(200) < 100, ([f"row {i}" for i in range(200)],)
        there, back = (_stats.proportion_ratio(events, m, labels) for m in (member, ~member))
        return (
            _stats.measure(RATIO, there, group="a", reference="b"),
            _stats.measure(RATIO, back, group="b", reference="a"),
        )

    assert shifts(made, sides(*few), sides(*many), bounds={"ratio": 0.8}) == {"a": a, "b": b}


# ---- what is no mirror ---------------------------------------------------------------------------


def test_without_the_mirrored_row_in_both_records_a_rise_is_worse(made):
    (_, then), now = both(made, NOISE + 0.5), both(made, OTHER)

    assert shifts(made, (then,), now, bounds={"lead": 0.1}) == {"b": Shift.WORSE}
    assert shifts(made, both(made, NOISE + 0.5), now[1:], bounds={"lead": 0.1}) == {"b": Shift.WORSE}


def test_the_mirrored_row_of_another_stratum_tells_nothing_of_this_one(made):
    (north, _), (_, south) = both(made, NOISE + 0.5, stratum="north"), both(made, NOISE + 0.5, stratum="south")
    (north_now, _), (_, south_now) = both(made, OTHER, stratum="north"), both(made, OTHER, stratum="south")

    said = shifts(made, (north, south), (north_now, south_now), bounds={"lead": 0.1})

    assert said == {"a": Shift.BETTER, "b": Shift.WORSE}


def test_swapped_names_of_numbers_that_are_not_each_others_mirror_are_two_facts(made):
    # Trained on a and read on b is another number than trained on b and read on a.
    old = made.mean(NOISE + 0.5, "lead", group="a", reference="b"), made.mean(NOISE, "lead", group="b", reference="a")
    new = made.mean(OTHER, "lead", group="a", reference="b"), made.mean(OTHER + 0.4, "lead", group="b", reference="a")

    assert shifts(made, old, new, bounds={"lead": 0.1}) == {"a": Shift.BETTER, "b": Shift.WORSE}


def test_where_both_sides_are_bad_both_rows_say_the_same_and_none_mirrors(made):
    old, new = both(made, NOISE + 0.5, "gap"), both(made, OTHER, "gap")

    assert shifts(made, old, new, bounds={"gap": 0.1}) == {"a": Shift.BETTER, "b": Shift.BETTER}


def test_few_clusters_claim_nothing_of_either_row(made):
    said = shifts(made, both(made, [0.5, 0.6, 0.4]), both(made, [0.0, 0.1, -0.1]), bounds={"lead": 0.1})

    assert said == {"a": Shift.UNTESTED, "b": Shift.UNTESTED}


# ---- over the whole policy -----------------------------------------------------------------------


def test_a_closing_gap_is_no_regression_and_names_the_row_that_tells_it(made):
    records = [made.record(made.check(*both(made, v), bounds={"lead": 0.1})) for v in (NOISE + 0.5, OTHER)]

    comparison = diff.compare(*records)

    assert comparison.regressions == ()
    (mirrored,) = comparison.shifted(Shift.MIRRORED)
    assert mirrored.mirror == Mirror(group="a", reference="b", gap="nearer")


def test_both_rows_of_a_gap_count_in_the_correction(made):
    records = [made.record(made.check(*both(made, v), bounds={"lead": 0.9})) for v in (NOISE, OTHER + 0.03)]

    comparison = diff.compare(*records)

    assert comparison.tests == 2
    row = comparison.judged[0]
    assert (row.new.group, row.p_worse_adjusted) == ("a", pytest.approx(2 * row.p_worse))


def test_a_margin_holds_for_how_the_gap_moved_too(made):
    then, now = both(made, NOISE + 0.3), both(made, OTHER)

    assert set(shifts(made, then, now, bounds={"lead": 0.4}, margin=0.9).values()) == {Shift.NOISE}


MIRRORED = {Shift.WORSE: Shift.BETTER, Shift.BETTER: Shift.WORSE}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(st.floats(-0.6, 0.6), st.floats(-0.6, 0.6), st.floats(0.01, 0.3))
def test_the_names_of_groups_do_not_matter_and_swapped_runs_say_the_opposite(made, old, new, bound):
    there = shifts(made, both(made, NOISE + old), both(made, OTHER + new), bounds={"lead": bound})
    renamed = shifts(made, both(made, -(NOISE + old)), both(made, -(OTHER + new)), bounds={"lead": bound})
    back = shifts(made, both(made, OTHER + new), both(made, NOISE + old), bounds={"lead": bound})

    assert renamed == {"a": there["b"], "b": there["a"]}
    assert back == {group: MIRRORED.get(shift, shift) for group, shift in there.items()}
    assert list(there.values()).count(Shift.MIRRORED) <= 1
