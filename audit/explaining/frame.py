"""What is fixed before a decision is explained: what is asked, by which rules, and what the data offer instead."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, cast, get_args

import numpy as np

from audit.errors import UserError, user_error
from audit.explanation import RulesPart
from audit.requests import Contrast, ScoreAnswer
from audit.shapes import Floats
from audit.types import EXPLANATION_TEMPLATES, Dataset, Decision, Explaining, ExplanationTemplate, Policy

TITLE = "The decision cannot be explained"

BASELINES = ("mask", "unk", "pad", "token:the", "token: the", "token:,", "token:.")
"""Baseline inputs that are tried, in this order, until two can be used. The first ones stand for no word; whether a
value matters against an ordinary one is what the values from the data tell."""

MARGIN_SET_BY: Mapping[bool, Literal["policy", "default"]] = {True: "policy", False: "default"}


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What the caller asks for, beside the policy's own words; None leaves it to the policy."""

    template: ExplanationTemplate | None = None
    data: str | None = None
    allow: tuple[str, ...] | None = None
    margin: float | None = None
    tolerance: float = 0.02
    max_steps: int = 512


@dataclass(frozen=True, kw_only=True)
class Frame:
    """Everything that an explanation rests on beside the case and the model."""

    decision: Decision
    template: ExplanationTemplate
    rules: RulesPart
    baselines: tuple[str, ...]
    longest: int
    """Tokens that the model can read at once."""
    data: Dataset | None
    words: Mapping[str, str] = field(default_factory=dict)
    """Field → what the page calls it."""
    legitimate: frozenset[str] = frozenset()
    must_not_matter: tuple[str, ...] = ()
    allow: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Field that may be changed → its values in order; () where there is none."""
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Field of the text → its values in the data, in the order in which they occur."""
    tells: Mapping[str, Mapping[str, Mapping[str, str]]] = field(default_factory=dict)
    """Field → protected attribute that it tells → value → group."""

    @property
    def contrast(self) -> Contrast:
        """The number that is explained: the log-odds of the positive decision."""
        against = self.decision.negative if self.decision.kind == "answers" else ""
        return Contrast(target=self.decision.target, toward=self.decision.positive, against=against)

    @property
    def threshold(self) -> float:
        """Log-odds above which the decision is positive."""
        return math.log(self.decision.threshold / (1 - self.decision.threshold))

    def log_odds(self, answer: ScoreAnswer) -> Floats:
        """Return the log-odds of the positive decision, without the rounding of probabilities near 0 and 1."""
        at = answer.names.index(self.decision.positive)
        positive = answer.values[:, at]
        if self.decision.kind == "answers":
            return np.asarray(positive - answer.values[:, answer.names.index(self.decision.negative)])
        if answer.link == "sigmoid":
            return positive
        others = np.delete(answer.values, at, axis=1)
        return np.asarray(positive - np.logaddexp.reduce(others, axis=1))

    def decided(self, log_odds: float) -> str:
        """Return the name of the decision at some log-odds."""
        return self.decision.positive if log_odds > self.threshold else self.negative

    @property
    def negative(self) -> str:
        """The name of the negative decision; a classifier of several labels may have none."""
        return self.decision.negative or f"not {self.decision.positive}"

    def label(self, name: str) -> str:
        """Return what the page calls a field."""
        return self.words.get(name, name.replace("_", " "))


def probability(log_odds: float) -> float:
    """Return the probability at some log-odds."""
    return float(np.exp(-np.logaddexp(0.0, -log_odds)))


def frame(policy: Policy, wish: Wish, *, longest: int) -> Frame:
    """Join a policy with what is asked for.

    Raises
    ------
    UserError
        When the policy decides nothing, or a name that was given is not in the data.
    """
    if not policy.decision.decides:
        raise user_error(
            TITLE,
            where=policy.decision_place,
            found="a policy that scores the likelihood of texts and decides nothing",
            expected="a decision with two outcomes",
        )
    told = policy.explain
    data = _dataset(policy, wish, told)
    if data is None or told is None or told.data != data.name:
        # What a policy says of one data set holds for no other.
        told = None if told is None else replace(told, allow={}, must_not_matter=(), words={})
    return Frame(
        decision=policy.decision,
        template=wish.template or (told.template if told else "general"),
        rules=rules_of(policy.seed, wish, told),
        baselines=told.baseline_inputs if told and told.baseline_inputs else BASELINES,
        longest=longest,
        data=data,
        words=told.words if told else {},
        legitimate=frozenset(data.legitimate if data else ()),
        must_not_matter=_must_not_matter(data, told),
        allow=_allowed(data, told, wish.allow),
        values=_values(data),
        tells={name: _told_by(name, data) for name in data.template.names} if data else {},
    )


