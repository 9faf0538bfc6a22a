"""A cut is measured on cases, names and clusters that it was not fitted on."""

from __future__ import annotations

import numpy as np
import pytest

from audit import pipeline
from audit.errors import UserError
from audit.pruning.held_out import folds, halves

SWAP = "swap: {sex: {from: name, pairs: pairs.csv}}"


def split(policy, attribute="sex", seed=0):
    read = pipeline.read_policy(policy.path)
    (check,) = read.checks
    data = read.datasets["applicants"]
    return data, check, halves(check, attribute, data, np.random.default_rng(seed))


def test_no_pair_of_names_stands_on_both_halves(small_policy):
    data, check, found = split(small_policy("swap"))

    pair_of = {form: i for i, pair in enumerate(check.params.swap["sex"].pairs) for form in pair.values()}
    sides = [{pair_of[data.rows[i].fields["name"]] for i in half} for half in (found.fitted, found.measured)]
    assert not sides[0] & sides[1]
    assert sorted([*found.fitted, *found.measured]) == list(range(192))
    assert (len(sides[0]), len(sides[1]), found.shared) == (16, 16, ())


def test_swapped_values_leave_every_case_on_one_half(small_policy):
    jobs = "swap: {work: {from: job, values: [cook, nurse], reference: [cook]}}"
    data, _, found = split(small_policy("swap").change(SWAP, jobs), "work")

    names = [{data.rows[i].fields["name"] for i in half} for half in (found.fitted, found.measured)]
    assert not names[0] & names[1]


def test_what_cannot_be_kept_apart_is_said(small_policy):
    crossed = small_policy("swap").change("cluster: name", "cluster: [name, income]")

    _, _, found = split(crossed)

    assert found.shared == ("income",)


def test_too_few_rows_are_told(small_policy):
    with pytest.raises(UserError) as refused:
        split(small_policy("swap", rows=8))

    (problem,) = refused.value.problems
    assert problem.found == "8 independent units in applicants"


def test_folds_share_no_unit_and_hold_every_row():
    unit = np.repeat(np.arange(7), 3)

    found = folds(unit.tolist(), np.random.default_rng(0))

    assert sorted(np.concatenate(found).tolist()) == list(range(21))
    assert len(found) == 5
    assert sum(len(set(unit[rows])) for rows in found) == 7
