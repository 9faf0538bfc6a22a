"""A text and its counterpart as tokens, and the number that is read when either of them is run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from audit.capture.contrasts import Logits2Score, bind, logits
from audit.capture.model import LoadedModel
from audit.capture.tokens import Padded, TokenIds
from audit.requests import CannotAnswer, Contrast

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True, eq=False)
class Pair:
    """A text and its reference of as many tokens, with the contrast that is read off both."""

    text: TokenIds
    reference: TokenIds
    score: Logits2Score


def pair(loaded: LoadedModel, contrast: Contrast, text: str, ids: TokenIds, reference: TokenIds) -> Pair:
    """Bind a contrast to a text and its reference.

    Raises
    ------
    CannotAnswer
        When they have different numbers of tokens, or the model has no such output.
    """
    if len(ids) != len(reference):
        raise CannotAnswer(
            f"a text of {len(ids)} tokens and a reference of {len(reference)} do not align, "
            "and states are compared position by position"
        )
    return Pair(text=ids, reference=reference, score=bind(loaded, contrast, text, ids).score)


def scores(
    loaded: LoadedModel, batch: Padded, pairs: Sequence[Pair], embeddings: torch.Tensor | None = None
) -> torch.Tensor:
    """Run a batch of one row per pair, its text or its reference; return the contrast of each, (rows,)."""
    import torch

    found = logits(loaded, batch, embeddings)
    return torch.stack([one.score(found[i : i + 1])[0] for i, one in enumerate(pairs)])
