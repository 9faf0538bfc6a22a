"""How the model's tokenizer sees a text, and how texts are packed into batches.

Batches are padded on the right and the real last token is indexed: left padding without position ids
silently mispredicts on models with learned positions, and no mask at all spoils attributions while the
prediction hardly moves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from audit.capture.model import LoadedModel
from audit.errors import UserError, user_error
from audit.requests import CannotAnswer, Span, TokenisedText

if TYPE_CHECKING:
    import torch

TokenIds = NDArray[np.int32]
TokenRange = tuple[int, int]
"""Tokens of a text, half open."""

_TEXTS_AT_ONCE = 512
"""Beside the ids a tokenizer holds offsets, masks and token strings of every text of a call: kilobytes a text."""


def token_ids(loaded: LoadedModel, texts: Sequence[str]) -> dict[str, TokenIds]:
    """Return the token ids of each text, special tokens as the model's tokenizer sets them.

    Raises
    ------
    UserError
        When a text has no tokens or more than the model can read: nothing is cut off silently.
    """
    out: dict[str, TokenIds] = {}
    for at in range(0, len(texts), _TEXTS_AT_ONCE):
        part = list(texts[at : at + _TEXTS_AT_ONCE])
        # Not verbose: what is too long is refused below, in our words.
        encoded = loaded.tokenizer(part, add_special_tokens=True, padding=False, truncation=False, verbose=False)
        out |= {text: np.asarray(ids, dtype=np.int32) for text, ids in zip(part, encoded["input_ids"], strict=True)}
    for text, ids in out.items():
        if not 0 < len(ids) <= loaded.max_length:
            raise _unreadable(text, len(ids), loaded.max_length)
    return out


def _unreadable(text: str, length: int, longest: int) -> UserError:
    shown = text if len(text) <= 80 else f"{text[:60]} … {text[-18:]}"
    return user_error(
        "A text does not fit the model",
        where="data",
        found=f"{length:,} tokens in {shown!r}",
        expected=f"1 to {longest:,} tokens: what this model can read at once",
        do="shorten the text, or leave the row out with where: in the policy; nothing is cut off silently",
    )


def tokenised(loaded: LoadedModel, text: str) -> TokenisedText:
    """Return the tokens of a text with their character spans.

    Raises
    ------
    CannotAnswer
        When the tokenizer cannot say which characters a token covers.
    """
    if not loaded.tokenizer.is_fast:
        raise CannotAnswer("this model has no fast tokenizer, so tokens cannot be traced back to the words of the text")
    encoded = loaded.tokenizer(text, return_offsets_mapping=True, return_special_tokens_mask=True)
    spans = tuple((int(a), int(b)) for a, b in encoded["offset_mapping"])
    ids = tuple(int(i) for i in encoded["input_ids"])
    return TokenisedText(
        ids=ids,
        tokens=tuple(
            text[a:b] if b > a else str(loaded.tokenizer.convert_ids_to_tokens(i))
            for (a, b), i in zip(spans, ids, strict=True)
        ),
        spans=spans,
        # An unknown word is a word, though its token counts as special for the tokenizer.
        special=tuple(
            bool(flag) and a == b for flag, (a, b) in zip(encoded["special_tokens_mask"], spans, strict=True)
        ),
        unknown=_unknown(loaded, ids),
    )


def _unknown(loaded: LoadedModel, ids: Sequence[int]) -> tuple[bool, ...]:
    """Return which tokens stand for what the tokenizer does not know; empty where none does."""
    which = tuple(i == loaded.tokenizer.unk_token_id for i in ids)
    return which if any(which) else ()


def token_range(loaded: LoadedModel, text: str, span: Span) -> TokenRange:
    """Return the tokens that lie in a stretch of characters, or reach into it.

    Raises
    ------
    CannotAnswer
        When no token does.
    """
    start, end = span
    inside = [i for i, (a, b) in enumerate(tokenised(loaded, text).spans) if a < min(b, end) and b > start]
    if not inside:
        raise CannotAnswer(f"no token lies in characters {start} to {end} of {text[:80]!r}")
    return inside[0], inside[-1] + 1


def answer_ids(loaded: LoadedModel, text: str, answer: str, ids: TokenIds) -> TokenIds:
    """Return the tokens that ``answer`` adds when it follows ``text``.

    Tokenised together where the text's own tokens stay what they are; otherwise, where the boundary
    merges, the answer is tokenised by itself, because the model would generate it from the text's tokens.
    """
    together = loaded.tokenizer(text + answer, add_special_tokens=True, verbose=False)["input_ids"]
    if len(together) > len(ids) and list(together[: len(ids)]) == ids.tolist():
        return np.asarray(together[len(ids) :], dtype=np.int32)
    alone = loaded.tokenizer(answer, add_special_tokens=False)["input_ids"]
    return np.asarray(alone, dtype=np.int32)


# ---- batches -------------------------------------------------------------------------------------

_STRETCH = 1.25
"""How much longer than its shortest text a batch's longest may be."""

