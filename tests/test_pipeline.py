"""The model is asked once, whatever asks, and a later audit pays for what is new."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import audit
from audit import pipeline, record
from audit.capture import passes
from audit.errors import UserError

ALL = ("swap", "outcomes", "attribution", "probe")
ROWS, DIFFERENT = 192, 191
"""Rows of the small policy, and different texts among them."""


def audited(policy: Any, model: Path, store: Path, **changed: str) -> record.Record:
    return audit.run(policy.path, model=model, store=store, device="cpu", progress=False, set=changed)


@pytest.fixture(scope="session")
def first(tmp_path_factory, biased_model, session_policy) -> tuple[Any, Path, record.Record]:
    """A policy with four checks, the store of its first run and that run's record."""
    policy, store = session_policy(*ALL), tmp_path_factory.mktemp("first") / "store"
    return policy, store, audited(policy, biased_model, store)


def apart_from_attribution(cost: record.CostPart) -> int:
    return cost.rows_forward - cost.attribution_rows


# ---- one pass for all ----------------------------------------------------------------------------


def test_four_checks_over_the_same_rows_run_each_text_once(first):
    policy, _, found = first
    texts = set(policy.texts())

    cost = found.cost
    assert {check.check for check in found.checks} == {
        "attribution_share", "counterfactual", "group_outcomes", "leakage_probe",
    }  # fmt: skip
    # Each row and its counterpart under the audited weights, and each row once more under random weights.
    assert cost.unique_rows_asked == 2 * len(texts) + len(texts)
    assert apart_from_attribution(cost) == cost.unique_rows_asked
    assert cost.rows_asked > 1.9 * cost.unique_rows_asked


def test_no_text_is_run_more_than_1_1_times_where_passes_are_counted(
    session_policy, biased_model, tmp_path, monkeypatch
):
    policy, rows = session_policy(*ALL, rows=400), []

    def counted(loaded, batch, *rest, **more):
        rows.extend((id(loaded.model), tuple(ids.tolist())) for ids in batch)
        return forward(loaded, batch, *rest, **more)

    forward = passes.forward
    monkeypatch.setattr(passes, "forward", counted)
    found = audited(policy, biased_model, tmp_path / "store")

    # The passes of the self-test, which the record does not count as data, are in here.
    assert len(rows) / len(set(rows)) <= 1.1
    assert len(set(rows)) >= found.cost.unique_rows_asked


def test_a_changed_bound_asks_the_model_nothing(first, biased_model, monkeypatch):
    policy, store, before = first

    def asked(*_args, **_more):
        raise AssertionError("the model was asked")

    monkeypatch.setattr(passes, "forward", asked)
    monkeypatch.setattr("audit.capture.attribution.integrated_gradients", asked)
    after = audited(policy, biased_model, store, **{"checks.swap.criteria.0.at_most": "0.05"})

    assert (before.check("swap").verdict, after.check("swap").verdict) == ("met", "not_met")
    assert after.check("swap").measurements == before.check("swap").measurements
    assert (after.cost.rows_forward, after.cost.attribution_texts) == (0, 0)
    assert after.cost.rows_from_store == before.cost.unique_rows_asked


@pytest.mark.parametrize(
    ("key", "value", "rows", "texts"),
    [
        ("checks.attribution.sample", "8", 0, 3 * 2),
        ("checks.probe.pool", "last", 2 * DIFFERENT, 0),
        ("checks.outcomes.min_cell", "20", 0, 0),
    ],
    ids=["two more texts attributed", "states pooled otherwise", "rows compared otherwise"],
)
def test_a_changed_parameter_pays_for_its_check_alone(first, biased_model, key, value, rows, texts):
    policy, store, before = first

    after = audited(policy, biased_model, store, **{key: value})

    assert apart_from_attribution(after.cost) == rows
    assert after.cost.attribution_texts == texts
    changed = key.split(".")[1]
    assert {c.id for c in after.checks if c.measurements != before.check(c.id).measurements} <= {changed}


def test_each_check_says_what_of_the_model_it_read(first):
    _, _, found = first

    assert {check.id: check.access for check in found.checks} == {
        "swap": ("outputs",),
        "outcomes": ("outputs",),
        "attribution": ("gradients", "outputs"),
        "probe": ("activations",),
    }


# ---- the record ----------------------------------------------------------------------------------


def test_the_record_follows_its_schema_and_comes_back_as_it_was_written(first, tmp_path):
    _, _, found = first
    path = tmp_path / "record.json"
    path.write_text(found.to_json(), encoding="utf-8")

    jsonschema.Draft202012Validator(record.schema()).validate(json.loads(path.read_text(encoding="utf-8")))
    assert record.read(path).model_dump() == found.model_dump()


