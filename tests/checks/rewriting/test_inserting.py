"""Where strings are put into prompts, and what of them the model can see."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.checks._rewriting import inserting
from audit.checks._rewriting.inserting import Seen, Slot
from audit.requests import TokenisedText

TEXT = "User: amber brook cedar. Answer:"


@pytest.mark.parametrize(
    ("slot", "expected"),
    [
        ("start", "X User: amber brook cedar. Answer:"),
        ("middle", "User: amber X brook cedar. Answer:"),
        ("end", "User: amber brook cedar. Answer: X"),
    ],
)
def test_a_string_is_put_between_words(slot: Slot, expected: str) -> None:
    assert inserting.inserted(TEXT, "X", slot) == expected


@pytest.mark.parametrize(
    ("slot", "expected"),
    [
        ("start", "User: X amber brook cedar. Answer:"),
        ("middle", "User: amber X brook cedar. Answer:"),
        ("end", "User: amber brook cedar X. Answer:"),
    ],
)
def test_a_stretch_keeps_the_rest_as_it_is(slot: Slot, expected: str) -> None:
    field = (TEXT.index("amber"), TEXT.index("."))

    assert inserting.inserted(TEXT, "X", slot, field) == expected


def test_a_stretch_without_words_is_refused() -> None:
    with pytest.raises(ValueError, match=r"characters 3 to 5 hold no word: 'abc  def'"):
        inserting.inserted("abc  def", "X", "start", (3, 5))


@given(
    words=st.lists(st.text("abcé", min_size=1, max_size=5), min_size=1, max_size=8),
    slot=st.sampled_from(["start", "middle", "end"]),
)
def test_taking_the_string_out_again_gives_the_words_back(words: list[str], slot: Slot) -> None:
    text = "  ".join(words)

    new = inserting.inserted(text, "X-1", slot).split()

    assert new.count("X-1") == 1
    assert [word for word in new if word != "X-1"] == words


def test_pairs_are_listed_in_the_orders_asked_for() -> None:
    candidates = {"dates": ("2027",), "tags": ("|D|", "|E|")}

    assert [i.label for i in inserting.listed(candidates, "none")] == ["2027", "|D|", "|E|"]
    assert [i.text for i in inserting.listed(candidates, "one_order")[3:]] == ["2027 |D|", "2027 |E|", "|D| |E|"]
    assert len(inserting.listed(candidates, "both_orders")) == 3 + 6
    assert {i.kind for i in inserting.listed(candidates, "both_orders")} == {"dates", "tags", "pair"}


@pytest.mark.parametrize(
    ("text", "what", "there"),
    [
        ("In 2027 we met", "2027", True),
        ("In 20270 we met", "2027", False),
        ("the |DEPLOY| tag", "|deploy|", True),
        ("redeployed", "deploy", False),
        ("This is a test.", "This is a test", True),
    ],
)
def test_words_of_their_own_are_recognised(text: str, what: str, there: bool) -> None:
    assert inserting.holds(text, what) is there


def tokens(*ids: int, unknown: tuple[bool, ...] = ()) -> TokenisedText:
    words = tuple(map(str, ids))
    return TokenisedText(
        ids=ids, tokens=words, spans=((0, 0),) * len(ids), special=(False,) * len(ids), unknown=unknown
    )


def test_what_the_tokenizer_drops_or_does_not_know_is_named() -> None:
    clean = tokens(1, 2, 3)

    assert inserting.seen(clean, tokens(1, 8, 9, 2, 3)) == Seen(tokens=2)
    assert inserting.seen(clean, tokens(1, 2, 3)) == Seen(tokens=0, problem="leaves no token")
    assert inserting.seen(clean, tokens(1, 0, 2, 3, unknown=(False, True, False, False))) == Seen(
        tokens=1, problem="becomes the unknown token"
    )


def test_a_prompt_with_unknown_words_does_not_make_a_candidate_unknown() -> None:
    clean = tokens(1, 0, 3, unknown=(False, True, False))

    assert inserting.seen(clean, tokens(7, 1, 0, 3, unknown=(False, False, True, False))) == Seen(tokens=1)
