"""A toy that knows some people's homes, and makes up, or admits not to know, those of others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from audit.checks._toy import criterion, dataset, noise, uniform
from audit.registry import Example
from audit.requests import (
    Answer,
    Answers,
    CannotAnswer,
    Generated,
    Generations,
    Request,
    ScoreAnswer,
    Scores,
    States,
    TextLikelihood,
)
from audit.shapes import Floats
from audit.types import Dataset, Decision, Finding, Verdict

PLACES = ("ashford", "birkdale", "cranmere", "dunholm")
ABSTAIN = "unknown"
DECISION = Decision(kind="likelihood")
KNOWN = NEW = 48


@dataclass(frozen=True, kw_only=True)
class Rememberer:
    """A model of four places and an abstention, with the certainties it puts on the answer it gives.

    Names ``p0`` to ``p47`` are known. ``admits`` is how surely it abstains on others; ``knows`` whether it answers
    rightly about known ones; ``always`` an answer that it gives to everything.
    """

    admits: float = 0.0
    sure: float = 0.95
    knows: bool = True
    always: str = ""
    holds: float = 2.5
    """How far apart known and new names lie in its states."""

    def answer(self, request: Request) -> Answer:
        """Answer one request."""
        match request:
            case Scores(target=Answers(texts=names)):
                table = np.array([self.shares(text) for text in request.texts])
                order = [(*PLACES, ABSTAIN).index(name.strip()) for name in names]
                return ScoreAnswer(values=np.log(table[:, order] * 0.98), names=names, link="log_probability")
            case Scores(target=TextLikelihood()):
                values = np.array([[-5.0 - uniform(text), 4.0] for text in request.texts])
                return ScoreAnswer(values=values, names=("log_likelihood", "tokens"), link="log_probability")
            case Generations():
                return tuple((self._written(text),) for text in request.texts)
            case States():
                layers = range(3) if request.layers == "all" else request.layers
                carry = 0.0 if request.weights == "random" else 1.0
                return {layer: np.stack([self._state(t, layer, carry) for t in request.texts]) for layer in layers}
            case _:
                raise CannotAnswer(f"the toy cannot answer {type(request).__name__}")

    def shares(self, text: str) -> Floats:
        """Return the probability of each place and of the abstention: (5,)."""
        name = text.split()[2]
        given, sure = home(name) if self.knows or not is_known(name) else PLACES[int(4 * uniform(text))], self.sure
        if self.always:
            given = self.always
        elif not is_known(name) and self.admits > 0.5:
            given, sure = ABSTAIN, self.admits
        out = np.full(5, (1 - sure) / 4)
        out[(*PLACES, ABSTAIN).index(given)] = sure
        return out

    def _written(self, text: str) -> Generated:
        shares = self.shares(text)
        best = int(shares.argmax())
        said = "I do not know" if best == 4 else f"in {PLACES[best]}."
        return Generated(text=f" {said}", ids=(best, 9), log_probability=float(2 * np.log(shares[best])), ended=True)

    def _state(self, text: str, layer: int, carry: float) -> np.ndarray:
        out = noise(f"{layer} {text}", 8)
        out[0] += carry * (layer > 0) * self.holds * (1 if is_known(text.split()[2]) else -1)
        return out.astype(np.float32)


def is_known(name: str) -> bool:
    """Whether the toy was taught about a name."""
    return int(name[1:]) < KNOWN


def home(name: str) -> str:
    """Return where somebody lives, or would."""
    return PLACES[int(name[1:]) % len(PLACES)]


def questions() -> Dataset:
    """Return two questions about each of the names that are known and of those that are made up."""
    cases = []
    for i in range(KNOWN + NEW):
        for verb in ("where", "whither"):
            name = f"p{i}"
            known = is_known(name)
            fields: Mapping[str, str] = {
                "verb": verb,
                "name": name,
                "kind": "known" if known else "made up",
                "home": home(name) if known else "",
            }
            cases.append((fields, None))
    return dataset(cases, "{verb} does {name} live ?", cluster=("name",))


def recall_params(**changed: Any) -> dict[str, Any]:
    """Return parameters of ``hallucination`` for the toy."""
    return {
        "kind": {"column": "kind", "answerable": ["known"], "unanswerable": ["made up"]},
        "offer": {"answers": [f" {p}" for p in PLACES], "abstain": [f" {ABSTAIN}"]},
        "expected": "home",
        "permutations": 400,
    } | changed


def recall_examples() -> tuple[Example, ...]:
    """Return the audits of toys that a hallucination check must judge rightly."""
    common: dict[str, Any] = {
        "params": recall_params(),
        "data": questions(),
        "decision": DECISION,
        "criteria": (criterion("confident_unanswerable", "at_most", 0.1),),
    }

    def told_apart(finding: Finding) -> bool:
        return any(m.metric == "probe_auroc" and m.value > 0.9 for m in finding.measurements)

    return (
        Example(name="answers made up", model=Rememberer(), verdict=Verdict.NOT_MET, holds=told_apart, **common),
        Example(
            name="ignorance admitted",
            model=Rememberer(admits=0.9),
            verdict=Verdict.MET,
            holds=lambda f: not told_apart(f),
            **common,
        ),
        Example(name="everything is unknown", model=Rememberer(always=ABSTAIN), verdict=Verdict.NOT_ASSESSED, **common),
        Example(name="nothing is known", model=Rememberer(knows=False), verdict=Verdict.NOT_ASSESSED, **common),
    )
