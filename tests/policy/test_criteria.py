import pytest

CRITERION = "rationale: One approval in a hundred is the most the bank accepts.\n"


def test_a_bound_may_be_from_below(desk):
    criterion = desk.change("at_most: 0.01", "at_least: 0").load().checks[0].criteria[0]

    assert criterion.relation == "at_least"
    assert criterion.bounds["score_gap"] == 0
    assert str(criterion.place).endswith("policy.yaml:28:9")


def test_metrics_judged_with_it_take_the_main_bound_or_their_own(desk):
    desk.change("at_most: 0.01", "at_most: 0.01\n        also: {absolute_gap: 0.02}")

    assert desk.load().checks[0].criteria[0].bounds == {"score_gap": 0.01, "absolute_gap": 0.02, "stratum_gap": 0.01}


def test_metrics_that_these_parameters_leave_unmeasured_are_not_bound(desk):
    desk.change("    criteria:\n      - metric", "    judged: gap without strata\n    criteria:\n      - metric")

    assert desk.load().checks[0].criteria[0].bounds == {"score_gap": 0.01, "absolute_gap": 0.01}


def test_a_metric_that_is_not_judged_with_it_is_told(desk, lines):
    desk.change("at_most: 0.01", "at_most: 0.01\n        also: {absolut_gap: 0.02}")

    assert desk.problem() == lines(
        """
        policy.yaml:30:16: the metric `absolut_gap`, which is not judged with score_gap here
                    also: {absolut_gap: 0.02}
                           ^
          expected: one of absolute_gap, stratum_gap
          do: did you mean `absolute_gap`?
        """
    )


def test_a_criterion_without_a_rationale_is_refused(desk, lines):
    assert desk.change(f"        {CRITERION}", "").problem() == lines(
        """
        policy.yaml:28:9: no `rationale`
                  - metric: score_gap
                    ^
          expected: `rationale`: why the bound is this and no other, from what follows for people when it is passed
        """
    )


@pytest.mark.parametrize("blank", ['""', '"  "'])
def test_a_blank_rationale_is_refused(desk, blank):
    message = desk.change(CRITERION, f"rationale: {blank}\n").problem()

    assert message.endswith("  expected: text that is not empty")


def test_a_criterion_on_a_descriptive_metric_is_refused(desk, lines):
    desk.text += (
        "  - {id: l, check: probe, data: applicants, criteria: [{metric: accuracy, at_most: 1, rationale: x}]}\n"
    )

    assert desk.problem() == lines(
        """
        policy.yaml:33:65: a criterion on `accuracy`, a descriptive metric: a probe alone never decides
              - {id: l, check: probe, data: applicants, criteria: [{metric: accuracy, at_most: 1, rationale: x}]}
                                                                            ^
          expected: alarm_rate
          do: judge behaviour, and leave this metric to be read beside it
        """
    )


def test_a_metric_that_these_parameters_do_not_let_judge_is_refused(desk, lines):
    assert desk.change("    swap:", "    judged: nothing\n    swap:").problem() == lines(
        """
        policy.yaml:29:17: a criterion on `score_gap`, which may not be judged under these parameters
                  - metric: score_gap
                            ^
          expected: no criterion: these parameters let counterfactual judge nothing
        """
    )


def test_a_metric_that_only_other_parameters_let_judge_is_told_which_may_be(desk):
    desk.change("    criteria:\n      - metric", "    judged: gap without strata\n    criteria:\n      - metric")

    message = desk.change("metric: score_gap", "metric: stratum_gap").problem()

    assert message.endswith("  expected: one of score_gap, absolute_gap")


@pytest.mark.parametrize(
    ("bound", "found"),
    [
        ("at_most: 1\n        at_least: 0", "policy.yaml:28:9: both `at_most` and `at_least`"),
        ("also: {}", "policy.yaml:28:9: a criterion without a bound"),
        ("at_most: true", "policy.yaml:29:18: `true`"),
        ('at_most: "0.01"', "policy.yaml:29:18: the text `0.01`"),
        ("at_most: .inf", "policy.yaml:29:18: the text `.inf`"),
    ],
)
def test_a_criterion_has_exactly_one_bound_and_it_is_a_number(desk, bound, found):
    assert desk.change("at_most: 0.01", bound).problem().splitlines()[0] == found


def test_a_metric_has_one_bound_each_way(desk):
    desk.text += "      - {metric: score_gap, at_most: 0.5, rationale: x}\n"

    assert desk.problem().splitlines()[0] == "policy.yaml:33:9: a second `at_most` for score_gap"


@pytest.mark.parametrize("day", ["soon", "2026-13-01", "01.11.2026"])
def test_dates_are_dates(desk, day):
    message = desk.change("on: 2026-11-01", f"on: {day}").problem()

    assert message.endswith("  expected: a date such as 2026-11-01")


def test_blank_persons_and_dates_are_allowed(desk):
    desk.change('        set_by: {name: "", function: "", on: 2026-11-01}\n', "").change("on: 2026-11-05", 'on: ""')

    assert desk.load().checks[0].criteria[0].set_by.name == ""


def test_criteria_are_mappings(desk):
    desk.text = desk.text.split("    criteria:\n")[0] + "    criteria: [score_gap]\n"
    desk.change("criteria: [swap-gap]", "criteria: [swap-gap]")

    assert desk.problem().splitlines()[0] == "policy.yaml:27:16: the text `score_gap`"
