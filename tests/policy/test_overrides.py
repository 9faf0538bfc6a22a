import pytest


def test_a_value_of_the_policy_is_replaced_and_recorded(desk):
    policy = desk.load("checks.swap-gap.criteria.0.at_most=0.02", "model.decision.threshold=0.25")

    assert policy.checks[0].criteria[0].bounds["score_gap"] == 0.02
    assert policy.decision.threshold == 0.25
    assert policy.overrides == {
        "checks.swap-gap.criteria.0.at_most": "0.02",
        "model.decision.threshold": "0.25",
    }


def test_a_key_that_the_policy_leaves_out_can_be_given(desk):
    policy = desk.load("data.applicants.sample.rows=2")

    assert policy.datasets["applicants"].card.rows_used == 2


def test_of_two_values_for_a_key_the_later_counts(desk):
    policy = desk.load("seed=1", "seed=2")

    assert policy.seed == 2
    assert policy.overrides == {"seed": "2"}


def test_an_answer_keeps_its_leading_space(desk):
    desk.change("task: sequence-classification", "task: causal-lm")

    policy = desk.load("model.decision.positive= yes", "model.decision.negative= no")

    assert (policy.decision.positive, policy.decision.negative) == (" yes", " no")


def test_a_wrong_value_is_placed_at_the_option(desk):
    assert desk.problem("checks.swap-gap.criteria.0.at_most=small") == (
        "--set checks.swap-gap.criteria.0.at_most=small: the text `small`\n  expected: a number"
    )


def test_a_misspelt_key_below_the_policy_is_placed_at_the_option(desk):
    assert desk.problem("data.applicants.sample.row=2", "data.applicants.sample.rows=2") == (
        "--set data.applicants.sample.row=2: the unknown key `row`\n"
        "  expected: one of rows, seed\n"
        "  do: did you mean `rows`?"
    )


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "titel=x",
            "--set titel=x: the unknown key `titel`\n"
            "  expected: one of inspectoscope, id, version, title, purpose, authors, seed, limits, regulations, "
            "waivers, provider, explain, variables, model, data, hazards, checks\n"
            "  do: did you mean `title`?",
        ),
        (
            "data.aplicants.sample.rows=2",
            "--set data.aplicants.sample.rows=2: `aplicants` in `data`\n"
            "  expected: applicants\n"
            "  do: did you mean `applicants`?",
        ),
        (
            "checks.swap-gab.draws=2",
            "--set checks.swap-gab.draws=2: `swap-gab` in `checks`\n"
            "  expected: swap-gap\n"
            "  do: did you mean `swap-gap`?",
        ),
        (
            "checks.swap-gap.criteria.7.at_most=1",
            "--set checks.swap-gap.criteria.7.at_most=1: `7` in `checks.0.criteria`\n  expected: 0",
        ),
        (
            "version.major=2",
            "--set version.major=2: `major` under `version`, which is the text `1.0.0`\n"
            "  expected: a key that the policy has",
        ),
        (
            "data.applicants=2",
            "--set data.applicants=2: `data.applicants`, which holds a mapping\n"
            "  expected: the key of one value\n"
            "  do: go on with one of its keys: data.applicants.…",
        ),
        ("seed", "--set seed: no key=value\n  expected: a key, an equals sign and a value"),
        (
            "seed=1e999",
            "--set seed=1e999: a number too large to hold\n  expected: text, a number, true, false or nothing",
        ),
        (
            "title=a\x07b",
            "--set title=a⟨U+0007⟩b: a value with the character U+0007\n  expected: text that can be shown",
        ),
    ],
)
def test_an_override_that_cannot_be_applied(desk, override, message):
    assert desk.problem(override) == message


def test_all_overrides_that_cannot_be_applied_are_told_at_once(desk):
    assert len(desk.problems("titel=x", "seed", "seed=1")) == 2
