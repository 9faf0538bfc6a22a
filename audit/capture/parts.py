"""Where a model's heads and neurons are: the two matrices of each block through which they write.

Whatever a family calls its modules, a block writes into the residual stream through two matrices: the attention's
output matrix, which reads the concatenated heads, and the MLP's last matrix, which reads the neurons. Changing what a
matrix reads changes what its head or neuron writes, and nothing else of it: biases and norms that follow (BERT,
Gemma 2) need no case of their own. So every part of a block is changed by a pre-hook of one of these matrices, and
a whole layer by a hook on its block.

The matrices are found by the ends of their names and then held against the configuration: one of each in a block,
as many inputs as heads times their width, outputs as wide as the residual stream. A model that does not fit (a
mixture of experts, an unknown family) is refused with the reason; a wrong guess would measure something else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from audit.capture.model import LoadedModel
from audit.requests import CannotAnswer
from audit.types.parts import Part, PartKind

if TYPE_CHECKING:
    import torch
    from torch import nn
    from transformers import PreTrainedModel

_READS_HEADS = (
    "attention.output.dense",  # BERT, RoBERTa, XLM-R, DeBERTa, ELECTRA
    "attention.out_lin",  # DistilBERT
    "attention.attn.o",  # MPNet
    "attn.Wo",  # ModernBERT
    "attn.c_proj",  # GPT-2
    "out_proj",  # OPT, GPT-J, GPT-Neo
    "o_proj",  # Llama, Qwen, Mistral, Gemma, Phi-3, OLMo, StableLM
    "attention.dense",  # GPT-NeoX
    "self_attention.dense",  # Falcon, BLOOM
    "self_attn.dense",  # Phi
)
_READS_NEURONS = (
    "output.dense",
    "ffn.lin2",
    "mlp.Wo",
    "mlp.c_proj",
    "fc2",
    "mlp.down_proj",
    "mlp.fc_out",
    "mlp.dense_4h_to_h",
)


@dataclass(frozen=True, kw_only=True, eq=False)
class BlockParts:
    """The two matrices of one block, and how what they read is divided."""

    attention: nn.Module
    """Reads the concatenated heads (rows, tokens, heads * head_width)."""
    mlp: nn.Module
    """Reads the neurons (rows, tokens, neurons); OPT hands it all rows' tokens in one (rows * tokens, neurons)."""
    heads: int
    head_width: int
    neurons: int

    def count(self, kind: PartKind) -> int:
        """Return how many parts of a kind the block has."""
        return {"head": self.heads, "neuron": self.neurons}.get(kind, 1)


@dataclass(frozen=True, kw_only=True, eq=False)
class PartMap:
    """The parts of a model, block by block."""

    blocks: tuple[BlockParts, ...]

    def of_kind(self, kind: PartKind) -> Iterator[Part]:
        """Yield every part of a kind, block by block."""
        for block, found in enumerate(self.blocks):
            if kind in {"head", "neuron"}:
                for index in range(found.count(kind)):
                    yield Part(kind=kind, block=block, index=index)
            else:
                yield Part(kind=kind, block=block)

    def check(self, parts: Sequence[Part]) -> None:
        """Check that the model has some parts.

        Raises
        ------
        CannotAnswer
            When it has no such block, head or neuron.
        """
        for part in parts:
            if not 0 <= part.block < len(self.blocks):
                raise CannotAnswer(f"the model has {len(self.blocks)} blocks, and {part.name} was asked for")
            most = self.blocks[part.block].count(part.kind)
            if part.index is not None and not 0 <= part.index < most:
                raise CannotAnswer(
                    f"block {part.block} has {most} {part.kind}s, counted from 0, and {part.name} was asked for"
                )

    def matrix(self, part: Part) -> nn.Module:
        """Return the matrix that a part of the attention or the MLP writes through.

        Raises
        ------
        ValueError
            Of a whole layer, which is what its block puts out and is read by no matrix alone.
        """
        block = self.blocks[part.block]
        if part.kind == "layer":
            raise ValueError(f"{part.name} is a whole layer, and no one matrix reads it")
        return block.attention if part.kind in {"attention", "head"} else block.mlp

    def width(self, part: Part) -> int:
        """Return how many numbers the matrix of a part reads."""
        block = self.blocks[part.block]
        return block.heads * block.head_width if part.kind in {"attention", "head"} else block.neurons

    def columns(self, part: Part) -> slice:
        """Return which of the inputs of its matrix are the part's own.

        Raises
        ------
        ValueError
            Of a whole layer; see ``matrix``.
        """
        width = self.blocks[part.block].head_width
        match part.kind, part.index:
            case "head", int(index):
                return slice(index * width, (index + 1) * width)
            case "neuron", int(index):
                return slice(index, index + 1)
            case "layer", _:
                raise ValueError(f"{part.name} is a whole layer, and no one matrix reads it")
        return slice(None)


