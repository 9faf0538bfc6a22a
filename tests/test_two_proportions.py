"""The score statistic of two proportions against published figures, other programs and itself."""

import math
import warnings
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize_scalar
from scipy.special import ndtri
from scipy.stats import binom
from statsmodels.stats.contingency_tables import StratifiedTable
from statsmodels.stats.proportion import confint_proportions_2indep

from audit import laws, two_proportions
from audit.two_proportions import Contrast, corrected_score, plain_score
from audit.types import TwoProportions

Table = tuple[float, float, float, float]

STOCKINGS = tuple(
    (float(a), float(b), float(c), float(d))
    for a, b, c, d in (
        (15, 97, 37, 103),
        (0, 8, 5, 10),
        (11, 50, 23, 48),
        (4, 110, 16, 110),
        (7, 65, 7, 32),
        (8, 25, 8, 25),
        (5, 126, 17, 126),
        (0, 104, 4, 92),
        (7, 80, 16, 81),
    )
)
"""Deep vein thrombosis with and without compression stockings in nine trials (Roderick et al. 2005)."""

MEHROTRA = ((21.0, 464.0, 26.0, 453.0), (11.0, 165.0, 25.0, 174.0), (8.0, 69.0, 11.0, 70.0))
"""Three strata of Mehrotra & Railkar (2000), Statistics in Medicine 19:811."""


def inverted(strata: Sequence[Table], contrast: Contrast, *, skewness: bool, continuity: float) -> tuple[float, float]:
    """The 95 % interval by one combination of corrections, found apart from the code under test."""
    counts, z = np.array(strata), -float(ndtri(0.025))

    def above(value: float) -> float:
        if not skewness:
            return float(plain_score(counts, contrast, value)) - z
        return float(corrected_score(counts, contrast, value, tail=1, continuity=continuity)) - z

    def below(value: float) -> float:
        if not skewness:
            return -float(plain_score(counts, contrast, value)) - z
        return float(corrected_score(counts, contrast, value, tail=-1, continuity=continuity)) - z

    left, right = (-0.9999, 0.9999) if contrast == "difference" else (1e-4, 1e4)
    middle = min(two_proportions.point(TwoProportions(strata=tuple(strata), contrast=contrast)), right / 10)
    high = brentq(below, middle, right) if below(right) > 0 else math.inf
    return brentq(above, left, middle), high


# ---- published figures ---------------------------------------------------------------------------


def test_miettinen_and_nurminens_difference_is_newcombes_example() -> None:
    # Newcombe (1998), Statistics in Medicine 17:873, table II, example (d), method 6: 5/56 against 0/29.
    found = inverted([(5, 56, 0, 29)], "difference", skewness=False, continuity=0)

    assert found == pytest.approx((-0.0326, 0.1933), abs=5e-5)


@pytest.mark.parametrize(
    ("table", "expected"),
    [((24, 73, 53, 65), (0.280, 0.560)), ((29, 55, 11, 11), (0.397, 0.742)), ((7, 18, 1, 18), (1.296, 42.544))],
)
def test_miettinen_and_nurminens_ratio_is_that_of_fagerlands_examples(
    table: Table, expected: tuple[float, float]
) -> None:
    # Fagerland, Lydersen & Laake (2015), Statistical Methods in Medical Research 24:224.
    found = inverted([table], "ratio", skewness=False, continuity=0)

    assert found == pytest.approx(expected, abs=5e-4)


def test_the_skewness_correction_is_that_of_the_scas_interval() -> None:
    # Laud (2017), SCAS: as printed by the R package ratesci for 5/56 against 0/29.
    difference = inverted([(5, 56, 0, 29)], "difference", skewness=True, continuity=0)
    ratio = inverted([(5, 56, 0, 29)], "ratio", skewness=True, continuity=0)

    assert difference == pytest.approx((-0.0186, 0.1867), abs=5e-5)
    assert ratio == (pytest.approx(0.7696, abs=5e-5), math.inf)


