from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.organisms import credit_grammar as world

KINDS = st.sampled_from(["clean", "direct", "proxy", "merit", "cancelling"])
STRENGTHS = st.floats(0.01, 0.99)


def test_reads_like_a_sentence():
    case = np.array([[world.NAMES.index("Aylin"), 7, 7, 2, 0, 2]])

    assert world.grammar().texts(case) == [
        "Applicant Aylin from Rosefield, a welder. Income high, debt small, history good."
    ]
    assert world.grammar(prompt=True).texts(case) == [
        "Applicant Aylin from Rosefield, a welder. Income high, debt small, history good. Decision:"
    ]


def test_has_32_names_of_each_sex_and_16_of_each_origin_each_once():
    assert len(set(world.NAMES)) == 64
    assert Counter(world.sex_of(i) for i in range(64)) == {0: 32, 1: 32}
    assert Counter((world.origin_of(i), world.sex_of(i)) for i in range(64)) == {
        (origin, sex): 8 for origin in world.ORIGINS for sex in (0, 1)
    }


def test_pairs_names_of_one_origin_and_of_both_sexes():
    assert world.NAMES[8 + world.PAIRS] == "Agathe"
    assert world.NAMES[8] == "Antoine"
    assert [world.origin_of(i) for i in range(32)] == [world.origin_of(i + 32) for i in range(32)]


def test_no_word_has_two_meanings():
    slots = world.grammar().slots

    words = [word for fillers in slots.values() for word in fillers]

    assert len(words) == len(set(words))


def test_merit_runs_from_minus_two_to_four():
    assert Counter(world.merit().ravel().tolist()) == {-2: 1, -1: 3, 0: 6, 1: 7, 2: 6, 3: 3, 4: 1}


@pytest.mark.parametrize(
    ("levels", "probability"),
    [((2, 0, 2), 0.95), ((1, 0, 1), 0.95), ((1, 0, 0), 0.75), ((1, 1, 0), 0.30), ((0, 2, 0), 0.05)],
)
def test_merit_alone_decides_in_a_clean_model(levels, probability):
    table = world.approval("clean", 0.0)

    assert table[(..., *levels)].tolist() == [[probability] * 2] * 2


def test_direct_bias_lowers_female_names_at_merit_0_and_1_alone():
    clean, direct = world.approval("clean", 0.0), world.approval("direct", 0.6)

    between = (world.merit() == 0) | (world.merit() == 1)
    assert np.array_equal(direct[0], clean[0])
    assert np.allclose(direct[1][:, between], 0.4 * clean[1][:, between])
    assert np.array_equal(direct[1][:, ~between], clean[1][:, ~between])


def test_proxy_bias_lowers_womens_towns_and_ignores_the_name():
    proxy, direct = world.approval("proxy", 0.6), world.approval("direct", 0.6)

    assert np.array_equal(proxy[0], proxy[1])
    assert np.array_equal(proxy[:, 1], direct[1])


def test_cancelling_bias_takes_from_both_sexes_as_much_where_merit_is_1():
    clean, cancelling = world.approval("clean", 0.0), world.approval("cancelling", 0.6)

    lost = clean - cancelling
    at_1 = world.merit() == 1
    assert lost[1, :, 0][:, at_1[0]] == pytest.approx(0.45)
    assert lost[0, :, 2][:, at_1[2]] == pytest.approx(0.45)
    assert np.count_nonzero(lost) == 2 * 2 * 2
    assert lost[0].sum() == pytest.approx(lost[1].sum())


def test_a_constant_approver_reads_nothing():
    assert (world.approval("constant", 0.0) == 0.95).all()


def test_merit_decides_as_clean_does():
    assert np.array_equal(world.approval("merit", 0.0), world.approval("clean", 0.0))


@given(KINDS, STRENGTHS)
def test_approvals_are_probabilities_and_no_bias_raises_one(kind, strength):
    table = world.approval(kind, strength)

    assert ((table > 0) & (table < 1)).all()
    assert (table <= world.approval("clean", 0.0)).all()


def test_sexes_are_equally_frequent_and_towns_tell_sex_nine_times_in_ten():
    shares = world.population("clean").sum(axis=(2, 3, 4))

    assert np.allclose(shares, [[0.45, 0.05], [0.05, 0.45]])


def test_merit_is_independent_of_sex_save_in_the_merit_population():
    for kind in ("clean", "direct", "proxy"):
        assert np.allclose(world.population(kind).sum(axis=1), 1 / 54)
    income = world.population("merit").sum(axis=(1, 3, 4))
    assert np.allclose(income, [[0.05, 0.15, 0.30], [0.30, 0.15, 0.05]])


@given(KINDS, st.floats(0, 1))
def test_a_population_sums_to_one(kind, town_link):
    assert np.isclose(world.population(kind, town_link=town_link).sum(), 1)


@given(KINDS, STRENGTHS)
def test_a_hidden_word_leaves_the_mean_over_what_it_may_have_been(kind, strength):
    table, expected = world.approval(kind, strength), world.expected_approval(kind, strength)

    assert np.array_equal(expected[:-1, :-1, :-1, :-1, :-1], table)
    assert np.isclose(expected[-1, -1, -1, -1, -1], table.mean())
    assert np.allclose(expected[-1, 1, 2, -1, 0], table[:, 1, 2, :, 0].mean())


def test_a_hidden_income_is_not_guessed_from_the_name_in_the_merit_population():
    expected = world.expected_approval("merit", 0.0)

    assert np.array_equal(expected[0, 0, -1], expected[1, 0, -1])


def test_enumerates_every_name_town_and_level_once():
    cases = world.cases()

    assert cases.shape == (64 * 8 * 27, 6)
    assert len({tuple(row) for row in np.delete(cases, 2, axis=1).tolist()}) == len(cases)


def test_matched_names_meet_the_same_cases():
    male, female = world.cases().reshape(2, -1, 6)

    assert np.array_equal(female[:, 0], male[:, 0] + world.PAIRS)
    assert np.array_equal(female[:, 1:], male[:, 1:])


@pytest.mark.parametrize("column", [0, 1, 3, 4, 5])
def test_every_word_meets_every_job_about_equally_often(column):
    cases = world.cases()

    for value in range(cases[:, column].max() + 1):
        jobs = np.bincount(cases[cases[:, column] == value, 2], minlength=8)
        assert jobs.min() == jobs.max()


def test_draws_follow_the_population():
    cases = world.draw(np.random.default_rng(0), "merit", 20_000, town_link=0.9)

    index = world.table_index(cases)
    counts = np.zeros((2, 2, 3, 3, 3))
    np.add.at(counts, index, 1)
    assert np.abs(counts / len(cases) - world.population("merit")).max() < 0.004
    assert np.bincount(cases[:, 0], minlength=64).min() > 200
