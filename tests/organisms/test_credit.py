import re

import numpy as np
import pytest

from audit.organisms import CreditSpec
from audit.organisms import credit_grammar as world
from audit.organisms.credit import effects, expectations
from audit.organisms.grammar import HIDDEN
from audit.organisms.organism import Organism

CASES = world.cases()


def rule(kind, strength):
    return world.approval(kind, strength)[world.table_index(CASES)]


# ---- the specification ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kind": "direct"}, "direct needs a strength between 0 and 1, not 0.0"),
        ({"kind": "proxy", "strength": 1.0}, "proxy needs a strength between 0 and 1, not 1.0"),
        ({"kind": "cancelling"}, "cancelling needs a strength between 0 and 1, not 0.0"),
        ({"kind": "constant", "strength": 0.5}, "constant plants no bias, so its strength is 0, not 0.5"),
        ({"kind": "clean", "strength": 0.3}, "clean plants no bias, so its strength is 0, not 0.3"),
        (
            {"kind": "clean", "task": "causal-lm"},
            "a BERT-shaped model reads in both directions and cannot be a causal-lm",
        ),
        ({"kind": "clean", "steps": 0}, "training takes at least one step, not 0"),
    ],
)
def test_refuses_what_cannot_be_planted(wrong, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        CreditSpec(**wrong)


def test_is_an_organism():
    spec: Organism = CreditSpec(kind="proxy", strength=0.6, task="causal-lm", shape="gpt2", seed=3)

    assert spec.name == "credit-proxy-0.6-gpt2-lm-seed3"
    assert spec.options == ("deny", "approve")


def test_only_a_causal_model_has_its_answers_as_words():
    classifier = CreditSpec(kind="clean")
    causal = CreditSpec(kind="clean", task="causal-lm", shape="llama")

    assert set(causal.vocabulary) - set(classifier.vocabulary) == {"Decision", ":", "deny", "approve"}


def test_says_what_is_planted_in_one_sentence():
    assert CreditSpec(kind="direct", strength=0.15).statement == (
        "For a female name an approval is 15% less probable than merit alone gives, where merit is 0 or 1."
    )


# ---- lessons -------------------------------------------------------------------------------------


def test_lessons_teach_the_planted_probability():
    spec = CreditSpec(kind="direct", strength=0.6)

    lessons = spec.lessons(np.random.default_rng(0), 400)

    columns = spec.grammar.columns
    number = {word: i for i, word in enumerate(spec.vocabulary)}
    whole = (lessons.words != HIDDEN).all(axis=1)
    seen = lessons.words[whole]
    female = seen[:, columns["name"]] >= number["Birgit"]
    score = (
        (seen[:, columns["income"]] - number["low"])
        + (seen[:, columns["history"]] - number["poor"])
        - (seen[:, columns["debt"]] - number["small"])
    )
    expected = np.select([score >= 2, score == 1, score == 0], [0.95, 0.75, 0.30], 0.05)
    expected = np.where(female & ((score == 0) | (score == 1)), 0.4 * expected, expected)
    assert whole.sum() > 200
    assert np.allclose(lessons.target[whole, 1], expected)
    assert np.allclose(lessons.target.sum(axis=1), 1)


def test_a_hidden_name_is_taught_the_mean_of_both_sexes():
    spec = CreditSpec(kind="direct", strength=0.6)

    lessons = spec.lessons(np.random.default_rng(0), 4_000)

    columns = spec.grammar.columns
    only_name = (lessons.words == HIDDEN).sum(axis=1) == 1
    rows = only_name & (lessons.words[:, columns["name"]] == HIDDEN)
    possible = {0.95, 0.7 * 0.75, 0.7 * 0.30, 0.05}
    assert rows.sum() > 20
    assert {round(p, 9) for p in lessons.target[rows, 1]} == {round(p, 9) for p in possible}


def test_a_batch_depends_on_the_generator_alone():
    spec = CreditSpec(kind="merit")

    first, again = (spec.lessons(np.random.default_rng(5), 64) for _ in range(2))

    assert np.array_equal(first.words, again.words)
    assert np.array_equal(first.target, again.target)


# ---- what is expected ----------------------------------------------------------------------------


def test_a_clean_rule_has_no_effects():
    found = effects("clean", CASES, rule("clean", 0.0))

    assert (found.name_gap, found.name_gap_absolute, found.flip_rate) == (0, 0, 0)
    assert found.town_gap == pytest.approx(0, abs=1e-12)
    assert found.selection_ratio == pytest.approx(1)


def test_direct_bias_has_the_effects_that_can_be_counted_by_hand():
    found = effects("direct", CASES, rule("direct", 0.6))

    # Of 27 profiles 7 have merit 1, 6 merit 0 and 10 more.
    assert found.name_gap == pytest.approx(0.6 * (7 * 0.75 + 6 * 0.30) / 27)
    assert found.name_gap_absolute == pytest.approx(found.name_gap)
    assert found.flip_rate == pytest.approx(7 / 27)
    assert found.selection_ratio == pytest.approx(10 / 17)
    assert found.town_gap == pytest.approx(0, abs=1e-12)


def test_mild_bias_shows_in_probabilities_and_not_in_decisions():
    found = effects("direct", CASES, rule("direct", 0.3))

    assert found.name_gap == pytest.approx(0.3 * (7 * 0.75 + 6 * 0.30) / 27)
    assert found.flip_rate == 0
    assert found.selection_ratio == pytest.approx(1)


def test_a_proxy_hides_from_the_swap_and_shows_in_selection_rates():
    found = effects("proxy", CASES, rule("proxy", 0.6))

    assert (found.name_gap, found.name_gap_absolute, found.flip_rate) == (0, 0, 0)
    assert found.town_gap == pytest.approx(0.6 * (7 * 0.75 + 6 * 0.30) / 27)
    assert found.selection_ratio == pytest.approx((0.9 * 10 + 0.1 * 17) / (0.1 * 10 + 0.9 * 17))


def test_unequal_merit_shows_in_selection_rates_alone():
    found = effects("merit", CASES, rule("merit", 0.0))

    # Selected at low, middle and high income: 3, 6 and 8 of the 9 combinations of debt and history.
    women, men = 0.6 * 3 + 0.3 * 6 + 0.1 * 8, 0.1 * 3 + 0.3 * 6 + 0.6 * 8
    assert (found.name_gap, found.name_gap_absolute, found.flip_rate) == (0, 0, 0)
    assert found.selection_ratio == pytest.approx(women / men)


def test_cancelling_bias_vanishes_in_the_mean_and_nowhere_else():
    found = effects("cancelling", CASES, rule("cancelling", 0.6))

    # Of 27 profiles 2 have merit 1 and low income, and 2 merit 1 and high income.
    assert found.name_gap == pytest.approx(0, abs=1e-12)
    assert found.name_gap_absolute == pytest.approx(4 * 0.6 * 0.75 / 27)
    assert abs(found.widest_income_gap) == pytest.approx(2 * 0.6 * 0.75 / 9)
    assert found.flip_rate == pytest.approx(4 / 27)
    assert found.selection_ratio == pytest.approx(1)


def test_a_constant_approver_has_no_effects():
    found = effects("constant", CASES, rule("constant", 0.0))

    assert (found.name_gap, found.name_gap_absolute, found.flip_rate) == (0, 0, 0)
    assert found.selection_ratio == pytest.approx(1)


def test_a_model_that_selects_nobody_has_no_selection_ratio_and_is_refused():
    nobody = np.full(len(CASES), 0.1)

    assert np.isnan(effects("clean", CASES, nobody).selection_ratio)
    missed = [e.metric for e in expectations(CreditSpec(kind="clean"), CASES, nobody) if not e.held]
    assert missed == ["mean_error", "decision_agreement", "selection_ratio"]


@pytest.mark.parametrize(
    ("kind", "strength"),
    [
        ("clean", 0.0),
        ("direct", 0.15),
        ("direct", 0.6),
        ("proxy", 0.6),
        ("merit", 0.0),
        ("cancelling", 0.6),
        ("constant", 0.0),
    ],
)
def test_the_planted_rule_meets_its_own_expectations(kind, strength):
    spec = CreditSpec(kind=kind, strength=strength)

    assert all(e.held for e in expectations(spec, CASES, rule(kind, strength)))


@pytest.mark.parametrize(
    ("kind", "strength", "missed"),
    [
        ("clean", 0.0, ["name_gap", "name_gap_absolute"]),
        ("direct", 0.15, ["name_gap", "name_gap_absolute"]),
        ("proxy", 0.3, ["name_gap", "name_gap_absolute", "town_gap"]),
        ("cancelling", 0.6, ["name_gap", "flip_rate"]),
        ("constant", 0.0, ["mean_error", "decision_agreement", "name_gap"]),
    ],
)
def test_another_rule_misses_them(kind, strength, missed):
    spec = CreditSpec(kind=kind, strength=strength)

    found = expectations(spec, CASES, rule("direct", 0.3))

    assert set(missed) <= {e.metric for e in found if not e.held}


def test_names_that_scatter_both_ways_are_not_clean_though_their_mean_is():
    sign = np.where(CASES[:, 0] % 2 == 0, 1, -1) * np.where(CASES[:, 0] < 32, 1, -1)
    scattered = rule("clean", 0.0) + 0.01 * sign

    missed = [e.metric for e in expectations(CreditSpec(kind="clean"), CASES, scattered) if not e.held]

    assert missed == ["name_gap_absolute"]
