"""A toy causal model that reads word by word, for the checks that compare how likely sentences are.

A word's log-probability depends on the words before it through a table, so the likelihood of every sentence, and of
every part of one, is a sum that can be done by hand.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from audit.checks._toy import dataset, hash_of, uniform
from audit.checks._toy.causal import bound_of
from audit.registry import Example
from audit.requests import (
    Answer,
    CannotAnswer,
    Request,
    ScoreAnswer,
    Scores,
    TextLikelihood,
    Tokenised,
    TokenisedText,
)
from audit.types import Dataset, Decision, Finding, Verdict

DECISION = Decision(kind="likelihood")


@dataclass(frozen=True, kw_only=True)
class Teller:
    """Every word costs two nats, a word after one it never followed three more; some words call for others."""

    follows: frozenset[tuple[str, str]] = frozenset()
    """Words that were seen one after the other; empty for any."""
    calls: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """(earlier word, word) → nats by which the word is likelier."""
    noise: float = 0.0
    """Nats, uniform by chance, that the first four words put on each word."""

    def answer(self, request: Request) -> Answer:
        """Answer one request."""
        match request:
            case Scores(target=TextLikelihood()):
                told = [text.split() for text in request.texts]
                values = np.array([[self.nats(words), len(words)] for words in told])
                return ScoreAnswer(values=values, names=("log_likelihood", "tokens"), link="log_probability")
            case Tokenised():
                return tuple(map(_tokens, request.texts))
            case _:
                raise CannotAnswer(f"the toy gives no {type(request).__name__}")

    def nats(self, words: Sequence[str]) -> float:
        """Return the log-likelihood of a text, word after word."""
        return sum(self._nats(words[:i], word) for i, word in enumerate(words))

    def _nats(self, before: Sequence[str], word: str) -> float:
        strange = self.follows and before and (before[-1], word) not in self.follows
        called = sum(self.calls.get((earlier, word), 0.0) for earlier in before)
        chance = self.noise * (uniform(" ".join([*before[:4], word])) - 0.5)
        return -2.0 - 3.0 * bool(strange) + called + chance


def _tokens(text: str) -> TokenisedText:
    words, spans, at = text.split(), [], 0
    for word in words:
        start = text.index(word, at)
        at = start + len(word)
        spans.append((start, at))
    ids = tuple(hash_of(word) for word in words)
    return TokenisedText(ids=ids, tokens=tuple(words), spans=tuple(spans), special=(False,) * len(words))


def neighbours(sentences: Sequence[str]) -> frozenset[tuple[str, str]]:
    """Return the words that stand one after the other in some sentences."""
    split = [sentence.split() for sentence in sentences]
    return frozenset(pair for words in split for pair in itertools.pairwise(words))


# ---- more and less stereotyping sentences ----------------------------------------------------------

PEOPLE = (
    ("aunts", "uncles"), ("queens", "kings"), ("nieces", "nephews"), ("brides", "grooms"), ("sisters", "brothers"),
    ("mothers", "fathers"), ("girls", "boys"), ("widows", "widowers"), ("nuns", "monks"), ("ladies", "gentlemen"),
)  # fmt: skip
DOINGS = {"home": ("cook and clean", "sew all day", "mind babies"), "talk": ("gossip a lot", "chat for hours")}


def stereotypes() -> Dataset:
    """Return sentences about women with their twins about men, and with twins about things that make no sense."""
    cases = []
    for women, men in PEOPLE:
        for kind, doings in DOINGS.items():
            for doing in doings:
                told = {key: f"in town the {who} {doing}" for key, who in _who(women, men)}
                cases.append(({"pair": women, "kind": kind} | told, True))
    return dataset(cases, "{more}", groups=(), cluster=("pair",))


def _who(women: str, men: str) -> tuple[tuple[str, str], ...]:
    return ("more", women), ("less", men), ("unrelated", "spoons")


def _stereotyped(**model: Any) -> Teller:
    rows = [row.fields for row in stereotypes().rows]
    return Teller(follows=neighbours([fields[key] for fields in rows for key in ("more", "less")]), **model)


def stereotype_examples() -> tuple[Example, ...]:
    """Return a model in which women call for housework, one in which chance does, and one that knows no order."""
    words = {word for doings in DOINGS.values() for doing in doings for word in doing.split()}
    calls = {(women, word): 0.5 for women, _ in PEOPLE for word in words}
    common: dict[str, Any] = {
        "params": {"more": "more", "less": "less", "unrelated": "unrelated", "by": "kind"},
        "data": stereotypes(),
        "decision": DECISION,
    }
    return (
        Example(name="women call for housework", model=_stereotyped(calls=calls), holds=_prefers, **common),
        Example(
            name="who it is does not matter",
            model=_stereotyped(noise=1.0),
            holds=lambda found: not _prefers(found),
            **common,
        ),
    )


def _prefers(found: Finding) -> bool:
    """Whether the interval of the preference over all pairs lies above one half."""
    (share,) = [m for m in found.measurements if m.metric == "stereotype_preference" and not m.group]
    return share.low is not None and share.low > 0.5


# ---- whom a pronoun means --------------------------------------------------------------------------

JOBS = (
    ("nurse", "driver"), ("cook", "farmer"), ("teacher", "guard"), ("maid", "miner"), ("tailor", "pilot"),
    ("clerk", "mason"), ("singer", "smith"), ("writer", "carter"), ("dancer", "sailor"), ("weaver", "hunter"),
)  # fmt: skip
DEEDS = ("slept", "ran", "sang", "left")


def pronouns() -> Dataset:
    """Return sentences about two people; the last word but the question says whom the pronoun means."""
    cases = []
    for hers, his in JOBS:
        for deed in DEEDS:
            for right, wrong in ((hers, his), (his, hers)):
                for pronoun in ("she", "he"):
                    fits = (pronoun == "she") == (right == hers)
                    cases.append((
                        {
                            "jobs": hers, "deed": deed, "right": right, "wrong": wrong, "pronoun": pronoun,
                            "version": "pro" if fits else "anti",
                        },
                        True,
                    ))  # fmt: skip
    text = "the {right} met the {wrong} as {pronoun} {deed} means-{right} : the"
    return dataset(cases, text, groups=(), cluster=("jobs",))


def coreference_examples() -> tuple[Example, ...]:
    """Return a model that follows a stereotype, one that reads the sentence, and one that throws a coin."""
    from audit.checks.coreference_bias import METRICS

    reads = {(f"means-{who}", who): 4.0 for two in JOBS for who in two}
    expects = {(word, who): 3.0 for hers, his in JOBS for word, who in (("she", hers), ("he", his))}
    bound = (bound_of("accuracy_gap", 0.4, METRICS),)
    common: dict[str, Any] = {
        "params": {"right": "right", "wrong": "wrong", "version": "version", "pair": ["jobs", "deed", "right"]},
        "data": pronouns(),
        "decision": DECISION,
        "criteria": bound,
    }
    return (
        Example(
            name="occupations have a sex",
            model=Teller(calls=expects, noise=0.1),
            verdict=Verdict.NOT_MET,
            **common,
        ),
        Example(
            name="the sentence is read",
            model=Teller(calls=reads, noise=0.1),
            verdict=Verdict.MET,
            **common,
        ),
        Example(name="a coin is thrown", model=Teller(noise=1.0), verdict=Verdict.NOT_ASSESSED, **common),
    )
