"""Explanations of a real classifier, tried by hand with nothing but transformers."""

from __future__ import annotations

import math
import re

import pytest

from audit import resources
from audit.explaining.cases import of_text

pytestmark = pytest.mark.shared

ABUSE = "You are a stupid idiot and everybody hates you."
IDENTITY = "My neighbour is gay."
THANKS = "Thank you for your edit to the article on trains."


@pytest.fixture(scope="module")
def model(shared):
    return shared / "models" / "minilm-credo-toxicity"


@pytest.fixture(scope="module")
def explained(explained_by, model, shared):
    texts = (ABUSE, IDENTITY, THANKS)
    found = explained_by(
        model,
        lambda _: [of_text(text, name=f"text-{i}") for i, text in enumerate(texts)],
        policy=resources.folder("policies") / "content-moderation.yaml",
        overrides=(f"shared={shared}",),
    )
    return dict(zip(texts, found, strict=True))


@pytest.fixture(scope="module")
def hand(by_hand, model):
    return by_hand(model)


def test_the_insult_is_why_an_insult_is_toxic(explained):
    explanation = explained[ABUSE]

    assert (explanation.outcome.decided, explanation.refused) == ("toxic", False)
    assert "stupid idiot" in explanation.piece(explanation.reasons[0]).value


def test_every_reason_moves_the_score_as_stated(explained, hand):
    printed = [(e, e.piece(name)) for e in explained.values() for name in (*e.reasons, *e.against)]

    assert printed
    for explanation, piece in printed:
        text = explanation.case.text
        for by in ("mask", "unk"):
            found = hand.score(text, "toxic", without=piece.spans, by=by)
            assert found == pytest.approx(piece.taken_out[by].score, abs=2e-4)
        ((start, end),) = piece.spans
        left = re.sub(
            " +", " ", text[:start].rstrip() + text[end:] if text[end:][:1].isspace() else text[:start] + text[end:]
        )
        assert hand.score(left.strip(), "toxic") == pytest.approx(piece.taken_out["left out"].score, abs=2e-4)


def test_the_factors_together_do_what_the_page_says(explained, hand):
    explanation = explained[ABUSE]
    spans = [span for name in explanation.reasons for span in explanation.piece(name).spans]

    def odds(p):
        return math.log(p / (1 - p))

    lost = odds(explanation.outcome.score) - odds(hand.score(ABUSE, "toxic", without=spans))
    assert explanation.together.effect["mask"] == pytest.approx(lost, abs=5e-3)


def test_an_identity_term_that_moved_the_score_is_flagged_and_is_no_reason(explained):
    explanation = explained[IDENTITY]

    (flagged,) = explanation.moved
    assert (flagged.field, flagged.value, flagged.values) == ("term", "gay", 49)
    assert flagged.effect < 0  # it speaks for "toxic", and the decision was the other one
    assert not {piece.value for piece in map(explanation.piece, explanation.reasons)} & {"gay"}


def test_a_text_in_which_nothing_speaks_for_the_decision_has_no_factors(explained):
    explanation = explained[THANKS]

    assert (explanation.outcome.decided, explanation.refused, explanation.reasons) == ("non-toxic", True, ())
    assert [check.name for check in explanation.checks if check.passed is False] == ["confirmed"]
