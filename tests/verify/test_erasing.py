"""Rows can be erased from the evidence of an audit, and what is left is still shown to be what it was."""

from __future__ import annotations

import csv
import json
import shutil
import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from audit import merkle, pipeline
from audit.capture import stored
from audit.capture.leaves import Kind
from audit.capture.merging import target_key
from audit.capture.model import Switches, open_model
from audit.capture.stored import key_of
from audit.requests import ClassLogits

ROWS = 120
GONE = 17
LOGITS = target_key(ClassLogits())

MORE_DATA = """\
  again:
    rows: applicants.csv
    text: "{name}, a {job} from {town}, asks for a loan."
    groups: [sex]
    legitimate: [income]
    label: approved
    origin: synthetic
    licence: CC0-1.0
  others:
    rows: others.csv
    text: "Applicant {name} from {town}, a {job}. Income {income}, debt {debt}, history {history}."
    groups: [sex]
    legitimate: [income]
    cluster: name
    label: approved
    origin: synthetic
    licence: CC0-1.0
checks:
"""
MORE_CHECKS = """\
  - id: outcomes-again
    check: group_outcomes
    data: again
    criteria:
      - {metric: score_gap_within_strata, at_most: 0.9, rationale: An example.}
  - id: apart
    check: counterfactual
    data: others
    swap: {sex: {from: name, pairs: pairs.csv}}
    criteria:
      - {metric: score_gap, at_most: 0.9, rationale: An example.}
"""


