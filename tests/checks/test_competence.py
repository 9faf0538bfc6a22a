"""The competence gate: what is measured at all, and what is only not cleared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from audit.checks import _competence
from audit.requests import ScoreAnswer
from audit.types import Dataset, Decision, Guards, ValidityCheck

CLASSES = Decision(kind="classes", positive="yes", negative="no")
ANSWERS = Decision(kind="answers", positive="yes", negative="no")
LIKELIHOOD = Decision(kind="likelihood")


@pytest.fixture
def cases(make_data: Callable[..., Dataset]) -> Dataset:
    """Forty cases, every second of them good."""
    return make_data(
        [{"name": f"n{i}", "good": str(i % 2)} for i in range(40)],
        text="{name} is number {good}",
        label=lambda fields: fields["good"] == "1",
    )


def logits(score: np.ndarray) -> ScoreAnswer:
    half = np.log(score / (1 - score)) / 2
    return ScoreAnswer(values=np.stack([half, -half], axis=1), names=("yes", "no"), link="softmax")


def by_name(checks: tuple[ValidityCheck, ...]) -> dict[str, ValidityCheck]:
    return {check.name: check for check in checks}


GOOD = np.tile([0.2, 0.8], 20)


def test_a_model_that_can_do_the_task_passes(cases: Dataset) -> None:
    checks = _competence.gate(cases, CLASSES, logits(GOOD))

    assert {name: c.passed for name, c in by_name(checks).items()} == {
        "scores_vary": True,
        "better_than_chance": True,
    }
    assert {c.guards for c in checks} == {Guards.MEASUREMENT}
    assert _competence.closed(checks) is None


@pytest.mark.parametrize(("spread", "passed"), [(0.9e-4, False), (1.1e-4, True)])
def test_scores_must_vary(cases: Dataset, spread: float, passed: bool) -> None:
    checks = _competence.gate(cases, CLASSES, logits(0.5 + spread * np.tile([-1, 1], 20)))

    assert by_name(checks)["scores_vary"].passed is passed


def test_a_guess_shuts_the_gate_with_its_numbers(cases: Dataset) -> None:
    guess = np.random.default_rng(0).permutation(np.linspace(0.1, 0.9, 40))

    shut = _competence.closed(_competence.gate(cases, CLASSES, logits(guess)))

    assert shut is not None
    assert shut.reason.startswith(
        "the model cannot be measured on this task. better than chance on the true outcomes: 0."
    )
    assert shut.reason.endswith("on 40 cases (needed: area under the ROC curve above 0.5, the whole interval)")
    assert [v.name for v in shut.validity] == ["scores_vary", "better_than_chance"]


def test_every_shut_gate_is_told(cases: Dataset) -> None:
    shut = _competence.closed(_competence.gate(cases, CLASSES, logits(np.full(40, 0.3))))

    assert shut is not None
    assert "scores tell cases apart: " in shut.reason
    assert "; better than chance on the true outcomes: 0.500 [" in shut.reason


@pytest.mark.parametrize(
    ("labels", "found"),
    [([None] * 40, "the data hold no true outcomes"), ([True] * 40, "all true outcomes are the same")],
)
def test_without_outcomes_to_tell_apart_nothing_is_shut_and_nothing_is_cleared(
    cases: Dataset, labels: list[bool | None], found: str
) -> None:
    data = replace(cases, rows=tuple(replace(row, label=label) for row, label in zip(cases.rows, labels, strict=True)))

    checks = _competence.gate(data, CLASSES, logits(GOOD))

    skill = by_name(checks)["better_than_chance"]
    assert (skill.passed, skill.guards, skill.found) == (None, Guards.FALSE_ALL_CLEAR, found)
    assert _competence.closed(checks) is None


def test_only_cases_with_an_outcome_are_asked_about(cases: Dataset) -> None:
    # The unlabelled half is scored upside down, and that is nobody's business.
    data = replace(cases, rows=tuple(replace(r, label=r.label if i < 20 else None) for i, r in enumerate(cases.rows)))
    score = np.concatenate([GOOD[:20], 1 - GOOD[20:]])

    skill = by_name(_competence.gate(data, CLASSES, logits(score)))["better_than_chance"]

    assert skill.passed is True
    assert skill.found.endswith("on 20 cases")


def test_skill_is_counted_by_clusters(cases: Dataset) -> None:
    # Two persons, one good and one bad: forty cases show no more than a pair.
    data = replace(cases, cluster=("good",))

    assert by_name(_competence.gate(data, CLASSES, logits(GOOD)))["better_than_chance"].passed is False


@pytest.mark.parametrize(
    ("mass", "scatter", "passed"),
    [
        (0.04, 0.1, False),
        (0.06, 0.1, True),
        (0.06, 0.8, False),  # on average enough, but the interval reaches below
    ],
)
def test_enough_probability_must_fall_on_the_answers(cases: Dataset, mass: float, scatter: float, passed: bool) -> None:
    share = mass * np.tile([1 - scatter, 1 + scatter], 20)
    values = np.log(np.stack([GOOD * share, (1 - GOOD) * share], axis=1))
    answer = ScoreAnswer(values=values, names=("yes", "no"), link="log_probability")

    given = by_name(_competence.gate(cases, ANSWERS, answer))["answers_given"]

    assert given.passed is passed
    assert given.found.startswith(f"on average {mass:.3f} [")


def test_a_classifier_always_answers(cases: Dataset) -> None:
    assert "answers_given" not in by_name(_competence.gate(cases, CLASSES, logits(GOOD)))


# ---- likelihoods ---------------------------------------------------------------------------------


def test_shuffled_texts_have_the_same_words(cases: Dataset) -> None:
    order = _competence.shuffled(cases, np.random.default_rng(0))

    assert len(order.rows) == len(order.shuffled) == 40
    for row, text in zip(order.rows, order.shuffled, strict=True):
        assert Counter(text.split()) == Counter(row.text.split())
    assert any(text != row.text for row, text in zip(order.rows, order.shuffled, strict=True))


def test_the_same_random_numbers_shuffle_alike(cases: Dataset) -> None:
    first, again = (_competence.shuffled(cases, np.random.default_rng(5)).shuffled for _ in range(2))

    assert first == again


def test_no_more_texts_are_shuffled_than_the_test_needs(make_data: Any) -> None:
    many = make_data([{"name": f"n{i}"} for i in range(300)], text="{name} is here", cluster=("name",))

    order = _competence.shuffled(many, np.random.default_rng(0))

    assert len(order.rows) == _competence.SHUFFLED == 200
    assert [row.fields["name"] for row in order.rows] == order.clusters[0]


@pytest.mark.parametrize(("likelier", "passed"), [(40, True), (28, True), (25, False), (0, False)])
def test_most_texts_must_be_likelier_than_their_words(cases: Dataset, likelier: int, passed: bool) -> None:
    order = _competence.shuffled(cases, np.random.default_rng(0))
    order.likelier = np.arange(40) < likelier
    values = np.stack([np.linspace(-30, -20, 40), np.full(40, 4.0)], axis=1)
    answer = ScoreAnswer(values=values, names=("log_likelihood", "tokens"), link="log_probability")

    skill = by_name(_competence.gate(cases, LIKELIHOOD, answer, order))["better_than_chance"]

    assert skill.passed is passed
    assert skill.guards is Guards.MEASUREMENT
    assert skill.found.startswith(f"for a share of {likelier / 40:.3f} [")
