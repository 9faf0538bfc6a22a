"""The command: one screen, a folder that loads, records of both models, and exit codes that say how it ended."""

from __future__ import annotations

import json

import pytest

from audit import record

BOUND = ("score_gap, at_most: 0.9", "score_gap, at_most: 0.02")


@pytest.mark.slow
def test_the_copy_is_cut_measured_and_audited_beside_the_original(cli, small_policy, biased_model, tmp_path):
    policy = small_policy("swap").change(*BOUND).path
    save, out = tmp_path / "copy", tmp_path / "out"

    ended = cli(
        "prune", policy, "--model", biased_model, "--save", save, "--out", out, "--store", tmp_path / "store",
        "--random", 1, "--margin", 0.03, "--format", "json,html",
    )  # fmt: skip

    assert ended.code == 0, ended.out + ended.err
    assert "swap: a cut of sex from a copy of" in ended.out
    assert f"wrote {save}" in ended.out
    before, after = (record.read(path / "record.json") for path in (out / "original", out))
    assert [r.checks[0].criteria[0].verdict for r in (before, after)] == ["not_met", "met"]
    said = json.loads((save / "prune.json").read_text(encoding="utf-8"))
    assert (said["base_digest"], said["copy_digest"]) == (before.model.digest, after.model.digest)
    assert (save / "record.json").read_bytes() == (out / "record.json").read_bytes()
    assert {"changes.json", "changes.html", "changes.md", "report.html"} <= {p.name for p in out.iterdir()}


@pytest.mark.slow
def test_a_cut_that_does_too_little_ends_with_3(cli, small_policy, biased_model, tmp_path):
    policy = small_policy("swap").change(*BOUND).path
    parts = tmp_path / "parts.json"
    parts.write_text('{"parts": [{"kind": "neuron", "block": 0, "index": 5}]}', encoding="utf-8")

    ended = cli(
        "prune", policy, "--model", biased_model, "--save", tmp_path / "copy", "--out", tmp_path / "out",
        "--store", tmp_path / "store", "--random", 1, "--cut", f"parts:{parts}", "--no-audit",
    )  # fmt: skip

    assert ended.code == 3, ended.out + ended.err
    assert "parts of the model silenced: block 0 neuron 5" in ended.out
    assert "The gap was not reduced by 80 % on these cases" in ended.out


@pytest.mark.slow
def test_a_gap_within_the_bound_is_nothing_to_cut(cli, small_policy, biased_model, tmp_path):
    ended = cli(
        "prune", small_policy("swap").path, "--model", biased_model, "--save", tmp_path / "copy",
        "--out", tmp_path / "out", "--store", tmp_path / "store",
    )  # fmt: skip

    assert ended.code == 0
    assert "There is nothing to cut: swap shows no gap" in ended.out
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize(
    ("options", "where", "found"),
    [
        (("--cut", "surgery"), "--cut", "surgery"),
        (("--cut", "parts:none.json"), "none.json", "No such file or directory"),
        (("--margin", "1.5"), "--margin", "1.5"),
        (("--at-least", "0"), "--at-least", "0"),
        (("--neutral", "none.txt"), "none.txt", "No such file or directory"),
    ],
)
def test_options_that_cannot_be_used_are_told_before_anything_is_opened(
    cli, small_policy, tmp_path, options, where, found
):
    ended = cli(
        "prune", small_policy("swap").path, "--model", tmp_path, "--save", tmp_path / "copy", "--out", tmp_path / "out",
        *options,
    )  # fmt: skip

    assert ended.code == 2
    assert f"{where}: {found}" in ended.err


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ('{"parts": []}', "parts.json at parts: Tuple should have at least 1 item after validation, not 0"),
        ('{"parts": [{"kind": "soul", "block": 0}]}', "parts.json at parts.0.kind: "),
        ('{"parts": [{"kind": "head", "block": 0}]}', "parts.json: a head of block 0 does not go with the index None"),
        ("{", "parts.json: Expecting property name enclosed in double quotes"),
    ],
)
def test_a_damaged_file_of_parts_is_told(cli, small_policy, tmp_path, content, found):
    (tmp_path / "parts.json").write_text(content, encoding="utf-8")

    ended = cli(
        "prune", small_policy("swap").path, "--model", tmp_path, "--save", tmp_path / "copy", "--out", tmp_path / "out",
        "--cut", f"parts:{tmp_path / 'parts.json'}",
    )  # fmt: skip

    assert ended.code == 2
    assert found in ended.err
