import pytest

from audit.policy import strict_yaml
from audit.types import Place


@pytest.fixture
def document():
    text = "seed: 1\ndata:\n  a:\n    where: {n: [1.50, true, ~, x]}\nchecks:\n  - {id: one}\n"
    return strict_yaml.read(text.encode(), "p.yaml")


def test_a_path_that_is_not_there_falls_back_to_what_would_hold_it(document):
    assert document.place_of(("data", "a", "sample", "rows")) == Place(path="p.yaml", line=4, column=5)
    assert document.place_of(("nothing",)) == Place(path="p.yaml", line=1, column=1)
    assert document.key_place(("checks", 0)) == Place(path="p.yaml", line=6, column=5)


def test_texts_are_as_written(document):
    assert document.texts(("data", "a")) == {"where": {"n": ["1.50", "true", "", "x"]}}


def test_a_value_given_elsewhere_replaces_one_and_says_where_it_came_from(document):
    changed = document.with_value(("data", "a", "where", "n", 0), 2.5, "2.50", "--set x")

    assert changed.data["data"]["a"]["where"]["n"][0] == 2.5
    assert changed.texts(("data", "a", "where", "n"))[0] == "2.50"
    assert changed.where(("data", "a", "where", "n", 0)) == "--set x"
    assert changed.where(("data", "a", "where", "n", 1)) == Place(path="p.yaml", line=4, column=23)
    assert document.data["data"]["a"]["where"]["n"][0] == 1.5


def test_mappings_on_the_way_to_a_new_value_are_made_and_marked(document):
    changed = document.with_value(("data", "a", "sample", "rows"), 3, "3", "--set y")

    assert changed.data["data"]["a"]["sample"] == {"rows": 3}
    assert changed.where(("data", "a", "sample")) == "--set y"


def test_an_excerpt_is_the_line_of_this_file_only(document):
    assert document.excerpt(Place(path="p.yaml", line=1)) == "seed: 1"
    assert document.excerpt(Place(path="other.csv", line=1)) == ""
    assert document.excerpt(Place(path="p.yaml", line=99)) == ""
    assert document.excerpt("--set y") == ""
