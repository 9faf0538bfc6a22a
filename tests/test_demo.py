"""The demo finds the bias that was planted, and none where none was."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit import record
from audit.errors import UserError
from audit.types import Verdict

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def demo(command, organism_cache, tmp_path_factory):
    """What the demo wrote, and how it ended."""
    out = tmp_path_factory.mktemp("demo")
    ended = command("demo", "--out", out, INSPECTOSCOPE_CACHE=str(organism_cache.parent))
    return out, ended


@pytest.fixture
def verdicts(demo):
    def of(name: str) -> list[Verdict]:
        found = record.read(demo[0] / name / "record.json")
        return [criterion.verdict for check in found.checks for criterion in check.criteria]

    return of


def test_the_demo_comes_out_as_planted(demo):
    _, ended = demo

    assert ended.code == 0, ended.err
    assert "auditing the biased model" in ended.err
    assert "auditing the clean model" in ended.err


def test_the_planted_bias_is_found(verdicts):
    assert Verdict.NOT_MET in verdicts("biased")


def test_the_clean_twin_meets_every_criterion(verdicts):
    found = verdicts("clean")

    assert len(found) == 3
    assert set(found) == {Verdict.MET}


def test_both_audits_are_made_with_the_same_policy(demo):
    both = [record.read(demo[0] / name / "record.json") for name in ("biased", "clean")]

    assert both[0].policy == both[1].policy
    assert both[0].model.digest != both[1].model.digest
    assert [found.model.name for found in both] == ["biased credit model (demo)", "clean credit model (demo)"]
    assert not Path(both[0].policy.path).is_absolute()


def test_each_audit_leaves_six_files(demo):
    for name in ("biased", "clean"):
        assert sorted(path.name for path in (demo[0] / name).iterdir()) == [
            "junit.xml", "record.json", "report.html", "report.pdf", "results.sarif", "summary.md",
        ]  # fmt: skip


@pytest.mark.parametrize("name", ["biased", "clean"])
def test_nothing_of_the_demo_is_broken(cli, demo, name):
    ended = cli("verify", demo[0] / name / "report.pdf")

    assert ended.code == 0, ended.out


def test_reports_of_the_demo_follow_the_standards(demo, verapdf):
    for standard in ("PDF/A-3a", "PDF/UA-1"):
        assert verapdf.check(demo[0] / "biased" / "report.pdf", standard).broken == {}


def test_a_demo_that_does_not_come_out_as_planted_says_so():
    from audit.demonstration import _unexpected

    assert _unexpected("biased", [Verdict.MET, Verdict.NOT_MET]) == []
    assert _unexpected("clean", [Verdict.MET, Verdict.MET]) == []
    missed = UserError("The demo did not come out as planted", _unexpected("biased", [Verdict.MET]))
    alarmed = _unexpected("clean", [Verdict.MET, Verdict.INCONCLUSIVE])

    assert str(missed) == (
        "The demo did not come out as planted\n\n"
        "the biased model: criteria came out as met\n"
        "  expected: at least one criterion not met\n"
        "  do: this is a defect of inspectoscope; please report it with the record"
    )
    assert alarmed[0].expected == "every criterion met"
