"""What is fixed before the model is asked: the number that is explained, the fields that count, and who said so."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import pipeline
from audit.errors import UserError
from audit.explaining.frame import Frame, Wish, frame, probability, rules_of
from audit.requests import ScoreAnswer
from audit.types import Decision

LOGITS = st.floats(-50, 50)


def fixed(decision):
    return Frame(
        decision=decision, template="general", rules=rules_of(0, Wish(), None), baselines=(), longest=64, data=None
    )


@given(st.lists(st.tuples(LOGITS, LOGITS, LOGITS), min_size=1, max_size=4), st.sampled_from(["softmax", "sigmoid"]))
def test_the_log_odds_are_those_of_the_policys_score(rows, link):
    decision = Decision(kind="classes", positive="b")
    answer = ScoreAnswer(values=np.array(rows), names=("a", "b", "c"), link=link)

    log_odds = fixed(decision).log_odds(answer)

    assert [probability(x) for x in log_odds] == pytest.approx(decision.score(answer).tolist(), abs=1e-12)


@given(st.tuples(st.floats(-60, 0), st.floats(-60, 0)), st.floats(0.01, 0.99))
def test_so_are_those_of_answers_and_of_any_threshold(row, threshold):
    decision = Decision(kind="answers", positive=" yes", negative=" no", threshold=threshold)
    answer = ScoreAnswer(values=np.array([row]), names=(" yes", " no"), link="log_probability")

    (log_odds,) = fixed(decision).log_odds(answer)

    score = decision.score(answer)
    assert probability(log_odds) == pytest.approx(float(score[0]), abs=1e-12)
    if abs(score[0] - threshold) > 1e-9:
        assert (log_odds > fixed(decision).threshold) == bool(decision.selected(score)[0])


def test_without_a_section_legitimate_fields_may_be_changed_and_the_others_must_not_matter(small_policy):
    policy = pipeline.read_policy(small_policy("swap").path)

    found = frame(policy, Wish(), longest=64)

    assert dict(found.allow) == {"income": ()}
    assert found.must_not_matter == ("name", "town", "job", "debt", "history")
    assert (found.template, found.rules.margin, found.rules.margin_set_by) == ("general", 0.1, "default")


def test_without_legitimate_fields_what_tells_a_protected_attribute_must_not_matter(small_policy):
    policy = pipeline.read_policy(small_policy("swap").change("    legitimate: [income]\n", "").path)

    found = frame(policy, Wish(), longest=64)

    assert found.must_not_matter == ("name",)
    assert set(found.tells["name"]) == {"sex"}
    assert found.tells["town"] == {}  # women live in men's towns too


def test_the_command_line_outranks_the_policy():
    from audit import resources

    policy = pipeline.read_policy(resources.folder("policies") / "credit-decision.yaml")

    found = frame(policy, Wish(template="general", allow=("debt", "town"), margin=0.3), longest=64)

    assert found.template == "general"
    assert dict(found.allow) == {"debt": ("small", "moderate", "large"), "town": ()}
    assert (found.rules.margin, found.rules.margin_set_by) == (0.3, "command line")


@pytest.mark.parametrize("margin", [0.0, -1.0, float("nan"), float("inf")])
def test_a_margin_is_a_number_above_zero(margin):
    with pytest.raises(UserError, match="The margin cannot be used"):
        rules_of(0, Wish(margin=margin), None)


def test_another_data_set_is_not_explained_by_what_was_said_of_this_one():
    from audit import resources

    policy = pipeline.read_policy(resources.folder("policies") / "credit-decision.yaml")

    with pytest.raises(UserError) as told:
        frame(policy, Wish(data="applicant"), longest=64)

    assert str(told.value) == (
        "The decision cannot be explained\n"
        "\n"
        "--data: no data set of the policy is called 'applicant'\n"
        "  expected: one of applicants\n"
        "  do: did you mean 'applicants'?"
    )
