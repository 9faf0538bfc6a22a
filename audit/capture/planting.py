"""A shortcut in the audited model for as long as a self-test needs it: one word's embedding made decisive.

Whether an attribution would find a shortcut is known only where one is (Bastings et al. 2022, "Will you find these
shortcuts?"). Theirs are trained into models; here nothing is trained but one vector, the embedding of a word that the
texts do not use, and it lives in a hook. The weights of the audited model are never touched, a text without the word
is read exactly as ever, and the cost is some passes over a few texts.

How long the vector may be is part of the request: a word that shouts would be found by any method and show nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from audit.capture import contrasts
from audit.capture.model import LoadedModel
from audit.capture.tokens import pad, token_ids
from audit.requests import CannotAnswer, Contrast, Planted

if TYPE_CHECKING:
    import torch

STEPS = 150
LEAST_TAUGHT = 0.8
"""Share of the taught texts that the word must decide."""
STRIDE = 0.1
"""Adam's rate, in root mean squares of a typical embedding."""


@contextmanager
def planted(loaded: LoadedModel, contrast: Contrast, plant: Planted) -> Iterator[None]:
    """Let the word decide, and afterwards be a word again.

    Raises
    ------
    CannotAnswer
        When the word is not one token of the texts, or no embedding makes it decide.
    """
    token = _token(loaded, plant)
    vector = _taught(loaded, contrast, plant, token)
    with _embedding(loaded, token, vector):
        yield


def _token(loaded: LoadedModel, plant: Planted) -> int:
    """Return the token that the word is, in the texts that hold it."""
    tokenizer = loaded.tokenizer
    single = [
        ids[0]
        for written in (f" {plant.word}", plant.word)
        if len(ids := tokenizer(written, add_special_tokens=False)["input_ids"]) == 1
    ]
    ids = token_ids(loaded, plant.taught_on)
    for token in single:
        if token != tokenizer.unk_token_id and all(token in ids[text] for text in plant.taught_on):
            return int(token)
    raise CannotAnswer(f"the word {plant.word!r} is not one token of every text that it was planted in")


@contextmanager
def _embedding(loaded: LoadedModel, token: int, vector: torch.Tensor) -> Iterator[None]:
    """Let the embedding module put out ``vector`` for one token."""
    import torch

    def replace(_module: object, args: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
        return torch.where((args[0] == token)[..., None], vector.to(output.dtype), output)

    handle = loaded.parts.embeddings.register_forward_hook(replace)
    try:
        yield
    finally:
        handle.remove()


def _taught(loaded: LoadedModel, contrast: Contrast, plant: Planted, token: int) -> torch.Tensor:
    """Return the embedding with which the word decides the texts it is taught on."""
    import torch

    ids = token_ids(loaded, plant.taught_on)
    explained = [contrasts.bind(loaded, contrast, text, ids[text]) for text in plant.taught_on]
    readings = [reading for of_text in explained for reading in of_text]
    batch, side = pad(loaded, [reading.ids for reading in readings]), 1.0 if plant.raises else -1.0
    owner = torch.repeat_interleave(torch.arange(len(explained)), torch.tensor([len(r) for r in explained]))
    owner = owner.to(batch.ids.device)
    own, typical, longest = _sizes(loaded, token)
    with torch.enable_grad():
        vector = own.clone().requires_grad_()
        optimizer = torch.optim.Adam([vector], lr=STRIDE * typical / len(own) ** 0.5)
        for _ in range(STEPS):
            with _embedding(loaded, token, vector):
                read, _ = contrasts.read(loaded, batch, readings)
            margins = side * torch.zeros(len(explained), device=read.device).index_add(0, owner, read)
            if bool((margins > plant.margin).all()):
                return vector.detach()
            optimizer.zero_grad()
            torch.nn.functional.softplus(plant.margin + 1.0 - margins).mean().backward()
            optimizer.step()
            with torch.no_grad():
                vector.mul_(min(1.0, plant.reach * longest / max(float(vector.norm()), 1e-12)))
    share = float((margins > 0).float().mean())
    if share < LEAST_TAUGHT:
        raise CannotAnswer(
            f"no embedding of {plant.word!r} of {plant.reach:g} times the length of the longest makes it decide: "
            f"{share:.0%} of the texts it was taught on went its way"
        )
    return vector.detach()


def _sizes(loaded: LoadedModel, token: int) -> tuple[torch.Tensor, float, float]:
    """Return the word's own embedding, and how long a typical and the longest embedding are, as they are put out."""
    import torch

    table = loaded.parts.embeddings
    with torch.no_grad():
        some = torch.linspace(0, table.weight.shape[0] - 1, min(table.weight.shape[0], 4096)).long()
        lengths = table(some.to(table.weight.device)[None])[0].float().norm(dim=-1)
        own = table(torch.tensor([[token]], device=table.weight.device))[0, 0].float()
    return own.clone(), float(lengths.median()), float(lengths.max())
