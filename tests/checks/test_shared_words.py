"""The words that two sentences share: alignment by hand, sums by hand, and tokens that do not keep to words."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.checks import _shared_words
from audit.checks._shared_words import NOTHING_BEHIND, SAME, TOKENS_DIFFER, Measured
from audit.checks._toy.sentences import Teller
from audit.requests import Scores, TextLikelihood, Tokenised, TokenisedText


def own(side: _shared_words.Side) -> list[str]:
    return [side.text[start:end] for start, end in side.own]


def measured(pair: _shared_words.Pair, model: Teller) -> Measured:
    texts = tuple({text for side in (pair.first, pair.second) for text in side.beginnings()})
    values = model.answer(Scores(texts=texts, target=TextLikelihood())).values
    return Measured(
        nats=dict(zip(texts, values[:, 0].tolist(), strict=True)),
        scored=dict(zip(texts, values[:, 1].astype(int).tolist(), strict=True)),
        tokens=dict(zip(texts, model.answer(Tokenised(texts=texts)), strict=True)),
    )


# ---- what is shared ------------------------------------------------------------------------------


def test_what_differs_is_told_from_what_is_shared() -> None:
    pair = _shared_words.pair("She told her boss, loudly.", "He told his boss, loudly.")

    assert (own(pair.first), own(pair.second)) == (["She", " her"], ["He", " his"])
    assert pair.trouble == ""


def test_words_that_only_one_sentence_has_are_an_empty_stretch_in_the_other() -> None:
    pair = _shared_words.pair("The women from here cook", "The women cook")

    assert (own(pair.first), own(pair.second)) == ([" from here"], [""])


def test_a_word_is_shared_whole_or_not_at_all() -> None:
    pair = _shared_words.pair("A waitress sings", "A waiter sings")

    assert (own(pair.first), own(pair.second)) == ([" waitress"], [" waiter"])


@pytest.mark.parametrize(
    ("first", "second", "trouble"),
    [
        ("Same words", "Same words", SAME),
        ("They hate women", "They hate men", NOTHING_BEHIND),
        ("One thing", "another matter", NOTHING_BEHIND),
        ("They hate women a lot", "They hate men a lot", ""),
    ],
)
def test_a_pair_that_cannot_tell_says_why(first: str, second: str, trouble: str) -> None:
    pair = _shared_words.pair(first, second)

    assert pair.trouble == trouble
    if trouble:
        assert _shared_words.difference(pair, Measured(nats={}, scored={}, tokens={})) == trouble


# ---- how likely it is ----------------------------------------------------------------------------


def test_only_shared_words_are_counted() -> None:
    # Each word costs 2 nats. "men" is 4 nats cheaper than "women", and none of that counts.
    model = Teller(calls={("the", "men"): 4.0, ("women", "cook"): 1.5, ("men", "cook"): 0.5, ("women", "well"): 0.25})
    pair = _shared_words.pair("the women cook well", "the men cook well")

    found = measured(pair, model)

    assert _shared_words.difference(pair, found) == pytest.approx((1.5 - 0.5) + (0.25 - 0.0))
    assert found.nats["the women cook well"] - found.nats["the men cook well"] == pytest.approx(1.25 - 4.0)


def test_longer_sentences_neither_gain_nor_lose() -> None:
    pair = _shared_words.pair("the old women of the town cook well", "the men cook well")

    assert _shared_words.difference(pair, measured(pair, Teller())) == 0.0


words = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=3)


@given(st.lists(st.tuples(words, words, words), min_size=1, max_size=3), st.floats(0.5, 4))
def test_the_sum_over_shared_words_is_that_taken_one_by_one(parts: list[Sequence[list[str]]], noise: float) -> None:
    # The own words of the first sentence are capitals, those of the second are doubled, so nothing else is shared.
    first, second, shared = list[str](), list[str](), list[tuple[int, int]]()
    for mine, yours, both in parts:
        first += [w.upper() for w in mine]
        second += [w * 2 for w in yours]
        shared += [(len(first) + i, len(second) + i) for i in range(len(both))]
        first += both
        second += both
    model = Teller(noise=noise)
    pair = _shared_words.pair(" ".join(first), " ".join(second))

    found = _shared_words.difference(pair, measured(pair, model))

    one_by_one = sum(
        (model.nats(first[: i + 1]) - model.nats(first[:i])) - (model.nats(second[: j + 1]) - model.nats(second[:j]))
        for i, j in shared
    )
    assert found == pytest.approx(one_by_one, abs=1e-9)


@given(st.lists(st.tuples(words, words, words), min_size=1, max_size=3))
def test_sentences_changed_places_change_the_sign(parts: list[Sequence[list[str]]]) -> None:
    first = " ".join(w for mine, _, both in parts for w in [*(m.upper() for m in mine), *both])
    second = " ".join(w for _, yours, both in parts for w in [*(y * 2 for y in yours), *both])
    model, (one, other) = Teller(noise=2.0), (_shared_words.pair(first, second), _shared_words.pair(second, first))

    there, back = (
        _shared_words.difference(one, measured(one, model)),
        _shared_words.difference(other, measured(other, model)),
    )

    assert isinstance(there, float)
    assert isinstance(back, float)
    assert there == pytest.approx(-back, abs=1e-9)


# ---- tokens --------------------------------------------------------------------------------------


def tokens(*ids: int, opening: int = 0) -> TokenisedText:
    return TokenisedText(
        ids=ids,
        tokens=tuple(map(str, ids)),
        spans=tuple((0, 0) if i < opening else (i, i + 1) for i in range(len(ids))),
        special=tuple(i < opening for i in range(len(ids))),
    )


def of_tokens(**texts: tuple[float, TokenisedText]) -> Measured:
    named = {text.replace("_", " "): value for text, value in texts.items()}
    return Measured(
        nats={text: nats for text, (nats, _) in named.items()},
        scored={text: len(found.ids) - 1 for text, (_, found) in named.items()},
        tokens={text: found for text, (_, found) in named.items()},
    )


def test_a_special_token_that_opens_both_texts_is_shared() -> None:
    pair = _shared_words.pair("She cooks", "He cooks")
    found = of_tokens(
        She=(-1.0, tokens(1, 5, opening=1)),
        He=(-2.0, tokens(1, 6, opening=1)),
        She_cooks=(-4.0, tokens(1, 5, 9, opening=1)),
        He_cooks=(-4.5, tokens(1, 6, 9, opening=1)),
    )

    assert _shared_words.difference(pair, found) == pytest.approx((-4.0 + 1.0) - (-4.5 + 2.0))


def test_a_beginning_that_is_tokenised_otherwise_by_itself_is_not_scored() -> None:
    pair = _shared_words.pair("She cooks", "He cooks")
    found = of_tokens(
        She=(-1.0, tokens(1, 5)),
        He=(-2.0, tokens(1, 6)),
        She_cooks=(-4.0, tokens(1, 55)),
        He_cooks=(-4.5, tokens(1, 6, 9)),
    )

    assert _shared_words.difference(pair, found) == TOKENS_DIFFER


def test_shared_words_that_come_out_as_other_tokens_are_not_scored() -> None:
    pair = _shared_words.pair("She cooks", "He cooks")
    found = of_tokens(
        She=(-1.0, tokens(1, 5)),
        He=(-2.0, tokens(1, 6)),
        She_cooks=(-4.0, tokens(1, 5, 9)),
        He_cooks=(-4.5, tokens(1, 6, 8, 7)),
    )

    assert _shared_words.difference(pair, found) == TOKENS_DIFFER


def test_a_first_token_without_a_likelihood_is_not_held_against_one_that_has_it() -> None:
    # Nothing opens the texts, so "women" is scored behind "Some" and has no likelihood where it stands first.
    pair = _shared_words.pair("Some women cook", "women cook")
    found = of_tokens(
        Some=(0.0, tokens(4)),
        Some_women_cook=(-6.0, tokens(4, 5, 9)),
        women_cook=(-4.0, tokens(5, 9)),
    )

    assert _shared_words.difference(pair, found) == TOKENS_DIFFER
