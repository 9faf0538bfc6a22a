"""Values of groups of tokens from what the model says when other groups are there or taken out.

Feature ablation takes each group out of the whole text. Shapley values average what a group adds over the orders in
which groups can come (Shapley 1953; sampled as Castro, Gómez & Tejada 2009), orders in pairs with their reversals
(Mitchell et al. 2022, "Sampling Permutations for Shapley Value Estimation"), which scatters less. A coalition that
several orders pass is run once, and where all coalitions together are fewer than the sampled ones all are run: then
the values are exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np

from audit.shapes import Bools, Floats, Ints


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """The coalitions to run: (coalitions, groups), each row says which groups are there.

    The first row is the empty coalition, the last the full one.
    """

    present: Bools
    orders: Ints | None = None
    """(orders, groups + 1) rows of ``present`` that each order passes; None where no orders were drawn."""
    permutations: Ints | None = None
    """(orders, groups): the group that each step adds."""


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupValues:
    """Signed values of groups with the standard errors of sampling (0 where nothing was sampled)."""

    values: Floats
    standard_errors: Floats


# ---- feature ablation ----------------------------------------------------------------------------


def ablation_plan(groups: int) -> Plan:
    """Return the whole text without each group in turn, and both ends."""
    ends = np.zeros((1, groups), dtype=bool), np.ones((1, groups), dtype=bool)
    if groups < 2:  # without its only group a text is the empty coalition
        return Plan(present=np.concatenate(ends) if groups else ends[0])
    return Plan(present=np.concatenate([ends[0], ~np.eye(groups, dtype=bool), ends[1]]))


def ablation_values(plan: Plan, scores: Floats) -> GroupValues:
    """Return how far the score falls when each group is taken out of the whole text."""
    groups = plan.present.shape[1]
    values = scores[-1] - (scores[:1] if groups == 1 else scores[1:-1])
    values = values if groups else np.zeros(0)
    return GroupValues(values=values, standard_errors=np.zeros(groups))


# ---- Shapley values ------------------------------------------------------------------------------


def shapley_plan(groups: int, permutations: int, rng: np.random.Generator) -> Plan:
    """Return all coalitions where they are fewer than those of the sampled orders, else those of the orders."""
    if groups <= 1 or 2.0**groups <= permutations * (groups - 1) + 2:
        numbers = np.arange(2**groups)
        return Plan(present=(numbers[:, None] >> np.arange(groups)[None, :] & 1).astype(bool))
    drawn = np.array([rng.permutation(groups) for _ in range(permutations // 2)])
    orders = np.stack([drawn, drawn[:, ::-1]], axis=1).reshape(-1, groups)
    known: dict[bytes, int] = {}
    rows: list[Bools] = []
    passed = np.zeros((len(orders), groups + 1), dtype=np.int64)

    def number(coalition: Bools) -> int:
        key = np.packbits(coalition).tobytes()
        if key not in known:
            known[key] = len(rows)
            rows.append(coalition.copy())
        return known[key]

    empty, full = np.zeros(groups, dtype=bool), np.ones(groups, dtype=bool)
    number(empty)
    for at, order in enumerate(orders):
        there = empty.copy()
        for step, group in enumerate(order[:-1], start=1):
            there[group] = True
            passed[at, step] = number(there)
    passed[:, -1] = number(full)
    return Plan(present=np.array(rows), orders=passed, permutations=orders)


def shapley_values(plan: Plan, scores: Floats) -> GroupValues:
    """Return the Shapley value of each group: exact over all coalitions, or the mean over pairs of orders."""
    groups = plan.present.shape[1]
    if plan.orders is None or plan.permutations is None:
        return GroupValues(values=_exact(groups, scores), standard_errors=np.zeros(groups))
    added = np.zeros(plan.permutations.shape)
    np.put_along_axis(added, plan.permutations, np.diff(scores[plan.orders], axis=1), axis=1)
    pairs = added.reshape(-1, 2, groups).mean(axis=1)
    errors = pairs.std(axis=0, ddof=1) / np.sqrt(len(pairs))
    return GroupValues(values=pairs.mean(axis=0), standard_errors=errors)


def _exact(groups: int, scores: Floats) -> Floats:
    """Return the Shapley values from the scores of all coalitions, numbered by their bits."""
    numbers = np.arange(2**groups)
    sizes = np.array([int(n).bit_count() for n in numbers])
    values = np.zeros(groups)
    for group in range(groups):
        without = numbers[numbers >> group & 1 == 0]
        weights = 1.0 / (groups * np.array([comb(groups - 1, int(k)) for k in sizes[without]]))
        values[group] = float(weights @ (scores[without | 1 << group] - scores[without]))
    return values


def replaced_tokens(present: Bools, groups: Sequence[Sequence[int]], tokens: int) -> Bools:
    """Return which tokens are taken out under each coalition: (coalitions, tokens)."""
    out = np.zeros((len(present), tokens), dtype=bool)
    for at, group in enumerate(groups):
        out[:, list(group)] = ~present[:, at, None]
    return out
