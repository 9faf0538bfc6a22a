"""docs/pipelines.md: what it shows is read by the programs that it is shown for, and run where it can be."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path

import pytest
import yaml

from audit.report import FORMATS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "pipelines.md").read_text(encoding="utf-8")
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
WORKFLOW = ".github/workflows/audit.yml"


def test_every_block_is_one_that_these_tests_read(examples):
    assert [(each.language, each.file) for each in examples] == [
        ("sh", ""), ("yaml", WORKFLOW), ("yaml", ".gitlab-ci.yml"), ("yaml", ".pre-commit-config.yaml"), ("sh", ""),
        ("sh", ""),
    ]  # fmt: skip


# ---- GitHub --------------------------------------------------------------------------------------


@pytest.fixture
def workflow(examples) -> str:
    """The text of the workflow."""
    (found,) = (each.text for each in examples if each.file == WORKFLOW)
    return found


def test_the_workflow_follows_the_schema_of_workflows(example_file, follows_schema):
    workflow = example_file(WORKFLOW)

    assert follows_schema(_said_in_full(workflow), "github-workflows")


def test_the_validator_of_workflows_sees_what_is_wrong(example_file, follows_schema):
    damaged = copy.deepcopy(example_file(WORKFLOW))
    damaged["jobs"]["audit"]["permissions"]["pull-requests"] = "comment"

    assert not follows_schema(_said_in_full(damaged), "github-workflows")


def _said_in_full(workflow):
    """Return a workflow with its key ``on``, which YAML 1.1 reads as a truth value."""
    return {("on" if key is True else key): value for key, value in workflow.items()}


def test_a_security_linter_finds_nothing_in_the_workflow(workflow, zizmor, tmp_path):
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    (folder / "audit.yml").write_text(workflow, encoding="utf-8")
    (folder / "wrong.yml").write_text(workflow.replace("  pull_request:\n", "  pull_request_target:\n"))

    assert zizmor(folder / "audit.yml") == []
    assert "dangerous-triggers" in zizmor(folder / "wrong.yml")


def test_the_workflow_gives_the_permissions_that_the_page_explains_and_no_others(example_file):
    job = example_file(WORKFLOW)["jobs"]["audit"]

    assert job["permissions"] == {"contents": "read", "security-events": "write", "pull-requests": "write"}
    assert example_file(WORKFLOW)["permissions"] == {}
    assert all(f"`{name}: {value}`" in PAGE for name, value in job["permissions"].items())


def test_every_input_and_output_of_the_action_stands_in_the_page(example_file):
    table = PAGE[PAGE.index("| input |") : PAGE.index("Outputs:")]
    outputs = PAGE[PAGE.index("Outputs:") : PAGE.index("**Permissions.**")]
    *_, step = example_file(WORKFLOW)["jobs"]["audit"]["steps"]

    assert [name for name in ACTION["inputs"] if f"`{name}`" not in table] == []
    assert [name for name in ACTION["outputs"] if f"`{name}`" not in outputs] == []
    assert set(step["with"]) == {name for name, each in ACTION["inputs"].items() if each.get("required")}


# ---- GitLab --------------------------------------------------------------------------------------


def test_the_job_follows_the_schema_of_gitlab_and_extends_the_template(example_file, follows_schema):
    pipeline = example_file(".gitlab-ci.yml")
    (included,) = pipeline["include"]

    assert follows_schema(pipeline, "gitlab-ci")
    assert (ROOT / included["file"]).is_file()
    assert not follows_schema(pipeline | {"include": [{"projekt": "x"}]}, "gitlab-ci")


# ---- shell ---------------------------------------------------------------------------------------


def test_shellcheck_finds_nothing_in_what_is_to_be_typed(examples, shellcheck):
    assert [shellcheck(each.text) for each in examples if each.language == "sh"] == ["", "", ""]


def test_the_commands_to_begin_with_do_what_the_page_says(examples, shell, repository):
    first, *_ = (each.text for each in examples if each.language == "sh")

    ended = shell("bash", "-euo", "pipefail", "-c", first, cwd=repository)

    assert ended.code == 0, ended.err
    out = repository / "audit-out"
    said = ended.out.splitlines()
    assert said[0].startswith("policies/credit.yaml: valid (1 check, 1 criterion, ")
    assert said[1] == json.loads((out / "record.json").read_text(encoding="utf-8"))["model"]["digest"]
    assert "ended with 1" in said
    formats = ("json", "html", "junit", "sarif", "gitlab", "summary", "comment", "csv", "model-card")
    assert {path.name for path in out.iterdir()} == {FORMATS[name].file_name for name in formats}


def test_the_arguments_of_the_image_are_those_of_the_dockerfile(examples):
    build, run = (each.text for each in examples if each.language == "sh" and "docker" in each.text)
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")

    assert set(re.findall(r"--build-arg (\w+)=", build)) <= set(re.findall(r"^ARG (\w+)=", dockerfile, re.MULTILINE))
    assert build.splitlines()[1].split()[-2] in dockerfile
    assert run.count("--network none") == run.count("docker run") == 2
    assert "/var/cache/inspectoscope" in PAGE
    assert "INSPECTOSCOPE_CACHE=/var/cache/inspectoscope" in dockerfile