_FAIR_PART = 16
"""A batch of a sixteenth of the budget keeps the device busy: 256 tokens on a CPU, 4,096 on a GPU."""


def plan_batches(lengths: Mapping[str, int], *, budget: int, most_rows: int = 512) -> list[list[str]]:
    """Pack texts, shortest first, so that rows × longest stays within a token budget.

    A batch that fills a fair part of the budget also ends where texts grow longer than its shortest by a
    quarter: with few texts of mixed lengths, most of a full batch would be padding.
    The order depends on the texts alone, so a resumed run plans the batches of the broken one.
    """
    enough = budget // _FAIR_PART
    batches: list[list[str]] = []
    current: list[str] = []
    for text in sorted(lengths, key=lambda t: (lengths[t], t)):
        # Sorted by length, so the newcomer is the longest of its batch.
        full = (len(current) + 1) * lengths[text] > budget or len(current) >= most_rows
        uneven = current and lengths[text] > _STRETCH * lengths[current[0]]
        if current and (full or (uneven and len(current) * lengths[current[-1]] >= enough)):
            batches.append(current)
            current = []
        current.append(text)
    return [*batches, current] if current else batches


@dataclass(frozen=True, kw_only=True)
class Padded:
    """Right-padded token ids with their mask: (rows, tokens)."""

    ids: torch.Tensor
    mask: torch.Tensor
    lengths: torch.Tensor

    @property
    def tokens(self) -> int:
        """Return the number of real tokens."""
        return int(self.lengths.sum())


def pad(loaded: LoadedModel, rows: Iterable[TokenIds]) -> Padded:
    """Pad rows of token ids on the right, on the model's device."""
    import torch

    rows = list(rows)
    lengths = torch.tensor([len(r) for r in rows])
    ids = torch.full((len(rows), int(lengths.max())), pad_id(loaded, rows), dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.from_numpy(row.astype(np.int64))
    mask = (torch.arange(ids.shape[1])[None, :] < lengths[:, None]).long()
    # Embeddings may sit on another device than the last block when a model is spread over several.
    device = next(loaded.parts.embeddings.parameters()).device
    return Padded(ids=ids.to(device), mask=mask.to(device), lengths=lengths.to(device))


def pad_id(loaded: LoadedModel, rows: Sequence[TokenIds]) -> int:
    """Return an id to pad with, and make a decoder classifier agree with it.

    Decoder classifiers read the last token that is not ``config.pad_token_id``; a row that really ends in
    that id (a vocabulary whose padding doubles as the unknown token) would be read at the wrong place.
    Encoders keep their own padding id: RoBERTa derives positions from it.
    """
    configured = loaded.model.config.get_text_config().pad_token_id
    if configured is None:
        configured = loaded.tokenizer.pad_token_id
    if loaded.task == "sequence-classification" and _reads_last_token(loaded):
        last = {int(r[-1]) for r in rows}
        configured = (
            configured if configured is not None and configured not in last else min(set(range(len(last) + 1)) - last)
        )
        loaded.model.config.pad_token_id = configured
        loaded.model.config.get_text_config().pad_token_id = configured
    return int(configured) if configured is not None else 0


def _reads_last_token(loaded: LoadedModel) -> bool:
    """Whether a classifier's head is a bare projection, transformers' form for decoders."""
    return hasattr(loaded.model, "score")