def test_the_skewness_correction_over_strata_is_that_of_the_scas_interval() -> None:
    # ratesci's vignette on stratified contrasts: interval -.163 to -.0866, score at no difference -6.5.
    found = inverted(STOCKINGS, "difference", skewness=True, continuity=0)
    score = corrected_score(np.array(STOCKINGS), "difference", 0.0, tail=1, continuity=0)

    assert found == pytest.approx((-0.163, -0.0866), abs=5e-4)
    assert float(score) == pytest.approx(-6.5, abs=5e-3)


# ---- other programs ------------------------------------------------------------------------------


TABLES = [(9, 10, 3, 10), (50, 100, 40, 100), (7, 25, 2, 25), (3, 300, 11, 250), (40, 60, 5, 400)]


@pytest.mark.parametrize("table", TABLES)
def test_the_plain_interval_of_a_ratio_is_that_of_statsmodels(table: Table) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its search divides by zero at the ends of its range
        expected = confint_proportions_2indep(*table, method="score", compare="ratio", correction=True)

    assert inverted([table], "ratio", skewness=False, continuity=0) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("delta", [-0.3, 0.05, 0.1, 0.4])
def test_a_difference_is_tested_at_the_likeliest_rates_under_it(table: Table, delta: float) -> None:
    # Found by searching the likelihood: statsmodels 0.15 does not find them away from a difference of 0.
    k1, n1, k0, n0 = table

    def unlikely(p0: float) -> float:
        return -float(binom.logpmf(k1, n1, p0 + delta) + binom.logpmf(k0, n0, p0))

    inside = (max(0.0, -delta) + 1e-9, min(1.0, 1 - delta) - 1e-9)
    p0 = minimize_scalar(unlikely, bounds=inside, method="bounded", options={"xatol": 1e-12}).x
    p1, n = p0 + delta, n1 + n0
    variance = (p1 * (1 - p1) / n1 + p0 * (1 - p0) / n0) * n / (n - 1)

    score = float(plain_score(np.array([table], dtype=float), "difference", delta))

    assert score == pytest.approx((k1 / n1 - k0 / n0 - delta) / math.sqrt(variance), abs=1e-5)


@pytest.mark.parametrize("strata", [STOCKINGS, MEHROTRA])
@pytest.mark.parametrize(("contrast", "null"), [("difference", 0.0), ("ratio", 1.0)])
def test_at_no_difference_the_plain_score_is_the_cochran_mantel_haenszel_test(
    strata: Sequence[Table], contrast: Contrast, null: float
) -> None:
    tables = [np.array([[k1, n1 - k1], [k0, n0 - k0]]) for k1, n1, k0, n0 in strata]
    expected = StratifiedTable(tables).test_null_odds(correction=False).statistic

    assert float(plain_score(np.array(strata), contrast, null)) ** 2 == pytest.approx(expected)


def test_without_skewness_the_continuity_correction_is_mantel_and_haenszels() -> None:
    # Half of all rows are events in every stratum, so the law does not lean.
    strata = ((30.0, 50.0, 20.0, 50.0), (14.0, 20.0, 6.0, 20.0))
    tables = [np.array([[k1, n1 - k1], [k0, n0 - k0]]) for k1, n1, k0, n0 in strata]
    expected = StratifiedTable(tables).test_null_odds(correction=True).statistic

    assert float(corrected_score(np.array(strata), "difference", 0.0, tail=1)) ** 2 == pytest.approx(expected)


# ---- properties ----------------------------------------------------------------------------------


@st.composite
def strata(draw: st.DrawFn) -> tuple[Table, ...]:
    """One to five strata, of one row upwards, extremes included, whole or deflated by a design effect."""
    worth = draw(st.sampled_from((1.0, 0.3)))
    out = []
    for _ in range(draw(st.integers(1, 5))):
        n1, n0 = draw(st.integers(1, 80)), draw(st.integers(1, 80))
        k1, k0 = draw(st.integers(0, n1)), draw(st.integers(0, n0))
        out.append((k1 * worth, n1 * worth, k0 * worth, n0 * worth))
    return tuple(out)


