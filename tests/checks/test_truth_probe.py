"""Truth in the states, the output in the states, and neither: always held against both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from audit.checks import truth_probe
from audit.checks._toy.truth import DECISION, Teller, statements
from audit.types import Dataset, Decision, Finding, NotAssessed, Table

PARAMS: dict[str, Any] = {
    "statement": "statement",
    "positions": ["statement_end"],
    "permutations": 400,
}
SETS = {"sets": "set", "negation": {"column": "negated", "negated": ["yes"]}}
CHOSEN = truth_probe.CHOSEN


def box(found: Finding, name: str) -> Any:
    (one,) = [b for b in found.boxes if b.name == name]
    return one


def test_states_that_hold_the_truth_are_told_from_what_is_said(run_check: Any, the: Any) -> None:
    found = run_check("truth_probe", PARAMS, statements(), Teller(truth=1.5), DECISION)

    assert the(found, "truth", stratum=CHOSEN).value > 0.95
    assert the(found, "output", stratum=CHOSEN).value < 0.65
    assert the(found, "truth_where_they_differ", stratum=CHOSEN).value > 0.95
    assert box(found, "decodable").ticked is True
    assert box(found, "beyond_text").ticked is True


def test_states_that_hold_the_output_read_the_opposite_of_the_facts(run_check: Any, the: Any) -> None:
    found = run_check("truth_probe", PARAMS, statements(), Teller(output=1.5, lies=0.2), DECISION)

    assert the(found, "truth", stratum=CHOSEN).value > 0.6  # it looks like a truth probe
    assert the(found, "output", stratum=CHOSEN).value > 0.95
    assert the(found, "truth_where_they_differ", stratum=CHOSEN).value < 0.1


def test_noise_ticks_no_box(run_check: Any) -> None:
    for seed in range(3):
        found = run_check("truth_probe", PARAMS, statements(), Teller(), DECISION, seed)

        assert box(found, "beyond_text").ticked is False
        assert box(found, "specific").ticked is None
        assert box(found, "causal").ticked is None


def test_both_areas_stand_at_every_place(run_check: Any) -> None:
    params = PARAMS | {"positions": ["pre_answer", "statement_mean"]}

    found = run_check("truth_probe", params, statements(), Teller(truth=1.0), DECISION)

    places = {(m.metric, m.stratum) for m in found.measurements if m.metric in {"truth", "output"}}
    assert places == {
        (metric, f"{position}, layer {layer}")
        for metric in ("truth", "output")
        for position in ("pre_answer", "statement_mean")
        for layer in range(3)
    } | {("truth", CHOSEN), ("output", CHOSEN)}


def test_probes_are_carried_between_sets_and_negations(run_check: Any, the: Any) -> None:
    found = run_check("truth_probe", PARAMS | SETS, statements(), Teller(truth=1.5), DECISION)

    assert len([m for m in found.measurements if m.metric == "transfer"]) == 4 * 3
    assert the(found, "transfer", group="beasts, negated", reference="cities").value > 0.95
    (matrix,) = [e for e in found.exhibits if isinstance(e, Table)]
    assert [row[0] for row in matrix.rows] == ["cities", "cities, negated", "beasts", "beasts, negated"]


def test_an_output_that_never_changes_is_said_to_say_nothing(run_check: Any, check_of: Any) -> None:
    found = run_check("truth_probe", PARAMS, statements(), Teller(truth=1.5, constant=True), DECISION)

    assert check_of(found, "output_varies").passed is False
    assert [m for m in found.measurements if m.metric == "output"] == []


def test_without_a_decision_the_output_is_what_the_model_finds_likely(run_check: Any, the: Any) -> None:
    likely = Decision(kind="likelihood")

    found = run_check("truth_probe", PARAMS, statements(), Teller(truth=1.5), likely)

    assert the(found, "truth", stratum=CHOSEN).value > 0.95
    assert 0.4 < the(found, "output", stratum=CHOSEN).value < 0.6  # the toy's likelihoods know nothing


def test_without_a_cluster_column_the_finding_says_so(run_check: Any, check_of: Any) -> None:
    found = run_check("truth_probe", PARAMS, replace(statements(), cluster=()), Teller(truth=1.5), DECISION)

    assert check_of(found, "whole_clusters").passed is False
    assert check_of(found, "whole_clusters").found == "the data name no cluster"


def test_fewer_clusters_than_folds_are_not_assessed(run_check: Any) -> None:
    few = replace(statements(), rows=statements().rows[:12])

    found = run_check("truth_probe", PARAMS, few, Teller(), DECISION)

    assert isinstance(found, NotAssessed)
    assert "5 folds need at least 5 of each" in found.reason


@pytest.mark.parametrize(
    ("change", "at", "said"),
    [
        ({"sets": "topic"}, ("sets",), "no field 'topic'"),
        ({"statement": "set"}, ("statement",), "no field 'set' in the text"),
        ({"statement": None}, ("positions", 0), "statement_end without a statement"),
        ({"negation": {"column": "negated", "negated": ["nay"]}}, ("negation", "negated", 0), "no row has 'nay'"),
    ],
)
def test_what_is_wrong_is_said_where_it_stands(
    problems_of: Callable[..., Any], change: dict[str, Any], at: tuple[Any, ...], said: str
) -> None:
    assert problems_of("truth_probe", PARAMS | change, statements(), DECISION) == [(at, said)]


def test_a_label_with_one_class_is_refused(problems_of: Callable[..., Any]) -> None:
    alike = replace(statements(), rows=tuple(replace(row, label=True) for row in statements().rows))

    assert problems_of("truth_probe", PARAMS, alike, DECISION) == [((), "statements that are all alike true or false")]


def test_no_metric_may_be_judged() -> None:
    assert truth_probe.judgeable(truth_probe.Params.model_validate(PARAMS)) == frozenset()
    assert all(m.descriptive for m in truth_probe.METRICS)


# ---- an independent encoder ----------------------------------------------------------------------

ENCODER = {"encoder": {"name": "somebody's encoder", "columns": ["e"]}}


def encoded(*, knows: bool) -> Dataset:
    """Statements beside the embedding of an encoder that holds their truth, or nothing of it."""
    data, rng = statements(), np.random.default_rng(5)
    rows = tuple(
        replace(row, fields={**row.fields, "e": f"{knows * bool(row.label) + 0.05 * rng.normal():.4f}"})
        for row in data.rows
    )
    return replace(data, rows=rows)


@pytest.mark.parametrize(("knows", "ticked"), [(True, False), (False, True)])
def test_truth_that_an_independent_encoder_holds_as_well_is_no_finding(
    run_check: Any, knows: bool, ticked: bool
) -> None:
    found = run_check("truth_probe", PARAMS | ENCODER, encoded(knows=knows), Teller(truth=1.5), DECISION)

    beyond = {m.reference: m for m in found.measurements if m.metric == "beyond_baseline"}
    assert (beyond["an independent encoder (somebody's encoder)"].value > 0.2) is ticked
    assert box(found, "beyond_text").ticked is ticked


def test_an_embedding_is_numbers_in_columns_that_are_there(problems_of: Callable[..., Any]) -> None:
    data = encoded(knows=True)
    blank = replace(data.rows[0], fields={**data.rows[0].fields, "e": "n/a"})
    elsewhere = {"encoder": {"name": "it", "columns": ["f"]}}

    assert problems_of("truth_probe", PARAMS | ENCODER, replace(data, rows=(blank, *data.rows[1:])), DECISION) == [
        (("encoder", "columns", 0), "'e' holds 'n/a'")
    ]
    assert problems_of("truth_probe", PARAMS | elsewhere, data, DECISION) == [
        (("encoder", "columns", 0), "no field 'f'")
    ]
