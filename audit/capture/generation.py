"""Writes continuations: rows of equal length, so that nothing is padded, and one random stream per row.

Padding on the left, which generation in batches usually needs, shifts the positions of models that learned
them; rows of equal length need none. Samples are drawn by adding Gumbel noise to the logits and taking the largest
(Gumbel 1954; Maddison et al. 2014, arXiv 1411.0030), with a stream that belongs to the row: a sample does not
depend on which rows happened to share its batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.capture.model import LoadedModel
from audit.capture.tokens import TokenIds
from audit.requests import CannotAnswer, Generated

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class Written:
    """One continuation in tokens."""

    ids: TokenIds
    log_probability: float
    ended: bool


def generate(
    loaded: LoadedModel,
    rows: Sequence[TokenIds],
    *,
    max_new_tokens: int,
    streams: Sequence[np.random.Generator | None],
    temperature: float,
) -> list[Written]:
    """Continue rows of equal length; a row without a stream takes the most probable token each time.

    Raises
    ------
    CannotAnswer
        When the model writes no text, cannot hold prompt and continuation, or answers NaN.
    """
    import torch
    from transformers import GenerationConfig, LogitsProcessorList

    refuse_unwritable(loaded, len(rows[0]), max_new_tokens)
    ids = torch.from_numpy(np.stack(rows).astype(np.int64)).to(next(loaded.parts.embeddings.parameters()).device)
    ends = _ends(loaded)
    choose = _Choose(streams, temperature)
    settings = GenerationConfig(
        max_new_tokens=max_new_tokens,
        do_sample=False,
        eos_token_id=ends or None,
        pad_token_id=ends[0] if ends else 0,
        use_cache=True,
    )
    with torch.inference_mode():
        out = loaded.model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            generation_config=settings,
            logits_processor=LogitsProcessorList([choose]),
        )
    written = out[:, ids.shape[1] :].cpu().numpy().astype(np.int32)
    return [_cut(row, scores, ends) for row, scores in zip(written, np.stack(choose.scores, axis=1), strict=True)]


def refuse_unwritable(loaded: LoadedModel, length: int, max_new_tokens: int) -> None:
    """Refuse what cannot be generated.

    Raises
    ------
    CannotAnswer
        When the model is no causal model, or prompt and continuation exceed its context.
    """
    if loaded.task != "causal-lm":
        raise CannotAnswer("a classifier writes no text; only a causal model does")
    if length + max_new_tokens > loaded.max_length:
        raise CannotAnswer(
            f"a prompt of {length:,} tokens with {max_new_tokens:,} new ones exceeds the {loaded.max_length:,} "
            "that this model can hold"
        )


class _Choose:
    """Chooses each row's next token with the row's own noise, and keeps its log-probability."""

    def __init__(self, streams: Sequence[np.random.Generator | None], temperature: float) -> None:
        self.streams, self.temperature = streams, temperature
        self.scores: list[Any] = []

    def __call__(self, _ids: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        import torch

        logits = logits.float()
        if not torch.isfinite(logits.max(dim=1).values).all():
            raise CannotAnswer("the model's output is not a number (NaN or infinite) while it writes")
        noisy = logits / self.temperature
        for row, stream in enumerate(self.streams):
            if stream is not None:
                noise = stream.gumbel(size=logits.shape[1]).astype(np.float32)
                noisy[row] += torch.from_numpy(noise).to(logits.device)
        chosen = noisy.argmax(dim=1, keepdim=True)
        self.scores.append(logits.log_softmax(-1).gather(1, chosen)[:, 0].double().cpu().numpy())
        return torch.full_like(logits, -torch.inf).scatter_(1, chosen, 0.0)


def _ends(loaded: LoadedModel) -> list[int]:
    configured = getattr(loaded.model.generation_config, "eos_token_id", None)
    if configured is None:
        configured = loaded.tokenizer.eos_token_id
    if configured is None:
        return []
    return [int(i) for i in configured] if isinstance(configured, list | tuple) else [int(configured)]


def _cut(ids: TokenIds, scores: Any, ends: Sequence[int]) -> Written:
    """Cut a row behind its end-of-text token; what follows in a batch is padding."""
    found = np.flatnonzero(np.isin(ids, list(ends)))
    stop = int(found[0]) + 1 if len(found) else len(ids)
    return Written(ids=ids[:stop], log_probability=float(scores[:stop].sum()), ended=bool(len(found)))


def packed(written: Written) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return a continuation as one vector: log-probability, whether it ended, its tokens."""
    return np.concatenate([[written.log_probability, float(written.ended)], written.ids.astype(np.float64)])


def unpacked(loaded: LoadedModel, prompt: TokenIds, vector: np.ndarray[Any, np.dtype[np.float64]]) -> Generated:
    """Return a stored continuation as text."""
    ids = vector[2:].astype(int).tolist()
    decode = loaded.tokenizer.decode
    # Some tokenizers drop the space before a first word, so the continuation is read behind its prompt.
    before = decode(prompt.tolist(), skip_special_tokens=True)
    whole = decode([*prompt.tolist(), *ids], skip_special_tokens=True)
    text = whole[len(before) :] if whole.startswith(before) else decode(ids, skip_special_tokens=True)
    return Generated(text=text, ids=tuple(ids), log_probability=float(vector[0]), ended=bool(vector[1]))
