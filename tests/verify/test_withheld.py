"""A record without its texts still verifies, and whatever else was changed in it is found."""

from __future__ import annotations

import json
import shutil

import pytest

from audit import history, redaction
from audit.record import read


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


def test_a_history_tells_that_the_record_was_entered_with_its_texts(audited, found, edited, tmp_path):
    where = str(tmp_path / "history.sqlite")
    (entered,) = history.add(where, [read(audited.record)])
    data = json.loads(entered.to_json())
    path = tmp_path / "redacted.json"
    less = redaction.withheld(data, redaction.chosen(data)[:2], "of age")
    path.write_text(json.dumps(less, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    code, said = found(path, "--history", where)
    assert code == 0
    assert said["attested"]["the record but for its withheld texts"] == (
        "Run 1 of the history is this record, but for the texts that are withheld here."
    )
    assert "the record's place in its history" in said["attested"]

    edited(path, lambda d: d["run"].update(number=99))
    code, said = found(path, "--history", where)
    assert code == 1
    assert "the record but for its withheld texts" in said["broken"]


def test_without_the_history_nothing_is_said_for_a_record_that_lost_texts(audited, found, tmp_path):
    (entered,) = history.add(str(tmp_path / "history.sqlite"), [read(audited.record)])
    data = json.loads(entered.to_json())
    path = tmp_path / "redacted.json"
    less = redaction.withheld(data, redaction.chosen(data), "of age")
    path.write_text(json.dumps(less, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    shutil.rmtree(audited.evidence)

    code, said = found(path)

    assert code == 0
    assert "only the history can tell" in said["not covered"]["the record but for its withheld texts"]
