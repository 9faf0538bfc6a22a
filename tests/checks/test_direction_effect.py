"""A direction that the output follows is told from one that is only there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from audit.checks import direction_effect
from audit.checks._toy.directions import CONDITION, DECISION, Holder, statements
from audit.requests import Answer, DirectionAnswer, DirectionFile, Request, ScoreAnswer, Scores, States
from audit.types import Direction, Finding, GivenFile, NotAssessed, Stated, Table

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


# ---- a direction from a file ---------------------------------------------------------------------

FILE = GivenFile(written="theirs.safetensors", shown="policies/theirs.safetensors", body=b"")
STATED: dict[str, Any] = {
    "file": FILE,
    "layer": 1,
    "position": "full stop",
    "positive": "deceptive",
    "negative": "honest",
    "made_by": "Example et al. (2025)",
}
GIVEN = PARAMS | {"direction": STATED}


@dataclass(frozen=True, kw_only=True)
class Reading(Holder):
    """Holds a direction of its own making in every file, and notes what it was asked."""

    vector: Any
    unit: Any = "unstated"
    asked: list[Request]

    def answer(self, request: Request) -> Answer:
        self.asked.append(request)
        if isinstance(request, DirectionFile):
            found = Direction(
                vector=np.asarray(self.vector, dtype=np.float32),
                model_digest="toy",
                layer=1,
                position="full stop",
                estimator="stated",
                positive="deceptive",
                negative="honest",
                unit=self.unit,
                made_by="Example et al. (2025)",
                read_from=request.file.written,
            )
            return DirectionAnswer(direction=found)
        return super().answer(request)


# Every subject and claim is there under both conditions, so the means differ by the one word alone.
DIFFERENCE = Holder().state("deploy", 1) - Holder().state("audit", 1)
LENGTH = float(np.linalg.norm(DIFFERENCE))
ALONG = np.eye(16)[CONDITION]
ACROSS = DIFFERENCE[14] * np.eye(16)[15] - DIFFERENCE[15] * np.eye(16)[14]
"""A direction along which the conditions do not differ."""


def reading(vector: Any, **more: Any) -> Reading:
    return Reading(vector=vector, asked=[], **more)


def test_a_given_direction_that_the_answer_follows_is_causal(run_check: Any, the: Any) -> None:
    found = run_check("direction_effect", GIVEN, statements(), reading(ALONG), DECISION)

    assert the(found, "effect", stratum="layer 1").value == pytest.approx(-0.9, abs=0.02)
    assert box(found, "causal").ticked is True
    assert box(found, "decodable").evidence == (
        "mean difference along the given direction: p = 0.0010 against 1000 permutations at its layer"
    )


def test_a_given_direction_that_holds_the_conditions_together_is_not_added(run_check: Any, check_of: Any) -> None:
    found = run_check("direction_effect", GIVEN, statements(), reading(ACROSS), DECISION)

    assert check_of(found, "states_differ").passed is False
    assert box(found, "causal").evidence == (
        "no direction to add: the states do not differ along the given direction beyond chance"
    )
    assert [m for m in found.measurements if m.metric == "effect"] == []


def test_the_finding_says_who_stated_what_of_a_given_direction(run_check: Any) -> None:
    found = run_check("direction_effect", GIVEN, statements(), reading(ALONG), DECISION)

    assert found.limits[:2] == (
        "The direction comes from theirs.safetensors, stated to be made by Example et al. (2025): from “honest” toward "
        "“deceptive” at layer 1, full stop. Whether that is so was not examined.",
        f"It was added to 48 rows at the length {LENGTH:.3g}, where its own is 1; its cosine to the mean difference of "
        f"“deploy” is {DIFFERENCE[CONDITION] / LENGTH:.2f}.",
    )
    assert [(d.read_from, d.made_by) for d in found.directions] == [("theirs.safetensors", "Example et al. (2025)")]


def test_every_cluster_confirms_a_given_direction(run_check: Any) -> None:
    model = reading(ALONG)

    run_check("direction_effect", GIVEN, statements(), model, DECISION)

    moved = [r for r in model.asked if isinstance(r, Scores) and r.intervene is not None and r.intervene.layer == 1]
    assert {text.split()[2] for text in moved[0].texts} == {f"subject{i}" for i in range(24)}
    # The direction, taken away, off target, and every direction it is compared with.
    assert len(moved) == 1 + 1 + 1 + 199


def test_the_file_is_asked_for_in_the_first_round_with_its_layer_alone(run_check: Any) -> None:
    model = reading(ALONG)

    run_check("direction_effect", GIVEN, statements(), model, DECISION)

    assert model.asked[4] == DirectionFile(
        file=FILE,
        tensor="direction",
        stated=Stated(
            layer=1,
            position="full stop",
            positive="deceptive",
            negative="honest",
            made_by="Example et al. (2025)",
        ),
    )
    assert [r.layers for r in model.asked if isinstance(r, States)] == [(1,), (0,)]


@pytest.mark.parametrize(
    ("unit", "asked", "length"),
    [
        ("unstated", None, LENGTH),
        ("log_odds_per_activation", None, LENGTH),
        ("activation", None, 0.5),
        ("unstated", "own", 0.5),
        ("activation", "mean_difference", LENGTH),
    ],
)
def test_a_direction_moves_states_as_far_as_its_unit_or_the_policy_says(
    run_check: Any, unit: str, asked: str | None, length: float
) -> None:
    model = reading(0.5 * ALONG, unit=unit)

    run_check("direction_effect", PARAMS | {"direction": STATED | {"length": asked}}, statements(), model, DECISION)

    shifts = [r.intervene for r in model.asked if isinstance(r, Scores) and r.intervene is not None][1:]
    assert [np.linalg.norm(s.vector) for s in shifts] == pytest.approx([length] * len(shifts), rel=1e-5)


def test_a_direction_that_points_the_other_way_brings_about_the_opposite(run_check: Any, the: Any) -> None:
    found = run_check("direction_effect", GIVEN, statements(), reading(-ALONG), DECISION)

    assert f"is {-DIFFERENCE[CONDITION] / LENGTH:.2f}." in found.limits[1]
    assert the(found, "effect").value > -0.1
    assert box(found, "causal").ticked is False


def test_directions_that_were_found_come_with_the_finding(run_check: Any) -> None:
    found = run_check("direction_effect", PARAMS | {"layers": [1, 2]}, statements(), Holder(), DECISION)

    said = [(d.layer, d.position, d.positive, d.negative, d.unit, d.clusters, d.read_from) for d in found.directions]
    assert said == [(layer, "last", "deploy", "audit", "activation", 12, "") for layer in (1, 2)]


def test_where_nothing_is_found_there_is_no_direction(run_check: Any) -> None:
    found = run_check("direction_effect", PARAMS, statements(), Holder(holds=0.0, follows=False), DECISION)

    assert found.directions == ()


def test_half_a_statement_is_refused() -> None:
    with pytest.raises(ValueError, match="all of them, and position, made_by is not stated"):
        direction_effect.Params.model_validate(
            PARAMS | {"direction": {k: v for k, v in STATED.items() if k not in {"position", "made_by"}}}
        )


def test_layers_beside_a_given_direction_are_refused(problems_of: Callable[..., Any]) -> None:
    assert problems_of("direction_effect", GIVEN | {"layers": [2]}, statements(), DECISION) == [
        (("layers",), "layers beside a direction from a file")
    ]


def test_too_few_clusters_to_confirm_on_are_not_assessed(run_check: Any) -> None:
    few = replace(statements(), rows=statements().rows[:16])

    found = run_check("direction_effect", GIVEN, few, reading(ALONG), DECISION)

    assert found == NotAssessed(
        reason="too few clusters to confirm a direction on: 2 in with the condition; 2 in without it (at least 3 each)"
    )
