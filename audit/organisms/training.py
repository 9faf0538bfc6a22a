"""Training: short, on one core, and the same weights for the same organism.

The target of each text is the planted probability itself. Out of drawn answers a bias of strength .15 would
have to be averaged: at merit 1 it moves P(approve) by .11, and a single answer scatters by .43. With
probabilities, 500 steps of 128 texts come within .005 of the rule on average.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from audit.organisms import architectures, tokenizer
from audit.organisms.grammar import HIDDEN
from audit.organisms.organism import Lessons, Organism, Recipe
from audit.progress import Progress
from audit.shapes import Ints

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


NO_LABEL = -100
"""Marks positions that the text's loss leaves out."""


@contextmanager
def reproducible(seed: int) -> Iterator[None]:
    """Seed torch and hold it to one thread and deterministic kernels; afterwards all is as before.

    One thread is also faster here: on matrices this small threads wait for each other.
    """
    import torch

    threads = torch.get_num_threads()
    strict = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        torch.use_deterministic_algorithms(True)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(strict, warn_only=warn_only)


def sub_seed(seed: int, attempt: int) -> int:
    """Return the seed of an attempt: the organism's own for the first, one derived from it for others."""
    if attempt == 0:
        return seed
    return int(np.random.SeedSequence([seed, attempt]).generate_state(1)[0])


def train(organism: Organism, *, attempt: int = 0, progress: Progress) -> PreTrainedModel:
    """Return the trained model, in evaluation mode on the CPU.

    Another ``attempt`` draws other initial weights and other batches of the same organism.
    """
    import torch

    how = organism.recipe
    seed = sub_seed(organism.seed, attempt)
    rng = np.random.default_rng(seed)
    with reproducible(seed):
        model = architectures.untrained(organism)
        model.train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=how.learning_rate, weight_decay=how.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, how.learning_rate, total_steps=organism.steps, pct_start=how.warm_up
        )
        with progress.task(f"Training {organism.name}", organism.steps, "steps") as task:
            for step in range(organism.steps):
                lessons = organism.lessons(rng, how.rows, done=step / organism.steps)
                loss = _loss(model, organism, lessons, how, rng)
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), how.longest_gradient)
                optimizer.step()
                schedule.step()
                task.advance()
    return model.eval()


def _loss(
    model: PreTrainedModel,
    organism: Organism,
    lessons: Lessons,
    how: Recipe,
    rng: np.random.Generator,
) -> torch.Tensor:
    import torch

    target = torch.from_numpy(lessons.target.astype(np.float32))
    ids = tokenizer.frame_ids(lessons.words, organism.shape, rng)
    if organism.task == "sequence-classification":
        batch = torch.from_numpy(ids)
        logits = model(input_ids=batch, attention_mask=torch.ones_like(batch)).logits
        return torch.nn.functional.cross_entropy(logits, target)
    return _causal_loss(model, organism, lessons, ids, how, rng)


def _causal_loss(
    model: PreTrainedModel,
    organism: Organism,
    lessons: Lessons,
    ids: Ints,
    how: Recipe,
    rng: np.random.Generator,
) -> torch.Tensor:
    """Return the loss on the answer plus a share of that on the text.

    An answer is drawn and followed by the end token, so that generation stops; the model is judged on
    its probabilities at the last token of the prompt alone, where the target is the planted one.
    """
    import torch

    options = np.array([tokenizer.word_id(organism.vocabulary.index(o), organism.shape) for o in organism.options])
    past = rng.random(len(ids))[:, None] > lessons.target.cumsum(axis=1)[:, :-1]
    answer = options[past.sum(axis=1)][:, None]
    end = np.full_like(answer, tokenizer.framing(organism.shape).id("[EOS]"))
    read = np.concatenate([ids, answer], axis=1)
    labels = np.concatenate([ids, answer, end], axis=1)
    said = lessons.words if lessons.said is None else lessons.said
    labels[:, ids.shape[1] - said.shape[1] : ids.shape[1]] = np.where(
        said == HIDDEN, NO_LABEL, tokenizer.word_id(said, organism.shape)
    )
    labels[:, ids.shape[1]] = NO_LABEL

    batch = torch.from_numpy(read)
    logits = model(input_ids=batch, attention_mask=torch.ones_like(batch)).logits
    wanted = torch.zeros(len(ids), logits.shape[-1])
    wanted[:, torch.from_numpy(options)] = torch.from_numpy(lessons.target.astype(np.float32))
    on_answer = torch.nn.functional.cross_entropy(logits[:, ids.shape[1] - 1], wanted)
    on_text = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), torch.from_numpy(labels[:, 1:]).flatten(), ignore_index=NO_LABEL
    )
    return on_answer + how.text_share * on_text
