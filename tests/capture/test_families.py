"""Sixteen families with tiny random weights: our numbers are Captum's, and the delta is right where Captum's is not.

These tests need nothing but torch, transformers and Captum; ``make compat`` runs them on an older transformers too.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import FeatureAblation, LayerGradientXActivation, LayerIntegratedGradients

from audit.capture import attributing
from audit.capture.attribution import epsilon_of, fixed_steps, from_nothing, integrated_gradients
from audit.capture.coalitions import ablation_plan, ablation_values, replaced_tokens
from audit.capture.points import Point
from audit.capture.traits import Traits

ENCODERS = ["bert", "roberta", "xlm-roberta", "mpnet", "distilbert", "albert", "deberta", "deberta-v2", "modernbert"]
DECODERS = ["gpt2", "opt", "llama", "qwen2", "qwen3", "gemma", "mistral"]
CASES = [(family, "sequence-classification") for family in ENCODERS + DECODERS]
CASES += [(family, "causal-lm") for family in DECODERS]
SCALE_IGNORED = {"deberta", "deberta-v2", "modernbert", "llama", "qwen2", "qwen3", "gemma", "mistral"}
"""Families that add nothing to their embeddings before the first norm, as these tests configure them."""

LENGTH_FORGOTTEN = {"deberta", "deberta-v2", "modernbert"}
"""Families that normalise their embeddings before anything reads them."""


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


def as_batch(ids):
    return torch.tensor(ids[None].astype(np.int64))


def captum_s(method, loaded, subject, **more):
    """What a method of Captum's says of one text, summed over the width."""
    ids = as_batch(subject.ids)
    found = method.attribute(ids, additional_forward_args=(torch.ones_like(ids),), **more)
    found, delta = found if isinstance(found, tuple) else (found, None)
    values = (found if found.ndim == 2 else found.sum(-1))[0].detach().double().numpy()
    return values if delta is None else (values, float(delta))


def assert_equal(ours, theirs):
    assert np.abs(theirs).max() > 1e-3, "an attribution of nothing would equal anything"
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4 * np.abs(theirs).max())


@pytest.mark.parametrize(("family", "task"), CASES)
def test_integrated_gradients_equal_captum_s_at_the_same_quadrature_and_steps(load, bound, stream, texts, family, task):
    loaded = load(family, task)
    subjects = [bound(loaded, text) for text in texts]

    paths = fixed_steps(stream(loaded), subjects, n_steps=32)

    for subject, path in zip(subjects, paths, strict=True):
        oracle = LayerIntegratedGradients(oracle_forward(loaded), loaded.parts.embeddings)
        expected = captum_s(oracle, loaded, subject, baselines=as_batch(subject.baseline.ids), n_steps=32)
        assert_equal(path.values, expected)


@pytest.mark.parametrize(("family", "task"), CASES)
def test_halving_reaches_the_tolerance_at_the_true_end_of_the_path(load, bound, stream, texts, family, task):
    loaded = load(family, task)
    subjects = [bound(loaded, text) for text in texts]

    paths = integrated_gradients(stream(loaded), subjects, tolerance=0.02, max_steps=2048, epsilon=2**-23)

    for path in paths:
        difference = path.score - path.baseline_score
        assert path.converged
        assert abs(path.values.sum() - difference) <= 0.02 * max(abs(difference), 0.1) + 1e-6
        assert path.completeness_delta == pytest.approx(path.values.sum() - difference)
        assert 0 < path.delta_floor < 1e-4


@pytest.mark.parametrize(("family", "task"), [case for case in CASES if case[0] not in LENGTH_FORGOTTEN])
def test_input_x_gradient_equals_captum_s(load, bound, stream, texts, family, task):
    loaded = load(family, task)
    subjects = [bound(loaded, text) for text in texts]
    through = stream(loaded)

    found = through.values([Point(subject=s, weights=np.ones(len(s.ids))) for s in from_nothing(subjects)], slopes=True)

    for subject, value in zip(subjects, found, strict=True):
        oracle = LayerGradientXActivation(oracle_forward(loaded), loaded.parts.embeddings)
        assert_equal(value.slope, captum_s(oracle, loaded, subject))
    assert (through.calls, through.rows, through.rows_backward) == (1, len(texts), len(texts))


