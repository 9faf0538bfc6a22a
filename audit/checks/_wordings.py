"""Questions in the policy's own words, and what a model's answers say about the proposition behind them.

A wording asks about a proposition in one way: a text, the answer that agrees with the text as it is worded and
the answer that disagrees. Where the text states the opposite of the proposition its polarity is negative, and
agreeing with it denies the proposition. A model that only likes to say one of the answers therefore holds
nothing: half of its answers speak for the proposition and half against it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from audit.checks import _fields, _stats
from audit.checks._stats import bounded
from audit.requests import Answers, CannotAnswer, ClassLogits, ScoreAnswer, Scores, Target
from audit.shapes import Floats
from audit.types import Decision, Guards, ParamProblem, TextTemplate, ValidityCheck

Path: TypeAlias = tuple[str | int, ...]

LEAST_ANSWER_MASS = 0.05
"""Mean probability that must fall on the two answers before their ratio says anything."""


class Wording(BaseModel):
    """One way of asking about a proposition."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: Annotated[str, Field(description="The question, with {field} placeholders.", min_length=1)]
    polarity: Annotated[
        Literal["positive", "negative"],
        Field(description="negative where the text states the opposite of the proposition."),
    ]
    affirm: Annotated[
        str,
        Field(
            description="The answer that agrees with the text as it is worded; by default the policy's positive one."
        ),
    ] = ""
    deny: Annotated[
        str, Field(description="The answer that disagrees with it; by default the policy's negative one.")
    ] = ""


# ---- before the run ------------------------------------------------------------------------------


def template_problems(source: str, known: AbstractSet[str], at: Path) -> list[ParamProblem]:
    """Say what is wrong with the placeholders of a text."""
    try:
        names = TextTemplate(source).names
    except ValueError as error:
        return [ParamProblem(at=at, found=str(error), expected="placeholders such as {subject}, and {{ }} for braces")]
    return _fields.missing(((at, name) for name in names), known)


def answer_problems(wording: Wording, decision: Decision, at: Path) -> Iterator[ParamProblem]:
    """Say what is wrong with the two answers of a wording."""
    affirm, deny = pair(wording, decision)
    if decision.kind == "classes":
        known = {decision.positive, decision.negative} - {""}
        for key, label in (("affirm", affirm), ("deny", deny)):
            if label and label not in known:
                yield ParamProblem(
                    at=(*at, key), found=f"{label!r}", expected="a label of the decision: " + " or ".join(sorted(known))
                )
    elif not affirm or not deny:
        yield ParamProblem(
            at=at,
            found="a question without both of its answers",
            expected="affirm and deny, the texts that a causal model may answer",
        )
    if affirm == deny != "":
        yield ParamProblem(at=at, found=f"{affirm!r} as both answers", expected="two different answers")


def pair(wording: Wording, decision: Decision) -> tuple[str, str]:
    """Return the answers that agree and disagree; what a wording leaves open is the policy's decision."""
    return wording.affirm or decision.positive, wording.deny or decision.negative


# ---- asking and reading --------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One wording put to every item."""

    texts: tuple[str, ...]
    affirm: str
    deny: str
    negative: bool


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the model answered, item by item: (items,) each."""

    holds: Floats
    """Probability of the answer that speaks for the proposition, of the two answers."""
    mass: Floats
    """Probability that falls on the two answers at all."""


def ask(wording: Wording, texts: Sequence[str], decision: Decision) -> Ask:
    """Return one wording, rendered for every item."""
    affirm, deny = pair(wording, decision)
    return Ask(texts=tuple(texts), affirm=affirm, deny=deny, negative=wording.polarity == "negative")


def requests(asks: Sequence[Ask], decision: Decision) -> tuple[Scores, ...]:
    """Return what to ask the model: one request per pair of answers, no text twice."""
    texts: dict[Target, dict[str, None]] = {}
    for one in asks:
        texts.setdefault(_target(one, decision), {}).update(dict.fromkeys(one.texts))
    return tuple(Scores(texts=tuple(those), target=target) for target, those in texts.items())


def replies(
    asks: Sequence[Ask], asked: Sequence[Scores], answers: Sequence[ScoreAnswer], decision: Decision
) -> list[Reply]:
    """Return what each wording was answered, in the order of ``asks``.

    Raises
    ------
    CannotAnswer
        When a classifier lacks a label that a wording needs.
    """
    by_target = {
        request.target: (answer, {text: row for row, text in enumerate(request.texts)})
        for request, answer in zip(asked, answers, strict=True)
    }
    return [_reply(one, *by_target[_target(one, decision)]) for one in asks]


def _target(one: Ask, decision: Decision) -> Target:
    return ClassLogits() if decision.kind == "classes" else Answers(texts=(one.affirm, one.deny))


def _reply(one: Ask, answer: ScoreAnswer, row_of: Mapping[str, int]) -> Reply:
    rows = np.array([row_of[text] for text in one.texts])
    if missing := [name for name in (one.affirm, one.deny) if name and name not in answer.names]:
        raise CannotAnswer(f"the model has no label {missing[0]!r}; it has {', '.join(answer.names)}")
    if answer.link == "log_probability":
        agrees, disagrees = (np.exp(answer.values[rows, answer.names.index(x)]) for x in (one.affirm, one.deny))
    else:
        agrees = Decision(kind="classes", positive=one.affirm).score(answer)[rows]
        other = Decision(kind="classes", positive=one.deny).score(answer)[rows] if one.deny else 1 - agrees
        disagrees = other
    mass = agrees + disagrees
    if not (mass > 0).all():
        raise CannotAnswer(f"neither {one.affirm!r} nor {one.deny!r} has any probability after some texts")
    share = agrees / mass
    return Reply(holds=1 - share if one.negative else share, mass=np.minimum(mass, 1.0))


def balanced(values: Sequence[Floats], negative: Sequence[bool]) -> Floats:
    """Return the mean over wordings in which both polarities weigh alike, whatever their numbers: (items,)."""
    sides = [
        np.mean([v for v, n in zip(values, negative, strict=True) if n == side], axis=0)
        for side in sorted(set(negative))
    ]
    out: Floats = np.mean(sides, axis=0)
    return out


def answered(name: str, title: str, mass: Floats, clusters: _stats.Labels, guards: Guards) -> ValidityCheck:
    """Return the check that enough probability falls on the answers offered; the whole interval counts."""
    estimate = bounded.share(mass, clusters)
    low, high = _stats.limits(estimate)
    return ValidityCheck(
        name=name,
        title=title,
        guards=guards,
        passed=low >= LEAST_ANSWER_MASS,
        found=f"on average {estimate.value:.3f} [{low:.3f}, {high:.3f}]",
        needed=f"at least {LEAST_ANSWER_MASS:g}, the whole interval",
    )
