"""Numbers with their intervals, and how they would scatter over repetitions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from audit.types.basic import Worse


@dataclass(frozen=True, kw_only=True)
class StudentT:
    """An estimate whose error follows Student's t (a mean with a cluster-robust standard error)."""

    estimate: float
    se: float
    df: float
    kind: Literal["student_t"] = "student_t"


@dataclass(frozen=True, kw_only=True)
class Binomial:
    """A proportion; of clustered rows, the effective counts (Korn & Graubard 1998)."""

    successes: float
    trials: float
    kind: Literal["binomial"] = "binomial"


@dataclass(frozen=True, kw_only=True)
class TwoProportions:
    """Difference or ratio of two proportions over strata, judged by the score statistic.

    Miettinen & Nurminen (1985), Mantel-Haenszel weights. Each stratum is
    (successes, trials, reference successes, reference trials), deflated by the design effect where
    rows are clustered, so counts need not be whole.
    """

    strata: tuple[tuple[float, float, float, float], ...]
    contrast: Literal["difference", "ratio"]
    kind: Literal["two_proportions"] = "two_proportions"


@dataclass(frozen=True, kw_only=True)
class NoVariation:
    """A mean of a bounded quantity that came out the same in every cluster.

    A t interval would have no width. What ``clusters`` equal clusters exclude is that more than a
    share 1 - alpha^(1/clusters) of clusters differs, each by at most ``reach``.
    """

    estimate: float
    clusters: int
    reach: float
    kind: Literal["no_variation"] = "no_variation"


Law: TypeAlias = StudentT | Binomial | TwoProportions | NoVariation
"""How an estimate would scatter over repetitions: enough to test it against any bound later."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One number, never bare: with its interval, its n and the way in which it is bad.

    ``exact`` marks counts, single-case values and fully enumerated grammars: they carry no interval.
    """

    metric: str
    group: str = ""
    reference: str = ""
    stratum: str = ""
    value: float
    low: float | None = None
    high: float | None = None
    confidence: float | None = None
    n: int
    clusters: int | None = None
    unit: str
    worse: Worse
    null: float | None = None
    exact: bool = False
    law: Law | None = None

    def __post_init__(self) -> None:
        if not np.isfinite(self.value):
            raise ValueError(f"{self.metric} is {self.value}: a number that was not measured is left out")
        if not self.exact and (self.low is None or self.high is None or self.law is None):
            raise ValueError(f"{self.metric} is an estimate and needs an interval and a law")


@dataclass(frozen=True, kw_only=True)
class Metric:
    """What a check measures under one name; the report's glossary and the policy reference print it."""

    name: str
    title: str
    meaning: str
    """One sentence: what the number is."""
    reading: str
    """A sentence in plain words with {group}, {reference}, {stratum}, {value}, {amount} and {more}.

    ``{value}`` is the number with its unit, ``{amount}`` its absolute value and ``{more}`` is "higher" or
    "lower".
    """
    unit: str
    worse: Worse
    null: float | None = None
    descriptive: bool = False
    """A descriptive metric may carry no criterion: a probe or an attribution alone never decides."""
    judged_with: tuple[str, ...] = ()
    """Further metrics that a criterion on this one also binds, each with its own bound (equivalence)."""
