"""Equalised odds beside the gaps within strata: fairlearn's values, an interval for each, and what is left out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fairlearn.metrics import (
    MetricFrame,
    equalized_odds_difference,
    false_positive_rate,
    selection_rate,
    true_positive_rate,
)

from audit.checks._toy import tasks
from audit.types import Finding, NotAssessed, Table

MODEL = tasks.Reader(reads=lambda words: float(words[0]))

COUNTS = {
    # (origin, log-odds, true outcome) → rows
    ("a", "2", True): 40,
    ("a", "-1", True): 10,
    ("a", "1", False): 12,
    ("a", "-2", False): 38,
    ("b", "2", True): 20,
    ("b", "-1", True): 20,
    ("b", "1", False): 5,
    ("b", "-2", False): 55,
    ("c", "2", True): 24,
    ("c", "-1", True): 6,
    ("c", "1", False): 30,
    ("c", "-2", False): 40,
}


@pytest.fixture
def of_counts(make_data: Any) -> Any:
    def make(counts: dict[tuple[str, str, bool | None], int], **more: Any) -> Any:
        rows = [
            {"origin": origin, "odds": odds, "case": f"{origin}{odds}{true}{i}", "true": str(true)}
            for (origin, odds, true), n in counts.items()
            for i in range(n)
        ]
        settled = {"groups": ("origin",), "label": lambda f: {"True": True, "False": False}.get(f["true"])} | more
        return make_data(rows, text="{odds} {case}", **settled)

    return make


def error_rates(found: Finding | NotAssessed) -> Table:
    assert isinstance(found, Finding)
    (one,) = [e for e in found.exhibits if e.id == "error_rates"]
    assert isinstance(one, Table)
    return one


def columns(data: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    truth = np.array([row.label for row in data.rows])
    decided = np.array([float(row.fields["odds"]) > 0 for row in data.rows])
    return truth, decided, np.array([row.fields["origin"] for row in data.rows])


def test_rates_are_those_of_fairlearn(of_counts: Any, run_check: Any, the: Any) -> None:
    data = of_counts(COUNTS)
    truth, decided, origin = columns(data)
    frame = MetricFrame(
        metrics={"selected": selection_rate, "tpr": true_positive_rate, "fpr": false_positive_rate},
        y_true=truth,
        y_pred=decided,
        sensitive_features=origin,
    ).by_group

    found = run_check("group_outcomes", {}, data, MODEL)

    for _, group, positives, tpr, negatives, fpr in error_rates(found).rows:
        assert (tpr, fpr) == pytest.approx((frame.tpr[group], frame.fpr[group]))
        assert (positives, negatives) == ((origin == group)[truth].sum(), (origin == group)[~truth].sum())
        assert the(found, "selection_rate", group=group).value == pytest.approx(frame.selected[group])
    gap = the(found, "true_positive_gap", group="b", reference="a")
    assert gap.value == pytest.approx(frame.tpr["a"] - frame.tpr["b"])
    assert gap.n == 90
    assert gap.low < gap.value < gap.high


def test_the_largest_gap_is_fairlearns_equalised_odds_difference(of_counts: Any, run_check: Any) -> None:
    data = of_counts(COUNTS)
    truth, decided, origin = columns(data)

    found = run_check("group_outcomes", {}, data, MODEL)

    assert isinstance(found, Finding)
    gaps = [m.value for m in found.measurements if m.metric in {"true_positive_gap", "false_positive_gap"}]
    assert len(gaps) == 12
    assert max(gaps) == pytest.approx(equalized_odds_difference(truth, decided, sensitive_features=origin))


def test_a_model_that_decides_by_the_outcome_alone_has_no_gap(of_counts: Any, run_check: Any, the: Any) -> None:
    # Base rates differ, so selection rates do; given the outcome, groups are decided alike.
    data = of_counts({("a", "2", True): 60, ("a", "-2", False): 20, ("b", "2", True): 20, ("b", "-2", False): 60})

    found = run_check("group_outcomes", {}, data, MODEL)

    for name in ("true_positive_gap", "false_positive_gap"):
        gap = the(found, name, group="b", reference="a")
        assert gap.value == 0
        assert gap.low < 0 < gap.high
    assert the(found, "selection_gap_within_strata", group="b", reference="a").value == pytest.approx(0.5)


def test_rows_without_an_outcome_count_for_selection_only(of_counts: Any, run_check: Any, the: Any) -> None:
    known = run_check("group_outcomes", {}, of_counts(COUNTS), MODEL)
    more = run_check("group_outcomes", {}, of_counts({**COUNTS, ("a", "2", None): 50}), MODEL)

    assert the(more, "true_positive_gap", group="b", reference="a") == the(
        known, "true_positive_gap", group="b", reference="a"
    )
    assert the(more, "selection_rate", group="a").value > the(known, "selection_rate", group="a").value


def test_a_group_without_an_outcome_leaves_its_rates_unmeasured_and_says_so(of_counts: Any, run_check: Any) -> None:
    found = run_check("group_outcomes", {}, of_counts({**COUNTS, ("d", "-2", False): 40}), MODEL)

    assert isinstance(found, Finding)
    measured = {m.metric for m in found.measurements}
    assert "true_positive_gap" not in measured
    assert "false_positive_gap" in measured
    assert "Rates among rows with a positive outcome were not compared: no such row of d." in found.limits
    assert error_rates(found).rows[3] == ("origin", "d", 0, None, 40, 0.0)


def test_without_true_outcomes_nothing_is_compared_by_them(of_counts: Any, run_check: Any) -> None:
    found = run_check("group_outcomes", {}, of_counts(COUNTS, label=lambda _: None), MODEL)

    assert isinstance(found, Finding)
    assert not {m.metric for m in found.measurements} & {"true_positive_gap", "false_positive_gap"}
    assert "error_rates" not in {e.id for e in found.exhibits}
    assert "No row names a true outcome: true-positive and false-positive rates were not compared." in found.limits


def test_rows_that_share_a_person_count_once(of_counts: Any, make_data: Any, run_check: Any, the: Any) -> None:
    rows = [
        {"origin": origin, "odds": "2" if person < right else "-2", "person": f"{origin}{person}", "form": str(form)}
        for origin, right in (("a", 16), ("b", 8))
        for person in range(30)
        for form in range(4)
    ]
    labelled: dict[str, Any] = {"groups": ("origin",), "label": lambda f: int(f["person"][1:]) < 20}

    alone = run_check("group_outcomes", {}, make_data(rows, text="{odds} {person} {form}", **labelled), MODEL)
    shared = run_check(
        "group_outcomes", {}, make_data(rows, text="{odds} {person} {form}", cluster=("person",), **labelled), MODEL
    )

    wide, narrow = (the(found, "true_positive_gap", group="b", reference="a") for found in (shared, alone))
    assert wide.value == narrow.value
    assert (wide.clusters, narrow.clusters) == (20, 80)
    assert wide.high - wide.low > 1.7 * (narrow.high - narrow.low)
