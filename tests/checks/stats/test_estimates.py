"""From a variance to a law, and from a law to a measurement."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from audit import laws
from audit.checks._stats import estimates
from audit.types import ALPHA, Metric, NoVariation, StudentT, Worse

RATE = Metric(name="rate", title="Rate", meaning="A rate.", reading="{value}", unit="share", worse=Worse.HIGHER, null=0)


def test_a_variance_makes_students_t_with_the_clusters_less_one() -> None:
    law = estimates.t_law(0.2, 0.09, clusters=12.5, reach=1.0, support=(0.0, 1.0))

    assert law == StudentT(estimate=0.2, se=0.3, df=11.5, support=(0.0, 1.0))


def test_few_effective_clusters_leave_one_degree_of_freedom() -> None:
    law = estimates.t_law(0.2, 0.09, clusters=1.2, reach=1.0)

    assert isinstance(law, StudentT)
    assert law.df == 1.0


@pytest.mark.parametrize(
    ("variance", "clusters", "counted"),
    [
        (None, 30.0, 1),  # a single cluster carries the estimate
        (0.0, 30.0, 30),
        (1e-16, 7.9, 7),  # rounding in single precision
        (0.0, 0.5, 1),
    ],
)
def test_without_scatter_clusters_bound_what_was_missed(variance: float | None, clusters: float, counted: int) -> None:
    law = estimates.t_law(0.2, variance, clusters=clusters, reach=2.0)

    assert law == NoVariation(estimate=0.2, clusters=counted, reach=2.0)


def test_a_spread_beyond_rounding_is_scatter() -> None:
    assert isinstance(estimates.t_law(0.0, (2e-7) ** 2, clusters=9, reach=1.0), StudentT)
    # What is rounding depends on how far the values reach.
    assert isinstance(estimates.t_law(0.0, (2e-7) ** 2, clusters=9, reach=100.0), NoVariation)


def test_a_design_effect_divides_the_rows_and_is_itself_uncertain() -> None:
    shrunk = (scipy_stats.t.ppf(1 - ALPHA, 99) / scipy_stats.t.ppf(1 - ALPHA, 9)) ** 2

    assert estimates.effective_size(100, 4.0, df=9, clusters=2) == pytest.approx(25 * shrunk)
    # Rows that agree within ten clusters are worth ten, and not less for the uncertainty of the design effect.
    assert estimates.effective_size(100, 4.0, df=1, clusters=10) == 10
    assert estimates.effective_size(100, 50.0, df=1, clusters=10) == 2


@given(
    n=st.integers(2, 1000),
    effect=st.floats(0.1, 100),
    more=st.floats(1, 10),
    df=st.floats(0.1, 200),
    clusters=st.floats(1, 100),
)
def test_rows_are_never_worth_more_than_they_are_and_less_the_more_they_share(
    n: int, effect: float, more: float, df: float, clusters: float
) -> None:
    df = min(df, n - 1)
    worth = estimates.effective_size(n, effect, df=df, clusters=clusters)

    assert 0 < worth <= n
    assert estimates.effective_size(n, effect * more, df=df, clusters=clusters) <= worth + 1e-9


def test_an_exact_value_carries_no_interval() -> None:
    found = estimates.exact_value(RATE, 0.25, 40, group="f", reference="m", stratum="x")

    assert (found.value, found.n, found.exact) == (0.25, 40, True)
    assert (found.low, found.high, found.law, found.clusters) == (None, None, None, None)
    assert (found.group, found.reference, found.stratum, found.unit) == ("f", "m", "x", "share")


@given(se=st.floats(1e-4, 1), df=st.floats(1, 100), confidence=st.sampled_from([0.5, 0.9, 0.99]))
def test_limits_are_those_of_the_law_and_widen_with_confidence(se: float, df: float, confidence: float) -> None:
    estimate = estimates.Estimate(value=0.1, law=StudentT(estimate=0.1, se=se, df=df), n=10, clusters=5)

    low, high = estimates.limits(estimate, confidence)

    assert (low, high) == laws.interval(estimate.law, confidence)
    wider = estimates.limits(estimate, 0.999)
    assert wider[0] < low < 0.1 < high < wider[1]
