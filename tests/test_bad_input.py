"""Whatever a user gives wrongly ends with code 2 and one screen that says where, what, and what to do.

Every message is compared whole: the policy, data, model or folder is broken in one way and the command is run.
"""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import shutil
import subprocess
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from audit.capture.store import Store
from audit.registry import check_types


@pytest.fixture
def refused(cli, untrained_model, tmp_path) -> Callable[..., str]:
    """Run a policy that cannot be run; return the message with the folders of the test left out."""

    def run(policy, *arguments: object, model: Path = untrained_model) -> str:
        ended = cli("run", policy.path, "--model", model, "--out", tmp_path / "out", *arguments)
        assert ended.code == 2
        assert ended.out == ""
        assert "Traceback" not in ended.err
        assert not (tmp_path / "out" / "record.json").exists()
        return ended.err.strip("\n").replace(f"{policy.folder}/", "").replace(f"{tmp_path}/", "")

    return run


def said(text: str) -> str:
    r"""Return a message as it is written in a test: dedented; a line that ends with \ goes on with the next."""
    return textwrap.dedent(text).strip("\n").replace("\\\n", "")


# ---- the policy ----------------------------------------------------------------------------------


def test_a_misspelt_key(refused, small_policy):
    policy = small_policy().change("    cluster: name\n", "    clusters: name\n")

    assert refused(policy) == said(
        f"""
        The policy cannot be used: 1 problem

        policy.yaml:{policy.line("clusters")}:5: the unknown key `clusters`
                clusters: name
                ^
          expected: one of rows, text, template, lists, extract, where, sample, longest, groups, legitimate, cluster, \
label, origin, licence, description, language, population, enumerated, show_rows, art4a
          do: did you mean `cluster`?
        """
    )


def test_a_misspelt_parameter_of_a_check(refused, small_policy):
    policy = small_policy("outcomes").change("    criteria:\n", "    min_cells: 12\n    criteria:\n")

    assert refused(policy) == said(
        f"""
        The policy cannot be used: 1 problem

        policy.yaml:{policy.line("min_cells")}:5: the unknown key `min_cells`
                min_cells: 12
                ^
          expected: one of attributes, intersections, within, parity, parity_rationale, min_cell, min_overlap, \
samples, id, check, title, data, criteria
          do: did you mean `min_cell`?
        """
    )


def test_a_value_of_the_wrong_type(refused, small_policy):
    policy = small_policy().change("at_most: 0.9", "at_most: a little")

    assert refused(policy) == said(
        f"""
        The policy cannot be used: 1 problem

        policy.yaml:{policy.line("a little")}:38: the text `a little`
                  - {{metric: score_gap, at_most: a little, rationale: An example.}}
                                                 ^
          expected: a number
        """
    )


def test_a_key_given_twice(refused, small_policy):
    policy = small_policy().change("version: 1.0.0\n", "version: 1.0.0\nversion: 1.0.1\n")

    assert refused(policy) == said(
        """
        The policy cannot be read

        policy.yaml:4:1: the key `version` a second time; the first is at line 3, column 1
            version: 1.0.1
            ^
          expected: each key once
          do: remove one of them
        """
    )


def test_an_unknown_check(refused, small_policy):
    policy = small_policy().change("check: counterfactual", "check: counterfactuals")

    assert refused(policy) == said(
        f"""
        The policy cannot be used: 1 problem

        policy.yaml:{policy.line("counterfactuals")}:12: the unknown check `counterfactuals`
                check: counterfactuals
                       ^
          expected: one of {", ".join(check_types())}
          do: did you mean `counterfactual`?
        """
    )


def test_a_criterion_on_what_never_decides(refused, small_policy):
    policy = small_policy("attribution").change(
        "    sample: 6\n",
        "    sample: 6\n    criteria:\n      - {metric: protected_share, at_most: 0.1, rationale: An example.}\n",
    )

    assert refused(policy) == said(
        f"""
        The policy cannot be used: 1 problem

        policy.yaml:{policy.line("protected_share")}:18: a criterion on `protected_share`, a descriptive metric: \
attribution points and does not decide
                  - {{metric: protected_share, at_most: 0.1, rationale: An example.}}
                             ^
          expected: no criterion: these parameters let attribution_share judge nothing
          do: judge behaviour, and leave this metric to be read beside it
        """
    )


