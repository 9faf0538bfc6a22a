"""Binned calibration errors: known answers, scikit-learn's, the published corrections, and coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from audit.checks import _stats
from audit.checks._stats import reliability
from audit.types import NoVariation, RootT


def alone(n: int) -> _stats.Labels:
    return ([str(i) for i in range(n)],)


def of_levels(levels: dict[float, tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Scores and outcomes of score → (positives, rows)."""
    scores = np.concatenate([np.full(n, score) for score, (_, n) in levels.items()])
    truth = np.concatenate([np.arange(n) < k for k, n in levels.values()])
    return scores, truth


LEVELS = {0.1: (10, 40), 0.5: (20, 40), 0.9: (15, 20)}
SCORES, TRUTH = of_levels(LEVELS)


def binned(scores=SCORES, truth=TRUTH, clusters=None, rule="equal_width", count=10):
    return reliability.bins(scores, truth, alone(len(scores)) if clusters is None else clusters, rule=rule, count=count)


# ---- bins ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["equal_mass", "equal_width"])
def test_a_bin_holds_the_rows_of_like_scores(rule: str) -> None:
    found = binned(rule=rule)

    assert [(len(b.rows), b.score, b.observed) for b in found] == [
        (40, pytest.approx(0.1), 0.25),
        (40, pytest.approx(0.5), 0.5),
        (20, pytest.approx(0.9), 0.75),
    ]


def test_bins_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(1000)
    truth = rng.random(1000) < scores

    for rule, strategy in (("equal_mass", "quantile"), ("equal_width", "uniform")):
        rates, means = calibration_curve(truth, scores, n_bins=10, strategy=strategy)
        found = binned(scores, truth, rule=rule)
        # A score on an edge may lie on either side of it.
        assert [b.observed for b in found] == pytest.approx(rates, abs=0.011)
        assert [b.score for b in found] == pytest.approx(means, abs=0.002)


@given(
    st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=5, max_size=80),
    st.sampled_from(["equal_mass", "equal_width"]),
    st.integers(2, 12),
)
def test_every_row_is_in_one_bin_and_equal_scores_are_together(rows, rule, count) -> None:
    scores, truth = np.array([r[0] / 20 for r in rows]), np.array([r[1] for r in rows])

    found = binned(scores, truth, rule=rule, count=count)

    assert sorted(i for b in found for i in b.rows.tolist()) == list(range(len(rows)))
    assert len(found) <= count
    tops = [scores[b.rows].max() for b in found]
    bottoms = [scores[b.rows].min() for b in found]
    assert all(top < bottom for top, bottom in zip(tops, bottoms[1:], strict=False))
    assert all(len(b.rows) >= reliability.FEWEST_ROWS for b in found)


def test_sparse_bins_join_their_neighbour() -> None:
    scores, truth = of_levels({0.05: (1, 3), 0.15: (2, 10), 0.95: (2, 3)})

    found = binned(scores, truth)

    assert [len(b.rows) for b in found] == [16]


# ---- known answers -------------------------------------------------------------------------------


def test_the_squared_error_is_the_published_unbiased_one() -> None:
    # Kumar, Liang & Ma (2019): of a score per bin, (score - rate)² - rate (1 - rate) / (n - 1), weighted by rows.
    by_hand = sum(n / 100 * ((score - k / n) ** 2 - k / n * (1 - k / n) / (n - 1)) for score, (k, n) in LEVELS.items())

    assert reliability.squared_error(binned()) == pytest.approx(by_hand)
    found = reliability.calibration_error(binned(), SCORES, TRUTH, alone(100))
    assert found.value == pytest.approx(math.sqrt(by_hand))
    assert isinstance(found.law, RootT)


def test_the_absolute_error_is_the_usual_one_before_it_is_corrected() -> None:
    usual = 0.4 * 0.15 + 0.4 * 0.0 + 0.2 * 0.15

    assert reliability.absolute_error(binned(), corrected=False) == pytest.approx(usual)
    assert 0 < reliability.absolute_error(binned(), corrected=True) < usual


