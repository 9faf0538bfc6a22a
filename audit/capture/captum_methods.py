"""Attribution methods taken from Captum, called so that its traps are avoided.

Per text, with a mask, the model in evaluation mode and the contrast as a plain tensor function. Captum's
own wrappers for language models are not used: from transformers 5.3 on their default path feeds the whole
sequence on top of the cache and returns plausible, wrong numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from audit.capture.contrasts import Logits2Score, logits
from audit.capture.model import LoadedModel
from audit.capture.tokens import Padded, TokenIds, pad
from audit.requests import Method
from audit.shapes import Floats

if TYPE_CHECKING:
    import torch

SHAPLEY_SAMPLES = 25
"""Captum's default number of permutations."""


def attribute(
    loaded: LoadedModel,
    method: Method,
    score: Logits2Score,
    ids: TokenIds,
    baseline: TokenIds,
    *,
    budget: int,
    seed: int,
) -> tuple[Floats, int]:
    """Return one signed value per token, and the rows it cost.

    ``feature_ablation`` and ``shapley_sampling`` replace tokens by the baseline input's;
    ``input_x_gradient`` uses no baseline and saturates, so it only screens.
    """
    import torch

    batch = pad(loaded, [ids])
    forward = _Forward(loaded, score, batch)
    other = torch.from_numpy(baseline.astype(np.int64))[None].to(batch.ids.device)
    if method == "input_x_gradient":
        return _input_x_gradient(loaded, forward, batch), forward.rows
    # Tokens that the baseline input keeps share one group: taking it out changes nothing and costs one row.
    kept = batch.ids[0] == other[0]
    groups = torch.where(kept, 0, torch.cumsum(~kept, 0) * (~kept)).long()[None]
    per_call = max(1, budget // len(ids))
    with torch.inference_mode():
        if method == "feature_ablation":
            values = _feature_ablation(forward, batch.ids, other, groups, per_call)
        else:
            values = _shapley_sampling(forward, batch.ids, other, groups, per_call, seed)
    values = torch.where(kept[None], torch.zeros((), device=values.device), values)
    return values[0].double().cpu().numpy(), forward.rows


class _Forward:
    """The contrast as a function of token ids that counts its rows."""

    def __init__(self, loaded: LoadedModel, score: Logits2Score, like: Padded) -> None:
        self._loaded, self._score, self._like, self.rows = loaded, score, like, 0

    def __call__(self, ids: torch.Tensor) -> torch.Tensor:
        rows = len(ids)
        self.rows += rows
        batch = Padded(ids=ids, mask=self._like.mask.expand(rows, -1), lengths=self._like.lengths.expand(rows))
        return self._score(logits(self._loaded, batch))


def _feature_ablation(
    forward: _Forward, ids: torch.Tensor, baseline: torch.Tensor, groups: torch.Tensor, per_call: int
) -> torch.Tensor:
    from captum.attr import FeatureAblation

    method = FeatureAblation(forward)
    out: torch.Tensor = method.attribute(ids, baselines=baseline, feature_mask=groups, perturbations_per_eval=per_call)
    return out


def _shapley_sampling(
    forward: _Forward,
    ids: torch.Tensor,
    baseline: torch.Tensor,
    groups: torch.Tensor,
    per_call: int,
    seed: int,
) -> torch.Tensor:
    import torch
    from captum.attr import ShapleyValueSampling

    method = ShapleyValueSampling(forward)
    # Captum draws its permutations from torch's global generator.
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        out: torch.Tensor = method.attribute(
            ids,
            baselines=baseline,
            feature_mask=groups,
            n_samples=SHAPLEY_SAMPLES,
            perturbations_per_eval=per_call,
        )
    return out


def _input_x_gradient(loaded: LoadedModel, forward: _Forward, batch: Padded) -> Floats:
    from captum.attr import LayerGradientXActivation

    method = LayerGradientXActivation(forward, loaded.parts.embeddings)
    values = method.attribute(batch.ids)
    out: Floats = values.detach().float().sum(-1)[0].double().cpu().numpy()
    return out