def test_several_errors_are_printed_at_once_in_the_order_of_the_file(refused, small_policy):
    policy = (
        small_policy("swap", "outcomes")
        .change("origin: synthetic", "origin: made up")
        .change("swap: {sex: {from: name,", "swap: {sex: {form: name,")
        .change("metric: score_gap_within_strata", "metric: score_gap")
    )

    lines = refused(policy).splitlines()

    assert lines[0] == "The policy cannot be used: 4 problems"
    assert [line for line in lines if line.startswith("policy.yaml")] == [
        f"policy.yaml:{policy.line('made up')}:13: the text `made up`",
        f"policy.yaml:{policy.line('form: name')}:12: no `from`",
        f"policy.yaml:{policy.line('form: name')}:18: the unknown key `form`",
        f"policy.yaml:{policy.line('id: outcomes') + 4}:18: the metric `score_gap`, which group_outcomes does not have",
    ]


# ---- the data ------------------------------------------------------------------------------------


def test_a_data_file_that_is_not_there(refused, small_policy):
    policy = small_policy().change("rows: applicants.csv", "rows: aplicants.csv")

    assert refused(policy) == said(
        f"""
        The policy cannot be used: 1 problem

        policy.yaml:{policy.line("aplicants")}:11: aplicants.csv, which does not exist
                rows: aplicants.csv
                      ^
          expected: the path of a file
          do: did you mean `applicants.csv`?
        """
    )


def test_a_column_that_is_not_there(refused, small_policy):
    policy = small_policy().change("groups: [sex]", "groups: [gender]")

    assert refused(policy) == said(
        f"""
        The policy cannot be used: 1 problem

        policy.yaml:{policy.line("gender")}:14: the column `gender`, missing in applicants.csv
                groups: [gender]
                         ^
          expected: one of name, sex, origin, town, job, income, debt, history, approved
        """
    )


def test_a_group_that_no_row_belongs_to(refused, small_policy):
    policy = small_policy().change("groups: [sex]", "groups: {sex: [female, male, divers]}")

    assert refused(policy) == said(
        f"""
        The policy cannot be used: 1 problem

        policy.yaml:{policy.line("divers")}:34: the empty group sex = divers: no row is in it
                groups: {{sex: [female, male, divers]}}
                                             ^
          expected: rows of every group; the data have one of female, male
        """
    )


def test_a_group_too_small_to_be_compared(refused, small_policy):
    policy = small_policy("outcomes", rows=40)

    assert refused(policy).splitlines()[2:] == said(
        f"""
        policy.yaml:{policy.line("id: outcomes")}:5: 'sex' has 0 group(s) of at least 30 rows
              - id: outcomes
                ^
          expected: at least two groups to compare
          do: give more rows, or set min_cell lower and accept wide intervals
        """
    ).splitlines()  # fmt: skip


def test_a_label_that_is_no_outcome(refused, small_policy):
    policy = small_policy()
    rows = list(csv.reader(io.StringIO((policy.folder / "applicants.csv").read_text(encoding="utf-8"))))
    rows[3][-1] = "perhaps"
    policy.write("applicants.csv", "".join(",".join(row) + "\n" for row in rows))

    assert refused(policy) == said(
        """
        The policy cannot be used: 1 problem

        applicants.csv:4:55: the non-numeric label `perhaps` in the column `approved`
            Selin,female,turkish,Rosefield,cook,middle,large,poor,perhaps
                                                                  ^
          expected: 1, 0, true, false, or a blank cell for a row without a label
          do: say what the values mean: label: {column: …, positive: […], negative: […]}
        """
    )


def test_a_text_longer_than_the_model_can_read(refused, small_policy):
    policy = small_policy().change('text: "Applicant', f'text: "{"Applicant " * 60}Applicant')

    lines = refused(policy).splitlines()

    assert lines[0] == "A text does not fit the model"
    assert lines[2].startswith("data: 79 tokens in 'Applicant Applicant")
    assert lines[3:] == [
        "  expected: 1 to 64 tokens: what this model can read at once",
        "  do: shorten the text, or leave the row out with where: in the policy; nothing is cut off silently",
    ]


# ---- the model -----------------------------------------------------------------------------------


@pytest.fixture
def model(untrained_model, tmp_path) -> Path:
    """A copy of a model folder, to be broken."""
    return Path(shutil.copytree(untrained_model, tmp_path / "model"))


