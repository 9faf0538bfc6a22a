"""Estimates of clustered rows: known answers, brute force, and what must hold whatever the data."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from audit import laws
from audit.checks import _stats
from audit.checks._stats.clustering import ways
from audit.types import Binomial, Guards, Measurement, Metric, NoVariation, StudentT, TwoProportions, Worse

GAP = Metric(
    name="gap",
    title="Gap",
    meaning="A gap.",
    reading="{value}",
    unit="probability",
    worse=Worse.AWAY,
    null=0.0,
)


def own(n: int) -> tuple[list[str], ...]:
    """Every row its own cluster."""
    return ([str(i) for i in range(n)],)


# ---- measurements --------------------------------------------------------------------------------


def test_an_estimate_becomes_a_measurement_with_the_interval_of_its_law() -> None:
    law = StudentT(estimate=0.1, se=0.02, df=9)

    found = _stats.measure(
        GAP, _stats.Estimate(value=0.1, law=law, n=40, clusters=10), group="f", reference="m", stratum="x"
    )

    low, high = laws.interval(law)
    assert found == Measurement(
        metric="gap",
        group="f",
        reference="m",
        stratum="x",
        value=0.1,
        low=low,
        high=high,
        confidence=0.95,
        n=40,
        clusters=10,
        unit="probability",
        worse=Worse.AWAY,
        null=0.0,
        law=law,
    )


def test_an_enumerated_grammar_has_no_sampling_error_and_no_interval() -> None:
    law = StudentT(estimate=0.1, se=0.02, df=9)

    found = _stats.measure(GAP, _stats.Estimate(value=0.1, law=law, n=40, clusters=10), exact=True)

    assert found == _stats.exact_value(GAP, 0.1, 40)
    assert (found.exact, found.low, found.high, found.law) == (True, None, None, None)


# ---- means ---------------------------------------------------------------------------------------


def test_a_mean_of_independent_rows_is_the_classical_t_interval() -> None:
    values = np.array([0.3, 0.9, 1.4, -0.2, 0.8, 0.6])
    expected = scipy_stats.ttest_1samp(values, 0.0).confidence_interval()

    found = _stats.clustered_mean(values, own(6), reach=1.0)

    assert _stats.limits(found) == pytest.approx((expected.low, expected.high))


def test_a_mean_of_equal_clusters_is_the_t_interval_of_their_means() -> None:
    values = np.array([1.0, 3.0, 2.0, 6.0, 0.0, 1.0, 5.0, 5.0])
    expected = scipy_stats.ttest_1samp([2.0, 4.0, 0.5, 5.0], 0.0).confidence_interval()

    found = _stats.clustered_mean(values, (list("aabbccdd"),), reach=1.0)

    assert _stats.limits(found) == pytest.approx((expected.low, expected.high))
    assert (found.value, found.n, found.clusters) == (2.875, 8, 4)


def test_clusters_within_clusters_are_judged_by_the_outer_ones() -> None:
    values = np.arange(12.0) ** 1.5
    person, template = list("aaaabbbbcccc"), list("ppqqrrssttuu")

    both = _stats.clustered_mean(values, (person, template), reach=1.0)
    outer = _stats.clustered_mean(values, (person,), reach=1.0)

    assert isinstance(both.law, StudentT)
    assert isinstance(outer.law, StudentT)
    assert both.law.se == pytest.approx(outer.law.se)
    assert both.clusters == 3


def test_crossed_clusters_add_what_each_shares() -> None:
    # Every row stands alone in its name and template, so what both share is the variance of independent rows.
    name, template = np.divmod(np.arange(20), 5)
    values = np.array([0.0, 2.0, 5.0, 9.0])[name] + np.array([0.0, 5.0, 1.0, 8.0, 3.0])[template]

    found = _stats.clustered_mean(values, (name.astype(str).tolist(), template.astype(str).tolist()), reach=1.0)

    by_name, by_template, by_row = (
        scipy_stats.sem(v) ** 2 for v in (values.reshape(4, 5).mean(axis=1), values.reshape(4, 5).mean(axis=0), values)
    )
    assert isinstance(found.law, StudentT)
    assert found.law.se**2 == pytest.approx(by_name + by_template - by_row)
    assert found.law.df == 3


def test_a_two_way_variance_is_never_below_a_one_way_one() -> None:
    # Within each name the templates cancel: taken alone, names show no variance at all.
    name, template = np.divmod(np.arange(12), 2)
    values = np.where(template == 0, 1.0, -1.0) + 0.01 * name

    found = _stats.clustered_mean(values, (name.astype(str).tolist(), template.astype(str).tolist()), reach=1.0)
    by_template = _stats.clustered_mean(values, (template.astype(str).tolist(),), reach=1.0)

    assert isinstance(found.law, StudentT)
    assert isinstance(by_template.law, StudentT)
    assert found.law.se >= by_template.law.se


def test_one_large_cluster_leaves_few_degrees_of_freedom() -> None:
    sizes = [100] + [1] * 20
    labels = [str(c) for c, size in enumerate(sizes) for _ in range(size)]
    values = np.random.default_rng(0).normal(size=120)

    found = _stats.clustered_mean(values, (labels,), reach=1.0)

    assert isinstance(found.law, StudentT)
    assert found.clusters == 21
    assert found.law.df == 1  # effectively 120² / (100² + 20) = 1.4 clusters


def test_values_that_never_vary_are_bounded_by_clusters() -> None:
    found = _stats.clustered_mean(np.full(200, 0.25), ([str(i // 10) for i in range(200)],), reach=1.0)

    assert found.law == NoVariation(estimate=0.25, clusters=20, reach=1.0)
    assert _stats.limits(found) == pytest.approx((0.25 - 0.1684, 0.25 + 0.1684), abs=1e-4)


def test_rounding_in_single_precision_is_no_variation() -> None:
    values = np.full(40, 1 / 3) + np.tile([1e-9, -1e-9], 20)

    found = _stats.clustered_mean(values, own(40), reach=1.0)

    assert isinstance(found.law, NoVariation)


def test_a_single_cluster_bounds_almost_nothing() -> None:
    found = _stats.clustered_mean(np.array([0.1, 0.5, 0.9]), (["a"] * 3,), reach=1.0, support=(0.0, 1.0))

    assert found.law == NoVariation(estimate=0.5, clusters=1, reach=1.0, support=(0.0, 1.0))
    assert _stats.limits(found) == (0.0, 1.0)


def test_three_ways_of_clustering_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^rows share one thing or two, each with a label per row; found 3 columns$"):
        ways((["a"], ["b"], ["c"]))


# ---- proportions ---------------------------------------------------------------------------------


def test_a_proportion_of_independent_rows_keeps_its_counts() -> None:
    events = np.arange(30) < 4

    assert _stats.clustered_proportion(events, own(30)).law == Binomial(successes=4.0, trials=30.0)


def test_no_event_in_a_thousand_rows_is_bounded_by_twenty_clusters() -> None:
    found = _stats.clustered_proportion(np.zeros(1000, dtype=bool), ([str(i % 20) for i in range(1000)],))

    assert _stats.limits(found) == (0.0, pytest.approx(1 - 0.025 ** (1 / 20)))
    assert (found.n, found.clusters) == (1000, 20)


def test_clusters_that_agree_count_as_one_case_each() -> None:
    # Every row of a cluster has its cluster's outcome: 4 of 20 clusters, whatever their size.
    cluster = np.arange(400) % 20

    found = _stats.clustered_proportion(cluster < 4, (cluster.astype(str).tolist(),))

    assert isinstance(found.law, Binomial)
    assert found.law.trials == pytest.approx(19)
    assert found.law.successes == pytest.approx(19 / 5)


def test_the_first_event_does_not_undo_the_caution_about_clusters() -> None:
    cluster = [str(i % 20) for i in range(1000)]
    highs = []
    for count in range(4):
        events = np.zeros(1000, dtype=bool)
        events[:count] = True
        highs.append(_stats.limits(_stats.clustered_proportion(events, (cluster,)))[1])

    assert highs == pytest.approx([0.168, 0.147, 0.023, 0.018], abs=0.005)


@given(data=st.data())
def test_rows_are_never_worth_more_than_they_are_nor_an_interval_without_width(data: st.DataObject) -> None:
    n = data.draw(st.integers(2, 60))
    events = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    labels = data.draw(st.lists(st.sampled_from("abcdefgh"), min_size=n, max_size=n))
    second = data.draw(st.lists(st.sampled_from("vwxyz"), min_size=n, max_size=n))
    clusters = data.draw(st.sampled_from([(labels,), (labels, second), own(n)]))

    found = _stats.clustered_proportion(events, clusters)

    assert isinstance(found.law, Binomial)
    assert 0 < found.law.trials <= n * (1 + 1e-12)
    low, high = _stats.limits(found)
    assert 0 <= low < high <= 1


# ---- two groups ----------------------------------------------------------------------------------

BERKELEY = {
    "A": ((512, 313), (89, 19)),
    "B": ((353, 207), (17, 8)),
    "C": ((120, 205), (202, 391)),
    "D": ((138, 279), (131, 244)),
    "E": ((53, 138), (94, 299)),
    "F": ((22, 351), (24, 317)),
}
"""Admitted and rejected men and women by department, Berkeley 1973 (Bickel, Hammel & O'Connell 1975)."""


def berkeley() -> tuple[np.ndarray, np.ndarray, list[str]]:
    """One row per applicant: admitted, male, department."""
    admitted, male, department = [], [], []
    for name, (men, women) in BERKELEY.items():
        for (yes, no), sex in ((men, True), (women, False)):
            admitted += [True] * yes + [False] * no
            male += [sex] * (yes + no)
            department += [name] * (yes + no)
    return np.array(admitted), np.array(male), department


def test_berkeleys_gap_vanishes_within_departments() -> None:
    admitted, male, department = berkeley()
    alone = own(len(male))

    crude = _stats.stratified_difference(admitted, male, [""] * len(male), alone)
    within = _stats.stratified_difference(admitted, male, department, alone)

    assert crude is not None
    assert within is not None
    assert crude.value == pytest.approx(1198 / 2691 - 557 / 1835)
    weights = {d: (sum(m) * sum(w)) / (sum(m) + sum(w)) for d, (m, w) in BERKELEY.items()}
    gaps = {d: m[0] / sum(m) - w[0] / sum(w) for d, (m, w) in BERKELEY.items()}
    assert within.value == pytest.approx(sum(weights[d] * gaps[d] for d in BERKELEY) / sum(weights.values()))
    low, high = _stats.limits(within)
    assert low < 0 < high
    assert _stats.limits(crude)[0] > 0.11


def test_berkeleys_common_odds_ratio_is_the_published_one() -> None:
    # R's mantelhaen.test(UCBAdmissions): common odds ratio 0.9046968, interval 0.7719074 to 1.0603298.
    odds = _stats.mantel_haenszel(*berkeley())

    assert odds[:3] == pytest.approx((0.9046968, 0.7719074, 1.0603298), abs=1e-6)
    assert odds.p is not None
    assert 0.2 < odds.p < 0.25


def test_unclustered_counts_enter_the_law_whole() -> None:
    selected = np.array([1, 1, 0, 1, 0, 0, 1, 0], dtype=bool)
    member = np.array([1, 1, 1, 0, 0, 1, 0, 0], dtype=bool)
    strata = ["x", "x", "x", "x", "x", "y", "y", "z"]

    found = _stats.stratified_difference(selected, member, strata, own(8))

    assert found is not None
    assert found.law == TwoProportions(strata=((2.0, 3.0, 1.0, 2.0), (0.0, 1.0, 1.0, 1.0)), contrast="difference")
    # Weights 3·2/5 and 1·1/2; differences 2/3 - 1/2 and 0 - 1; the row alone in z is compared with nobody.
    assert found.value == pytest.approx((1.2 * (2 / 3 - 1 / 2) - 0.5) / 1.7)
    assert found.n == 7
    assert _stats.overlap(member, strata) == 7 / 8


def test_groups_that_never_meet_in_a_stratum_are_not_compared() -> None:
    selected, member = np.array([True, False]), np.array([True, False])

    assert _stats.stratified_difference(selected, member, ["x", "y"], own(2)) is None
    assert _stats.stratified_mean_difference(np.array([0.1, 0.2]), member, ["x", "y"], own(2)) is None
    assert _stats.proportion_ratio(selected, member, own(2), ["x", "y"]) is None
    assert _stats.mantel_haenszel(selected, member, ["x", "y"]) == (None, None, None, None)
    assert _stats.overlap(member, ["x", "y"]) == 0.0


def test_the_impact_ratio_is_the_ratio_of_selection_rates() -> None:
    selected = np.array([True] * 30 + [False] * 70 + [True] * 50 + [False] * 50)
    member = np.arange(200) < 100

    found = _stats.proportion_ratio(selected, member, own(200))

    assert found is not None
    assert found.value == pytest.approx(0.6)
    assert found.law == TwoProportions(strata=((30.0, 100.0, 50.0, 100.0),), contrast="ratio")


def test_nothing_is_divided_by_a_group_of_which_nobody_was_selected() -> None:
    member = np.arange(20) < 10

    assert _stats.proportion_ratio(member, member, own(20)) is None
    assert _stats.proportion_ratio(member, np.ones(20, dtype=bool), own(20)) is None


def test_names_that_decide_alike_are_worth_a_row_each() -> None:
    # Thirty names of twenty rows, ten a side selected throughout: rows are worth a twentieth, less the t correction.
    name = np.arange(600) // 20
    member, selected = name < 15, (name % 15) < np.where(name < 15, 5, 10)

    found = _stats.stratified_difference(selected, member, [""] * 600, (name.astype(str).tolist(),))

    assert found is not None
    assert isinstance(found.law, TwoProportions)
    assert found.value == pytest.approx(-1 / 3)
    assert found.law.strata[0][1] == pytest.approx(15, rel=0.15)


def test_templates_that_both_groups_share_do_not_count_against_their_difference() -> None:
    # Templates differ in everything but the gap: what they share cancels in the difference.
    template = np.arange(400) // 20
    member, selected = np.arange(400) % 2 == 0, (template % 2 == 0) ^ (np.arange(400) % 40 == 0)

    found = _stats.stratified_difference(selected, member, [""] * 400, (template.astype(str).tolist(),))

    assert found is not None
    assert isinstance(found.law, TwoProportions)
    assert found.law.strata[0][1] > 150


def test_a_comparison_in_which_nothing_varied_counts_clusters() -> None:
    name = np.arange(200) // 10

    found = _stats.stratified_difference(np.zeros(200, dtype=bool), name < 10, [""] * 200, (name.astype(str).tolist(),))

    assert found is not None
    assert found.law == TwoProportions(strata=((0.0, 10.0, 0.0, 10.0),), contrast="difference")


def test_a_group_of_a_single_name_is_worth_no_more_than_a_row() -> None:
    name = np.where(np.arange(60) < 20, 0, np.arange(60))
    selected = np.arange(60) % 3 == 0

    found = _stats.stratified_difference(selected, name == 0, [""] * 60, (name.astype(str).tolist(),))

    assert found is not None
    assert found.clusters == 1
    low, high = _stats.limits(found)
    assert high - low > 1.5


# ---- differences of means ------------------------------------------------------------------------


@given(data=st.data())
def test_leaving_a_cluster_out_is_the_same_as_computing_without_it(data: st.DataObject) -> None:
    n = data.draw(st.integers(8, 30))
    rng = np.random.default_rng(data.draw(st.integers(0, 10_000)))
    values, member = rng.normal(size=n), rng.random(n) < 0.5
    strata, clusters = rng.integers(0, 3, n), rng.integers(0, 5, n)

    def weighted(keep: np.ndarray) -> float:
        top = bottom = 0.0
        for s in set(strata.tolist()):
            a, b = (values[keep & (strata == s) & (member == side)] for side in (True, False))
            if len(a) and len(b):
                weight = len(a) * len(b) / (len(a) + len(b))
                top, bottom = top + weight * (a.mean() - b.mean()), bottom + weight
        return top / bottom if bottom else math.nan

    found = _stats.stratified_mean_difference(
        values, member, strata.astype(str).tolist(), (clusters.astype(str).tolist(),)
    )

    everything = np.ones(n, dtype=bool)
    if found is None:
        assert math.isnan(weighted(everything))
        return
    assert found.value == pytest.approx(weighted(everything))
    if isinstance(found.law, StudentT):
        met = {s for s in set(strata.tolist()) if len(set(member[strata == s].tolist())) == 2}
        used = sorted(set(clusters[np.isin(strata, list(met))].tolist()))
        without = np.array([weighted(clusters != c) for c in used])
        assert found.law.se**2 == pytest.approx((len(used) - 1) / len(used) * ((without - found.value) ** 2).sum())


def test_a_difference_of_means_is_a_mean_of_differences_in_matched_pairs() -> None:
    # Two rows to a stratum, its own cluster: the weighted difference is the mean of the pairs' differences.
    rng = np.random.default_rng(1)
    own_score, other = rng.normal(size=12), rng.normal(size=12)
    pair = [str(i) for i in range(12)]

    apart = _stats.stratified_mean_difference(
        np.concatenate([own_score, other]), np.arange(24) < 12, pair + pair, (pair + pair,)
    )
    paired = _stats.clustered_mean(own_score - other, (pair,), reach=1.0)

    assert apart is not None
    assert apart.value == pytest.approx(paired.value)
    assert isinstance(apart.law, StudentT)
    assert isinstance(paired.law, StudentT)
    assert (apart.law.se, apart.law.df) == pytest.approx((paired.law.se, paired.law.df))


def test_scores_that_do_not_depend_on_the_group_are_bounded_by_clusters() -> None:
    name = np.arange(80) // 4
    strata = (np.arange(80) % 4).astype(str).tolist()

    found = _stats.stratified_mean_difference(
        np.arange(80) % 4 / 4, name < 10, strata, (name.astype(str).tolist(),), reach=1.0
    )

    assert found is not None
    assert found.law == NoVariation(estimate=0.0, clusters=10, reach=1.0)


# ---- enough clusters -----------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "passed"), [(5, False), (6, True)])
def test_fewer_than_six_clusters_carry_no_claim_either_way(n: int, passed: bool) -> None:
    found = _stats.enough_clusters(n)

    assert (found.passed, found.guards) == (passed, Guards.FALSE_ALL_CLEAR)
    assert found.found == f"{n} clusters"
    assert found.needed == "at least 6; with fewer, nothing is claimed beyond the cases tested"


def test_rows_are_chosen_by_mask_or_by_index() -> None:
    labels = (["a", "b", "c"], ["x", "y", "x"])

    assert _stats.chosen(labels, np.array([True, False, True])) == (["a", "c"], ["x", "x"])
    assert _stats.chosen(labels, [2, 0]) == (["c", "a"], ["x", "x"])
    assert _stats.chosen(labels, []) == ([], [])
    assert _stats.cluster_count(labels) == 2


def test_a_metric_may_change_its_unit_without_changing_its_numbers() -> None:
    estimate = _stats.clustered_mean(np.array([0.1, 0.2, 0.4]), own(3), reach=1.0)

    found = _stats.measure(replace(GAP, unit="nats"), estimate)

    assert (found.unit, found.value) == ("nats", estimate.value)
