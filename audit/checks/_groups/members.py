"""Groups of rows that share a value of a protected attribute, or of several, and whether they can be compared."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from audit.shapes import Bools
from audit.types import Dataset, Guards, ValidityCheck

CROSS = " × "
"""Stands between the attributes of an intersection."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Rows that share a value of an attribute, or of all attributes."""

    attribute: str
    name: str
    member: Bools

    @property
    def size(self) -> int:
        """Rows in the group."""
        return int(self.member.sum())


def groups(data: Dataset, attributes: Sequence[str], *, intersections: bool) -> list[Group]:
    """Return the groups of every attribute, in the order declared; a row that names no value is in no group.

    A group is named by its value, and by its attribute too where another attribute has the same value: "yes"
    would name two groups, and a number of one would be read as one of the other.
    """
    shared = Counter(value for a in attributes for value in {row.fields[a] for row in data.rows})
    sets: list[tuple[str, ...]] = [(attribute,) for attribute in attributes]
    if intersections and len(attributes) > 1:
        sets.append(tuple(attributes))
    return [group for some in sets for group in _of(data, some, shared)]


def _of(data: Dataset, attributes: tuple[str, ...], shared: Mapping[str, int]) -> list[Group]:
    rows = [tuple(row.fields[a] for a in attributes) for row in data.rows]
    return [
        Group(
            attribute=CROSS.join(attributes),
            name=" ".join(v if shared[v] == 1 else f"{a} {v}" for a, v in zip(attributes, values, strict=True)),
            member=np.array([row == values for row in rows]),
        )
        for values in sorted({row for row in rows if all(row)})
    ]


def unknown(data: Dataset, attribute: str) -> int:
    """Return the number of rows that do not name a value of the attribute (or of one that it crosses)."""
    return sum(not all(row.fields[a] for a in attribute.split(CROSS)) for row in data.rows)


def ordered_pairs(those: Sequence[Group]) -> list[tuple[Group, Group]]:
    """Return every ordered pair of groups of one attribute: what is compared."""
    return [(a, b) for a, b in itertools.permutations(those, 2) if a.attribute == b.attribute]


# ---- whether they can be compared ----------------------------------------------------------------


def overlap_check(overlaps: Mapping[tuple[str, str], float], least: float) -> ValidityCheck:
    """Return the check that groups occur at equal legitimate factors; ``overlaps`` is by pair of groups."""
    (group, reference), worst = min(overlaps.items(), key=lambda item: item[1])
    return ValidityCheck(
        name="overlap",
        title="Groups occur at equal legitimate factors",
        guards=Guards.FALSE_ALL_CLEAR,
        passed=worst >= least,
        found=f"a share of {worst:.2f} of the rows of {group} and {reference}, the pair that overlaps least",
        needed=f"at least {least:g} of the rows in strata where both groups occur",
    )


def cells_check(those: Sequence[Group], fewest: int) -> ValidityCheck:
    """Return the check that no group is too small to be compared."""
    small = [f"{g.name} ({g.size})" for g in those if g.size < fewest]
    return ValidityCheck(
        name="cells",
        title="Every group is large enough to compare",
        guards=Guards.FALSE_ALL_CLEAR,
        passed=not small,
        found=f"too small: {', '.join(small[:10])}" if small else f"all {len(those)} groups",
        needed=f"at least {fewest} rows in each group",
    )