def test_a_model_folder_that_is_not_there(refused, small_policy, tmp_path):
    assert refused(small_policy(), model=tmp_path / "nowhere") == said(
        """
        The model cannot be opened

        --model: there is no folder 'nowhere'
          expected: a folder with config.json, a tokenizer and *.safetensors, or a hub id such as owner/name
          do: check the spelling and the folder you start from
        """
    )


def test_a_model_without_a_tokenizer(refused, small_policy, model):
    for path in model.glob("tokenizer*"):
        path.unlink()

    assert refused(small_policy(), model=model) == said(
        """
        The model cannot be opened

        model: no tokenizer in the folder
          expected: one of tokenizer.json, tokenizer.model, vocab.txt, vocab.json
          do: save the model's tokenizer into the same folder with tokenizer.save_pretrained(...)
        """
    )


def test_a_model_with_weights_in_a_format_that_can_run_code(refused, small_policy, model, tmp_path):
    (model / "model.safetensors").unlink()
    (model / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch " + str(tmp_path / "owned").encode() + b"'\ntR.")

    assert refused(small_policy(), model=model) == said(
        """
        The model cannot be opened

        model: weights only as pytorch_model.bin, a format that can run code when it is read
          expected: weights in *.safetensors
          do: convert them with save_pretrained on a machine you can lose; if you trust them, add --allow-pickle
        """
    )
    assert not (tmp_path / "owned").exists()


def test_a_decision_in_words_that_the_model_does_not_use(refused, small_policy):
    policy = small_policy().change("positive: approve, negative: deny", "positive: Approve, negative: no")

    assert refused(policy) == said(
        """
        The policy's decision does not fit the model

        policy.yaml:8:13: the model has no label 'Approve'
          expected: one of 'deny', 'approve'
          do: did you mean 'approve'?

        policy.yaml:8:13: the model has no label 'no'
          expected: one of 'deny', 'approve'
          do: use the label names of the model's config.json (id2label)
        """
    )


def test_a_model_whose_blocks_cannot_be_told_apart(refused, small_policy, model):
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    from transformers import AlbertConfig, AlbertForSequenceClassification

    small = {"hidden_size": 16, "embedding_size": 8, "num_hidden_layers": 4, "num_attention_heads": 2}
    albert = AlbertForSequenceClassification(
        AlbertConfig(vocab_size=config["vocab_size"], intermediate_size=16, id2label={0: "deny", 1: "approve"}, **small)
    )
    for name in ("model.safetensors", "config.json"):
        (model / name).unlink()
    albert.save_pretrained(model)

    assert refused(small_policy(), model=model) == said(
        """
        The model cannot be examined

        model: no list of 4 blocks was found in AlbertModel
          expected: an encoder or a decoder built of a stack of blocks with weights of their own
        """
    )


def changed_head(model: Path, change: Callable[[torch.Tensor], None]) -> Path:
    from safetensors.torch import load_file, save_file

    weights = load_file(model / "model.safetensors")
    change(weights["classifier.weight"])
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    return model


def run_all(cli, policy, model: Path, out: Path) -> dict[str, dict]:
    ended = cli("run", policy.path, "--model", model, "--out", out, "--format", "json")
    assert ended.code == 3, ended.err
    assert "Traceback" not in ended.err
    record = json.loads((out / "record.json").read_text(encoding="utf-8"))
    return {check["id"]: check for check in record["checks"]}


def test_a_model_that_answers_nan_leaves_its_decisions_not_assessed_and_the_states_are_still_read(
    cli, small_policy, model, tmp_path
):
    policy = small_policy("swap", "outcomes", "attribution", "probe")
    broken = changed_head(model, lambda weight: weight.fill_(torch.nan))
    first = min(set(policy.texts()), key=policy.texts().index)

    checks = run_all(cli, policy, broken, tmp_path / "out")

    reason = f"the model's output is not a number (NaN or infinite) for {{}} texts, the first being {first[:80]!r}"
    assert checks["outcomes"]["verdict"] == "not_assessed"
    assert checks["outcomes"]["reason"] == reason.format("192 of 192")
    assert checks["swap"]["verdict"] == "not_assessed"
    assert "not a number (NaN or infinite)" in checks["swap"]["reason"]
    assert "not a number (NaN or infinite)" in checks["attribution"]["reason"]
    assert checks["attribution"]["measurements"] == []
    assert checks["probe"]["verdict"] is None
    assert {m["metric"] for m in checks["probe"]["measurements"]} == {
        "auroc", "auroc_layer_chosen", "beyond_baseline",
    }  # fmt: skip


def test_a_model_that_always_answers_the_same_is_not_fair_but_unmeasured(cli, small_policy, model, tmp_path):
    constant = changed_head(model, lambda weight: weight.zero_())

    checks = run_all(cli, small_policy("swap", "outcomes"), constant, tmp_path / "out")

    for check in checks.values():
        assert check["verdict"] == "not_assessed"
        assert check["reason"] == (
            "the model cannot be measured on this task. scores tell cases apart: standard deviation 0 over 192 cases "
            "(needed: at least 0.0001); better than chance on the true outcomes: 0.500 [0.316, 0.684] on 192 cases "
            "(needed: area under the ROC curve above 0.5, the whole interval)"
        )
        assert check["measurements"] == []


# ---- folders and disks ---------------------------------------------------------------------------


def test_an_output_folder_that_cannot_be_written(cli, small_policy, untrained_model, tmp_path):
    (tmp_path / "file").write_text("in the way")

    ended = cli("run", small_policy().path, "--model", untrained_model, "--out", tmp_path / "file" / "out")

    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        f"\nThe output folder cannot be written\n\n{tmp_path}/file/out: Not a directory\n"
        "  expected: a folder that you may write to\n  do: give another one with --out\n"
    )


