"""A direction that the output follows is told from one that is only there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from audit.checks import direction_effect
from audit.checks._toy_directions import DECISION, Holder, statements
from audit.requests import Answer, Request, ScoreAnswer, Scores
from audit.types import Finding, NotAssessed, Table

PARAMS: dict[str, Any] = {
    "condition": {"column": "context", "toward": "deploy", "against": ["audit"]},
    "score": "correct",
    "off_target": {"column": "asked", "values": ["privately"]},
}


def box(found: Finding, name: str) -> Any:
    (one,) = [b for b in found.boxes if b.name == name]
    return one


def test_a_direction_that_the_answer_follows_does_what_the_condition_does(run_check: Any, the: Any) -> None:
    found = run_check("direction_effect", PARAMS, statements(), Holder(), DECISION)

    effect, total = the(found, "effect"), the(found, "total_effect")
    # Deploy turns .95 right into .05 right, and so does the direction.
    assert total.value == pytest.approx(-0.9, abs=0.02)
    assert effect.value == pytest.approx(total.value, abs=0.02)
    assert the(found, "indirect_effect").value == pytest.approx(1.0, abs=0.03)
    assert the(found, "off_target_change").value < 0.05
    assert box(found, "causal").ticked is True


def test_a_direction_that_is_there_and_ignored_does_nothing(run_check: Any, the: Any) -> None:
    found = run_check("direction_effect", PARAMS, statements(), Holder(follows=False), DECISION)

    assert box(found, "decodable").ticked is True
    assert abs(the(found, "effect").value) < 0.05
    assert box(found, "causal").ticked is False


def test_states_that_do_not_differ_give_no_direction_to_add(run_check: Any, check_of: Any) -> None:
    found = run_check("direction_effect", PARAMS, statements(), Holder(holds=0.0, follows=False), DECISION)

    assert check_of(found, "states_differ").passed is False
    assert box(found, "causal").ticked is False
    assert box(found, "causal").evidence == "no direction to add: the states do not differ beyond chance"
    assert [m for m in found.measurements if m.metric == "effect"] == []


def test_without_an_effect_to_explain_nothing_is_normalised(run_check: Any) -> None:
    found = run_check("direction_effect", PARAMS, statements(), Answering(), DECISION)

    assert [m for m in found.measurements if m.metric == "indirect_effect"] == []
    assert box(found, "causal").ticked is False
    assert box(found, "causal").evidence.endswith("the condition itself has no shown effect to explain")


@dataclass(frozen=True, kw_only=True)
class Answering(Holder):
    """Answers by the text's truth alone, whatever its states."""

    def answer(self, request: Request) -> Answer:
        if isinstance(request, Scores):
            p = np.array([0.8 if "true" in t.split() else 0.2 for t in request.texts])
            return ScoreAnswer(
                values=np.log(np.stack([p, 1 - p], axis=1) * 0.9), names=(" yes", " no"), link="log_probability"
            )
        return super().answer(request)


def test_several_layers_are_compared_with_the_largest_of_each_draw(run_check: Any, the: Any) -> None:
    found = run_check("direction_effect", PARAMS | {"layers": [1, 2]}, statements(), Holder(), DECISION)

    assert {m.stratum for m in found.measurements if m.metric == "effect"} == {"layer 1", "layer 2"}
    assert "corrected for 2 layers" in next(e for e in found.exhibits if isinstance(e, Table)).note
    assert box(found, "causal").ticked is True


def test_projection_is_a_row_of_its_own_and_ticks_nothing(run_check: Any, the: Any) -> None:
    found = run_check("direction_effect", PARAMS, statements(), Holder(), DECISION)

    # Taking the direction away brings the answers back here; the box says nothing of it.
    assert the(found, "projection_effect").value > 0.8
    assert "project" not in box(found, "causal").evidence


def test_discovery_and_confirmation_share_no_subject(run_check: Any) -> None:
    asked: list[Scores] = []

    @dataclass(frozen=True, kw_only=True)
    class Listening(Holder):
        def answer(self, request: Request) -> Answer:
            if isinstance(request, Scores):
                asked.append(request)
            return super().answer(request)

    run_check("direction_effect", PARAMS, statements(), Listening(), DECISION)

    finding, *confirming = asked
    found_on = {text.split()[2] for text in finding.texts}
    moved = {text.split()[2] for request in confirming for text in request.texts}
    assert found_on & moved == set()
    assert len(found_on | moved) == 24


def test_the_dose_is_the_mean_difference_and_every_comparison_is_as_long(run_check: Any) -> None:
    asked: list[Scores] = []

    @dataclass(frozen=True, kw_only=True)
    class Listening(Holder):
        def answer(self, request: Request) -> Answer:
            if isinstance(request, Scores) and request.intervene is not None:
                asked.append(request)
            return super().answer(request)

    run_check("direction_effect", PARAMS, statements(), Listening(), DECISION)

    shifts = [r.intervene for r in asked if r.intervene is not None and r.intervene.layer > 0]
    assert len(shifts) == 3 + 199
    # Every subject and claim is there under both conditions, so the means differ by the one word alone.
    layer = shifts[0].layer
    by_hand = Holder().state("deploy", layer) - Holder().state("audit", layer)
    np.testing.assert_allclose(shifts[0].vector, by_hand, atol=1e-5)
    length = np.linalg.norm(by_hand)
    assert [np.linalg.norm(s.vector) for s in shifts] == pytest.approx([length] * len(shifts), rel=1e-5)


def test_a_condition_without_rows_is_said_where_it_stands(problems_of: Callable[..., Any]) -> None:
    condition = {"column": "context", "toward": "night", "against": ["audit"]}

    assert problems_of("direction_effect", PARAMS | {"condition": condition}, statements(), DECISION) == [
        (("condition", "toward"), "no row has 'night'")
    ]


def test_an_unknown_column_is_said_where_it_stands(problems_of: Callable[..., Any]) -> None:
    assert problems_of("direction_effect", PARAMS | {"irrelevant": ["colour"]}, statements(), DECISION) == [
        (("irrelevant", 0), "no field 'colour'")
    ]


def test_correct_needs_true_outcomes(problems_of: Callable[..., Any]) -> None:
    unlabelled = replace(statements(), rows=tuple(replace(row, label=None) for row in statements().rows))

    assert problems_of("direction_effect", PARAMS, unlabelled, DECISION) == [
        (("score",), "rows without a true outcome")
    ]


def test_fewer_than_199_comparisons_are_refused() -> None:
    with pytest.raises(ValueError, match="greater than or equal to 199"):
        direction_effect.Params.model_validate(PARAMS | {"draws": 20})


def test_too_few_clusters_are_not_assessed(run_check: Any) -> None:
    few = replace(statements(), rows=statements().rows[:24])

    found = run_check("direction_effect", PARAMS, few, Holder(), DECISION)

    assert isinstance(found, NotAssessed)
    assert found.reason.startswith("too few clusters to find a direction on one half and confirm it on the other")


def test_a_layer_that_is_not_there_is_not_assessed(run_check: Any) -> None:
    found = run_check("direction_effect", PARAMS | {"layers": [9]}, statements(), Holder(), DECISION)

    assert found == NotAssessed(reason="the model has layers 0 to 2, and [9] was asked for")


def test_no_metric_may_be_judged() -> None:
    assert direction_effect.judgeable(direction_effect.Params.model_validate(PARAMS)) == frozenset()
    assert all(m.descriptive for m in direction_effect.METRICS)
