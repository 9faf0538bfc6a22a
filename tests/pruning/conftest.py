"""Small models with weights of many families, to be cut, and a folder of texts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    PreTrainedTokenizerFast,
)

from audit.capture.model import LoadedModel, Switches, open_model

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "the",
    "applicant",
    "maria",
    "john",
    "has",
    "a",
    "high",
    "low",
    "income",
    "yes",
    "no",
]
CPU = Switches(device="cpu")

_SMALL = {
    "vocab_size": len(WORDS), "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4,
    "intermediate_size": 24, "max_position_embeddings": 32, "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 2,
    "num_labels": 2, "id2label": {0: "deny", 1: "approve"}, "label2id": {"deny": 0, "approve": 1},
}  # fmt: skip
_OWN = {
    "distilbert": {"dim": 16, "n_layers": 2, "n_heads": 4, "hidden_dim": 24},
    "gpt2": {"n_embd": 16, "n_layer": 2, "n_head": 4, "n_positions": 32, "n_inner": 24},
    "opt": {"ffn_dim": 24, "word_embed_proj_dim": 16},
    "llama": {"num_key_value_heads": 2},
    "mistral": {"num_key_value_heads": 2},
    "electra": {"embedding_size": 8},
    "modernbert": {"cls_token_id": 2, "sep_token_id": 2},
}


def save_small(family: str, task: str, folder: Path, **settings: object) -> Path:
    """Save a small model with random weights and a tokenizer of a few words."""
    config = AutoConfig.for_model(family, **{**_SMALL, **_OWN.get(family, {}), **settings})
    loader = AutoModelForSequenceClassification if task == "sequence-classification" else AutoModelForCausalLM
    with torch.random.fork_rng():
        torch.manual_seed(5)
        model = loader.from_config(config)
        with torch.no_grad():
            for weight in model.parameters():
                # As initialised, biases are zero and the rest is so small that a cut would hardly show.
                weight.add_(0.3 * torch.randn_like(weight))
    model.save_pretrained(folder)
    backend = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", model_max_length=30
    )
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., LoadedModel]:
    """Open a small model of a family, fresh each time: a cut changes it."""
    saved: dict[tuple[str, str, str], Path] = {}

    def load(family: str, task: str, **settings: object) -> LoadedModel:
        key = (family, task, repr(settings))
        if key not in saved:
            saved[key] = save_small(family, task, tmp_path_factory.mktemp("small") / family, **settings)
        return open_model(str(saved[key]), task, CPU)

    return load