def test_a_store_that_cannot_be_written(cli, small_policy, untrained_model, tmp_path):
    (tmp_path / "file").write_text("in the way")

    ended = cli("run", small_policy().path, "--model", untrained_model, "--out", tmp_path / "out",
                "--store", tmp_path / "file" / "store")  # fmt: skip

    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        f"\nThe store cannot be written\n\n{tmp_path}/file/store: Not a directory\n"
        "  expected: a folder with room for the answers\n"
        "  do: make room, or give another folder with --store; what was stored before is kept, and the same command "
        "goes on from there\n"
    )


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A file system of 400 kB; skips where none can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    done = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=400k", "tmpfs", folder], capture_output=True, check=False
    )
    if not done or done.returncode:
        pytest.skip("a small file system can be mounted by root alone")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_disk_that_fills_up_under_the_reports(cli, small_policy, biased_model, small_disk, tmp_path):
    room = small_disk / "room"
    room.write_bytes(b"0" * 330_000)
    formats = ("--format", "json,html,summary")
    arguments = ("run", small_policy().path, "--model", biased_model, "--out", small_disk, *formats)

    full = cli(*arguments)
    names = sorted(path.name for path in small_disk.iterdir())
    room.unlink()
    again = cli(*arguments, "--out", tmp_path / "elsewhere")

    assert full.code == 2
    assert full.out.startswith("✔ threshold met: ")
    assert full.err.split("\n\n", 1)[-1].endswith(
        f"{small_disk}/report.html: No space left on device\n"
        "  expected: a folder with room for the report\n"
        "  do: make room or give another folder with --out; stored answers are reused, so the same command is quick\n"
    )
    assert names == ["record.json", "room", "summary.md"]
    assert json.loads((small_disk / "record.json").read_text(encoding="utf-8"))["run"]["exit_code"] == 0
    assert again.code == 0


def test_a_disk_that_fills_up_under_the_store(cli, small_policy, untrained_model, small_disk, tmp_path):
    policy = small_policy("swap", "probe", rows=960)

    ended = cli(
        "run", policy.path, "--model", untrained_model, "--out", tmp_path / "out", "--store", small_disk / "store"
    )

    (context,) = (small_disk / "store" / "contexts").iterdir()
    assert (ended.code, ended.out) == (2, "")
    assert "Traceback" not in ended.err
    assert ended.err.endswith(
        f"\nThe store cannot be written\n\n{context}: the disk is full\n"
        "  expected: a folder with room for the answers\n"
        "  do: make room, or give another folder with --store; what was stored before is kept, and the same command "
        "goes on from there\n"
    )


