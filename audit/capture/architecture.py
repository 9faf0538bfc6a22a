"""The parts of a transformers model that passes hook: embeddings, blocks, trunk and output head.

Nothing is known per family. The blocks are the one module list that is as long as the configuration says
the model is deep; what does not fit that is refused with a reason, not guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Modules by their role."""

    embeddings: nn.Module
    blocks: tuple[nn.Module, ...]
    trunk: nn.Module
    """The model without its head: what states need."""
    head: nn.Module | None
    """The output projection of a causal model."""


class UnknownArchitecture(ValueError):  # noqa: N818 - named as its reader sees it
    """The model is not built of a plain stack of blocks."""


def parts(model: PreTrainedModel) -> Parts:
    """Find the parts of a model.

    Raises
    ------
    UnknownArchitecture
        When the blocks cannot be told apart (encoder-decoders, models that share one block).
    """
    trunk = model.base_model
    depth = int(getattr(model.config.get_text_config(), "num_hidden_layers", 0))
    return Parts(
        embeddings=model.get_input_embeddings(),
        blocks=_blocks(trunk, depth),
        trunk=trunk,
        head=model.get_output_embeddings(),
    )


def _blocks(trunk: nn.Module, depth: int) -> tuple[nn.Module, ...]:
    from torch import nn

    if getattr(getattr(trunk, "config", None), "is_encoder_decoder", False):
        raise UnknownArchitecture("encoder-decoder models are not supported")
    stacks = [m for m in trunk.modules() if isinstance(m, nn.ModuleList) and len(m) == depth]
    # Lists inside a block (experts, projections) may have the same length; the outermost list comes first.
    if not stacks:
        raise UnknownArchitecture(f"no list of {depth} blocks was found in {type(trunk).__name__}")
    return tuple(stacks[0])


def position_table(model: PreTrainedModel) -> nn.Embedding | None:
    """Return the learned position embeddings, where the model has a table of them."""
    from torch import nn

    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            return module
    return None
