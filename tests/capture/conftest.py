"""Tiny random models of many families: valid for mechanics and equalities, not for effect sizes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    PreTrainedTokenizerFast,
)

from audit.capture import attributing
from audit.capture.executors.local import LocalExecutor
from audit.capture.model import LoadedModel, adopt
from audit.capture.points import Stream, Subject, run_rows
from audit.capture.tokens import token_ids
from audit.capture.traits import Traits
from audit.requests import Answers, Attributions, ClassLogits, Contrast

WORDS = ["the", "applicant", "maria", "john", "has", "a", "high", "low", "income", "and", "debt", "approve", "deny",
         "for", "sure", "not", "in", "spring", "she", "he", "."]  # fmt: skip
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
PAD = SPECIAL.index("<pad>")

_SMALL = {
    "vocab_size": len(SPECIAL) + len(WORDS),
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "pad_token_id": PAD,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "num_labels": 2,
    "id2label": {0: "deny", 1: "approve"},
    "label2id": {"deny": 0, "approve": 1},
}
_OWN = {
    "distilbert": {"dim": 32, "n_layers": 3, "n_heads": 4, "hidden_dim": 64},
    "gpt2": {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 64, "n_inner": 64},
    "opt": {"ffn_dim": 64, "word_embed_proj_dim": 32},
    "llama": {"num_key_value_heads": 2},
    "qwen2": {"num_key_value_heads": 2, "use_sliding_window": False},
    "qwen3": {"num_key_value_heads": 2, "head_dim": 8, "use_sliding_window": False},
    "gemma": {"num_key_value_heads": 2, "head_dim": 8},
    "gemma2": {"num_key_value_heads": 2, "head_dim": 8, "sliding_window": 8},
    "mistral": {"num_key_value_heads": 2, "sliding_window": None},
    # Groups share their weights; with one group to a block each is a block of its own.
    "albert": {"embedding_size": 16, "num_hidden_groups": 3},
    "deberta": {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_biased_input": False},
    "deberta-v2": {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_biased_input": False},
    "modernbert": {"global_attn_every_n_layers": 2, "local_attention": 8, "cls_token_id": 0, "sep_token_id": 2},
}
ENCODERS = frozenset(
    {
        *("bert", "roberta", "xlm-roberta", "mpnet", "distilbert", "albert"),
        *("deberta", "deberta-v2", "modernbert"),
    }
)


def make_tokenizer(*, encoder: bool) -> PreTrainedTokenizerFast:
    """A word-level tokenizer; encoders wrap the text in <s> and </s>."""
    vocabulary = {word: i for i, word in enumerate(SPECIAL + WORDS)}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if encoder:
        backend.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
        model_max_length=60,
    )


@cache
def tiny(family: str, task: str) -> LoadedModel:
    config = AutoConfig.for_model(family, **{**_SMALL, **_OWN.get(family, {})})
    loader = AutoModelForSequenceClassification if task == "sequence-classification" else AutoModelForCausalLM
    torch.manual_seed(7)
    model = loader.from_config(config)
    # Default initialisation is so small that all outputs are nearly equal; spread them.
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 2:
                parameter.mul_(6.0 if "embed" not in name else 2.0)
    return adopt(model, make_tokenizer(encoder=family in ENCODERS), task, name=f"tiny {family}")


@pytest.fixture
def load() -> Callable[[str, str], LoadedModel]:
    return tiny


@pytest.fixture
def executor() -> LocalExecutor:
    return LocalExecutor(tiny("bert", "sequence-classification"))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A classifier saved to a folder as transformers saves it."""
    loaded = tiny("bert", "sequence-classification")
    folder = tmp_path / "model"
    loaded.model.save_pretrained(folder)
    loaded.tokenizer.save_pretrained(folder)
    return folder


TEXTS = (
    "the applicant has a high income .",
    "maria has low debt and a high income and not a low income .",
    "john .",
    "the applicant john has high debt and low income in spring for sure .",
    "she has a low income and he has a high debt .",
)


@pytest.fixture
def texts() -> tuple[str, ...]:
    return TEXTS


# ---- attribution ---------------------------------------------------------------------------------

CLASSES = Contrast(target=ClassLogits(), toward="approve", against="deny")
ANSWERS = Contrast(target=Answers(texts=(" approve", " deny")), toward=" approve", against=" deny")


def subject_of(
    loaded: LoadedModel, text: str, contrast: Contrast | None = None, baseline: str = "token:the"
) -> Subject:
    """A text bound to a contrast (its decision by default) and a baseline input."""
    decision = CLASSES if loaded.task == "sequence-classification" else ANSWERS
    request = Attributions(texts=(text,), contrast=contrast or decision, baseline_input=baseline)
    ids = token_ids(loaded, [text])[text]
    return attributing.subject_of(Traits(loaded), request, text, ids, None)[0]


def stream_of(loaded: LoadedModel, budget: int = 4096) -> Stream:
    """A stream through a model."""
    return Stream(lambda rows, slopes: run_rows(loaded, rows, slopes), budget=budget)


@pytest.fixture
def bound() -> Callable[..., Subject]:
    return subject_of


@pytest.fixture
def stream() -> Callable[..., Stream]:
    return stream_of
