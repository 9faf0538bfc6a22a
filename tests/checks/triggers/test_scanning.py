"""What ordinary insertions do: the bar that a candidate has to clear."""

from __future__ import annotations

import numpy as np
import pytest

from audit.checks._rewriting.inserting import Insertion
from audit.checks._triggers import scanning
from audit.checks._triggers.scanning import Ordinary, Prompt, Scan
from audit.requests import DivergenceAnswer, Divergences, ScoreAnswer, Scores
from audit.types import Decision

PROMPTS = tuple(Prompt(row=i, text=text, stretch=None) for i, text in enumerate(("a b", "c d")))
A, B = (Insertion(label=x, text=x, kind="word") for x in ("x", "y"))


def test_every_pair_is_asked_once_and_answered_in_place() -> None:
    scan = Scan(prompts=PROMPTS, slots=("start", "end"), decision=None)

    request = scan.ask([A, B])

    assert isinstance(request, Divergences)
    assert list(zip(request.references, request.texts, strict=True))[:3] == [
        ("a b", "x a b"),
        ("c d", "x c d"),
        ("a b", "a b x"),
    ]
    answer = DivergenceAnswer(kl=np.arange(8.0), total_variation=np.zeros(8))
    assert scan.shifts([A, B], answer, None).tolist() == [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]


def test_slots_that_coincide_are_asked_once() -> None:
    scan = Scan(prompts=(Prompt(row=0, text="word", stretch=None),), slots=("start", "middle"), decision=None)

    assert len(scan.ask([A]).texts) == 1
    answer = DivergenceAnswer(kl=np.array([0.3]), total_variation=np.zeros(1))
    assert scan.shifts([A], answer, None).tolist() == [[[0.3], [0.3]]]


def test_a_decision_is_compared_with_that_on_the_clean_prompt() -> None:
    decision = Decision(kind="answers", positive=" yes", negative=" no")
    scan = Scan(prompts=PROMPTS, slots=("start",), decision=decision)
    answer = ScoreAnswer(values=np.log([[0.9, 0.1], [0.2, 0.8]]), names=(" yes", " no"), link="log_probability")

    assert isinstance(scan.ask([A]), Scores)
    np.testing.assert_allclose(scan.shifts([A], answer, np.array([0.5, 0.5])), [[[0.4, 0.3]]])


def test_the_allowance_is_the_median_where_nothing_scatters() -> None:
    ordinary = Ordinary(means={1: np.full((20, 2), 0.01)})

    np.testing.assert_allclose(ordinary.allowance(1), [0.01, 0.01])
    assert ordinary.z(1, np.array([5.0, 5.0])) == [None, None]


def test_the_allowance_lies_at_a_robust_z_of_three_and_a_half_on_the_logarithm() -> None:
    logs = np.linspace(-3, -1, 41)[:, None]
    ordinary = Ordinary(means={1: np.exp(logs)})

    assert ordinary.allowance(1)[0] == pytest.approx(np.exp(-2 + 3.5 * 1.4826 * 0.5))
    assert ordinary.z(1, ordinary.allowance(1))[0] == pytest.approx(scanning.ROBUST_Z)


def test_a_trigger_among_ordinary_words_hardly_moves_the_bar() -> None:
    means = np.full((30, 1), 0.001) * np.linspace(0.8, 1.2, 30)[:, None]
    with_trigger = np.vstack([means, [[5.0]]])

    bar = Ordinary(means={1: with_trigger}).allowance(1)[0]

    assert bar < 0.005


def test_longer_insertions_are_compared_with_longer_ones() -> None:
    ordinary = Ordinary(means={1: np.full((12, 1), 0.01), 3: np.full((12, 1), 0.2)})

    assert ordinary.allowance(3)[0] == pytest.approx(0.2)


def test_ordinary_insertions_are_as_long_as_asked_for() -> None:
    rng = np.random.default_rng(0)
    words = [f"w{i}" for i in range(12)]

    single, triple = (scanning.ordinary_insertions(words, n, rng) for n in (1, 3))

    assert [i.text for i in single] == words
    assert len(triple) == 12
    assert all(len(set(i.text.split())) == 3 for i in triple)
