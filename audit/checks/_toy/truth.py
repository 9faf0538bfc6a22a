"""A toy whose states hold the truth of a statement, or what it says about it, or neither."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from audit.checks._toy import dataset, noise, uniform
from audit.registry import Example
from audit.requests import Answer, Answers, CannotAnswer, Request, ScoreAnswer, Scores, States, TextLikelihood
from audit.types import Dataset, Decision, Finding

DECISION = Decision(kind="answers", positive=" true", negative=" false")
SUBJECTS = 60
SETS = ("cities", "beasts")


@dataclass(frozen=True, kw_only=True)
class Teller:
    """A model that says of every statement whether it is true, and lies about a share of the subjects.

    ``truth`` and ``output`` are how far its states hold the one and the other.
    """

    truth: float = 0.0
    output: float = 0.0
    lies: float = 0.4
    constant: bool = False

    def answer(self, request: Request) -> Answer:
        """Answer one request."""
        match request:
            case Scores(target=Answers(texts=names)):
                p = np.array([0.9 if self.affirms(t) else 0.05 for t in request.texts])
                return ScoreAnswer(values=np.log(np.stack([p, 0.95 - p], axis=1)), names=names, link="log_probability")
            case Scores(target=TextLikelihood()):
                values = np.array([[-9.0 - uniform(t), 5.0] for t in request.texts])
                return ScoreAnswer(values=values, names=("log_likelihood", "tokens"), link="log_probability")
            case States():
                layers = range(3) if request.layers == "all" else request.layers
                carry = 0.0 if request.weights == "random" else 1.0
                return {layer: np.stack([self._state(t, layer, carry) for t in request.texts]) for layer in layers}
            case _:
                raise CannotAnswer(f"the toy cannot answer {type(request).__name__}")

    def affirms(self, text: str) -> bool:
        """Return what it says of a statement."""
        if self.constant:
            return True
        return is_true(text) != (uniform(f"lies {text.split(maxsplit=1)[0]}") < self.lies)

    def _state(self, text: str, layer: int, carry: float) -> np.ndarray:
        out = noise(f"{layer} {text}", 8)
        out[0] += carry * layer * self.truth * (1 if is_true(text) else -1)
        out[1] += carry * layer * self.output * (1 if self.affirms(text) else -1)
        return out.astype(np.float32)


def is_true(text: str) -> bool:
    """Whether a statement is true: a coin thrown once per subject, turned by a negation and by the claim."""
    words = text.split()
    return (uniform(words[0]) < 0.5) == ("large" in words) != ("not" in words)


def statements() -> Dataset:
    """Return four statements about each subject of two sets: of either claim one, and its negation."""
    cases = []
    for kind in SETS:
        for i in range(SUBJECTS):
            for claim in ("large", "small"):
                for negated in ("no", "yes"):
                    plain = f"{kind}{i} is {'not ' if negated == 'yes' else ''}{claim} ."
                    fields = {"statement": plain, "subject": f"{kind}{i}", "set": kind, "negated": negated}
                    cases.append((fields, is_true(plain)))
    return dataset(cases, "{statement} This is", cluster=("subject",))


def area_of(finding: Finding, metric: str) -> float:
    """Return an area at the place chosen on other folds."""
    from audit.checks.truth_probe import CHOSEN

    return next(m.value for m in finding.measurements if m.metric == metric and m.stratum == CHOSEN)


def ticked(finding: Finding, name: str) -> bool | None:
    """Return whether a box is ticked."""
    return next(box.ticked for box in finding.boxes if box.name == name)


def truth_examples() -> tuple[Example, ...]:
    """Return the audits of toys that a truth probe must read rightly."""
    common: dict[str, Any] = {
        "params": {
            "statement": "statement",
            "positions": ["statement_end"],
            "sets": "set",
            "negation": {"column": "negated", "negated": ["yes"]},
            "permutations": 400,
        },
        "data": statements(),
        "decision": DECISION,
    }
    return (
        Example(
            name="states hold the truth, whatever is said",
            model=Teller(truth=1.5),
            holds=lambda f: (
                ticked(f, "beyond_text") is True
                and area_of(f, "truth") > 0.9
                and area_of(f, "truth_where_they_differ") > 0.8
            ),
            **common,
        ),
        Example(
            name="states hold what is said, not what is true",
            model=Teller(output=1.5),
            holds=lambda f: area_of(f, "output") > area_of(f, "truth") and area_of(f, "truth_where_they_differ") < 0.5,
            **common,
        ),
        Example(
            name="states hold noise",
            model=Teller(),
            holds=lambda f: ticked(f, "decodable") is False and ticked(f, "beyond_text") is False,
            **common,
        ),
    )
