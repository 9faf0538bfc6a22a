"""Toy tasks with true outcomes, for the checks of quality, calibration and errors per group.

Every text ends in what the toy models read, so that what a model knows, and what it makes of it, is set by hand.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from audit.checks._toy import DECISION, Toy, criterion, dataset, uniform
from audit.registry import Example
from audit.types import Dataset, Finding, Verdict


@dataclass(frozen=True, kw_only=True)
class Reader(Toy):
    """A toy whose log-odds are any function of a text's words."""

    reads: Callable[[tuple[str, ...]], float]
    weights: Mapping[str, float] = field(default_factory=dict)

    def logit(self, words: Iterable[str]) -> float:
        """Return the log-odds of approval."""
        return self.reads(tuple(words))


# ---- a task that words alone do not solve --------------------------------------------------------


def pairs() -> Dataset:
    """Return pairs of a colour and a shape; two of the four pairs are approved, which no single word tells.

    All words are of one length. One row in ten is labelled otherwise than it is, as outcomes are.
    """
    cases = []
    for i in range(80):
        for colour in ("grey", "blue"):
            for shape in ("oval", "cube"):
                fields = {"person": f"person{i}", "sex": ("female", "male")[i % 2], "colour": colour, "shape": shape}
                wrong = uniform(f"{i} {colour} {shape}") < 0.1
                cases.append((fields, _pair(colour, shape) != wrong))
    text = "{person} wants a {colour} thing that is {shape}"
    return dataset(cases, text, groups=("sex",), cluster=("person",))


def _pair(colour: str, shape: str) -> bool:
    return (colour == "grey") == (shape == "oval")


def _reads_pairs(words: tuple[str, ...]) -> float:
    return (1.0 if _pair(words[3], words[-1]) else -1.0) * (1 + uniform(" ".join(words)))


def performance_examples() -> tuple[Example, ...]:
    """Return a model that solves the task, one that guesses, and one that always approves."""
    common: dict[str, Any] = {"params": {}, "data": pairs(), "decision": DECISION}
    bound = (criterion("auroc", "at_least", 0.75),)
    return (
        Example(name="pairs are read", model=Reader(reads=_reads_pairs), criteria=bound, verdict=Verdict.MET, **common),
        Example(
            name="a coin is thrown",
            model=Reader(reads=lambda words: uniform(" ".join(words)) - 0.5),
            criteria=bound,
            verdict=Verdict.NOT_MET,
            **common,
        ),
        Example(
            name="everything is approved",
            model=Reader(reads=lambda _: 3.0),
            criteria=(criterion("accuracy", "at_least", 0.4),),
            verdict=Verdict.INCONCLUSIVE,
            **common,
        ),
    )


# ---- scores that are read from the text ------------------------------------------------------------


def odds() -> Dataset:
    """Return cases whose text names a chance, and whose outcome came about with that chance."""
    cases = []
    for i in range(900):
        chance = round(0.02 + 0.96 * uniform(f"chance {i}"), 3)
        fields = {"case": f"case{i}", "chance": str(chance), "site": ("north", "south")[i % 2]}
        cases.append((fields, uniform(f"outcome {i}") < chance))
    return dataset(cases, "{case} comes with {chance}", groups=("site",), cluster=("case",))


def _log_odds(words: tuple[str, ...]) -> float:
    chance = float(words[-1])
    return math.log(chance / (1 - chance))


def calibration_examples() -> tuple[Example, ...]:
    """Return a model that says the chance that is there, one that exaggerates it, and one that says nothing."""
    common: dict[str, Any] = {
        "params": {},
        "data": odds(),
        "decision": DECISION,
        "criteria": (criterion("calibration_error", "at_most", 0.1),),
    }
    return (
        Example(name="chances are told", model=Reader(reads=_log_odds), verdict=Verdict.MET, **common),
        Example(
            name="chances are exaggerated",
            model=Reader(reads=lambda words: 4 * _log_odds(words)),
            verdict=Verdict.NOT_MET,
            **common,
        ),
        Example(name="a constant", model=Reader(reads=lambda _: 0.1), verdict=Verdict.NOT_ASSESSED, **common),
    )


# ---- texts that name a group -----------------------------------------------------------------------

TERMS = ("bakers", "divers", "poets", "tailors")


def sentences() -> Dataset:
    """Return sentences about people: half say something good of them, half something bad, which is to be flagged."""
    cases = []
    for i in range(80):
        tone = ("kind", "nasty")[i % 2]
        cases += [({"term": term, "word": f"{tone}{i}", "tone": tone}, tone == "nasty") for term in TERMS]
    return dataset(cases, "{term} are {word} and {tone}", groups=("term",), cluster=("word",))


