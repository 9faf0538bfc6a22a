"""From a description to a folder that holds the model: cached, trained, verified, then handed out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.organisms import cache as shelf
from audit.organisms.organism import Expectation, NotTaken, Organism
from audit.progress import Progress

if TYPE_CHECKING:
    from transformers import PreTrainedModel


ATTEMPTS = 3
"""Trainings of one organism before it is given up."""


def build(organism: Organism, *, cache: Path | None = None, progress: Progress) -> Path:
    """Return the folder of a planted model, building it where ``cache`` does not hold it.

    A training that did not take is repeated from other initial weights, ``ATTEMPTS`` times in all; the card
    keeps what the earlier ones missed. Which attempt is kept depends on the description alone.

    The folder opens with ``transformers`` (safetensors, tokenizer, configuration). Its ``planted.json``
    says what was planted and what was verified. Without ``cache``, ``default_cache`` is used.

    Raises
    ------
    NotTaken
        When no attempt planted the behaviour, with what the last one missed; nothing is kept.
    """
    folder = shelf.place(organism, cache or shelf.default_cache())
    if shelf.is_whole(folder):
        progress.note(f"{organism.name}: taken from {folder}")
        return folder

    with shelf.new_folder(folder) as draft:
        found, missed = _train(organism, draft, progress)
        _write_card(organism, found, missed, draft)
    return folder


def _train(organism: Organism, draft: Path, progress: Progress) -> tuple[tuple[Expectation, ...], list[NotTaken]]:
    """Fill ``draft`` with a verified model; return what was verified and what earlier attempts missed."""
    from audit.organisms import training, verify

    missed: list[NotTaken] = []
    while True:
        save(training.train(organism, attempt=len(missed), progress=progress), organism, draft)
        try:
            return verify.verify(organism, draft, progress=progress), missed
        except NotTaken as error:
            missed.append(error)
            if len(missed) == ATTEMPTS:
                raise
            names = ", ".join(str(problem.where) for problem in error.problems)
            progress.note(f"{organism.name}: attempt {len(missed)} of {ATTEMPTS} did not take ({names})")


def save(model: PreTrainedModel, organism: Organism, folder: Path) -> None:
    """Write a model and its tokenizer into a folder."""
    from audit.organisms import tokenizer
    from audit.organisms.verify import quiet

    with quiet():
        model.save_pretrained(folder)
        tokenizer.make(organism.vocabulary, organism.shape).save_pretrained(folder)


def _write_card(organism: Organism, found: Sequence[Expectation], missed: Sequence[NotTaken], folder: Path) -> None:
    card = shelf.made_of(organism) | {
        "verified": _plain(found),
        "attempts_not_taken": [_plain([e for e in error.expectations if not e.held]) for error in missed],
        "files": shelf.digests(folder),
    }
    (folder / shelf.CARD).write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


def _plain(expectations: Sequence[Expectation]) -> list[dict[str, Any]]:
    # Rounded, so that two machines which agree in all that matters write the same card.
    return [asdict(e) | {"value": round(e.value, 6)} for e in expectations]
