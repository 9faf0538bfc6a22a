"""A pass brings back what transformers itself computes, whatever the batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from audit.capture.passes import WHOLE, Wanted, forward
from audit.capture.tokens import answer_ids, token_ids

CLASSIFIERS = ["bert", "roberta", "distilbert", "gpt2", "llama", "qwen2", "qwen3", "gemma"]
CAUSAL = ["gpt2", "llama", "qwen2", "qwen3", "gemma", "gemma2"]
TOLERANCE = {"rtol": 2e-4, "atol": 2e-4}


def alone(loaded, text, **kwargs):
    """What transformers says of one text by itself."""
    ids = torch.tensor([loaded.tokenizer(text)["input_ids"]])
    with torch.inference_mode():
        return loaded.model(input_ids=ids, attention_mask=torch.ones_like(ids), **kwargs)


@pytest.mark.parametrize("family", CLASSIFIERS)
def test_class_logits_of_a_padded_batch_equal_those_of_each_text_alone(load, texts, family):
    loaded = load(family, "sequence-classification")
    ids = token_ids(loaded, texts)

    brought = forward(loaded, [ids[t] for t in texts], Wanted(class_logits=True), {})

    expected = np.concatenate([alone(loaded, t).logits.numpy() for t in texts])
    assert expected.std() > 0.01, "the tiny model must tell texts apart, or equality means nothing"
    np.testing.assert_allclose(brought.class_logits, expected, **TOLERANCE)


@pytest.mark.parametrize("family", CLASSIFIERS)
@pytest.mark.parametrize("pool", ["mean", "last", "first"])
def test_pooled_states_equal_the_pooled_hidden_states_of_transformers(load, texts, family, pool):
    loaded = load(family, "sequence-classification")
    ids = token_ids(loaded, texts)

    brought = forward(loaded, [ids[t] for t in texts], Wanted(pools=frozenset({(pool, WHOLE)}), layers=(0, 1, 2)), {})

    for row, text in enumerate(texts):
        hidden = alone(loaded, text, output_hidden_states=True).hidden_states
        for layer in (0, 1, 2):
            states = hidden[layer][0]
            expected = {"mean": states.mean(0), "last": states[-1], "first": states[0]}[pool]
            np.testing.assert_allclose(brought.states[pool, WHOLE][layer, row], expected.numpy(), **TOLERANCE)


@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma"])
def test_the_last_layer_is_the_block_s_output_before_the_final_norm(load, texts, family):
    loaded = load(family, "causal-lm")
    ids = token_ids(loaded, texts)
    seen = []
    handle = loaded.parts.blocks[-1].register_forward_hook(
        lambda _m, _a, out: seen.append(out[0] if isinstance(out, tuple) else out)
    )
    after_norm = alone(loaded, texts[0], output_hidden_states=True).hidden_states[-1][0, -1].numpy()
    handle.remove()

    brought = forward(loaded, [ids[texts[0]]], Wanted(pools=frozenset({("last", WHOLE)}), layers=(3,)), {})

    np.testing.assert_allclose(brought.states["last", WHOLE][0, 0], seen[0][0, -1].numpy(), **TOLERANCE)
    assert np.abs(brought.states["last", WHOLE][0, 0] - after_norm).max() > 1e-2


@pytest.mark.parametrize("family", CAUSAL)
def test_answer_log_probabilities_equal_a_run_on_text_and_answer_together(load, texts, family):
    loaded = load(family, "causal-lm")
    options = (" approve", " not for sure", " deny in spring")
    ids = token_ids(loaded, texts)
    answers = {options: [[answer_ids(loaded, t, o, ids[t]) for o in options] for t in texts]}

    brought = forward(loaded, [ids[t] for t in texts], Wanted(answers=frozenset({options})), answers)

    for row, text in enumerate(texts):
        for column, option in enumerate(options):
            together = loaded.tokenizer(text + option)["input_ids"]
            scores = alone(loaded, text + option).logits[0].log_softmax(-1)
            start = len(ids[text])
            expected = sum(float(scores[at - 1, together[at]]) for at in range(start, len(together)))
            assert brought.answers[options][row, column] == pytest.approx(expected, rel=2e-4, abs=2e-4)


@pytest.mark.parametrize("family", CAUSAL)
def test_likelihood_is_the_sum_over_all_tokens_after_the_first(load, texts, family):
    loaded = load(family, "causal-lm")
    ids = token_ids(loaded, texts)

    brought = forward(loaded, [ids[t] for t in texts], Wanted(likelihood=True), {})

    for row, text in enumerate(texts):
        scores = alone(loaded, text).logits[0].log_softmax(-1)
        expected = sum(float(scores[at - 1, ids[text][at]]) for at in range(1, len(ids[text])))
        assert brought.likelihood[row].tolist() == pytest.approx([expected, len(ids[text]) - 1], rel=2e-4)


def test_all_outputs_and_states_come_from_one_pass(load, texts):
    loaded = load("llama", "causal-lm")
    ids = token_ids(loaded, texts)
    options = (" approve", " deny")
    answers = {options: [[answer_ids(loaded, t, o, ids[t]) for o in options] for t in texts]}
    calls = []
    handle = loaded.parts.blocks[0].register_forward_hook(lambda *_: calls.append(1))
    wanted = Wanted(answers=frozenset({options}), pools=frozenset({("mean", WHOLE), ("last", WHOLE)}), layers=(0, 2, 3))

    brought = forward(loaded, [ids[t] for t in texts], wanted, answers)
    handle.remove()

    assert len(calls) == 1
    assert brought.answers[options].shape == (5, 2)
    shapes = {pool: values.shape for (pool, _), values in brought.states.items()}
    assert shapes == {"mean": (3, 5, 32), "last": (3, 5, 32)}


def test_a_pass_for_states_stops_after_the_deepest_layer_asked(load, texts):
    loaded = load("llama", "causal-lm")
    ids = token_ids(loaded, texts)
    ran = []
    handles = [
        b.register_forward_pre_hook(lambda _m, _a, i=i: ran.append(i)) for i, b in enumerate(loaded.parts.blocks)
    ]
    handles.append(loaded.parts.head.register_forward_pre_hook(lambda *_: ran.append("head")))

    forward(loaded, [ids[t] for t in texts], Wanted(pools=frozenset({("mean", WHOLE)}), layers=(0, 2)), {})
    for handle in handles:
        handle.remove()

    assert ran == [0, 1]


def test_the_head_of_a_causal_model_sees_only_the_last_token_of_each_row(load, texts):
    loaded = load("gpt2", "causal-lm")
    ids = token_ids(loaded, texts)
    options = (" approve", " deny")
    answers = {options: [[answer_ids(loaded, t, o, ids[t]) for o in options] for t in texts]}
    shapes = []
    handle = loaded.parts.head.register_forward_hook(lambda _m, _a, out: shapes.append(tuple(out.shape)))

    forward(loaded, [ids[t] for t in texts], Wanted(answers=frozenset({options})), answers)
    handle.remove()

    assert shapes == [(5, 1, 26)]


def test_a_decoder_classifier_is_read_at_its_last_token_even_where_that_is_the_padding_id(load):
    loaded = load("gpt2", "sequence-classification")
    texts = ("john has a high <pad>", "john")
    ids = token_ids(loaded, texts)
    assert ids[texts[0]][-1] == loaded.tokenizer.pad_token_id

    brought = forward(loaded, [ids[t] for t in texts], Wanted(class_logits=True), {})

    hidden = []
    handle = loaded.model.score.register_forward_hook(lambda _m, _a, out: hidden.append(out))
    alone(loaded, texts[0])
    handle.remove()
    np.testing.assert_allclose(brought.class_logits[0], hidden[0][0, -1].numpy(), **TOLERANCE)
