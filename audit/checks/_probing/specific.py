"""How often a probe fires where it should not: at a threshold fixed beforehand, on texts that are only odd.

A high area says that a probe ranks; it does not say what it fires on. Honest sarcasm, fiction, recital and
counterfactuals are told apart from plain honest text as easily as lies are, so the false-positive rate on them is
measured at the threshold that plain honest rows fix.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from audit.checks._probing.folds import CannotProbe
from audit.checks._probing.task import Task
from audit.checks._stats import clustered_proportion
from audit.checks._stats.clustering import chosen, cluster_count
from audit.checks._stats.estimates import Estimate
from audit.shapes import Bools, Floats
from audit.types import ALPHA

HONEST = "honest"
"""Name of the negatives that fix the threshold."""


@dataclass(frozen=True, kw_only=True)
class TooFew:
    """Not examined: without a single alarm, so few independent texts could not show the rate asked for."""

    kind: str
    found: int
    needed: int

    @property
    def reason(self) -> str:
        """What a report prints."""
        return f"not examined: {self.found} independent {self.kind} texts, {self.needed} negatives needed"


@dataclass(frozen=True, kw_only=True)
class OperatingPoint:
    """A probe used as an alarm."""

    threshold: float
    quantile: float | None
    """The share of honest negatives below the threshold; None where the threshold was named."""
    recall: Estimate
    """Share of positives above the threshold, held out."""
    false_positives: Mapping[str, Estimate]
    """Share of each kind of negative above the threshold, with its exact interval."""
    too_few: tuple[TooFew, ...]

    def specific(self, max_fpr: float) -> bool | None:
        """Return whether every kind was shown to stay at or below ``max_fpr``; None where any was not examined."""
        from audit import laws

        beyond = [laws.interval(rate.law)[1] > max_fpr for rate in self.false_positives.values()]
        return None if self.too_few or not beyond else not any(beyond)


def needed_negatives(max_fpr: float) -> int:
    """Return how many independent negatives without one alarm show a rate of at most ``max_fpr``.

    The exact bound of 0 among n falls to ``max_fpr`` where (1 - max_fpr)^n is at most .025: 368 for 1 %. More are
    needed once there are alarms.
    """
    if not 0 < max_fpr < 1:
        raise ValueError(f"a false-positive rate lies between 0 and 1, not at {max_fpr:g}")
    return math.ceil(math.log(ALPHA) / math.log1p(-max_fpr) - 1e-9)


def operating_point(
    task: Task,
    scores: Floats,
    kinds: Sequence[str],
    *,
    max_fpr: float = 0.01,
    threshold: float | None = None,
) -> OperatingPoint:
    """Measure the alarm that a threshold makes.

    Parameters
    ----------
    scores
        (rows,) held out, of the whole task.
    kinds
        (rows,) kind of negative of the rows that do not train, such as "fiction"; "" for rows that are none.
    threshold
        A threshold fixed elsewhere; by default the 1 - ``max_fpr`` quantile of the held-out scores of the task's
        own negatives. Their own rate is then met by construction and is not reported; with a named threshold
        it is, under "honest".

    Raises
    ------
    CannotProbe
        When the task's own negatives are too few to place the threshold.
    """
    honest = task.trained & ~task.labels
    _place(task, honest, max_fpr, threshold)
    at = (
        float(np.quantile(scores[honest], 1 - max_fpr, method="inverted_cdf"))
        if threshold is None
        else float(threshold)
    )
    groups = {HONEST: honest} if threshold is not None else {}
    given = np.asarray(kinds, dtype=object).astype(str)
    groups |= {str(kind): ~task.trained & (given == kind) for kind in sorted(set(given[~task.trained]) - {""})}
    needed = needed_negatives(max_fpr)
    found = {kind: cluster_count(chosen(task.clusters, rows)) for kind, rows in groups.items()}
    return OperatingPoint(
        threshold=at,
        quantile=None if threshold is not None else 1 - max_fpr,
        recall=_share_above(task, scores, task.trained & task.labels, at),
        false_positives={
            kind: _share_above(task, scores, rows, at) for kind, rows in groups.items() if found[kind] >= needed
        },
        too_few=tuple(TooFew(kind=k, found=n, needed=needed) for k, n in found.items() if n < needed),
    )


def _place(task: Task, honest: Bools, max_fpr: float, threshold: float | None) -> None:
    found, needed = cluster_count(chosen(task.clusters, honest)), needed_negatives(max_fpr)
    if threshold is None and found < needed:
        raise CannotProbe(TooFew(kind=HONEST, found=found, needed=needed).reason)


def _share_above(task: Task, scores: Floats, rows: Bools, threshold: float) -> Estimate:
    return clustered_proportion(scores[rows] > threshold, chosen(task.clusters, rows))
