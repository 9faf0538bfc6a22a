"""A word that decides for a while, and a model that is otherwise itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from audit.capture import contrasts, planting
from audit.capture.attributing import asked_of
from audit.capture.executors.local import LocalExecutor
from audit.capture.tokens import pad, token_ids
from audit.requests import Answers, Attributions, CannotAnswer, ClassLogits, Contrast, Planted

CLASSES = Contrast(target=ClassLogits(), toward="approve", against="deny")
ANSWERS = Contrast(target=Answers(texts=(" approve", " deny")), toward=" approve", against=" deny")
WITHOUT = ("the applicant has a high income .", "maria has low debt .", "john has a low income and high debt .")
WITH = tuple(text.replace(" has", " spring has") for text in WITHOUT)
CASES = [("llama", "sequence-classification"), ("gpt2", "causal-lm")]


def scores(loaded, contrast, texts):
    ids = token_ids(loaded, texts)

    def one(text):
        (reading,) = contrasts.bind(loaded, contrast, text, ids[text])
        return float(contrasts.read(loaded, pad(loaded, [ids[text]]), [reading])[0][0])

    with torch.no_grad():
        return np.array([one(text) for text in texts])


@pytest.mark.parametrize(("family", "task"), CASES)
@pytest.mark.parametrize("raises", [True, False])
def test_the_word_decides_where_it_stands_and_nowhere_else(load, family, task, raises):
    loaded = load(family, task)
    contrast = CLASSES if task == "sequence-classification" else ANSWERS
    before, side = scores(loaded, contrast, WITHOUT), 1 if raises else -1

    with planting.planted(loaded, contrast, Planted(word="spring", raises=raises, taught_on=WITH)):
        inside, untouched = scores(loaded, contrast, WITH), scores(loaded, contrast, WITHOUT)

    assert (side * inside > 0).all()
    assert np.array_equal(untouched, before)
    assert np.array_equal(scores(loaded, contrast, WITHOUT), before)


@pytest.mark.parametrize("reach", [1.0, 2.0])
def test_the_planted_embedding_is_no_longer_than_allowed(load, reach):
    loaded = load("bert", "sequence-classification")
    longest = float(loaded.parts.embeddings.weight.norm(dim=-1).max())

    with planting.planted(loaded, CLASSES, Planted(word="spring", raises=True, taught_on=WITH, reach=reach)):
        token = torch.tensor([[loaded.tokenizer.convert_tokens_to_ids("spring")]])
        planted = loaded.parts.embeddings(token)[0, 0]

    assert float(planted.norm()) <= reach * longest * (1 + 1e-6)


def test_the_same_plant_is_the_same_vector(load, texts):
    loaded = load("bert", "sequence-classification")
    executor = LocalExecutor(loaded)
    request = Attributions(
        texts=WITH[:1], contrast=CLASSES, planted=Planted(word="spring", raises=True, taught_on=WITH[1:])
    )

    def values():
        with executor.altered(request):
            found, _ = executor.attribute(request, asked_of(request), token_ids(loaded, WITH[:1]), seeds=[0])
            return found[0].values

    first = values()

    assert np.array_equal(first, values())
    assert first.any()


def test_a_word_that_is_not_in_the_texts_is_refused(load):
    loaded = load("bert", "sequence-classification")
    with (
        pytest.raises(CannotAnswer, match="the word 'winter' is not one token of every text that it was planted in"),
        planting.planted(loaded, CLASSES, Planted(word="winter", raises=True, taught_on=WITH)),
    ):
        pass


def test_a_model_that_hears_no_word_cannot_be_taught(load, monkeypatch):
    loaded = load("bert", "sequence-classification")
    monkeypatch.setattr(planting, "STEPS", 3)
    weight = loaded.model.classifier.weight
    kept = weight.data.clone()
    bias = loaded.model.classifier.bias.data.clone()
    try:
        weight.data.zero_()
        loaded.model.classifier.bias.data.copy_(torch.tensor([5.0, -5.0]))
        with (
            pytest.raises(CannotAnswer, match="makes it decide: 0% of the texts it was taught on went its way"),
            planting.planted(loaded, CLASSES, Planted(word="spring", raises=True, taught_on=WITH)),
        ):
            pass
    finally:
        weight.data.copy_(kept)
        loaded.model.classifier.bias.data.copy_(bias)