@given(tables=strata())
def test_swapping_the_groups_turns_the_difference_round(tables: tuple[Table, ...]) -> None:
    swapped = tuple((k0, n0, k1, n1) for k1, n1, k0, n0 in tables)

    low, high = laws.interval(TwoProportions(strata=tables, contrast="difference"))
    other = laws.interval(TwoProportions(strata=swapped, contrast="difference"))

    assert other == pytest.approx((-high, -low), abs=1e-6)


@given(tables=strata())
def test_counting_the_other_outcome_turns_the_difference_round(tables: tuple[Table, ...]) -> None:
    opposite = tuple((n1 - k1, n1, n0 - k0, n0) for k1, n1, k0, n0 in tables)

    low, high = laws.interval(TwoProportions(strata=tables, contrast="difference"))
    other = laws.interval(TwoProportions(strata=opposite, contrast="difference"))

    assert other == pytest.approx((-high, -low), abs=1e-6)


@given(tables=strata())
def test_swapping_the_groups_inverts_a_ratio(tables: tuple[Table, ...]) -> None:
    swapped = tuple((k0, n0, k1, n1) for k1, n1, k0, n0 in tables)

    low, high = laws.interval(TwoProportions(strata=tables, contrast="ratio"))
    other_low, other_high = laws.interval(TwoProportions(strata=swapped, contrast="ratio"))

    if low > 1e-5 and high < 1e5:
        assert (other_low, other_high) == pytest.approx((1 / high, 1 / low), rel=1e-5)


@given(tables=strata(), value=st.floats(-0.99, 0.99), tail=st.sampled_from((1, -1)))
def test_many_tables_at_once_are_tested_as_each_alone(tables: tuple[Table, ...], value: float, tail: int) -> None:
    one = np.array(tables)
    many = np.stack([one, one[::-1]])
    direction = 1 if tail == 1 else -1

    together = corrected_score(many, "difference", np.array([value, 0.0]), tail=direction)  # type: ignore[arg-type]

    assert together[0] == pytest.approx(float(corrected_score(one, "difference", value, tail=direction)))  # type: ignore[arg-type]
    assert together[1] == pytest.approx(float(corrected_score(one, "difference", 0.0, tail=direction)))  # type: ignore[arg-type]


# ---- extremes ------------------------------------------------------------------------------------


def test_a_ratio_to_nothing_has_no_upper_end() -> None:
    low, high = laws.interval(TwoProportions(strata=((5.0, 56.0, 0.0, 29.0),), contrast="ratio"))

    assert 0 < low < 1
    assert high == two_proportions.RATIO_LIMIT


def test_nothing_against_nothing_says_nothing_of_a_ratio() -> None:
    assert laws.interval(TwoProportions(strata=((0.0, 30.0, 0.0, 30.0),), contrast="ratio")) == (
        0.0,
        two_proportions.RATIO_LIMIT,
    )


def test_one_row_against_one_says_almost_nothing_of_a_difference() -> None:
    assert laws.interval(TwoProportions(strata=((0.0, 1.0, 0.0, 1.0),), contrast="difference")) == (-1.0, 1.0)


def test_equal_extremes_leave_a_difference_of_some_width() -> None:
    low, high = laws.interval(TwoProportions(strata=((30.0, 30.0, 30.0, 30.0),), contrast="difference"))

    assert (low, high) == pytest.approx((-0.152, 0.152), abs=1e-3)


def test_a_table_that_its_null_makes_impossible_is_rejected_outright() -> None:
    law = TwoProportions(strata=((1.0, 10.0, 0.0, 10.0),), contrast="difference")

    assert (laws.p_greater(law, -1.0), laws.p_less(law, 1.0)) == (0.0, 0.0)


def test_no_strata_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^two proportions need at least one stratum$"):
        TwoProportions(strata=(), contrast="ratio")


def test_counts_beyond_their_trials_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^3 of 2 against 0 of 1 are not two proportions$"):
        TwoProportions(strata=((3, 2, 0, 1),), contrast="ratio")
