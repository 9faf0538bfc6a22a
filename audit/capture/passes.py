"""One forward pass over one batch, giving everything that was asked of its texts at once.

States are pooled on the device inside hooks, so only pooled vectors travel. The head is applied only where
its output is asked, and only at those positions. When nothing but states is asked, the pass runs without
a head and stops after the deepest layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from audit import shapes
from audit.capture.interventions import RowShifts, shifting
from audit.capture.model import LoadedModel
from audit.capture.tokens import Padded, TokenIds, TokenRange, pad
from audit.requests import Pool
from audit.shapes import Floats

if TYPE_CHECKING:
    import torch
    from torch import nn


Pooling: TypeAlias = tuple[Pool, int]
"""How states are pooled, and over which of a text's token ranges; ``WHOLE`` stands for all of its tokens."""
WHOLE = -1


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a pass has to bring back for each of its texts."""

    class_logits: bool = False
    answers: frozenset[tuple[str, ...]] = frozenset()
    """Sets of answer texts; each gives one column per answer."""
    likelihood: bool = False
    pools: frozenset[Pooling] = frozenset()
    layers: tuple[int, ...] = ()

    @property
    def outputs(self) -> bool:
        """Whether the head is needed."""
        return self.class_logits or self.likelihood or bool(self.answers)

    def __or__(self, other: Wanted) -> Wanted:
        """Return what satisfies both."""
        return Wanted(
            class_logits=self.class_logits or other.class_logits,
            answers=self.answers | other.answers,
            likelihood=self.likelihood or other.likelihood,
            pools=self.pools | other.pools,
            layers=tuple(sorted({*self.layers, *other.layers})),
        )


@dataclass(kw_only=True)
class Brought:
    """What a pass brought back: arrays with one row per text of the batch."""

    class_logits: Floats | None = None
    answers: dict[tuple[str, ...], Floats] = field(default_factory=dict)
    likelihood: Floats | None = None
    """(rows, 2): log-likelihood in nats, number of tokens scored."""
    states: dict[Pooling, shapes.States] = field(default_factory=dict)
    """(layers, rows, width) per pooling."""
    rows: int = 0
    tokens: int = 0

    def joined(self, other: Brought) -> Brought:
        """Return the rows of both, in order: a batch that had to be split."""
        return Brought(
            class_logits=_stack(self.class_logits, other.class_logits, axis=0),
            answers={k: np.concatenate([v, other.answers[k]]) for k, v in self.answers.items()},
            likelihood=_stack(self.likelihood, other.likelihood, axis=0),
            states={k: np.concatenate([v, other.states[k]], axis=1) for k, v in self.states.items()},
            rows=self.rows + other.rows,
            tokens=self.tokens + other.tokens,
        )


def _stack(a: Floats | None, b: Floats | None, axis: int) -> Floats | None:
    return None if a is None or b is None else np.concatenate([a, b], axis=axis)


def forward(
    loaded: LoadedModel,
    rows: Sequence[TokenIds],
    wanted: Wanted,
    answers: Mapping[tuple[str, ...], Sequence[Sequence[TokenIds]]],
    *,
    ranges: Sequence[Sequence[TokenRange]] = (),
    shifts: RowShifts | None = None,
) -> Brought:
    """Run one batch.

    Parameters
    ----------
    rows
        Token ids of each text.
    wanted
        What to bring back.
    answers
        For each set of answer texts: per row, the tokens of each answer.
    ranges
        Per row, the token ranges that poolings count.
    shifts
        An intervention, one vector per row.
    """
    import torch

    batch = pad(loaded, rows)
    brought = Brought(rows=len(rows), tokens=batch.tokens)
    with torch.inference_mode(), ExitStack() as stack:
        if shifts is not None:
            # Before the pooling hooks, so that states asked for at the same layer are the shifted ones.
            stack.enter_context(shifting(loaded, batch, shifts))
        pooled = stack.enter_context(_pooling(loaded, batch, wanted, ranges))
        if not wanted.outputs:
            _trunk(loaded, batch)
        elif loaded.task == "sequence-classification":
            out = loaded.model(input_ids=batch.ids, attention_mask=batch.mask)
            brought.class_logits = _floats(out.logits)
        else:
            _causal(loaded, batch, wanted, answers, brought)
        brought.states = {pool: _states(layers, wanted.layers) for pool, layers in pooled.items()}
    return brought


# ---- states --------------------------------------------------------------------------------------


class _DeepEnough(Exception):  # noqa: N818 - control flow: the deepest layer has been seen
    pass


def _trunk(loaded: LoadedModel, batch: Padded) -> None:
    cache = {"use_cache": False} if loaded.parts.head is not None or hasattr(loaded.model.config, "use_cache") else {}
    try:
        loaded.parts.trunk(input_ids=batch.ids, attention_mask=batch.mask, **cache)
    except _DeepEnough:
        return


@contextmanager
def _pooling(
    loaded: LoadedModel, batch: Padded, wanted: Wanted, ranges: Sequence[Sequence[TokenRange]]
) -> Iterator[dict[Pooling, dict[int, torch.Tensor]]]:
    """Hook the blocks so that each wanted layer leaves its pooled states behind."""
    pooled: dict[Pooling, dict[int, torch.Tensor]] = {pooling: {} for pooling in wanted.pools}
    over = {slot: _range(batch, ranges, slot) for _, slot in wanted.pools}
    handles = []
    deepest = max(wanted.layers, default=-1)

    def keep(layer: int, hidden: torch.Tensor) -> None:
        for (pool, slot), layers in pooled.items():
            # Only the pass over the texts counts: answers that continue them run the blocks again.
            if layer not in layers:
                layers[layer] = _pool(hidden, pool, *over[slot])
        if layer == deepest and not wanted.outputs:
            raise _DeepEnough

    def entering(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        keep(0, args[0] if args else kwargs["hidden_states"])

    def leaving(layer: int) -> Any:
        return lambda _module, _args, output: keep(layer, output[0] if isinstance(output, tuple) else output)

    if wanted.pools:
        if 0 in wanted.layers:
            handles.append(loaded.parts.blocks[0].register_forward_pre_hook(entering, with_kwargs=True))
        handles += [
            loaded.parts.blocks[layer - 1].register_forward_hook(leaving(layer)) for layer in wanted.layers if layer > 0
        ]
    try:
        yield pooled
    finally:
        for handle in handles:
            handle.remove()


def _range(batch: Padded, ranges: Sequence[Sequence[TokenRange]], slot: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the first token and the one behind the last of what is pooled, row by row."""
    import torch

    if slot == WHOLE:
        return torch.zeros_like(batch.lengths), batch.lengths
    chosen = torch.tensor([row[slot] for row in ranges], device=batch.lengths.device)
    return chosen[:, 0], chosen[:, 1]