def test_the_record_holds_what_is_needed_to_repeat_the_audit(first, biased_model):
    policy, _, found = first

    assert found.policy.source == policy.text
    assert found.model.name == str(biased_model)
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(found.model.files)
    assert found.model.self_test.startswith("8 texts run in one batch and alone: outputs differ by at most ")
    assert found.data[0].rows_used == ROWS
    assert found.environment.keys() >= {"python", "platform", "torch", "transformers", "captum", "device", "dtype"}
    assert "absent" not in found.environment.values()


def test_dates_come_from_the_clock_that_is_passed_in(session_policy, untrained_model, tmp_path):
    from datetime import UTC, datetime

    from audit.capture.model import Switches, open_model

    policy = session_policy("swap", rows=60)
    found = pipeline.run(
        policy.path,
        lambda read: open_model(str(untrained_model), read.task, Switches(device="cpu")),
        pipeline.Options(store=tmp_path / "store"),
        clock=lambda: datetime(2026, 11, 1, 12, 30, tzinfo=UTC),
    )

    assert found.created == "2026-11-01T12:30:00+00:00"
    assert (found.cost.started, found.cost.finished) == (found.created, found.created)


def test_a_report_that_cannot_be_made_does_not_keep_the_others_from_being_written(first, tmp_path, monkeypatch):
    _, _, found = first
    (tmp_path / "report.html").mkdir()

    written, failed = pipeline.write(found, tmp_path, ("json", "html", "junit", "summary"))

    assert [path.name for path in written] == ["record.json", "junit.xml", "summary.md"]
    assert [error.title for error in failed] == ["A report cannot be written"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "junit.xml", "record.json", "report.html", "summary.md",
    ]  # fmt: skip


def test_a_check_that_breaks_is_not_assessed_and_leaves_the_others_alone(
    first, session_policy, biased_model, tmp_path, monkeypatch
):
    from dataclasses import replace

    from audit.registry import check_types

    _, _, before = first

    def breaks(*_args):
        raise ZeroDivisionError("no groups")
        yield

    kinds = check_types()
    broken: Mapping[str, Any] = kinds | {"group_outcomes": replace(kinds["group_outcomes"], run=breaks)}
    monkeypatch.setattr(pipeline, "check_types", lambda: broken)
    found = audited(session_policy(*ALL), biased_model, tmp_path / "store")

    assert found.check("outcomes").verdict == "not_assessed"
    assert found.check("outcomes").reason == "the check stopped with an error (ZeroDivisionError: no groups)"
    assert "in breaks" in found.check("outcomes").detail
    assert found.check("swap").measurements == before.check("swap").measurements
    assert found.run.exit_code == 3


# ---- everything that decides what is found is in the key of a run ---------------------------------


def test_a_run_is_gone_on_with_only_where_it_would_find_the_same(session_policy, untrained_model):
    from audit.capture.model import Switches, open_model

    loaded = open_model(str(untrained_model), "sequence-classification", Switches(device="cpu"))
    policy = session_policy("swap", rows=60)

    def key(*overrides: str, **options: Any) -> str:
        chosen = pipeline.Options(overrides=overrides, **options)
        return pipeline.run_key(pipeline.read_policy(policy.path, overrides), loaded, chosen)

    before = {key(), key("seed=1"), key("checks.swap.criteria.0.at_most=0.1"), key(fail_on=())}
    again = key()
    policy.write("pairs.csv", "female,male\nGreta,Felix\n")
    after = key()

    assert len(before) == 4
    assert again in before
    assert after not in before


def test_an_override_that_leads_nowhere_is_refused(session_policy, untrained_model, tmp_path):
    with pytest.raises(UserError) as error:
        audited(session_policy("swap"), untrained_model, tmp_path, **{"checks.swop.criteria.0.at_most": "0.1"})

    assert "--set checks.swop.criteria.0.at_most" in str(error.value)


# ---- what a report is written to, and what it is made with ---------------------------------------


def test_what_cannot_be_made_is_not_told_of_where_it_was_to_be_written(tmp_path):
    def made():
        raise OSError(5, "Input/output error", "/templates/technical.html.j2")

    with pytest.raises(UserError) as refused:
        pipeline.save_as(tmp_path / "report.html", made)

    assert str(refused.value) == (
        "A report cannot be made\n\n/templates/technical.html.j2: Input/output error\n"
        "  expected: what the report is made with: the templates and fonts of this installation\n"
        "  do: look at that file; `inspectoscope doctor` says what is missing"
    )
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_is_told_of_where_it_was_to_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(UserError) as refused:
        pipeline.save_as(tmp_path / "file" / "report.html", lambda: b"<html>")

    (problem,) = refused.value.problems
    assert refused.value.title == "A report cannot be written"
    assert (problem.where, problem.found) == (f"{tmp_path}/file/report.html", "File exists")
