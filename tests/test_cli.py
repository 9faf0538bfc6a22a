"""Exit codes are a contract, and what a command says is written for people."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from audit import pipeline
from audit.cli import given
from audit.errors import user_error
from audit.types import Verdict

COMMAND = Path(sys.executable).with_name("inspectoscope")
JOBS = "[baker, carpenter, clerk, cook, driver, mason, nurse, welder]"
AS_WRITTEN = "score_gap, at_most: 0.9"
NEAR = "score_gap, at_most: 0.16"
"""So near to the planted gap that few rows can tell neither way."""


def stored_answers(store: Path) -> int:
    """Count the answers that a store holds, while another process writes to it."""
    found = 0
    for database in store.glob("contexts/*/answers.sqlite"):
        try:
            with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as db:
                found += db.execute("SELECT COUNT(*) FROM answers").fetchone()[0]
        except sqlite3.OperationalError:
            continue  # the file is there before its tables are
        finally:
            db.close()
    return found


# ---- exit codes, through the installed command ---------------------------------------------------


def test_a_criterion_that_is_not_met_ends_with_1(command, small_policy, biased_model, tmp_path):
    policy = small_policy("swap").change("at_most: 0.9", "at_most: 0.02")

    ended = command(
        "run", policy.path, "--model", biased_model, "--out", tmp_path / "out", "--format", "json,junit,summary"
    )

    assert ended.code == 1
    where = f"{policy.path}:{policy.line('id: swap')}"
    assert ended.out.splitlines()[0] == (
        f"✖ threshold not met: The same case with a protected attribute swapped ({where})"
    )
    assert ended.out.splitlines()[-4:] == [
        "1 check: 1 threshold not met.",
        *(f"wrote {tmp_path}/out/{name}" for name in ("record.json", "junit.xml", "summary.md")),
    ]
    assert json.loads((tmp_path / "out" / "record.json").read_text(encoding="utf-8"))["run"]["exit_code"] == 1


def test_criteria_that_are_all_met_end_with_0(command, small_policy, biased_model, tmp_path):
    policy = small_policy("swap")

    ended = command("run", policy.path, "--model", biased_model, "--out", tmp_path / "out", "--format", "json")

    assert ended.code == 0
    assert "1 check: 1 threshold met." in ended.out


def test_too_little_data_ends_with_3(command, small_policy, biased_model, tmp_path):
    policy = small_policy("swap", rows=60).change(AS_WRITTEN, NEAR)

    ended = command("run", policy.path, "--model", biased_model, "--out", tmp_path / "out", "--format", "json")

    assert ended.code == 3
    assert "1 check: 1 inconclusive." in ended.out


def test_a_model_that_cannot_do_the_task_ends_with_3(command, small_policy, untrained_model, tmp_path):
    policy = small_policy("swap")

    ended = command("run", policy.path, "--model", untrained_model, "--out", tmp_path / "out", "--format", "json")

    assert ended.code == 3
    assert "1 check: 1 not assessed." in ended.out


def test_what_does_not_stop_by_request_ends_with_0(command, small_policy, untrained_model, tmp_path):
    policy = small_policy("swap")
    arguments = ("run", policy.path, "--model", untrained_model, "--out", tmp_path / "out", "--format", "json")

    ended = command(*arguments, "--fail-on", "not_met,inconclusive")

    assert ended.code == 0
    assert "1 check: 1 not assessed." in ended.out


@pytest.mark.parametrize(
    "arguments",
    [
        ("run",),
        ("run", "credit-decision"),
        ("run", "credit-decision", "--model", "no-such-folder/x/y"),
        ("run", "credit-decision", "--modell", "x"),
        ("audit",),
        ("report", "no-such-record.json"),
        ("model", "digest", "no-such-folder/x/y"),
        ("policy", "validate", "no-such-policy.yaml"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_used_ends_with_2(command, arguments, tmp_path):
    more = ("--out", tmp_path / "out") if arguments[:1] in {("run",), ("report",)} else ()

    ended = command(*arguments, *more)

    assert (ended.code, ended.out) == (2, "")
    assert ended.err.strip()
    assert "Traceback" not in ended.err


def test_a_defect_of_our_own_ends_with_70_and_not_with_1(command, tmp_path):
    (tmp_path / "sitecustomize.py").write_text("from audit import health\nhealth.examine = None\n")
    path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))

    ended = command("doctor", PYTHONPATH=path)

    assert ended.code == 70
    assert "TypeError: 'NoneType' object is not callable" in ended.err


def test_a_policy_that_cannot_be_read_ends_with_2_on_one_screen(command, small_policy, biased_model, tmp_path):
    policy = small_policy("swap").change("purpose:", "porpose:")

    ended = command("run", policy.path, "--model", biased_model, "--out", tmp_path / "out")

    assert (ended.code, ended.out) == (2, "")
    assert ended.err.splitlines() == [
        "",
        "The policy cannot be used: 2 problems",
        "",
        f"{policy.path}:1:1: no `purpose`",
        "    inspectoscope: 1",
        "    ^",
        "  expected: `purpose`: what the model decides, for whom, about whom, and where",
        "",
        f"{policy.path}:5:1: the unknown key `porpose`",
        "    porpose: Shows that the parts of the instrument fit together.",
        "    ^",
        "  expected: one of inspectoscope, extends, id, version, title, purpose, authors, seed, limits, regulations, "
        "waivers, provider, explain, variables, model, data, hazards, checks",
        "  do: did you mean `purpose`?",
    ]


@pytest.fixture
def heeds_ctrl_c():
    """Let children heed Ctrl-C also where the tests were begun in the background, which inherits that it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeds_ctrl_c")
