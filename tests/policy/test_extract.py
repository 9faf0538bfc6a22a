import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.policy.extract import MAX_WORD, applied, by_pattern, by_words
from audit.policy.tables import TableRow
from audit.types import Place

WINOGENDER = "{occupation}.{participant}.{answer}.{gender}.txt"


def words(*listed):
    return by_words("phrase", listed, term="term", frame="frame", before="before", after="after").find


def test_a_pattern_takes_the_fields_between_its_fixed_parts():
    step = by_pattern("sentid", WINOGENDER)

    assert step.find("technician.customer.1.male.txt") == {
        "occupation": "technician",
        "participant": "customer",
        "answer": "1",
        "gender": "male",
    }


@pytest.mark.parametrize(
    "cell", ["", ".txt", "a.b.c.txt", "a.b.c.d.txt2", "a..c.d.txt", "a.b.c..txt", "technician customer male"]
)
def test_a_cell_that_does_not_fit_says_so(cell):
    assert by_pattern("sentid", WINOGENDER).find(cell) == f"sentid does not fit {WINOGENDER}"


def test_braces_are_escaped_by_doubling():
    assert by_pattern("c", "{{{a}}}-{b}").find("{x}-y") == {"a": "x", "b": "y"}


def test_the_last_field_takes_the_rest():
    assert by_pattern("c", "{a}: {b}").find("x: y: z\n") == {"a": "x", "b": "y: z\n"}


@given(st.lists(st.text(alphabet="x.-", min_size=1, max_size=2), min_size=2, max_size=4), st.text(alphabet="x.-"))
def test_matching_agrees_with_a_regular_expression(parts, cell):
    """Known answer: Python's own shortest match of the whole cell."""
    names = "abc"[: len(parts) - 1]
    pattern = "".join(f"{part}{{{name}}}" for part, name in zip(parts, names, strict=False)) + parts[-1]
    expression = "".join(f"{re.escape(p)}(?P<{n}>.+?)" for p, n in zip(parts, names, strict=False))

    found = by_pattern("c", pattern).find(cell)

    match = re.fullmatch(expression + re.escape(parts[-1]), cell)
    assert found == (match.groupdict() if match else f"c does not fit {pattern}")


def test_a_hostile_pattern_takes_linear_time():
    pattern = "".join(f"{{f{n}}}x" for n in range(60)) + "y"
    start = time.perf_counter()

    assert isinstance(by_pattern("c", pattern).find("x" * 100_000), str)
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("no field", "a pattern without a {field}"),
        ("{a}.{a}", "a pattern with a field twice"),
        ("{a}{b}", "a pattern with two fields and nothing between them"),
        ("{a.b}", "{a.b} is not a plain field name"),
        ("{a", "expected '}' before end of string"),
    ],
)
def test_a_pattern_that_cannot_be_matched_is_refused(pattern, reason):
    with pytest.raises(ValueError, match=f"^{re.escape(reason)}$"):
        by_pattern("c", pattern)


def test_the_one_listed_word_is_taken_as_it_stands_and_the_text_can_be_made_again():
    found = words("gay", "african american")("I am an African American man")

    assert found == {
        "term": "African American",
        "frame": "I am an … man",
        "before": "I am an ",
        "after": " man",
    }


def test_the_longest_word_counts_and_parts_of_words_do_not():
    assert words("american", "african american")("hug african american")["term"] == "african american"
    assert words("old", "older")("hug older people")["term"] == "older"
    assert words("male")("a female nurse") == "phrase holds none of the listed words"
    assert words("male")("male-dominated")["after"] == "-dominated"


@pytest.mark.parametrize(
    ("phrase", "reason"),
    [
        ("", "phrase holds none of the listed words"),
        ("a gay and a straight man", "phrase holds several of the listed words"),
        ("gay is Gay", "phrase holds a listed word more than once"),
    ],
)
def test_a_text_without_exactly_one_place_to_exchange_has_a_reason(phrase, reason):
    assert words("gay", "straight")(phrase) == reason


@given(st.text(alphabet="ab g.ßİ", max_size=30), st.lists(st.text(alphabet="ab g", min_size=1, max_size=4), min_size=1))
def test_before_term_and_after_are_the_text(phrase, listed):
    found = words(*listed)(phrase)

    if not isinstance(found, str):
        assert found["before"] + found["term"] + found["after"] == phrase
        assert found["term"].lower() in {word.lower() for word in listed}


def test_a_word_too_long_is_refused():
    with pytest.raises(ValueError, match=r"of 201 characters$"):
        words("x" * (MAX_WORD + 1))


def test_rows_without_fields_come_apart_with_their_reasons():
    rows = [
        TableRow(cells={"c": cell}, place=Place(path="d.csv", line=n), number=n) for n, cell in enumerate(["a-b", "ab"])
    ]

    kept, dropped = applied(by_pattern("c", "{x}-{y}"), rows)

    assert [dict(row.cells) for row in kept] == [{"c": "a-b", "x": "a", "y": "b"}]
    assert [(row.number, reason) for row, reason in dropped] == [(1, "c does not fit {x}-{y}")]
