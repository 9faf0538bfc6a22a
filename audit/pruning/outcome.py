"""What a cut did: the document beside the edited model, and when it counts as done.

Pydantic stands here because this is a boundary: the file lies beside a model that travels.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

FILE = "prune.json"

_ROUNDING = 1e-9
"""1 - 0.8 is a little less than 0.2."""

Reduced: TypeAlias = Literal["reduced", "undecided", "not reduced", "not assessed"]
Sides: TypeAlias = Literal["both", "loss"]
Equivalence: TypeAlias = Literal["equivalent", "undecided", "not equivalent", "not assessed"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


class Value(_Part):
    """A number with its 95 % interval; no interval where the rows are every case that there is."""

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def limits(self) -> tuple[float, float]:
        """The interval; of an exact value, itself twice."""
        return self.value if self.low is None else self.low, self.value if self.high is None else self.high


class Behaviour(_Part):
    """One comparison of the check on the rows held out, in the original and in the copy."""

    metric: str
    group: str
    reference: str
    unit: str
    n: int
    clusters: int | None
    before: Value
    after: Value | None
    """None where the copy could not be assessed."""
    remaining: Value | None
    """After over before, with its sign: 0 is a gap gone, -1 one turned round."""

    @property
    def reduction(self) -> Value | None:
        """The share by which the gap's size fell: 1 less the size of what remains."""
        if self.remaining is None:
            return None
        low, high = self.remaining.limits
        nearest = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
        exact = self.remaining.low is None
        return Value(
            value=1 - abs(self.remaining.value),
            low=None if exact else 1 - max(abs(low), abs(high)),
            high=None if exact else 1 - nearest,
        )


class Cost(_Part):
    """What the cut changed that it was not to change, on the rows held out."""

    name: str
    title: str
    unit: str
    n: int
    before: float
    after: float
    change: Value
    sides: Sides
    """Whether any change counts, or a loss alone."""
    decides: bool
    """Whether it has to be shown to stay within the margin; the others only must not be shown to leave it."""
    outcome: Equivalence


class RandomCut(_Part):
    """A matched cut that knows nothing of the behaviour, on the same rows."""

    remaining: tuple[float | None, ...]
    """Of each behaviour, in order; None where the copy could not be assessed."""
    changes: Mapping[str, float]
    """Change of each cost, by its name."""
    changed_decisions: int | None


class Cut(_Part):
    """What was cut, and how it was fitted."""

    kind: Literal["repaired", "leace", "mean_shift", "parts"]
    site: str = ""
    """Name of the linear map into which it was folded."""
    rank: int | None = None
    ridge: float | None = None
    """Of the repair, as a share of the mean variance of the erased states; None where none was made."""
    constant: bool | None = None
    """Whether the site has a bias to hold a constant; without one, maps go through the origin."""
    parts: tuple[str, ...] = ()
    moved: float | None = None
    """Root mean squared distance by which the fitted states are moved, as a share of their own spread."""


class Pruned(_Part):
    """A copy of a model with a behaviour cut, and what that did."""

    schema_version: Literal["1"] = "1"
    made_on: str
    tool: str
    seed: int
    base_model: str
    base_digest: str
    copy_digest: str
    dtype: str
    policy: str
    policy_sha256: str
    overrides: Mapping[str, str]
    check: str
    attribute: str
    rows: Mapping[str, int]
    cut: Cut
    at_least: float
    """Share by which a gap has to fall at the least."""
    margin: float
    behaviours: tuple[Behaviour, ...]
    costs: tuple[Cost, ...]
    changed_decisions: int | None
    """Decisions of the copy that differ from the original's where cases are written with the reference value."""
    reference_cases: int
    random: tuple[RandomCut, ...]
    not_assessed: str = ""
    """Why the check does not assess the copy; empty where it does."""
    reduced: Reduced
    equivalence: Equivalence
    limits: tuple[str, ...]

    @property
    def done(self) -> bool:
        """Whether every gap was shown to have fallen far enough and every cost to stay within the margin."""
        return self.reduced == "reduced" and self.equivalence == "equivalent"


@dataclass(frozen=True, kw_only=True)
class NothingToCut:
    """The original shows no gap: no model is written."""

    check: str
    reasons: tuple[str, ...]


def reduced(behaviours: tuple[Behaviour, ...], at_least: float) -> Reduced:
    """Return whether all gaps were shown to have fallen by a share, whichever way what remains points."""
    said = [_reduced(b.remaining, 1 - at_least) for b in behaviours]
    order: tuple[Reduced, ...] = ("not assessed", "not reduced", "undecided", "reduced")
    return next(outcome for outcome in order if outcome in said)


def _reduced(remaining: Value | None, most: float) -> Reduced:
    if remaining is None:
        return "not assessed"
    low, high = remaining.limits
    most += _ROUNDING
    if -most <= low and high <= most:
        return "reduced"
    return "not reduced" if low > most or high < -most else "undecided"


def equivalent(change: Value, margin: float, sides: Sides) -> Equivalence:
    """Return whether a change was shown to lie within a margin: two one-sided tests, each at 2.5 %.

    They are the dual of the 95 % interval (Schuirmann 1987, Journal of Pharmacokinetics and Biopharmaceutics 15:657).
    """
    low, high = change.limits
    if low > -margin and (sides == "loss" or high < margin):
        return "equivalent"
    return "not equivalent" if high < -margin or (sides == "both" and low > margin) else "undecided"


def equivalence(costs: tuple[Cost, ...]) -> Equivalence:
    """Return the outcome over all costs; "not assessed" where none could be that decides."""
    deciding = [cost.outcome for cost in costs if cost.decides]
    if any(cost.outcome == "not equivalent" for cost in costs):
        return "not equivalent"
    if not deciding:
        return "not assessed"
    return "undecided" if "undecided" in deciding else "equivalent"


def document(made: Pruned) -> str:
    """Return the document as JSON."""
    said: dict[str, Any] = made.model_dump(mode="json")
    return json.dumps(said, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def read(path: Path) -> Pruned:
    """Read a document back; raises ``ValueError`` where it is none."""
    return Pruned.model_validate_json(path.read_text(encoding="utf-8"))