def test_ctrl_c_ends_with_130_keeps_what_was_measured_and_says_how_to_go_on(small_policy, untrained_model, tmp_path):
    policy = small_policy("swap", "outcomes", rows=960)
    store = tmp_path / "store"
    policy.change("sex: {from: name, pairs: pairs.csv}", f"sex: {{from: job, values: {JOBS}, reference: [cook]}}")

    running = subprocess.Popen(
        [COMMAND, "run", policy.path, "--model", untrained_model, "--out", tmp_path / "out", "--store", store,
         "--device", "cpu"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (kept := stored_answers(store)) and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)

    assert running.returncode == 130, err
    assert out == ""
    assert err.splitlines()[-1] == "Broken off. What was measured is kept: the same command goes on from here."
    assert 0 < kept <= stored_answers(store) < 7680
    assert not (tmp_path / "out" / "record.json").exists()


# ---- which code outranks which -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "fail_on", "code"),
    [
        ([Verdict.MET, None], "all", 0),
        ([Verdict.MET, Verdict.INCONCLUSIVE], "all", 3),
        ([Verdict.MET, Verdict.NOT_ASSESSED], "all", 3),
        ([Verdict.NOT_ASSESSED, Verdict.NOT_MET, Verdict.INCONCLUSIVE], "all", 1),
        ([Verdict.INCONCLUSIVE, Verdict.NOT_ASSESSED], "not_met", 0),
        ([Verdict.INCONCLUSIVE, Verdict.NOT_ASSESSED], "not_met,not_assessed", 3),
        ([Verdict.NOT_MET, Verdict.INCONCLUSIVE], "not_met", 1),
        ([Verdict.NOT_MET, Verdict.INCONCLUSIVE], "inconclusive", 3),
        ([Verdict.NOT_MET, Verdict.INCONCLUSIVE], "none", 0),
    ],
)
def test_not_met_outranks_undecided_and_only_what_fail_on_names_counts(found, fail_on, code):
    from audit.verdict import exit_code

    named = pipeline.FAIL_ON if fail_on == "all" else given.stopping(fail_on)[0]

    assert exit_code(found, named) == code


def test_a_pipeline_may_relax_what_stops_it_on_purpose(cli, small_policy, biased_model, tmp_path):
    policy = small_policy("swap", rows=60).change(AS_WRITTEN, NEAR)
    arguments = ("run", policy.path, "--model", biased_model, "--out", tmp_path, "--format", "json")

    codes = {on: cli(*arguments, "--fail-on", on).code for on in ("not_met", "inconclusive", "none")}

    assert codes == {"not_met": 0, "inconclusive": 3, "none": 0}
    record = json.loads((tmp_path / "record.json").read_text(encoding="utf-8"))
    assert (record["run"]["fail_on"], record["checks"][0]["verdict"]) == ([], "inconclusive")


def test_a_criterion_not_met_outranks_a_report_that_cannot_be_made(
    cli, small_policy, biased_model, tmp_path, monkeypatch
):
    def no_room(path, content):
        raise user_error("A report cannot be written", where=path.name, found="no space left", expected="room")

    monkeypatch.setattr(pipeline, "_write_whole", no_room)
    policy = small_policy("swap")
    arguments = ("run", policy.path, "--model", biased_model, "--out", tmp_path, "--format", "json")

    met = cli(*arguments)
    not_met = cli(*arguments, "--set", "checks.swap.criteria.0.at_most=0.02")

    assert met.code == 2
    assert not_met.code == 1
    assert not_met.out.startswith("✖ threshold not met: The same case with a protected attribute swapped")
    assert "record.json: no space left" in not_met.err


def test_a_file_in_the_place_of_the_output_folder_is_called_one(cli, small_policy, biased_model, tmp_path):
    taken = tmp_path / "taken"
    taken.write_text("mine")

    ended = cli("run", small_policy("swap").path, "--model", biased_model, "--out", taken)

    assert ended.code == 2
    assert ended.err == (
        f"\nThe output folder cannot be written\n\n{taken}: a file\n  expected: a folder that you may write to\n"
        "  do: give another one with --out\n"
    )
    assert taken.read_text() == "mine"


