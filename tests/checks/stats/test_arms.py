"""Two groups within strata: weights, overlap, and what each row contributes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import StratifiedTable

from audit import two_proportions
from audit.checks import _stats
from audit.checks._stats.arms import Arms
from audit.checks._stats.clustering import ways
from audit.types import TwoProportions


def drawn(data: st.DataObject, n: int | None = None) -> tuple[np.ndarray, np.ndarray, list[str], np.random.Generator]:
    """Events, members and strata of some rows."""
    n = n or data.draw(st.integers(6, 60))
    rng = np.random.default_rng(data.draw(st.integers(0, 9999)))
    return rng.random(n) < 0.5, rng.random(n) < 0.5, [f"s{s}" for s in rng.integers(0, 3, n)], rng


def test_strata_where_only_one_group_occurs_are_left_out() -> None:
    arms = Arms(np.array([True, False, True, True, False]), ["x", "x", "y", "x", "z"])

    assert arms.kept.tolist() == [True, True, False, True, False]
    assert arms.counts(np.array([True, False, True])).tolist() == [[2.0, 2.0, 0.0, 1.0]]


@given(data=st.data())
def test_the_ratio_within_strata_is_the_pooled_risk_ratio_of_statsmodels(data: st.DataObject) -> None:
    events, member, strata, _ = drawn(data)
    arms = Arms(member, strata)
    assume(arms.kept.any())
    counts = arms.counts(events[arms.kept])
    assume(counts[:, 2].sum() > 0)

    law = TwoProportions(strata=tuple(map(tuple, counts.tolist())), contrast="ratio")

    tables = [np.array([[k1, n1 - k1], [k0, n0 - k0]]) for k1, n1, k0, n0 in counts]
    assert two_proportions.point(law) == pytest.approx(StratifiedTable(tables).riskratio_pooled)


@given(data=st.data())
def test_the_difference_of_events_is_the_difference_of_the_law(data: st.DataObject) -> None:
    events, member, strata, _ = drawn(data)
    arms = Arms(member, strata)
    assume(arms.kept.any())

    kept = events[arms.kept]
    law = TwoProportions(strata=tuple(map(tuple, arms.counts(kept).tolist())), contrast="difference")

    assert arms.difference(kept.astype(float)) == pytest.approx(two_proportions.point(law), abs=1e-12)


@settings(max_examples=30)
@given(data=st.data())
def test_neither_order_nor_names_matter_and_exchanging_the_arms_turns_the_sign(data: st.DataObject) -> None:
    events, member, strata, rng = drawn(data)
    order = rng.permutation(len(events))
    alone = ([str(i) for i in range(len(events))],)

    plain = _stats.stratified_difference(events, member, strata, alone)
    moved = _stats.stratified_difference(
        events[order], member[order], [f"other {strata[i]}" for i in order], ([alone[0][i] for i in order],)
    )
    turned = _stats.stratified_difference(events, ~member, strata, alone)

    if plain is None:
        assert moved is None
        assert turned is None
        return
    assert moved is not None
    assert turned is not None
    assert moved.value == pytest.approx(plain.value)
    assert _stats.limits(moved) == pytest.approx(_stats.limits(plain))
    assert turned.value == pytest.approx(-plain.value)
    assert _stats.limits(turned) == pytest.approx(tuple(-x for x in reversed(_stats.limits(plain))), abs=1e-7)


@given(data=st.data())
def test_each_arm_keeps_its_own_influence_and_together_they_cancel(data: st.DataObject) -> None:
    events, member, strata, _ = drawn(data)
    arms = Arms(member, strata)
    assume(arms.kept.any())

    influence = arms.influence(events[arms.kept], 1.0)

    # Residuals sum to zero in every arm of every stratum, so a shift of all rates is no error of their gap.
    assert influence[arms.member].sum() == pytest.approx(0, abs=1e-12)
    assert influence[~arms.member].sum() == pytest.approx(0, abs=1e-12)


@given(data=st.data())
def test_leaving_a_cluster_out_is_the_same_as_comparing_without_it(data: st.DataObject) -> None:
    _, member, strata, rng = drawn(data)
    arms = Arms(member, strata)
    assume(arms.kept.any())
    values = rng.normal(size=int(arms.kept.sum()))
    (way,) = ways(([str(i % 4) for i in range(len(values))],))

    without = arms.without(values, way, "difference")

    for cluster in range(way.count):
        left = way.codes != cluster
        rest = Arms(arms.member[left], [strata[i] for i in np.flatnonzero(arms.kept)[left]])
        if rest.kept.any():
            assert without[cluster] == pytest.approx(rest.difference(values[left][rest.kept]))
        else:
            assert np.isnan(without[cluster])


def test_clusters_are_those_of_the_arm_that_has_fewer() -> None:
    arms = Arms(np.array([True] * 6 + [False] * 6), ["x"] * 12)
    labels = (list("aabbcc") + list("uvwxyz"),)

    assert arms.clusters(labels) == 3
    assert arms.effective_clusters(labels) == pytest.approx(3)