def test_the_correction_is_the_mean_of_noise_around_the_gap_seen() -> None:
    # Drawn as Kumar, Liang & Ma's software does, where here it is in closed form.
    rng = np.random.default_rng(0)
    those = binned()
    noisy = sum(len(b.rows) / 100 * np.abs(rng.normal(b.gap, math.sqrt(b.variance), 400_000)).mean() for b in those)
    plain = reliability.absolute_error(those, corrected=False)

    assert reliability.absolute_error(those, corrected=True) == pytest.approx(plain - (noisy - plain), abs=3e-4)
    estimate = reliability.absolute_error_estimate(those, SCORES, TRUTH, alone(100))
    assert estimate.value == pytest.approx(reliability.absolute_error(those, corrected=True))


def test_the_parts_of_a_brier_score_worked_out_by_hand() -> None:
    parts = reliability.decomposition(binned(), SCORES, TRUTH, corrected=False)

    assert parts.reliability == pytest.approx(0.4 * 0.15**2 + 0.2 * 0.15**2)
    assert parts.resolution == pytest.approx(0.4 * 0.2**2 + 0.4 * 0.05**2 + 0.2 * 0.3**2)
    assert parts.uncertainty == pytest.approx(0.45 * 0.55)
    assert parts.within == pytest.approx(0)
    assert parts.brier == pytest.approx(brier_score_loss(TRUTH, SCORES))


def test_the_corrected_parts_are_those_of_ferro_and_fricker() -> None:
    plain, fixed = (reliability.decomposition(binned(), SCORES, TRUTH, corrected=x) for x in (False, True))
    shared = sum(n / 100 * (k / n) * (1 - k / n) / (n - 1) for k, n in LEVELS.values())

    assert fixed.reliability == pytest.approx(plain.reliability - shared)
    assert fixed.uncertainty == pytest.approx(0.45 * 0.55 * 100 / 99)
    assert fixed.resolution == pytest.approx(plain.resolution - shared + 0.45 * 0.55 / 99)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=6, max_size=60), st.booleans())
