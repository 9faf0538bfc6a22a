"""From Python: the same findings as from the command line, and a borrowed model is given back as it came."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import audit
from audit import record, resources
from audit.errors import UserError

ALL = ("swap", "outcomes", "attribution", "probe")
TEXT = "Applicant Omar from Northmoor, a cook. Income high, debt moderate, history fair."


@pytest.fixture(scope="module")
def policy(session_policy):
    return session_policy(*ALL)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("api") / "store"


@pytest.fixture(scope="module")
def from_path(policy, biased_model, store):
    return audit.run(policy.path, model=biased_model, store=store, device="cpu", progress=False)


@pytest.fixture
def lent(biased_model):
    """A model in the middle of a training run: in training mode, one part frozen."""
    model = AutoModelForSequenceClassification.from_pretrained(biased_model)
    model.train()
    model.bert.embeddings.requires_grad_(False)
    return model, AutoTokenizer.from_pretrained(biased_model)


def test_the_command_and_the_function_find_the_same(policy, biased_model, store, from_path, findings_of, cli, tmp_path):
    cli("run", policy.path, "--model", biased_model, "--out", tmp_path, "--format", "json", "--store", store,
        "--device", "cpu")  # fmt: skip

    by_command = record.read(tmp_path / "record.json")

    ours, theirs = findings_of(from_path), findings_of(by_command)
    assert (ours["run"].pop("number"), theirs["run"].pop("number")) == (1, 2)
    assert ours == theirs


def test_a_loaded_model_is_measured_as_the_same_model_from_its_folder(policy, lent, from_path, tmp_path):
    model, tokenizer = lent

    found = audit.run(policy.path, model=model, tokenizer=tokenizer, store=tmp_path / "store", progress=False)

    assert (found.model.kind, found.model.name) == ("loaded", "BertForSequenceClassification")
    assert found.model.digest != from_path.model.digest
    assert {name.split(":")[0] for name in found.model.files} == {"tensor", "config", "tokenizer"}
    for check in from_path.checks:
        assert found.check(check.id).measurements == check.measurements
        assert found.check(check.id).criteria == check.criteria


def test_a_loaded_model_is_given_back_as_it_came(session_policy, lent, tmp_path):
    model, tokenizer = lent
    model.config.pad_token_id = None
    modes = {name: module.training for name, module in model.named_modules()}
    wanted = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    config, hooks = model.config.to_dict(), _hooks(model)
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}

    audit.run(
        session_policy("swap", "attribution", "probe", rows=100).path,
        model=model, tokenizer=tokenizer, store=tmp_path / "store", progress=False,
    )  # fmt: skip

    assert {name: module.training for name, module in model.named_modules()} == modes
    assert {name: parameter.requires_grad for name, parameter in model.named_parameters()} == wanted
    assert model.config.to_dict() == config
    assert _hooks(model) == hooks == 0
    assert all(torch.equal(tensor, weights[name]) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def _hooks(model) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


def test_a_loaded_model_is_given_back_as_it_came_when_the_audit_fails(session_policy, lent, tmp_path):
    model, tokenizer = lent
    policy = session_policy("swap", rows=60).change("positive: approve", "positive: grant")

    with pytest.raises(UserError, match="The policy's decision does not fit the model"):
        audit.run(policy.path, model=model, tokenizer=tokenizer, store=tmp_path / "store", progress=False)

    assert model.training
    assert model.classifier.weight.requires_grad
    assert not model.bert.embeddings.word_embeddings.weight.requires_grad


def test_other_tensors_are_another_model(session_policy, lent, tmp_path):
    model, tokenizer = lent
    policy = session_policy("swap", rows=60)

    def digest() -> str:
        found = audit.run(policy.path, model=model, tokenizer=tokenizer, store=tmp_path / "store", progress=False)
        return found.model.digest

    before, same = digest(), digest()
    with torch.no_grad():
        model.classifier.bias[0] += 0.5
    after = digest()

    assert before == same != after


def test_a_loaded_model_without_its_tokenizer_is_refused(session_policy, lent, tmp_path):
    with pytest.raises(UserError) as error:
        audit.run(session_policy("swap").path, model=lent[0], store=tmp_path / "store", progress=False)

    assert str(error.value) == (
        "The model has no tokenizer\n\n"
        "audit.run(model=...): a loaded BertForSequenceClassification without a tokenizer\n"
        "  expected: audit.run(policy, model=model, tokenizer=tokenizer)"
    )


def test_a_decision_is_explained_as_by_the_command(untrained_model, store, cli, tmp_path):
    policy = resources.folder("policies") / "credit-decision.yaml"
    cli("explain", policy, "--model", untrained_model, "--text", TEXT, "--out", tmp_path / "out",
        "--format", "json", "--margin", 5, "--store", store, "--device", "cpu")  # fmt: skip

    explained = audit.explain(
        policy, model=untrained_model, text=TEXT, margin=5, store=store, device="cpu", progress=False
    )

    saved = explained.save(tmp_path / "explanation.json")
    ours, theirs = (json.loads(path.read_bytes()) for path in (saved, tmp_path / "out" / "explanation.json"))
    assert {name for name in ours if ours[name] != theirs[name]} <= {"created", "case"}
    assert ours["case"]["sha256"] == theirs["case"]["sha256"]


@pytest.mark.parametrize(("asked", "found"), [({}, "no case"), ({"row": 0, "text": "Income high."}, "row and text")])
def test_a_decision_to_explain_is_a_row_or_a_text(untrained_model, tmp_path, asked, found):
    with pytest.raises(UserError) as error:
        audit.explain("no-such-policy.yaml", model=untrained_model, store=tmp_path / "store", **asked)

    assert str(error.value) == (
        f"It is not clear what is to be explained\n\naudit.explain: {found}\n  expected: one of row=N and text=TEXT"
    )


def test_verdicts_to_stop_for_are_checked_like_those_of_the_command(session_policy, untrained_model, tmp_path):
    with pytest.raises(UserError) as error:
        audit.run(session_policy("swap").path, model=untrained_model, fail_on=("failed",), store=tmp_path / "store")

    assert str(error.value) == (
        "The verdicts to stop for cannot be read\n\nfail_on: failed\n"
        "  expected: none, or some of not_met, not_assessed, inconclusive"
    )


# ---- the record in a notebook --------------------------------------------------------------------


def test_a_record_shows_its_verdicts_in_a_notebook(from_path):
    shown = from_path._repr_html_()

    assert shown.startswith('<div class="inspectoscope">')
    assert "A small credit policy" in shown
    assert shown.count('<td class="verdict">threshold met</td>') == 2
    assert "<script" not in shown


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("record.json", b'{\n "schema_version": "1.0"'),
        ("deep/report.html", b"<!DOCTYPE html>"),
        ("junit.xml", b"<?xml"),
        ("results.sarif", b'{\n "$schema": "https://docs.oasis-open.org/sarif/'),
        ("summary.md", b"#"),
        ("measurements.csv", b"\xef\xbb\xbfpolicy,"),
        ("gl-code-quality.json", b"["),
        ("test-result.json", b'{\n "_type": "https://in-toto.io/'),
        ("bom.cdx.json", b'{\n "$schema": "http://cyclonedx.org/'),
        ("report.pdf", b"%PDF-1.7"),
    ],
)
def test_a_record_saves_each_report_by_its_name_or_the_ending(from_path, tmp_path, name, start):
    path = from_path.save(tmp_path / name)

    assert path == tmp_path / name
    assert path.read_bytes()[: len(start)].lower() == start.lower()


def test_a_saved_record_is_the_record(from_path, tmp_path):
    path = from_path.save(tmp_path / "audit.json")

    assert json.loads(path.read_text(encoding="utf-8")) == json.loads(from_path.to_json())
    assert record.read(path).to_json() == from_path.to_json()


def test_a_format_that_is_not_known_is_refused(from_path, tmp_path):
    with pytest.raises(UserError) as error:
        from_path.save(tmp_path / "report.docx")

    assert str(error.value) == (
        "There is no such format\n\nsave: report.docx\n"
        "  expected: one of json, pdf, html, junit, sarif, summary, comment, csv, gitlab, in-toto, cyclonedx, "
        "model-card, or a file name that ends in .json, .pdf, .html, .xml, .sarif, .md, .csv"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_place_where_nothing_can_be_saved_is_told_in_words(from_path, tmp_path):
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(UserError) as error:
        from_path.save(tmp_path / "file" / "record.json")

    assert f"{tmp_path}/file/record.json: " in str(error.value)
    assert "A report cannot be written" in str(error.value)
