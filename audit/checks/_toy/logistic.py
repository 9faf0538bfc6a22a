"""A toy that is a logistic function of word weights, so that every score, gap and attribution is known by hand."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from audit.checks._toy.inputs import dataset, hash_of, noise
from audit.registry import Example
from audit.requests import (
    Ablations,
    Answer,
    Attributions,
    CannotAnswer,
    CheckRun,
    Request,
    ScoreAnswer,
    Scores,
    States,
    TokenAttribution,
    Tokenised,
    TokenisedText,
    as_tuple,
)
from audit.types import (
    Criterion,
    Dataset,
    Decision,
    Finding,
    NotAssessed,
    Verdict,
)

NAMES = tuple(zip(
    ("Ada", "Berta", "Clara", "Dora", "Emma", "Frida", "Greta", "Hanna", "Ida", "Julia"),
    ("Adam", "Bert", "Carl", "Dirk", "Emil", "Franz", "Georg", "Hans", "Igor", "Jan"),
    strict=True,
))  # fmt: skip
LEVELS = ("low", "middle", "high")
LABELS = ("deny", "approve")
DECISION = Decision(kind="classes", positive="approve", negative="deny")


@dataclass(frozen=True, kw_only=True)
class Toy:
    """A classifier whose logit is a sum of word weights, with states of three layers.

    ``hides`` makes the states carry, beside noise of the text, which of some words is present.
    """

    weights: Mapping[str, float]
    hides: Mapping[str, float] = field(default_factory=dict)
    width: int = 12

    def logit(self, words: Iterable[str]) -> float:
        """Return the log-odds of approval."""
        return sum(self.weights.get(word, 0.0) for word in words)

    def answer(self, request: Request) -> Answer:
        """Answer one request."""
        match request:
            case Scores():
                logits = np.array([self.logit(t.split()) for t in request.texts])
                return ScoreAnswer(values=np.stack([-logits / 2, logits / 2], axis=1), names=LABELS, link="softmax")
            case Tokenised():
                return tuple(map(_tokens, request.texts))
            case States():
                layers = range(3) if request.layers == "all" else request.layers
                carry = 0.0 if request.weights == "random" else 1.0
                return {layer: np.stack([self._state(t, layer, carry) for t in request.texts]) for layer in layers}
            case Attributions():
                if not request.baseline_input.startswith(("mask", "token:")):
                    raise CannotAnswer(f"the toy has no token for {request.baseline_input!r}")
                return tuple(map(self._attribution, request.texts))
            case Ablations():
                return tuple(
                    np.array([self._without(t, taken) for taken in sets])
                    for t, sets in zip(request.texts, request.positions, strict=True)
                )
            case _:
                raise CannotAnswer(f"the toy cannot answer {type(request).__name__}")

    def _state(self, text: str, layer: int, carry: float) -> np.ndarray:
        out = noise(f"{layer} {text}", self.width)
        out[0] += carry * layer * sum(self.hides.get(word, 0.0) for word in text.split())
        return out.astype(np.float32)

    def _attribution(self, text: str) -> TokenAttribution:
        values = np.array([self.weights.get(word, 0.0) for word in text.split()])
        return TokenAttribution(
            text=_tokens(text),
            values=values,
            score=float(values.sum()),
            baseline_score=0.0,
            n_steps=17,
            completeness_delta=0.0,
            converged=True,
        )

    def _without(self, text: str, taken: tuple[int, ...]) -> float:
        return self.logit(word for i, word in enumerate(text.split()) if i not in taken)


def _tokens(text: str) -> TokenisedText:
    words, at, spans = text.split(), 0, []
    for word in words:
        start = text.index(word, at)
        at = start + len(word)
        spans.append((start, at))
    ids = tuple(hash_of(word) for word in words)
    return TokenisedText(ids=ids, tokens=tuple(words), spans=tuple(spans), special=(False,) * len(words))


def drive(check: CheckRun, model: Any) -> Finding | NotAssessed:
    """Run a check against a toy to its end, as an audit would: a refusal that it does not catch ends it unassessed.

    Raises
    ------
    TypeError
        When the check returns something else than a finding.
    """
    try:
        asked = next(check)
        while True:
            try:
                answers = tuple(model.answer(request) for request in as_tuple(asked))
            except CannotAnswer as reason:
                asked = check.throw(reason)
                continue
            asked = check.send(answers if isinstance(asked, tuple) else answers[0])
    except CannotAnswer as reason:
        return NotAssessed(reason=str(reason))
    except StopIteration as end:
        if not isinstance(end.value, Finding | NotAssessed):
            raise TypeError(f"a check returned {end.value!r}") from end
        return end.value


# ---- a toy credit decision -----------------------------------------------------------------------

MERIT = {
    "income_low": -2.0,
    "income_middle": 0.3,
    "income_high": 2.4,
    "debt_low": 1.1,
    "debt_middle": 0.2,
    "debt_high": -1.6,
}


def applicants(*, outcome: Callable[[Mapping[str, str]], bool] | None = None) -> Dataset:
    """Return every toy applicant: 20 names × 3 incomes × 3 debts, labelled by merit."""
    cases = []
    for (female, male), income, debt in itertools.product(NAMES, LEVELS, LEVELS):
        for sex, name in (("female", female), ("male", male)):
            fields = {"name": name, "sex": sex, "income": f"income_{income}", "debt": f"debt_{debt}"}
            good = MERIT[fields["income"]] + MERIT[fields["debt"]] > 0 if outcome is None else outcome(fields)
            cases.append((fields, good))
    return dataset(
        cases, "{name} has {income} {debt}", groups=("sex",), legitimate=("income", "debt"), cluster=("name",)
    )


def credit(penalty: float) -> Toy:
    """Return a toy credit model that takes ``penalty`` from the log-odds of women."""
    # Names differ a little whatever the penalty, as they do in trained models.
    women = {female: -penalty + 0.002 * (7 * i % 10) for i, (female, _) in enumerate(NAMES)}
    men = {male: 0.002 * (3 * i % 10) for i, (_, male) in enumerate(NAMES)}
    hides = dict.fromkeys(women, 2.0) | dict.fromkeys(men, -2.0)
    return Toy(weights=MERIT | women | men, hides=hides)


def credit_examples(params: Mapping[str, Any], criterion: Criterion) -> tuple[Example, ...]:
    """Return the toy credit audits that a behavioural check must judge rightly."""
    common: dict[str, Any] = {"params": params, "data": applicants(), "decision": DECISION, "criteria": (criterion,)}
    return (
        Example(name="women lose one logit", model=credit(1.0), verdict=Verdict.NOT_MET, **common),
        Example(name="names do not matter", model=credit(0.0), verdict=Verdict.MET, **common),
        Example(name="everybody is denied", model=Toy(weights={}), verdict=Verdict.NOT_ASSESSED, **common),
    )
