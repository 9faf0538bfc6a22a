"""Explanations that are the model, noise, or blind to a word that decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from audit.checks import _toy
from audit.checks._attributions import planted_word, randomised
from audit.checks._toy.explained import BLOCKS, FREE_WORDS, Explained
from audit.registry import check_types
from audit.requests import ALL_WEIGHTS, Attributions, CannotAnswer, Request, TokenAttribution, Tokenised
from audit.types import Curve, Decision, Finding, NotAssessed

WEIGHTS = _toy.credit(0.3).weights
MODEL = Explained(weights=WEIGHTS)
PARAMS: dict[str, Any] = {"sample": 60}


def run(run_check: Any, model: Any, **params: Any) -> Any:
    return run_check("explanation_faithfulness", PARAMS | params, _toy.applicants(), model)


def exhibit(found: Any, name: str) -> Any:
    assert isinstance(found, Finding), found
    (one,) = [e for e in found.exhibits if e.id == name]
    return one


@dataclass(frozen=True, kw_only=True)
class Closed(Explained):
    """Refuses attributions of one kind."""

    kind: str

    def answer(self, request: Request) -> Any:
        if isinstance(request, Attributions) and getattr(request, self.kind):
            raise CannotAnswer(f"no {self.kind} model")
        return super().answer(request)


# ---- known answers -------------------------------------------------------------------------------


def test_the_model_s_own_weights_agree_with_leaving_one_out_and_with_themselves(run_check: Any, the: Any) -> None:
    found = run(run_check, MODEL)

    for name in ("leave_one_out_agreement", "method_agreement", "baseline_agreement", "converged_share"):
        assert the(found, name).value == pytest.approx(1.0), name
    assert the(found, "comprehensiveness_over_random").low > 0
    assert the(found, "planted_word_first").value == 1


def test_noise_is_worth_no_more_than_a_random_order(run_check: Any, the: Any) -> None:
    found = run(run_check, Explained(weights=WEIGHTS, noise=True), sample=180)

    for name in ("comprehensiveness_over_random", "sufficiency_over_random", "leave_one_out_agreement"):
        measured = the(found, name)
        assert measured.low < 0.05, name
        assert measured.high > -0.05, name


def test_the_whole_curve_is_shown_and_the_last_stage_measured(run_check: Any, the: Any) -> None:
    found = run(run_check, MODEL, shuffled=60)

    (series,) = exhibit(found, "randomisation").series
    assert series.x == (0.0, 1.0, 2.0, 3.0, 4.0)
    assert series.y[0] == 1.0
    assert the(found, "randomised_similarity").value == pytest.approx(series.y[-1])
    assert abs(series.y[-1]) < 0.35


def test_an_explanation_that_misses_a_planted_word_is_never_called_fit(run_check: Any, the: Any, check_of: Any) -> None:
    found = run(run_check, Explained(weights=WEIGHTS, blind=True))

    assert the(found, "planted_word_first").value == 0
    assert check_of(found, "planted_word").passed is False


def test_the_planted_word_stands_in_the_table_with_what_chance_would_find(run_check: Any) -> None:
    word, tried, turned, converged, share, chance, reach = exhibit(run(run_check, MODEL), "planted_word").rows[0]

    assert word.strip("“”") in FREE_WORDS
    assert tried == turned == converged
    assert (share, chance, reach) == (1.0, pytest.approx(1 / 4, abs=0.1), 1.0)


def test_texts_that_do_not_converge_are_left_out_and_listed(run_check: Any, the: Any) -> None:
    class Astray(Explained):
        def _explained(self, text: str, request: Attributions) -> TokenAttribution:
            right = super()._explained(text, request)
            lost = text.startswith("Ada ") and request.method == "integrated_gradients"
            return type(right)(**(right.__dict__ | {"converged": not lost}))

    found = run(run_check, Astray(weights=WEIGHTS), sample=180)

    assert the(found, "converged_share").value == pytest.approx(1 - 9 / 180)
    assert the(found, "comprehensiveness_over_random").n == 171
    assert [limit for limit in found.limits if limit.startswith("9 texts did not converge within 512 steps")]


# ---- what cannot be measured ---------------------------------------------------------------------


def test_a_model_that_decides_nothing_has_nothing_to_explain(run_check: Any) -> None:
    found = run(run_check, Explained(weights={}))

    assert isinstance(found, NotAssessed)
    assert "scores tell cases apart: standard deviation 0 over 180 cases" in found.reason


@pytest.mark.parametrize(
    ("kind", "missing", "shown", "limit"),
    [
        ("randomised", "randomised_similarity", "randomisation", "Weights were not shuffled: no randomised model."),
        ("planted", "planted_word_first", "planted_word", "No word was planted: no planted model."),
    ],
)
def test_what_this_model_cannot_be_asked_is_left_out_and_said(
    run_check: Any, kind: str, missing: str, shown: str, limit: str
) -> None:
    whole, found = run(run_check, MODEL), run(run_check, Closed(weights=WEIGHTS, kind=kind))

    assert missing not in {m.metric for m in found.measurements}
    assert {e.id for e in whole.exhibits} - {e.id for e in found.exhibits} == {shown}
    assert limit in found.limits


def test_taking_one_token_out_is_not_held_against_itself(run_check: Any) -> None:
    found = run(run_check, MODEL, method="feature_ablation")
    check = check_types()["explanation_faithfulness"]

    assert "leave_one_out_agreement" not in {m.metric for m in found.measurements}
    assert check.judgeable(check.params(method="feature_ablation")) == {m.metric for m in found.measurements}


def test_a_likelihood_has_no_decision_to_explain(problems_of: Any) -> None:
    decision = Decision(kind="likelihood")

    assert problems_of("explanation_faithfulness", {}, _toy.applicants(), decision) == [
        (("check",), "a likelihood has no decision to explain")
    ]


# ---- parts ---------------------------------------------------------------------------------------


def test_all_stages_of_a_shallow_model_are_asked_and_some_of_a_deep_one() -> None:
    assert randomised.stages(BLOCKS) == [1, 2, 3, ALL_WEIGHTS]

    deep = randomised.stages(40)

    assert (deep[0], deep[-2], deep[-1]) == (1, 41, ALL_WEIGHTS)
    assert len(deep) == randomised.MOST_STAGES + 1
    assert sorted(set(deep[:-1])) == deep[:-1]


@pytest.mark.parametrize(
    ("values", "side", "expected"),
    [([1, 3, 2], 1, True), ([1, -3, 2], -1, True), ([4, 3, 2], 1, False), ([0, 0, 0], 1, False)],
)
def test_a_word_ranks_first_when_nothing_speaks_more_for_the_decision(
    values: list[int], side: int, expected: bool
) -> None:
    (text,) = _toy.Toy(weights={}).answer(Tokenised(texts=("a bb c",)))
    answer = TokenAttribution(
        text=text, values=np.array(values, dtype=float), score=0.0, baseline_score=0.0, n_steps=None,
        completeness_delta=None, converged=True,
    )  # fmt: skip

    assert planted_word.ranks_first(answer, (2, 4), side) is expected


def test_the_curves_are_drawn_beside_random_orders(run_check: Any) -> None:
    found = run(run_check, MODEL)

    for name in ("deletion", "insertion"):
        curve = exhibit(found, name)
        assert isinstance(curve, Curve)
        assert [s.reference for s in curve.series] == [False, True]
