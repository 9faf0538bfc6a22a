"""Words, phrases and mentions, as characters of the text and as tokens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.explaining.cases import Case
from audit.explaining.frame import Frame, Wish, rules_of
from audit.explaining.pieces import (
    exchanged,
    mentioned,
    phrase,
    positions,
    runs,
    stands_alone,
    without,
    words,
)
from audit.requests import TokenisedText
from audit.types import Decision


def frame(**values):
    return Frame(
        decision=Decision(kind="classes", positive="toxic", negative="fine"),
        template="general",
        rules=rules_of(0, Wish(), None),
        baselines=(),
        longest=64,
        data=None,
        must_not_matter=tuple(values),
        values=values,
    )


def read(text):
    """Tokens of three characters at most, between two special ones."""
    spans = [(i, min(i + 3, len(text))) for i in range(0, len(text), 3)]
    return TokenisedText(
        ids=tuple(range(len(spans) + 2)),
        tokens=("[CLS]", *(text[a:b] for a, b in spans), "[SEP]"),
        spans=((0, 0), *spans, (0, 0)),
        special=(True, *(False for _ in spans), True),
    )


def case(text):
    return Case(id="x", kind="text", source="here", text=text)


def cut(text, mentions=()):
    return words(case(text), read(text), mentions)


def test_words_keep_their_hyphens_and_apostrophes_and_signs_are_words_too():
    assert [part.value for part in cut("Don't be half-hearted!!! 漢字 ok")] == [
        "Don't", "be", "half-hearted", "!!!", "漢字", "ok",
    ]  # fmt: skip


def test_a_long_run_without_spaces_is_cut_into_its_tokens():
    parts = cut("漢" * 30)

    assert len(parts) == 10
    assert "".join(part.value for part in parts) == "漢" * 30


def test_tokens_that_reach_into_a_stretch_belong_to_it():
    assert positions(read("abcdefghi"), [(2, 4)]) == (1, 2)


@given(st.text(min_size=1, max_size=60))
def test_every_word_stands_where_it_says_and_special_tokens_belong_to_none(text):
    tokens = read(text)

    for part in cut(text):
        (span,) = part.spans
        assert text[slice(*span)] == part.value
        assert not any(tokens.special[i] for i in part.positions)
        assert part.positions


def test_neighbours_of_one_sign_are_a_phrase():
    assert runs({0: 1.0, 1: 2.0, 2: -1.0, 4: 1.0, 5: 1.0}, 5, alone=set()) == [[0, 1], [2], [4, 5]]
    assert runs(dict.fromkeys(range(7), 1.0), 5, alone=set()) == [[0, 1, 2, 3, 4], [5, 6]]
    assert runs({0: 1.0, 1: 1.0, 2: 1.0}, 5, alone={1}) == [[0], [1], [2]]


@given(st.dictionaries(st.integers(0, 30), st.floats(-5, 5)), st.sets(st.integers(0, 30)))
def test_runs_lose_and_double_no_word(chosen, alone):
    found = runs(chosen, 5, alone=alone)

    assert [i for run in found for i in run] == sorted(chosen)
    assert all(len(run) <= 5 for run in found)
    assert all(len(run) == 1 for run in found if set(run) & alone)


def test_a_phrase_holds_what_stands_between_its_words():
    parts = cut("you stupid, stupid man")

    found = phrase(case("you stupid, stupid man"), read("you stupid, stupid man"), parts[1:4], ())

    assert (found.value, found.id) == ("stupid, stupid", "4-18")


@pytest.mark.parametrize(
    ("text", "word", "left"),
    [
        ("You are nice today", "nice", "You are today"),
        ("nice", "nice", ""),
        ("nice day", "nice", "day"),
        ("a day (nice)", "nice", "a day ()"),
    ],
)
def test_what_is_left_out_leaves_no_double_space(text, word, left):
    part = next(part for part in cut(text) if part.value == word)

    assert without(text, part) == left


# ---- what must not matter, in a free text ----------------------------------------------------------


def test_values_of_the_data_are_found_as_whole_words_in_either_case():
    found = mentioned("gay men, GAY women, gayety", frame(term=("gay", "men")))

    assert [(m.field, m.value, len(m.spans)) for m in found] == [("term", "gay", 2), ("term", "men", 1)]


def test_the_longest_value_wins_and_numbers_say_nothing():
    found = mentioned("an african american of 30", frame(term=("american", "african american", "30")))

    assert [m.value for m in found] == ["african american"]


def test_a_mention_is_exchanged_wherever_it_stands():
    (mention,) = mentioned("Lena met Lena", frame(name=("Lena",)))

    assert exchanged("Lena met Lena", mention, "Omar") == "Omar met Omar"


def test_a_mention_is_no_part_of_a_phrase_and_no_open_word():
    text = "the stupid american here"
    mentions = mentioned(text, frame(term=("american",)))
    parts = cut(text, mentions)

    assert [(part.value, part.standing) for part in parts if stands_alone(part)] == [("american", "must not matter")]
