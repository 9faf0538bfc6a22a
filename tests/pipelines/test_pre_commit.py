"""The hooks for pre-commit, run by pre-commit itself from a repository that holds this project's manifest."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = ROOT / ".pre-commit-hooks.yaml"
HOOKS = {hook["id"]: hook for hook in yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))}
PRE_COMMIT = Path(sys.executable).with_name("pre-commit")


@pytest.fixture
def pre_commit(shell, tmp_path):
    """Run pre-commit with a cache of its own, as somebody without a git configuration."""

    def run(*arguments: object, cwd: Path = tmp_path):
        return shell(
            str(PRE_COMMIT), *map(str, arguments), cwd=cwd, PRE_COMMIT_HOME=str(tmp_path / "pre-commit"),
            PRE_COMMIT_COLOR="never", PRE_COMMIT_NO_CONCURRENCY="1", **NOBODY,
        )  # fmt: skip

    return run


NOBODY = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    **{f"GIT_{who}_{what}": "nobody@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}


@pytest.fixture
def committed(shell):
    """Put a folder under git, with everything that is in it."""

    def commit(folder: Path) -> Path:
        for command in (("init", "--quiet"), ("add", "--all"), ("commit", "--quiet", "--message", "A state")):
            done = shell("git", *command, cwd=folder, **NOBODY)
            assert done.code == 0, done.err
        return folder

    return commit


@pytest.fixture
def hooks(tmp_path, committed) -> Path:
    """A repository with the manifest alone: the hook that uses what is installed needs no more."""
    folder = tmp_path / "hooks"
    folder.mkdir()
    shutil.copy(MANIFEST, folder)
    return committed(folder)


def test_pre_commit_takes_the_manifest_and_the_page_s_configuration(pre_commit, examples, tmp_path):
    (example,) = (each for each in examples if each.file == ".pre-commit-config.yaml")
    (tmp_path / "config.yaml").write_text(example.text, encoding="utf-8")
    (repository,) = yaml.safe_load(example.text)["repos"]

    assert pre_commit("validate-manifest", MANIFEST).code == 0
    assert pre_commit("validate-config", tmp_path / "config.yaml").code == 0
    assert {hook["id"] for hook in repository["hooks"]} <= set(HOOKS)


def test_pre_commit_sees_what_is_wrong_with_a_manifest(pre_commit, tmp_path):
    (tmp_path / "manifest.yaml").write_text(MANIFEST.read_text(encoding="utf-8").replace("entry:", "entries:"))

    assert pre_commit("validate-manifest", tmp_path / "manifest.yaml").code == 1


def test_both_hooks_do_the_same(tmp_path):
    own, installed = HOOKS.values()

    different = {key for key in own if own[key] != installed[key]}
    assert different == {"id", "description", "language"}
    assert (own["language"], installed["language"]) == ("python", "system")


def test_a_good_policy_passes_a_bad_one_is_told_by_its_line_and_other_files_are_left_alone(
    pre_commit, hooks, committed, small_policy, tmp_path
):
    policy = small_policy("swap", folder="repository/policies")
    repository = tmp_path / "repository"
    (repository / "compose.yaml").write_text("services: {}\n")
    committed(repository)
    command = ("try-repo", hooks, "inspectoscope-policy-installed", "--all-files", "--verbose")

    good = pre_commit(*command, cwd=repository)
    policy.change("licence: CC0-1.0", "license: CC0-1.0")
    bad = pre_commit(*command, cwd=repository)

    assert good.code == 0, good.out + good.err
    assert "policies/policy.yaml: valid (1 check, 1 criterion, " in good.out
    assert "compose.yaml" not in good.out
    assert bad.code == 1
    assert f"policies/policy.yaml:{policy.line('license:')}:5: the unknown key `license`" in bad.out


def test_the_entry_is_a_command_that_there_is():
    for hook in HOOKS.values():
        command = [sys.executable, "-m", "audit", *hook["entry"].split()[1:], "--help"]
        assert hook["entry"].startswith("inspectoscope ")
        assert subprocess.run(command, capture_output=True, check=False).returncode == 0
