"""Baseline inputs: what stands in a token's place, and which are refused of which models."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from audit.capture.baselines import baseline_of
from audit.capture.executors.local import LocalExecutor
from audit.capture.points import Point
from audit.capture.tokens import token_ids, tokenised
from audit.capture.traits import Traits
from audit.requests import Ablations, Answers, Attributions, CannotAnswer, ClassLogits, Contrast

CLASSES = Contrast(target=ClassLogits(), toward="approve", against="deny")
TEXT = "the applicant has a high income ."
OTHER = "the applicant has a low income ."


def baseline(loaded, name, text=TEXT, other=None):
    ids = token_ids(loaded, [text])[text]
    others = None if other is None else token_ids(loaded, [other])[other]
    return baseline_of(Traits(loaded), ids, tokenised(loaded, text).special, name, others)


@pytest.mark.parametrize(
    ("name", "token"), [("mask", "<mask>"), ("unk", "<unk>"), ("pad", "<pad>"), ("token:the", "the")]
)
def test_a_token_stands_in_for_all_that_are_not_special(load, name, token):
    loaded = load("bert", "sequence-classification")

    found = baseline(loaded, name)

    expected = ["<s>", *[token] * 7, "</s>"]
    assert loaded.tokenizer.convert_ids_to_tokens(found.ids.tolist()) == expected
    assert found.moved.tolist() == [False, token != "the", *[True] * 6, False]


def test_the_mean_embedding_is_that_of_what_the_module_puts_out_over_ordinary_tokens(load):
    loaded = load("gemma", "sequence-classification")  # it scales inside the module

    found = baseline(loaded, "mean").vector

    ordinary = [i for i in range(len(loaded.tokenizer)) if i not in loaded.tokenizer.all_special_ids]
    with torch.no_grad():
        expected = loaded.parts.embeddings(torch.tensor([ordinary]))[0].mean(0)
    torch.testing.assert_close(found, expected)
    if (
        type(loaded.parts.embeddings) is not torch.nn.Embedding
    ):  # before transformers 5 the model scales, not the module
        assert not torch.allclose(expected, loaded.parts.embeddings.weight[ordinary].mean(0), rtol=0.1)


@pytest.mark.parametrize("family", ["bert", "roberta", "mpnet", "albert", "gpt2", "opt"])
def test_zeros_are_allowed_where_something_is_added_to_embeddings(load, bound, stream, family):
    loaded = load(family, "sequence-classification")
    subject = bound(loaded, TEXT, baseline="zero")

    (value,) = stream(loaded).values([Point(subject=subject, weights=np.zeros(len(subject.ids)))])

    ids = torch.tensor(subject.ids[None].astype(np.int64))
    table = loaded.parts.embeddings(ids).detach() * torch.tensor(~subject.baseline.moved)[None, :, None]
    handle = loaded.parts.embeddings.register_forward_hook(lambda *_: table)
    logits = loaded.model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0]
    handle.remove()
    assert value.score == pytest.approx(float(logits[1] - logits[0]), abs=1e-5)


ZERO_PADDED = ["llama", "qwen3", "gemma", "mistral", "deberta-v2"]
"""Families whose padding row transformers fills with zeros."""


@pytest.mark.parametrize(
    ("family", "name"), [("modernbert", "zero"), *((f, n) for f in ZERO_PADDED for n in ("zero", "pad"))]
)
def test_zeros_are_refused_where_norms_ignore_scale(load, family, name):
    loaded = load(family, "sequence-classification")

    with pytest.raises(CannotAnswer, match=f"^the baseline input '{name}' embeds to zero, and this model's norms"):
        baseline(loaded, name)


def test_the_counterfactual_moves_only_what_differs(load):
    loaded = load("bert", "sequence-classification")

    found = baseline(loaded, "counterfactual", other=OTHER)

    assert [loaded.tokenizer.convert_ids_to_tokens(int(i)) for i in found.ids[found.moved]] == ["low"]


@pytest.mark.parametrize(
    ("name", "other", "reason"),
    [
        (
            "counterfactual",
            "the applicant has a very low income .",
            "a counterfactual has 10 tokens and its text 9: the path leads from each token to the one in its place, "
            "so both need the same number",
        ),
        ("token:high income", None, "the baseline input 'token:high income' has 2 tokens, expected one"),
        ("token:", None, "the baseline input 'token:' has 0 tokens, expected one"),
        ("cls", None, "this model's vocabulary has no token for the baseline input 'cls'"),
    ],
)
def test_what_is_no_baseline_input_is_refused_with_a_reason(load, name, other, reason):
    with pytest.raises(CannotAnswer) as refused:
        baseline(load("bert", "sequence-classification"), name, other=other)

    assert str(refused.value) == reason


@pytest.mark.parametrize(
    "wrong",
    [
        {"baseline_input": "counterfactual"},
        {"counterfactuals": ("a", "b")},
        {"baseline_input": "counterfactual", "counterfactuals": ("a",)},
    ],
)
def test_counterfactuals_go_with_their_texts_and_their_baseline_input(wrong):
    with pytest.raises(ValueError, match="counterfactual"):
        Attributions(texts=("x", "y"), contrast=CLASSES, **wrong)
    with pytest.raises(ValueError, match="counterfactual"):
        Ablations(texts=("x", "y"), positions=((), ()), contrast=CLASSES, **wrong)


def test_a_model_that_reads_ids_elsewhere_is_refused(load, bound, monkeypatch):
    loaded = load("llama", "causal-lm")
    forward = loaded.model.forward

    def with_ids(input_ids=None, **more):
        out = forward(input_ids=input_ids, **more)
        out.logits = out.logits + input_ids.float().sin()[:, : out.logits.shape[1], None] * out.logits
        return out

    contrast = Contrast(target=Answers(texts=(" approve", " deny")), toward=" approve", against=" deny")
    monkeypatch.setattr(loaded.model, "forward", with_ids)
    with pytest.raises(CannotAnswer, match="this model reads token ids elsewhere than in its embeddings"):
        bound(loaded, TEXT, contrast)


def test_one_executor_measures_its_model_s_traits_once(load, texts, monkeypatch):
    executor = LocalExecutor(load("bert", "sequence-classification"))
    ids = token_ids(executor.loaded, texts)
    calls = []
    handle = executor.loaded.model.register_forward_hook(lambda *_: calls.append(1))
    request = Ablations(texts=texts, positions=(((),),) * len(texts), contrast=CLASSES)

    from audit.capture.attributing import ablations_of

    executor.ablate(request, ablations_of(request), ids)
    first = len(calls)
    executor.ablate(request, ablations_of(request), ids)
    handle.remove()

    assert (first, len(calls)) == (3, 4)
