"""Whether a model has gradients at all: quantised weights may compute forward only, and attribution needs both ways."""

from __future__ import annotations

from audit.capture.contrasts import embeddings_as
from audit.capture.model import LoadedModel


def why_none(loaded: LoadedModel) -> str:
    """Return why no gradient reaches the embeddings of this model; empty where one does.

    It is tried on a single short text: which kernels of which quantisation have a backward pass changes with
    every library, and no configuration says it.
    """
    import torch

    embed = loaded.parts.embeddings
    ids = torch.tensor(loaded.tokenizer("a")["input_ids"] or [0])[None].to(next(loaded.model.parameters()).device)
    with torch.no_grad():
        start = embed(ids)
    point = start.detach().clone().requires_grad_()
    try:
        with torch.enable_grad(), embeddings_as(embed, point):
            out = loaded.model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
            (gradient,) = torch.autograd.grad(out.float().sum(), point, allow_unused=True)
    except (RuntimeError, NotImplementedError) as error:
        return f"{type(error).__name__}: {str(error).strip().splitlines()[0][:200]}"
    return "none reaches the embeddings" if gradient is None else ""