def _pool(hidden: torch.Tensor, pool: Pool, start: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
    """Return (rows, width) in float32."""
    import torch

    start, end = start.to(hidden.device), end.to(hidden.device)
    if pool in {"first", "last"}:
        return hidden[torch.arange(len(hidden), device=hidden.device), start if pool == "first" else end - 1].float()
    place = torch.arange(hidden.shape[1], device=hidden.device)[None, :]
    within = (place >= start[:, None]) & (place < end[:, None])
    if pool == "max":
        return hidden.float().masked_fill(~within[:, :, None], -torch.inf).amax(1)
    # A batched product reads the states once and writes no masked copy of them.
    weights = within.float() / (end - start)[:, None]
    return torch.bmm(weights[:, None, :], hidden.float())[:, 0]


def _states(layers: Mapping[int, torch.Tensor], order: Sequence[int]) -> shapes.States:
    import torch

    # Blocks of a spread model live on several devices; the pooled rows are small enough to bring home first.
    out: shapes.States = torch.stack([layers[layer].cpu() for layer in order]).numpy()
    return out


# ---- outputs of causal models --------------------------------------------------------------------


def _causal(
    loaded: LoadedModel,
    batch: Padded,
    wanted: Wanted,
    answers: Mapping[tuple[str, ...], Sequence[Sequence[TokenIds]]],
    brought: Brought,
) -> None:
    several = any(len(tokens) > 1 for sets in answers.values() for row in sets for tokens in row)
    with nullcontext() if wanted.likelihood else at_last_token(loaded, batch):
        out = loaded.model(input_ids=batch.ids, attention_mask=batch.mask, use_cache=several)
    if wanted.likelihood:
        brought.likelihood = _likelihood(out.logits, batch)
        last = out.logits[range(len(batch.ids)), (batch.lengths - 1).to(out.logits.device)]
    else:
        last = out.logits[:, 0]
    first = last.float().log_softmax(-1)
    for texts, rows in answers.items():
        columns = [
            _answer(loaded, batch, first, [row[i] for row in rows], out.past_key_values if several else None)
            for i in range(len(texts))
        ]
        brought.answers[texts] = np.stack(columns, axis=1)


@contextmanager
def at_positions(loaded: LoadedModel, positions: torch.Tensor) -> Iterator[None]:
    """Apply the head to chosen positions (rows, chosen) only: logits become (rows, chosen, vocabulary)."""
    import torch

    assert loaded.parts.head is not None

    def gather(_: nn.Module, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor]:
        hidden = args[0]
        rows = torch.arange(len(hidden), device=hidden.device)[:, None]
        return (hidden[rows, positions.to(hidden.device)],)

    handle = loaded.parts.head.register_forward_pre_hook(gather)
    try:
        yield
    finally:
        handle.remove()


def at_last_token(loaded: LoadedModel, batch: Padded) -> AbstractContextManager[None]:
    """Apply the head to the last real token of each row only: logits become (rows, 1, vocabulary)."""
    return at_positions(loaded, batch.lengths[:, None] - 1)


def _likelihood(logits: torch.Tensor, batch: Padded) -> Floats:
    """Return the summed log-probability of every token after the first, row by row (logits are large)."""
    import torch

    sums = []
    for row, length in enumerate(batch.lengths.tolist()):
        scores = logits[row, : length - 1].float().log_softmax(-1)
        targets = batch.ids[row, 1:length].to(scores.device)
        sums.append(scores.gather(1, targets[:, None]).double().sum())
    lengths = (batch.lengths - 1).double().cpu()
    out: Floats = torch.stack([torch.stack(sums).cpu(), lengths], dim=1).numpy()
    return out


def _answer(loaded: LoadedModel, batch: Padded, first: torch.Tensor, tokens: Sequence[TokenIds], cache: Any) -> Floats:
    """Return the log-probability of one answer per row, continuing from the cached texts."""
    import torch

    rows = torch.arange(len(tokens), device=first.device)
    start = torch.tensor([int(t[0]) for t in tokens], device=first.device)
    total = first[rows, start].double()
    if cache is not None and max(map(len, tokens)) > 1:
        total = total + _continuation(loaded, batch, tokens, cache).to(total.device)
    out: Floats = total.cpu().numpy()
    return out


def _continuation(loaded: LoadedModel, batch: Padded, tokens: Sequence[TokenIds], cache: Any) -> torch.Tensor:
    """Score answer tokens after the first: the texts are not run again, their keys and values are reused.

    Rows shorter than the longest have padding between text and answer; the mask hides it and explicit
    position ids close the gap. A sliding window counts that gap as distance, so there text and answer
    are run together instead.
    """
    import torch

    answer = pad(loaded, tokens)
    if any(getattr(cache, "is_sliding", ())):
        logits = _after_texts(loaded, batch, tokens, steps=answer.ids.shape[1] - 1)
    else:
        device, given = batch.ids.device, answer.ids[:, :-1]
        steps = given.shape[1]
        out = loaded.model(
            input_ids=given,
            attention_mask=torch.cat([batch.mask, answer.mask[:, :-1]], dim=1),
            position_ids=batch.lengths[:, None].to(device) + torch.arange(steps, device=device)[None, :],
            past_key_values=cache,
            use_cache=True,
        )
        cache.crop(-steps)
        logits = out.logits
    targets = answer.ids[:, 1:].to(logits.device)
    picked = logits.float().log_softmax(-1).gather(2, targets[:, :, None])[:, :, 0].double()
    return (picked * answer.mask[:, 1:].to(picked.device)).sum(1)


def _after_texts(loaded: LoadedModel, batch: Padded, tokens: Sequence[TokenIds], *, steps: int) -> torch.Tensor:
    """Return the logits (rows, steps, vocabulary) at the first ``steps`` answer tokens, without a cache."""
    import torch

    texts = [batch.ids[i, :n].cpu().numpy() for i, n in enumerate(batch.lengths.tolist())]
    together = pad(loaded, [np.concatenate([text, answer]) for text, answer in zip(texts, tokens, strict=True)])
    positions = batch.lengths[:, None].cpu() + torch.arange(steps)[None, :]
    with at_positions(loaded, positions.clamp(max=together.ids.shape[1] - 1)):
        return loaded.model(input_ids=together.ids, attention_mask=together.mask, use_cache=False).logits


def _floats(values: torch.Tensor) -> Floats:
    out: Floats = values.double().cpu().numpy()
    return out
