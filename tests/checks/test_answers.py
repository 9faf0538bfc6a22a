"""What counts as an answer, as a sure one and as an abstention."""

from __future__ import annotations

import numpy as np
import pytest

from audit.checks import _answers
from audit.requests import Generated, ScoreAnswer

NAMES = (" here", " there", " unknown", " unsure")


def shares(*rows: tuple[float, ...]) -> ScoreAnswer:
    return ScoreAnswer(values=np.log(np.array(rows)), names=NAMES, link="log_probability")


def written(text: str, *, tokens: int = 2, log_probability: float = -0.2) -> Generated:
    return Generated(text=text, ids=(1,) * tokens, log_probability=log_probability, ended=True)


def test_sureness_is_the_share_of_the_best_answer_among_those_offered() -> None:
    given = _answers.offered(shares((0.4, 0.05, 0.03, 0.02)), (" unknown", " unsure"))

    assert given.texts == ("here",)
    assert given.sureness[0] == pytest.approx(0.8)
    assert given.mass is not None
    assert given.mass[0] == pytest.approx(0.5)


def test_several_ways_of_abstaining_are_one_answer() -> None:
    given = _answers.offered(shares((0.4, 0.05, 0.3, 0.25)), (" unknown", " unsure"))

    assert given.abstains.tolist() == [True]
    assert given.confident(0.3).tolist() == [False]


def test_own_words_abstain_by_phrase_or_by_silence() -> None:
    given = _answers.written(
        [written(" I do not know."), written(" "), written(" In Unknownville")], ("do not know", "unknown")
    )

    assert given.abstains.tolist() == [True, True, False]


def test_a_long_answer_is_not_unsure_for_its_length() -> None:
    short, long = (written("x", tokens=n, log_probability=n * np.log(0.9)) for n in (2, 40))

    np.testing.assert_allclose(_answers.written([short, long], ("none",)).sureness, [0.9, 0.9])


def test_right_answers_hold_what_was_expected_as_a_word() -> None:
    given = _answers.written([written("in Ashford."), written("Ashfordshire"), written("not known")], ("not known",))

    assert given.right(("ashford", "ashford", "known")).tolist() == [True, False, False]
    assert given.right(("", "", "")).tolist() == [False, False, False]
