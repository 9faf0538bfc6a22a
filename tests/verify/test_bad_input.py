"""What cannot be verified is refused in a screen, and what comes from strangers is bounded."""

from __future__ import annotations

import io
import json
import sqlite3
import zlib
from contextlib import closing

import pikepdf
import pytest

from audit import record as records
from audit.errors import UserError
from audit.verify import kept, pdf


@pytest.fixture
def refused(cli):
    """Verify something unusable; return the message."""

    def verify(*arguments):
        ended = cli("verify", *arguments)
        assert (ended.code, ended.out) == (2, ""), ended.out
        return ended.err.strip()

    return verify


# ---- unusable ------------------------------------------------------------------------------------


def test_a_record_of_a_newer_schema(audited, refused, edited):
    edited(audited.record, lambda data: data.update(schema_version="9.0"))

    assert refused(audited.record) == (
        "The record cannot be read\n\n"
        f"{audited.record}: schema version '9.0'\n"
        "  expected: schema version '1.0'\n"
        "  do: read it with the version of inspectoscope that wrote it, or a newer one"
    )


def test_a_truncated_record(audited, refused):
    audited.record.write_bytes(audited.record.read_bytes()[:1000])

    assert refused(audited.record).startswith(f"The record cannot be read\n\n{audited.record}: not JSON: ")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[" * 100_000, b"[]", b'{"schema_version": "1.0"}', b"NaN"])
def test_no_record(tmp_path, refused, content):
    path = tmp_path / "record.json"
    path.write_bytes(content)

    assert refused(path).startswith("The record cannot be read\n\n")


def test_a_file_larger_than_any_record_is_not_read(tmp_path, refused, monkeypatch):
    path = tmp_path / "record.json"
    with path.open("wb") as file:
        file.truncate(records.MAX_BYTES + 1)  # a hole, which takes no room on the disk

    assert f"{path}: more than 256 MiB" in refused(path)


def blank(*attached):
    """A PDF of one empty page with some files attached."""
    document = pikepdf.new()
    document.add_blank_page()
    for name, content in attached:
        document.attachments[name] = pikepdf.AttachedFileSpec(document, content, filename="record.json")
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def test_a_pdf_without_a_record(tmp_path, refused):
    path = tmp_path / "report.pdf"
    path.write_bytes(blank())

    assert refused(path) == (
        "This cannot be verified\n\n"
        f"{path}: a PDF with no attached record.json\n"
        "  expected: a report with its record attached once\n"
        "  do: give the record with --record"
    )


def test_a_pdf_without_a_record_beside_the_record_it_should_hold(audited, found):
    audited.report.write_bytes(blank())

    code, said = found(audited.report, "--record", audited.record)

    assert code == 1
    assert said["broken"]["the record in the PDF"] == "is there 0 times, and once is how a report is made"
    assert "the PDF" in said["broken"]


def test_a_pdf_that_is_none(tmp_path, refused):
    path = tmp_path / "report.pdf"
    path.write_bytes(b"%PDF-1.7\n" + b"nothing " * 100)

    assert refused(path).startswith(f"The PDF cannot be read\n\n{path}: a file that breaks off or is damaged (")


@pytest.mark.parametrize(("option", "name"), [("--evidence", "folder"), ("--model", "folder"), ("--policy", "file"),
                                              ("--record", "file")])  # fmt: skip
def test_what_is_named_must_be_there(kept_audit, refused, tmp_path, option, name):
    said = refused(kept_audit.report if option == "--record" else kept_audit.record, option, tmp_path / name)

    assert str(tmp_path / name) in said


def test_evidence_that_is_none(kept_audit, refused, tmp_path):
    assert refused(kept_audit.record, "--evidence", tmp_path) == (
        "The evidence cannot be read\n\n"
        f"{tmp_path}: neither a manifest.json nor stored answers\n"
        "  expected: a folder written by run --evidence, or the store of the run"
    )


def test_evidence_of_another_run(audited, found, edited):
    edited(audited.record, lambda data: data["evidence"]["context"].update(model="0" * 64))

    code, said = found(audited.record, "--evidence", audited.evidence)

    assert code == 1
    assert said["broken"]["the evidence"] == "was made with another model than the record says"


def test_an_unknown_format(kept_audit, refused):
    assert "--format: xml" in refused(kept_audit.record, "--format", "xml")


# ---- hostile -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["../../secret", "/etc/passwd", "files/../../../secret", "policy.yaml/../../x", "files/x"]
)
def test_a_manifest_that_names_paths_outside_opens_nothing(audited, found, name):
    path = audited.evidence / "manifest.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    data["read"][0]["file"] = name
    path.write_text(json.dumps(data), encoding="utf-8")

    code, said = found(audited.record, "--evidence", audited.evidence)

    assert code == 1
    assert said["broken"]["the evidence"] == f"{path}: the file name {name!r}"


def test_a_link_in_the_evidence_that_leads_outside_is_not_followed(audited, found, tmp_path):
    secret = tmp_path / "secret"
    shard = audited.shard("states-*.bin")
    shard.rename(secret)
    shard.symlink_to(secret)

    code, said = found(audited.record, "--evidence", audited.evidence)

    assert code == 1
    assert said["broken"]["the evidence"].endswith(f"the file name {shard.relative_to(audited.evidence).as_posix()!r}")


