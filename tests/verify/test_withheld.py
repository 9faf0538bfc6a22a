"""A record without its texts still verifies, and whatever else was changed in it is found."""

from __future__ import annotations

import json

import pytest

from audit import history, redaction
from audit.record import Record, read


@pytest.fixture
def redacted(audited):
    """Withhold all texts of the audit's record; its PDF and evidence stay as they were."""
    whole = json.loads(audited.record.read_bytes())
    data = redaction.withheld(whole, redaction.chosen(whole), "of age")
    path = audited.folder / "redacted.json"
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def test_a_record_without_its_texts_is_attested_and_what_is_missing_is_named(audited, redacted, found):
    texts = read(audited.record).texts

    code, said = found(redacted)

    assert code == 0
    assert said["attested"]["the quoted texts"] == (
        f"and the rest of the record are those of the digest {texts.digest}, taken with commitments in place of "
        f"{len(texts.salts)} texts"
    )
    assert said["not covered"]["the withheld texts"].startswith(
        f"{len(texts.salts)} texts of {len(texts.salts)} can no longer be read (swap: samples.0.texts.0.text, "
    )
    assert f"{len(texts.salts)} because of age." in said["not covered"]["the withheld texts"]


def test_numbers_of_a_record_without_its_texts_are_reached_again_from_the_evidence(audited, redacted, found):
    code, said = found(redacted, "--evidence", audited.evidence)

    assert code == 0
    assert said["attested"]["the measurements and verdicts"].startswith("of swap, outcomes, attribution, probe were")


def test_the_report_made_before_is_known_to_be_on_the_same_record(audited, redacted, found):
    code, said = found(audited.report, "--record", redacted)

    assert code == 0
    assert said["attested"]["the record in the PDF"] == (
        f"is {redacted} with texts that are withheld there; all the rest is the same"
    )
    assert said["attested"]["the PDF"].endswith("what the record gives: made again and the same")


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["checks"][1]["measurements"][0].update(n=1),
        lambda d: d["checks"][0]["samples"][0].update(row=17),
        lambda d: d["model"].update(name="another"),
        lambda d: d["cost"].update(rows_forward=0),
        lambda d: d["texts"]["withheld"]["checks.0.samples.0.texts.0.text"].update(commitment="0" * 64),
        lambda d: d["texts"]["withheld"].pop("checks.0.samples.0.texts.0.text"),
        lambda d: d["texts"].update(digest="0" * 64),
        lambda d: d["checks"][0]["samples"][0]["texts"][0].update(text="Somebody else."),
    ],
)
def test_whatever_else_is_changed_is_broken(redacted, found, edited, change):
    edited(redacted, change)

    code, said = found(redacted)

    assert code == 1
    assert "the quoted texts" in said["broken"]


@pytest.mark.parametrize("path", ["checks.99.samples.0.texts.0.text", "checks.0.nothing", "policy..title", ""])
def test_a_commitment_to_a_text_that_is_nowhere_is_broken(redacted, found, edited, path):
    edited(redacted, lambda d: d["texts"]["salts"].update({path: "00" * 32}))

    code, said = found(redacted)

    assert code == 1
    assert "the quoted texts" in said["broken"]


def test_another_report_is_not_taken_for_one_on_the_same_record(audited, redacted, found, edited):
    edited(redacted, lambda d: d["checks"][1]["measurements"][0].update(n=1))

    code, said = found(audited.report, "--record", redacted)

    assert code == 1
    assert "the record in the PDF" in said["broken"]


def test_a_history_tells_that_the_record_is_the_one_that_was_entered_with_its_texts(audited, found, edited, tmp_path):
    where = str(tmp_path / "history.sqlite")
    (entered,) = history.add(where, [read(audited.record)])
    data = json.loads(entered.to_json())
    path = tmp_path / "redacted.json"
    less = redaction.withheld(data, redaction.chosen(data)[:2], "of age")
    path.write_text(json.dumps(less, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    code, said = found(path, "--history", where)
    assert code == 0
    assert said["attested"]["the record's place in its history"].startswith("The record is run 1 of the history")

    edited(path, lambda d: d["run"].update(number=99))
    code, said = found(path, "--history", where)
    assert code == 1
    assert "the record's place in its history" in said["broken"]


def test_texts_are_withheld_from_a_record_that_was_entered_and_its_report_still_verifies(audited, found, cli, tmp_path):
    where = tmp_path / "history.sqlite"
    (entered,) = history.add(str(where), [read(audited.record)])
    text = entered.checks[0].samples[0].texts[0].text
    path = tmp_path / "entered.json"
    path.write_text(entered.to_json(), encoding="utf-8")
    files = [where, where.with_name("history.sqlite-wal")]
    assert text.encode() in b"".join(file.read_bytes() for file in files if file.exists())

    ended = cli("history", "redact", "1", "--history", where, "--because", "of age")

    assert ended.code == 0, ended.err
    assert ended.out.startswith(f"run 1 of the history: {len(entered.texts.salts)} quoted texts withheld\n")
    assert text.encode() not in b"".join(file.read_bytes() for file in files if file.exists())
    kept = history.show(str(where), 1)
    assert kept.checks[0].samples[0].texts[0].text == redaction.WITHHELD
    assert kept.history == entered.history
    code, said = found(path, "--history", where)
    assert code == 0
    assert said["attested"]["the record's place in its history"].startswith("The record is run 1 of the history")


def test_a_record_without_its_texts_is_the_run_that_was_entered_and_no_new_one(audited, tmp_path):
    where = str(tmp_path / "history.sqlite")
    (entered,) = history.add(where, [read(audited.record)])
    data = json.loads(entered.to_json())
    less = Record.model_validate(redaction.withheld(data, redaction.chosen(data), "of age"))

    (again,) = history.add(where, [less])

    assert again.history == entered.history
    assert len(history.entries(where)) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("9",), "no run 9"),
        (("1", "--check", "nobody"), "nobody"),
        (("1", "--containing", "Nobody Atall"), "no text that --containing 'Nobody Atall' means"),
    ],
)
def test_what_cannot_be_withheld_from_a_history_is_told(audited, cli, tmp_path, arguments, says):
    where = tmp_path / "history.sqlite"
    history.add(str(where), [read(audited.record)])

    ended = cli("history", "redact", *arguments, "--history", where)

    assert ended.code == 2
    assert says in ended.err
