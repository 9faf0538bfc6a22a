"""Whatever is changed after the run is found, and named."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from hashlib import sha256

import pikepdf
import pytest

from audit import redaction
from audit.attestation import Standing
from audit.verify import gather, reports


def set_at(*path):
    """Return a change that puts a value into a record."""
    *down, value = path

    def change(data):
        for step in down[:-1]:
            data = data[step]
        data[down[-1]] = value

    return change


# ---- weights, policy, data -----------------------------------------------------------------------


@pytest.mark.parametrize("at", [8, 4000, -1])
def test_one_byte_of_a_weight_file_is_named(audited, found, flip, at):
    flip(audited.model / "model.safetensors", at)
    digest = sha256((audited.model / "model.safetensors").read_bytes()).hexdigest()
    then = json.loads(audited.record.read_text(encoding="utf-8"))["model"]["files"]["model.safetensors"]

    code, said = found(audited.record, "--model", audited.model)

    assert code == 1
    assert said["broken"] == {"the model's file model.safetensors": f"was changed: SHA-256 {digest} instead of {then}"}


def test_a_weight_file_that_went_and_one_that_came_are_named(audited, found):
    (audited.model / "model.safetensors").rename(audited.model / "model-00001-of-00001.safetensors")

    _, said = found(audited.record, "--model", audited.model)

    assert said["broken"] == {
        "the model's file model.safetensors": "is missing",
        "the model's file model-00001-of-00001.safetensors": "was not there in the run",
    }


def test_a_threshold_edited_in_the_policy_after_the_run_is_named(audited, found):
    text = audited.policy.read_text(encoding="utf-8")
    audited.policy.write_text(text.replace("score_gap, at_most: 0.9", "score_gap, at_most: 0.05", 1), encoding="utf-8")

    code, said = found(audited.record, "--policy", audited.policy, "--evidence", audited.evidence)

    assert code == 1
    assert set(said["broken"]) == {str(audited.policy)}
    assert said["broken"][str(audited.policy)].endswith(
        f"; criterion score_gap of check swap: at most 0.9 in the run, 0.05 in {audited.policy}"
    )


def test_another_change_of_the_policy_is_told_from_that_of_a_bound(audited, found):
    audited.policy.write_text(audited.policy.read_text(encoding="utf-8") + "# later\n", encoding="utf-8")

    _, said = found(audited.record, "--policy", audited.policy)

    assert said["broken"][str(audited.policy)].endswith("; no bound of a criterion differs")


def test_a_data_file_changed_after_the_run_is_named(audited, found):
    data = audited.policy.parent / "applicants.csv"
    data.write_bytes(data.read_bytes().replace(b"cook", b"nurse", 1))

    code, said = found(audited.record, "--policy", audited.policy)

    assert code == 1
    assert list(said["broken"]) == ["the data set applicants"]
    assert said["broken"]["the data set applicants"].startswith("is not what the run read: SHA-256 ")


# ---- the record ----------------------------------------------------------------------------------


def test_a_verdict_turned_round_in_the_record_is_named(audited, found, edited):
    edited(audited.record, set_at("checks", 0, "verdict", "not_met"))

    code, said = found(audited.record, "--evidence", audited.evidence)

    assert code == 1
    assert said["broken"]["the verdicts"] == (
        "do not follow from the numbers in the record: checks.swap.verdict: 'not_met' instead of 'met'"
    )
    assert said["broken"]["check swap"] == (
        "does not follow from the stored answers: the record says verdict: 'not_met' instead of 'met'"
    )


def test_a_bound_moved_in_the_record_is_named(audited, found, edited):
    edited(audited.record, set_at("checks", 0, "criteria", 0, "bounds", "score_gap", 0.5))

    _, said = found(audited.record)

    assert said["broken"]["the bounds in the record"] == (
        "are not those of the policy: criterion score_gap of check swap: at most 0.9 in the policy's text, 0.5 in the "
        "record"
    )


def test_a_measured_value_moved_by_one_in_ten_thousand_is_named(audited, found, edited):
    data = json.loads(audited.record.read_text(encoding="utf-8"))
    value = data["checks"][1]["measurements"][0]["value"]
    edited(audited.record, set_at("checks", 1, "measurements", 0, "value", value * 1.0001))

    _, said = found(audited.record, "--evidence", audited.evidence)

    assert set(said["broken"]) == {"check outcomes", "the quoted texts"}
    assert said["broken"]["check outcomes"].startswith(
        "does not follow from the stored answers: the record says measurements.0.value: "
    )


def test_rounding_of_another_machine_is_no_tampering_and_is_said(audited, found, edited):
    data = json.loads(audited.record.read_text(encoding="utf-8"))
    value = data["checks"][1]["measurements"][0]["value"]
    edited(audited.record, set_at("checks", 1, "measurements", 0, "value", value * (1 + 1e-12)))
    edited(audited.record, set_at("environment", "numpy", "1.0"))
    edited(audited.record, lambda changed: changed["texts"].update(digest=redaction.digest(changed)))

    code, said = found(audited.record, "--evidence", audited.evidence)

    assert code == 0
    says = said["attested"]["check outcomes"]
    assert says.startswith("was reached again; 1 number differs by rounding (at most 1e-12 of the value)")
    assert "computed with other versions: numpy 1.0 then, " in says


@pytest.mark.parametrize(
    ("change", "about"),
    [
        (set_at("policy", "source", "id: another"), "the policy in the record"),
        (set_at("model", "files", "config.json", "0" * 64), "the model's digest"),
        (set_at("model", "files", "config.json", "no digest"), "the model's digest"),
        (set_at("checks", 0, "measurements", 0, "low", -1.0), "the intervals"),
        (set_at("run", "exit_code", 1), "the verdicts"),
        (set_at("requirements", [{"id": "h", "text": "t", "verdict": "met", "checks": ["nobody"], "place": None}]),
         "the verdicts"),
        (set_at("checks", 0, "criteria", 0, "hypotheses", 0, "p_good", 0.9), "the verdicts"),
    ],
)  # fmt: skip
def test_a_record_that_contradicts_itself_is_noticed(audited, found, edited, change, about):
    edited(audited.record, change)

    code, said = found(audited.record)

    assert code == 1
    assert about in said["broken"]


def test_a_record_written_by_another_hand_is_noticed(audited, found):
    data = json.loads(audited.record.read_text(encoding="utf-8"))
    audited.record.write_text(json.dumps(data), encoding="utf-8")

    _, said = found(audited.record)

    assert set(said["broken"]) == {"the record's form"}


# ---- the evidence --------------------------------------------------------------------------------


@pytest.mark.parametrize(("pattern", "at"), [("answers.sqlite", -100), ("answers.sqlite", 30), ("states-*.bin", 5000)])
def test_one_byte_of_an_evidence_shard_is_named(audited, found, flip, pattern, at):
    shard = audited.shard(pattern)
    flip(shard, at)

    code, said = found(audited.record, "--evidence", audited.evidence)

    assert code == 1
    assert f"the evidence file {shard.relative_to(audited.evidence)}" in said["broken"]


def told_to_the_manifest(audited):
    """Let the manifest say of every file what it now is, as whoever tampers would."""
    manifest = audited.evidence / "manifest.json"
    data = json.loads(manifest.read_text(encoding="utf-8"))
    for name, file in data["files"].items():
        content = (audited.evidence / name).read_bytes()
        file |= {"sha256": sha256(content).hexdigest(), "bytes": len(content)}
    manifest.write_text(json.dumps(data), encoding="utf-8")


def test_a_state_changed_together_with_its_manifest_is_noticed(audited, found, flip):
    flip(audited.shard("states-*.bin"), 5000)
    told_to_the_manifest(audited)

    code, said = found(audited.record, "--evidence", audited.evidence)

    assert code == 1
    assert said["broken"]["the evidence"].endswith("are not the bytes that were written")


def test_an_answer_made_up_with_all_its_digests_is_noticed_by_the_root_and_by_the_numbers(audited, found):
    from audit.capture.leaves import Kind, digest_of

    with closing(sqlite3.connect(audited.shard("answers.sqlite"))) as db, db:
        logits = "SELECT request, text, salt, value FROM answers WHERE length(value) = 16"
        request, text, salt, value = db.execute(logits).fetchone()
        made_up = value[8:] + value[:8]  # the two labels' logits, changed places
        row = (made_up, digest_of(Kind.NUMBERS, request, text, salt, made_up), request, text)
        db.execute("UPDATE answers SET value = ?, digest = ? WHERE request = ? AND text = ?", row)
    told_to_the_manifest(audited)

    code, said = found(audited.record, "--evidence", audited.evidence)

    assert code == 1
    assert said["broken"]["the evidence"].startswith("its answers are not those of the record: ")
    assert set(said["broken"]) > {"the evidence"}


def test_an_answer_that_was_taken_out_is_noticed(audited, found):
    with closing(sqlite3.connect(audited.shard("answers.sqlite"))) as db, db:
        db.execute("DELETE FROM answers WHERE text = (SELECT text FROM answers LIMIT 1)")
    told_to_the_manifest(audited)

    code, said = found(audited.record, "--evidence", audited.evidence)

    assert code == 1
    assert "the evidence" in said["broken"]
    assert any("asks for what is not among the stored answers" in says for says in said["broken"].values())


def test_an_altered_row_of_the_kept_data_is_named(audited, found):
    (name,) = (path for path in (audited.evidence / "files").iterdir() if path.read_bytes().startswith(b"name,"))
    name.write_bytes(name.read_bytes().replace(b"cook", b"nurse", 1))

    code, said = found(audited.record, "--evidence", audited.evidence)

    assert code == 1
    assert {f"the evidence file files/{name.name}", "the data set applicants"} <= set(said["broken"])


# ---- the PDF -------------------------------------------------------------------------------------


@pytest.fixture
def same_report(kept_audit, monkeypatch):
    """What the record gives, without laying it out again: that it is the same is tested once, in test_verify."""
    monkeypatch.setattr(reports, "render", lambda *_, **__: kept_audit.report.read_bytes())


def said_of(audited, *, record=True):
    given = gather(audited.report, record=audited.record if record else None)
    return {each.about: (each.standing, each.says) for each in reports.check(given)}


@pytest.mark.parametrize("share", [0.001, 0.3, 0.6, 0.99])
def test_one_byte_of_the_pdf_is_named(audited, same_report, flip, share):
    at = int(audited.report.stat().st_size * share)
    flip(audited.report, at)

    standing, says = said_of(audited)["the PDF"]

    assert standing is Standing.BROKEN
    assert "cannot be read" in says or f"the first byte that differs is number {at + 1:,}" in says


def test_what_was_added_to_a_pdf_without_a_signature_is_noticed(audited, same_report):
    with audited.report.open("ab") as file:
        file.write(b"\n% more\n")

    assert said_of(audited)["the PDF behind its first revision"] == (
        Standing.BROKEN,
        "was added to after it was made: 8 bytes without a signature follow",
    )


def test_what_was_added_with_a_signature_is_left_to_the_signature(audited, same_report):
    with audited.report.open("ab") as file:
        file.write(b"\n% /ByteRange [0 1 2 3]\n")

    said = said_of(audited)

    assert said["the PDF"][0] is Standing.ATTESTED
    assert said["the PDF behind its first revision"][0] is Standing.NOT_COVERED


def test_a_report_made_again_from_another_record_is_named(audited, found, edited):
    other = audited.folder / "other.json"
    shutil.copy(audited.record, other)
    edited(other, set_at("policy", "title", "Another title"))

    code, said = found(audited.report, "--record", other)

    assert code == 1
    assert said["broken"]["the record in the PDF"] == (
        f"is not {other}: policy.title: 'A small credit policy' instead of 'Another title'"
    )
    assert ", and the text differs on pages 1, " in said["broken"]["the PDF"]


COMMENT = 10
"""A byte of the mark that tells programs that the file is not text; it is no part of what the PDF holds."""


def test_a_pdf_drawn_by_other_libraries_is_compared_by_text_and_structure(audited, same_report, monkeypatch, flip):
    now = gather(audited.report).contents.toolchain
    monkeypatch.setattr(reports.toolchain, "this", lambda _: now | {"pango": "99"})
    flip(audited.report, COMMENT)

    said = said_of(audited)

    assert said["the PDF"] == (
        Standing.ATTESTED, "has the text and the structure that the record gives: made again and compared",
    )  # fmt: skip
    assert said["the PDF's drawing"] == (
        Standing.NOT_COVERED,
        "how its pages are drawn was not compared, because it was made with another pango",
    )


def test_a_made_up_pdf_that_names_another_toolchain_is_broken_all_the_same(audited, same_report):
    document = pikepdf.new()
    document.add_blank_page()
    spec = pikepdf.AttachedFileSpec(document, audited.record.read_bytes(), filename="record.json")
    document.attachments["record.json"] = spec
    document.docinfo["/Toolchain"] = '{"inspectoscope": "0.0.9"}'
    document.save(audited.report)

    standing, says = said_of(audited, record=False)["the PDF"]

    assert standing is Standing.BROKEN
    assert "the text differs on pages 1, 2, 3, 4, 5 and " in says
    assert "; it says that it was made with another brotli, fonts cut by, fonttools, inspectoscope, jinja2 and " in says
