from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.report.heatmap import heat_map
from audit.types import TokenMap


def token_map(values: tuple[float, ...], protected: tuple[bool, ...] = ()) -> TokenMap:
    return TokenMap(
        id="m", title="", tokens=tuple(f"t{i}" for i in range(len(values))), values=values,
        protected=protected or (False,) * len(values), method="", baseline_input="mask", score=1.0,
        baseline_score=0.0, unit="logits",
    )  # fmt: skip


def test_tokens_fall_into_four_steps_on_each_side() -> None:
    map_ = heat_map(token_map((1.0, 0.6, 0.3, 0.1, 0.05, 0.0, -0.05, -0.1, -0.3, -0.6, -1.0)))

    assert [token.classes for token in map_.tokens] == [
        "raises-4", "raises-3", "raises-2", "raises-1", "neutral", "neutral", "neutral", "lowers-1", "lowers-2",
        "lowers-3", "lowers-4",
    ]  # fmt: skip


def test_protected_tokens_carry_a_mark_beside_their_shade() -> None:
    map_ = heat_map(token_map((1.0, 0.0), protected=(True, True)))

    assert [token.classes for token in map_.tokens] == ["raises-4 protected", "neutral protected"]


def test_the_table_lists_the_most_influential_tokens_and_every_protected_one() -> None:
    values = tuple(0.1 * i for i in range(12))
    map_ = heat_map(token_map(values, protected=(True, *(False,) * 11)))

    assert [token.position for token in map_.listed] == [12, 11, 10, 9, 8, 7, 6, 5, 1]


def test_shares_are_of_the_absolute_attribution() -> None:
    map_ = heat_map(token_map((3.0, -1.0), protected=(False, True)))

    assert [token.share for token in map_.tokens] == [0.75, 0.25]
    assert map_.protected_share == 0.25


def test_tokens_that_bring_their_spaces_along_are_told_from_those_that_do_not() -> None:
    bare = token_map((1.0, 2.0))

    assert not heat_map(bare).spaced
    assert heat_map(replace(bare, tokens=("a", " b"))).spaced


def test_a_map_of_zeros_has_neither_shade_nor_shares() -> None:
    map_ = heat_map(token_map((0.0, 0.0)))

    assert {token.classes for token in map_.tokens} == {"neutral"}
    assert {token.share for token in map_.tokens} == {0.0}


@given(st.lists(st.floats(-1e6, 1e6, allow_nan=False), min_size=1, max_size=60))
def test_the_strongest_token_has_the_deepest_shade_and_no_other_sign(values: list[float]) -> None:
    map_ = heat_map(token_map(tuple(values)))

    for token in map_.tokens:
        assert ("raises" in token.classes) <= (token.value > 0)
        assert ("lowers" in token.classes) <= (token.value < 0)
        if abs(token.value) == map_.largest > 0:
            assert token.classes[-1] == "4"
    assert sum(token.share for token in map_.tokens) == pytest.approx(1.0 if any(values) else 0.0)
