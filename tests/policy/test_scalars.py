import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.policy.scalars import plain, tagged


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("0", 0),
        ("12", 12),
        ("-3", -3),
        ("+3", 3),
        ("1e-3", 0.001),
        (".5", 0.5),
        ("1.", 1.0),
        ("-0.25", -0.25),
        ("1E+2", 100.0),
    ],
)
def test_what_json_would_read_as_something_else_than_text_is_not_text(text, value):
    found = plain(text)

    assert found == value
    assert type(found) is type(value)


TEXTS = "yes no on off True NULL 012 1:30 2026-11-01 1_000 0x10 0o7 .inf .nan 1e . - 1.2.3 ٣ 01.5 e3"


@pytest.mark.parametrize("text", TEXTS.split())
def test_everything_else_is_text(text):
    assert plain(text) == text


def test_a_number_that_cannot_be_held_is_refused():
    with pytest.raises(ValueError, match=r"^a number too large to hold$"):
        plain("1e999")
    with pytest.raises(ValueError, match=r"^a whole number of 19 digits$"):
        plain("-" + "9" * 19)


def value_or_reason(text):
    try:
        return plain(text)
    except ValueError as error:
        return str(error)


@given(st.text() | st.from_regex(r"[-+]?[0-9.]*([eE][-+]?[0-9]*)?"))
def test_a_plain_scalar_is_a_value_or_refused_with_a_reason(text):
    found = value_or_reason(text)

    assert isinstance(found, int | float | None) or found == text or str(found).startswith("a ")


def test_a_tag_says_the_type_and_the_text_must_be_of_it():
    assert tagged("5", "str") == "5"
    assert tagged("5", "float") == 5.0
    assert tagged("true", "bool") is True
    with pytest.raises(ValueError, match=r"^a value that is not int, with the tag !!int$"):
        tagged("true", "int")
