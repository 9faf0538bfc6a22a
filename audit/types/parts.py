"""Parts of a transformer that can carry a behaviour, and be cut out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

PartKind: TypeAlias = Literal["layer", "attention", "head", "mlp", "neuron"]
"""A block's whole output, its attention's, one head's, its MLP's, or one MLP neuron's.

A neuron is one entry of the activation that the MLP's last matrix reads; a head is its share of what the
attention's output matrix reads. Both are what that matrix writes from into the residual stream.
"""


@dataclass(frozen=True, kw_only=True, order=True)
class Part:
    """One part of a model, by the block it lies in."""

    kind: PartKind
    block: int
    """Counted from 0. (Layers of states count from 0 before the first block, so block k leaves layer k + 1.)"""
    index: int | None = None
    """Which head or neuron of the block; None for the kinds that a block has one of."""

    def __post_init__(self) -> None:
        if (self.index is None) == (self.kind in {"head", "neuron"}):
            raise ValueError(f"a {self.kind} of block {self.block} does not go with the index {self.index}")

    @property
    def name(self) -> str:
        """Name as the report prints it."""
        inner = "" if self.index is None else f" {self.index}"
        return f"block {self.block} {self.kind}{inner}" if self.kind != "layer" else f"block {self.block}"
