import pytest

from audit.errors import Problem, UserError
from audit.policy import strict_yaml
from audit.policy.problems import Problems, named, nearest, one_of, shortened
from audit.types import Place


@pytest.fixture
def problems():
    return Problems(strict_yaml.read(b"a: 1\nb: 2\n", "p.yaml"))


def test_problems_come_in_the_order_of_position_and_each_once(problems):
    problems.add(Problem(where=Place(path="data.csv", line=1), found="d", expected="x"))
    problems.at(("b",), found="b", expected="x")
    problems.at(("a",), found="a", expected="x")
    problems.at(("a",), found="a", expected="x")
    problems.add(Problem(where="--set c=1", found="c", expected="x"))

    with pytest.raises(UserError) as caught:
        problems.stop()

    assert [problem.found for problem in caught.value.problems] == ["c", "a", "b", "d"]
    assert caught.value.title == "The policy cannot be used: 4 problems"


def test_without_problems_nothing_stops(problems):
    problems.stop()

    assert len(problems) == 0


def test_the_nearest_word_is_named_and_a_far_one_is_not():
    assert nearest("gruops", ["groups", "rows"]) == "did you mean `groups`?"
    assert nearest("SEX", ["sex", "age"]) == "did you mean `sex`?"
    assert nearest("entirely", ["groups", "rows"]) == ""
    assert nearest("x" * 1_000_000, ["groups"]) == ""


def test_many_options_are_counted_and_long_ones_cut():
    assert one_of([]) == "nothing: there is none"
    assert one_of(["a"]) == "a"
    assert one_of([str(n) for n in range(50)]).endswith("38, 39, … (50 in all)")
    assert shortened("x" * 100) == "x" * 79 + "…"


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (None, "nothing"),
        (True, "`true`"),
        (1.5, "the number 1.5"),
        ("yes", "the text `yes`"),
        ("", "an empty text"),
        ([1], "a list"),
        ({}, "a mapping"),
    ],
)
def test_values_as_messages_name_them(value, name):
    assert named(value) == name
