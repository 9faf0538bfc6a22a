"""Activation patching: a text is read with some parts held at what they are when a reference is read.

Attribution patching estimates the same for every part at once from the gradient (``part_effects``); ``patched``
carries it out for sets of parts. Both compare states position by position, so a text and its reference must have the
same number of tokens.

References
----------
Vig et al. (2020), Causal mediation analysis for interpreting neural NLP. Meng et al. (2022), Locating and editing
factual associations in GPT, arXiv 2202.05262. Nanda (2023), Attribution patching. Syed, Rager & Conmy (2023), arXiv
2310.10348. Kramar et al. (2024), AtP*, arXiv 2403.00745. Zhang & Nanda (2024), Towards best practices of activation
patching, arXiv 2309.16042.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.capture.model import LoadedModel
from audit.capture.pairs import Pair, scores
from audit.capture.parts import PartMap, by_row
from audit.capture.tokens import Padded, pad
from audit.requests import CannotAnswer
from audit.shapes import Floats
from audit.types import Part

if TYPE_CHECKING:
    import torch
    from torch import nn

GRADIENT_SHARE = 8
"""A pass that keeps every head's and neuron's input and its gradient takes a batch of an eighth of the usual tokens."""


# ---- watching ------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class _Seen:
    """What a pass left at its nodes, each (rows, tokens, width): block by block."""

    states: list[torch.Tensor] = field(default_factory=list)
    """What enters the first block, then what each block puts out."""
    attention: list[torch.Tensor] = field(default_factory=list)
    mlp: list[torch.Tensor] = field(default_factory=list)

    @property
    def all(self) -> list[torch.Tensor]:
        return [*self.states, *self.attention, *self.mlp]


@contextmanager
def _watching(loaded: LoadedModel, where: PartMap, rows: int) -> Iterator[_Seen]:
    """Keep what stands at every node, in the graph of the pass where it has one."""
    seen = _Seen()

    def entering(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        seen.states.append(args[0] if args else kwargs["hidden_states"])

    def leaving(_module: nn.Module, _args: Any, output: Any) -> None:
        seen.states.append(output[0] if isinstance(output, tuple) else output)

    def reading(kept: list[torch.Tensor]) -> Callable[..., None]:
        return lambda _module, args: kept.append(args[0])

    with ExitStack() as stack:
        blocks = loaded.parts.blocks
        handles = [blocks[0].register_forward_pre_hook(entering, with_kwargs=True)]
        handles += [block.register_forward_hook(leaving) for block in blocks]
        for block in where.blocks:
            handles.append(block.attention.register_forward_pre_hook(reading(seen.attention)))
            handles.append(block.mlp.register_forward_pre_hook(reading(seen.mlp)))
        for handle in handles:
            stack.callback(handle.remove)
        yield seen
    _check_read_once(loaded, seen, rows)


def _check_read_once(loaded: LoadedModel, seen: _Seen, rows: int) -> None:
    blocks = len(loaded.parts.blocks)
    for what, kept in (("attention's output matrix", seen.attention), ("MLP's last matrix", seen.mlp)):
        if len(kept) != blocks or any(tensor.numel() % (rows * tensor.shape[-1]) for tensor in kept):
            raise CannotAnswer(
                f"the {what} ran {len(kept)} times in {blocks} blocks, and once in each was expected: "
                "what it reads cannot be told apart by block and token"
            )


# ---- to first order ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Effects:
    """What a batch of pairs gave, one vector per pair (see ``packed``), and what it cost."""

    values: list[Floats]
    forward_rows: int
    backward_rows: int

    def __add__(self, other: Effects) -> Effects:
        """Return both, in order."""
        return Effects(
            values=[*self.values, *other.values],
            forward_rows=self.forward_rows + other.forward_rows,
            backward_rows=self.backward_rows + other.backward_rows,
        )


def part_effects(loaded: LoadedModel, where: PartMap, pairs: Sequence[Pair], *, both_ends: bool) -> Effects:
    """Return (state of the reference - state of the text) x gradient for every node of every pair.

    The pairs of a batch are padded to one width. The gradient is that of the score at the text; with ``both_ends``
    the mean of it and that at the reference, which makes the estimate exact to second order along a straight line.
    """
    texts, references = pad(loaded, [p.text for p in pairs]), pad(loaded, [p.reference for p in pairs])
    here, score, slopes = _run(loaded, where, texts, pairs, gradient=True)
    there, other, more = _run(loaded, where, references, pairs, gradient=both_ends)
    out = []
    for node, (a, b) in enumerate(zip(here, there, strict=True)):
        slope = (slopes[node].float() + more[node].float()) / 2 if both_ends else slopes[node].float()
        out.append(by_row((b.float() - a.float()) * slope, len(pairs)))
    return Effects(
        values=_by_pair(where, texts, score, other, out),
        forward_rows=2 * len(pairs),
        backward_rows=len(pairs) * (2 if both_ends else 1),
    )


def _by_pair(
    where: PartMap, texts: Padded, score: Floats, other: Floats, effects: Sequence[torch.Tensor]
) -> list[Floats]:
    """Return the packed effects of every pair; ``effects`` holds (pairs, tokens, width) of each node."""
    blocks, real = len(where.blocks), texts.mask.bool()
    # What stands at padding is no state of the text; its gradient is zero as a rule, and left out in any case.
    states = np.stack([_numbers(node.sum(-1)) for node in effects[: blocks + 1]], axis=1)
    heads = [
        _numbers(_over_tokens(node, real).unflatten(1, (block.heads, block.head_width)).sum(-1))
        for node, block in zip(effects[blocks + 1 : 2 * blocks + 1], where.blocks, strict=True)
    ]
    neurons = [_numbers(_over_tokens(node, real)) for node in effects[2 * blocks + 1 :]]
    return [
        packed(
            float(score[i]),
            float(other[i]),
            states[i, :, :length],
            [block[i] for block in heads],
            [block[i] for block in neurons],
        )
        for i, length in enumerate(texts.lengths.tolist())
    ]


def _run(
    loaded: LoadedModel, where: PartMap, batch: Padded, pairs: Sequence[Pair], *, gradient: bool
) -> tuple[list[torch.Tensor], Floats, list[torch.Tensor]]:
    """Run a batch; return its nodes, its scores (rows,) and, where asked, the gradient at every node."""
    import torch

    with torch.set_grad_enabled(gradient):
        with _watching(loaded, where, len(batch.ids)) as seen:
            start = loaded.parts.embeddings(batch.ids).detach().requires_grad_(gradient)
            score = scores(loaded, batch, pairs, start)
        if gradient and not score.requires_grad:
            raise CannotAnswer("the model gives no gradients (quantised, perhaps), and parts are ranked by them")
        # Rows do not influence each other, so one backward of the sum serves all of them.
        got = torch.autograd.grad(score.sum(), seen.all, allow_unused=True) if gradient else ()
    slopes = [torch.zeros_like(n) if g is None else g for n, g in zip(seen.all, got, strict=gradient)]
    return [node.detach() for node in seen.all], score.detach().double().cpu().numpy(), slopes


def _over_tokens(node: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """Return (rows, width): the sum over the real tokens."""
    return (node * real.to(node.device)[:, :, None]).sum(1)


def _numbers(values: torch.Tensor) -> Floats:
    out: Floats = values.double().cpu().numpy()
    return out


def packed(
    score: float, reference: float, states: Floats, heads: Sequence[Floats], neurons: Sequence[Floats]
) -> Floats:
    """Return the effects of one pair as one vector, its sizes first; ``evidence`` takes it apart again."""
    sizes = [*states.shape, len(heads), len(heads[0]), len(neurons[0])]
    return np.concatenate([sizes, [score, reference], states.ravel(), *heads, *neurons]).astype(np.float64)


# ---- carried out ---------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Row:
    """A pair with the parts that are taken from its reference."""

    pair: Pair
    parts: tuple[Part, ...]
    positions: tuple[int, ...] | None = None
    """Tokens at which they are taken; None for all of them."""


def patched(loaded: LoadedModel, where: PartMap, rows: Sequence[Row]) -> tuple[Floats, int]:
    """Return the score of each row, and the number of texts that were read for it.

    Each reference is read once, however many rows take from it, and only what some row takes is kept.
    """
    import torch

    where.check([part for row in rows for part in row.parts])
    pairs = list(dict.fromkeys(row.pair for row in rows))
    # Texts are as long as their references, so both batches are padded to one width.
    references, texts = pad(loaded, [p.reference for p in pairs]), pad(loaded, [row.pair.text for row in rows])
    of_row = torch.tensor([pairs.index(row.pair) for row in rows])
    changes = _changes(loaded, where, rows, tokens=texts.ids.shape[1])
    with torch.inference_mode():
        if changes:
            with _hooked(changes, keeping=True, of_row=of_row):
                scores(loaded, references, pairs)
        with _hooked(changes, keeping=False, of_row=of_row):
            out = scores(loaded, texts, [row.pair for row in rows])
    if not all(change.runs == 2 for change in changes):
        raise CannotAnswer("a matrix did not run once in each pass, so what was to be changed is not what was changed")
    return out.double().cpu().numpy(), len(rows) + (len(pairs) if changes else 0)


@dataclass(kw_only=True, eq=False)
class _Change:
    """What is taken from the references at one node."""

    module: nn.Module
    puts_out: bool
    """Whether the node is what the module puts out (a block), rather than what it reads (a matrix)."""
    columns: torch.Tensor
    """Which units of the node some row takes, (taken,)."""
    mask: torch.Tensor
    """(rows, taken): which of them each row takes."""
    at: torch.Tensor
    """(rows, tokens): at which tokens."""
    source: torch.Tensor | None = None
    """(references, tokens, taken)"""
    runs: int = 0

    def meet(self, node: torch.Tensor, *, keeping: bool, of_row: torch.Tensor) -> torch.Tensor:
        """Keep what the references have at the node, or put it into the texts; return the node as it goes on."""
        import torch

        self.runs += 1
        rows = len(self.mask) if not keeping else int(of_row.max()) + 1
        view, columns = by_row(node, rows), self.columns.to(node.device)
        if keeping:
            self.source = view[:, :, columns].clone()
            return node
        assert self.source is not None, "references are read first"
        changed = view.clone()
        taken = self.source[of_row.to(node.device)]
        mask = (self.at[:, :, None] & self.mask[:, None, :]).to(node.device)
        changed[:, :, columns] = torch.where(mask, taken, changed[:, :, columns])
        return changed.reshape(node.shape)


def _changes(loaded: LoadedModel, where: PartMap, rows: Sequence[Row], *, tokens: int) -> list[_Change]:
    """Return what is changed at each node that any row's parts touch."""
    import torch

    width = int(loaded.model.config.get_text_config().hidden_size)
    taken: dict[tuple[nn.Module, bool], dict[int, set[int]]] = {}
    at = torch.ones(len(rows), tokens, dtype=torch.bool)
    for number, row in enumerate(rows):
        if row.positions is not None:
            at[number] = False
            at[number, list(row.positions)] = True
        for part in row.parts:
            if part.kind == "layer":
                node, units = (loaded.parts.blocks[part.block], True), range(width)
            else:
                node = (where.matrix(part), False)
                units = range(*where.columns(part).indices(where.width(part)))
            taken.setdefault(node, {}).setdefault(number, set()).update(units)
    out = []
    for (module, puts_out), by_rows in taken.items():
        columns = sorted(set[int]().union(*by_rows.values()))
        place = {unit: i for i, unit in enumerate(columns)}
        mask = torch.zeros(len(rows), len(columns), dtype=torch.bool)
        for number, units_of_row in by_rows.items():
            mask[number, [place[unit] for unit in units_of_row]] = True
        out.append(_Change(module=module, puts_out=puts_out, columns=torch.tensor(columns), mask=mask, at=at))
    return out


@contextmanager
def _hooked(changes: Sequence[_Change], *, keeping: bool, of_row: torch.Tensor) -> Iterator[None]:
    """Let every change meet its node in the pass that follows."""

    def reading(change: _Change) -> Callable[..., Any]:
        return lambda _, args: (change.meet(args[0], keeping=keeping, of_row=of_row), *args[1:])

    def leaving(change: _Change) -> Callable[..., Any]:
        def hook(_module: nn.Module, _args: Any, output: Any) -> Any:
            hidden = output[0] if isinstance(output, tuple) else output
            new = change.meet(hidden, keeping=keeping, of_row=of_row)
            return (new, *output[1:]) if isinstance(output, tuple) else new

        return hook

    handles = [
        change.module.register_forward_hook(leaving(change))
        if change.puts_out
        else change.module.register_forward_pre_hook(reading(change))
        for change in changes
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
