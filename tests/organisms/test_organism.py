import math

import numpy as np
import pytest

from audit.organisms import CreditSpec, NotTaken
from audit.organisms.organism import Expectation, answer_mass, rate


def expectation(value, low=None, high=None):
    return Expectation(metric="name_gap", meaning="mean change", value=value, low=low, high=high)


@pytest.mark.parametrize(
    ("value", "low", "high", "held"),
    [
        (0.5, 0.0, 1.0, True),
        (0.0, 0.0, None, True),
        (-0.1, 0.0, None, False),
        (1.1, None, 1.0, False),
        (math.nan, 0.0, None, False),
        (math.nan, None, 1.0, False),
    ],
)
def test_holds_inside_its_range(value, low, high, held):
    assert expectation(value, low, high).held is held


def test_a_refusal_gives_the_numbers_that_were_missed():
    spec = CreditSpec(kind="direct", strength=0.6, steps=20)

    error = NotTaken(
        spec,
        [
            expectation(0.0112, 0.1253, 0.188),
            Expectation(metric="decision_agreement", meaning="share of cases", value=0.63, low=0.98),
            Expectation(metric="mean_error", meaning="mean distance", value=0.31, high=0.02),
            Expectation(metric="flip_rate", meaning="share that flips", value=0.0, low=-0.02, high=0.02),
        ],
    )

    assert error.exit_code == 2
    assert str(error) == (
        "The planted behaviour did not take in credit-direct-0.6-bert-classifier-seed0\n"
        "\n"
        "name_gap: 0.0112 (mean change)\n"
        "  expected: 0.1253 to 0.1880\n"
        "  do: raise steps above 20, or take another seed than 0\n"
        "\n"
        "decision_agreement: 0.6300 (share of cases)\n"
        "  expected: at least 0.9800\n"
        "  do: raise steps above 20, or take another seed than 0\n"
        "\n"
        "mean_error: 0.3100 (mean distance)\n"
        "  expected: at most 0.0200\n"
        "  do: raise steps above 20, or take another seed than 0"
    )


# ---- rates ---------------------------------------------------------------------------------------


def test_what_was_planted_must_show_nearly_always_and_what_was_not_hardly_ever():
    hits = np.array([True] * 19 + [False])

    assert rate("lies", "share", hits, planted=True).held
    assert rate("lies", "share", ~hits, planted=False).held
    assert not rate("lies", "share", hits, planted=False).held
    assert not rate("lies", "share", hits[1:], planted=True).held


def test_a_share_of_nothing_is_not_known():
    with pytest.raises(ValueError, match="rows") as error:
        rate("lies", "share", np.array([], dtype=bool), planted=False)

    assert str(error.value) == "lies has no rows to be measured on"


def test_answers_must_be_what_a_causal_model_says():
    assert answer_mass(np.array([[0.5, 0.49], [0.9, 0.1]])).held
    assert not answer_mass(np.array([[0.5, 0.4], [0.9, 0.1]])).held
