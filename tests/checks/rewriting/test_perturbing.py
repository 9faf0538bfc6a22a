"""Disturbed texts: the same every time, more of the same at higher strengths, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.checks._rewriting import perturbing
from audit.checks._rewriting.perturbing import casing, distractors, paraphrases, truncation, typos

TEXT = "The applicant, Mrs Doe-Miller, has repaid EVERY loan (twice) since 2019."
EXTRA = ("It rained.", "The bus was late.", "Tea is served at four.")
PAIRS = {"has repaid": "paid back", "loan": "credit", "the applicant": "this person"}

KINDS = {
    "typos": typos(7),
    "casing": casing(7),
    "truncation": truncation(),
    "distractors": distractors(EXTRA, 7),
    "paraphrases": paraphrases(PAIRS, 7),
}
every_kind = pytest.mark.parametrize("disturb", KINDS.values(), ids=KINDS)
texts = st.text(st.characters(codec="utf-8"), max_size=80) | st.lists(
    st.sampled_from(["has repaid", "loan", "aaaa", "OK", "Zürich", "12", "house,"]), max_size=12
).map(" ".join)


def changed(before: str, after: str) -> set[int]:
    """Positions of words that differ, of texts with as many words."""
    pairs = list(zip(before.split(), after.split(), strict=True))
    return {i for i, (one, other) in enumerate(pairs) if one != other}


# ---- known answers -------------------------------------------------------------------------------


def test_typos_leave_first_and_last_letters_and_short_words() -> None:
    after = KINDS["typos"](TEXT, 1.0)

    assert changed(TEXT, after) == {1, 3, 5, 6, 7, 8, 9}
    for word, other in zip(TEXT.split(), after.split(), strict=True):
        assert (word[0], word[-1]) == (other[0], other[-1])
        assert abs(len(word) - len(other)) <= 2
    assert "2019." in after


def test_every_slip_changes_the_word() -> None:
    for word in ("aaaa", "abcd", "Müller", "NAMES", "ñandú"):
        for where in range(6):
            for how in range(4):
                slip = perturbing._slip(word, where, how)
                assert slip != word
                assert (slip[0], slip[-1]) == (word[0], word[-1])


def test_case_is_changed_word_by_word() -> None:
    assert KINDS["casing"]("Pay EVERY loan in 2019 (now)", 1.0) == "PAY every LOAN IN 2019 (NOW)"
    assert len(changed("one two three four", KINDS["casing"]("one two three four", 0.5))) == 2


@pytest.mark.parametrize(("strength", "left"), [(0.1, "a b c"), (0.5, "a b"), (0.75, "a"), (1.0, "a")])
def test_a_cut_takes_words_from_the_end_and_leaves_the_first(strength: float, left: str) -> None:
    assert KINDS["truncation"]("a b c d", strength) == left


def test_distractors_stand_behind_the_text() -> None:
    few, many = (KINDS["distractors"](TEXT, strength) for strength in (0.34, 1.0))

    assert many.startswith(few)
    assert many.startswith(f"{TEXT} ")
    assert sorted(many) == sorted(" ".join([TEXT, *EXTRA]))
    assert sum(sentence in few for sentence in EXTRA) == 2


def test_listed_phrases_are_put_otherwise_as_whole_words_in_either_case() -> None:
    assert KINDS["paraphrases"]("The applicant has repaid a loan, not loaned.", 1.0) == (
        "this person paid back a credit, not loaned."
    )


def test_the_longer_phrase_goes_first() -> None:
    assert paraphrases({"old": "x", "old man": "y"}, 0)("an old man, so old", 1.0) == "an y, so x"


def test_phrases_of_special_characters_are_taken_as_they_stand() -> None:
    assert paraphrases({"c++ (new)": "rust"}, 0)("c++ (new) and c", 1.0) == "rust and c"


def test_seeds_draw_other_words() -> None:
    long = " ".join(f"word{letter * 4}" for letter in "abcdefghij")

    assert len({typos(seed)(long, 0.1) for seed in range(20)}) > 10


# ---- properties ----------------------------------------------------------------------------------


@every_kind
@given(text=texts, strength=st.floats(0.01, 1))
def test_the_same_text_is_always_disturbed_alike(disturb: perturbing.Disturb, text: str, strength: float) -> None:
    assert disturb(text, strength) == disturb(text, strength)


@every_kind
@given(text=texts, strengths=st.lists(st.floats(0.01, 1), min_size=2, max_size=2))
def test_whatever_a_weak_disturbance_changes_a_strong_one_changes_too(
    disturb: perturbing.Disturb, text: str, strengths: list[float]
) -> None:
    weak, strong = (disturb(text, strength) for strength in sorted(strengths))

    # No strength undoes what a lower one did: where the weaker changes nothing more is left to it than to the text.
    if weak != text:
        assert strong != text
    if weak == disturb(text, 1.0):
        assert strong == weak


@given(text=texts, strength=st.floats(0.01, 1))
def test_case_and_typos_keep_the_number_of_words(text: str, strength: float) -> None:
    for kind in ("casing", "typos"):
        assert len(KINDS[kind](text, strength).split()) == len(text.split())


@given(text=texts, strength=st.floats(0.01, 1))
def test_a_cut_text_begins_as_the_text_does(text: str, strength: float) -> None:
    assert text.startswith(KINDS["truncation"](text, strength))
