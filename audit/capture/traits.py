"""What a model does that its configuration does not say, measured once where it matters.

Attributions go through the embeddings: the token ids stay the text's, and what the embedding module puts out is
replaced. That holds for models that read ids nowhere else (and count positions from them at most), and an answer of
several tokens can be read off one pass only where no token sees those behind it. Both are tried, not guessed from
names.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from audit.capture.contrasts import embeddings_as
from audit.capture.model import LoadedModel

if TYPE_CHECKING:
    import torch
    from torch import nn

_TRIED = 8
"""Tokens of the sequence on which a model is tried."""
_IDS_AT_ONCE = 8192
_MOVE = 1 / 64
"""How far tokens are moved towards others to see what gradients miss."""
_OFF = 0.5
"""Share of a change that gradients may miss: rounding of eight-bit weights is coarse, a missing layer is more."""


class _Seen(Exception):  # noqa: N818 - control flow: the first norm has been reached
    pass


@dataclass(frozen=True)
class Traits:
    """Measured traits of one model."""

    loaded: LoadedModel

    @cached_property
    def _ordinary(self) -> torch.Tensor:
        """Ids of the vocabulary that are not special, on the embeddings' device."""
        import torch

        tokenizer, table = self.loaded.tokenizer, self.loaded.parts.embeddings
        known = min(len(tokenizer), int(self.loaded.model.config.get_text_config().vocab_size))
        special = torch.tensor(sorted({*map(int, tokenizer.all_special_ids)}), dtype=torch.long)
        ids = torch.arange(known)
        return ids[~torch.isin(ids, special)].to(next(table.parameters()).device)

    @cached_property
    def mean_embedding(self) -> torch.Tensor:
        """Mean of what the embedding module puts out over the vocabulary, special tokens left out: (width,)."""
        import torch

        embed, total = self.loaded.parts.embeddings, torch.zeros(())
        with torch.inference_mode():
            # The module, not its table: some families scale inside (Gemma).
            sums = [embed(ids[None])[0].double().sum(0) for ids in self._ordinary.split(_IDS_AT_ONCE)]
            total = torch.stack(sums).sum(0) / len(self._ordinary)
        return total.float().clone()

    @cached_property
    def typical_length(self) -> float:
        """Median length of an ordinary token's embedding, over at most 8,192 tokens of the vocabulary."""
        import torch

        step = max(1, len(self._ordinary) // _IDS_AT_ONCE)
        with torch.inference_mode():
            return float(self.loaded.parts.embeddings(self._ordinary[None, ::step]).float().norm(dim=-1).median())

    @cached_property
    def ignores_scale(self) -> bool:
        """Whether the first norm sees the embeddings alone, so that half of them is no weaker input.

        Then a path from an embedding of zeros is a spike at its start (RMSNorm families, ModernBERT, every
        model with rotary positions): nothing is added to the embeddings before they are normalised.
        """
        import torch

        ids = self._ordinary[:_TRIED][None]
        with torch.inference_mode():
            whole = self.loaded.parts.embeddings(ids)
            seen = [self._first_norm_input(ids, whole * scale) for scale in (1.0, 0.5)]
        if seen[0] is None or seen[1] is None:
            return False
        full, half = seen[0].float(), seen[1].float()
        return bool((full * 0.5 - half).abs().max() <= 0.01 * full.abs().max())

    def _first_norm_input(self, ids: torch.Tensor, embeddings: torch.Tensor) -> torch.Tensor | None:
        """Return what enters the first norm of the model; None where it has none."""
        import torch

        found: list[torch.Tensor] = []

        def keep(_: nn.Module, args: tuple[Any, ...]) -> None:
            found.append(args[0])
            raise _Seen

        norms = [m for m in self.loaded.parts.trunk.modules() if type(m).__name__.lower().endswith("norm")]
        handles = [norm.register_forward_pre_hook(keep) for norm in norms]
        try:
            with embeddings_as(self.loaded.parts.embeddings, embeddings):
                self.loaded.parts.trunk(input_ids=ids, attention_mask=torch.ones_like(ids))
        except _Seen:
            return found[0]
        finally:
            for handle in handles:
                handle.remove()
        return None

    @cached_property
    def forgets_length(self) -> bool:
        """Whether embeddings of 32 times the length give the same output: they are normalised and never seen again.

        A function that ignores how long an embedding is has no slope along it (Euler), so input × gradient
        comes out as zero whatever the token does (DeBERTa without position embeddings, ModernBERT).
        """
        import torch

        ids = self._ordinary[:_TRIED][None]
        with torch.inference_mode():
            embeddings, outputs = self.loaded.parts.embeddings(ids), []
            for scale in (1.0, 32.0):
                with embeddings_as(self.loaded.parts.embeddings, embeddings * scale):
                    outputs.append(self._outputs(ids))
        return bool((outputs[0] - outputs[1]).abs().max() <= 0.05 * outputs[0].abs().max())

    @cached_property
    def reads_ids_elsewhere(self) -> bool:
        """Whether the output moves when ids change and the embeddings do not (tables per layer, hashes of ids)."""
        import torch

        ids = self._ordinary[:_TRIED][None]
        others = ids.roll(1, dims=1) if ids.shape[1] > 1 else ids
        with torch.inference_mode(), embeddings_as(self.loaded.parts.embeddings, self.loaded.parts.embeddings(ids)):
            first, second = (self._outputs(some) for some in (ids, others))
        return self._differ(first, second)

    @cached_property
    def left_to_right(self) -> bool:
        """Whether what the model says of a token stays the same whatever follows it."""
        import torch

        ids = self._ordinary[:_TRIED][None]
        with torch.inference_mode():
            alone, followed = self._outputs(ids[:, :-2]), self._outputs(ids)[:, : ids.shape[1] - 2]
        return not self._differ(alone, followed)

    @cached_property
    def quantised(self) -> bool:
        """Whether weights are held as something else than floating-point numbers, or the configuration says so."""
        config = self.loaded.model.config
        declared = getattr(config, "quantization_config", None) is not None
        return declared or any(not weight.is_floating_point() for weight in self.loaded.model.parameters())

    @cached_property
    def gradients_hold(self) -> bool:
        """Whether gradients say what the output does when embeddings really move a little.

        A quantised layer may compute forward only. Where others beside it pass gradients on (residual streams do),
        what arrives is a gradient, and a wrong one; so each of some tokens is moved in turn.
        """
        import torch

        ids = self._ordinary[:_TRIED][None]
        with torch.no_grad():
            whole = self.loaded.parts.embeddings(ids).detach().float()
        way = whole.roll(1, dims=1) - whole
        with torch.enable_grad():
            point = whole.clone().requires_grad_()
            score = self._projected(ids, point)
            if not score.requires_grad:
                return False
            (gradient,) = torch.autograd.grad(score.sum(), point)
        moved = torch.eye(ids.shape[1], device=whole.device)[:, :, None] * way * _MOVE
        with torch.inference_mode():
            many = ids.expand(len(moved), -1)
            change = self._projected(many, whole + moved) - self._projected(many, whole - moved)
        expected = (gradient * way)[0].sum(-1)
        return bool((change / (2 * _MOVE) - expected).norm() <= _OFF * (change / (2 * _MOVE)).norm())

    def _projected(self, ids: torch.Tensor, embeddings: torch.Tensor) -> torch.Tensor:
        """Return one number per row that all logits at the last token have a part in."""
        import torch

        with embeddings_as(self.loaded.parts.embeddings, embeddings.to(self.loaded.dtype)):
            logits = self._outputs(ids)
        last = logits if logits.ndim == 2 else logits[:, -1]
        return last @ torch.arange(last.shape[1], device=last.device, dtype=last.dtype).cos()

    def _outputs(self, ids: torch.Tensor) -> torch.Tensor:
        import torch

        return self.loaded.model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.float()

    def _differ(self, a: torch.Tensor, b: torch.Tensor) -> bool:
        import torch

        # Sequences of other lengths are multiplied in another order, so the last digits may differ.
        allowed = max(1e-4, 8 * torch.finfo(self.loaded.dtype).eps)
        return bool((a - b).abs().max() > allowed * a.abs().max().clamp(min=1e-6))
