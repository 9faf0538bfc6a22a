"""A model that reads padding as text is noticed before anything is measured."""

from __future__ import annotations

import pytest

from audit.capture.executors.local import LocalExecutor
from audit.capture.passes import Wanted
from audit.capture.self_test import self_test
from audit.errors import UserError

CLASSIFIERS = ["bert", "roberta", "distilbert", "gpt2", "llama", "qwen2", "qwen3", "gemma"]


@pytest.mark.parametrize("family", CLASSIFIERS)
def test_families_answer_in_a_batch_what_they_answer_alone(load, texts, tmp_path, family):
    executor = LocalExecutor(load(family, "sequence-classification"))

    said = self_test(executor, texts, Wanted(class_logits=True), tmp_path)

    assert said.startswith("8 texts run in one batch and alone: outputs differ by at most ")


@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma"])
def test_causal_models_do_so_for_answers_of_several_tokens(load, texts, tmp_path, family):
    executor = LocalExecutor(load(family, "causal-lm"))
    wanted = Wanted(answers=frozenset({(" approve", " not for sure")}), likelihood=True)

    assert "outputs differ by at most" in self_test(executor, texts, wanted, tmp_path)


def test_a_model_that_ignores_the_mask_is_refused(load, texts, tmp_path):
    loaded = load("bert", "sequence-classification")
    executor = LocalExecutor(loaded)
    block = loaded.parts.trunk

    def drop_mask(_module, args, kwargs):
        return args, {**kwargs, "attention_mask": None}

    handle = block.register_forward_pre_hook(drop_mask, with_kwargs=True)
    with pytest.raises(UserError) as error:
        self_test(executor, texts, Wanted(class_logits=True), tmp_path)
    handle.remove()

    assert str(error.value).startswith(
        "The model answers differently in a batch and alone\n\ntiny bert: outputs differ by "
    )
    assert not (tmp_path / "self_test.json").exists()


def test_a_passed_test_is_remembered_and_runs_nothing(load, texts, tmp_path, monkeypatch):
    executor = LocalExecutor(load("bert", "sequence-classification"))
    first = self_test(executor, texts, Wanted(class_logits=True), tmp_path)
    monkeypatch.setattr(LocalExecutor, "forward", lambda *_a, **_k: pytest.fail("the model was asked"))

    assert self_test(executor, texts, Wanted(class_logits=True), tmp_path) == first