def test_the_parts_always_add_up_to_the_brier_score(rows: list[tuple[float, bool]], corrected: bool) -> None:
    scores, truth = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])

    parts = reliability.decomposition(binned(scores, truth), scores, truth, corrected=corrected)

    assert parts.brier == pytest.approx(np.square(scores - truth).mean())


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=6, max_size=60), st.integers(1, 4))
def test_an_absolute_error_never_exceeds_the_root_mean_square(rows: list[tuple[float, bool]], size: int) -> None:
    scores, truth = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    clusters = ([str(i // size) for i in range(len(rows))],)

    those = binned(scores, truth, clusters)
    mean_square = sum(len(b.rows) * b.gap**2 for b in those) / len(rows)
    found = reliability.calibration_error(those, scores, truth, clusters)
    low, high = _stats.limits(found)

    assert reliability.absolute_error(those, corrected=False) <= math.sqrt(mean_square) + 1e-12
    assert low <= found.value <= high
    assert low < high


def test_rows_that_are_copies_are_not_worth_more() -> None:
    rng = np.random.default_rng(3)
    scores = rng.random(200)
    truth = rng.random(200) < scores
    twice = (np.repeat(scores, 5), np.repeat(truth, 5), (np.repeat(np.arange(200), 5).astype(str).tolist(),))

    once = reliability.calibration_error(binned(scores, truth), scores, truth, alone(200))
    copies = reliability.calibration_error(binned(*twice), *twice)

    assert _stats.limits(copies) == pytest.approx(_stats.limits(once), rel=1e-6)


def test_scores_that_are_always_right_leave_what_their_clusters_exclude() -> None:
    truth = np.arange(40) % 2 == 0

    found = reliability.calibration_error(binned(truth * 1.0, truth), truth * 1.0, truth, alone(40))

    # Scores of 0 and 1 claim that nothing varies.
    assert found.law == NoVariation(estimate=0.0, clusters=40, reach=1.0, support=(0.0, 1.0))


# ---- coverage ------------------------------------------------------------------------------------


def drawn(rng: np.random.Generator, clusters: int, rows: int, slope: float, shift: float, shared: float):
    of = np.repeat(np.arange(clusters), rows)
    z = 1.3 * (math.sqrt(1 - shared) * rng.normal(size=len(of)) + math.sqrt(shared) * rng.normal(size=clusters)[of])
    chance = 1 / (1 + np.exp(-(shift + slope * z + shared * rng.normal(size=clusters)[of])))
    return 1 / (1 + np.exp(-z)), rng.random(len(of)) < chance, (of.astype(str).tolist(),)


def root_mean_square(rng: np.random.Generator, slope: float, shift: float, shared: float) -> float:
    """The error of the scores in ten bins of equal width, of so many rows that what is left of noise does not count."""
    z = 1.3 * rng.normal(size=2_000_000)
    scores = 1 / (1 + np.exp(-z))
    gaps = scores - 1 / (1 + np.exp(-(shift + slope * z + shared * rng.normal(size=len(z)))))
    codes = np.floor(10 * scores).astype(int)
    rows = np.bincount(codes, minlength=10)
    return math.sqrt(float(rows @ (np.bincount(codes, weights=gaps, minlength=10) / rows) ** 2 / len(z)))


@pytest.mark.parametrize(
    ("clusters", "rows", "slope", "shift", "shared"),
    [
        (400, 1, 1.0, 0.0, 0.0),  # calibrated: the first-order error vanishes
        (400, 1, 1.0, 0.3, 0.0),
        (400, 1, 0.6, 0.0, 0.0),
        (40, 10, 1.0, 0.5, 0.3),
        (20, 50, 0.9, 0.0, 0.2),
    ],
)
def test_intervals_of_the_calibration_error_cover_as_promised(
    clusters: int, rows: int, slope: float, shift: float, shared: float
) -> None:
    rng = np.random.default_rng(2)
    true, runs, below, above = root_mean_square(rng, slope, shift, shared), 150, 0, 0

    for _ in range(runs):
        case = drawn(rng, clusters, rows, slope, shift, shared)
        low, high = _stats.limits(reliability.calibration_error(binned(*case), *case))
        below, above = below + (low > true), above + (high < true)

    room = 3 * math.sqrt(0.025 * 0.975 / runs)
    assert below / runs <= 0.025 + room
    assert above / runs <= 0.025 + room


def test_the_correction_takes_the_bias_of_a_calibrated_model_away() -> None:
    rng = np.random.default_rng(4)
    squares, plain = [], []
    for _ in range(300):
        scores, truth, clusters = drawn(rng, 300, 1, 1.0, 0.0, 0.0)
        those = binned(scores, truth, clusters, rule="equal_mass")
        squares.append(reliability.squared_error(those))
        plain.append(sum(len(b.rows) * b.gap**2 for b in those) / 300)

    assert np.mean(plain) > 0.005
    assert abs(np.mean(squares)) < 3 * np.std(squares) / math.sqrt(300)


# ---- rare outcomes -------------------------------------------------------------------------------


def test_low_scores_without_a_positive_outcome_bound_what_may_have_been_missed() -> None:
    # Fifty scores next to .045 and no event: Student's t would print .045 ± .001, and a rate of 7 % is possible.
    scores = 0.045 + 0.001 * np.arange(50) / 50

    low, high = _stats.limits(reliability.gap(scores, np.zeros(50, dtype=bool), alone(50)))

    assert low < 0.045 - 0.05
    assert high > 0.045


def test_of_common_outcomes_a_gap_is_a_mean_of_differences() -> None:
    found = reliability.gap(SCORES, TRUTH, alone(100))

    assert found == _stats.clustered_mean(SCORES - TRUTH, alone(100), reach=1.0, support=(-1.0, 1.0))


def test_gaps_of_rare_outcomes_are_covered() -> None:
    rng = np.random.default_rng(6)
    missed, seen = 0, 0
    for _ in range(60):
        chance = 1 / (1 + np.exp(4 - rng.normal(size=300)))
        truth = rng.random(300) < chance
        for b in binned(chance, truth, rule="equal_mass"):
            low, high = _stats.limits(reliability.gap(chance[b.rows], truth[b.rows], alone(len(b.rows))))
            missed, seen = missed + (not low <= 0 <= high), seen + 1

    assert missed / seen <= 0.05


def test_bins_without_an_event_do_not_pass_for_exact() -> None:
    truth = np.zeros(300, dtype=bool)
    truth[:3] = True
    scores = np.where(truth, 0.9, 0.01 + 0.0001 * np.arange(300))

    low, high = _stats.limits(
        reliability.calibration_error(binned(scores, truth, rule="equal_mass"), scores, truth, alone(300))
    )

    assert low == 0
    assert high > 0.04
