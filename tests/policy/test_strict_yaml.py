import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.errors import UserError
from audit.policy import strict_yaml
from audit.policy.strict_yaml import MAX_DEPTH
from audit.types import Place


def read(text):
    return strict_yaml.read(text if isinstance(text, bytes) else text.encode(), "p.yaml")


def refused(text):
    """Return the one problem as it is printed."""
    with pytest.raises(UserError) as caught:
        read(text)
    assert caught.value.title == "The policy cannot be read"
    (problem,) = caught.value.problems
    return "\n".join(problem.lines())


def test_data_and_the_places_of_keys_and_values():
    document = read("a: 1\nb:\n  - x\n  - {c: 1.50}\n")

    assert document.data == {"a": 1, "b": ["x", {"c": 1.5}]}
    assert document.places[("a",)] == Place(path="p.yaml", line=1, column=4)
    assert document.places[("b", 1, "c")] == Place(path="p.yaml", line=4, column=9)
    assert document.key_places[("b", 1, "c")] == Place(path="p.yaml", line=4, column=6)
    assert document.written == {("a",): "1", ("b", 1, "c"): "1.50"}


def test_keys_are_text_as_they_are_written():
    assert read("1: a\non: b\ntrue: c\n'': d\n").data == {"1": "a", "on": "b", "true": "c", "": "d"}


def test_empty_collections_block_texts_and_quotes():
    document = read("a: {}\nb: []\nc: |\n  two\n  lines\nd: '5'\ne: \"\\t\"\nf: !!str 5\n")

    assert document.data == {"a": {}, "b": [], "c": "two\nlines\n", "d": "5", "e": "\t", "f": "5"}


def test_an_alias_stands_for_its_value_and_its_place():
    document = read("a: &x {k: [1]}\nb: *x\n")

    assert document.data["b"] == {"k": [1]}
    assert document.places[("b", "k", 0)] == Place(path="p.yaml", line=1, column=12)


def test_windows_line_ends_and_a_byte_order_mark_are_read():
    document = read(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")

    assert document.data == {"a": 1, "b": 2}
    assert document.places[("b",)].line == 2


def test_a_duplicate_key_names_both_positions():
    assert refused("data:\n  a: 1\n  b: 2\n  a: 3\n") == (
        "p.yaml:4:3: the key `a` a second time; the first is at line 2, column 3\n"
        "      a: 3\n"
        "      ^\n"
        "  expected: each key once\n"
        "  do: remove one of them"
    )


def test_a_merge_key_is_refused_and_a_quoted_one_is_a_key():
    assert refused("a: &x {k: 1}\nb: {<<: *x}\n") == (
        "p.yaml:2:5: the merge key <<\n"
        "    b: {<<: *x}\n"
        "        ^\n"
        "  expected: every key written out\n"
        "  do: repeat the keys, or use an alias for a whole value"
    )
    assert read("'<<': 1").data == {"<<": 1}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a: !!python/object/apply:os.system [x]", "p.yaml:1:4: the tag !!python/object/apply:os.system"),
        ("a: !secret x", "p.yaml:1:4: the tag !secret"),
        ("a: !!set {x}", "p.yaml:1:4: the tag !!set"),
        ("a: !!timestamp 2026-01-01", "p.yaml:1:4: the tag !!timestamp"),
        ("%TAG ! tag:x,2026:\n---\na: !y z", "p.yaml:3:4: the tag tag:x,2026:y"),
        ("a: !!map [x]", "p.yaml:1:4: the tag !!map"),
        ("a: !!int x", "p.yaml:1:4: a value that is not int, with the tag !!int"),
        ("a: 1\n---\nb: 2\n", "p.yaml:2:1: a second document"),
        ("- a\n", "p.yaml:1:1: a value that is not a mapping"),
        ("just text", "p.yaml:1:1: a value that is not a mapping"),
        ("", "p.yaml:1:1: an empty file"),
        ("# only a comment\n", "p.yaml:1:1: an empty file"),
        ("a: &x [1, *x]", "p.yaml:1:11: the alias *x inside what it stands for"),
        ("a: *x", "p.yaml:1:4: the alias *x"),
        ("? [a]\n: b", "p.yaml:1:3: a key that is not text"),
        ("? {a: 1}\n: b", "p.yaml:1:3: a key that is not text"),
        ("~: b", "p.yaml:1:1: an empty key"),
        ("a:\n\t- b", "p.yaml:2:1: a tab"),
        ("a: b\x07", "p.yaml:1:5: the invisible character U+0007"),
        ("a: \u202etxt", "p.yaml:1:4: the invisible character U+202E"),
        ("a: b\u2028c: d", "p.yaml:1:5: the invisible character U+2028"),
        (b"a: 1\nb: \xff", "p.yaml:2:4: the byte 0xFF, which is not UTF-8"),
        ('a: "\\0"', "p.yaml:1:4: text with the character U+0000"),
        ('a: "\\ud800"', "p.yaml:1:4: text with the character U+D800"),
        ('a: "\\UFFFFFFFF"', "p.yaml:1:7: an escape or number that stands for nothing"),
        ("a: b: c", "p.yaml:1:5: mapping values are not allowed here"),
        ("a: 99999999999999999999", "p.yaml:1:4: a whole number of 20 digits"),
        ("a: " + "x" * (1 << 20), "p.yaml:1:1: more than 1 MiB"),
    ],
)
def test_what_is_refused_says_where_and_what(text, found):
    assert refused(text).splitlines()[0] == found


