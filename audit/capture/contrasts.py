"""The one number that an attribution explains, as a function of a forward pass with gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from audit.capture.model import LoadedModel
from audit.capture.passes import at_last_token
from audit.capture.tokens import Padded, TokenIds, answer_ids
from audit.requests import Answers, CannotAnswer, ClassLogits, Contrast

if TYPE_CHECKING:
    import torch
    from torch import nn

Logits2Score = Callable[["torch.Tensor"], "torch.Tensor"]


@dataclass(frozen=True, kw_only=True)
class Explained:
    """A contrast bound to a model and a text: logits (rows, options or vocabulary) → one number per row."""

    score: Logits2Score


def bind(loaded: LoadedModel, contrast: Contrast, text: str, ids: TokenIds) -> Explained:
    """Bind a contrast to one text.

    A contrast of log-probabilities is one of logits, because the normaliser cancels; so nothing
    saturates near probabilities of zero and one.

    Raises
    ------
    CannotAnswer
        When the model has no such output, or an answer has several tokens.
    """
    if isinstance(contrast.target, ClassLogits):
        return Explained(score=_classes(loaded, contrast))
    if isinstance(contrast.target, Answers):
        toward = _single_token(loaded, text, contrast.toward, ids)
        against = _single_token(loaded, text, contrast.against, ids)
        return Explained(score=lambda logits: logits[:, toward].float() - logits[:, against].float())
    raise CannotAnswer("attribution explains a decision; the likelihood of a whole text has none")


def _classes(loaded: LoadedModel, contrast: Contrast) -> Logits2Score:
    import torch

    names = loaded.labels
    if contrast.toward not in names or (contrast.against and contrast.against not in names):
        raise CannotAnswer(f"the model has no labels {contrast.toward!r} and {contrast.against!r}")
    toward = names.index(contrast.toward)
    if loaded.multi_label:
        return lambda logits: logits[:, toward].float()
    if contrast.against:
        against = names.index(contrast.against)
        return lambda logits: logits[:, toward].float() - logits[:, against].float()
    others = [i for i in range(len(names)) if i != toward]
    return lambda logits: logits[:, toward].float() - torch.logsumexp(logits[:, others].float(), dim=1)


def _single_token(loaded: LoadedModel, text: str, answer: str, ids: TokenIds) -> int:
    tokens = answer_ids(loaded, text, answer, ids)
    if len(tokens) != 1:
        raise CannotAnswer(
            f"the answer {answer!r} has {len(tokens)} tokens; attribution of answers of several tokens is not built yet"
        )
    return int(tokens[0])


@contextmanager
def embeddings_as(module: nn.Module, value: torch.Tensor) -> Iterator[None]:
    """Let the embedding module put out ``value`` (rows, tokens, width).

    The ids stay the original's, so whatever else a model derives from them (positions, the place a
    decoder classifier reads, padding) stays too; feeding ``inputs_embeds`` would change it.
    """
    handle = module.register_forward_hook(lambda _module, _args, _output: value)
    try:
        yield
    finally:
        handle.remove()


def logits(loaded: LoadedModel, batch: Padded, embeddings: torch.Tensor | None = None) -> torch.Tensor:
    """Return the logits that a contrast reads: (rows, labels), or (rows, vocabulary) after the last token."""
    cache = {"use_cache": False} if loaded.task == "causal-lm" else {}
    replaced = nullcontext() if embeddings is None else embeddings_as(loaded.parts.embeddings, embeddings)
    at_end = at_last_token(loaded, batch) if loaded.task == "causal-lm" else nullcontext()
    with replaced, at_end:
        out = loaded.model(input_ids=batch.ids, attention_mask=batch.mask, **cache).logits
    return out[:, 0] if loaded.task == "causal-lm" else out


def repeated(batch: Padded, rows: int) -> Padded:
    """Return a single-row batch as ``rows`` equal rows, without copying."""
    assert len(batch.ids) == 1
    return Padded(ids=batch.ids.expand(rows, -1), mask=batch.mask.expand(rows, -1), lengths=batch.lengths.expand(rows))


# ---- baseline inputs -----------------------------------------------------------------------------


def baseline_ids(loaded: LoadedModel, ids: TokenIds, special: tuple[bool, ...], baseline_input: str) -> TokenIds:
    """Return the text with every token that is not special replaced by the baseline input's token.

    Special tokens stay: replacing them leaks attribution to them.

    Raises
    ------
    CannotAnswer
        When the vocabulary lacks such a token, or its embedding is (nearly) zero in a model whose norms
        ignore scale: the path from there is a spike at its start that no number of steps resolves.
    """
    token = _baseline_token(loaded, baseline_input)
    embedding = loaded.parts.embeddings.weight[token]
    typical = loaded.parts.embeddings.weight.float().norm(dim=-1).median()
    if loaded.parts.scale_invariant and float(embedding.float().norm()) < 0.01 * float(typical):
        raise CannotAnswer(
            f"the baseline input {baseline_input!r} embeds to zero, and this model's norms ignore scale: "
            "integrated gradients from there do not converge"
        )
    return np.where(np.asarray(special), ids, np.int32(token)).astype(np.int32)


def _baseline_token(loaded: LoadedModel, baseline_input: str) -> int:
    tokenizer = loaded.tokenizer
    named: Mapping[str, int | None] = {
        "mask": tokenizer.mask_token_id,
        "unk": tokenizer.unk_token_id,
        "pad": tokenizer.pad_token_id,
    }
    if baseline_input.startswith("token:"):
        found = tokenizer(baseline_input.removeprefix("token:"), add_special_tokens=False)["input_ids"]
        if len(found) != 1:
            raise CannotAnswer(f"the baseline input {baseline_input!r} has {len(found)} tokens, expected one")
        return int(found[0])
    token = named.get(baseline_input)
    if token is None:
        raise CannotAnswer(f"this model's vocabulary has no token for the baseline input {baseline_input!r}")
    return int(token)
