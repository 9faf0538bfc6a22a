"""Folding a cut into the weights, so that what is saved is a plain model that nothing has to be hooked into.

``W (A x + c) + b  =  (W A) x + (b + W c)``: exact but for rounding. Parts are cut by zeroing the columns through which
they write; what they wrote on average over the fitted texts goes into the matrix's bias where it has one (mean
ablation), because a part that is silent and a part that is constant differ by a shift of everything behind it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.capture.model import LoadedModel
from audit.capture.parts import PartMap, by_row, part_map
from audit.erasure import AffineMap
from audit.errors import user_error
from audit.progress import Progress
from audit.pruning import sites
from audit.pruning.sites import Site
from audit.requests import CannotAnswer
from audit.shapes import Floats
from audit.types import Part

if TYPE_CHECKING:
    import torch
    from torch import nn

_ROWS_AT_ONCE = 8192
"""Of a vocabulary's projection, which is multiplied in double precision piece by piece."""


@dataclass(frozen=True, kw_only=True, eq=False)
class HeadCut:
    """An affine map of what the head reads."""

    map: AffineMap


@dataclass(frozen=True, kw_only=True, eq=False)
class PartsCut:
    """Heads and neurons that are to be silent, and what they wrote from on average."""

    parts: tuple[Part, ...]
    means: Mapping[Part, Floats] = field(repr=False)
    """Mean of each part's own inputs of its matrix."""


def bake(loaded: LoadedModel, cut: HeadCut | PartsCut, texts: Sequence[str]) -> None:
    """Change a model's weights in place. ``texts`` are two that differ; see ``sites.find``.

    ``loaded`` must be a copy of its own that nobody audits.

    Raises
    ------
    UserError
        When the model is not built so that the cut can be folded in.
    """
    if isinstance(cut, HeadCut):
        fold(loaded, sites.find(loaded, texts), cut.map)
    else:
        silence(loaded, cut)


def fold(loaded: LoadedModel, site: Site, change: AffineMap) -> None:
    """Fold an affine map of a site's input into its weights.

    Raises
    ------
    ValueError
        When there is a constant and the site has no bias to hold it.
    """
    import torch

    if change.constant.any() and not site.holds_constant:
        raise ValueError(f"{site.name} has no bias that could hold the constant of the cut")
    module: Any = site.module
    with torch.no_grad():
        weight = module.weight
        if site.holds_constant:
            shift = weight.double() @ torch.from_numpy(change.constant).to(weight.device)
            module.bias.copy_((module.bias.double() + shift).to(module.bias.dtype))
        matrix = torch.from_numpy(change.matrix).to(weight.device)
        rows = range(0, len(weight), _ROWS_AT_ONCE)
        folded = torch.cat([(weight[i : i + _ROWS_AT_ONCE].double() @ matrix).to(weight.dtype) for i in rows])
    module.weight = torch.nn.Parameter(folded, requires_grad=False)
    if site.tied:
        # The embeddings keep the old matrix; said in the configuration, or loading would tie both again.
        loaded.model.config.tie_word_embeddings = False
        loaded.model.config.get_text_config().tie_word_embeddings = False


# ---- parts ---------------------------------------------------------------------------------------


def parts_of(loaded: LoadedModel, parts: Sequence[Part]) -> PartMap:
    """Return where a model's parts are, once it is known to have these.

    Raises
    ------
    UserError
        When it has no such part, when a part is a whole layer, or when its parts cannot be told apart.
    """
    sites.refuse_quantised(loaded)
    try:
        found = part_map(loaded)
        found.check(parts)
    except CannotAnswer as error:
        raise user_error(
            "The parts cannot be cut", where=loaded.name, found=str(error), expected="parts that this model has"
        ) from error
    for part in parts:
        if part.kind == "layer":
            raise user_error(
                "The parts cannot be cut",
                where=loaded.name,
                found=f"{part.name} is a whole layer, and no one matrix writes it",
                expected="heads, neurons, or the attention or the MLP of a block",
            )
    return found


def part_means(loaded: LoadedModel, parts: Sequence[Part], texts: Sequence[str], progress: Progress) -> PartsCut:
    """Return the cut of some parts, with the means of their inputs over all real tokens of some texts."""
    import torch

    where = parts_of(loaded, parts)
    matrices = {where.matrix(part) for part in parts}
    read: dict[nn.Module, torch.Tensor] = {}
    handles = [m.register_forward_pre_hook(lambda m, args: read.__setitem__(m, args[0])) for m in matrices]
    sums: dict[nn.Module, torch.Tensor] = {}
    tokens = 0
    try:
        for batch, part_texts in sites.batches(loaded, texts, progress, "reading what the parts write from"):
            sites.run(loaded, batch)
            tokens += batch.tokens
            for matrix in matrices:
                inputs = by_row(read.pop(matrix), len(part_texts)).double()
                real = (inputs * batch.mask.to(inputs.device)[:, :, None]).sum(dim=(0, 1)).cpu()
                sums[matrix] = sums.get(matrix, torch.zeros_like(real)) + real
    finally:
        for handle in handles:
            handle.remove()
    means = {part: (sums[where.matrix(part)] / tokens).numpy()[where.columns(part)] for part in parts}
    return PartsCut(parts=tuple(parts), means=means)


def silence(loaded: LoadedModel, cut: PartsCut) -> None:
    """Cut parts out of a model in place."""
    import torch
    from torch import nn

    where = parts_of(loaded, cut.parts)
    with torch.no_grad():
        for part in cut.parts:
            matrix: Any = where.matrix(part)
            # Linear keeps (outputs, inputs), GPT-2's Conv1D (inputs, outputs).
            weight = matrix.weight if isinstance(matrix, nn.Linear) else matrix.weight.T
            columns = where.columns(part)
            if getattr(matrix, "bias", None) is not None:
                mean = torch.from_numpy(np.ascontiguousarray(cut.means[part])).to(weight.device)
                matrix.bias.copy_((matrix.bias.double() + weight[:, columns].double() @ mean).to(matrix.bias.dtype))
            weight[:, columns] = 0.0


def keeps_means(loaded: LoadedModel, parts: Sequence[Part]) -> bool:
    """Whether what the parts write on average stays: whether their matrices have biases to hold it."""
    where = parts_of(loaded, parts)
    return all(getattr(where.matrix(part), "bias", None) is not None for part in parts)


def random_parts(loaded: LoadedModel, parts: Sequence[Part], rng: np.random.Generator) -> tuple[Part, ...] | None:
    """Return as many other parts of the same kinds in the same blocks; None where there are not enough others."""
    where, out = part_map(loaded), list[Part]()
    for kind, block in sorted({(part.kind, part.block) for part in parts}):
        own = [p for p in parts if (p.kind, p.block) == (kind, block)]
        others = [p for p in where.of_kind(kind) if p.block == block and p not in own]
        if len(others) < len(own):
            return None
        out += [others[i] for i in sorted(rng.permutation(len(others))[: len(own)].tolist())]
    return tuple(out)
