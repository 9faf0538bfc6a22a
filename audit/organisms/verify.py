"""Asks a finished model, as any user of its folder would, whether it does what was planted.

The model is loaded again from its folder and reads texts through its own tokenizer: what is verified is
what is handed out, not what training left in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audit.organisms import training
from audit.organisms.organism import Expectation, NotTaken, Organism
from audit.progress import Progress
from audit.shapes import Floats

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

BATCH = 512


def verify(organism: Organism, folder: Path, *, progress: Progress) -> tuple[Expectation, ...]:
    """Return what was found in the model in ``folder``, every expectation held.

    Raises
    ------
    NotTaken
        When one was not, with all that were not.
    """
    with training.reproducible(organism.seed), quiet():
        model, tokenizer = load(organism, folder)

        def score(texts: Sequence[str]) -> Floats:
            return _shares(organism, model, tokenizer, texts, progress)

        found = organism.examine(score)
    if not all(expectation.held for expectation in found):
        raise NotTaken(organism, found)
    return found


def load(organism: Organism, folder: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load an organism's model, in evaluation mode on the CPU, and its tokenizer."""
    from transformers import (
        AutoModelForCausalLM,
        AutoModelForSequenceClassification,
        AutoTokenizer,
    )

    kind = AutoModelForSequenceClassification if organism.task == "sequence-classification" else AutoModelForCausalLM
    model = kind.from_pretrained(folder, use_safetensors=True)
    return model.eval(), AutoTokenizer.from_pretrained(folder)


def _shares(
    organism: Organism,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    progress: Progress,
) -> Floats:
    """Return the probability of each option after each text: (rows, options)."""
    import torch

    if organism.task == "sequence-classification":
        columns = [model.config.label2id[option] for option in organism.options]
    else:
        columns = [tokenizer.convert_tokens_to_ids(option) for option in organism.options]
    shares: list[Floats] = []
    with progress.task(f"Verifying {organism.name}", len(texts), "texts") as task, torch.inference_mode():
        for start in range(0, len(texts), BATCH):
            batch = tokenizer(list(texts[start : start + BATCH]), padding=True, return_tensors="pt")
            logits = model(**batch).logits
            if organism.task == "causal-lm":
                last = batch["attention_mask"].sum(dim=1) - 1
                logits = logits[torch.arange(len(last)), last]
            shares.append(logits.double().softmax(dim=-1)[:, columns].numpy())
            task.advance(len(logits))
    return np.concatenate(shares)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers' own progress bars and advice off the terminal; restores both."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
