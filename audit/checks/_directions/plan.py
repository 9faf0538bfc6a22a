"""Which rows find a direction and which confirm it, fixed before a state is seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audit.checks import _rows
from audit.checks._directions import contrasts
from audit.checks._directions.contrasts import Splits
from audit.checks._directions.params import Condition, OffTarget
from audit.types import Dataset, NotAssessed

FEWEST_CLUSTERS_PER_PART = 3

PERMUTATIONS = 1000
"""Permuted labels for the length of the mean difference."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Rows by what they are for."""

    discovery: tuple[int, ...]
    """Where directions are found, the ones to compare with among them."""
    with_condition: tuple[int, ...]
    """Confirmation rows, as the next."""
    without: tuple[int, ...]
    off_target: tuple[int, ...]
    """Confirmation rows without the condition that the direction should leave alone."""
    ways: Splits


def make_plan(
    condition: Condition,
    off: OffTarget | None,
    data: Dataset,
    *,
    split: bool,
    columns: Sequence[str],
    max_rows: int,
    draws: int,
    rng: np.random.Generator,
) -> Plan | NotAssessed:
    """Return the rows of both parts, and the divisions of the discovery rows.

    With ``split`` one half of the clusters finds and the other confirms. Without it, for a direction that comes from
    a file, every cluster confirms; what it is compared with is then found on all of them too, which can only
    make the comparison harder to beat.
    """
    column = data.cluster_labels()[0]
    first = _half(column, rng) if split else set(column)
    second = set(column) - first if split else first
    pick = _Picking(condition=condition, off=off, data=data, column=column)
    toward = pick.rows((condition.toward,), first)
    against = pick.rows(condition.against, first)
    confirming = [
        _some(pick.rows(values, second, aside=aside), max_rows, rng)
        for values, aside in (((condition.toward,), False), (condition.against, False), (condition.against, True))
    ]
    parts = {"with the condition": confirming[0], "without it": confirming[1]}
    if split:
        parts = {f"confirmation, {name}": rows for name, rows in parts.items()}
        parts = {"discovery, with the condition": tuple(toward), "discovery, without it": tuple(against)} | parts
    short = {k: n for k, v in parts.items() if (n := len({column[i] for i in v})) < FEWEST_CLUSTERS_PER_PART}
    if short:
        what = "find a direction on one half and confirm it on the other" if split else "confirm a direction on"
        return NotAssessed(
            reason=f"too few clusters to {what}: "
            + "; ".join(f"{n} in {name}" for name, n in short.items())
            + f" (at least {FEWEST_CLUSTERS_PER_PART} each)"
        )
    discovery = sorted((*toward, *against))
    return Plan(
        discovery=tuple(discovery),
        with_condition=confirming[0],
        without=confirming[1],
        off_target=confirming[2],
        ways=contrasts.splits(
            np.array([data.rows[i].fields[condition.column] == condition.toward for i in discovery]),
            [column[i] for i in discovery],
            {name: [data.rows[i].fields[name] for i in discovery] for name in columns},
            draws=draws,
            permutations=PERMUTATIONS,
            rng=rng,
        ),
    )


def _half(column: Sequence[str], rng: np.random.Generator) -> set[str]:
    names = sorted(set(column))
    return {names[i] for i in rng.permutation(len(names))[: len(names) // 2].tolist()}


def _some(rows: Sequence[int], most: int, rng: np.random.Generator) -> tuple[int, ...]:
    return tuple(sorted(rows[i] for i in rng.permutation(len(rows))[:most].tolist()))


@dataclass(frozen=True, kw_only=True)
class _Picking:
    """Rows of some values of the condition's column, in some clusters."""

    condition: Condition
    off: OffTarget | None
    data: Dataset
    column: Sequence[str]

    def rows(self, values: Sequence[str], clusters: set[str], *, aside: bool = False) -> list[int]:
        return [
            i
            for i in _rows.distinct(self.data)
            if (fields := self.data.rows[i].fields)[self.condition.column] in values
            and (self.off is not None and fields[self.off.column] in self.off.values) is aside
            and self.column[i] in clusters
        ]
