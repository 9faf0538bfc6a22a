"""Word-level tokenizers: each word of the vocabulary is one token, so a name is never split.

They are ordinary fast tokenizers with character offsets, saved and loaded with ``save_pretrained`` and
``AutoTokenizer``. Special tokens follow the architecture that the model copies: an encoder has [CLS], [SEP]
and [MASK]; decoders have none of these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from audit.organisms.grammar import HIDDEN
from audit.organisms.organism import Shape
from audit.shapes import Ints

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_Number = TypeVar("_Number", int, Ints)

MOST_TOKENS = 64
"""Longest text that the small models can read; the families' sentences have fewer than 25 tokens."""


@dataclass(frozen=True, kw_only=True)
class Framing:
    """The special tokens of a shape, and which of them stand around a text or in place of a word."""

    roles: Mapping[str, str]
    """Role as transformers names it → token; their order gives ids from 0."""
    before: tuple[str, ...]
    after: tuple[str, ...]
    hides: tuple[str, ...]
    """Tokens that stand in for a hidden word in training."""

    def id(self, token: str) -> int:
        """Return the id of a special token."""
        return tuple(self.roles.values()).index(token)


def framing(shape: Shape) -> Framing:
    """Return the special tokens of a shape.

    The GPT-2 shape puts nothing before a text, as GPT-2 does not; the Llama shape puts [BOS].
    """
    if shape == "bert":
        return Framing(
            roles={
                "pad_token": "[PAD]",
                "unk_token": "[UNK]",
                "cls_token": "[CLS]",
                "sep_token": "[SEP]",
                "mask_token": "[MASK]",
            },
            before=("[CLS]",),
            after=("[SEP]",),
            hides=("[MASK]", "[UNK]"),
        )
    return Framing(
        roles={"pad_token": "[PAD]", "unk_token": "[UNK]", "bos_token": "[BOS]", "eos_token": "[EOS]"},
        before=("[BOS]",) if shape == "llama" else (),
        after=(),
        hides=("[UNK]",),
    )


def make(vocabulary: Sequence[str], shape: Shape) -> PreTrainedTokenizerFast:
    """Return the tokenizer of a vocabulary: ids count special tokens first, then words in order."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    frame = framing(shape)
    tokens = (*frame.roles.values(), *vocabulary)
    numbered = {token: i for i, token in enumerate(tokens)}
    fast = Tokenizer(WordLevel(numbered, unk_token=frame.roles["unk_token"]))
    fast.pre_tokenizer = Whitespace()
    fast.post_processor = TemplateProcessing(
        single=" ".join((*frame.before, "$A", *frame.after)),
        special_tokens=[(token, frame.id(token)) for token in (*frame.before, *frame.after)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=fast,
        model_max_length=MOST_TOKENS,
        padding_side="right",
        # GPT-2 adds the embeddings of token types to the words', so they must not be handed to it.
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
        **frame.roles,
    )


def word_id(number: _Number, shape: Shape) -> _Number:
    """Return the token id of a word's number in the vocabulary, or those of an array of them."""
    return len(framing(shape).roles) + number


def frame_ids(words: Ints, shape: Shape, rng: np.random.Generator) -> Ints:
    """Return token ids (rows, tokens) as the tokenizer gives them for the words' text.

    Hidden words become [MASK] or [UNK], the same throughout a row, where the shape has both.
    """
    frame = framing(shape)
    stand_ins = np.array([frame.id(token) for token in frame.hides])
    stand_in = rng.choice(stand_ins, size=(len(words), 1))
    ids = np.where(words == HIDDEN, stand_in, words + len(frame.roles))
    before, after = (
        np.tile(np.array([frame.id(token) for token in tokens], dtype=np.int64), (len(words), 1))
        for tokens in (frame.before, frame.after)
    )
    return np.concatenate([before, ids, after], axis=1)
