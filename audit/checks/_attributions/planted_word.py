"""Would this attribution find a shortcut in this model? A word is made decisive, and its rank is looked at.

Which method finds a shortcut differs from model to model and task to task (Bastings et al. 2022, "Will you find these
shortcuts?"), so the question is put to the audited model itself: the embedding of a word that the texts do not use is
replaced by one that turns the decision (``Attributions.planted``; every other weight stays). The word stands in the
place of one of a text's own words, drawn at random, in texts that are decided the other way with the same word as it
was: so it is the plant that turns the decision, and not the odd word. Where it does, it must rank first.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from audit.checks import _stats
from audit.checks._attributions import Attributed, Explained, runs
from audit.checks._rewriting.inserting import holds
from audit.requests import CannotAnswer, Planted, Scores, TokenAttribution, Vocabulary, Words
from audit.shapes import Bools
from audit.types import Column, Decision, Table

CANDIDATES = 64
"""Words drawn from the vocabulary, of which one is taken that is in no text, or in the fewest."""
RARE = 0.5
"""Part of the vocabulary that they are drawn from first: where tokens are numbered by frequency, the rare ones."""
MOST_TAUGHT = 8
"""Texts on which the word is taught to decide; others are attributed."""
FEWEST = 2
"""Texts that it is taught on: fewer show nothing."""
DRAWN = 3
"""Times as many texts are drawn as are used: some are decided otherwise for the word alone."""

REACHES = (1.0, 2.0, 4.0)
"""Lengths that the embedding may have, tried in turn."""

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, kw_only=True)
class Found:
    """What became of a planted word; arrays are over the texts in which it turned the decision and converged."""

    word: str
    rows: tuple[int, ...]
    """Which of the texts they are."""
    first: Bools
    """Whether the word ranked first."""
    chance: float
    """Share in which a random order would put it first."""
    tried: int
    """Texts that held the word."""
    turned: int
    """Of these, how many were decided the other way for it."""
    reach: float
    """As in ``Planted``."""


def ask(
    main: Attributed,
    texts: Sequence[str],
    selected: Bools,
    explained: Explained,
    most: int,
    decision: Decision,
    rng: np.random.Generator,
) -> Generator[Any, Any, Found]:
    """Plant a word in up to ``most`` of some texts and attribute them.

    Parameters
    ----------
    main
        The attribution that is tested: its method and baseline input are used.
    texts, selected
        What is drawn from, and which of them the model decides positively.
    explained
        The contrast, and how exactly it is attributed.

    Raises
    ------
    CannotAnswer
        When there are too few texts, no word is free, or no embedding makes it decide.
    """
    word = yield from _rare_word(texts, int(rng.integers(2**31)))
    free = np.array([not holds(text, word) for text in texts])
    # The decision that most texts have leaves most to be turned.
    raises = bool(selected[free].mean() <= 0.5)
    drawn = rng.permutation(np.flatnonzero(free & (selected != raises)))[: DRAWN * (most + MOST_TAUGHT)].tolist()
    with_it = {i: _with(texts[i], word, rng) for i in drawn}
    # Texts that differed in the replaced word alone are now one; taught and tested at once it would show nothing.
    some = list({with_it[i][0]: i for i in reversed(drawn)}.values())[::-1]
    if not some:
        raise CannotAnswer("no text is decided the way that a planted word could turn")
    scored = yield Scores(texts=tuple(with_it[i][0] for i in some), target=decision.target)
    still = [i for i, one in zip(some, decision.selected(decision.score(scored)), strict=True) if bool(one) != raises]
    taught = min(MOST_TAUGHT, len(still) // 2)
    if taught < FEWEST:
        raise CannotAnswer(f"only {len(still)} texts are decided the way that a planted word could turn")
    learnt, tested = still[:taught], sorted(still[taught : taught + most])
    plant = Planted(word=word, raises=raises, taught_on=tuple(with_it[i][0] for i in learnt))
    plant, answers = yield from _planted(main, explained, tuple(with_it[i][0] for i in tested), plant)
    return _found(plant, tested, answers, {i: with_it[i][1:] for i in tested}, runs.margin(decision))


def _found(
    plant: Planted,
    tested: Sequence[int],
    answers: Sequence[TokenAttribution],
    spans: Mapping[int, tuple[int, int]],
    margin: float,
) -> Found:
    turned = [(i, a) for i, a in zip(tested, answers, strict=True) if (a.score > margin) == plant.raises]
    kept = [(i, answer) for i, answer in turned if answer.converged]
    side = 1 if plant.raises else -1
    return Found(
        word=plant.word,
        rows=tuple(i for i, _ in kept),
        first=np.array([ranks_first(answer, spans[i], side) for i, answer in kept], dtype=bool),
        chance=float(np.mean([1 / max(1, answer.text.special.count(False)) for _, answer in kept])) if kept else 0.0,
        tried=len(tested),
        turned=len(turned),
        reach=plant.reach,
    )


def _planted(
    main: Attributed, explained: Explained, texts: tuple[str, ...], plant: Planted
) -> Generator[Any, Any, tuple[Planted, Sequence[TokenAttribution]]]:
    """Attribute texts under the shortest embedding that decides.

    Raises
    ------
    CannotAnswer
        When the longest that is tried does not.
    """
    asked = replace(explained, texts=texts).request(main.method, main.baseline_input)
    for reach in REACHES:
        plant = replace(plant, reach=reach)
        try:
            answers = yield replace(asked, planted=plant)
        except CannotAnswer:
            if reach == REACHES[-1]:
                raise
        else:
            return plant, answers
    raise AssertionError("the last reach returned or raised")


def ranks_first(answer: TokenAttribution, span: tuple[int, int], side: int) -> bool:
    """Whether no token speaks more for the decision than one of those in a stretch of characters.

    ``side`` is +1 where the decision is the positive one, -1 where not.
    """
    counts = ~np.array(answer.text.special, dtype=bool)
    inside = np.array([a < span[1] and b > span[0] for a, b in answer.text.spans], dtype=bool) & counts
    values = side * np.asarray(answer.values)
    if not inside.any() or not (values[inside] > 0).any():
        return False
    return bool(values[inside].max() >= values[counts].max())


def _rare_word(texts: Sequence[str], seed: int) -> Generator[Any, Any, str]:
    """Return the word that the fewest texts hold; the vocabulary of a small model may have none that is in no text."""
    best, fewest = "", len(texts)
    words: Words
    for last in (RARE, 1.0):
        words = yield Vocabulary(sample=CANDIDATES, seed=seed, last=last)
        # Letters alone: a word that could be read as part of a number or a name of a code says less.
        for word in filter(str.isalpha, words.words):
            if (held := sum(holds(text, word) for text in texts)) < fewest:
                best, fewest = word, held
        if not fewest:
            return best
    if not best:
        raise CannotAnswer("no word of the vocabulary is one token and missing from a text")
    return best


def _with(text: str, word: str, rng: np.random.Generator) -> tuple[str, int, int]:
    """Return a text with the word in place of one of its own, drawn at random, and the characters that it takes."""
    own = [match.span() for match in _WORD.finditer(text)]
    start, end = own[int(rng.integers(len(own)))] if own else (len(text), len(text))
    return f"{text[:start]}{word}{text[end:]}", start, start + len(word)


# ---- what comes of it ----------------------------------------------------------------------------


def estimate(found: Found, clusters: tuple[Sequence[str], ...]) -> _stats.Estimate | None:
    """Return the share of texts in which the word that turned the decision ranked first; None where it turned none."""
    if not found.rows:
        return None
    return _stats.clustered_proportion(found.first, _stats.chosen(clusters, list(found.rows)))


def table(found: Found) -> Table:
    """Return what was planted and whether it was found."""
    share = float(found.first.mean()) if found.rows else None
    chance = found.chance if found.rows else None
    return Table(
        id="planted_word",
        title="Would it find a shortcut in this model?",
        columns=(
            Column(title="Planted word"),
            Column(title="Texts with it", unit="count"),
            Column(title="Decision turned", unit="count"),
            Column(title="Of these converged", unit="count"),
            Column(title="Ranked first", unit="share"),
            Column(title="By a random order", unit="share"),
            Column(title="Length of its embedding, at most", unit="ratio"),
        ),
        rows=((f"“{found.word}”", found.tried, found.turned, len(found.rows), share, chance, found.reach),),
        note="The word's embedding was replaced by one that turns decisions; every other weight is the audited "
        "model's. Its length is at most that of the longest embedding of the vocabulary times the number shown. A "
        "planted word is easier to find than a shortcut that is spread over many words: what is missed here would be "
        "missed there, not the other way round.",
    )
