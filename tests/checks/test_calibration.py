"""Calibration of scores: what a report prints, per group, and what it refuses to print."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from audit.checks._toy import tasks
from audit.types import Curve, Finding, NotAssessed, Table

MODEL = tasks.Reader(reads=lambda words: math.log(float(words[0]) / (1 - float(words[0]))))
"""Scores a text by the chance that it begins with."""

LEVELS = {("north", 0.2): (10, 50), ("north", 0.8): (45, 50), ("south", 0.2): (20, 50), ("south", 0.8): (40, 50)}


@pytest.fixture
def of_levels(make_data: Any) -> Any:
    def make(levels: dict[tuple[str, float], tuple[int, int]], **more: Any) -> Any:
        rows = [
            {"site": site, "chance": str(chance), "case": f"{site}{chance}{i}", "true": "yes" if i < k else "no"}
            for (site, chance), (k, n) in levels.items()
            for i in range(n)
        ]
        settled = {"groups": ("site",), "label": lambda f: f["true"] == "yes"} | more
        return make_data(rows, text="{chance} {case}", **settled)

    return make


def exhibit(found: Finding | NotAssessed, name: str) -> Any:
    assert isinstance(found, Finding)
    (one,) = [e for e in found.exhibits if e.id == name]
    return one


def unbiased(levels: list[tuple[float, int, int]]) -> float:
    """Root of the squared error by the published formula, of (score, positives, rows)."""
    n = sum(rows for _, _, rows in levels)
    square = sum(rows / n * ((p - k / rows) ** 2 - k / rows * (1 - k / rows) / (rows - 1)) for p, k, rows in levels)
    return math.sqrt(max(square, 0.0))


def test_errors_are_what_one_works_out_by_hand(of_levels: Any, run_check: Any, the: Any) -> None:
    found = run_check("calibration", {}, of_levels(LEVELS), MODEL)

    assert the(found, "calibration_error", group="").value == pytest.approx(unbiased([(0.2, 30, 100), (0.8, 85, 100)]))
    assert the(found, "calibration_error", group="north").value == pytest.approx(
        unbiased([(0.2, 10, 50), (0.8, 45, 50)])
    )
    assert the(found, "overstatement", group="south").value == pytest.approx(0.5 - 0.6)
    assert the(found, "bin_gap", stratum="0.20 to 0.20").value == pytest.approx(-0.1)
    assert the(found, "bin_gap", stratum="0.80 to 0.80").value == pytest.approx(-0.05)
    brier = (10 * 0.64 + 40 * 0.04 + 45 * 0.04 + 5 * 0.64) / 100
    assert the(found, "brier", group="north").value == pytest.approx(brier)


def test_the_tables_say_the_same(of_levels: Any, run_check: Any, the: Any) -> None:
    found = run_check("calibration", {}, of_levels(LEVELS), MODEL)

    errors = exhibit(found, "errors")
    assert isinstance(errors, Table)
    assert errors.rows[0][:4] == ("all rows", 200, 2, pytest.approx(the(found, "calibration_error", group="").value))
    assert errors.rows[0][4] == pytest.approx(math.sqrt((0.1**2 + 0.05**2) / 2))
    assert errors.rows[0][6] == pytest.approx((0.1 + 0.05) / 2)
    for name, brier, reliability, resolution, uncertainty, within in exhibit(found, "brier").rows:
        assert reliability - resolution + uncertainty + within == pytest.approx(brier), name
        assert the(found, "brier", group="" if name == "all rows" else name).value == pytest.approx(brier)


def test_the_curve_runs_through_the_bins_beside_the_diagonal(of_levels: Any, run_check: Any) -> None:
    curve = exhibit(run_check("calibration", {}, of_levels(LEVELS), MODEL), "reliability")

    assert isinstance(curve, Curve)
    every, north, south, diagonal = curve.series
    assert (every.x, every.y) == (pytest.approx((0.2, 0.8)), pytest.approx((0.3, 0.85)))
    assert all(low < y < high for low, y, high in zip(every.low, every.y, every.high, strict=True))
    assert (north.label, south.label, diagonal.reference) == ("north", "south", True)


def test_a_group_that_is_too_small_is_named_and_not_measured(of_levels: Any, run_check: Any, check_of: Any) -> None:
    found = run_check("calibration", {}, of_levels({**LEVELS, ("west", 0.2): (3, 49)}), MODEL)

    assert isinstance(found, Finding)
    assert "west" not in {m.group for m in found.measurements}
    gate = check_of(found, "groups_measured")
    assert (gate.passed, gate.found) == (False, "not measured: west: 49 labelled rows, fewer than 50")


def test_scores_that_rank_no_better_than_chance_are_not_assessed(of_levels: Any, run_check: Any) -> None:
    found = run_check("calibration", {}, of_levels({("north", 0.2): (25, 50), ("north", 0.8): (25, 50)}), MODEL)

    assert isinstance(found, NotAssessed)
    assert "better than chance on the true outcomes" in found.reason


def test_bins_that_look_alike_have_names_of_their_own(make_data: Any, run_check: Any) -> None:
    rng = np.random.default_rng(0)
    chances = 0.5 + 1e-12 * np.arange(400)
    wide = np.where(np.arange(400) % 2 == 0, chances, 0.9)
    rows = [{"chance": repr(float(p)), "true": "yes" if rng.random() < p else "no"} for p in wide]
    data = make_data(rows, text="{chance} x", label=lambda f: f["true"] == "yes")

    found = run_check("calibration", {}, data, MODEL)

    assert isinstance(found, Finding)
    names = [m.stratum for m in found.measurements if m.metric == "bin_gap"]
    assert len(set(names)) == len(names) > 2


def test_data_without_outcomes_are_refused_before_anything_runs(of_levels: Any, problems_of: Any) -> None:
    data = of_levels(LEVELS, label=lambda _: None)

    assert problems_of("calibration", {"attributes": ["sitte"]}, data) == [
        (("data",), "the rows of 'cases' name no true outcomes"),
        (("attributes", 0), "no field 'sitte'"),
    ]
