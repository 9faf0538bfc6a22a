"""Error rates of the instrument are bound to what they were measured with, and say so where they do not hold."""

import json
from dataclasses import replace

import pytest

from audit import pipeline, qualification, selftest
from audit.errors import UserError
from audit.resources import folder
from audit.types import Verdict

CREDIT = folder("policies") / "credit-decision.yaml"


@pytest.fixture(scope="module")
def policy():
    return pipeline.read_policy(CREDIT)


@pytest.fixture
def tallies():
    made = {"plant": {Verdict.NOT_MET: 19, Verdict.INCONCLUSIVE: 1}, "decoy": {Verdict.INCONCLUSIVE: 20}}
    cells = [cell for cell in selftest.cells() if cell.policy == "credit"]
    out = []
    for cell in cells:
        counts = made.get(cell.role, {qualification.RIGHT[cell.role][0]: 20})
        out.append(selftest.Tally(cell=cell, seeds=list(range(20))))
        out[-1].verdicts.update(counts)
    return out


@pytest.fixture
def data(tallies):
    return selftest.as_data(tallies, made_on="2026-11-23", tool="0.1.0")


def test_cells_made_with_the_same_method_parameters_hold_for_another_policy(policy, data):
    part = qualification.for_policy(policy, data)

    assert [(entry.id, entry.status) for entry in part.checks] == [("swap-gap", "valid"), ("stratified-gap", "valid")]
    strong = next(c for c in part.checks[0].cells if c.kind == "direct 0.60")
    assert (strong.right, strong.audits, strong.share_right) == ((Verdict.NOT_MET,), 20, 0.95)
    assert (strong.low, strong.high) == (pytest.approx(0.7513, abs=1e-4), pytest.approx(0.9987, abs=1e-4))


def test_another_version_of_a_check_voids_its_cells(policy, data):
    for entry in data["policies"].values():
        entry["checks"]["counterfactual"]["version"] = "0"

    swap = qualification.for_policy(policy, data).checks[0]

    assert swap.status == "void: made with version 0 of this check, and version 1 was used"
    assert swap.cells == ()


def test_other_method_parameters_void_the_cells(policy, data):
    checks = tuple(
        replace(check, params=check.params.model_copy(update={"min_cell": 5}))
        if check.id == "stratified-gap"
        else check
        for check in policy.checks
    )

    part = qualification.for_policy(replace(policy, checks=checks), data)

    assert part.checks[1].status == "void: made with other parameters of this check than were used"


def test_a_check_that_no_planted_model_was_audited_with_is_not_examined(policy, data):
    for entry in data["policies"].values():
        entry["checks"].pop("group_outcomes")

    assert qualification.for_policy(policy, data).checks[1].status == "not examined"


def test_without_a_qualification_the_record_holds_none(policy):
    assert qualification.for_policy(policy, None) is None


def test_what_ships_can_be_read_and_bounds_its_cells_by_intervals(policy):
    data = qualification.shipped()

    if data is None:
        pytest.skip("no qualification ships with this version")
    for entry in qualification.for_policy(policy, data).checks:
        assert all(cell.low <= cell.share_right <= cell.high for cell in entry.cells)


def test_a_damaged_qualification_is_told(tmp_path, monkeypatch):
    (tmp_path / qualification.SHIPPED).write_text("{", encoding="utf-8")
    monkeypatch.setattr(qualification, "folder", lambda _: tmp_path)

    with pytest.raises(UserError, match="The qualification cannot be read"):
        qualification.shipped()


def test_the_table_gives_each_cell_with_its_exact_interval(tallies):
    lines = selftest.lines(tallies)

    strong = next(line for line in lines if "direct 0.60" in line)
    assert strong.split()[-7:] == ["19", "0", "1", "0", "0.95", "[0.75,", "1.00]"]


def test_an_instrument_that_sees_as_it_should_has_no_failures(tallies):
    assert selftest.failures(tallies) is None


@pytest.mark.parametrize(
    ("role", "verdicts", "found"),
    [
        ("clean", {Verdict.NOT_MET: 1, Verdict.MET: 19}, "1 of 20 not met"),
        ("decoy", {Verdict.NOT_MET: 2, Verdict.MET: 18}, "2 of 20 not met"),
        ("unmeasurable", {Verdict.MET: 20}, "20 of 20 judged"),
    ],
)
def test_blaming_the_fair_and_judging_the_unmeasurable_are_failures(tallies, role, verdicts, found):
    wrong = next(tally for tally in tallies if tally.cell.role == "clean")
    wrong = selftest.Tally(cell=replace(wrong.cell, role=role))
    wrong.verdicts.update(verdicts)

    failed = selftest.failures([wrong])

    assert [problem.found for problem in failed.problems] == [found]


def test_a_strong_plant_that_is_never_found_is_a_failure(tallies):
    strong = next(tally for tally in tallies if tally.cell.strong)
    strong.verdicts = type(strong.verdicts)({Verdict.MET: 3})

    assert [problem.found for problem in selftest.failures([strong]).problems] == ["none of 3 found"]


def test_a_qualification_is_written_as_it_ships(tallies, tmp_path):
    selftest.write(tallies, tmp_path / "q.json")

    written = json.loads((tmp_path / "q.json").read_text(encoding="utf-8"))
    assert {cell["family"] for cell in written["cells"]} == {"credit"}
    assert sum(written["cells"][0]["verdicts"].values()) == written["cells"][0]["audits"]