def rules_of(seed: int, wish: Wish, told: Explaining | None) -> RulesPart:
    """Return the rules by which reasons are printed or refused, fixed before the model is asked.

    Raises
    ------
    UserError
        When the margin is none.
    """
    margin = wish.margin if wish.margin is not None else (told or Explaining(data="")).margin
    if not 0 < margin < math.inf:
        raise user_error(
            "The margin cannot be used",
            where="--margin",
            found=f"{margin:g}",
            expected="log-odds above 0, such as 0.1",
        )
    return RulesPart(
        margin=margin,
        margin_set_by="command line" if wish.margin is not None else MARGIN_SET_BY[told is not None],
        reference_quantile={"fixed words": 0.95, "words": 0.5},
        most_factors=4,
        most_values=64,
        most_sets=200,
        exceeding=0.05,
        least_share=0.5,
        tolerance=wish.tolerance,
        max_steps=wish.max_steps,
        most_searched=4096,
        most_changed=3,
        seed=seed,
    )


def _dataset(policy: Policy, wish: Wish, told: Explaining | None) -> Dataset | None:
    """Return the data set that is meant: the one named, the policy's choice, or its first."""
    if wish.data is not None and wish.data not in policy.datasets:
        raise unknown("--data", wish.data, policy.datasets, "a data set of the policy")
    name = wish.data or (told.data if told else next(iter(policy.datasets), ""))
    return policy.datasets.get(name)


def _must_not_matter(data: Dataset | None, told: Explaining | None) -> tuple[str, ...]:
    """Return the fields of the text that must not matter.

    Where the policy does not list them: every field but the legitimate ones; where it has none of these either, the
    protected attributes that stand in the text, and the fields that tell one.
    """
    if data is None:
        return ()
    if told is not None and told.must_not_matter:
        return told.must_not_matter
    if data.legitimate:
        return tuple(name for name in data.template.names if name not in data.legitimate)
    return tuple(name for name in data.template.names if name in data.groups or _told_by(name, data))


def _allowed(
    data: Dataset | None, told: Explaining | None, given: Sequence[str] | None
) -> Mapping[str, tuple[str, ...]]:
    """Return the fields that may be changed, each with its values in order."""
    if data is None:
        if given:
            raise unknown("--allow", given[0], (), "a field of the data")
        return {}
    orders = dict(told.allow) if told else {}
    for name in given or ():
        if name not in data.template.names:
            raise unknown("--allow", name, data.template.names, f"a field of the text of the data set {data.name!r}")
    if given is not None:
        return {name: orders.get(name, ()) for name in given}
    return orders or {name: () for name in data.template.names if name in data.legitimate}


def _values(data: Dataset | None) -> Mapping[str, tuple[str, ...]]:
    if data is None:
        return {}
    return {
        name: tuple(dict.fromkeys(row.fields[name] for row in data.rows if name in row.fields))
        for name in data.template.names
    }


def _told_by(name: str, data: Dataset) -> Mapping[str, Mapping[str, str]]:
    """Return the protected attributes that each value of a field tells, as a first name tells sex.

    A field tells an attribute when no value of it goes with two groups, and the groups are not one a value.
    """
    out: dict[str, Mapping[str, str]] = {}
    for attribute in data.groups:
        if attribute == name:
            continue
        groups: dict[str, set[str]] = {}
        for row in data.rows:
            groups.setdefault(row.fields[name], set()).add(row.fields[attribute])
        different = {group for found in groups.values() for group in found}
        if all(len(found) == 1 for found in groups.values()) and 1 < len(different) < len(groups):
            out[attribute] = {value: next(iter(found)) for value, found in groups.items()}
    return out


def template_of(name: str) -> ExplanationTemplate:
    """Return the template of a name.

    Raises
    ------
    UserError
        When there is none.
    """
    for template in get_args(ExplanationTemplate):
        if template == name:
            return cast("ExplanationTemplate", template)
    raise unknown("--template", name, EXPLANATION_TEMPLATES, "a template")


def unknown(where: str, name: str, names: Iterable[str], what: str) -> UserError:
    """Return the error for a name that is none of some names."""
    import difflib

    known = list(names)
    near = difflib.get_close_matches(name[:100], [each for each in known if len(each) <= 100], n=1, cutoff=0.5)
    return user_error(
        TITLE,
        where=where,
        found=f"no {what.removeprefix('a ')} is called {name!r}",
        expected=f"one of {', '.join(known[:20])}" if known else "a data set with fields",
        do=f"did you mean {near[0]!r}?" if near else "",
    )
