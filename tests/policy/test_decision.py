import pytest

from audit.types import Decision

DECISION = "  task: sequence-classification\n  decision: {positive: approve, negative: deny}\n"


def model(desk, task, decision):
    return desk.change(DECISION, f"  task: {task}\n  decision: {decision}\n")


@pytest.mark.parametrize(
    ("task", "given", "decision"),
    [
        ("sequence-classification", "{positive: yes}", Decision(kind="classes", positive="yes")),
        (
            "sequence-classification",
            "{positive: a, negative: b, threshold: 0.25}",
            Decision(kind="classes", positive="a", negative="b", threshold=0.25),
        ),
        (
            "causal-lm",
            '{positive: " yes", negative: " no"}',
            Decision(kind="answers", positive=" yes", negative=" no"),
        ),
        ("causal-lm", "{likelihood: true}", Decision(kind="likelihood")),
    ],
)
def test_decisions(desk, task, given, decision):
    assert model(desk, task, given).load().decision == decision


@pytest.mark.parametrize(
    ("task", "given", "found"),
    [
        ("sequence-classification", "{}", "8:3: a decision without `positive`"),
        ("causal-lm", "{positive: a}", "8:3: a causal model's decision without `negative`"),
        ("causal-lm", "{positive: a, negative: a}", "8:37: the same as `positive`"),
        ("sequence-classification", "{likelihood: true}", "8:14: `likelihood` for the task sequence-classification"),
        ("causal-lm", "{likelihood: true, threshold: 0.5}", "8:32: `threshold` beside `likelihood: true`"),
        ("causal-lm", "{likelihood: yes}", "8:26: the text `yes`"),
        ("causal-lm", "{positive: true, negative: false}", "8:24: `true`"),
        ("sequence-classification", '{positive: ""}', "8:24: an empty text"),
        ("sequence-classification", "{positive: a, threshold: 1}", "8:38: the number 1"),
        ("sequence-classification", "approve", "8:13: the text `approve`"),
        ("classification", "{positive: a}", "7:9: the text `classification`"),
    ],
)
def test_decisions_that_do_not_hold_together(desk, task, given, found):
    first = model(desk, task, given).problems()[0]

    assert first.splitlines()[0] == f"policy.yaml:{found}"
