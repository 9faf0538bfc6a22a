"""Whether factors carry a decision: known answers on additive models, and the sets that they are compared with."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.explaining.faithful import checks, sets, together
from audit.explaining.frame import Frame, Wish, rules_of
from audit.explaining.pieces import Part
from audit.explanation import BaselinePart
from audit.types import Decision

BASELINE = BaselinePart(
    name="mask", score=0.5, decided="no", log_odds=0.0, n_steps=17, completeness_delta=0.001, converged=True
)


def frame(most_sets=200):
    return Frame(
        decision=Decision(kind="classes", positive="yes", negative="no"),
        template="general",
        rules=rules_of(0, Wish(), None).model_copy(update={"most_sets": most_sets}),
        baselines=(),
        longest=64,
        data=None,
    )


def parts(n):
    return [
        Part(id=str(i), kind="field", label="", value="v", spans=(), positions=(i + 1,), standing="open")
        for i in range(n)
    ]


def answered(weights, factors, fixed, *, side=1.0):
    """The factors of a model whose log-odds are a sum of weights, one for each part that is not taken out."""
    asked = sets(factors, parts(len(weights)), fixed)
    kept = [side * sum(w for i, w in enumerate(weights) if i + 1 not in out) for out in asked.positions]
    return together(asked, {"mask": np.array(kept)}, side, None, 0.1)


def verdicts(found, reasons=(None,), fixed=None, baselines=(BASELINE, BASELINE)):
    return {c.name: c.passed for c in checks(baselines, (), reasons, found, fixed or frame())}


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_factors_that_carry_everything_pass(side):
    found = answered([3.0, 2.0, 0.0, 0.0, 0.1], [0, 1], frame(), side=side)

    assert found.effect == {"mask": pytest.approx(5.0)}
    assert found.kept == {"mask": pytest.approx(0.1)}
    assert found.share == pytest.approx(5.0 / 5.1)
    assert (found.exceeding, found.sets, found.possible) == (0, 9, 9)
    assert set(verdicts(found).values()) == {True, None}


def test_factors_beside_the_one_that_decided_do_not_pass():
    found = answered([0.5, 0.4, 3.0, 0.0, 0.0], [0, 1], frame())

    failed = [name for name, passed in verdicts(found).items() if passed is False]
    assert failed == ["comprehensiveness", "sufficiency", "share"]


def test_random_sets_that_do_no_more_than_the_margin_more_are_no_rival():
    found = answered([1.0, 1.05, 0.0], [0], frame())

    assert found.exceeding == 0


def test_a_score_that_taking_out_everything_leaves_as_it_is_has_no_share():
    found = answered([1.0, -1.0], [0], frame())

    assert found.share is None
    assert verdicts(found)["share"] is None


def test_an_attribution_that_does_not_converge_one_baseline_or_no_factor_is_enough_to_refuse():
    bad = BASELINE.model_copy(update={"converged": False})
    found = answered([3.0, 2.0, 0.0], [0, 1], frame())

    assert verdicts(found, baselines=(BASELINE, bad))["completeness"] is False
    assert verdicts(found, baselines=(BASELINE,))["two_baselines"] is False
    assert verdicts(None, reasons=())["confirmed"] is False


@given(st.integers(1, 8), st.data())
def test_few_sets_are_all_compared_and_the_factors_never_with_themselves(n, draw):
    own = draw.draw(st.sets(st.integers(0, n - 1), min_size=1, max_size=n))

    asked = sets(sorted(own), parts(n), frame())

    everything = {i + 1 for i in range(n)}
    assert asked.positions[:2] == ((), tuple(sorted(everything)))
    assert set(asked.out[0]) == {i + 1 for i in own}
    expected = {tuple(c) for c in itertools.combinations(sorted(everything), len(own))} - {asked.out[0]}
    assert set(asked.out[1:]) == expected
    assert asked.possible == len(expected)
    assert all(set(out) | set(kept) == everything for out, kept in zip(asked.out, asked.kept, strict=True))


def test_many_sets_are_drawn_the_same_way_every_time():
    first, again = (sets([0, 1, 2], parts(40), frame(most_sets=25)) for _ in range(2))

    assert first == again
    assert len(set(first.out)) == 26
    assert first.possible == 9879
