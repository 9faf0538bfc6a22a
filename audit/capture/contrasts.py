"""The one number that an attribution explains, and where in the model's outputs it is read.

A contrast of answers of several tokens is teacher-forced: the answer's tokens are given to the model behind the
text, and all their log-probabilities are read off one pass, at their places alone. Two answers that part ways later
than at their last token are two sequences; what they have in common is read once and cancels.

A contrast of two tokens at the same place is one of logits, because the normaliser cancels; so nothing saturates
near probabilities of zero and one. Logits are cast to single precision before anything is subtracted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from audit.capture.model import LoadedModel
from audit.capture.passes import at_positions
from audit.capture.tokens import Padded, TokenIds, answer_ids
from audit.requests import Answers, CannotAnswer, ClassLogits, Contrast

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class ClassTerm:
    """A classifier's logit against those of other labels."""

    toward: int
    against: tuple[int, ...]
    """One label; several stand for their log-sum-exp; none for the logit by itself (independent labels)."""


@dataclass(frozen=True, kw_only=True)
class Term:
    """The log-probability of a token behind the one at ``position``, minus that of another in its place."""

    position: int
    token: int
    against: int | None = None
    """None stands for all tokens: the normaliser."""
    sign: int = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Reading:
    """One sequence that is run, and what is read off it."""

    ids: TokenIds
    """The text's tokens, then those of an answer that are given to the model."""
    classes: ClassTerm | None = None
    terms: tuple[Term, ...] = ()


Explained = tuple[Reading, ...]
"""The readings of one text whose sum is the number that is explained."""


def bind(loaded: LoadedModel, contrast: Contrast, text: str, ids: TokenIds) -> Explained:
    """Bind a contrast to one text.

    Raises
    ------
    CannotAnswer
        When the model has no such output, or the text and an answer together are longer than it can read.
    """
    if isinstance(contrast.target, ClassLogits):
        return (Reading(ids=ids, classes=_classes(loaded, contrast)),)
    if isinstance(contrast.target, Answers):
        return _answers(loaded, contrast, text, ids)
    raise CannotAnswer("attribution explains a decision; the likelihood of a whole text has none")


def _classes(loaded: LoadedModel, contrast: Contrast) -> ClassTerm:
    names = loaded.labels
    for name in filter(None, (contrast.toward, contrast.against)):
        if name not in names:
            raise CannotAnswer(f"the model has no label {name!r}; it has {', '.join(map(repr, names[:20])) or 'none'}")
    toward = names.index(contrast.toward)
    if loaded.multi_label:
        return ClassTerm(toward=toward, against=())
    if contrast.against:
        return ClassTerm(toward=toward, against=(names.index(contrast.against),))
    return ClassTerm(toward=toward, against=tuple(i for i in range(len(names)) if i != toward))


def _answers(loaded: LoadedModel, contrast: Contrast, text: str, ids: TokenIds) -> Explained:
    toward = _tokens_of(loaded, text, contrast.toward, ids)
    if not contrast.against:
        terms = tuple(Term(position=len(ids) - 1 + i, token=token) for i, token in enumerate(toward))
        return (_forced(ids, toward, terms),)
    against = _tokens_of(loaded, text, contrast.against, ids)
    common = 0
    while common < min(len(toward), len(against)) and toward[common] == against[common]:
        common += 1
    if common == min(len(toward), len(against)):
        raise CannotAnswer(
            f"of the answers {contrast.toward!r} and {contrast.against!r} one begins with the other, so they are no "
            "alternatives"
        )
    parting = len(ids) - 1 + common
    first = Term(position=parting, token=toward[common], against=against[common])
    rest = tuple(Term(position=parting + i, token=t) for i, t in enumerate(toward[common + 1 :], start=1))
    readings = [_forced(ids, toward, (first, *rest))]
    if others := against[common + 1 :]:
        terms = tuple(Term(position=parting + i, token=t, sign=-1) for i, t in enumerate(others, start=1))
        readings.append(_forced(ids, against, terms))
    return tuple(readings)


