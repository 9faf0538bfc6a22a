"""Moves the states that leave a layer while a pass runs: one vector per row, so that many fit into one pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from audit.capture.model import LoadedModel
from audit.capture.tokens import Padded
from audit.requests import CannotAnswer, Shift
from audit.shapes import Floats

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True, kw_only=True, eq=False)
class RowShifts:
    """What is done to each row of a batch; see ``requests.Shift``."""

    layer: int
    mode: Literal["add", "project_out"]
    at: Literal["all", "last"]
    vectors: Floats
    """(rows, width)"""

    def part(self, rows: slice) -> RowShifts:
        """Return what is done to some of the rows."""
        return replace(self, vectors=self.vectors[rows])


def check(loaded: LoadedModel, shift: Shift) -> None:
    """Check that a shift fits the model.

    Raises
    ------
    CannotAnswer
        When the model has no such layer, or states of another width.
    """
    blocks = len(loaded.parts.blocks)
    width = int(loaded.model.config.get_text_config().hidden_size)
    if not 0 <= shift.layer <= blocks:
        raise CannotAnswer(f"the model has layers 0 to {blocks}, and an intervention at {shift.layer} was asked for")
    if len(shift.vector) != width:
        raise CannotAnswer(f"the model's states have {width} units, and the direction has {len(shift.vector)}")


@contextmanager
def shifting(loaded: LoadedModel, batch: Padded, shifts: RowShifts) -> Iterator[None]:
    """Hook the layer so that each row leaves it moved along its own vector."""
    import torch

    vectors = torch.from_numpy(np.ascontiguousarray(shifts.vectors, dtype=np.float32))
    text_width = batch.ids.shape[1]

    def moved(hidden: torch.Tensor) -> torch.Tensor:
        along = vectors.to(hidden.device)
        if shifts.mode == "add":
            change = along[:, None, :].expand(-1, hidden.shape[1], -1)
        else:
            unit = along / along.norm(dim=1, keepdim=True)
            change = -(hidden.float() @ unit[:, :, None]) * unit[:, None, :]
        if shifts.at == "last":
            # An answer that continues cached texts comes without them, and its tokens are not the last of the text.
            last = torch.zeros(hidden.shape[:2], device=hidden.device)
            if hidden.shape[1] >= text_width:
                last[torch.arange(len(hidden)), batch.lengths.to(hidden.device) - 1] = 1.0
            change = change * last[:, :, None]
        return (hidden.float() + change).to(hidden.dtype)

    def entering(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if args:
            return (moved(args[0]), *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": moved(kwargs["hidden_states"])}

    def leaving(_module: nn.Module, _args: Any, output: Any) -> Any:
        return (moved(output[0]), *output[1:]) if isinstance(output, tuple) else moved(output)

    blocks = loaded.parts.blocks
    if shifts.layer == 0:
        handle = blocks[0].register_forward_pre_hook(entering, with_kwargs=True)
    else:
        handle = blocks[shifts.layer - 1].register_forward_hook(leaving)
    try:
        yield
    finally:
        handle.remove()