# ---- usage ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--fail-on", "failed"),
            "The verdicts to stop for cannot be read\n\n--fail-on: failed\n"
            "  expected: none, or some of not_met, not_assessed, inconclusive, regression\n",
        ),
        (
            ("--format", "json,docx"),
            "There is no such format\n\n--format: docx\n  expected: some of "
            "json, pdf, html, junit, sarif, summary, comment, csv, gitlab, in-toto, cyclonedx, model-card\n",
        ),
        (("--executor", "cloud"), "There is no such executor\n\n--executor: cloud\n  expected: local\n"),
    ],
)
def test_an_option_with_an_unknown_value_is_told_what_is_known(cli, small_policy, tmp_path, arguments, message):
    ended = cli("run", small_policy().path, "--model", tmp_path, "--out", tmp_path / "out", *arguments)

    assert (ended.code, ended.out, ended.err) == (2, "", f"\n{message}")
    assert not (tmp_path / "out").exists()


def test_a_shipped_policy_goes_by_its_name_and_a_slip_is_told_the_nearest(cli):
    right = cli("policy", "validate", "credit-decision")
    wrong = cli("policy", "validate", "credit-decsion")

    assert right.code == 0
    assert right.out.endswith("credit-decision.yaml: valid (4 checks, 3 criteria, 960 rows)\n")
    assert wrong.code == 2
    assert wrong.err == (
        "\nThe policy cannot be read\n\n"
        "credit-decsion: no such file\n"
        "  expected: the path of a policy, or one of content-moderation, credit-constitution, credit-decision, "
        "general-purpose-honesty, medical-triage, recruitment, sanity, winogender-likelihood\n"
        "  do: did you mean credit-decision?\n"
    )


def test_a_folder_with_the_name_of_a_shipped_policy_does_not_hide_it(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "credit-decision").mkdir()

    assert cli("policy", "validate", "credit-decision").code == 0


def test_validate_looks_at_every_policy_it_is_given(cli, small_policy):
    good = small_policy("swap")
    bad = small_policy("swap", folder="bad").change("licence: CC0-1.0", "license: CC0-1.0")

    ended = cli("policy", "validate", bad.path, good.path)

    assert ended.code == 2
    assert ended.out == f"{good.path}: valid (1 check, 1 criterion, {len(good.texts())} rows)\n"
    assert f"{bad.path}:{bad.line('license:')}:5: the unknown key `license`" in ended.err


def test_an_error_of_our_own_says_so_and_does_not_read_as_a_criterion_not_met(cli, monkeypatch):
    def broken():
        raise ZeroDivisionError("a slip of ours")

    monkeypatch.setattr("audit.health.examine", broken)

    ended = cli("doctor")

    assert ended.code == 70
    assert "ZeroDivisionError: a slip of ours" in ended.err
    assert ended.err.endswith(
        "This is a defect of inspectoscope, not of your input. Please report it with the lines above.\n"
    )


def test_output_that_nobody_reads_does_not_read_as_a_criterion_not_met():
    run = subprocess.run(
        f"{COMMAND} policy schema | true; exit ${{PIPESTATUS[0]}}",
        shell=True, executable="/bin/bash", capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (run.returncode, run.stderr) == (2, "")


def test_a_console_that_cannot_show_a_sign_gets_its_code_instead_of_a_traceback(command, small_policy):
    policy = small_policy("swap").change("title: A small credit policy", "title: A small credit policy ✔ 信用")

    ended = command("policy", "show", policy.path, PYTHONIOENCODING="cp1252")

    assert ended.code == 0
    assert "A small credit policy \\u2714 \\u4fe1\\u7528" in ended.out


# ---- report --------------------------------------------------------------------------------------


def test_reports_are_made_again_from_the_record_alone(cli, small_policy, biased_model, tmp_path):
    policy = small_policy("swap")
    cli("run", policy.path, "--model", biased_model, "--out", tmp_path / "out", "--format", "json,html,junit,summary")
    first = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}

    ended = cli(
        "report", tmp_path / "out" / "record.json", "--out", tmp_path / "again", "--format", "html,junit,summary"
    )

    again = {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()}
    assert ended.code == 0
    assert ended.out.split() == [f"{tmp_path}/again/{name}" for name in ("report.html", "junit.xml", "summary.md")]
    assert again == {name: content for name, content in first.items() if name != "record.json"}