@pytest.mark.parametrize("part", ["runs", "batch"])
def test_a_store_without_room_is_told_in_words_wherever_it_is_written(
    cli, small_policy, untrained_model, tmp_path, monkeypatch, part
):
    def full(*_args: object, **_named: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if part == "runs":
        monkeypatch.setattr("audit.capture.runs.private_folder", full)
    else:
        monkeypatch.setattr(Store, "_append", full)

    ended = cli("run", small_policy("probe").path, "--model", untrained_model, "--out", tmp_path / "out",
                "--store", tmp_path / "store")  # fmt: skip

    assert ended.code == 2
    assert "The store cannot be written\n" in ended.err
    assert ": the disk is full\n" in ended.err


def test_without_pango_everything_but_the_pdf_is_written_and_the_line_to_run_is_printed(
    cli, small_policy, biased_model, tmp_path, monkeypatch
):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        textwrap.dedent(
            """
            import cffi
            load = cffi.FFI.dlopen
            def dlopen(self, name, flags=0):
                if "pango" in name:
                    raise OSError(f"cannot load library {name!r}: not found")
                return load(self, name, flags)
            cffi.FFI.dlopen = dlopen
            """
        )
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))

    ended = cli("run", small_policy().path, "--model", biased_model, "--out", tmp_path / "out")
    doctor = cli("doctor")

    assert ended.code == 2
    assert ended.out.startswith("✔ threshold met: ")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "junit.xml", "record.json", "report.html", "results.sarif", "summary.md",
    ]  # fmt: skip
    assert ended.err.endswith(
        "\nThe PDF cannot be made\n\n"
        "Pango: cannot load library 'libpango-1.0-0': not found\n"
        "  expected: the system libraries that draw text (Pango, HarfBuzz)\n"
        "  do: apt install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 (Debian, Ubuntu); the other formats "
        "need none of them\n"
    )
    assert doctor.code == 2
    assert (
        "  MISSING  Pango, for PDF reports; run: apt install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"
        in doctor.out.splitlines()
    )


# ---- records -------------------------------------------------------------------------------------


@pytest.fixture
def record(cli, small_policy, biased_model, tmp_path) -> Path:
    cli("run", small_policy().path, "--model", biased_model, "--out", tmp_path, "--format", "json")
    return tmp_path / "record.json"


def report_refused(cli, record: Path) -> str:
    ended = cli("report", record, "--format", "html,junit,summary", "--out", record.parent / "again")
    assert (ended.code, ended.out) == (2, "")
    assert "Traceback" not in ended.err
    return ended.err.strip("\n").replace(f"{record.parent}/", "")


def test_a_record_that_is_not_there(cli, tmp_path):
    assert report_refused(cli, tmp_path / "record.json") == said(
        """
        The record cannot be read

        record.json: No such file or directory
          expected: a record.json
        """
    )


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "\udc00"], ids=["cut off", "too deep", "not UTF-8"])
def test_a_record_that_is_not_json(cli, tmp_path, text):
    (tmp_path / "record.json").write_text(text, encoding="utf-8", errors="surrogatepass")

    lines = report_refused(cli, tmp_path / "record.json").splitlines()

    assert lines[:2] == ["The record cannot be read", ""]
    assert lines[2].startswith("record.json: not JSON: ")
    assert lines[3:] == [
        "  expected: a whole record.json", "  do: run the audit again; stored answers are reused",
    ]  # fmt: skip


def test_a_record_of_a_newer_schema(cli, record):
    record.write_text(record.read_text(encoding="utf-8").replace('"schema_version": "1.0"', '"schema_version": "9.0"'))

    assert report_refused(cli, record) == said(
        """
        The record cannot be read

        record.json: schema version '9.0'
          expected: schema version '1.0'
          do: read it with the version of inspectoscope that wrote it, or a newer one
        """
    )


def test_a_record_with_parts_of_the_wrong_shape_is_told_where(cli, record):
    data = json.loads(record.read_text(encoding="utf-8"))
    data["checks"][0]["verdict"] = "fine"
    del data["model"]["digest"]
    data["\x1b[2J"] = 1
    record.write_text(json.dumps(data), encoding="utf-8")

    message = report_refused(cli, record)

    assert "record.json at model.digest: Field required" in message
    assert "record.json at checks.0.verdict: Input should be 'not_met', 'not_assessed'," in message
    assert "record.json at ⟨U+001B⟩[2J: Extra inputs are not permitted" in message


def test_a_record_whose_criterion_points_at_no_measurement(cli, record):
    data = json.loads(record.read_text(encoding="utf-8"))
    data["checks"][0]["criteria"][0]["hypotheses"][0]["measurement"] = 99
    record.write_text(json.dumps(data), encoding="utf-8")

    message = report_refused(cli, record)

    assert message == said(
        """
        The record cannot be read

        record.json at checks.0: Value error, a criterion rests on measurement 99 of 3
          expected: what the record's schema says
        """
    )
