"""Mean differences of states: the one that is asked about, and many that it must stand out from.

A direction that is any good as an explanation moves the output more than directions of the same length which were
found in the same way and mean nothing: the same rows with the labels permuted, and contrasts between halves of a
column that has nothing to do with the condition. Isotropic noise is no such comparison; models shrug it off.

References
----------
Marks & Tegmark (2023), The geometry of truth, arXiv:2310.06824 (mean difference, normalised indirect effect).
Westfall & Young (1993), Resampling-based multiple testing (largest value over layers).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from audit import shapes
from audit.checks._stats.permutations import block_permutations, permutation_p
from audit.requests import StateAnswer
from audit.shapes import Bools, Floats

Kind = Literal["permuted labels", "irrelevant contrast"]

FEWEST_VALUES = 6
"""Values of a column below which its halves repeat each other."""


@dataclass(frozen=True, kw_only=True)
class Splits:
    """Ways of dividing the discovery rows in two, drawn before a state is seen."""

    observed: Bools
    """(rows,): which rows are of the condition"""
    permuted: Bools
    """(rows, draws): for the precondition"""
    null: Bools
    """(rows, draws): divisions whose mean differences are irrelevant"""
    kinds: tuple[Kind, ...]
    """(draws,)"""


def splits(
    condition: Bools,
    blocks: Sequence[str],
    columns: Mapping[str, Sequence[str]],
    *,
    draws: int,
    permutations: int,
    rng: np.random.Generator,
) -> Splits:
    """Draw the divisions: one null half of permuted labels, one of irrelevant contrasts as far as columns allow."""
    usable = {name: values for name, values in columns.items() if len(set(values)) >= FEWEST_VALUES}
    halves = _halves(list(usable.values()), draws // 2, rng)
    relabelled = block_permutations(condition, blocks, draws - len(halves), rng)
    return Splits(
        observed=condition,
        permuted=block_permutations(condition, blocks, permutations, rng),
        null=np.column_stack([relabelled, *halves]),
        kinds=("permuted labels",) * relabelled.shape[1] + ("irrelevant contrast",) * len(halves),
    )


def _halves(columns: Sequence[Sequence[str]], count: int, rng: np.random.Generator) -> list[Bools]:
    """Return divisions of rows by a random half of the values of a column."""
    out = []
    for draw in range(count if columns else 0):
        values = np.asarray(columns[draw % len(columns)], dtype=object).astype(str)
        names = np.unique(values)
        out.append(np.isin(values, rng.permutation(names)[: len(names) // 2]))
    return out


@dataclass(frozen=True, kw_only=True)
class Given:
    """A direction that is not found here, but comes from a file."""

    vector: Floats
    """(width,)"""
    own_length: bool
    """Whether it is added at its own length, or at that of the condition's mean difference."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """The direction of one layer, and those that it is compared with."""

    direction: Floats
    """(width,): mean of the condition minus mean of the reference, or the one that was given, as it is added"""
    null: Floats
    """(draws, width), each as long as the direction"""
    ratio: float
    """Length of the mean difference (along a given direction) over the mean length under permuted labels"""
    ratios: Floats
    """(permutations,): the same of each permutation"""
    cosine: float
    """Between the direction and the mean difference: 1 where that is the direction"""


def found(states: shapes.States, ways: Splits, given: Given | None = None) -> Found:
    """Return the direction of one layer's states (rows, width) and its null.

    It is the mean difference; or a given direction, whose null is as long as it is, and which has to hold the
    conditions apart as far as permuted labels do not.
    """
    values = states.astype(np.float64)
    values -= values.mean(axis=0)
    difference = _differences(values, ways.observed[:, None])[0]
    permuted = _differences(values, ways.permuted)
    whole = float(np.linalg.norm(difference))
    if given is None:
        direction, observed, lengths = difference, whole, np.linalg.norm(permuted, axis=1)
    else:
        unit = given.vector / np.linalg.norm(given.vector)
        direction = given.vector if given.own_length else unit * whole
        observed, lengths = abs(float(difference @ unit)), np.abs(permuted @ unit)
    usual = float(lengths.mean()) or 1.0
    # The condition's own difference is taken out: permuted labels would otherwise find parts of it again, and the
    # effect would be compared with its own.
    null = _differences(_within(values, ways.observed), ways.null)
    length = np.linalg.norm(null, axis=1, keepdims=True)
    added = float(np.linalg.norm(direction))
    return Found(
        direction=direction,
        null=null / np.where(length > 0, length, 1.0) * added,
        ratio=observed / usual,
        ratios=lengths / usual,
        cosine=float(difference @ direction) / (whole * added) if whole and added else 0.0,
    )


def _within(values: Floats, which: Bools) -> Floats:
    """Return the states from the mean of their own side: (rows, width)."""
    out = values.copy()
    for side in (which, ~which):
        out[side] -= out[side].mean(axis=0)
    return out


def _differences(values: Floats, which: Bools) -> Floats:
    """Return mean(chosen) - mean(others) per division: (rows, width), (rows, draws) → (draws, width)."""
    chosen = which.astype(np.float64)
    counts = chosen.sum(axis=0)
    weights = chosen / np.maximum(counts, 1) - (1 - chosen) / np.maximum(len(chosen) - counts, 1)
    out: Floats = weights.T @ values
    return out


def by_layer(states: StateAnswer, ways: Splits) -> dict[int, Found]:
    """Return the mean difference of each layer; one layer's states are in memory at a time."""
    return {layer: found(states[layer], ways) for layer in states}


def precondition(layers: Mapping[int, Found]) -> dict[int, float]:
    """Return, per layer, the chance of so long a mean difference, corrected for having looked at every layer."""
    largest = np.max([f.ratios for f in layers.values()], axis=0)
    return {layer: permutation_p(f.ratio, largest) for layer, f in layers.items()}
