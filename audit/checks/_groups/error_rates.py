"""Equalised odds: whether groups get the positive decision alike, given what came out true.

Among rows with a positive true outcome, and among those with a negative one, the shares of positive decisions are
compared between groups (Hardt, Price & Srebro 2016). What `fairlearn.metrics.equalized_odds_difference` reports is
the largest of these differences; here every ordered pair keeps its own, with its interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from audit.checks import _stats
from audit.checks._groups import Group, outcomes
from audit.checks._groups.outcomes import Labelled
from audit.checks._stats.estimates import Estimate
from audit.shapes import Bools
from audit.types import Cell, Column, Dataset, Table

SIDES = {"true_positive_gap": "positive", "false_positive_gap": "negative"}
"""Metric → the true outcome of the rows that it compares."""


@dataclass(frozen=True, kw_only=True)
class Odds:
    """Decisions on labelled rows, (labelled rows,), and the groups among them."""

    labelled: Labelled
    selected: Bools
    groups: tuple[Group, ...]

    def side(self, outcome: str) -> Bools:
        """Return the rows of one true outcome."""
        return self.labelled.truth if outcome == "positive" else ~self.labelled.truth

    def rate(self, group: Group, outcome: str) -> float | None:
        """Return the share of positive decisions among a group's rows of one outcome; None where it has none."""
        rows = group.member & self.side(outcome)
        return float(self.selected[rows].mean()) if rows.any() else None

    def missing(self, outcome: str) -> list[str]:
        """Name the groups that have no row of an outcome: their rate is not known."""
        return [g.name for g in self.groups if self.rate(g, outcome) is None]

    def gap(self, group: Group, reference: Group, outcome: str) -> Estimate:
        """Return the reference's rate minus that of the group.

        Raises
        ------
        ValueError
            When one of them has no row of the outcome.
        """
        rows = (group.member | reference.member) & self.side(outcome)
        clusters = _stats.chosen(self.labelled.clusters, rows)
        member = reference.member[rows]
        found = _stats.stratified_difference(self.selected[rows], member, [""] * len(member), clusters)
        if found is None:
            raise ValueError(f"{group.name} or {reference.name} has no row with a {outcome} outcome")
        return found


def odds(data: Dataset, selected: Bools, groups: Sequence[Group]) -> Odds | None:
    """Return decisions and groups on the labelled rows; None where no row names a true outcome.

    ``selected`` and the groups' members are (rows,).
    """
    labelled = outcomes.of(data)
    if not labelled.rows:
        return None
    at = np.array(labelled.rows, dtype=np.int64)
    own = tuple(replace(group, member=group.member[at]) for group in groups)
    return Odds(labelled=labelled, selected=selected[at], groups=own)


def table(found: Odds) -> Table:
    """Return each group's rates."""
    rows: list[tuple[Cell, ...]] = []
    for g in found.groups:
        counts = {outcome: int((g.member & found.side(outcome)).sum()) for outcome in SIDES.values()}
        rows.append(
            (
                g.attribute,
                g.name,
                counts["positive"],
                found.rate(g, "positive"),
                counts["negative"],
                found.rate(g, "negative"),
            )
        )
    return Table(
        id="error_rates",
        title="Positive decisions by true outcome and group (equalised odds)",
        columns=(
            Column(title="Attribute"),
            Column(title="Group"),
            Column(title="Positive outcomes", unit="count"),
            Column(title="True-positive rate", unit="share"),
            Column(title="Negative outcomes", unit="count"),
            Column(title="False-positive rate", unit="share"),
        ),
        rows=tuple(rows),
        note="Rates are shares of positive decisions among rows with a positive and with a negative true outcome.",
    )
