"""How far two attributions agree, and what keeps one from being used."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from audit.checks import _attributions
from audit.checks._attributions import Attributed
from audit.requests import TokenAttribution, TokenisedText
from audit.types import Guards, Measurement, NoVariation, StudentT, Worse

TEXT = TokenisedText(ids=(1, 2, 3, 4), tokens=tuple("abcd"), spans=((0, 1),) * 4, special=(False,) * 4)
ALL = np.ones(4, dtype=bool)


def attributed(*values: list[float], converged: tuple[bool, ...] | None = None) -> Attributed:
    answers = tuple(
        TokenAttribution(
            text=TEXT,
            values=np.array(v),
            score=1.0,
            baseline_score=0.0,
            n_steps=17,
            completeness_delta=0.0,
            converged=converged is None or converged[i],
        )
        for i, v in enumerate(values)
    )
    return Attributed(method="integrated_gradients", baseline_input="mask", answers=answers)


@given(
    data=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=3, max_size=20).filter(
        lambda pairs: all(len(set(column)) > 1 for column in zip(*pairs, strict=True))
    )
)
def test_the_rank_correlation_is_scipys(data: list[tuple[int, int]]) -> None:
    a, b = np.array(data, dtype=float).T

    assert _attributions.spearman(a, b) == pytest.approx(spearmanr(a, b).statistic)


def test_a_constant_ranking_agrees_with_nothing() -> None:
    assert _attributions.spearman(np.ones(4), np.arange(4.0)) == 0.0
    assert _attributions.spearman(np.ones(4), np.ones(4)) == 0.0


def test_rankings_are_compared_by_size_whatever_the_sign() -> None:
    a, b = attributed([1, -2, 3, -4]), attributed([-1, 2, -3, 4])

    found = _attributions.agreement(a, b, [ALL], (["x"],))

    assert found is not None
    assert found.value == pytest.approx(1.0)


def test_only_texts_that_both_explain_are_compared() -> None:
    a = attributed([1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4], converged=(True, False, True))
    b = attributed([1, 2, 3, 4], [4, 3, 2, 1], [4, 3, 2, 1], converged=(True, True, True))

    found = _attributions.agreement(a, b, [ALL] * 3, (["x", "y", "z"],))

    assert found is not None
    assert (found.n, found.clusters) == (2, 2)
    assert found.value == pytest.approx(0.0)
    assert isinstance(found.law, StudentT)


def test_two_tokens_have_no_ranking_to_speak_of() -> None:
    two = np.array([True, True, False, False])

    assert _attributions.agreement(attributed([1, 2, 3, 4]), attributed([1, 2, 3, 4]), [two], (["x"],)) is None


def test_agreement_is_counted_by_clusters() -> None:
    many = attributed(*[[1, 2, 3, 4]] * 40)

    found = _attributions.agreement(many, many, [ALL] * 40, ([str(i % 8) for i in range(40)],))

    assert found is not None
    assert found.law == NoVariation(estimate=pytest.approx(1.0), clusters=8, reach=2.0, support=(-1.0, 1.0))


def measured(low: float) -> Measurement:
    law = StudentT(estimate=0.5, se=0.1, df=9)
    return Measurement(
        metric="m", value=0.5, low=low, high=0.9, n=10, unit="correlation", worse=Worse.LOWER, law=law, confidence=0.95
    )


@pytest.mark.parametrize(("low", "passed"), [(0.01, True), (0.0, False), (-0.2, False)])
def test_a_mean_must_be_shown_to_be_above_zero(low: float, passed: bool) -> None:
    check = _attributions.above_zero_check("n", "T", measured(low), "mean rank correlation")

    assert (check.passed, check.guards) == (passed, Guards.BOTH)
    assert check.found == f"0.50 [{low:.2f}, 0.90]"
    assert check.needed == "mean rank correlation above 0, the whole interval"


def test_what_was_not_measured_has_not_passed() -> None:
    check = _attributions.above_zero_check("n", "T", None, "mean")

    assert (check.passed, check.found) == (None, "it could not be measured")
