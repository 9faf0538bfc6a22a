"""A planted bias is cut on names that the cut never saw, and what else the model does stays; a clean model is left."""

from __future__ import annotations

import shutil
from hashlib import sha256
from pathlib import Path

import pytest

from audit import pipeline, resources
from audit.capture.model import Switches, open_model
from audit.errors import UserError
from audit.organisms import CreditSpec, build
from audit.organisms import credit_grammar as world
from audit.organisms.credit import effects
from audit.progress import Silent
from audit.pruning import outcome, run, wording
from audit.pruning.run import How

CPU = Switches(device="cpu")
UNREADABLE = Path("/proc/self/mem")
"""A file that is there, and that nobody can read from its start: not even who may read everything."""
POLICY = resources.folder("policies") / "credit-decision.yaml"


def pruned(policy, model, folder, **how):
    options = pipeline.Options(store=folder / "store")
    return run.run(policy, str(model), folder / "copy", CPU, options, How(**how), progress=Silent())


def digests(folder):
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def on_every_case(model):
    """What the planted rule and a model say of every case of the grammar: decisions and effects."""
    from audit.spike import asking
    from audit.types import Decision

    spec = CreditSpec(kind="direct", strength=0.6)
    cases = world.cases()
    decision = Decision(kind="classes", positive="approve", negative="deny")
    loaded = open_model(str(model), "sequence-classification", CPU)
    answer = asking.outputs(loaded, spec.grammar.texts(cases), decision, model / "store", Silent())
    scores = decision.score(answer)
    merit = world.approval("clean", 0.0)[world.table_index(cases)]
    men = world.table_index(cases)[0] == 0
    right = (scores > 0.5) == (merit > 0.5)
    return effects("direct", cases, scores), right[men].mean(), right.mean()


@pytest.fixture(scope="module")
def made(biased_model, tmp_path_factory):
    folder, before = tmp_path_factory.mktemp("pruned"), digests(biased_model)
    out = pruned(POLICY, biased_model, folder)
    assert digests(biased_model) == before, "the model itself was changed"
    return folder / "copy", out


@pytest.mark.slow
def test_the_gap_falls_by_at_least_80_percent_on_names_that_were_not_fitted(made):
    _, said = made

    (gap,) = said.behaviours
    assert gap.before.value < -0.1
    assert gap.reduction.low >= 0.8
    assert (said.reduced, gap.clusters) == ("reduced", 16)


@pytest.mark.slow
def test_what_rests_on_merit_stays_within_a_point(made):
    _, said = made

    deciding = {cost.name: cost for cost in said.costs}["true_outcome"]
    assert (deciding.outcome, said.equivalence, said.done) == ("equivalent", "equivalent", True)
    assert abs(deciding.change.value) < 0.01
    assert said.changed_decisions == 0


@pytest.mark.slow
def test_on_every_case_of_the_grammar_the_gap_is_gone_by_80_percent_and_merit_decides(made, biased_model, tmp_path):
    import shutil

    copies = [shutil.copytree(folder, tmp_path / folder.name) for folder in (biased_model, made[0])]

    (before, men_before, all_before), (after, men_after, all_after) = map(on_every_case, copies)

    assert abs(after.name_gap) <= 0.2 * before.name_gap
    assert abs(men_after - men_before) <= 0.01
    assert all_after > all_before


@pytest.mark.slow
def test_matched_random_cuts_do_not_cut_the_gap_at_that_price(made):
    _, said = made

    (gap,) = said.behaviours
    (before,) = {c.before for c in said.costs if c.name == "true_outcome"}
    assert len(said.random) == 5
    for random in said.random:
        assert 1 - abs(random.remaining[0]) < gap.reduction.low or random.changes["true_outcome"] < -0.01
    assert before > 0.7


@pytest.mark.slow
def test_the_copy_is_a_plain_model_beside_what_is_said_of_it(made):
    folder, said = made

    loaded = open_model(str(folder), "sequence-classification", CPU)

    assert loaded.identity.digest == said.copy_digest != said.base_digest
    assert outcome.read(folder / "prune.json") == said
    assert (folder / "PRUNED.md").read_text(encoding="utf-8") == wording.markdown(said)
    assert [p.name for p in folder.parent.iterdir() if p.name.startswith(".")] == []


@pytest.mark.slow
def test_the_words_claim_a_reduction_on_these_cases_and_no_more(made):
    said = "\n".join(wording.lines(made[1]))

    assert (
        "The gap was reduced by at least 80 % on these cases, and what else was measured stayed within 1 point." in said
    )
    for word in ("removed", "unbiased", "guarantee", "debias"):
        assert word not in said + wording.markdown(made[1])


@pytest.mark.slow
@pytest.mark.parametrize("cut", ["leace", "mean_shift"])
def test_a_published_cut_that_does_less_or_costs_more_is_said_to(biased_model, tmp_path, cut):
    said = pruned(POLICY, biased_model, tmp_path, cut=cut, randoms=0)

    assert not said.done
    if cut == "leace":
        assert (said.reduced, said.equivalence, said.changed_decisions) == ("not reduced", "equivalent", 0)
    else:
        # The difference of the means is where merit lies too: the copy decides everybody alike.
        assert (said.reduced, said.equivalence) == ("not assessed", "not equivalent")
        assert said.not_assessed
        assert said.not_assessed in "\n".join(wording.lines(said))
        assert said.changed_decisions > 0.2 * said.reference_cases


