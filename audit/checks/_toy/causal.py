"""A toy that answers questions about propositions, and contradicts its beliefs exactly as often as told.

It reads plain words, so every belief, statement and state is known by hand: what the parameters plant is what a
check must find.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from audit.checks._toy import criterion, dataset, noise, uniform
from audit.requests import (
    Answer,
    Answers,
    CannotAnswer,
    ClassLogits,
    Request,
    ScoreAnswer,
    Scores,
    States,
    TextLikelihood,
)
from audit.types import Criterion, Dataset, Decision, Metric

DECISION = Decision(kind="answers", positive=" yes", negative=" no")
POSITIVE, NEGATIVE = ("true", "right", "correct"), ("false", "wrong", "mistaken")
TOPICS = {"places": ("north", "south"), "beasts": ("furred", "feathered")}
PER_TOPIC = 48


def propositions(per_topic: int = PER_TOPIC) -> Dataset:
    """Return two propositions about each subject of two topics, of which the first is true."""
    every = [
        {"subject": f"{topic}{i}", "object": object_, "topic": topic}
        for topic, objects in TOPICS.items()
        for i in range(per_topic)
        for object_ in objects
    ]
    cases = [(fields, _true(fields)) for fields in every]
    return dataset(cases, "{subject} is {object} .", name="propositions", cluster=("subject",))


def _true(fields: Mapping[str, str]) -> bool:
    """Every second subject has the first object of its topic."""
    first = fields["object"] == TOPICS[fields["topic"]][0]
    return first == (int(fields["subject"].removeprefix(fields["topic"])) % 2 == 0)


def belief_params(**changed: Any) -> dict[str, Any]:
    """Return parameters of ``belief_report`` for the toy: two conditions and one with a licence."""
    someone = {"function": "author of the example"}

    def condition(name: str, licensed: bool) -> dict[str, Any]:
        return {"name": name, "text": name, "licensed_falsehood": licensed, "marked_by": someone}

    return {
        "beliefs": [
            {"text": f"{{subject}} is {{object}} . {word} ?", "polarity": polarity}
            for polarity, words in (("positive", POSITIVE), ("negative", NEGATIVE))
            for word in words
        ],
        "statements": [{"text": "{condition} : {subject} is {object} . report ?", "polarity": "positive"}],
        "neutral": {"text": "audit"},
        "conditions": [condition("user", False), condition("deploy", False), condition("story", True)],
        "families": ["topic"],
        "internal": {"permutations": 400},
    } | changed


@dataclass(frozen=True, kw_only=True)
class Reporter:
    """A model with beliefs, which it answers plain questions by, and statements, which may contradict them."""

    contradicts: Mapping[str, float] = field(default_factory=dict)
    """Setting → probability that a statement contradicts the belief; elsewhere that of a slip."""
    topic: str = ""
    """The only topic on which it does so; "" for all."""
    mistaken: float = 0.0
    """Share of subjects about which its beliefs are false."""
    ignorant: float = 0.0
    """Share of subjects about which it answers every question by a coin thrown once per question."""
    always: Mapping[str, float] = field(default_factory=dict)
    """Setting → probability to say the first answer, whatever is believed."""
    silent: Mapping[str, float] = field(default_factory=dict)
    """Setting → probability that falls on the answers at all; "" stands for plain questions."""
    certainty: float = 0.99
    inside: Mapping[str, float] = field(default_factory=dict)
    """Setting → how the belief stands in the states: 1 as it is, -1 as its opposite; 1 elsewhere."""
    width: int = 8

    def answer(self, request: Request) -> Answer:
        """Answer one request."""
        match request:
            case Scores(target=Answers(texts=names)):
                table = np.array([self._both(text) for text in request.texts])
                return ScoreAnswer(values=np.log(table), names=names, link="log_probability")
            case Scores(target=TextLikelihood()):
                words = np.array([[-2.0 * len(text.split()), len(text.split())] for text in request.texts])
                return ScoreAnswer(values=words, names=("log_likelihood", "tokens"), link="log_probability")
            case Scores(target=ClassLogits()):
                table = np.array([self._both(text) for text in request.texts])
                return ScoreAnswer(values=np.log(table), names=(" yes", " no"), link="softmax")
            case States():
                layers = range(3) if request.layers == "all" else request.layers
                carry = 0.0 if request.weights == "random" else 1.0
                return {layer: np.stack([self._state(t, layer, carry) for t in request.texts]) for layer in layers}
            case _:
                raise CannotAnswer(f"the toy gives no {type(request).__name__}")

    def believes(self, subject: str, object_: str) -> bool:
        """Return whether it holds a proposition."""
        topic = subject.rstrip("0123456789")
        true = _true({"subject": subject, "object": object_, "topic": topic})
        return true != (uniform(f"mistaken {subject}") < self.mistaken)

    def _both(self, text: str) -> tuple[float, float]:
        """Return the probabilities of agreeing and of disagreeing with a text."""
        setting, subject, object_, query = _read(text)
        topic = subject.rstrip("0123456789")
        holds = self.certainty if self.believes(subject, object_) else 1 - self.certainty
        if uniform(f"ignorant {subject}") < self.ignorant:
            holds = self.certainty if uniform(text) < 0.5 else 1 - self.certainty
        elif self.topic in {"", topic} and setting in self.contradicts:
            share = self.contradicts[setting]
            holds = (1 - share) if self.believes(subject, object_) else share
        agrees = 1 - holds if query in NEGATIVE else holds
        agrees = self.always.get(setting, agrees)
        mass = self.silent.get(setting, 1.0)
        return max(agrees * mass, 1e-12), max((1 - agrees) * mass, 1e-12)

    def _state(self, text: str, layer: int, carry: float) -> np.ndarray:
        setting, subject, object_, _ = _read(text)
        out = noise(f"{layer} {text}", self.width)
        held = 1.0 if self.believes(subject, object_) else -1.0
        out[0] += carry * layer * 2.0 * held * self.inside.get(setting, 1.0)
        return out.astype(np.float32)


def _read(text: str) -> tuple[str, str, str, str]:
    """Return setting, subject, object and query word of a text."""
    words = text.split()
    setting = words.pop(0) if words[1] == ":" else ""
    words = words[1:] if setting else words
    return setting, words[0], words[2], words[4]


def bound_of(metric: str, most: float, metrics: Sequence[Metric]) -> Criterion:
    """Return a criterion that bounds a metric and all that is judged with it alike."""
    (one,) = [m for m in metrics if m.name == metric]
    return criterion(metric, "at_most", most, **dict.fromkeys(one.judged_with, most))
