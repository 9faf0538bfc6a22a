"""What a run costs: counted as it happens, printed and recorded, never compared between runs."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass
class Cost:
    """Counters of one run."""

    rows_asked: int = 0
    rows_from_store: int = 0
    rows_forward: int = 0
    rows_backward: int = 0
    tokens_forward: int = 0
    tokens_backward: int = 0
    attribution_texts: int = 0
    attribution_rows: int = 0
    attribution_tokens: int = 0
    """Tokens forward within attribution and ablation, included in ``tokens_forward``."""
    unique: set[bytes] = field(default_factory=set)
    """Keys of the distinct (text, weights) pairs asked for; attribution apart."""
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the wall time of the block to a stage."""
        began = monotonic()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + monotonic() - began


def peak_device_memory(device: torch.device) -> int | None:
    """Return the most memory that was allocated on an accelerator, in bytes; None on the CPU."""
    import torch

    return int(torch.cuda.max_memory_allocated(device)) if device.type == "cuda" else None


def peak_memory() -> int:
    """Return the largest resident size of this process so far, in bytes (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