def test_what_to_do_about_a_tab_depends_on_whether_it_indents():
    assert refused("a:\n\t- b").endswith("  do: indent with spaces, two to a level")
    assert refused("a: b\tc").endswith(r'  do: inside double quotes it can be written as "\t"')


def test_broken_yaml_is_told_with_what_to_do():
    assert refused("a: [1, 2\nb: 3\n") == (
        "p.yaml:2:2: while parsing a flow sequence, expected ',' or ']', but got ':'\n"
        "    b: 3\n"
        "     ^\n"
        "  expected: well-formed YAML\n"
        '  do: put text that holds ": " or " #" or begins with a sign in quotes; check the indentation'
    )


def test_depth_is_bounded_exactly_and_aliases_count():
    fits = "a: " + "[" * (MAX_DEPTH - 2) + "1" + "]" * (MAX_DEPTH - 2)

    assert read(fits).data
    assert "nested deeper than 40" in refused("a: " + "[" * (MAX_DEPTH - 1) + "1" + "]" * (MAX_DEPTH - 1))
    assert "nested deeper than 40" in refused(f"b: &x {'[' * 30}1{']' * 30}\nc: {'[' * 10}*x{']' * 10}")


def test_a_billion_laughs_end_at_once():
    bomb = "a0: &a0 [lol]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 30))
    start = time.perf_counter()

    message = refused(bomb)

    assert "aliases that stand for more than 100,000 values" in message
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize("text", ["a: " + "[" * 500_000, "- " * 500_000, "? " * 300_000, "a: " + "&x " * 100_000])
def test_hostile_nesting_ends_at_once(text):
    start = time.perf_counter()

    refused(text)

    assert time.perf_counter() - start < 5


def document_or_refusal(raw):
    try:
        return strict_yaml.read(raw, "p.yaml")
    except UserError as error:
        return error


@settings(max_examples=300)
@given(st.text() | st.text(alphabet="ab:-[]{}*&!%#|>?'\"\\ \n0,<") | st.binary())
def test_any_text_is_data_or_a_located_refusal(text):
    found = document_or_refusal(text.encode(errors="replace") if isinstance(text, str) else text)

    if isinstance(found, UserError):
        assert all(isinstance(problem.where, Place) for problem in found.problems)
    else:
        assert isinstance(found.data, dict)


def test_a_value_of_the_command_line_is_one_scalar():
    assert strict_yaml.scalar("0.02") == 0.02
    assert strict_yaml.scalar("") is None
    assert strict_yaml.scalar("yes") == "yes"
    assert strict_yaml.scalar(" yes") == " yes"
    assert strict_yaml.scalar('"5"') == "5"
    assert strict_yaml.scalar("Hello: [world]") == "Hello: [world]"
    with pytest.raises(ValueError, match="a quoted text that does not end with its quote"):
        strict_yaml.scalar('"5')
    with pytest.raises(ValueError, match="more than one quoted text"):
        strict_yaml.scalar('"a": "b"')