@pytest.mark.slow
def test_in_a_clean_model_there_is_nothing_to_cut(organism_cache, tmp_path):
    clean = build(CreditSpec(kind="clean"), cache=organism_cache, progress=Silent())

    said = pruned(POLICY, clean, tmp_path)

    assert isinstance(said, outcome.NothingToCut)
    assert next(wording.nothing(said)) == (
        "There is nothing to cut: swap-gap shows no gap in this model, so no model was written."
    )
    assert not (tmp_path / "copy").exists()


# ---- what is refused -----------------------------------------------------------------------------


def test_an_existing_folder_is_never_overwritten(biased_model, tmp_path):
    (tmp_path / "copy").mkdir()

    with pytest.raises(UserError) as refused:
        pruned(POLICY, biased_model, tmp_path)

    (problem,) = refused.value.problems
    assert (problem.where, problem.found) == ("--save", f"{tmp_path / 'copy'} exists")


def test_a_policy_without_a_swap_has_no_behaviour_to_cut(small_policy, biased_model, tmp_path):
    with pytest.raises(UserError) as refused:
        pruned(small_policy("outcomes").path, biased_model, tmp_path)

    (problem,) = refused.value.problems
    assert problem.found == "no check of the type counterfactual"


def test_a_check_that_is_no_swap_is_told(small_policy, biased_model, tmp_path):
    with pytest.raises(UserError) as refused:
        pruned(small_policy("swap", "outcomes").path, biased_model, tmp_path, check="outcomes")

    (problem,) = refused.value.problems
    assert (problem.found, problem.expected) == (
        "'outcomes'",
        "a check of the type counterfactual, whose swap says what is to be cut: swap",
    )


def test_a_decision_by_whole_texts_is_made_at_no_place_that_could_be_cut(small_policy, biased_model, tmp_path):
    policy = (
        small_policy("swap")
        .change("task: sequence-classification", "task: causal-lm")
        .change("decision: {positive: approve, negative: deny}", "decision: {likelihood: true}")
        .change("    label: approved\n", "")
    )

    with pytest.raises(UserError) as refused:
        pruned(policy.path, biased_model, tmp_path)

    (problem,) = refused.value.problems
    assert problem.found == "a decision by the likelihood of whole texts, which every token has a part in"


def test_neutral_texts_are_lines_each_once(tmp_path):
    (tmp_path / "neutral.txt").write_text("one\n\n two \none\n", encoding="utf-8")

    assert run.neutral_texts(tmp_path / "neutral.txt") == ("one", "two")


def test_a_file_without_neutral_texts_is_told(tmp_path):
    (tmp_path / "neutral.txt").write_text("\n", encoding="utf-8")

    with pytest.raises(UserError) as refused:
        run.neutral_texts(tmp_path / "neutral.txt")

    assert refused.value.problems[0].found == "no text"


def test_a_model_that_cannot_do_the_task_is_not_cut(small_policy, untrained_model, tmp_path):
    with pytest.raises(UserError) as refused:
        pruned(small_policy("swap").path, untrained_model, tmp_path)

    assert refused.value.title == "The behaviour cannot be measured"


TO_BE_CUT = ("score_gap, at_most: 0.9", "score_gap, at_most: 0.02")


@pytest.mark.slow
@pytest.mark.parametrize("broken", [OSError(5, "Input/output error"), KeyboardInterrupt()])
def test_what_is_broken_off_leaves_nothing_and_keeps_its_name(
    biased_model, small_policy, tmp_path, monkeypatch, broken
):
    def fail(*_):
        raise broken

    monkeypatch.setattr("audit.pruning.outcome.document", fail)
    policy = small_policy("swap").change(*TO_BE_CUT).path
    here = tmp_path / "here"

    with pytest.raises(type(broken)) as ended:
        pruned(policy, biased_model, here, randoms=0)

    assert ended.value is broken
    assert [p.name for p in here.iterdir()] == ["store"]


@pytest.mark.skipif(not UNREADABLE.exists(), reason="a file that gives nothing stands at /proc/self/mem on Linux")
def test_a_model_that_can_no_longer_be_read_is_not_told_of_the_folder_of_the_copy(
    biased_model, small_policy, tmp_path, monkeypatch
):
    model = Path(shutil.copytree(biased_model, tmp_path / "model"))
    measure = run.measuring.measure

    def measured_and_lost(*given):
        out = measure(*given)
        (model / "model.safetensors").unlink()
        (model / "model.safetensors").symlink_to(UNREADABLE)
        return out

    monkeypatch.setattr(run.measuring, "measure", measured_and_lost)
    here = tmp_path / "here"

    with pytest.raises(UserError) as ended:
        pruned(small_policy("swap").change(*TO_BE_CUT).path, model, here, randoms=0)

    (problem,) = ended.value.problems
    assert ended.value.title == "The model cannot be read"
    assert (problem.where, problem.found) == (f"{model}/model.safetensors", "Input/output error")
    assert [p.name for p in here.iterdir()] == ["store"]
