"""Weights that are shuffled for a while: which, how, and that they come back."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from audit.capture import randomisation
from audit.capture.attributing import asked_of
from audit.capture.executors.local import LocalExecutor
from audit.capture.store import request_key
from audit.capture.tokens import token_ids
from audit.requests import ALL_WEIGHTS, Attributions, CannotAnswer, ClassLogits, Contrast, jsonable

CONTRAST = Contrast(target=ClassLogits(), toward="approve", against="deny")


def names_of(loaded, stage):
    by_id = {id(weight): name for name, weight in loaded.model.named_parameters()}
    return [by_id[id(weight)] for weight in randomisation.weights_of(loaded, stage)]


@pytest.mark.parametrize(
    ("family", "task", "expected"),
    [
        ("roberta", "sequence-classification",
         {f"classifier.{part}.{kind}" for part in ("dense", "out_proj") for kind in ("weight", "bias")}),
        ("gpt2", "sequence-classification", {"transformer.ln_f.weight", "transformer.ln_f.bias", "score.weight"}),
        ("llama", "causal-lm", {"model.norm.weight", "lm_head.weight"}),
        # Its head is its embedding table, which goes last.
        ("gpt2", "causal-lm", {"transformer.ln_f.weight", "transformer.ln_f.bias"}),
    ],
)  # fmt: skip
def test_the_first_stage_is_what_stands_behind_the_last_block(load, family, task, expected):
    assert set(names_of(load(family, task), 1)) == expected


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "gpt2", "llama", "qwen3", "gemma"])
def test_every_stage_takes_one_more_block_from_the_output_down(load, family):
    loaded = load(family, "sequence-classification")

    stages = [set(names_of(loaded, stage)) for stage in (1, 2, 3, 4)]

    for i in (1, 2, 3):
        block = {id(w) for w in loaded.parts.blocks[3 - i].parameters()}
        named = {n for n, w in loaded.model.named_parameters() if id(w) in block}
        assert stages[i] - stages[i - 1] == named
    assert stages[3] < set(names_of(loaded, ALL_WEIGHTS)) == {n for n, _ in loaded.model.named_parameters()}


def test_weights_keep_their_values_in_another_order_and_come_back_bit_by_bit(load):
    loaded = load("bert", "sequence-classification")
    before = {name: w.clone() for name, w in loaded.model.named_parameters()}

    with randomisation.randomised(loaded, ALL_WEIGHTS, seed=1):
        during = {name: w.clone() for name, w in loaded.model.named_parameters()}

    for name, weight in loaded.model.named_parameters():
        assert torch.equal(weight, before[name])
        assert torch.equal(during[name].flatten().sort().values, before[name].flatten().sort().values)
    assert not torch.equal(during["classifier.weight"], before["classifier.weight"])


def test_large_tensors_are_shuffled_in_stretches(load, monkeypatch):
    monkeypatch.setattr(randomisation, "CHUNK", 7)
    loaded = load("bert", "sequence-classification")
    before = loaded.model.classifier.weight.clone()

    with randomisation.randomised(loaded, 1, seed=1):
        during = loaded.model.classifier.weight.clone()

    assert torch.equal(during.flatten()[:7].sort().values, before.flatten()[:7].sort().values)
    assert torch.equal(loaded.model.classifier.weight, before)


def test_weights_come_back_when_what_was_asked_breaks(load):
    loaded = load("gpt2", "causal-lm")
    before = [w.clone() for w in loaded.model.parameters()]

    with pytest.raises(ZeroDivisionError), randomisation.randomised(loaded, ALL_WEIGHTS, seed=1):
        _ = 1 / 0

    assert all(torch.equal(a, b) for a, b in zip(before, loaded.model.parameters(), strict=True))


def test_a_stage_that_the_model_does_not_have_is_refused(load):
    with pytest.raises(CannotAnswer, match="the model has 3 blocks, and stage 5 of randomised weights was asked for"):
        randomisation.weights_of(load("bert", "sequence-classification"), 5)


def test_an_attribution_under_shuffled_weights_is_another_one_and_leaves_no_trace(load, texts):
    loaded = load("bert", "sequence-classification")
    executor, ids = LocalExecutor(loaded), token_ids(loaded, texts[:1])

    def attributed(stage):
        request = Attributions(texts=texts[:1], contrast=CONTRAST, randomised=stage)
        with executor.altered(request):
            found, _ = executor.attribute(request, asked_of(request), ids, seeds=[0])
            return found[0].values

    plain, first, whole, again = (attributed(stage) for stage in (0, 1, ALL_WEIGHTS, 0))

    assert np.array_equal(plain, again)
    assert not np.allclose(plain, first)
    assert not np.allclose(first, whole)


def test_each_stage_has_a_key_of_its_own_and_the_model_as_it_is_keeps_the_old_one():
    request = Attributions(texts=("a",), contrast=CONTRAST)
    keys = {request_key(jsonable(Attributions(texts=("a",), contrast=CONTRAST, randomised=s))) for s in (0, 1, 2, -1)}

    assert len(keys) == 4
    assert set(jsonable(request)) == {"", "contrast", "method", "baseline_input", "tolerance", "max_steps"}
