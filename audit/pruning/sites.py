"""Where a model's head begins: the first linear map behind the trunk, into which an affine map of its input folds.

The map is found by name and then held against what it does: it must run once in a pass, and with its input replaced
by a constant two different texts must come out alike. A head that reads anything beside it is refused, because a
cut there would leave a way around.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.capture.model import LoadedModel, left_as_found
from audit.capture.tokens import Padded, pad, plan_batches, token_ids
from audit.errors import UserError, user_error
from audit.progress import Progress
from audit.shapes import Floats

if TYPE_CHECKING:
    import torch
    from torch import nn

_BEGIN = (
    "score",  # decoders: one projection of the last token
    "pooler.dense",  # BERT (inside of the trunk), DeBERTa (behind it)
    "head.dense",  # ModernBERT
    "classifier.dense",  # RoBERTa, XLM-R, ELECTRA, MPNet
    "pre_classifier",  # DistilBERT
    "classifier",  # a bare projection behind the trunk
)
"""Ends of names of a classifier's first linear map, the first that a model has; inside of the trunk they stand at its
top."""

BATCH_TOKENS = 4096
"""Tokens of a pass that keeps states; they are few beside what a pass holds anyway."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Site:
    """The linear map that a head begins with."""

    name: str
    module: nn.Module
    per_token: bool
    """Whether it reads every token; then the decision rests on the last one of the text."""
    holds_constant: bool
    """Whether it has a bias. One that transformers leaves out would not be loaded back."""
    tied: bool
    """Whether its matrix is that of the input embeddings too, which a cut must leave alone."""


def find(loaded: LoadedModel, texts: Sequence[str]) -> Site:
    """Find where the head of a model begins; ``texts`` are two that differ, to try it with.

    Raises
    ------
    UserError
        When the weights are quantised, or the head is not known or not read at one place.
    """
    refuse_quantised(loaded)
    name, module = _named(loaded)
    tied = module.weight is loaded.parts.embeddings.weight
    site = Site(
        name=name,
        module=module,
        per_token=loaded.task == "causal-lm" or name == "score",
        holds_constant=getattr(module, "bias", None) is not None,
        tied=tied,
    )
    if loaded.task == "sequence-classification":
        _check_bottleneck(loaded, site, texts)
    return site


def refuse_quantised(loaded: LoadedModel) -> None:
    """Raise ``UserError`` where weights are packed: folding would round them again, to something else."""
    import torch

    configured = getattr(loaded.model.config, "quantization_config", None) is not None
    if configured or not all(
        p.dtype in {torch.float64, torch.float32, torch.bfloat16, torch.float16} for p in loaded.model.parameters()
    ):
        raise _cannot(
            loaded, "its weights are quantised, and a cut is folded into weights", "the model in full weights"
        )


def _named(loaded: LoadedModel) -> tuple[str, nn.Module]:
    from torch import nn

    if loaded.task == "causal-lm":
        head = loaded.parts.head
        if not isinstance(head, nn.Linear):
            raise _cannot(loaded, "its output head is not one linear map", "a causal model with a linear output head")
        return next(name for name, module in loaded.model.named_modules() if module is head), head
    prefix = loaded.model.base_model_prefix
    for ending in _BEGIN:
        for name in (ending, f"{prefix}.{ending}"):
            try:
                module = loaded.model.get_submodule(name)
            except AttributeError:
                continue
            if isinstance(module, nn.Linear):
                return name, module
    raise _cannot(loaded, "where its head begins is not known", "a head that begins with a linear map of a known name")


def _check_bottleneck(loaded: LoadedModel, site: Site, texts: Sequence[str]) -> None:
    """See that nothing of a text reaches the outputs but through the site."""
    import torch

    ids = token_ids(loaded, list(texts))
    calls = 0

    def emptied(_: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        nonlocal calls
        calls += 1
        return (torch.zeros_like(args[0]), *args[1:])

    handle = site.module.register_forward_pre_hook(emptied)
    try:
        # Padding may settle a padding id, and this configuration may be the one that is saved.
        with torch.inference_mode(), left_as_found(loaded.model):
            batch = pad(loaded, [ids[text] for text in texts])
            logits = loaded.model(input_ids=batch.ids, attention_mask=batch.mask).logits.float()
    finally:
        handle.remove()
    spread = float((logits - logits[:1]).abs().max())
    if calls != 1 or spread > 1e-5 * max(1.0, float(logits.abs().max())):
        raise _cannot(
            loaded,
            f"its head does not read the text through {site.name} alone",
            "a head that begins with one linear map",
        )


def _cannot(loaded: LoadedModel, found: str, expected: str) -> UserError:
    return user_error(
        "The model cannot be cut",
        where=loaded.name,
        found=f"{type(loaded.model).__name__}: {found}",
        expected=expected,
        do="a model whose head is not known can still be cut by parts: --cut parts:FILE",
    )


# ---- what the head reads -------------------------------------------------------------------------


class _Reached(Exception):  # noqa: N818 - control flow: what is wanted has been seen
    pass


def states(loaded: LoadedModel, site: Site, texts: Sequence[str], progress: Progress) -> Floats:
    """Return what the head reads of each text, (texts, width): the last token's where it reads every token."""
    kept: list[torch.Tensor] = []

    def keep(_: nn.Module, args: tuple[Any, ...]) -> None:
        kept.append(args[0].detach().double().cpu())
        raise _Reached

    out: dict[str, Floats] = {}
    handle = site.module.register_forward_pre_hook(keep)
    try:
        for batch, part in batches(loaded, texts, progress, "reading what the head reads"):
            run(loaded, batch)
            read = kept.pop().numpy()
            if read.ndim == 3:
                read = read[np.arange(len(part)), batch.lengths.cpu().numpy() - 1]
            out |= zip(part, read, strict=True)
    finally:
        handle.remove()
    return np.stack([out[text] for text in texts])


def reads(site: Site) -> Floats:
    """Return W'W of the head's first map, (width, width): by it, distances of states are those of what it puts out."""
    weight = site.module.get_parameter("weight").detach().float()
    moment: Floats = (weight.T @ weight).double().cpu().numpy()
    return moment


def batches(
    loaded: LoadedModel, texts: Sequence[str], progress: Progress, title: str
) -> Iterator[tuple[Padded, list[str]]]:
    """Yield texts in padded batches, each text once."""
    ids = token_ids(loaded, list(dict.fromkeys(texts)))
    planned = plan_batches({text: len(row) for text, row in ids.items()}, budget=BATCH_TOKENS)
    with progress.task(title, len(ids), "texts") as task:
        for part in planned:
            yield pad(loaded, [ids[text] for text in part]), part
            task.advance(len(part))


def run(loaded: LoadedModel, batch: Padded) -> None:
    """Run a pass for what hooks take from it; a hook may end it early."""
    import torch

    cache = {"use_cache": False} if hasattr(loaded.model.config, "use_cache") else {}
    with torch.inference_mode():
        try:
            loaded.model(input_ids=batch.ids, attention_mask=batch.mask, **cache)
        except _Reached:
            return


@contextmanager
def mapped(site: Site, change: Callable[[Floats], Floats]) -> Iterator[None]:
    """Let the head read what a function makes of its input: the slow way to a cut, to hold the folded one against."""
    import torch

    def apply(_: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        read = args[0]
        flat = change(read.detach().double().cpu().reshape(-1, read.shape[-1]).numpy())
        return (torch.from_numpy(flat).reshape(read.shape).to(read.device, read.dtype), *args[1:])

    handle = site.module.register_forward_pre_hook(apply)
    try:
        yield
    finally:
        handle.remove()
