"""What remains of a gap has an interval that covers, and a cost is held against its margin from both sides."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import laws
from audit.checks import _stats
from audit.pruning import measuring
from audit.pruning.outcome import Behaviour, Cost, Value, equivalence, equivalent, reduced
from audit.types import Metric, Worse

GAP = Metric(name="score_gap", title="", meaning="", reading="", unit="probability", worse=Worse.AWAY, null=0.0)


def measured(gaps, clusters, *, exact=False):
    estimate = _stats.clustered_mean(np.asarray(gaps), (clusters,), reach=1.0)
    return _stats.measure(GAP, estimate, group="f", reference="m", exact=exact)


def draw(rng, clusters, rows, share):
    """Gaps before and after: clusters have gaps of their own, and as much of each remains as says a noisy share."""
    names = np.repeat(np.arange(clusters), rows)
    own = 0.15 + 0.05 * rng.standard_normal(clusters)
    before = own[names] + 0.1 * rng.standard_normal(len(names))
    after = share * own[names] + 0.05 * rng.standard_normal(clusters)[names] + 0.02 * rng.standard_normal(len(names))
    return before, after, names.astype(str).tolist()


# ---- what remains --------------------------------------------------------------------------------


def test_what_remains_is_the_ratio_with_the_jackknife_of_leaving_each_cluster_out():
    before, after, names = draw(np.random.default_rng(1), 12, 5, 0.2)

    law = measuring.ratio_law(measured(before, names), measured(after, names))

    labels = np.array(names)
    left_out = [after[labels != n].mean() / before[labels != n].mean() for n in np.unique(labels)]
    value = after.mean() / before.mean()
    se = math.sqrt(11 / 12 * np.square(np.array(left_out) - value).sum())
    assert (law.estimate, law.se, law.df) == (pytest.approx(value), pytest.approx(se, rel=1e-5), 11)


@pytest.mark.slow
@pytest.mark.parametrize(("clusters", "share"), [(16, 0.02), (16, 0.5), (40, 0.2)])
def test_the_interval_of_what_remains_covers_the_truth_as_often_as_it_says(clusters, share):
    rng, runs = np.random.default_rng(clusters), 1500
    covered = 0
    for _ in range(runs):
        before, after, names = draw(rng, clusters, 4, share)
        low, high = laws.interval(measuring.ratio_law(measured(before, names), measured(after, names)))
        covered += low <= share <= high

    # Two standard errors of a simulated rate of .95 are .011.
    assert 0.935 <= covered / runs <= 0.975


def test_of_a_gap_that_is_not_told_from_nothing_no_share_is_taken():
    names = [str(i) for i in range(10)]
    nothing = measured(np.tile([0.1, -0.1], 5), names)

    assert measuring.remaining(nothing, measured(np.full(10, 0.01) + np.arange(10) / 1000, names)) is None


def test_other_clusters_are_not_paired():
    before, after, names = draw(np.random.default_rng(1), 12, 5, 0.2)

    assert measuring.remaining(measured(before, names), measured(after, [f"x{n}" for n in names])) is None


def test_every_case_of_a_grammar_gives_an_exact_share():
    names = [str(i) for i in range(4)]

    found = measuring.remaining(measured([0.2] * 4, names, exact=True), measured([0.05] * 4, names, exact=True))

    assert found == Value(value=0.25)


# ---- what counts as reduced, and as equivalent ---------------------------------------------------


def gap(remaining):
    return Behaviour(
        metric="score_gap", group="f", reference="m", unit="probability", n=10, clusters=10, before=Value(value=0.1),
        after=Value(value=0.0), remaining=remaining,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("remaining", "said"),
    [
        (Value(value=0.02, low=-0.1, high=0.15), "reduced"),
        (Value(value=0.1, low=-0.1, high=0.25), "undecided"),
        (Value(value=0.5, low=0.4, high=0.6), "not reduced"),
        (Value(value=-1.0, low=-1.1, high=-0.9), "not reduced"),  # a gap turned round is no gap gone
        (Value(value=0.2), "reduced"),
        (None, "not assessed"),
    ],
)
def test_a_gap_is_reduced_when_its_interval_says_so(remaining, said):
    assert reduced((gap(remaining),), 0.8) == said


def test_the_gap_that_fell_least_speaks_for_all():
    assert reduced((gap(Value(value=0.01)), gap(Value(value=0.9))), 0.8) == "not reduced"


def test_a_reduction_is_one_less_the_size_of_what_remains():
    turned = gap(Value(value=-0.3, low=-0.4, high=0.1)).reduction

    assert (turned.value, turned.low, turned.high) == pytest.approx((0.7, 0.6, 1.0))


@pytest.mark.parametrize(
    ("low", "high", "both", "loss"),
    [
        (-0.005, 0.005, "equivalent", "equivalent"),
        (0.005, 0.05, "undecided", "equivalent"),
        (0.02, 0.05, "not equivalent", "equivalent"),
        (-0.05, 0.05, "undecided", "undecided"),
        (-0.05, -0.02, "not equivalent", "not equivalent"),
    ],
)
def test_equivalence_is_shown_by_two_one_sided_tests_and_the_absence_of_a_loss_by_one(low, high, both, loss):
    change = Value(value=(low + high) / 2, low=low, high=high)

    assert (equivalent(change, 0.01, "both"), equivalent(change, 0.01, "loss")) == (both, loss)


def cost(outcome, *, decides=True):
    return Cost(
        name="x", title="X", unit="share", n=1, before=0, after=0, change=Value(value=0), sides="both", decides=decides,
        outcome=outcome,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("costs", "said"),
    [
        ((cost("equivalent"), cost("undecided", decides=False)), "equivalent"),
        ((cost("equivalent"), cost("not equivalent", decides=False)), "not equivalent"),
        ((cost("equivalent"), cost("undecided")), "undecided"),
        ((cost("equivalent", decides=False),), "not assessed"),
        ((), "not assessed"),
    ],
)
def test_what_does_not_decide_can_only_object(costs, said):
    assert equivalence(costs) == said


# ---- perplexity ----------------------------------------------------------------------------------


@given(shift=st.floats(-0.5, 0.5))
def test_a_change_of_every_token_by_as_much_is_that_change_of_perplexity(shift):
    tokens = np.array([5.0, 9.0, 14.0])
    before = np.stack([-2.0 * tokens, tokens], axis=1)
    after = np.stack([-(2.0 + shift) * tokens, tokens], axis=1)

    found = measuring.perplexity(before, after, 0.01)

    assert (found.before, found.change.value) == (
        pytest.approx(math.exp(2)),
        pytest.approx(math.expm1(shift), abs=1e-12),
    )


def test_a_single_text_decides_nothing():
    found = measuring.perplexity(np.array([[-10.0, 5.0]]), np.array([[-10.0, 5.0]]), 0.01)

    assert (found.outcome, found.change.low) == ("undecided", None)