def test_the_formats_are_listed_with_those_who_read_them(cli, tmp_path):
    from audit.report import listing

    for arguments in (("report", "no-record.json"), ("run", "no-policy.yaml", "--model", "none")):
        ended = cli(*arguments, "--out", tmp_path / "out", "--format", "help")

        assert (ended.code, ended.err, ended.out) == (0, "", listing() + "\n")
    assert not (tmp_path / "out").exists()


# ---- model ---------------------------------------------------------------------------------------


def test_the_digest_of_a_model_is_that_of_the_record(cli, small_policy, untrained_model, tmp_path):
    cli("run", small_policy("swap", rows=60).path, "--model", untrained_model, "--out", tmp_path, "--format", "json")
    model = json.loads((tmp_path / "record.json").read_text(encoding="utf-8"))["model"]

    alone, whole = (cli("model", "digest", untrained_model, *more) for more in ((), ("--files",)))

    assert (alone.code, alone.out, alone.err) == (0, f"{model['digest']}\n", "")
    assert whole.out.splitlines() == [
        model["digest"], *(f"{digest}  {name}" for name, digest in sorted(model["files"].items()))
    ]  # fmt: skip


def test_a_folder_that_a_run_would_refuse_has_no_digest(cli, untrained_model, tmp_path):
    (tmp_path / "empty").mkdir()
    shutil.copytree(untrained_model, tmp_path / "headless", ignore=shutil.ignore_patterns("*.safetensors"))

    empty, headless = (cli("model", "digest", tmp_path / name) for name in ("empty", "headless"))

    assert (empty.code, headless.code) == (2, 2)
    assert "no config.json in the folder" in empty.err
    assert "no weights" in headless.err


# ---- store ---------------------------------------------------------------------------------------


@pytest.fixture
def filled_store(small_policy, untrained_model, cli, tmp_path) -> Path:
    """A store that holds the answers of one run."""
    store = tmp_path / "store"
    cli("run", small_policy("swap", rows=60).path, "--model", untrained_model, "--out", tmp_path / "out",
        "--store", store, "--format", "json")  # fmt: skip
    return store


def test_stored_answers_are_listed_and_cleared_by_the_start_of_an_id(cli, filled_store):
    listed = cli("store", "ls", "--store", filled_store)
    header, line = listed.out.splitlines()
    kept = cli("store", "clear", "no-such-id", "--store", filled_store)
    gone = cli("store", "clear", line.split()[0], "--store", filled_store)

    assert header == str(filled_store)
    assert line.split()[3:7] == ["120", "answers", "0", "states"]
    assert (kept.code, kept.out) == (0, "deleted 0 of the store's folders\n")
    assert (gone.code, gone.out) == (0, "deleted 1 of the store's folders\n")
    assert cli("store", "ls", "--store", filled_store).out == f"{filled_store}\n"


def test_clearing_everything_asks_first_and_without_an_answer_nothing_is_deleted(cli, filled_store, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(""))

    ended = cli("store", "clear", "--store", filled_store)

    assert ended.code == 2
    assert "Delete all stored answers?" in ended.out
    assert ended.err == "\nNothing was deleted\n\nstore clear: no answer\n  expected: y or n\n  do: add --yes\n"
    assert len(list((filled_store / "contexts").iterdir())) == 1
    assert cli("store", "clear", "--yes", "--store", filled_store).out == "deleted 1 of the store's folders\n"


def test_only_its_user_can_look_into_the_store(filled_store):
    folders = [filled_store, *(filled_store / "contexts").iterdir()]

    assert [stat.S_IMODE(folder.stat().st_mode) for folder in folders] == [0o700, 0o700]


def test_a_store_that_is_no_longer_a_database_is_told_apart_from_a_defect(
    cli, filled_store, small_policy, untrained_model, tmp_path
):
    (database,) = filled_store.glob("contexts/*/answers.sqlite")
    database.write_bytes(b"not a database, whatever its name says" * 100)

    ended = cli("run", small_policy("swap", rows=60).path, "--model", untrained_model, "--out", tmp_path / "out",
                "--store", filled_store)  # fmt: skip

    assert ended.code == 2
    assert ended.err.splitlines()[-6:] == [
        "",
        "The store is damaged",
        "",
        f"{database.parent}: file is not a database",
        "  expected: the answers of earlier runs",
        f"  do: delete it with: inspectoscope store clear {database.parent.name[:12]}",
    ]
    assert cli("store", "clear", database.parent.name[:12], "--store", filled_store).code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("policy", "validate", "x" * 300),
        ("run", "x" * 300, "--model", "x"),
        ("report", "x" * 300),
        ("verify", "x" * 300),
        ("verify", "record.json", "--evidence", "x" * 300),
    ],
)
def test_a_name_that_is_too_long_for_the_system_is_told(cli, arguments):
    ended = cli(*arguments)

    assert ended.code == 2
    assert "Traceback" not in ended.err
    assert "x" * 300 in ended.err
