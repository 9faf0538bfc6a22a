"""Numbers with their intervals, and how they would scatter over repetitions."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self, TypeAlias

import numpy as np

from audit.shapes import Floats
from audit.types.basic import Worse


@dataclass(frozen=True, kw_only=True)
class StudentT:
    """An estimate whose error follows Student's t (a mean with a cluster-robust standard error).

    ``support`` is the range of what is estimated, where it has one: no interval leaves it.
    """

    estimate: float
    se: float
    df: float
    support: tuple[float, float] | None = None
    kind: Literal["student_t"] = "student_t"

    def __post_init__(self) -> None:
        if not (self.se > 0 and self.df > 0):
            raise ValueError(f"a t law needs se > 0 and df > 0, not {self.se} and {self.df}: see NoVariation")


@dataclass(frozen=True, kw_only=True)
class Binomial:
    """A proportion; of clustered rows, the effective counts (Korn & Graubard 1998)."""

    successes: float
    trials: float
    kind: Literal["binomial"] = "binomial"

    def __post_init__(self) -> None:
        if not (self.trials > 0 and 0 <= self.successes <= self.trials):
            raise ValueError(f"{self.successes} of {self.trials} is not a proportion")


@dataclass(frozen=True, kw_only=True)
class TwoProportions:
    """Difference or ratio of two proportions over strata, judged by the score statistic.

    Miettinen & Nurminen (1985), Mantel-Haenszel weights, corrected for skewness and continuity
    (``audit.laws``). Each stratum is (successes, trials, reference successes, reference trials), deflated
    by the design effect where rows are clustered, so counts need not be whole.
    """

    strata: tuple[tuple[float, float, float, float], ...]
    contrast: Literal["difference", "ratio"]
    kind: Literal["two_proportions"] = "two_proportions"

    def __post_init__(self) -> None:
        if not self.strata:
            raise ValueError("two proportions need at least one stratum")
        for k1, n1, k0, n0 in self.strata:
            if not (n1 > 0 and n0 > 0 and 0 <= k1 <= n1 and 0 <= k0 <= n0):
                raise ValueError(f"{k1} of {n1} against {k0} of {n0} are not two proportions")


@dataclass(frozen=True, kw_only=True)
class NoVariation:
    """A mean of a bounded quantity that came out the same in every cluster.

    A t interval would have no width. What ``clusters`` equal clusters exclude is that more than a
    share 1 - alpha^(1/clusters) of clusters differs, each by at most ``reach``. ``support`` is the
    range of what is estimated, where it has one.
    """

    estimate: float
    clusters: int
    reach: float
    support: tuple[float, float] | None = None
    kind: Literal["no_variation"] = "no_variation"

    def __post_init__(self) -> None:
        if not (self.clusters >= 1 and self.reach > 0):
            raise ValueError(f"{self.clusters} clusters of reach {self.reach} bound nothing")


@dataclass(frozen=True, kw_only=True)
class RootT:
    """The root of something that cannot be negative, whose estimate ``square`` follows Student's t.

    A squared calibration error is estimated without bias and scatters about its value; its root does neither.
    So every bound is squared and tested there. An estimate below zero counts as zero.
    """

    square: float
    se: float
    """Of the square."""
    df: float
    most: float
    """The largest value that the root can have."""
    kind: Literal["root_t"] = "root_t"

    def __post_init__(self) -> None:
        if not (self.square >= 0 and self.se > 0 and self.df > 0):
            raise ValueError(f"a root needs a square >= 0, se > 0 and df > 0, not {self.square}, {self.se}, {self.df}")


Law: TypeAlias = StudentT | Binomial | TwoProportions | NoVariation | RootT
"""How an estimate would scatter over repetitions: enough to test it against any bound later."""


@dataclass(frozen=True, kw_only=True)
class Jackknife:
    """How far an estimate moves when each cluster is left out: by it, two runs on the same rows are compared in pairs.

    Of two estimates on the same clusters, the jackknife of their difference is the difference of their
    jackknives, whatever the estimator. The moves are scaled so that their squares sum to the variance.
    """

    units: str
    """Digest of the cluster labels of every row, in order (SHA-256, 32 digits)."""
    df: float
    """Degrees of freedom that the number of (effective) clusters leaves."""
    moves: tuple[str, ...]
    """The moves by way of clustering (one, or two and their crossings), as base64 of little-endian 32-bit floats.

    Crossings are missing where there are too many to keep; the sum of both ways then bounds the variance.
    """

    def __post_init__(self) -> None:
        if not (1 <= len(self.moves) <= 3 and self.df > 0):
            raise ValueError(f"{len(self.moves)} ways of clustering with {self.df} degrees of freedom are no jackknife")
        for way in self.unpacked():
            if len(way) < 2 or not np.isfinite(way).all():
                raise ValueError("a jackknife needs at least two clusters, each with a finite move")

    @classmethod
    def packed(cls, *, units: str, df: float, moves: Sequence[Floats]) -> Self:
        """Return the jackknife of some moves, one array per way."""
        encoded = (base64.b64encode(way.astype("<f4").tobytes()).decode("ascii") for way in moves)
        return cls(units=units, df=df, moves=tuple(encoded))

    def unpacked(self) -> tuple[Floats, ...]:
        """Return the moves, one array per way.

        Raises
        ------
        ValueError
            When the text is not base64 of 32-bit floats.
        """
        try:
            raw = [base64.b64decode(way, validate=True) for way in self.moves]
        except binascii.Error as error:
            raise ValueError(f"the moves of a jackknife are not base64: {error}") from error
        return tuple(np.frombuffer(way, dtype="<f4").astype(np.float64) for way in raw)


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One number, never bare: with its interval, its n and the way in which it is bad.

    ``exact`` marks counts, single-case values and fully enumerated grammars: they carry no interval.
    """

    metric: str
    """Name of a metric of the check."""
    group: str = ""
    """The group it was measured on; "" for all rows."""
    reference: str = ""
    """What the group is compared with; "" where the number compares nothing."""
    stratum: str = ""
    """The stratum it was measured in; "" for all of them."""
    value: float
    low: float | None = None
    """Lower end of the interval."""
    high: float | None = None
    confidence: float | None = None
    """Two-sided confidence of the interval, such as 0.95."""
    n: int
    """Rows (for comparisons: pairs) behind the number."""
    clusters: int | None = None
    """Independent units behind the rows: names, templates, persons; null where each row is its own."""
    unit: str
    worse: Worse
    null: float | None = None
    """The value that says nothing is there, such as 0 for a gap."""
    exact: bool = False
    """A count or a single-case value: it has no sampling error and carries no interval."""
    law: Law | None = None
    """How the estimate scatters: what the interval and every p-value are computed from."""
    jackknife: Jackknife | None = None
    """What each cluster contributes, for a comparison in pairs with another run; null where that is not known."""

    def __post_init__(self) -> None:
        if not all(np.isfinite(x) for x in (self.value, self.low, self.high) if x is not None):
            raise ValueError(
                f"{self.metric} is {self.value} [{self.low}, {self.high}]: a number that was not measured is left out"
            )
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
    ideal: float | None = None
    """What a model without fault would have, where that is not ``null``; None where there is no such value."""
    listing: str = ""
    """As ``reading``, for several groups at once: with {reference}, {more} and {items}; "" where none makes sense."""
    descriptive: bool = False
    """A descriptive metric may carry no criterion: a probe or an attribution alone never decides."""
    why_descriptive: str = ""
    """Told to whoever sets a criterion on it: why it may carry none, or what would let it."""
    judged_with: tuple[str, ...] = ()
    """Further metrics that a criterion on this one also binds, each with its own bound (equivalence)."""
