"""Baseline inputs: what stands in the place of tokens that are taken out.

No baseline input is neutral. Each has a score and a decision of its own, and the attribution explains the way from
there to the text; so callers ask for several and print what the model says of each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from audit.capture.tokens import TokenIds
from audit.capture.traits import Traits
from audit.requests import CannotAnswer
from audit.shapes import Bools

if TYPE_CHECKING:
    import torch

VANISHING = 0.01
"""An embedding shorter than this share of a typical one counts as none."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Baseline:
    """What stands in the place of each token of one text."""

    ids: TokenIds
    """Token ids; where ``vector`` is given, those of the tokens that are replaced stay the text's."""
    moved: Bools
    """Which tokens are replaced at all: the others are the same in both."""
    vector: torch.Tensor | None = None
    """(width,): an embedding that no token has."""


def baseline_of(
    traits: Traits,
    ids: TokenIds,
    special: tuple[bool, ...],
    baseline_input: str,
    counterfactual: TokenIds | None = None,
) -> Baseline:
    """Return the baseline input of one text. Special tokens stay: replacing them leaks attribution to them.

    Raises
    ------
    CannotAnswer
        When the vocabulary lacks such a token; when the counterfactual has another number of tokens; when the
        embedding is (nearly) zero in a model whose norms ignore scale: the path from there is a spike at its
        start that no number of steps resolves.
    """
    ordinary = ~np.asarray(special, dtype=bool)
    if baseline_input == "counterfactual":
        return _counterfactual(ids, ordinary, counterfactual)
    vector = _vector(traits, baseline_input)
    if vector is not None:
        _refuse_vanishing(traits, vector, baseline_input)
        return Baseline(ids=ids, moved=ordinary, vector=vector)
    token = baseline_token(traits, baseline_input)
    _refuse_vanishing(traits, _embedding(traits, token), baseline_input)
    replaced = np.where(ordinary, np.int32(token), ids).astype(np.int32)
    return Baseline(ids=replaced, moved=replaced != ids)


def _counterfactual(ids: TokenIds, ordinary: Bools, other: TokenIds | None) -> Baseline:
    assert other is not None, "the request gives a counterfactual for every text"
    if len(other) != len(ids):
        raise CannotAnswer(
            f"a counterfactual has {len(other)} tokens and its text {len(ids)}: the path leads from each token to "
            "the one in its place, so both need the same number"
        )
    if (other != ids)[~ordinary].any():
        raise CannotAnswer("a counterfactual has other special tokens than its text")
    return Baseline(ids=other.astype(np.int32), moved=other != ids)


def _vector(traits: Traits, baseline_input: str) -> torch.Tensor | None:
    import torch

    if baseline_input == "mean":
        return traits.mean_embedding
    return torch.zeros_like(traits.mean_embedding) if baseline_input == "zero" else None


def _embedding(traits: Traits, token: int) -> torch.Tensor:
    import torch

    embed = traits.loaded.parts.embeddings
    with torch.inference_mode():
        return embed(torch.tensor([[token]], device=next(embed.parameters()).device))[0, 0].float()


def _refuse_vanishing(traits: Traits, embedding: torch.Tensor, baseline_input: str) -> None:
    if float(embedding.norm()) < VANISHING * traits.typical_length and traits.ignores_scale:
        raise CannotAnswer(
            f"the baseline input {baseline_input!r} embeds to zero, and this model's norms ignore scale: "
            "integrated gradients from there do not converge"
        )


def baseline_token(traits: Traits, baseline_input: str) -> int:
    """Return the token that a baseline input names.

    Raises
    ------
    CannotAnswer
        When the vocabulary lacks it, or it is several.
    """
    tokenizer = traits.loaded.tokenizer
    named: Mapping[str, int | None] = {
        "mask": tokenizer.mask_token_id,
        "unk": tokenizer.unk_token_id,
        "pad": tokenizer.pad_token_id,
    }
    if baseline_input.startswith("token:"):
        found = tokenizer(baseline_input.removeprefix("token:"), add_special_tokens=False)["input_ids"]
        if len(found) != 1:
            raise CannotAnswer(f"the baseline input {baseline_input!r} has {len(found)} tokens, expected one")
        return int(found[0])
    token = named.get(baseline_input)
    if token is None:
        raise CannotAnswer(f"this model's vocabulary has no token for the baseline input {baseline_input!r}")
    return int(token)
