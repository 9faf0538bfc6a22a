"""Compares output distributions on the device: a vocabulary is too wide to bring home or to store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from audit.capture.model import LoadedModel
from audit.capture.passes import at_last_token
from audit.capture.tokens import Padded, TokenIds, pad
from audit.shapes import Floats

if TYPE_CHECKING:
    import torch


def divergences(loaded: LoadedModel, pairs: Sequence[tuple[TokenIds, TokenIds]]) -> tuple[Floats, int, int]:
    """Return (pairs, 2) with KL(text ‖ reference) in nats and total variation; the rows and tokens it cost.

    Parameters
    ----------
    pairs
        Token ids of reference and text. A reference that comes several times is run once.
    """
    import torch

    references = {reference.tobytes(): reference for reference, _ in pairs}
    place = {key: i for i, key in enumerate(references)}
    rows = [*references.values(), *(text for _, text in pairs)]
    batch = pad(loaded, rows)
    with torch.inference_mode():
        logs = _log_probabilities(loaded, batch)
        base = logs[torch.tensor([place[reference.tobytes()] for reference, _ in pairs], device=logs.device)]
        moved = logs[len(references) :]
        # Of zero probability nothing is lost or gained, though its logarithm is infinite.
        terms = torch.where(moved > -torch.inf, moved.exp() * (moved - base), torch.zeros_like(moved))
        kl = terms.sum(1).clamp(min=0)
        total_variation = (moved.exp() - base.exp()).abs().sum(1) / 2
    out = torch.stack([kl, total_variation], dim=1).double().cpu().numpy()
    return np.asarray(out), len(rows), batch.tokens


def _log_probabilities(loaded: LoadedModel, batch: Padded) -> torch.Tensor:
    if loaded.task == "causal-lm":
        with at_last_token(loaded, batch):
            logits = loaded.model(input_ids=batch.ids, attention_mask=batch.mask, use_cache=False).logits[:, 0]
    else:
        logits = loaded.model(input_ids=batch.ids, attention_mask=batch.mask).logits
    return logits.float().log_softmax(-1)
