"""Small copies of real architectures: two or three blocks, width 64, about a hundred thousand parameters.

They have the parts that trip up an instrument: learned and rotary positions, LayerNorm and RMSNorm,
tied and untied output heads, classifiers that read the first or the last token.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from audit.organisms.organism import Organism
from audit.organisms.tokenizer import MOST_TOKENS, framing

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

WIDTH, HEADS = 64, 4


def settings(organism: Organism) -> Mapping[str, Any]:
    """Return what the configuration is made of: plain data, part of the cache key."""
    frame = framing(organism.shape)
    common: dict[str, Any] = {
        "vocab_size": len(frame.roles) + len(organism.vocabulary),
        "pad_token_id": frame.id("[PAD]"),
        **_by_shape(organism.shape, organism.blocks),
    }
    if organism.shape != "bert":
        common |= {"bos_token_id": frame.id("[BOS]"), "eos_token_id": frame.id("[EOS]")}
    if organism.task == "sequence-classification":
        common["id2label"] = dict(enumerate(organism.options))
        common["label2id"] = {label: i for i, label in enumerate(organism.options)}
    return common


def _by_shape(shape: str, blocks: int) -> dict[str, Any]:
    if shape == "gpt2":
        return {
            "n_embd": WIDTH,
            "n_layer": blocks,
            "n_head": HEADS,
            "n_inner": 2 * WIDTH,
            "n_positions": MOST_TOKENS,
            # Dropout blurs a rule that is to be exact; the tables are too small to overfit.
            "resid_pdrop": 0.0,
            "embd_pdrop": 0.0,
            "attn_pdrop": 0.0,
        }
    stack: dict[str, Any] = {
        "hidden_size": WIDTH,
        "num_hidden_layers": blocks,
        "num_attention_heads": HEADS,
        "intermediate_size": 2 * WIDTH,
        "max_position_embeddings": MOST_TOKENS,
    }
    if shape == "bert":
        return stack | {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    return stack | {"tie_word_embeddings": False}


def config(organism: Organism) -> PreTrainedConfig:
    """Return the configuration of an organism's model."""
    from transformers import BertConfig, GPT2Config, LlamaConfig

    kinds = {"bert": BertConfig, "gpt2": GPT2Config, "llama": LlamaConfig}
    return kinds[organism.shape](**settings(organism))


def untrained(organism: Organism) -> PreTrainedModel:
    """Return the model with initial weights drawn from torch's global generator."""
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

    kind = AutoModelForSequenceClassification if organism.task == "sequence-classification" else AutoModelForCausalLM
    return kind.from_config(config(organism))
