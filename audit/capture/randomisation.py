"""The audited model with the weights of its later parts shuffled, for as long as an attribution needs it so.

An attribution that does not change when what the model has learnt is destroyed does not depend on it (Adebayo et al.
2018, Sanity checks for saliency maps). From the output down, part after part loses its weights, and at each stage the
attribution is compared with that of the audited model.

Weights are shuffled within their tensor and not drawn anew: every tensor keeps its scale and its outliers, so what is
lost is the arrangement that training found and nothing else. And a shuffle can be undone from its seed, so no copy of
the model is held, whatever its size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from audit.capture.model import LoadedModel
from audit.capture.tokens import pad
from audit.requests import ALL_WEIGHTS, CannotAnswer

if TYPE_CHECKING:
    import torch
    from torch import nn

CHUNK = 2**22
"""Values shuffled among each other at once: the order of a whole embedding table would take gigabytes."""


@contextmanager
def randomised(loaded: LoadedModel, stage: int, *, seed: int) -> Iterator[None]:
    """Shuffle the weights of a stage (``Attributions.randomised``); afterwards every bit is where it was.

    Raises
    ------
    CannotAnswer
        When the model has fewer blocks, or weights that cannot be moved (quantised, or kept elsewhere).
    """
    weights = weights_of(loaded, stage)
    if any(w.is_meta or not w.is_floating_point() for w in weights):
        raise CannotAnswer("weights that are quantised or not held in memory cannot be shuffled")
    done = 0
    try:
        for number, weight in enumerate(weights):
            _shuffle(weight, [seed, number], undo=False)
            done = number + 1
        yield
    finally:
        for number, weight in enumerate(weights[:done]):
            _shuffle(weight, [seed, number], undo=True)


def weights_of(loaded: LoadedModel, stage: int) -> list[torch.nn.Parameter]:
    """Return the weights that a stage shuffles, each once: those behind the last block first, then block by block.

    A head that shares its weights with the embeddings belongs to the embeddings: it goes with everything.

    Raises
    ------
    CannotAnswer
        When the model has fewer blocks than the stage asks for.
    """
    blocks = loaded.parts.blocks
    if stage == ALL_WEIGHTS:
        return list(loaded.model.parameters())
    if not 1 <= stage <= len(blocks) + 1:
        raise CannotAnswer(f"the model has {len(blocks)} blocks, and stage {stage} of randomised weights was asked for")
    behind, before = _behind(loaded)
    chosen = [*behind, *(w for block in reversed(blocks[len(blocks) + 1 - stage :]) for w in block.parameters())]
    once = {id(w): w for w in chosen if id(w) not in before}
    return list(once.values())


def _behind(loaded: LoadedModel) -> tuple[list[torch.nn.Parameter], set[int]]:
    """Return the weights used behind the last block, and which are used before the first, as one pass shows.

    Families name and nest these parts as they like; the order in which modules run is what counts.
    """
    import torch

    blocks = loaded.parts.blocks
    inside = {id(w) for block in blocks for w in block.parameters()}
    phase, behind, before = ["before"], [], set[int]()

    def saw(module: nn.Module, *_: object) -> None:
        own = [w for w in module.parameters(recurse=False) if id(w) not in inside]
        if phase[0] == "before":
            before.update(map(id, own))
        elif phase[0] == "behind":
            behind.extend(own)

    def at(name: str) -> object:
        return lambda *_: phase.__setitem__(0, name)

    handles = [
        m.register_forward_pre_hook(saw)
        for m in loaded.model.modules()
        if any(True for _ in m.parameters(recurse=False))
    ]
    handles.append(blocks[0].register_forward_pre_hook(at("inside")))
    handles.append(blocks[-1].register_forward_hook(at("behind")))
    padding = loaded.tokenizer.pad_token_id
    batch = pad(loaded, [np.full(2, 1 if padding == 0 else 0, dtype=np.int32)])
    try:
        with torch.inference_mode():
            loaded.model(input_ids=batch.ids, attention_mask=batch.mask)
    finally:
        for handle in handles:
            handle.remove()
    return behind, before


def _shuffle(weight: torch.nn.Parameter, seed: Sequence[int], *, undo: bool) -> None:
    import torch

    rng = np.random.default_rng(seed)
    # Not every tensor is one stretch of memory; a view would silently be a copy.
    flat = weight.data.reshape(-1)
    out = torch.empty_like(flat)
    for start in range(0, len(flat), CHUNK):
        part = flat[start : start + CHUNK]
        order = torch.from_numpy(rng.permutation(len(part))).to(flat.device)
        if undo:
            out[start : start + CHUNK][order] = part
        else:
            out[start : start + CHUNK] = part[order]
    weight.data.copy_(out.view_as(weight))