@pytest.mark.parametrize(("family", "task"), CASES)
def test_feature_ablation_equals_captum_s(load, bound, stream, texts, family, task):
    loaded = load(family, task)
    subject = bound(loaded, texts[1])
    groups = [(int(i),) for i in np.flatnonzero(subject.baseline.moved)]
    plan = ablation_plan(len(groups))

    (scores,) = attributing.replaced_scores(
        stream(loaded), [subject], [replaced_tokens(plan.present, groups, len(subject.ids))]
    )

    expected = captum_s(
        FeatureAblation(oracle_forward(loaded)), loaded, subject, baselines=as_batch(subject.baseline.ids)
    )
    assert_equal(ablation_values(plan, scores).values, expected[subject.baseline.moved])


@pytest.mark.parametrize("family", ["roberta", "xlm-roberta", "mpnet", "gpt2", "opt"])
def test_the_delta_is_right_where_captum_compares_with_a_run_on_other_ids(load, bound, stream, texts, family):
    """Positions counted from ids, and the place that a decoder classifier reads, move when ids become padding."""
    loaded = load(family, "sequence-classification")
    subject = bound(loaded, texts[1], baseline="pad")

    (path,) = fixed_steps(stream(loaded), [subject], n_steps=256)
    oracle = LayerIntegratedGradients(oracle_forward(loaded), loaded.parts.embeddings)
    values, delta = captum_s(
        oracle,
        loaded,
        subject,
        baselines=as_batch(subject.baseline.ids),
        n_steps=256,
        return_convergence_delta=True,
    )

    assert_equal(path.values, values)  # the attributions themselves are right in both
    assert abs(path.completeness_delta) < 0.02 * max(abs(path.score - path.baseline_score), 0.1)
    assert abs(delta) > 5 * abs(path.completeness_delta)
    assert abs(delta) > 0.01


@pytest.mark.parametrize(("family", "task"), CASES)
def test_what_a_model_does_with_scale_ids_and_gradients_is_measured(load, family, task):
    traits = Traits(load(family, task))

    assert traits.ignores_scale == (family in SCALE_IGNORED)
    assert traits.forgets_length == (family in LENGTH_FORGOTTEN)
    assert not traits.reads_ids_elsewhere
    assert not traits.quantised
    assert traits.gradients_hold


@pytest.mark.parametrize("family", DECODERS)
def test_padding_on_the_left_in_the_tokenizer_s_settings_changes_nothing(
    load, bound, stream, texts, family, monkeypatch
):
    loaded = load(family, "causal-lm")
    before = fixed_steps(stream(loaded), [bound(loaded, text) for text in texts], n_steps=8)

    monkeypatch.setattr(loaded.tokenizer, "padding_side", "left")
    after = fixed_steps(stream(loaded), [bound(loaded, text) for text in texts], n_steps=8)

    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one.values, other.values)


@pytest.mark.parametrize(("family", "task"), CASES)
def test_texts_that_share_batches_get_what_they_get_alone(load, bound, stream, texts, family, task):
    loaded = load(family, task)
    subjects = [bound(loaded, text) for text in texts]

    together = fixed_steps(stream(loaded), subjects, n_steps=8)

    for subject, path in zip(subjects, together, strict=True):
        (alone,) = fixed_steps(stream(loaded), [subject], n_steps=8)
        np.testing.assert_allclose(path.values, alone.values, rtol=1e-4, atol=1e-4 * np.abs(alone.values).max())


@pytest.mark.parametrize("family", ["bert", "llama"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_converges_to_its_floor_and_says_what_that_is(load, bound, stream, texts, family, dtype):
    full = load(family, "sequence-classification")
    exact = integrated_gradients(
        stream(full), [bound(full, t) for t in texts], tolerance=0.02, max_steps=2048, epsilon=2**-23
    )
    half = at_precision(full, dtype)
    paths = integrated_gradients(
        stream(half), [bound(half, t) for t in texts], tolerance=0.02, max_steps=2048, epsilon=epsilon_of(dtype)
    )

    for path, reference in zip(paths, exact, strict=True):
        allowed = 0.02 * max(abs(path.score - path.baseline_score), 0.1)
        assert path.delta_floor > 100 * reference.delta_floor
        assert abs(path.completeness_delta) <= max(allowed, path.delta_floor)
        assert np.abs(path.values - reference.values).sum() <= 0.15 * np.abs(reference.values).sum() + path.delta_floor
    assert all(path.converged for path in paths)


def at_precision(loaded, dtype):
    from copy import deepcopy
    from dataclasses import replace

    from audit.capture import architecture

    model = deepcopy(loaded.model).to(dtype)
    return replace(loaded, model=model, parts=architecture.parts(model), dtype=dtype)
