"""What is said of a number that both runs have."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import diff
from audit.checks import _stats
from audit.diff import measured
from audit.types import ALPHA, MeasuredChange, Metric, Shift, Worse

RNG = np.random.default_rng(7)
NOISE = RNG.normal(0, 0.1, 80)
NOISE -= NOISE.mean()


def only(comparison):
    (change,) = comparison.judged
    return change


def compared(made, old, new, *, bounds, rows="the same rows", margin=0.0):
    records = made.record(made.check(old, bounds=bounds)), made.record(made.check(new, bounds=bounds), rows=rows)
    return diff.compare(*records, margin=margin)


# ---- each way of being worse ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metric", "old", "new", "expected"),
    [
        ("rate", 5, 40, Shift.WORSE),
        ("rate", 40, 5, Shift.BETTER),
        ("accuracy", 190, 120, Shift.WORSE),
        ("accuracy", 120, 190, Shift.BETTER),
        ("rate", 20, 21, Shift.NOISE),
        ("rate", 20, 20, Shift.NOISE),
    ],
)
@pytest.mark.parametrize("rows", ["the same rows", "other rows"])
def test_a_number_is_worse_on_the_bad_side_of_its_metric(made, metric, old, new, expected, rows):
    both = made.share(old, 200, metric), made.share(new, 200, metric)

    change = only(compared(made, *both, bounds={metric: 0.5}, rows=rows))

    assert change.shift is expected
    assert change.how == ("paired" if rows == "the same rows" else "independent")
    assert change.difference == pytest.approx((new - old) / 200)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (0.0, 0.2, Shift.WORSE),
        (0.0, -0.2, Shift.WORSE),
        (-0.2, 0.5, Shift.WORSE),
        (0.5, 0.2, Shift.BETTER),
        (0.5, -0.2, Shift.BETTER),
        (0.2, -0.2, Shift.NOISE),
    ],
)
@pytest.mark.parametrize("rows", ["the same rows", "other rows"])
def test_where_both_sides_are_bad_the_distance_from_no_effect_counts(made, old, new, expected, rows):
    both = made.mean(NOISE + old), made.mean(NOISE[::-1] + new)

    assert only(compared(made, *both, bounds={"gap": 0.1}, rows=rows)).shift is expected


def test_a_sign_that_is_not_shown_is_no_distance(made):
    # The gap moved beyond noise, but whether it lies farther from zero than before is not shown.
    wide = RNG.normal(0, 1, 80)
    wide -= wide.mean()
    old, new = made.mean(wide - 0.01), made.mean(wide + 0.03)

    change = only(compared(made, old, new, bounds={"gap": 0.1}))

    assert change.low > 0
    assert change.shift is Shift.NOISE


# ---- what cannot be tested -----------------------------------------------------------------------


def test_few_clusters_claim_nothing(made):
    change = only(compared(made, made.mean([0.0, 0.1, 0.2, 0.1, 0.0]), made.mean([5, 6, 7, 6, 5]), bounds={"gap": 0.1}))

    assert (change.shift, change.how, change.p_worse) == (Shift.UNTESTED, "none", None)
    assert change.why == "it rests on fewer than 6 clusters, which claim nothing beyond the cases tested"


@pytest.mark.parametrize(
    ("new", "expected"), [(0.2, Shift.WORSE), (0.05, Shift.BETTER), (0.1, Shift.NOISE), (0.1 + 1e-7, Shift.NOISE)]
)
def test_exact_values_of_the_same_rows_are_compared_as_they_stand(made, new, expected):
    change = only(compared(made, made.exact(0.1), made.exact(new), bounds={"rate": 0.5}))

    assert (change.shift, change.how, change.p_worse_adjusted) == (expected, "exact", None)


def test_exact_values_of_other_rows_are_not_compared(made):
    comparison = compared(made, made.exact(0.1), made.exact(0.9), bounds={"rate": 0.95}, rows="other rows")

    assert only(comparison).shift is Shift.UNTESTED
    assert comparison.regressions == ()


def test_a_change_of_single_precision_is_none(made):
    # Every row moved alike and hardly: beyond sampling noise, and of no other machine's numbers.
    old, new = made.mean(NOISE + 0.5, "rate"), made.mean(NOISE + 0.5 + 1e-6, "rate")

    assert only(compared(made, old, new, bounds={"rate": 0.9})).p_worse == 1.0


# ---- margin --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("margin", "expected"), [(0.0, Shift.WORSE), (0.1, Shift.WORSE), (0.5, Shift.NOISE)])
def test_a_margin_is_a_share_of_the_distance_between_bound_and_no_effect(made, margin, expected):
    change = only(compared(made, made.share(10, 400), made.share(60, 400), bounds={"rate": 0.4}, margin=margin))

    assert change.margin == pytest.approx(margin * 0.4)
    assert change.shift is expected


def test_numbers_that_no_criterion_binds_have_no_margin(made):
    records = [made.record(made.check(made.share(k, 400), made.mean(NOISE), bounds={"gap": 0.5})) for k in (10, 60)]

    comparison = diff.compare(*records, margin=5.0)

    assert [(c.metric.name, c.margin, c.shift) for c in comparison.described] == [("rate", 0.0, Shift.WORSE)]
    assert comparison.regressions == ()


# ---- over the whole policy -----------------------------------------------------------------------


def test_the_correction_is_made_over_every_judged_number(made):
    groups = [f"group {i}" for i in range(20)]
    old = [made.share(20, 200, group=g) for g in groups]
    new = [made.share(36 if g == "group 3" else 20, 200, group=g) for g in groups]

    alone = only(compared(made, old[3], new[3], bounds={"rate": 0.5}, rows="other rows"))
    checks = [made.record(made.check(*those, bounds={"rate": 0.5}), rows=r) for those, r in ((old, "a"), (new, "b"))]
    together = diff.compare(*checks)

    assert alone.shift is Shift.WORSE
    assert together.tests == 20
    assert together.judged[0].p_worse_adjusted == pytest.approx(20 * alone.p_worse)
    assert together.regressions == ()


def test_numbers_that_no_criterion_binds_are_corrected_among_themselves(made):
    records = [
        made.record(made.check(made.share(k, 200), made.mean(NOISE), bounds={"gap": 0.5}), rows=str(k))
        for k in (20, 40)
    ]

    comparison = diff.compare(*records)

    assert comparison.tests == 1
    assert comparison.described[0].p_worse_adjusted == comparison.described[0].p_worse


def test_worst_news_comes_first(made):
    old = [made.share(20, 200, group=g) for g in "abc"]
    new = [made.share(k, 200, group=g) for g, k in zip("abc", (20, 0, 80), strict=True)]

    comparison = diff.compare(*(made.record(made.check(*those, bounds={"rate": 0.5})) for those in (old, new)))

    assert [change.new.group for change in comparison.judged] == ["c", "a", "b"]


def test_the_change_that_would_have_been_seen_is_seen_four_times_in_five(made):
    rng = np.random.default_rng(3)
    changes = [
        only(
            compared(
                made, *(made.mean(rng.normal(m, 0.3, 60), "rate") for m in (0.2, 0.2)), bounds={"rate": 0.9}, rows="b"
            )
        )
        for _ in range(40)
    ]
    amount = float(np.mean([change.detectable for change in changes]))

    seen = [
        only(
            compared(
                made,
                *(made.mean(rng.normal(m, 0.3, 60), "rate") for m in (0.2, 0.2 + amount)),
                bounds={"rate": 0.9},
                rows="b",
            )
        ).shift
        is Shift.WORSE
        for _ in range(200)
    ]

    assert 0.7 <= np.mean(seen) <= 0.9


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=6), st.booleans())
def test_a_record_beside_itself_never_got_worse_and_swapped_runs_say_the_opposite(counts, same):
    def shares(side):
        rng = np.random.default_rng(side)
        return [
            _stats.clustered_proportion(rng.permutation(60) < pair[side], ([str(i) for i in range(60)],))
            for pair in counts
        ]

    for old, new in zip(shares(0), shares(1), strict=True):
        a, b = (_stats.measure(METRIC, e) for e in (old, new))
        there = measured._compared(change_of(a, b), same_rows=same)
        back = measured._compared(change_of(b, a), same_rows=same)
        still = measured._compared(change_of(a, a), same_rows=same)

        assert (there.p_worse, there.p_better) == pytest.approx((back.p_better, back.p_worse), rel=1e-6)
        assert (still.p_worse, still.p_better) == (1.0, 1.0)
        assert not (there.p_worse <= ALPHA and there.p_better <= ALPHA)


METRIC = Metric(name="m", title="m", meaning="", reading="", unit="share", worse=Worse.HIGHER, null=0.0)


def change_of(old, new):
    return MeasuredChange(
        check="c", check_title="c", metric=METRIC, old=old, new=new, judged=True, how="none",
        difference=new.value - old.value, shift=Shift.UNTESTED,
    )  # fmt: skip


def test_what_each_cluster_contributed_is_not_carried_along(made):
    change = only(compared(made, made.share(1, 50), made.share(2, 50), bounds={"rate": 0.5}))

    assert (change.old, change.new) == (replace(change.old, jackknife=None), replace(change.new, jackknife=None))
