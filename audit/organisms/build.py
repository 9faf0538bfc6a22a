"""From a description to a folder that holds the model: cached, trained, verified, then handed out."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from audit.organisms import cache as shelf
from audit.organisms.organism import Expectation, Organism
from audit.progress import Progress

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def build(organism: Organism, *, cache: Path | None = None, progress: Progress) -> Path:
    """Return the folder of a planted model, building it where ``cache`` does not hold it.

    The folder opens with ``transformers`` (safetensors, tokenizer, configuration). Its ``planted.json``
    says what was planted and what was verified. Without ``cache``, ``default_cache`` is used.

    Raises
    ------
    NotTaken
        When training did not plant the behaviour; nothing is kept.
    """
    folder = shelf.place(organism, cache or shelf.default_cache())
    if shelf.is_whole(folder):
        progress.note(f"{organism.name}: taken from {folder}")
        return folder

    from audit.organisms import training, verify

    with shelf.new_folder(folder) as draft:
        save(training.train(organism, progress=progress), organism, draft)
        found = verify.verify(organism, draft, progress=progress)
        _write_card(organism, found, draft)
    return folder


def save(model: PreTrainedModel, organism: Organism, folder: Path) -> None:
    """Write a model and its tokenizer into a folder."""
    from audit.organisms import tokenizer
    from audit.organisms.verify import quiet

    with quiet():
        model.save_pretrained(folder)
        tokenizer.make(organism.vocabulary, organism.shape).save_pretrained(folder)


def _write_card(organism: Organism, found: tuple[Expectation, ...], folder: Path) -> None:
    card = shelf.made_of(organism) | {
        # Rounded, so that two machines which agree in all that matters write the same card.
        "verified": [asdict(e) | {"value": round(e.value, 6)} for e in found],
        "files": shelf.digests(folder),
    }
    (folder / shelf.CARD).write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
