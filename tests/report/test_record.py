"""The record as a file: its schema, what is refused when one is read back, and what two runs are compared on."""

import hashlib
import json

import jsonschema
import pytest

from audit.errors import UserError
from audit.record import SCHEMA_FILE, HistoryPart, Record, content_of, read, schema
from audit.report import page


@pytest.fixture
def written(record, tmp_path):
    path = tmp_path / "record.json"
    path.write_text(record.to_json(), encoding="utf-8")
    return path


def wrong(document):
    return [error.message for error in jsonschema.Draft202012Validator(schema()).iter_errors(document)]


def test_the_shipped_schema_is_the_one_that_records_are_written_by():
    shipped = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))

    assert shipped == schema(), f"out of date; write it again with: inspectoscope report --schema > {SCHEMA_FILE}"


def test_the_schema_takes_a_record_and_refuses_one_with_a_key_too_many_or_too_few(record):
    whole = json.loads(record.to_json())
    more = whole | {"certified": True}
    less = {key: value for key, value in whole.items() if key != "model"}

    jsonschema.Draft202012Validator.check_schema(schema())
    assert wrong(whole) == []
    assert wrong(more) == ["Additional properties are not allowed ('certified' was unexpected)"]
    assert wrong(less) == ["'model' is a required property"]


def test_every_part_of_the_record_forbids_unknown_keys():
    open_parts = [
        name for name, part in schema()["$defs"].items()
        if part.get("type") == "object" and part.get("additionalProperties") is not False
    ]  # fmt: skip

    assert open_parts == []


def test_a_record_that_is_read_back_is_the_record_that_was_written(record, written):
    read_back = read(written)

    assert read_back.to_json() == record.to_json()
    assert [c.verdict for c in read_back.checks] == [c.verdict for c in record.checks]


def test_what_a_run_cost_is_not_compared_between_runs(record):
    dearer = record.model_copy(update={"cost": record.cost.model_copy(update={"rows_forward": 10**9})})

    assert dearer.comparable() == record.comparable()


def placed(record):
    digest = hashlib.sha256(record.content()).hexdigest()
    place = HistoryPart(
        id="1", number=8, entered="2026-11-20T10:00:45Z", record=digest, previous="0" * 64, head="1" * 64
    )  # fmt: skip
    return record.model_copy(update={"history": place})


def test_the_place_in_a_history_is_not_compared_between_runs_nor_part_of_what_a_history_digests(record):
    held = placed(record)

    assert held.comparable() == record.comparable()
    assert held.content() == record.content()
    assert held.content() == content_of(json.loads(held.to_json()))
    assert b"history" not in record.content()


def test_the_place_in_a_history_is_printed_on_the_cover_and_in_document_control(record, page_tree):
    told = page_tree(page.fill(placed(record), medium="print")).words

    assert f"run 8, head {'1' * 64}" in told
    assert f"run 8 of the history 1, entered 20 November 2026, 10:00 UTC; head {'1' * 64}" in told
    assert "not entered into one" in page.fill(record, medium="print")


def test_a_truncated_record_is_refused_with_what_to_do(written):
    written.write_text(written.read_text(encoding="utf-8")[:200], encoding="utf-8")

    with pytest.raises(UserError) as refused:
        read(written)

    assert str(refused.value) == (
        "The record cannot be read\n\n"
        f"{written}: not JSON: Unterminated string starting at: line 11 column 12 (char 193)\n"
        "  expected: a whole record.json\n"
        "  do: run the audit again; stored answers are reused"
    )


def test_a_record_of_a_newer_schema_is_refused_by_its_version(written):
    newer = json.loads(written.read_text(encoding="utf-8")) | {"schema_version": "9.0"}
    written.write_text(json.dumps(newer), encoding="utf-8")

    with pytest.raises(UserError, match=r"schema version '9\.0'"):
        read(written)


def test_a_damaged_field_is_named_by_its_path(written):
    damaged = json.loads(written.read_text(encoding="utf-8"))
    damaged["checks"][0]["verdict"] = "certified"
    written.write_text(json.dumps(damaged), encoding="utf-8")

    with pytest.raises(UserError, match=r"at checks\.0\.verdict"):
        read(written)


def test_a_missing_check_is_a_key_error(record):
    assert record.check(record.checks[0].id) is record.checks[0]
    with pytest.raises(KeyError):
        record.check("no-such-check")


def test_a_lone_surrogate_of_a_vocabulary_is_stored_as_reports_show_it(record):
    part = record.checks[0].model_copy(update={"title": "a\ud800b"})
    held = record.model_copy(update={"checks": (part, *record.checks[1:])})

    assert "a⟨U+D800⟩b" in held.to_json()
    assert isinstance(Record.model_validate_json(held.to_json()), Record)


def test_a_folder_in_place_of_a_record_is_told_the_record_in_it(written):
    with pytest.raises(UserError) as caught:
        read(written.parent)

    assert str(caught.value).endswith(f"expected: a record.json\n  do: name the file in it: {written}")