@pytest.fixture(scope="session")
def whole(session_policy, biased_model, tmp_path_factory) -> Path:
    """An audit with its evidence: 80 rows in two data sets of one file, and one of another."""
    folder = tmp_path_factory.mktemp("erasable")
    made = session_policy("swap", "outcomes", "attribution", rows=ROWS)
    head, *lines = (made.folder / "applicants.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    made.write("applicants.csv", "".join([head, *lines[:80]]))
    made.write("others.csv", "".join([head, *lines[80:]]))
    made.change("checks:\n", MORE_DATA)
    made.path.write_text(made.text + MORE_CHECKS, encoding="utf-8")
    options = pipeline.Options(store=folder / "store", evidence=folder / "evidence", formats=("json",))
    record = pipeline.run(made.path, lambda p: open_model(str(biased_model), p.task, Switches(device="cpu")), options)
    _, failed = pipeline.write(record, folder, options.formats)
    assert failed == []
    shutil.copytree(made.folder, folder / "policy")
    return folder


@pytest.fixture
def record(whole) -> Path:
    return whole / "record.json"


@pytest.fixture
def erase(cli, whole, tmp_path):
    """Erase rows; return the folder of the new copy."""

    def run(*options, of=whole / "evidence", to="erased"):
        ended = cli("erase", whole / "record.json", "--evidence", of, "--out", tmp_path / to, *options)
        assert ended.code == 0, ended.err
        return tmp_path / to

    return run


def rows_of(whole, name="applicants.csv"):
    with (whole / "policy" / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def text_of(row):
    return (
        f"Applicant {row['name']} from {row['town']}, a {row['job']}. Income {row['income']}, debt {row['debt']}, "
        f"history {row['history']}."
    )


def again_of(row):
    return f"{row['name']}, a {row['job']} from {row['town']}, asks for a loan."


def database(folder):
    (found,) = folder.glob("contexts/*/answers.sqlite")
    return found


def answered(folder, texts):
    answers = stored.opened(database(folder).parent)
    try:
        return answers.stored(LOGITS, [key_of(text) for text in texts])
    finally:
        answers.close()


# ---- what is left --------------------------------------------------------------------------------


def test_the_root_of_the_record_is_reached_from_what_is_left(record, erase, found):
    copy = erase("--data", "applicants", "--row", GONE, "--because", "asked for on 3 May 2027")

    code, said = found(record, "--evidence", copy)

    assert code == 0
    erased = int(sqlite3.connect(database(copy)).execute("SELECT COUNT(*) FROM erased").fetchone()[0])
    assert erased > 10
    assert (
        f"and the digests of {erased:,} that were erased are those that the record's root stands for"
        in (said["attested"]["the evidence"])
    )
    assert said["attested"]["the evidence files"].startswith("all ")
    assert said["attested"]["the data"] == "the data set others, the file pairs.csv are what the run read"
    for name in ("applicants", "again"):
        assert (
            "because asked for on 3 May 2027). The 79 others are among the answers"
            in (said["not covered"][f"the data set {name}"])
        )


def test_checks_that_read_other_data_are_run_again_and_the_rest_is_not_covered(record, erase, found):
    copy = erase("--data", "applicants", "--row", GONE)

    _, said = found(record, "--evidence", copy)

    assert said["attested"]["the measurements and verdicts"].startswith("of apart were reached again")
    for check, data in (("swap", "applicants"), ("outcomes", "applicants"), ("attribution", "applicants")):
        assert said["not covered"][f"check {check}"] == (
            f"cannot be reached again: rows of {data} were erased from the evidence"
        )
    assert "the verdicts of the run" not in said["attested"]


def test_a_row_goes_from_every_data_set_that_was_made_of_its_line(whole, erase):
    rows = rows_of(whole)
    copy = erase("--data", "again", "--row", GONE)

    assert answered(copy, [text_of(rows[GONE]), again_of(rows[GONE])]) == set()


def test_answers_about_the_other_rows_stay(whole, erase):
    rows = [row for number, row in enumerate(rows_of(whole)) if number != GONE]
    texts = [text_of(row) for row in rows] + [again_of(row) for row in rows]
    copy = erase("--data", "applicants", "--row", GONE)

    assert answered(copy, texts) == {key_of(text) for text in texts}
    assert answered(copy, [text_of(row) for row in rows_of(whole, "others.csv")])


def bodies(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_nothing_of_the_row_is_left_in_any_file(whole, erase):
    row = rows_of(whole)[GONE]
    line = ",".join(row.values()).encode()
    told = [text_of(row).encode(), again_of(row).encode(), line]
    keys = [key_of(text_of(row)), key_of(again_of(row))]
    before = b"".join(bodies(whole / "evidence").values())
    assert all(piece in before for piece in (*told, *keys))

    copy = erase("--data", "applicants", "--row", GONE)

    after = b"".join(bodies(copy).values())
    assert not any(piece in after for piece in (*told, *keys))


def test_texts_made_of_rows_go_with_the_row_because_they_do_not_say_of_which(whole, erase):
    with (whole / "policy" / "pairs.csv").open(encoding="utf-8", newline="") as file:
        pairs = [list(pair.values())[:2] for pair in csv.DictReader(file)]
    swaps = dict(pairs) | {b: a for a, b in pairs}
    row = rows_of(whole)[GONE]
    swapped = text_of({**row, "name": swaps[row["name"]]})
    assert answered(whole / "evidence", [swapped])

    copy = erase("--data", "applicants", "--row", GONE)

    assert not answered(copy, [swapped])


def test_a_digest_that_stays_cannot_be_guessed_by_who_knows_the_answer(whole, erase):
    text = key_of(text_of(rows_of(whole)[GONE]))
    answers = stored.opened(database(whole / "evidence").parent)
    (entry,) = answers.entries("answers", LOGITS, [text])
    answers.close()
    copy = erase("--data", "applicants", "--row", GONE)

    with closing(sqlite3.connect(database(copy))) as db:
        digests = {digest for (digest,) in db.execute("SELECT digest FROM erased")}
        salts = {
            salt for table in ("answers", "notes", "states") for (salt,) in db.execute(f"SELECT salt FROM {table}")
        }
    assert entry.digest in digests
    guesses = {
        merkle.leaf(bytes([Kind.NUMBERS]) + LOGITS + text + salt + entry.value) for salt in {b"", bytes(16), *salts}
    }
    assert entry.salt not in salts
    assert not guesses & digests


def test_rows_can_be_named_by_words_that_they_hold(whole, erase):
    rows = rows_of(whole)
    name = rows[GONE]["name"]
    copy = erase("--containing", name.upper())

    every = [*rows, *rows_of(whole, "others.csv")]
    holding = [row for row in every if name in text_of(row)]
    assert holding
    assert answered(copy, [text_of(row) for row in holding]) == set()


def test_more_rows_are_erased_from_a_copy_that_lost_some(whole, record, erase, found):
    rows = rows_of(whole)
    once = erase("--data", "applicants", "--row", GONE)
    twice = erase("--data", "applicants", "--row", 3, of=once, to="twice")
    thrice = erase("--data", "others", "--row", 5, of=twice, to="thrice")

    code, said = found(record, "--evidence", thrice)

    assert code == 0
    assert "were erased are those that the record's root stands for" in said["attested"]["the evidence"]
    assert {"check apart", "check swap"} <= set(said["not covered"])
    others = rows_of(whole, "others.csv")
    gone = [rows[GONE], rows[3], others.pop(5)]
    left = [row for number, row in enumerate(rows) if number not in {GONE, 3}] + others
    assert answered(thrice, [text_of(row) for row in gone]) == set()
    assert answered(thrice, [text_of(row) for row in left]) == {key_of(text_of(row)) for row in left}


def test_a_redacted_record_goes_with_erased_evidence(record, erase, found, cli, tmp_path):
    ended = cli("redact", record, "--out", tmp_path / "redacted.json")
    assert ended.code == 0, ended.err
    copy = erase("--data", "applicants", "--row", GONE)

    code, said = found(tmp_path / "redacted.json", "--evidence", copy)

    assert code == 0
    assert "the withheld texts" in said["not covered"]


def test_the_command_says_what_went_and_what_still_holds_it(whole, cli, tmp_path, record):
    ended = cli(
        "erase", record, "--evidence", whole / "evidence", "--out", tmp_path / "new", "--data", "applicants",
        "--row", GONE,
    )  # fmt: skip

    assert ended.code == 0
    lines = ended.out.splitlines()
    assert lines[:2] == [f"erased from applicants: row {GONE}", f"erased from again: row {GONE}"]
    assert "can no longer be run again from the evidence: swap, outcomes, attribution, outcomes-again" in lines
    assert "Still holding them:" in lines
    assert f"  the old copy {whole / 'evidence'}: delete it" in lines


# ---- what is not what it was ---------------------------------------------------------------------


def told_to_the_manifest(folder):
    manifest = folder / "manifest.json"
    data = json.loads(manifest.read_text(encoding="utf-8"))
    for name, file in data["files"].items():
        content = (folder / name).read_bytes()
        file |= {"sha256": sha256(content).hexdigest(), "bytes": len(content)}
    manifest.write_text(json.dumps(data), encoding="utf-8")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE erased SET digest = zeroblob(32) WHERE place = (SELECT MIN(place) FROM erased)",
        "UPDATE erased SET digest = x'00' WHERE place = (SELECT MIN(place) FROM erased)",
        "DELETE FROM erased WHERE place = (SELECT MAX(place) FROM erased)",
        "INSERT INTO erased VALUES (1000000, zeroblob(32))",
        "INSERT INTO erased VALUES (-1, zeroblob(32))",
        "DELETE FROM answers WHERE text = (SELECT text FROM answers LIMIT 1)",
        "UPDATE notes SET salt = zeroblob(16) WHERE text = (SELECT text FROM notes LIMIT 1)",
        "UPDATE answers SET salt = NULL",
    ],
)
def test_whatever_is_changed_in_an_erased_copy_is_broken(record, erase, found, change):
    copy = erase("--data", "applicants", "--row", GONE)
    with closing(sqlite3.connect(database(copy))) as db, db:
        db.execute(change)
    told_to_the_manifest(copy)

    code, said = found(record, "--evidence", copy)

    assert code == 1
    assert "the evidence" in said["broken"]


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.update(erased=[]),
        lambda m: m["erased"][0].update(rows=[GONE + 1]),
        lambda m: m["erased"][0].update(rows=[]),
        lambda m: m.update(rows_alone=["others"]),
    ],
)
def test_a_copy_that_is_silent_on_a_row_that_is_missing_is_broken(record, erase, found, change):
    copy = erase("--data", "applicants", "--row", GONE)
    manifest = json.loads((copy / "manifest.json").read_text(encoding="utf-8"))
    change(manifest)
    (copy / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")

    code, said = found(record, "--evidence", copy)

    assert code == 1
    assert said["broken"]


# ---- what cannot be done -------------------------------------------------------------------------


def test_a_group_that_becomes_too_small_keeps_nothing_from_being_verified(whole, record, erase, found):
    names = {row["name"] for row in rows_of(whole) if row["sex"] == "female"}
    copy = erase(*(option for name in names for option in ("--containing", name)))

    code, said = found(record, "--evidence", copy)

    assert code == 0
    assert "check outcomes" in said["not covered"]


@pytest.mark.parametrize(
    ("options", "where", "says"),
    [
        ((), "erase", "no row"),
        (("--containing", "…"), "--containing", "'…'"),
        (("--data", "nobody", "--row", "1"), "--data", "nobody"),
        (("--row", "1"), "--row", "a number, and 3 data sets it may belong to (applicants, again, others)"),
        (("--data", "others", "--row", "40"), "--row", "40, which is not among the rows of others"),
        (("--containing", "Nobody Atall"), "the choice", "no such row in the evidence"),
    ],
)
def test_a_choice_that_means_nothing_is_told(whole, record, cli, tmp_path, options, where, says):
    ended = cli("erase", record, "--evidence", whole / "evidence", "--out", tmp_path / "new", *options)

    assert ended.code == 2
    assert ended.err.startswith("\nNothing was erased\n")
    assert where in ended.err
    assert says in ended.err
    assert not (tmp_path / "new").exists()


def test_a_store_is_no_copy_to_erase_from(whole, record, cli, tmp_path):
    ended = cli(
        "erase", record, "--evidence", whole / "store", "--out", tmp_path / "new", "--data", "others", "--row", 1
    )

    assert ended.code == 2
    assert "inspectoscope store clear" in ended.err


def test_evidence_that_was_tampered_with_is_not_erased_from(whole, record, cli, tmp_path, flip):
    shutil.copytree(whole / "evidence", tmp_path / "evidence")
    flip(database(tmp_path / "evidence"), -100)

    ended = cli(
        "erase", record, "--evidence", tmp_path / "evidence", "--out", tmp_path / "new", "--data", "others", "--row", 1
    )

    assert ended.code == 2
    assert "a file that has the SHA-256" in ended.err


def test_evidence_of_another_run_is_not_erased_from(whole, kept_audit, cli, tmp_path):
    ended = cli("erase", kept_audit.record, "--evidence", whole / "evidence", "--out", tmp_path / "new", "--row", 1)

    assert ended.code == 2
    assert "expected  that of the record" in ended.err or "that of the record, with the root" in ended.err


def test_rows_that_stand_in_the_policy_itself_are_not_erased(cli, small_policy, biased_model, tmp_path):
    made = small_policy("swap", rows=12)
    with (made.folder / "applicants.csv").open(encoding="utf-8", newline="") as file:
        rows = "".join(f"      - {json.dumps(row)}\n" for row in csv.DictReader(file))
    made.change("    rows: applicants.csv\n", f"    rows:\n{rows}")
    ran = cli(
        "run", made.path, "--model", biased_model, "--out", tmp_path / "out", "--evidence", tmp_path / "evidence",
        "--format", "json",
    )  # fmt: skip
    assert ran.code in {0, 1, 3}, ran.err

    ended = cli(
        "erase", tmp_path / "out" / "record.json", "--evidence", tmp_path / "evidence", "--out", tmp_path / "new",
        "--row", 1,
    )  # fmt: skip

    assert ended.code == 2
    assert "rows of `applicants` that stand in the policy itself" in ended.err
