"""Decisions on disturbed texts: shares worked out by hand, the strengths at which they turn, and what is left out."""

from __future__ import annotations

from typing import Any

import pytest

from audit.checks._toy import tasks
from audit.registry import check_types
from audit.types import Curve, Finding, NotAssessed, Table

ONLY: dict[str, Any] = {"typos": False, "casing": False, "truncation": False}


@pytest.fixture
def of_rows(make_data: Any) -> Any:
    def make(rows: list[dict[str, str]], **more: Any) -> Any:
        settled = {"label": lambda f: f.get("true") == "yes", "cluster": ("case",)} | more
        return make_data(rows, text="{text} {case}", **settled)

    return make


def exhibit(found: Finding | NotAssessed, name: str) -> Any:
    assert isinstance(found, Finding)
    (one,) = [e for e in found.exhibits if e.id == name]
    return one


def reads(word: str) -> tasks.Reader:
    return tasks.Reader(reads=lambda words: 2.0 if word in words else -2.0)


def letters(good: int = 40, bad: int = 40, text: str = "grand") -> list[dict[str, str]]:
    return [
        {"text": text if i < good else "plain", "case": f"c{i}", "true": "yes" if i < good else "no"}
        for i in range(good + bad)
    ]


def test_a_word_that_is_spelt_otherwise_turns_its_decisions(of_rows: Any, run_check: Any, the: Any) -> None:
    params = {**ONLY, "casing": True, "strengths": [1.0]}

    found = run_check("robustness", params, of_rows(letters()), reads("grand"))

    # The forty that say so are not read any more; the others were refused before.
    flips = the(found, "flip_rate", group="casing")
    assert (flips.value, flips.n, flips.stratum) == (0.5, 80, "strength 1")
    assert flips.low < 0.5 < flips.high
    high, low = 1 / (1 + 2.718281828459045**-2), 1 / (1 + 2.718281828459045**2)
    assert the(found, "score_shift", group="casing").value == pytest.approx(0.5 * (high - low))
    assert the(found, "accuracy_loss", group="casing").value == pytest.approx(1.0 - 0.5)


def test_the_strength_at_which_a_decision_turns_is_the_lowest(of_rows: Any, run_check: Any) -> None:
    # Four words and the case: a quarter cuts two, and "grand" is the fourth of five.
    rows = letters(text="one two three grand")

    found = run_check(
        "robustness", {**ONLY, "truncation": True, "strengths": [0.2, 0.4, 1.0]}, of_rows(rows), reads("grand")
    )

    table = exhibit(found, "turning_strengths")
    assert isinstance(table, Table)
    assert table.rows == (("truncation", 80, 0.0, 0.5, 0.5, 0.5, "at none tried"),)
    curve = exhibit(found, "strength")
    assert isinstance(curve, Curve)
    (line,) = curve.series
    assert (line.x, line.y) == ((0.0, 0.2, 0.4, 1.0), (0.0, 0.0, 0.5, 0.5))


def test_more_than_half_turned_is_told_with_its_strength(of_rows: Any, run_check: Any) -> None:
    rows = letters(good=60, bad=30, text="one two three grand")

    found = run_check(
        "robustness", {**ONLY, "truncation": True, "strengths": [0.2, 0.4]}, of_rows(rows), reads("grand")
    )

    assert exhibit(found, "turning_strengths").rows[0][-1] == "0.4"


def test_distractors_and_paraphrases_are_those_of_the_policy(of_rows: Any, run_check: Any, the: Any) -> None:
    params = {
        **ONLY,
        "distractors": ["It rained and grand it was ."],
        "paraphrases": [{"phrase": "grand", "other": "great"}],
        "strengths": [1.0],
    }

    found = run_check("robustness", params, of_rows(letters()), reads("grand"))

    assert the(found, "flip_rate", group="distractors").value == 0.5
    phrases = the(found, "flip_rate", group="paraphrases")
    assert (phrases.value, phrases.n) == (1.0, 40)
    assert "40 of 80 texts hold nothing that paraphrases could change; they are left out." in found.limits


def test_a_disturbance_that_changes_few_texts_clears_nobody(of_rows: Any, run_check: Any, check_of: Any) -> None:
    params = {**ONLY, "paraphrases": [{"phrase": "grand", "other": "great"}], "strengths": [1.0]}

    found = run_check("robustness", params, of_rows(letters(good=29, bad=40)), reads("grand"))

    gate = check_of(found, "texts_changed")
    assert (gate.passed, gate.found) == (False, "too few texts changed: paraphrases (29)")


def test_a_disturbance_that_changes_nothing_is_not_assessed(of_rows: Any, run_check: Any) -> None:
    params = {**ONLY, "paraphrases": [{"phrase": "absent", "other": "x"}]}

    found = run_check("robustness", params, of_rows(letters()), reads("grand"))

    assert isinstance(found, NotAssessed)
    assert found.reason == "no disturbance changes a single text"


def test_without_outcomes_no_accuracy_is_lost(of_rows: Any, run_check: Any) -> None:
    found = run_check("robustness", {**ONLY, "casing": True}, of_rows(letters(), label=lambda _: None), reads("grand"))

    assert isinstance(found, Finding)
    assert {m.metric for m in found.measurements} == {"flip_rate", "score_shift"}


def test_a_sample_disturbs_that_many_rows(of_rows: Any, run_check: Any, the: Any) -> None:
    found = run_check(
        "robustness", {**ONLY, "casing": True, "sample": 50, "strengths": [1.0]}, of_rows(letters()), reads("grand")
    )

    assert the(found, "flip_rate", group="casing").n == 50


def test_rows_of_one_case_count_once(of_rows: Any, run_check: Any, the: Any) -> None:
    rows = [{**row, "text": f"{row['text']} no {k}"} for row in letters() for k in range(4)]

    found = run_check("robustness", {**ONLY, "casing": True, "strengths": [1.0]}, of_rows(rows), reads("grand"))

    assert the(found, "flip_rate", group="casing").n == 320
    assert the(found, "flip_rate", group="casing").clusters == 80


def test_what_cannot_be_disturbed_is_refused_before_anything_runs(of_rows: Any, problems_of: Any) -> None:
    data = of_rows(letters())

    assert problems_of("robustness", ONLY, data) == [(("typos",), "no disturbance")]
    assert problems_of("robustness", {"paraphrases": [{"phrase": "x"}]}, data) == [
        (("paraphrases", 0), "a row without phrase or other")
    ]
    assert problems_of("robustness", {}, of_rows(letters(good=10, bad=10))) == [(("data",), "20 texts")]


def test_strengths_ascend() -> None:
    with pytest.raises(ValueError, match="strengths ascend, each once"):
        check_types()["robustness"].params.model_validate({"strengths": [0.5, 0.1]})
