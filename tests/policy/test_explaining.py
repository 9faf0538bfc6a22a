"""What a policy says of explanations, joined with its data, and every way in which it can be wrong."""

from __future__ import annotations

import pytest

from audit import pipeline
from audit.errors import UserError
from audit.types import Explaining

SECTION = """\
explain:
  data: applicants
  template: credit_decision
  allow: {income: [low, middle, high], debt: []}
  must_not_matter: [name]
  words: {name: first name}
checks:
"""


@pytest.fixture
def policy(small_policy):
    return small_policy("swap").change("checks:\n", SECTION)


def told(policy) -> str:
    with pytest.raises(UserError) as error:
        pipeline.read_policy(policy.path)
    return str(error.value).replace(str(policy.path), "policy.yaml")


def test_a_section_is_read(policy):
    read = pipeline.read_policy(policy.path).explain

    assert read == Explaining(
        data="applicants",
        template="credit_decision",
        allow={"income": ("low", "middle", "high"), "debt": ()},
        must_not_matter=("name",),
        words={"name": "first name"},
        place=read.place,
    )
    assert read.place.line == policy.line("explain:")


def test_a_policy_needs_none(small_policy):
    assert pipeline.read_policy(small_policy("swap").path).explain is None


@pytest.mark.parametrize("name", ["credit-decision", "medical-triage"])
def test_shipped_policies_bring_theirs(name):
    from audit import resources

    read = pipeline.read_policy(resources.folder("policies") / f"{name}.yaml").explain

    assert read is not None
    assert read.allow
    assert read.must_not_matter


def test_a_field_in_the_allowed_changes_that_is_not_in_the_data(policy):
    policy.change("debt: []", "dept: []")

    assert told(policy) == (
        "The policy cannot be used: 1 problem\n"
        "\n"
        f"policy.yaml:{policy.line('allow:')}:40: the field `dept`, which is not in the text of the data set "
        "`applicants`\n"
        "      allow: {income: [low, middle, high], dept: []}\n"
        "                                           ^\n"
        "  expected: one of name, town, job, income, debt, history\n"
        "  do: did you mean `debt`?"
    )


@pytest.mark.parametrize(
    ("order", "found"),
    [
        ("[low, high]", "an order without the value `middle`"),
        ("[low, middle, high, huge]", "the value `huge`, which no row has"),
        ("[low, middle, high, low]", "a value that stands in it twice"),
    ],
)
def test_an_order_names_every_value_once(policy, order, found):
    policy.change("[low, middle, high]", order)

    message = told(policy)

    assert f": {found}\n" in message
    assert "  expected: each value of `income` once, from one end to the other: one of " in message


@pytest.mark.parametrize(
    ("old", "new", "found", "line"),
    [
        ("data: applicants\n  template", "data: applicant\n  template", "no data set 'applicant'", 1),
        ("must_not_matter: [name]", "must_not_matter: [sex]", "the field `sex`, which is not in the text", 4),
        ("must_not_matter: [name]", "must_not_matter: [income]", "the field `income` among those that must not", 3),
        ("words: {name:", "words: {nam:", "the field `nam`, which is not in the text", 5),
        ("template: credit_decision", "template: credit", "the text `credit`", 2),
        ("words:", "baseline_inputs: [mask]\n  words:", "mask", 5),
        ("words:", "baseline_inputs: [mask, mask]\n  words:", "mask and mask", 5),
        ("words:", "margin: 0\n  words:", "the number 0", 5),
        ("words:", "marign: 0.1\n  words:", "the unknown key `marign`", 5),
    ],
)
def test_what_does_not_fit_is_told_with_its_line(policy, old, new, found, line):
    policy.change(old, new)

    message = told(policy)

    assert f": {found}" in message
    assert message.splitlines()[2].startswith(f"policy.yaml:{policy.line('explain:') + line}:")