def _tokens_of(loaded: LoadedModel, text: str, answer: str, ids: TokenIds) -> list[int]:
    if loaded.task != "causal-lm":
        raise CannotAnswer("only a causal language model gives answers; this model is a classifier")
    tokens = answer_ids(loaded, text, answer, ids).tolist()
    if not tokens:
        raise CannotAnswer(f"the answer {answer!r} has no tokens")
    if (together := len(ids) + len(tokens)) > loaded.max_length:
        raise CannotAnswer(
            f"a text and the answer {answer!r} have {together:,} tokens together, and this model reads "
            f"{loaded.max_length:,}"
        )
    return [int(token) for token in tokens]


def _forced(ids: TokenIds, answer: Sequence[int], terms: tuple[Term, ...]) -> Reading:
    # The last token of an answer is predicted and never given.
    return Reading(ids=np.concatenate([ids, np.asarray(answer[:-1], dtype=np.int32)]), terms=terms)


# ---- reading -------------------------------------------------------------------------------------


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


def read(
    loaded: LoadedModel, batch: Padded, readings: Sequence[Reading], embeddings: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Run a batch of readings; return per row what is read, and the size of the logits that went into it.

    Both have the shape (rows,) in single precision; the size says how coarse the model's dtype makes the score.
    """
    replaced = nullcontext() if embeddings is None else embeddings_as(loaded.parts.embeddings, embeddings)
    if loaded.task == "sequence-classification":
        with replaced:
            logits = loaded.model(input_ids=batch.ids, attention_mask=batch.mask).logits.float()
        term = readings[0].classes
        assert term is not None, "a classifier's readings are of its labels"
        assert all(reading.classes == term for reading in readings), "one contrast is read in one batch"
        return _read_classes(logits, term)
    places = _places(readings)
    # The head is the dearest matrix of a small model: it is applied where something is read, and nowhere else.
    with replaced, at_positions(loaded, places[0].to(batch.ids.device)):
        logits = loaded.model(input_ids=batch.ids, attention_mask=batch.mask, use_cache=False).logits.float()
    return _read_tokens(logits, *(place.to(logits.device) for place in places[1:]))


def _read_classes(logits: torch.Tensor, term: ClassTerm) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    size = logits.detach().abs().amax(dim=1)
    toward = logits[:, term.toward]
    if not term.against:
        return toward, size
    if len(term.against) == 1:
        return toward - logits[:, term.against[0]], size
    return toward - torch.logsumexp(logits[:, list(term.against)], dim=1), size


def _places(readings: Sequence[Reading]) -> tuple[torch.Tensor, ...]:
    """Return positions, tokens, the tokens against them (-1 for the normaliser) and signs: (rows, terms)."""
    import torch

    most = max(len(reading.terms) for reading in readings)
    # What fills up shorter rows is read at their first place with the sign 0.
    rows = [
        [*r.terms, *[Term(position=r.terms[0].position, token=0, sign=0)] * (most - len(r.terms))] for r in readings
    ]
    return tuple(
        torch.tensor([[getattr(t, name) if getattr(t, name) is not None else -1 for t in row] for row in rows])
        for name in ("position", "token", "against", "sign")
    )


def _read_tokens(
    logits: torch.Tensor, token: torch.Tensor, against: torch.Tensor, sign: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    chosen = logits.gather(2, token[:, :, None])[:, :, 0]
    other = logits.gather(2, against.clamp(min=0)[:, :, None])[:, :, 0]
    if (normalised := (against < 0) & (sign != 0)).any():
        other = other.where(~normalised, logits.logsumexp(-1))
    size = chosen.detach().abs().maximum(other.detach().abs()) * sign.abs()
    return ((chosen - other) * sign).sum(1), size.sum(1)