def _reads_tone(words: tuple[str, ...], *, extra: float) -> float:
    tone = 2.0 if words[-1] == "nasty" else -2.0
    return tone + uniform(words[2]) - 0.5 + (extra if words[0] == "divers" else 0.0)


def term_examples() -> tuple[Example, ...]:
    """Return a model that reads the tone, one that takes one of the terms for bad tone, and one that flags all."""
    common: dict[str, Any] = {
        "params": {"term": "term"},
        "data": sentences(),
        "decision": DECISION,
        "criteria": (criterion("false_positive_gap", "at_most", 0.4),),
    }
    return (
        Example(
            name="the tone is read", model=Reader(reads=partial(_reads_tone, extra=0.0)), verdict=Verdict.MET, **common
        ),
        Example(
            name="a term is taken for abuse",
            model=Reader(reads=partial(_reads_tone, extra=3.0)),
            verdict=Verdict.NOT_MET,
            **common,
        ),
        Example(name="all is flagged", model=Reader(reads=lambda _: 2.0), verdict=Verdict.NOT_ASSESSED, **common),
    )


# ---- applicants of categories ----------------------------------------------------------------------


def candidates() -> Dataset:
    """Return candidates of two sexes and three races with one of two results, labelled by the result."""
    cases = []
    for i in range(240):
        fields = {
            "person": f"person{i}",
            "sex": ("female", "male")[i % 2],
            "race": ("green", "purple", "")[i // 2 % 3],
            "result": ("good", "poor")[i // 6 % 2],
        }
        cases.append((fields, fields["result"] == "good"))
    return dataset(cases, "{person} is {sex} with a {result} result", groups=("sex", "race"), cluster=("person",))


def _reads_result(words: tuple[str, ...], *, penalty: float) -> float:
    own = 2.0 if words[5] == "good" else -2.0
    return own + uniform(words[0]) - (penalty if words[2] == "female" and uniform(words[0]) < 0.7 else 0.0)


def ratio_examples() -> tuple[Example, ...]:
    """Return a model that refuses most women, one that reads the result alone, and one that selects everybody."""
    common: dict[str, Any] = {"params": {}, "data": candidates(), "decision": DECISION}

    def ratio(found: Finding) -> float:
        return measured(found, "impact_ratio", group="female", reference="male")

    return (
        Example(
            name="most women are refused",
            model=Reader(reads=partial(_reads_result, penalty=3.0)),
            holds=lambda f: ratio(f) < 0.5,
            **common,
        ),
        Example(
            name="the result alone counts",
            model=Reader(reads=partial(_reads_result, penalty=0.0)),
            holds=lambda f: ratio(f) == 1.0,
            **common,
        ),
        Example(
            name="everybody is selected",
            model=Reader(reads=lambda _: 2.0),
            verdict=Verdict.NOT_ASSESSED,
            **common,
        ),
    )


# ---- texts that are disturbed ----------------------------------------------------------------------


def letters() -> Dataset:
    """Return letters that begin with what they are about."""
    cases = []
    for i in range(100):
        verdict = ("accepted", "rejected")[i % 2]
        fields = {"verdict": verdict, "person": f"person{i}", "day": ("monday", "friday")[i // 2 % 2]}
        cases.append((fields, verdict == "accepted"))
    return dataset(cases, "{verdict} was {person} on {day} after an interview", groups=(), cluster=("person",))


def robustness_examples() -> tuple[Example, ...]:
    """Return a model that reads the first letter in either case, one that reads the word as spelt, and a constant."""
    common: dict[str, Any] = {
        "params": {"distractors": ["It rained.", "The bus was late."]},
        "data": letters(),
        "decision": DECISION,
        "criteria": (criterion("flip_rate", "at_most", 0.2),),
    }
    return (
        Example(
            name="the first letter is read",
            model=Reader(reads=lambda words: (2.0 if words[0][0].lower() == "a" else -2.0) + uniform(" ".join(words))),
            verdict=Verdict.MET,
            **common,
        ),
        Example(
            name="the word is read as spelt",
            model=Reader(reads=lambda words: 2.0 if words[0] == "accepted" else -2.0),
            verdict=Verdict.NOT_MET,
            **common,
        ),
        Example(name="a constant", model=Reader(reads=lambda _: 2.0), verdict=Verdict.NOT_ASSESSED, **common),
    )


def measured(found: Finding, metric: str, **names: str) -> float:
    """Return the value of the one measurement that has these names."""
    (one,) = [m for m in found.measurements if m.metric == metric and all(getattr(m, k) == v for k, v in names.items())]
    return one.value
