from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.report.heatmap import heat_map, shaded
from audit.types import Grid, TokenMap


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


# ---- grids ---------------------------------------------------------------------------------------


def grid(*rows: tuple[float | None, ...]) -> Grid:
    return Grid(
        id="g", title="", row_title="", column_title="", unit="logit", rows=tuple(f"r{i}" for i in range(len(rows))),
        columns=tuple(f"c{i}" for i in range(len(rows[0]))), values=rows,
    )  # fmt: skip


def test_the_largest_value_of_a_grid_has_the_full_shade_and_what_was_not_measured_none() -> None:
    shown = shaded(grid((0.8, -0.5), (None, 0.0)))

    assert [[cell.classes for cell in row] for row in shown.rows] == [["raises-4", "lowers-3"], ["", "neutral"]]
    assert shown.rows[1][0].value is None
    assert shown.largest == 0.8


def test_numbers_of_a_grid_are_as_fine_as_its_largest_asks() -> None:
    fine, coarse = (shaded(grid((0.0, 0.0, 0.0, 0.0, value))) for value in (0.021, 214.0))

    assert fine.decimals > coarse.decimals


def test_a_grid_of_nothing_is_shown_all_the_same() -> None:
    shown = shaded(grid((None,)))

    assert (shown.rows[0][0].value, shown.largest) == (None, 0.0)
