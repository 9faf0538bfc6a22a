"""What counts as a factor: every way of taking it out agrees, and each moves the score by more than its margin."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.explaining.confirming import LEFT_OUT, SWAPPED, Others, Standpoint, Tried, confirmed, margin_of, swapped
from audit.explaining.frame import Frame, Wish, probability, rules_of
from audit.explaining.pieces import Part
from audit.types import Decision

MARGINS = {"mask": 0.1, "unk": 0.1, LEFT_OUT: 0.1, SWAPPED: 0.1}


def frame(**more):
    return Frame(
        decision=Decision(kind="classes", positive="approve", negative="deny", threshold=0.5),
        template="general",
        rules=rules_of(0, Wish(), None),
        baselines=("mask", "unk"),
        longest=64,
        data=None,
        **more,
    )


def part(positions=(1,)):
    return Part(
        id="debt", kind="field", label="debt", value="large", spans=((0, 5),), positions=positions, standing="open"
    )


def measured(at, effects, others):
    """A part without which the decision loses these effects."""
    return Tried(
        part=part(),
        attribution={},
        taken_out={name: at.taken_out(at.log_odds - at.side * effect) for name, effect in effects.items()},
        others=Others(
            values=tuple(map(str, others)),
            log_odds=np.array([at.log_odds - at.side * effect for effect in others]),
            of=len(others),
        ),
    )


@pytest.fixture(params=[-2.0, 2.0], ids=["denied", "approved"])
def at(request):
    return Standpoint(frame=frame(), log_odds=request.param)


def test_agreement_beyond_every_margin_is_a_factor(at):
    piece = confirmed(measured(at, {"mask": 1.0, "unk": 0.4}, others=(0.3, 0.5)), at, MARGINS)

    assert (piece.outcome, piece.why) == ("speaks for", "")
    assert piece.swapped.effect == pytest.approx(0.4)


def test_what_the_decision_gains_by_losing_speaks_against_it(at):
    piece = confirmed(measured(at, {"mask": -1.0, "unk": -0.4}, others=(-0.3,)), at, MARGINS)

    assert piece.outcome == "speaks against"


@pytest.mark.parametrize(
    ("effects", "others", "why"),
    [
        ({"mask": 1.0, "unk": -0.4}, (), "ways of taking it out disagree on whether it speaks for or against"),
        ({"mask": 1.0, "unk": 0.4}, (-0.6,), "ways of taking it out disagree on whether it speaks for or against"),
        ({"mask": 1.0, "unk": 0.09}, (), "the effect is within the margin when it is replaced by unk"),
        ({"mask": 1.0, "unk": 0.4}, (0.0, 0.1), "the effect is within the margin when it is replaced by other values"),
        ({"mask": 1.0, LEFT_OUT: 0.05}, (), "the effect is within the margin when it is left out"),
        ({}, (3.0,), "no token of the text stands for it"),
    ],
)
def test_anything_less_is_none_and_says_why(at, effects, others, why):
    piece = confirmed(measured(at, effects, others), at, MARGINS)

    assert (piece.outcome, piece.why) == ("not confirmed", why)


def test_a_turned_decision_is_counted(at):
    found = swapped(measured(at, {}, others=(0.5, 1.9, 2.1, 5.0)).others, at)

    assert (found.turned, found.values, found.smallest, found.largest) == (2, 4, 0.5, 5.0)


def test_the_margin_of_a_case_is_never_below_the_floor():
    assert margin_of(0.1, [0.01] * 20, 0.95) == 0.1
    assert margin_of(0.1, [0.3] * 20, 0.95) == pytest.approx(0.3)
    assert margin_of(0.1, [5.0, 5.0], 0.95) == 0.1  # two words are no comparison


@given(st.floats(-30, 30), st.floats(-30, 30))
def test_an_effect_is_the_log_odds_that_the_decision_lost(before, after):
    at = Standpoint(frame=frame(), log_odds=before)

    out = at.taken_out(after)

    assert out.effect == pytest.approx(math.copysign(1.0, 1.0 if before > 0 else -1.0) * (before - after))
    assert out.turned == ((after > 0) != (before > 0))
    assert out.score == pytest.approx(1 / (1 + math.exp(-after)))
    assert 0.0 <= probability(after) <= 1.0


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=6), st.lists(st.floats(-5, 5), max_size=4))
def test_a_factor_exceeds_its_margin_under_every_intervention(effects, others):
    at = Standpoint(frame=frame(), log_odds=-2.0)
    names = [f"b{i}" for i in range(len(effects))]
    margins = dict.fromkeys(names, 0.1) | MARGINS

    piece = confirmed(measured(at, dict(zip(names, effects, strict=True)), others), at, margins)

    found = [out.effect for out in piece.taken_out.values()] + ([piece.swapped.effect] if piece.swapped else [])
    if piece.outcome != "not confirmed":
        assert len({effect > 0 for effect in found}) == 1
        assert min(map(abs, found)) > 0.1
        assert (found[0] > 0) == (piece.outcome == "speaks for")
    else:
        assert min(map(abs, found)) <= 0.1 or len({effect > 0 for effect in found}) > 1
