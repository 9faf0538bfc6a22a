"""Words are put together from tokens by their characters, and signed sums keep what the tokens add up to."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.requests import TokenisedText
from audit.words import summed, touching, words


def cut(text, *pieces, special=()):
    """Tokens of a text by their characters; those in ``special`` stand for none."""
    spans = tuple(pieces)
    return TokenisedText(
        ids=tuple(range(len(spans))),
        tokens=tuple(text[a:b] for a, b in spans),
        spans=spans,
        special=tuple(i in special for i in range(len(spans))),
    )


def test_subwords_become_the_word_and_signs_stay_by_themselves():
    text = "unbelievable, isn't it?"
    tokens = cut(text, (0, 0), (0, 2), (2, 9), (9, 12), (12, 13), (13, 17), (17, 19), (19, 22), (22, 23), (0, 0),
                 special=(0, 9))  # fmt: skip

    found = words(text, tokens)

    assert [(w.text, w.tokens) for w in found] == [
        ("unbelievable", (1, 2, 3)),
        (",", (4,)),
        ("isn't", (5, 6)),
        ("it", (7,)),
        ("?", (8,)),
    ]
    assert [text[slice(*w.span)] for w in found] == [w.text for w in found]


@pytest.mark.parametrize(
    ("text", "pieces", "expected"),
    [
        ("12,500.50 EUR", ((0, 2), (2, 3), (3, 6), (6, 7), (7, 9), (9, 13)), ["12,500.50", "EUR"]),
        ("income_low high-risk", ((0, 6), (6, 10), (10, 15), (15, 20)), ["income_low", "high-risk"]),
        ("New York is", ((0, 8), (8, 11)), ["New York", "is"]),  # one token over two words
        ("hi 🦊", ((0, 2), (2, 4), (3, 4), (3, 4)), ["hi", "🦊"]),  # several tokens on one character
        ("信用評価", ((0, 2), (2, 4)), ["信用", "評価"]),  # where no spaces are set, the tokens say
        ("a\n\nb", ((0, 1), (1, 3), (3, 4)), ["a", "\n\n", "b"]),
    ],
)
def test_what_counts_as_a_word(text, pieces, expected):
    assert [w.text for w in words(text, cut(text, *pieces))] == expected


@given(st.data())
def test_every_token_is_in_exactly_one_word_and_sums_keep_the_total(data):
    text = data.draw(st.text(alphabet="ab 1.-'é界🦊\n", min_size=1, max_size=30))
    inner = data.draw(st.sets(st.integers(1, len(text))))
    edges = sorted({0, len(text), *inner})
    tokens = cut(text, *itertools.pairwise(edges))
    values = np.array(data.draw(st.lists(st.floats(-9, 9), min_size=len(edges) - 1, max_size=len(edges) - 1)))

    found = words(text, tokens)

    assert sorted(i for w in found for i in w.tokens) == list(range(len(edges) - 1))
    assert summed(values, [w.tokens for w in found]).sum() == pytest.approx(values.sum())


def test_a_group_touches_tokens_that_reach_into_it_and_no_special_one():
    text = "the tall woman"
    tokens = cut(text, (0, 0), (0, 3), (3, 8), (8, 11), (11, 14), special=(0,))

    assert touching(tokens, ((4, 8),)) == (2,)
    assert touching(tokens, ((9, 10), (0, 1))) == (1, 3)
    assert touching(tokens, ((3, 3),)) == ()
