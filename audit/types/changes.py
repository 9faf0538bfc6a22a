"""What two runs of an audit say beside each other: the nouns of a comparison of records."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from audit.types.basic import Verdict
from audit.types.measurements import Measurement, Metric


class Shift(StrEnum):
    """What is said of a number that both runs have."""

    WORSE = "worse"
    """Shown to lie farther on its bad side than before, beyond noise."""
    BETTER = "better"
    NOISE = "within_noise"
    """No change is shown; that is not the same as no change."""
    UNTESTED = "not_tested"
    """It cannot be said: too few clusters, or exact values of different rows."""
    MIRRORED = "mirrored"
    """It changed, and the same change is told of the number with both groups swapped."""


class Topic(StrEnum):
    """What may differ between two runs beside their numbers."""

    MODEL = "model"
    POLICY = "policy"
    CRITERIA = "criteria"
    DATA = "data"
    METHOD = "method"
    TOOLCHAIN = "toolchain"


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two runs, as far as a reader must be able to tell it from any other."""

    record_sha256: str
    created: str
    tool: str
    policy: str
    policy_version: str
    policy_sha256: str
    title: str
    model: str
    model_digest: str


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Something beside the numbers that is not the same in both runs."""

    topic: Topic
    what: str
    old: str
    new: str
    """Empty where a run has nothing of the kind."""


@dataclass(frozen=True, kw_only=True)
class Mirror:
    """The number that says the same of two groups, seen from the other one: its group and reference are swapped."""

    group: str
    reference: str
    gap: Literal["nearer", "farther", "turned", "unclear"] = "unclear"
    """How the gap between the two is shown to have moved: nearer to no effect, farther from it, beyond its bound on one
    side before and on the other now, or not shown."""


@dataclass(frozen=True, kw_only=True)
class MeasuredChange:
    """One number of both runs, and whether its change is beyond noise.

    ``p_worse`` tests that the new value lies no farther on the bad side than the old one, ``p_better`` its mirror;
    the adjusted ones are corrected over the whole policy (Holm). Exact values have none, they are compared.
    """

    check: str
    check_title: str
    metric: Metric
    old: Measurement
    new: Measurement
    judged: bool
    """Whether a criterion of either run binds the metric; only then can it be a regression."""
    how: Literal["paired", "independent", "exact", "none"]
    """How the two were compared; ``none`` where they were not."""
    difference: float
    """New minus old."""
    margin: float = 0.0
    """What the change must be shown to exceed, in the metric's unit; 0 where any change counts."""
    low: float | None = None
    """Lower end of the difference's interval."""
    high: float | None = None
    confidence: float | None = None
    p_worse: float | None = None
    p_better: float | None = None
    p_worse_adjusted: float | None = None
    p_better_adjusted: float | None = None
    shift: Shift
    detectable: float | None = None
    """The smallest change for the worse that would have been reported with a chance of 80 %."""
    why: str = ""
    """Why it was not tested."""
    mirror: Mirror | None = None
    """The number that says the same from the other side, where both runs have it and only one side is bad."""


@dataclass(frozen=True, kw_only=True)
class VerdictChange:
    """A criterion, or a check as a whole, that came out differently."""

    check: str
    check_title: str
    metric_title: str
    """Of the criterion; "" for the check as a whole."""
    old: Verdict | None
    new: Verdict | None
    old_reason: str
    new_reason: str
    regression: bool
    """Whether it was shown to keep its bound before and is shown to miss it now, both beyond noise."""


@dataclass(frozen=True, kw_only=True)
class Loss:
    """Something that the old run shows and the new one does not: never a silent pass."""

    kind: Literal["check", "criterion", "measurement", "not_assessed", "not_comparable"]
    check: str
    check_title: str
    what: str
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Appeared:
    """Something that only the new run has; there is nothing to compare it with."""

    kind: Literal["check", "criterion", "measurement"]
    check: str
    check_title: str
    what: str


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Everything that changed between two runs of an audit."""

    schema_version: Literal["1.0"] = "1.0"
    old: Side
    new: Side
    differences: tuple[Difference, ...]
    verdicts: tuple[VerdictChange, ...]
    judged: tuple[MeasuredChange, ...]
    """Every number of both runs that a criterion binds, worst news first."""
    described: tuple[MeasuredChange, ...]
    """Numbers that no criterion binds; they never stop a pipeline."""
    lost: tuple[Loss, ...]
    appeared: tuple[Appeared, ...]
    unassessed: tuple[str, ...]
    """Titles of checks that neither run could assess: nothing about them was compared."""
    tests: int
    """Judged numbers that were tested: what Holm's correction was made over."""
    margin: float = 0.0
    """Share of a bound's distance from no effect that a judged change must be shown to exceed."""

    def shifted(self, shift: Shift) -> tuple[MeasuredChange, ...]:
        """Return the judged numbers of which that is said."""
        return tuple(change for change in self.judged if change.shift is shift)

    @property
    def regressions(self) -> tuple[VerdictChange | MeasuredChange | Loss, ...]:
        """What got worse: verdicts first, then numbers, then what is no longer seen."""
        verdicts = tuple(change for change in self.verdicts if change.regression)
        return (*verdicts, *self.shifted(Shift.WORSE), *self.lost)
