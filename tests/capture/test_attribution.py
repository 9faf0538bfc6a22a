"""Integrated gradients against what can be computed by hand; ``test_families`` holds them against Captum."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from audit.capture import contrasts, points
from audit.capture.attribution import COARSE, FIRST_INTERVALS, SHAKEN, fixed_steps, integrated_gradients
from audit.requests import CannotAnswer

EPSILON = 2.0**-23


def halved(stream, subjects, *, tolerance=0.02, max_steps=2048, epsilon=EPSILON):
    return integrated_gradients(stream, subjects, tolerance=tolerance, max_steps=max_steps, epsilon=epsilon)


def test_halving_agrees_with_many_fixed_steps(load, bound, stream, texts):
    loaded = load("bert", "sequence-classification")
    subjects = [bound(loaded, text) for text in texts]

    paths = halved(stream(loaded), subjects)

    for path, exact in zip(paths, fixed_steps(stream(loaded), subjects, n_steps=400), strict=True):
        assert np.abs(path.values - exact.values).sum() <= 0.06 * np.abs(exact.values).sum()
        assert path.n_steps < 400


def test_texts_share_batches_and_end_with_what_they_end_with_alone(load, bound, stream, texts):
    loaded = load("qwen3", "causal-lm")
    subjects = [bound(loaded, text) for text in texts]
    shared = stream(loaded)

    together = halved(shared, subjects, tolerance=0.001)
    alone = [halved(stream(loaded), [subject], tolerance=0.001)[0] for subject in subjects]

    assert len({path.n_steps for path in together}) > 1, "texts that end together would show nothing"
    assert [p.n_steps for p in together] == [p.n_steps for p in alone]
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one.values, other.values, rtol=1e-4, atol=1e-5)
    assert shared.rows == shared.rows_backward == sum(p.rows for p in alone)
    # As many rounds as the slowest text has, some of two batches, not one after another for each text.
    assert shared.calls <= 2 * max(p.n_steps for p in alone) / 8


def test_an_attribution_that_cannot_converge_in_the_steps_allowed_says_so(load, bound, stream, texts):
    loaded = load("qwen3", "causal-lm")

    (path,) = halved(stream(loaded), [bound(loaded, texts[1])], tolerance=1e-5, max_steps=20)

    assert not path.converged
    assert path.n_steps <= 20
    assert path.local_error > 0


def test_a_linear_model_gets_its_weights_times_the_difference(load, bound, stream, monkeypatch):
    """One unit of path suffices for a straight line, and the answer is known without any quadrature."""
    loaded = load("bert", "sequence-classification")
    subject = bound(loaded, "maria has income")
    weight = torch.linspace(-1, 1, 32)

    def linear(loaded, batch, readings, embeddings=None):
        score = (embeddings @ weight).sum(-1)
        return score, score.detach().abs()

    monkeypatch.setattr(points, "read", linear)
    (path,) = halved(stream(loaded), [subject])

    table = loaded.parts.embeddings.weight
    expected = (table[subject.ids.astype(int)] - table[subject.baseline.ids.astype(int)]) @ weight
    np.testing.assert_allclose(path.values, expected.numpy(), atol=1e-5)
    assert path.n_steps == 2 * FIRST_INTERVALS + 1


def test_special_tokens_keep_their_place_in_the_baseline_input_and_get_nothing(load, bound, stream, texts):
    loaded = load("roberta", "sequence-classification")
    subject = bound(loaded, texts[0])

    (path,) = halved(stream(loaded), [subject])

    assert (subject.baseline.ids[0], subject.baseline.ids[-1]) == (subject.ids[0], subject.ids[-1])
    assert path.values[[0, -1]].tolist() == [0.0, 0.0]


def noisy(noise):
    """A model of one straight slope whose scores are rounded, as those of half precision are."""

    def read(loaded, batch, readings, embeddings=None):
        whole = embeddings.float().sum((1, 2))
        rounded = (whole / noise).round() * noise
        return whole + (rounded - whole).detach(), whole.detach().abs() * 0

    return read


def test_rounding_is_measured_stated_and_no_want_of_steps(load, bound, stream, monkeypatch):
    """Epsilon is half precision's, so the ends and the middle are shaken; the scores move by whole roundings."""
    loaded = load("bert", "sequence-classification")
    subjects = [bound(loaded, "maria has income"), bound(loaded, "the applicant has a high income .")]
    monkeypatch.setattr(points, "_shake", lambda point, rows, _: _shake_much(point, rows))
    monkeypatch.setattr(points, "read", noisy(0.05))

    paths = halved(stream(loaded), subjects, tolerance=0.001, epsilon=2 * COARSE)

    for path in paths:
        assert path.converged
        assert path.delta_floor >= 3 * 0.05
        assert path.rows == path.n_steps + len(SHAKEN)
        assert 0.0001 < abs(path.completeness_delta) <= path.delta_floor


def _shake_much(point, rows):
    for at, row in enumerate(rows):
        point[at] *= 1.0 + 0.5 * bool(row.point.jitter) * row.point.jitter


def test_a_model_without_gradients_is_refused_with_a_reason(load, bound, stream, texts, monkeypatch):
    loaded = load("bert", "sequence-classification")
    layer = loaded.model.bert.encoder.layer[0]
    forward = layer.forward

    def integer_weights(*args, **kwargs):
        with torch.no_grad():
            return forward(*args, **kwargs)

    monkeypatch.setattr(layer, "forward", integer_weights)
    with pytest.raises(CannotAnswer, match="this model gives no gradients"):
        halved(stream(loaded), [bound(loaded, texts[0])])


def test_embeddings_come_back_when_a_pass_breaks(load, texts):
    loaded = load("bert", "sequence-classification")
    ids = torch.tensor([loaded.tokenizer(texts[0])["input_ids"]])
    before = loaded.parts.embeddings(ids)

    with pytest.raises(ZeroDivisionError), contrasts.embeddings_as(loaded.parts.embeddings, before * 0):
        raise ZeroDivisionError

    assert torch.equal(loaded.parts.embeddings(ids), before)
