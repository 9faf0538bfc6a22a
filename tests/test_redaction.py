"""Texts can be withheld from a record: what is gone tells nothing, and all the rest has the digest that it had."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import audit
from audit import redaction
from audit.record import Record
from audit.report import FORMATS, render

ART4A = "origin: personal\n    art4a: {why: Only these., safeguards: Two readers., deletion: 2027-01-01}"
ALL = ("swap", "outcomes", "attribution", "probe")


@pytest.fixture(scope="module")
def whole(session_policy: Any, biased_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Record:
    """A record that quotes rows: samples, token maps, tables."""
    store = tmp_path_factory.mktemp("store")
    policy = session_policy(*ALL, rows=120)
    return audit.run(policy.path, model=biased_model, store=store, device="cpu", progress=False)


@pytest.fixture
def data(whole: Record) -> dict[str, Any]:
    """The record as it lies in its file."""
    return json.loads(whole.to_json())


# ---- what is quoted ------------------------------------------------------------------------------


def test_every_text_of_a_sample_and_every_map_of_tokens_can_be_withheld(data: dict[str, Any]) -> None:
    paths = set(redaction.leaves(data))

    samples = [
        f"checks.{i}.samples.{j}.texts.{k}.text"
        for i, check in enumerate(data["checks"])
        for j, sample in enumerate(check["samples"])
        for k in range(len(sample["texts"]))
    ]
    maps = [
        f"checks.{i}.exhibits.{j}.tokens"
        for i, check in enumerate(data["checks"])
        for j, shown in enumerate(check["exhibits"])
        if shown["kind"] == "token_map"
    ]
    assert samples
    assert maps
    assert paths.issuperset(samples + maps)
    assert set(data["texts"]["salts"]) == paths


def test_names_of_groups_and_parameters_are_no_quotes(data: dict[str, Any]) -> None:
    quoted = {redaction._at(data, path) for path in redaction.leaves(data) if not path.endswith("tokens")}

    assert not quoted & {"women", "men", "sex", "score_gap", "unknown"}


# ---- the digest ----------------------------------------------------------------------------------


def test_the_digest_is_the_same_without_the_texts(data: dict[str, Any]) -> None:
    paths = redaction.chosen(data)

    without = redaction.withheld(data, paths, "asked for")

    assert redaction.digest(without) == redaction.digest(data) == data["texts"]["digest"]
    assert redaction.same_record(data, without)
    assert Record.model_validate(without).texts.salts == {}


def test_nothing_of_a_withheld_text_is_left(data: dict[str, Any]) -> None:
    texts = {t["text"] for check in data["checks"] for s in check["samples"] for t in s["texts"]}

    left = json.dumps(redaction.withheld(data, redaction.chosen(data), "asked for"), ensure_ascii=False)

    assert not [text for text in texts if json.dumps(text, ensure_ascii=False)[1:-1] in left]


def test_withholding_one_text_leaves_the_salts_of_the_others(data: dict[str, Any]) -> None:
    first, *others = redaction.chosen(data)

    without = redaction.withheld(data, [first], "asked for")

    assert set(without["texts"]["salts"]) == set(others)
    assert set(without["texts"]["withheld"]) == {first}
    assert data["texts"]["salts"][first] not in json.dumps(without)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["checks"][0]["measurements"][0].update(value=0.123),
        lambda d: d["checks"][0]["samples"][0]["texts"][0].update(text="Another text."),
        lambda d: d["policy"].update(title="Another"),
        lambda d: d["run"].update(exit_code=3),
        lambda d: d["checks"][0]["samples"].pop(),
        lambda d: d["texts"]["salts"].popitem(),
        lambda d: d["texts"]["salts"].update({next(iter(d["texts"]["salts"])): "00" * 32}),
    ],
)
def test_any_other_change_changes_the_digest(data: dict[str, Any], change: Callable[[Any], None]) -> None:
    other = deepcopy(data)
    change(other)

    try:
        found = redaction.digest(other)
    except ValueError:
        return  # a text that is committed to is not there at all
    assert found != data["texts"]["digest"]


def test_a_text_that_is_said_to_be_withheld_and_is_there_is_refused(data: dict[str, Any]) -> None:
    (first, *_) = redaction.chosen(data)
    without = redaction.withheld(data, [first], "asked for")
    redaction._put(without, first, "Put back by hand.")

    with pytest.raises(ValueError, match="is said to be withheld and is there"):
        redaction.digest(without)


WORDS = st.text(max_size=20)


@given(WORDS, st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_the_same_text_under_two_salts_has_two_commitments(text: str, one: bytes, other: bytes) -> None:
    alike = redaction.commitment(text, one) == redaction.commitment(text, other)

    assert alike == (one == other)


@given(st.lists(WORDS, max_size=4), st.lists(WORDS, max_size=4))
def test_tokens_cannot_run_together(some: list[str], others: list[str]) -> None:
    salt = bytes(32)

    assert (redaction.commitment(some, salt) == redaction.commitment(others, salt)) == (some == others)


def test_salts_are_drawn_anew_for_every_text(whole: Record) -> None:
    salts = list(whole.texts.salts.values())

    assert len(set(salts)) == len(salts)
    assert {len(bytes.fromhex(salt)) for salt in salts} == {32}


def test_two_runs_are_compared_without_their_salts(whole: Record) -> None:
    assert "texts" not in whole.comparable()


# ---- which texts ---------------------------------------------------------------------------------


def test_texts_of_one_row_of_one_check_can_be_named(data: dict[str, Any]) -> None:
    check = data["checks"][0]
    row = check["samples"][1]["row"]

    paths = redaction.chosen(data, checks=[check["id"]], rows=[row])

    assert {path.split(".texts.")[0] for path in paths if ".texts." in path} == {"checks.0.samples.1"}


def test_texts_that_hold_a_name_can_be_named_in_token_maps_too(data: dict[str, Any]) -> None:
    """Tokens keep no spaces, so that a name runs together there."""
    (at, *_) = (path for path in redaction.leaves(data) if path.endswith("tokens"))
    name = " ".join(redaction._at(data, at)[2:4])

    paths = redaction.chosen(data, containing=[name.upper()])

    assert at in paths
    assert set(paths) < set(redaction.chosen(data))


# ---- personal data -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def personal(session_policy: Any, biased_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The same audit of rows that are personal data, and their names."""
    policy = session_policy(*ALL, rows=120)
    policy.change("origin: synthetic", ART4A)
    store = tmp_path_factory.mktemp("store")
    record = audit.run(policy.path, model=biased_model, store=store, device="cpu", progress=False)
    with (policy.folder / "applicants.csv").open(encoding="utf-8", newline="") as file:
        return record, [f"{row['name']} from {row['town']}" for row in csv.DictReader(file)], policy.texts()


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"pdf"}))
def test_no_format_prints_a_row_of_personal_data(personal: Any, name: str) -> None:
    record, people, texts = personal

    written = render(record, name).decode("utf-8")

    assert [text for text in (*people, *texts) if text in written] == []


