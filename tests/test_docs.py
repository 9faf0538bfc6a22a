"""What the documentation shows is what happens."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from audit import pipeline
from audit.errors import UserError
from audit.resources import shipped_policies

ROOT = Path(__file__).resolve().parent.parent


def block(page, language):
    return re.search(rf"```{language}\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL).group(1)


@pytest.fixture
def example(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = Path("my-policy.yaml")
    path.write_text(block("docs/policies.md", "yaml"), encoding="utf-8")
    return path


def test_the_policy_of_the_guide_is_valid(example):
    policy = pipeline.read_policy(example)

    assert [check.id for check in policy.checks] == ["swap-gap"]
    assert len(policy.datasets["applications"].rows) == 8 * 2 * 3 * 3 * 3


def test_the_mistake_of_the_guide_is_told_as_the_guide_shows_it(example):
    example.write_text(example.read_text(encoding="utf-8").replace("    check: ", "    chek: "), encoding="utf-8")

    with pytest.raises(UserError) as told:
        pipeline.read_policy(example)

    assert str(told.value) == block("docs/policies.md", "text").rstrip()


def test_the_policy_of_the_guide_that_extends_another_is_valid(tmp_path):
    path = tmp_path / "our-credit.yaml"
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/policies.md").read_text(encoding="utf-8"), re.DOTALL)
    (written,) = (each for each in blocks if "extends:" in each)
    path.write_text(written, encoding="utf-8")

    policy = pipeline.read_policy(path)

    assert policy.bases[0].name == "${inspectoscope}/credit-decision.yaml"
    assert [check.id for check in policy.checks] == ["swap-gap", "what-it-leans-on", "sex-in-the-states"]
    assert policy.checks[0].criteria[0].bounds["score_gap"] == 0.01


def test_the_readme_names_every_shipped_policy():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert [path.stem for path in shipped_policies() if f"`{path.stem}`" not in readme] == []


def test_every_link_of_the_documentation_leads_somewhere():
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    links = [(page, link) for page in pages for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8"))]

    assert links
    assert [link for page, link in links if not (page.parent / link).exists()] == []


def test_every_dependency_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    pins = re.findall(r"^([\w.-]+)==[\w.]+$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    wanted = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    wanted += [need for extra in project["project"]["optional-dependencies"].values() for need in extra]
    names = {re.match(r"[\w.-]+", need)[0].lower().replace("_", "-") for need in wanted}

    assert names - set(pins) - {project["project"]["name"]} == set()
    assert "torch==2.13.0" in (ROOT / "constraints.txt").read_text(encoding="utf-8").split()


def test_a_record_alone_shows_that_its_link_of_the_history_is_whole(tmp_path, monkeypatch, capsys):
    from audit import redaction
    from audit.history import chain

    monkeypatch.chdir(tmp_path)
    check = {"value": 1e-07, "detail": "A row: « Größe ».", "samples": ["Another row."]}
    record = {"created": "2026-11-20T10:00:00Z", "limits": ["A gap of −0.1 « here »."], "checks": [check]}
    paths = ("checks.0.detail", "checks.0.samples.0")
    record["texts"] = {"salts": {path: redaction.salt().hex() for path in paths}, "withheld": {}}
    digest = redaction.digest(record)
    link = chain.link(previous=chain.beginning("an id"), number=1, record=digest, entered="2026-11-20T10:00:45Z")

    for shown in (record, redaction.withheld(record, paths[:1], "of age")):
        Path("record.json").write_text(json.dumps({**shown, "history": vars(link)}), encoding="utf-8")
        exec(block("docs/history.md", "python"), {})

    assert capsys.readouterr().out == "True True\nTrue True\n"
