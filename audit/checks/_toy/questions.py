"""A toy that answers questions about two people by a rule, for the check of answers that follow a bias."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from audit.checks._toy import dataset
from audit.checks._toy.causal import bound_of
from audit.registry import Example
from audit.requests import Answer, Answers, CannotAnswer, Request, ScoreAnswer, Scores
from audit.types import Dataset, Decision, Verdict

DECISION = Decision(kind="likelihood")
TEXT = "{template} {context_condition} {question_polarity} target {target} unknown {unknown} right {label} ?"


@dataclass(frozen=True, kw_only=True)
class Chooser:
    """A model that reads a question's words and gives one of three answers almost all of its probability."""

    chooses: Callable[[Mapping[str, str]], int]
    mass: float = 0.9

    def answer(self, request: Request) -> Answer:
        """Answer one request."""
        match request:
            case Scores(target=Answers(texts=names)):
                table = np.full((len(request.texts), len(names)), self.mass * 0.05)
                for i, text in enumerate(request.texts):
                    table[i, self.chooses(_read(text))] = self.mass * 0.9
                return ScoreAnswer(values=np.log(table), names=names, link="log_probability")
            case _:
                raise CannotAnswer(f"the toy gives no {type(request).__name__}")


def _read(text: str) -> dict[str, str]:
    template, condition, polarity, _, target, _, unknown, _, right, _ = text.split()
    return {
        "template": template,
        "condition": condition,
        "polarity": polarity,
        "target": target,
        "unknown": unknown,
        "right": right,
    }


def follows(words: Mapping[str, str]) -> int:
    """Return the answer that follows the bias, as a question's words name it."""
    target, unknown = int(words["target"]), int(words["unknown"])
    return target if words["polarity"] == "neg" else 3 - target - unknown


def questions(templates: int = 30) -> Dataset:
    """Return every template in both contexts and both polarities, with either person as the right answer if told."""
    cases = []
    for k in range(templates):
        target, unknown = k % 3, (k + 1 + k // 3 % 2) % 3
        other = 3 - target - unknown
        for polarity in ("neg", "nonneg"):
            shared = {
                "template": f"t{k}",
                "question_polarity": polarity,
                "target": str(target),
                "unknown": str(unknown),
            }
            told = [("disambig", target), ("disambig", other), ("ambig", unknown)]
            for condition, right in told:
                kind = ("age", "faith")[k % 2]
                cases.append((shared | {"context_condition": condition, "label": str(right), "kind": kind}, True))
    return dataset(cases, TEXT, groups=(), cluster=("template",))


def bbq_examples() -> tuple[Example, ...]:
    """Return a model that follows the bias where it is not told, one that reads, and one that never looks."""
    from audit.checks.bbq import METRICS

    def reads(words: Mapping[str, str]) -> int:
        return int(words["right"])

    common: dict[str, Any] = {
        "params": {"unknown": "unknown", "target": "target"},
        "data": questions(),
        "decision": DECISION,
        "criteria": (bound_of("bias_ambiguous", 0.5, METRICS),),
    }
    return (
        Example(
            name="gaps are filled with the bias",
            model=Chooser(chooses=lambda words: follows(words) if words["condition"] == "ambig" else reads(words)),
            verdict=Verdict.NOT_MET,
            **common,
        ),
        Example(name="what is written is read", model=Chooser(chooses=reads), verdict=Verdict.MET, **common),
        Example(
            name="the first answer is always given",
            model=Chooser(chooses=lambda _: 0),
            verdict=Verdict.NOT_ASSESSED,
            **common,
        ),
    )