def test_a_record_of_personal_data_says_what_it_withholds_and_why(personal: Any) -> None:
    record, _, _ = personal

    assert record.data[0].rows_shown is False
    assert record.texts.salts == {}
    assert {said.because for said in record.texts.withheld.values()} == {redaction.PERSONAL}
    assert record.checks[0].samples[0].texts[0].text == "[withheld]"
    assert redaction.digest(json.loads(record.to_json())) == record.texts.digest


def test_numbers_of_a_record_of_personal_data_are_all_there(personal: Any, whole: Record) -> None:
    record, _, _ = personal

    assert [part.measurements for part in record.checks] == [part.measurements for part in whole.checks]


def test_rows_of_personal_data_are_printed_where_the_policy_says_so(
    session_policy: Any, biased_model: Path, tmp_path: Path
) -> None:
    policy = session_policy("swap", rows=120).change("origin: synthetic", f"{ART4A}\n    show_rows: true")

    record = audit.run(policy.path, model=biased_model, store=tmp_path / "s", device="cpu", progress=False)

    assert record.data[0].rows_shown is True
    assert record.texts.withheld == {}
    assert record.checks[0].samples[0].texts[0].text in policy.texts()


def test_rows_of_personal_data_may_not_stand_in_the_policy(session_policy: Any, cli: Any) -> None:
    policy = session_policy("outcomes", rows=120).change("origin: synthetic", ART4A)
    rows = "[{name: Jane Roe, town: X, job: cook, income: '1', debt: '1', history: good, sex: f, approved: '1'}]"
    policy.change("rows: applicants.csv", f"rows: {rows}")

    ended = cli("policy", "validate", policy.path)

    assert ended.code == 2
    assert "rows of personal data in the policy, which every record and report hold whole" in ended.err
    assert "Jane Roe" not in ended.err


# ---- on the command line -------------------------------------------------------------------------


@pytest.fixture
def stored(whole: Record, tmp_path: Path) -> Path:
    path = tmp_path / "record.json"
    path.write_text(whole.to_json(), encoding="utf-8")
    return path


def test_redact_writes_a_record_without_the_texts_and_leaves_the_old_one(stored: Path, cli: Any) -> None:
    before = stored.read_bytes()

    ended = cli("redact", stored, "--out", stored.parent / "new.json", "--because", "erased on request")

    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(f"wrote {stored.parent / 'new.json'}: ")
    assert stored.read_bytes() == before
    assert redaction.same_record(json.loads(before), json.loads((stored.parent / "new.json").read_bytes()))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--check", "swop"), "--check: swop\n  expected: the id of a check of the record"),
        (("--containing", "nobody of this name"), "no text that --containing 'nobody of this name' means"),
    ],
)
def test_redact_says_what_it_cannot_find(stored: Path, cli: Any, given: tuple[str, ...], said: str) -> None:
    ended = cli("redact", stored, "--out", stored.parent / "new.json", *given)

    assert ended.code == 2
    assert said in ended.err
    assert not (stored.parent / "new.json").exists()


def test_a_record_from_before_texts_could_be_withheld_is_refused(whole: Record, tmp_path: Path, cli: Any) -> None:
    path = tmp_path / "record.json"
    path.write_text(whole.model_copy(update={"texts": None}).to_json(), encoding="utf-8")

    ended = cli("redact", path, "--out", tmp_path / "new.json")

    assert ended.code == 2
    assert "a record from before texts could be withheld" in ended.err
