"""Words drawn from a vocabulary, and tokens that stand for none."""

from __future__ import annotations

import pytest

from audit.capture import vocabulary
from audit.capture.tokens import tokenised
from audit.requests import Vocabulary


def test_every_word_is_one_token_and_none_is_special(load) -> None:
    loaded = load("llama", "causal-lm")

    found = vocabulary.sample(loaded, Vocabulary(sample=100, seed=0))

    assert found.drawn_from == len(loaded.tokenizer)
    assert "applicant" in found.words
    assert not set(found.words) & {"<unk>", "<s>", "."}
    assert len(set(found.words)) == len(found.words) == 20
    for word in found.words:
        assert len(loaded.tokenizer(word, add_special_tokens=False)["input_ids"]) == 1


def test_the_seed_alone_decides(load) -> None:
    loaded = load("gpt2", "causal-lm")
    first, again, other = (vocabulary.sample(loaded, Vocabulary(sample=5, seed=seed)).words for seed in (1, 1, 2))

    assert first == again != other
    assert len(first) == 5


def test_the_last_part_holds_the_last_numbers(load) -> None:
    loaded = load("llama", "causal-lm")

    found = vocabulary.sample(loaded, Vocabulary(sample=100, seed=0, last=0.5))

    numbers = loaded.tokenizer.convert_tokens_to_ids(list(found.words))
    assert found.drawn_from == 13
    assert min(numbers) >= len(loaded.tokenizer) - 13


def test_unknown_words_are_marked(load) -> None:
    loaded = load("llama", "causal-lm")

    assert tokenised(loaded, "the applicant has").unknown == ()
    assert tokenised(loaded, "the xylophone has").unknown == (False, True, False)


@pytest.mark.parametrize(("sample", "last"), [(0, 1.0), (3, 0.0), (3, 1.5)])
def test_no_sample_is_refused(sample: int, last: float) -> None:
    with pytest.raises(ValueError, match="are no sample"):
        Vocabulary(sample=sample, seed=0, last=last)
