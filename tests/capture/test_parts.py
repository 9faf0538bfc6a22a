"""Heads and neurons are found in every family by what the model does with them, and guessed in none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModel

from audit.capture.model import LoadedModel
from audit.capture.parts import by_row, part_map
from audit.requests import CannotAnswer
from audit.types.parts import Part

CLASSIFIER = "sequence-classification"
FAMILIES = ["bert", "roberta", "distilbert", "gpt2", "opt", "llama", "qwen2", "qwen3", "mistral", "gemma", "gemma2"]
Load = Callable[[str, str], LoadedModel]

_VALUES = {
    "bert": "attention.self.value",
    "roberta": "attention.self.value",
    "distilbert": "attention.v_lin",
    "opt": "self_attn.v_proj",
}


def inputs_of(loaded: LoadedModel, matrix: nn.Module) -> list[torch.Tensor]:
    seen: list[torch.Tensor] = []
    handle = matrix.register_forward_pre_hook(lambda _, args: seen.append(args[0].detach().clone()))
    ids = loaded.tokenizer("maria has a high income .", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        loaded.model(input_ids=ids, attention_mask=torch.ones_like(ids))
    handle.remove()
    return seen


@pytest.mark.parametrize("family", FAMILIES)
def test_each_block_has_one_matrix_that_reads_the_heads_and_one_that_reads_the_neurons(load: Load, family: str) -> None:
    loaded = load(family, CLASSIFIER if family != "opt" else "causal-lm")

    found = part_map(loaded)

    assert len(found.blocks) == 3
    for block in found.blocks:
        (heads,), (neurons,) = inputs_of(loaded, block.attention), inputs_of(loaded, block.mlp)
        assert block.heads * block.head_width == 32
        assert block.neurons == 64
        assert by_row(heads, 1).shape == (1, heads.shape[1], 32)
        assert by_row(neurons, 1).shape == (1, heads.shape[1], 64)


@pytest.mark.parametrize("family", sorted(_VALUES))
def test_a_heads_columns_are_what_that_head_alone_writes(load: Load, family: str) -> None:
    loaded = load(family, CLASSIFIER if family != "opt" else "causal-lm")
    found = part_map(loaded)
    head = Part(kind="head", block=0, index=2)
    value = loaded.parts.blocks[0].get_submodule(_VALUES[family])
    (before,) = inputs_of(loaded, found.matrix(head))
    kept = value.weight.detach().clone()

    with torch.no_grad():
        value.weight[found.columns(head)] += 1.0
    (after,) = inputs_of(loaded, found.matrix(head))
    with torch.no_grad():
        value.weight.copy_(kept)

    changed = (after - before).abs().amax(dim=(0, 1)).nonzero().flatten().tolist()
    assert changed == list(range(16, 24))


def test_parts_of_a_kind_are_all_of_them_block_by_block(load: Load) -> None:
    found = part_map(load("bert", CLASSIFIER))

    heads = list(found.of_kind("head"))

    assert len(heads) == 3 * 4
    assert heads[5] == Part(kind="head", block=1, index=1)
    assert list(found.of_kind("mlp")) == [Part(kind="mlp", block=block) for block in range(3)]


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (Part(kind="mlp", block=3), "the model has 3 blocks, and block 3 mlp was asked for"),
        (
            Part(kind="head", block=0, index=4),
            "block 0 has 4 heads, counted from 0, and block 0 head 4 was asked for",
        ),
    ],
)
def test_a_part_that_the_model_lacks_is_refused_by_name(load: Load, part: Part, reason: str) -> None:
    found = part_map(load("bert", CLASSIFIER))

    with pytest.raises(CannotAnswer) as refused:
        found.check([part])

    assert str(refused.value) == reason


def loaded_like(load: Load, model_type: str, **config: Any) -> LoadedModel:
    small = {"vocab_size": 30, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    model = AutoModel.from_config(AutoConfig.for_model(model_type, **{**small, **config}))
    blocks = next(m for m in model.modules() if isinstance(m, nn.ModuleList) and len(m) == 2)
    parts = SimpleNamespace(blocks=tuple(blocks))
    return replace(load("bert", CLASSIFIER), model=model, parts=parts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("model_type", "more"),
    [
        ("xlm-roberta", {}),
        ("electra", {"embedding_size": 32}),
        ("mpnet", {}),
        ("deberta-v2", {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_buckets": 8}),
        ("modernbert", {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1, "sep_token_id": 2}),
        ("gpt_neox", {"bos_token_id": 1, "eos_token_id": 2}),
        ("gpt_neo", {"num_layers": 2, "num_heads": 4, "attention_types": [[["global"], 2]], "eos_token_id": 2}),
        ("phi", {}),
        ("phi3", {"pad_token_id": 0, "eos_token_id": 2, "num_key_value_heads": 2}),
        ("olmo2", {"num_key_value_heads": 2, "eos_token_id": 2}),
        ("stablelm", {"num_key_value_heads": 2}),
        ("falcon", {"ffn_hidden_size": 48, "eos_token_id": 2, "bos_token_id": 1}),
        ("gemma3_text", {"num_key_value_heads": 2, "head_dim": 6}),
    ],
)
def test_further_families_are_found_and_run_as_found(load: Load, model_type: str, more: dict[str, Any]) -> None:
    loaded = loaded_like(load, model_type, **{"intermediate_size": 48, "max_position_embeddings": 64, **more})

    found = part_map(loaded)

    for block in found.blocks:
        (heads,), (neurons,) = inputs_of(loaded, block.attention), inputs_of(loaded, block.mlp)
        assert by_row(heads, 1).shape == (1, heads.shape[1], block.heads * block.head_width)
        assert by_row(neurons, 1).shape == (1, heads.shape[1], block.neurons)
        assert (block.heads, block.neurons) == (4, 48)


def test_a_mixture_of_experts_is_refused(load: Load) -> None:
    mixture = loaded_like(load, "mixtral", intermediate_size=48, num_key_value_heads=2, num_local_experts=2)

    with pytest.raises(CannotAnswer) as refused:
        part_map(mixture)

    assert str(refused.value) == "block 0 is a mixture of experts, whose neurons are not told apart yet"


def test_an_unknown_family_is_refused_and_not_guessed(load: Load) -> None:
    unknown = loaded_like(load, "fnet", intermediate_size=48, num_attention_heads=4)

    with pytest.raises(CannotAnswer) as refused:
        part_map(unknown)

    assert str(refused.value).startswith("the attention's output matrix of block 0 was not found: ")


def test_heads_that_do_not_add_up_to_what_the_matrix_reads_are_refused(load: Load) -> None:
    odd = loaded_like(load, "llama", intermediate_size=48, num_key_value_heads=2)
    odd.model.config.num_attention_heads = 5

    with pytest.raises(CannotAnswer) as refused:
        part_map(odd)

    assert str(refused.value) == (
        "the attention's output matrix of block 0 reads 32 numbers, and 5 heads of 8 were expected"
    )
