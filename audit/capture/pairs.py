"""A text and its counterpart as tokens, and the number that is read when either of them is run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from audit.capture.contrasts import Reading, bind, read
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
    reading: Reading


def pair(loaded: LoadedModel, contrast: Contrast, text: str, ids: TokenIds, reference: TokenIds) -> Pair:
    """Bind a contrast to a text and its reference.

    Raises
    ------
    CannotAnswer
        When they have different numbers of tokens, the model has no such output, or the contrast is not read off
        the text's own tokens: behind an answer of several tokens states differ at places that no text has.
    """
    if len(ids) != len(reference):
        raise CannotAnswer(
            f"a text of {len(ids)} tokens and a reference of {len(reference)} do not align, "
            "and states are compared position by position"
        )
    readings = bind(loaded, contrast, text, ids)
    if len(readings) != 1 or len(readings[0].ids) != len(ids):
        raise CannotAnswer(
            f"the answers {contrast.toward!r} and {contrast.against!r} do not part at their first and only token, "
            "and parts are compared on the tokens of the text alone"
        )
    return Pair(text=ids, reference=reference, reading=readings[0])


def scores(
    loaded: LoadedModel, batch: Padded, pairs: Sequence[Pair], embeddings: torch.Tensor | None = None
) -> torch.Tensor:
    """Run a batch of one row per pair, its text or its reference; return the contrast of each, (rows,)."""
    return read(loaded, batch, [one.reading for one in pairs], embeddings)[0]