def test_a_record_that_names_model_files_outside_opens_nothing(audited, found, edited, tmp_path):
    (audited.folder / "secret").write_text("not to be read", encoding="utf-8")
    edited(audited.record, lambda data: data["model"]["files"].update({"../secret": "0" * 64}))

    _, said = found(audited.record, "--model", audited.model)

    assert said["broken"]["the model's file ../secret"] == "is missing"


def test_a_policy_in_a_record_that_names_files_outside_opens_nothing(audited, found, edited):
    def outside(data):
        data["policy"]["source"] = data["policy"]["source"].replace("rows: applicants.csv", "rows: ../../secret.csv")

    edited(audited.record, outside)

    code, said = found(audited.record, "--evidence", audited.evidence)

    assert code == 1
    assert "secret" not in json.dumps(said["attested"])


def test_a_shard_of_absurd_size_is_not_read(audited, found):
    shard = audited.shard("states-*.bin")
    with shard.open("r+b") as file:
        file.truncate(1 << 40)

    code, said = found(audited.record, "--evidence", audited.evidence)

    assert code == 1
    name = shard.relative_to(audited.evidence).as_posix()
    assert said["broken"][f"the evidence file {name}"].startswith("has 1,099,511,627,776 bytes and not ")


def test_a_manifest_of_absurd_size_is_refused(audited, found):
    path = audited.evidence / "manifest.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    for file in data["files"].values():
        file["bytes"] = 1 << 41
    path.write_text(json.dumps(data), encoding="utf-8")

    _, said = found(audited.record, "--evidence", audited.evidence)

    assert said["broken"]["the evidence"].endswith(" bytes") or "files of " in said["broken"]["the evidence"]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE blocks SET rows = 1000000000000",
        "UPDATE blocks SET width = 1000000000000",
        "UPDATE blocks SET offset = 9000000000000000000",
        "UPDATE blocks SET offset = -4",
        "UPDATE blocks SET segment = '../../../secret'",
        "UPDATE blocks SET segment = NULL",
        "UPDATE blocks SET layers = '[[[['",
        "UPDATE states SET row = 100000",
        "UPDATE answers SET value = zeroblob(100000000) WHERE text = (SELECT text FROM answers LIMIT 1)",
        "UPDATE notes SET value = 'text'",
        "DROP TABLE notes",
        "CREATE TABLE more (a)",
        "DROP TABLE answers; CREATE VIEW answers AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
        " SELECT i AS request, i AS text, i AS value, i AS digest FROM n",
    ],
)
def test_an_index_that_lies_is_told_and_nothing_else_happens(audited, found, change):
    with closing(sqlite3.connect(audited.shard("answers.sqlite"), isolation_level=None)) as db:
        db.executescript(change)

    code, said = found(audited.record, "--evidence", audited.evidence)

    assert code == 1
    assert {"the evidence", "the measurements and verdicts"} <= set(said["broken"])


@pytest.mark.parametrize("note", [b"[[[[", b"null", b'{"names": 3}', b"[" * 100_000])
def test_a_note_that_is_not_what_it_should_be_is_told(audited, found, note):
    from audit.capture.leaves import Kind, digest_of

    with closing(sqlite3.connect(audited.shard("answers.sqlite"))) as db, db:
        for request, text, salt in db.execute("SELECT request, text, salt FROM notes").fetchall():
            row = (note, digest_of(Kind.NOTE, request, text, salt, note), request, text)
            db.execute("UPDATE notes SET value = ?, digest = ? WHERE request = ? AND text = ?", row)

    code, said = found(audited.record, "--evidence", audited.evidence)

    assert code == 1
    assert "answers to " in said["broken"]["the measurements and verdicts"]


def bomb(size):
    """A PDF whose attached record.json unpacks to ``size`` bytes."""
    document = pikepdf.open(io.BytesIO(blank(("record.json", b"{}"))))
    packed = zlib.compress(b"[" * size, 9)
    for item in document.objects:
        if isinstance(item, pikepdf.Stream) and item.get("/Type") == "/EmbeddedFile":
            item.write(packed, filter=pikepdf.Name("/FlateDecode"))
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def test_a_pdf_that_unpacks_to_more_than_a_record_is_refused():
    data = bomb(records.MAX_BYTES + 1000)
    assert len(data) < 1_000_000

    with pytest.raises(UserError) as refused:
        pdf.read(data, "report.pdf")

    assert refused.value.title == "The PDF cannot be read"


def test_a_pdf_that_takes_too_long_is_given_up():
    with pytest.raises(UserError) as refused:
        pdf.read(blank(("record.json", b"{}")), "report.pdf", seconds=0.01)

    assert refused.value.problems[0].found == "no result after 0.01 seconds"


def test_two_records_in_one_pdf_are_refused(audited, refused):
    content = audited.record.read_bytes()
    path = audited.folder / "two.pdf"
    path.write_bytes(blank(("a", content), ("record.json", content)))

    assert "attached record.json" in refused(path)


def test_only_names_of_the_form_that_is_written_are_opened(audited):
    copy = kept.opened(audited.evidence)

    for name in copy.manifest.files:
        assert copy.path(name).is_file()
    with pytest.raises(UserError):
        copy.path("manifest.json")
