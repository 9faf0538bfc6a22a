"""Attributions against Captum as the oracle, and against what can be computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import FeatureAblation, LayerIntegratedGradients

from audit.capture import contrasts
from audit.capture.attribution import fixed_steps, integrated_gradients, replaced_scores
from audit.capture.executors.local import LocalExecutor
from audit.capture.tokens import token_ids, tokenised
from audit.requests import Answers, Attributions, CannotAnswer, ClassLogits, Contrast

CLASSES = Contrast(target=ClassLogits(), toward="approve", against="deny")
ANSWERS = Contrast(target=Answers(texts=(" approve", " deny")), toward=" approve", against=" deny")
CASES = [(f, "sequence-classification") for f in ("bert", "roberta", "distilbert", "gpt2", "llama", "qwen3", "gemma")]
CASES += [(f, "causal-lm") for f in ("gpt2", "llama", "qwen3", "gemma")]
BASELINE = "token:the"


def prepared(loaded, text):
    """Score function, ids and baseline ids of one text."""
    contrast = CLASSES if loaded.task == "sequence-classification" else ANSWERS
    ids = token_ids(loaded, [text])[text]
    score = contrasts.bind(loaded, contrast, text, ids).score
    return score, ids, contrasts.baseline_ids(loaded, ids, tokenised(loaded, text).special, BASELINE)


def oracle_forward(loaded):
    """The contrast as Captum wants it: a function of ids and mask that returns one number per row."""

    def forward(ids, mask):
        if loaded.task == "sequence-classification":
            logits = loaded.model(input_ids=ids, attention_mask=mask).logits
            return logits[:, 1] - logits[:, 0]
        logits = loaded.model(input_ids=ids, attention_mask=mask, use_cache=False).logits[:, -1]
        approve, deny = (loaded.tokenizer(t)["input_ids"][0] for t in ("approve", "deny"))
        return logits[:, approve] - logits[:, deny]

    return forward


@pytest.mark.parametrize(("family", "task"), CASES)
def test_integrated_gradients_equal_captum_s_at_the_same_quadrature_and_steps(load, texts, family, task):
    loaded = load(family, task)
    score, ids, baseline = prepared(loaded, texts[1])
    batch = torch.tensor(ids[None].astype(np.int64))
    oracle = LayerIntegratedGradients(oracle_forward(loaded), loaded.parts.embeddings).attribute(
        batch,
        baselines=torch.tensor(baseline[None].astype(np.int64)),
        additional_forward_args=(torch.ones_like(batch),),
        n_steps=32,
    )

    (path,) = fixed_steps(loaded, score, [ids], [baseline], n_steps=32, budget=4096)

    expected = oracle.sum(-1)[0].detach().numpy()
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(path.values, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize(("family", "task"), CASES)
def test_halving_reaches_the_tolerance_at_the_true_end_of_the_path(load, texts, family, task):
    loaded = load(family, task)
    for text in texts:
        score, ids, baseline = prepared(loaded, text)

        path = integrated_gradients(loaded, score, ids, baseline, tolerance=0.02, max_steps=2048, budget=4096)

        assert path.converged
        difference = path.score - path.baseline_score
        assert abs(path.values.sum() - difference) <= 0.02 * max(abs(difference), 0.1) + 1e-9
        assert path.completeness_delta == pytest.approx(path.values.sum() - difference)


def test_halving_agrees_with_many_fixed_steps(load, texts):
    loaded = load("bert", "sequence-classification")
    for text in texts:
        score, ids, baseline = prepared(loaded, text)
        (exact,) = fixed_steps(loaded, score, [ids], [baseline], n_steps=400, budget=4096)

        path = integrated_gradients(loaded, score, ids, baseline, tolerance=0.02, max_steps=2048, budget=4096)

        assert np.abs(path.values - exact.values).sum() <= 0.06 * np.abs(exact.values).sum()
        assert path.n_steps < 400


def test_an_attribution_that_cannot_converge_in_the_steps_allowed_says_so(load, texts):
    loaded = load("bert", "sequence-classification")
    score, ids, baseline = prepared(loaded, texts[1])

    path = integrated_gradients(loaded, score, ids, baseline, tolerance=1e-9, max_steps=40, budget=4096)

    assert not path.converged
    assert path.n_steps <= 40


def test_a_linear_model_gets_its_weights_times_the_difference(load):
    """One unit of path suffices for a straight line, and the answer is known without any quadrature."""
    loaded = load("bert", "sequence-classification")
    ids = token_ids(loaded, ["maria has income"])["maria has income"]
    baseline = contrasts.baseline_ids(loaded, ids, (True, False, False, False, True), BASELINE)
    weight = torch.linspace(-1, 1, 32)
    seen = {}
    # What enters the first norm is the word embedding plus constants: a linear function of it.
    handle = loaded.model.bert.embeddings.LayerNorm.register_forward_pre_hook(lambda _m, args: seen.update(x=args[0]))

    path = integrated_gradients(
        loaded, lambda _logits: (seen["x"] @ weight).sum(-1), ids, baseline, tolerance=0.02, max_steps=64, budget=999
    )
    handle.remove()

    table = loaded.parts.embeddings.weight
    expected = (table[ids.astype(int)] - table[baseline.astype(int)]) @ weight
    np.testing.assert_allclose(path.values, expected.numpy(), atol=1e-5)
    assert path.n_steps == 17


def test_special_tokens_keep_their_place_in_the_baseline_input_and_get_nothing(load, texts):
    loaded = load("roberta", "sequence-classification")
    score, ids, baseline = prepared(loaded, texts[0])

    path = integrated_gradients(loaded, score, ids, baseline, tolerance=0.02, max_steps=512, budget=4096)

    assert (baseline[0], baseline[-1]) == (ids[0], ids[-1])
    assert path.values[[0, -1]].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("task", ["sequence-classification", "causal-lm"])
def test_feature_ablation_is_captum_s_and_equals_taking_each_token_out(load, texts, task):
    family = "bert" if task == "sequence-classification" else "llama"
    executor = LocalExecutor(load(family, task))
    score, ids, baseline = prepared(executor.loaded, texts[0])
    contrast = CLASSES if task == "sequence-classification" else ANSWERS
    request = Attributions(texts=(texts[0],), contrast=contrast, method="feature_ablation", baseline_input=BASELINE)

    answer, rows, _ = executor.attribute(request, texts[0], ids, seed=0)
    single, _ = replaced_scores(
        executor.loaded, score, ids, baseline, [(), *((i,) for i in range(len(ids)))], budget=512
    )

    np.testing.assert_allclose(answer.values, single[0] - single[1:], atol=1e-4)
    batch = torch.tensor(ids[None].astype(np.int64))
    oracle = FeatureAblation(oracle_forward(executor.loaded)).attribute(
        batch,
        baselines=torch.tensor(baseline[None].astype(np.int64)),
        additional_forward_args=(torch.ones_like(batch),),
    )
    np.testing.assert_allclose(answer.values, oracle[0].detach().numpy(), atol=1e-4)
    assert rows <= len(ids) + 4


def test_shapley_values_are_complete_and_repeat_under_their_seed(load, texts):
    executor = LocalExecutor(load("bert", "sequence-classification"))
    ids = token_ids(executor.loaded, [texts[0]])[texts[0]]
    request = Attributions(texts=(texts[0],), contrast=CLASSES, method="shapley_sampling", baseline_input=BASELINE)

    first, _, _ = executor.attribute(request, texts[0], ids, seed=3)
    again, _, _ = executor.attribute(request, texts[0], ids, seed=3)

    np.testing.assert_array_equal(first.values, again.values)
    assert first.values.sum() == pytest.approx(first.score - first.baseline_score, abs=1e-3)


def test_input_x_gradient_equals_the_gradient_at_the_text_times_the_embedding(load, texts):
    executor = LocalExecutor(load("bert", "sequence-classification"))
    loaded = executor.loaded
    score, ids, _ = prepared(loaded, texts[0])
    request = Attributions(texts=(texts[0],), contrast=CLASSES, method="input_x_gradient", baseline_input=BASELINE)

    answer, _, _ = executor.attribute(request, texts[0], ids, seed=0)

    batch = torch.tensor(ids[None].astype(np.int64))
    point = loaded.parts.embeddings(batch).detach().requires_grad_()
    with contrasts.embeddings_as(loaded.parts.embeddings, point):
        value = score(loaded.model(input_ids=batch, attention_mask=torch.ones_like(batch)).logits)
    (gradient,) = torch.autograd.grad(value.sum(), point)
    np.testing.assert_allclose(answer.values, (gradient * point).sum(-1)[0].detach().numpy(), atol=1e-4)


def test_a_zero_baseline_is_refused_where_norms_ignore_scale(load, texts):
    loaded = load("llama", "causal-lm")
    pad = loaded.tokenizer.pad_token_id
    assert loaded.parts.embeddings.weight[pad].norm() == 0, "transformers zeroes the padding row"
    ids = token_ids(loaded, [texts[0]])[texts[0]]

    with pytest.raises(CannotAnswer, match="embeds to zero, and this model's norms ignore scale"):
        contrasts.baseline_ids(loaded, ids, (False,) * len(ids), "pad")


def test_answers_of_several_tokens_are_refused_with_a_reason(load, texts):
    loaded = load("llama", "causal-lm")
    ids = token_ids(loaded, [texts[0]])[texts[0]]
    contrast = Contrast(target=Answers(texts=(" not for sure", " deny")), toward=" not for sure", against=" deny")

    with pytest.raises(CannotAnswer, match="' not for sure' has 3 tokens"):
        contrasts.bind(loaded, contrast, texts[0], ids)
