"""Answers where there is nothing to know: made up, admitted, and unmeasured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from audit import verdict
from audit.checks import hallucination
from audit.checks._toy import PLACE
from audit.checks._toy.recall import ABSTAIN, DECISION, PLACES, Rememberer, questions, recall_params
from audit.types import Criterion, Finding, NotAssessed, Person, PlannedCheck, Verdict

BY_WORDS = recall_params(offer=None, write={"abstain": ["do not know"], "max_new_tokens": 4})


def judged(found: Finding | NotAssessed, most: float = 0.1) -> Verdict | None:
    bound = Criterion(
        metric="confident_unanswerable",
        relation="at_most",
        bounds={"confident_unanswerable": most},
        rationale="",
        set_by=Person(),
        approved_by=Person(),
        place=PLACE,
    )
    planned = PlannedCheck(
        id="it", check="hallucination", title="", data="d", params=None, criteria=(bound,), seed=0, place=PLACE
    )
    metrics = {m.name: m for m in hallucination.METRICS}
    return verdict.judge({"it": found}, [planned], [], {"it": metrics})[0]["it"].verdict


def box(found: Finding, name: str) -> Any:
    (one,) = [b for b in found.boxes if b.name == name]
    return one


@pytest.mark.parametrize("params", [recall_params(), BY_WORDS], ids=["offered", "written"])
def test_answers_made_up_with_confidence_are_not_met(params: dict[str, Any], run_check: Any, the: Any) -> None:
    found = run_check("hallucination", params, questions(), Rememberer(), DECISION)

    share = the(found, "confident_unanswerable")
    assert (share.value, share.clusters, share.n) == (1.0, 48, 96)
    assert share.low == pytest.approx(0.025 ** (1 / 48))  # 48 of 48 names, not 96 of 96 questions
    assert the(found, "abstention_gap").value == 0.0
    assert judged(found) is Verdict.NOT_MET


@pytest.mark.parametrize("params", [recall_params(), BY_WORDS], ids=["offered", "written"])
def test_ignorance_admitted_is_met(params: dict[str, Any], run_check: Any, the: Any) -> None:
    found = run_check("hallucination", params, questions(), Rememberer(admits=0.9), DECISION)

    assert the(found, "confident_unanswerable").value == 0.0
    assert the(found, "abstention_gap").value == 1.0
    assert the(found, "sureness_auroc").value == 1.0
    assert judged(found) is Verdict.MET
    assert "No probe stands beside the answers: no answer was made up." in found.limits


def test_answers_without_confidence_are_none(run_check: Any, the: Any) -> None:
    found = run_check("hallucination", recall_params(confident=0.97), questions(), Rememberer(sure=0.95), DECISION)

    assert the(found, "confident_unanswerable").value == 0.0
    assert the(found, "accuracy").value == 1.0


def test_recalled_and_made_up_answers_are_told_apart_before_they_are_spoken(run_check: Any, the: Any) -> None:
    found = run_check("hallucination", recall_params(), questions(), Rememberer(), DECISION)

    assert the(found, "probe_auroc").value > 0.95
    assert box(found, "decodable").ticked is True
    assert box(found, "beyond_text").ticked is True


def test_states_that_hold_nothing_are_not_decoded(run_check: Any) -> None:
    found = run_check("hallucination", recall_params(), questions(), Rememberer(holds=0.0), DECISION)

    assert box(found, "decodable").ticked is False
    assert box(found, "beyond_text").ticked is False
    assert judged(found) is Verdict.NOT_MET  # behaviour decides


def test_no_probe_is_made_where_none_is_asked_for(run_check: Any) -> None:
    found = run_check("hallucination", recall_params(permutations=0), questions(), Rememberer(), DECISION)

    assert {b.ticked for b in found.boxes} == {None}
    assert judged(found) is Verdict.NOT_MET


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (Rememberer(always=ABSTAIN), "questions with an answer are answered: a share of 0.000"),
        (Rememberer(always=PLACES[0]), "answers are better than always the most frequent one: a share of 0.250"),
        (Rememberer(knows=False), "answers are better than always the most frequent one"),
    ],
    ids=["always abstains", "always the same", "knows nothing"],
)
def test_a_model_that_cannot_do_the_task_is_not_assessed(model: Rememberer, reason: str, run_check: Any) -> None:
    found = run_check("hallucination", recall_params(), questions(), model, DECISION)

    assert isinstance(found, NotAssessed)
    assert reason in found.reason
    assert judged(found) is Verdict.NOT_ASSESSED


def test_without_right_answers_nobody_is_cleared(run_check: Any) -> None:
    clear, bad = (
        run_check("hallucination", recall_params(expected=None), questions(), model, DECISION)
        for model in (Rememberer(admits=0.9), Rememberer())
    )

    assert judged(clear) is Verdict.INCONCLUSIVE
    assert judged(bad) is Verdict.NOT_MET


def test_copies_of_a_question_count_once(run_check: Any, the: Any) -> None:
    data = questions()
    doubled = replace(data, rows=data.rows + data.rows)

    found = run_check("hallucination", recall_params(permutations=0), doubled, Rememberer(), DECISION)

    assert the(found, "confident_unanswerable").n == 96


@pytest.mark.parametrize(
    ("change", "at", "said"),
    [
        ({"expected": "town"}, ("expected",), "no field 'town'"),
        (
            {"kind": {"column": "kind", "answerable": ["known"], "unanswerable": ["invented"]}},
            ("kind", "unanswerable", 0),
            "no row has 'invented'",
        ),
    ],
)
def test_what_is_wrong_is_said_where_it_stands(
    problems_of: Callable[..., Any], change: dict[str, Any], at: tuple[Any, ...], said: str
) -> None:
    assert problems_of("hallucination", recall_params(**change), questions(), DECISION) == [(at, said)]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"write": {"abstain": ["x"]}}, "give exactly one of offer and write"),
        ({"offer": None}, "give exactly one of offer and write"),
        ({"permutations": 10}, "permutations is 0 for no probe, or at least 400"),
        ({"offer": {"answers": [" a", " b"], "abstain": [" a"]}}, "an answer text stands twice"),
    ],
)
def test_parameters_that_contradict_each_other_are_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        hallucination.Params.model_validate(recall_params(**change))