def by_row(read: torch.Tensor, rows: int) -> torch.Tensor:
    """Return what a matrix reads as (rows, tokens, width), also where a family flattens rows and tokens into one axis.

    Of a contiguous tensor this is a view; ``view.reshape(read.shape)`` is the way back.
    """
    return read.reshape(rows, -1, read.shape[-1])


def part_map(loaded: LoadedModel) -> PartMap:
    """Find the heads and neurons of a model.

    Raises
    ------
    CannotAnswer
        With the reason, where the model is not built so that they can be told apart.
    """
    config = loaded.model.config.get_text_config()
    if getattr(config, "chunk_size_feed_forward", 0):
        raise CannotAnswer(
            "the heads and neurons cannot be followed, because the model runs its MLPs in pieces "
            "(chunk_size_feed_forward in its configuration)"
        )
    return PartMap(
        blocks=tuple(_block(loaded.model, number, block) for number, block in enumerate(loaded.parts.blocks))
    )


def _block(model: PreTrainedModel, number: int, block: nn.Module) -> BlockParts:
    config = model.config.get_text_config()
    width, heads = int(config.hidden_size), int(config.num_attention_heads)
    named = {name: module for name, module in block.named_modules() if name}
    if any("expert" in name for name in named):
        raise CannotAnswer(f"block {number} is a mixture of experts, whose neurons are not told apart yet")
    attention = _one(named, _READS_HEADS, number, "attention's output matrix")
    rest = {name: module for name, module in named.items() if module is not attention}
    mlp = _one(rest, _READS_NEURONS, number, "MLP's last matrix")
    (head_inputs, head_outputs), (neurons, neuron_outputs) = _widths(attention), _widths(mlp)
    head_width = int(getattr(config, "head_dim", None) or head_inputs // heads)
    if heads * head_width != head_inputs:
        raise CannotAnswer(
            f"the attention's output matrix of block {number} reads {head_inputs} numbers, "
            f"and {heads} heads of {head_width} were expected"
        )
    if {head_outputs, neuron_outputs} != {width}:
        raise CannotAnswer(
            f"the matrices of block {number} write {head_outputs} and {neuron_outputs} numbers, "
            f"and the residual stream has {width}"
        )
    return BlockParts(attention=attention, mlp=mlp, heads=heads, head_width=head_width, neurons=neurons)


def _one(named: dict[str, nn.Module], endings: Sequence[str], number: int, role: str) -> nn.Module:
    found = [name for name in named if any(name == ending or name.endswith(f".{ending}") for ending in endings)]
    if len(found) != 1:
        what = f"{' and '.join(found)} could each be it" if found else "no module has a known name for it"
        raise CannotAnswer(f"the {role} of block {number} was not found: {what}")
    if _widths(named[found[0]]) == (0, 0):
        raise CannotAnswer(f"the {role} of block {number}, {found[0]}, does not say how wide it is")
    return named[found[0]]


def _widths(matrix: nn.Module) -> tuple[int, int]:
    """Return the inputs and outputs of a matrix, whether it is a Linear (also a quantised one) or GPT-2's Conv1D."""
    wide: tuple[int, int] = (0, 0)
    for inputs, outputs in (("in_features", "out_features"), ("nx", "nf")):
        if hasattr(matrix, inputs) and hasattr(matrix, outputs):
            wide = int(getattr(matrix, inputs)), int(getattr(matrix, outputs))
    return wide
