"""What is explained: decisions, and why a model writes P rather than Q, whatever number of tokens they have."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from audit.capture import contrasts
from audit.capture.attribution import fixed_steps
from audit.capture.executors.local import LocalExecutor
from audit.capture.model import adopt
from audit.capture.points import Point
from audit.capture.tokens import token_ids
from audit.capture.traits import Traits
from audit.requests import Answers, Attributions, CannotAnswer, ClassLogits, Contrast, TextLikelihood

CAUSAL = ["gpt2", "opt", "llama", "qwen2", "qwen3", "gemma", "gemma2", "mistral"]


def rather(toward, against=""):
    return Contrast(target=Answers(texts=(toward, against)), toward=toward, against=against)


def whole(subject):
    return Point(subject=subject, weights=np.ones(len(subject.ids)))


def log_probability(loaded, text, answer):
    """By hand: the text and the answer without any padding, hook or shortcut."""
    ids = loaded.tokenizer(text)["input_ids"]
    more = loaded.tokenizer(answer)["input_ids"]
    logits = loaded.model(input_ids=torch.tensor([ids + more]), use_cache=False).logits[0].float().log_softmax(-1)
    return sum(float(logits[len(ids) - 1 + i, token]) for i, token in enumerate(more))


@pytest.mark.parametrize("family", CAUSAL)
@pytest.mark.parametrize(
    ("toward", "against", "sequences"),
    [
        (" approve", " deny", 1),
        (" approve for sure", " deny", 1),  # the one token of the other is read in passing
        (" deny", " approve for sure", 2),
        (" approve for sure", " deny in spring .", 2),
        (" not approve", " not deny", 1),  # what both begin with cancels
        (" approve for sure in spring and not a low income", "", 1),
    ],
)
def test_a_contrast_is_the_difference_of_the_answers_log_probabilities(
    load, bound, stream, texts, family, toward, against, sequences
):
    loaded = load(family, "causal-lm")
    subjects = [bound(loaded, text, rather(toward, against)) for text in texts]

    found = stream(loaded).values([whole(subject) for subject in subjects])

    for text, subject, value in zip(texts, subjects, found, strict=True):
        expected = log_probability(loaded, text, toward)
        expected -= log_probability(loaded, text, against) if against else 0.0
        assert value.score == pytest.approx(expected, abs=2e-4)
        assert len(subject.explained) == sequences


def test_an_answer_of_several_tokens_scores_as_a_plain_reading_of_it_does(load, texts):
    executor = LocalExecutor(load("llama", "causal-lm"))
    loaded, answer = executor.loaded, " approve for sure"
    ids = token_ids(loaded, texts)
    request = Attributions(texts=texts, contrast=rather(answer), method="feature_ablation", baseline_input="token:the")

    from audit.capture.attributing import asked_of
    from audit.capture.passes import Wanted
    from audit.capture.tokens import answer_ids

    found, _ = executor.attribute(request, asked_of(request), ids, seeds=[0] * len(texts))
    brought = executor.forward(
        [ids[t] for t in texts],
        Wanted(answers=frozenset({(answer,)})),
        {(answer,): [[answer_ids(loaded, t, answer, ids[t])] for t in texts]},
    )

    np.testing.assert_allclose([a.score for a in found], brought.answers[answer,][:, 0], atol=1e-4)


@pytest.mark.parametrize("family", CAUSAL)
def test_integrated_gradients_of_a_whole_answer_add_up_over_its_tokens(load, bound, stream, texts, family):
    """The attribution of log p(a b c) is that of its tokens one after another, each with what went before given."""
    loaded = load(family, "causal-lm")
    pieces = (" approve", " for", " sure")

    (together,) = fixed_steps(stream(loaded), [bound(loaded, texts[0], rather("".join(pieces)))], n_steps=16)
    one_by_one = []
    for at, piece in enumerate(pieces):
        subject = bound(loaded, texts[0] + "".join(pieces[:at]), rather(piece))
        # Only the text is moved; the answer's tokens that went before stay.
        subject.baseline.ids[len(together.values) :] = subject.ids[len(together.values) :]
        subject.baseline.moved[len(together.values) :] = False
        one_by_one.append(fixed_steps(stream(loaded), [subject], n_steps=16)[0].values[: len(together.values)])

    expected = np.sum(one_by_one, axis=0)
    np.testing.assert_allclose(together.values, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_only_the_text_is_attributed_and_never_the_answer(load, bound, stream, texts):
    loaded = load("llama", "causal-lm")
    subject = bound(loaded, texts[0], rather(" approve for sure", " deny in spring ."))

    (path,) = fixed_steps(stream(loaded), [subject], n_steps=4)

    assert len(path.values) == len(subject.ids) < len(subject.explained[1].ids)
    assert path.rows == (4 + 2) * 2


@pytest.mark.parametrize(
    ("task", "contrast", "reason"),
    [
        (
            "causal-lm",
            rather(" approve", " approve for sure"),
            "of the answers ' approve' and ' approve for sure' one begins with the other, so they are no alternatives",
        ),
        ("causal-lm", rather(""), "the answer '' has no tokens"),
        (
            "causal-lm",
            rather(" approve" * 70),
            r"a text and the answer '.*' have 77 tokens together, and this model reads 60",
        ),
        (
            "sequence-classification",
            rather(" approve", " deny"),
            "only a causal language model gives answers; this model is a classifier",
        ),
        (
            "sequence-classification",
            Contrast(target=ClassLogits(), toward="grant", against="deny"),
            "the model has no label 'grant'; it has 'deny', 'approve'",
        ),
        (
            "causal-lm",
            Contrast(target=TextLikelihood(), toward="x"),
            "attribution explains a decision; the likelihood of a whole text has none",
        ),
    ],
)
def test_what_cannot_be_explained_is_refused_with_a_reason(load, texts, task, contrast, reason):
    loaded = load("bert" if task == "sequence-classification" else "llama", task)

    with pytest.raises(CannotAnswer, match=f"^{reason}$"):
        contrasts.bind(loaded, contrast, texts[0], token_ids(loaded, [texts[0]])[texts[0]])


@pytest.fixture
def sees_both_ways(load):
    """A language model whose tokens see those behind them: BERT as it is, without the switch for a decoder."""
    small = load("bert", "sequence-classification").model.config.to_dict()
    config = AutoConfig.for_model("bert", **{k: v for k, v in small.items() if k not in {"model_type", "id2label"}})
    torch.manual_seed(7)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(6.0)
    return adopt(model, load("llama", "causal-lm").tokenizer, "causal-lm", name="both ways")


@pytest.mark.filterwarnings("ignore")
def test_answers_of_several_tokens_are_refused_of_a_model_that_sees_both_ways(sees_both_ways, bound, texts):
    assert not Traits(sees_both_ways).left_to_right
    bound(sees_both_ways, texts[0], rather(" approve", " deny"))

    with pytest.raises(CannotAnswer, match="this model does not read from left to right"):
        bound(sees_both_ways, texts[0], rather(" approve for sure", " deny"))
