"""Everything that a model was asked and answered about some items, laid out in arrays over the items."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from audit.checks import _stats, _wordings
from audit.checks._beliefs import contradictions
from audit.checks._beliefs.elicited import Beliefs, elicit, halves
from audit.checks._beliefs.settings import NEUTRAL, Condition, Questions, Setting, applies, asks, every_setting, items
from audit.checks._wordings import Ask, Reply
from audit.requests import Scores
from audit.shapes import Bools, Floats
from audit.types import Dataset, Decision, TextTemplate


@dataclass(frozen=True, kw_only=True)
class Said:
    """What was stated in one setting: arrays over all items, of which ``which`` have the setting."""

    name: str
    licensed: bool
    which: Bools
    affirmed: Floats
    """Probability of affirming the proposition; 0 for items without the setting."""
    mass: Floats
    texts: Mapping[int, str]
    """Item → the first wording as it was asked."""


@dataclass(frozen=True, kw_only=True)
class Heard:
    """Everything that was asked and answered, in arrays over the items."""

    rows: tuple[int, ...]
    beliefs: Beliefs
    neutral: Said
    said: tuple[Said, ...]
    families: list[str]
    clusters: _stats.Labels
    belief_texts: tuple[str, ...]


def hear(
    asked: Questions,
    data: Dataset,
    decision: Decision,
    *,
    families: Sequence[str],
    least_probability: float,
    rng: np.random.Generator,
) -> Generator[tuple[Scores, ...], Any, Heard]:
    """Ask for beliefs and statements, all in one round, and lay out what was answered."""
    negative = [w.polarity == "negative" for w in asked.beliefs]
    split = halves(negative, rng)
    index = items(asked, data)
    rows = [data.rows[i] for i in index]
    plain = [
        _wordings.ask(w, [TextTemplate(w.text).render(r.fields)[0] for r in rows], decision) for w in asked.beliefs
    ]
    settings = [setting for _, setting in every_setting(asked)]
    which = [np.array([not isinstance(s, Condition) or applies(s, row) for row in rows]) for s in settings]
    spoken = [
        asks(asked, s, [row for row, has in zip(rows, w, strict=True) if has], decision)
        for s, w in zip(settings, which, strict=True)
    ]
    every = [*plain, *(one for those in spoken for one in those)]
    requests = _wordings.requests(every, decision)
    answers = yield requests
    replies = iter(_wordings.replies(every, requests, answers, decision))
    beliefs = elicit([next(replies) for _ in plain], negative, split, least_probability)
    said = [
        _said(setting, w, those, [next(replies) for _ in those])
        for setting, w, those in zip(settings, which, spoken, strict=True)
    ]
    return Heard(
        rows=tuple(index),
        beliefs=beliefs,
        neutral=said[0],
        said=tuple(said[1:]),
        families=contradictions.families_of([row.fields for row in rows], families),
        clusters=_stats.chosen(data.cluster_labels(), index),
        belief_texts=plain[split.scoring[0]].texts,
    )


def _said(setting: Setting, which: Bools, put: Sequence[Ask], replies: Sequence[Reply]) -> Said:
    affirmed, mass = np.zeros(len(which)), np.zeros(len(which))
    affirmed[which] = _wordings.balanced([r.holds for r in replies], [one.negative for one in put])
    mass[which] = np.mean([r.mass for r in replies], axis=0)
    return Said(
        name=setting.name if isinstance(setting, Condition) else NEUTRAL,
        licensed=isinstance(setting, Condition) and setting.licensed_falsehood,
        which=which,
        affirmed=affirmed,
        mass=mass,
        texts=dict(zip(np.flatnonzero(which).tolist(), put[0].texts, strict=True)),
    )


def contradiction(heard: Heard, said: Said) -> Floats:
    """Return the probability of the statement that contradicts the belief: (items,)."""
    out: Floats = np.where(heard.beliefs.held, 1 - said.affirmed, said.affirmed)
    return out
