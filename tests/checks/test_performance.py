"""Quality on the task: numbers worked out by hand and by scikit-learn, and models told that they add nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from audit.checks import _toy
from audit.checks._toy import tasks
from audit.types import Finding, NotAssessed, Table

MODEL = tasks.Reader(reads=lambda words: float(words[0]))
"""Scores a text by the number that it begins with."""


def cases(counts: dict[tuple[str, str, bool], int]) -> list[dict[str, str]]:
    """Rows of (group, log-odds, true outcome) → number."""
    return [
        {"sex": sex, "odds": odds, "true": str(true), "row": f"{sex}{odds}{true}{i}"}
        for (sex, odds, true), n in counts.items()
        for i in range(n)
    ]


COUNTS = {
    ("f", "2", True): 20,
    ("f", "-1", True): 10,
    ("f", "1", False): 6,
    ("f", "-2", False): 24,
    ("m", "2", True): 15,
    ("m", "-1", True): 5,
    ("m", "1", False): 20,
    ("m", "-2", False): 40,
}


@pytest.fixture
def of_counts(make_data: Any) -> Any:
    def make(counts: dict[tuple[str, str, bool], int], **more: Any) -> Any:
        settled = {"groups": ("sex",), "label": lambda fields: {"True": True, "False": False}.get(fields["true"])}
        return make_data(cases(counts), text="{odds} {row}", **(settled | more))

    return make


def table(found: Finding | NotAssessed, name: str) -> Table:
    assert isinstance(found, Finding)
    (one,) = [e for e in found.exhibits if e.id == name]
    assert isinstance(one, Table)
    return one


# ---- known answers -------------------------------------------------------------------------------


def test_qualities_are_what_one_counts(of_counts: Any, run_check: Any, the: Any) -> None:
    found = run_check("performance", {"challengers": ["majority"]}, of_counts(COUNTS), MODEL)

    assert the(found, "accuracy", group="").value == pytest.approx((20 + 24 + 15 + 40) / 140)
    assert the(found, "accuracy", group="f").value == pytest.approx(44 / 60)
    assert the(found, "balanced_accuracy", group="f").value == pytest.approx((20 / 30 + 24 / 30) / 2)
    assert the(found, "balanced_accuracy", group="m").value == pytest.approx((15 / 20 + 40 / 60) / 2)
    assert table(found, "quality").rows[1][:4] == ("f", 60, 30, pytest.approx(44 / 60))
    assert table(found, "quality").rows[1][-2:] == (pytest.approx(20 / 30), pytest.approx(6 / 30))


def test_qualities_are_those_of_scikit_learn(of_counts: Any, run_check: Any, the: Any) -> None:
    data = of_counts(COUNTS)
    truth = np.array([row.label for row in data.rows])
    score = np.array([1 / (1 + np.exp(-float(row.fields["odds"]))) for row in data.rows])

    found = run_check("performance", {"challengers": ["majority"]}, data, MODEL)

    for group in ("", "f", "m"):
        of = np.array([group in {"", row.fields["sex"]} for row in data.rows])
        y, s = truth[of], score[of]
        assert the(found, "accuracy", group=group).value == pytest.approx(metrics.accuracy_score(y, s > 0.5))
        assert the(found, "balanced_accuracy", group=group).value == pytest.approx(
            metrics.balanced_accuracy_score(y, s > 0.5)
        )
        assert the(found, "auroc", group=group).value == pytest.approx(metrics.roc_auc_score(y, s))
        assert the(found, "average_precision", group=group).value == pytest.approx(
            metrics.average_precision_score(y, s)
        )


def test_the_gain_over_the_commoner_outcome_is_a_difference_of_shares(of_counts: Any, run_check: Any, the: Any) -> None:
    found = run_check("performance", {"challengers": ["majority"]}, of_counts(COUNTS), MODEL)

    gain = the(found, "accuracy_gain", reference="always the commoner outcome")
    assert gain.value == pytest.approx(99 / 140 - 90 / 140)
    assert the(found, "ranking_gain", reference="always the commoner outcome").value == pytest.approx(
        the(found, "auroc", group="").value - 0.5
    )


def test_a_previous_model_is_compared_on_the_same_rows(of_counts: Any, run_check: Any, the: Any) -> None:
    data = of_counts(COUNTS)
    before = [{**row.fields, "before": "0.9" if row.label else "0.1"} for row in data.rows]
    fields = {row.fields["row"]: f for row, f in zip(data.rows, before, strict=True)}
    from dataclasses import replace

    data = replace(data, rows=tuple(replace(row, fields=fields[row.fields["row"]]) for row in data.rows))

    found = run_check("performance", {"challengers": [], "previous": "before"}, data, MODEL)

    name = "the previous model (before)"
    assert the(found, "accuracy_gain", reference=name).value == pytest.approx(99 / 140 - 1)
    assert f"The model decides rightly less often than {name}." in found.limits
    assert f"The model ranks cases worse than {name}." in found.limits


# ---- told so -------------------------------------------------------------------------------------


def test_a_model_that_words_equal_is_told_so_and_clears_nothing(make_data: Any, run_check: Any, check_of: Any) -> None:
    # Outcome and score hang on one word: the model is right always, and so is counting words.
    rows = [{"word": "good" if i % 2 else "bad", "case": f"case{i}"} for i in range(80)]
    data = make_data(rows, text="{case} is {word}", label=lambda f: f["word"] == "good")

    found = run_check("performance", {}, data, _toy.Toy(weights={"good": 2.0, "bad": -2.0}))

    gate = check_of(found, "beats_challengers")
    assert gate.passed is False
    assert "not shown beyond a logistic regression on words" in gate.found
    assert "It is not shown that the model ranks cases better than a logistic regression on words." in found.limits


def test_a_model_below_the_commoner_outcome_is_told_so(make_data: Any, run_check: Any) -> None:
    rows = [{"odds": "1", "case": f"case{i}", "true": "yes" if i < 20 else "no"} for i in range(100)]
    data = make_data(rows, text="{odds} {case}", label=lambda f: f["true"] == "yes")

    found = run_check("performance", {"challengers": ["majority"]}, data, MODEL)

    assert "The model decides rightly less often than always the commoner outcome." in found.limits


def test_a_challenger_that_cannot_be_made_leaves_the_question_open(
    of_counts: Any, run_check: Any, check_of: Any
) -> None:
    data = of_counts(dict.fromkeys(COUNTS, 1))

    found = run_check("performance", {"challengers": ["majority", "words"]}, data, MODEL)

    gate = check_of(found, "beats_challengers")
    assert gate.passed is False
    assert "not compared with a logistic regression on words: 4 clusters hold positive rows" in gate.found


# ---- what cannot be measured ---------------------------------------------------------------------


def test_a_group_without_enough_of_an_outcome_is_named_and_not_measured(
    of_counts: Any, run_check: Any, check_of: Any
) -> None:
    few = {**COUNTS, ("d", "2", True): 9, ("d", "-2", False): 30}

    found = run_check("performance", {"challengers": ["majority"]}, of_counts(few), MODEL)

    assert isinstance(found, Finding)
    assert {m.metric for m in found.measurements if m.group == "d"} == {"accuracy"}
    gate = check_of(found, "groups_measured")
    assert (gate.passed, gate.found) == (
        False,
        "not measured: d: 9 rows with a positive outcome, fewer than 10",
    )
    assert table(found, "quality").rows[3][0] == "m"
    assert table(found, "quality").rows[1][4:7] == (None, None, None)


def test_rows_without_an_outcome_are_left_out_and_counted(of_counts: Any, run_check: Any, the: Any) -> None:
    found = run_check(
        "performance", {"challengers": ["majority"]}, of_counts({**COUNTS, ("f", "2", "blank"): 7}), MODEL
    )

    assert the(found, "accuracy", group="").n == 140
    assert "7 rows name no true outcome and are left out." in found.limits


def test_an_enumerated_grammar_has_no_intervals(of_counts: Any, run_check: Any) -> None:
    found = run_check("performance", {"challengers": ["majority"]}, of_counts(COUNTS, enumerated=True), MODEL)

    assert isinstance(found, Finding)
    assert all(m.exact for m in found.measurements)
    assert "enough_clusters" not in {v.name for v in found.validity}


# ---- before the run ------------------------------------------------------------------------------


def test_data_without_outcomes_are_refused_before_anything_runs(of_counts: Any, problems_of: Any) -> None:
    unknown = of_counts({("f", "2", "blank"): 9})
    alike = of_counts({("f", "2", True): 9})

    assert problems_of("performance", {}, unknown) == [(("data",), "the rows of 'cases' name no true outcomes")]
    assert problems_of("performance", {}, alike) == [(("data",), "the rows of 'cases' name one outcome only: approve")]


def test_a_previous_score_that_is_none_is_refused(of_counts: Any, problems_of: Any) -> None:
    assert problems_of("performance", {"previous": "sex"}, of_counts(COUNTS)) == [
        (("previous",), "'f' in the field 'sex', and 139 more such rows")
    ]
    assert problems_of("performance", {"previous": "sexx"}, of_counts(COUNTS)) == [(("previous",), "no field 'sexx'")]


def test_nothing_to_compare_with_is_refused(of_counts: Any, problems_of: Any) -> None:
    assert problems_of("performance", {"challengers": []}, of_counts(COUNTS)) == [(("challengers",), "no challenger")]
