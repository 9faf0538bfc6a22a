"""The parts that carry a swap's effect are found in models whose mechanism is known, and none where there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedTokenizerFast

from audit.capture.cost import Cost
from audit.capture.executors.local import LocalExecutor
from audit.capture.model import LoadedModel, adopt
from audit.capture.parts import part_map
from audit.capture.scheduler import Scheduler
from audit.capture.store import Store
from audit.checks import _toy, localise
from audit.checks._localising import division
from audit.checks._localising.part_sets import matched, nested, sizes
from audit.checks._toy import parts as toy_parts
from audit.progress import Silent
from audit.types import Dataset, Decision, Finding, Grid, NotAssessed, Part, Table

PAIRS = [{"female": female, "male": male} for female, male in _toy.NAMES]
SWAP = {"sex": {"from": "name", "pairs": PAIRS}}


def params(**more: Any) -> localise.Params:
    return localise.Params.model_validate({"swap": SWAP, **more})


def on_toy(model: Any, data: Dataset | None = None, seed: int = 0, **more: Any) -> Finding | NotAssessed:
    run = localise.run(params(**more), data or _toy.applicants(), _toy.DECISION, np.random.default_rng(seed))
    return _toy.drive(run, model)


def found(outcome: Finding | NotAssessed) -> Finding:
    assert isinstance(outcome, Finding), outcome
    return outcome


def share(finding: Finding, metric: str = "carried_share") -> float:
    return next(m.value for m in finding.measurements if m.metric == metric)


def passed(finding: Finding, name: str) -> bool | None:
    return next(v.passed for v in finding.validity if v.name == name)


def table(finding: Finding, name: str) -> dict[str, dict[str, Any]]:
    shown = next(e for e in finding.exhibits if isinstance(e, Table) and e.id == name)
    return {str(row[0]): dict(zip((c.title for c in shown.columns), row, strict=True)) for row in shown.rows}


# ---- toys ----------------------------------------------------------------------------------------


def test_the_three_parts_are_the_set_and_carry_what_they_were_made_to_carry() -> None:
    finding = found(on_toy(toy_parts.credit(1.0, toy_parts.PLANTED)))

    rows = table(finding, "parts")
    assert {name for name, row in rows.items() if row["In the set"] == "yes"} == {p.name for p in toy_parts.PLANTED}
    assert all(row["Confirmed"] == "yes" for row in rows.values())
    assert share(finding) == pytest.approx(0.95, abs=0.01)
    assert share(finding, "returned_share") == pytest.approx(0.95, abs=0.01)
    assert share(finding, "random_share") == pytest.approx(0.0, abs=0.01)
    for part, planted in toy_parts.PLANTED.items():
        assert rows[part.name]["Share"] == pytest.approx(planted, abs=0.01)


def test_what_passes_by_all_parts_is_told() -> None:
    half = {part: each / 2 for part, each in toy_parts.PLANTED.items()}

    finding = found(on_toy(toy_parts.credit(1.0, half)))

    assert share(finding, "whole_share") == pytest.approx(0.475, abs=0.01)
    assert passed(finding, "share_reached") is False


def test_parts_that_work_against_the_effect_belong_to_the_set() -> None:
    push, brake = Part(kind="head", block=0, index=0), Part(kind="neuron", block=1, index=2)

    finding = found(on_toy(toy_parts.credit(1.0, {push: 1.6, brake: -0.6})))

    rows = table(finding, "parts")
    assert {name for name, row in rows.items() if row["In the set"] == "yes"} == {push.name, brake.name}
    assert rows[brake.name]["Share"] == pytest.approx(-0.6, abs=0.01)
    assert share(finding) == pytest.approx(1.0, abs=0.01)
    assert [row["Held-out pairs"] for row in table(finding, "growth").values()] == pytest.approx([1.6, 1.0], abs=0.01)


def test_misses_in_both_directions_do_not_cancel() -> None:
    weights = toy_parts.credit(1.0, {}).weights

    class Uneven(toy_parts.Carrier):
        def _patched(self, text: str, reference: str, parts: Any, at: Any) -> float:
            value = super()._patched(text, reference, parts, at)
            # Half of the cases are carried half as much too far, the others as much too little.
            off = 0.5 if "income_high" in text else -0.25
            return value + (off * self._total(text, reference) if PART in parts else 0.0)

    finding = found(on_toy(Uneven(weights=weights, shares={PART: 1.0})))

    assert share(finding) == pytest.approx(1.0, abs=0.05)
    assert share(finding, "missed_share") == pytest.approx(1 / 3, abs=0.05)


PART = Part(kind="neuron", block=0, index=3)


def test_the_map_shows_the_field_that_was_swapped() -> None:
    finding = found(on_toy(toy_parts.credit(1.0, toy_parts.PLANTED)))

    grids = [e for e in finding.exhibits if isinstance(e, Grid)]
    assert [g.id for g in grids] == ["map", "first_order_map"]
    for grid in grids:
        name = grid.columns.index("name")
        for row in grid.values:
            assert row[name] == pytest.approx(-1.0, abs=0.05)
            assert not any(value for i, value in enumerate(row) if i != name)


def test_a_set_of_every_head_has_no_other_to_be_compared_with() -> None:
    heads = {Part(kind="head", block=b, index=i): 1 / 6 for b in range(2) for i in range(3)}

    finding = found(on_toy(toy_parts.credit(1.0, heads), kinds=["head"]))

    assert passed(finding, "beyond_random") is False


def test_an_effect_below_what_the_policy_asks_is_nothing_to_localise() -> None:
    outcome = on_toy(toy_parts.credit(1.0, toy_parts.PLANTED), least_effect=0.2)

    assert isinstance(outcome, NotAssessed)
    assert outcome.reason.startswith("nothing to localise: the swap moves the score by -0.13")
    assert [v.passed for v in outcome.validity] == [False]


def test_effects_that_differ_in_sign_are_no_mean_to_localise() -> None:
    # Half of the names lose and half gain: the mean is nothing, and the interval says so.
    weights = {name: (1.0 if i % 2 else -1.0) for i, (name, _) in enumerate(_toy.NAMES)}
    model = toy_parts.Carrier(weights=_toy.MERIT | weights, shares=toy_parts.PLANTED)

    outcome = on_toy(model)

    assert isinstance(outcome, NotAssessed)
    assert outcome.reason.startswith("nothing to localise: ")


def test_the_ranking_is_another_with_other_names_and_the_parts_are_the_same() -> None:
    sets = []
    for seed in range(5):
        rows = table(found(on_toy(toy_parts.credit(1.0, toy_parts.PLANTED), seed=seed)), "parts")
        sets.append({name for name, row in rows.items() if row["In the set"] == "yes"})

    assert all(names == sets[0] for names in sets)


# ---- which pairs ---------------------------------------------------------------------------------


def test_no_name_both_ranks_and_confirms() -> None:
    pairs = [
        division.Pair(row=i, text=f"a{i}", counterpart=f"b{i}", clusters=(f"pair {i // 4}", f"row {i}"))
        for i in range(40)
    ]

    plan = division.divided(pairs, 6, np.random.default_rng(3))

    assert isinstance(plan, division.Division)
    assert {p.clusters[0] for p in plan.screening}.isdisjoint(p.clusters[0] for p in plan.held_out)
    assert (len(plan.screening), len(plan.held_out)) == (6, 6)


def test_pairs_that_do_not_align_are_left_out_and_counted(make_data: Callable[..., Dataset]) -> None:
    # Three of ten pairs: "Ada Lee" is two words, and so two tokens of the toy.
    pairs = [{"female": f + (" Lee" if i < 3 else ""), "male": m} for i, (f, m) in enumerate(_toy.NAMES)]
    rows = [
        {"name": name, "income": f"income_{income}", "debt": f"debt_{debt}"}
        for pair in pairs
        for name in pair.values()
        for income in _toy.LEVELS
        for debt in _toy.LEVELS
    ]
    data = make_data(rows, text="{name} has {income} {debt}", cluster=("name",))

    finding = found(
        on_toy(toy_parts.credit(1.0, toy_parts.PLANTED), data, swap={"sex": {"from": "name", "pairs": pairs}})
    )

    check = next(v for v in finding.validity if v.name == "pairs_align")
    assert check.found.startswith("27 of 90 pairs have different numbers of tokens and are left out; 0 are")
    assert check.passed is True


def test_too_few_names_are_not_divided() -> None:
    outcome = on_toy(toy_parts.credit(1.0, toy_parts.PLANTED), swap={"sex": {"from": "name", "pairs": PAIRS[:5]}})

    assert isinstance(outcome, NotAssessed)
    assert outcome.reason == (
        "too few clusters to rank parts on some and confirm them on others: 2 clusters of aligned pairs in one part"
    )


def test_every_token_is_told_its_field() -> None:
    data = _toy.applicants()
    swap = params().swap["sex"]
    pair = division.candidates(division.comparison(swap, "", data), np.random.default_rng(0))[0]
    tokens = dict(zip((pair.text, pair.counterpart), _toy.Toy(weights={}).answer(asked(pair)), strict=True))

    (told,) = division.aligned([pair], tokens, swap, data).pairs

    assert told.fields == ("name", "other words", "income", "debt")
    assert told.tokens_of("income") == (2,)
    assert told.tokens_of("town") == ()


def asked(pair: division.Pair) -> Any:
    from audit.requests import Tokenised

    return Tokenised(texts=(pair.text, pair.counterpart))


# ---- sets ----------------------------------------------------------------------------------------


def test_sets_grow_by_one_and_then_by_about_a_third() -> None:
    assert sizes(20) == [1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20]
    assert sizes(3) == [1, 2, 3]
    assert sizes(0) == []
    assert [len(s) for s in nested([Part(kind="mlp", block=b) for b in range(5)], 64)] == [1, 2, 3, 4, 5]


def test_a_matched_set_has_as_many_of_each_kind_and_none_of_the_same_where_there_are_others() -> None:
    every = [Part(kind="head", block=b, index=i) for b in range(2) for i in range(4)]
    every += [Part(kind="neuron", block=0, index=i) for i in range(3)]
    parts = (*every[:3], every[8], every[9])

    drawn = matched(parts, every, np.random.default_rng(0))

    kinds = [part.kind for part in drawn]
    assert (kinds.count("head"), kinds.count("neuron")) == (3, 2)
    assert len(set(drawn)) == 5
    assert not {p for p in drawn if p.kind == "head"} & set(parts)
    # Only one other neuron is left, so one of the set's own fills up.
    assert len({p for p in drawn if p.kind == "neuron"} & set(parts)) == 1


# ---- parameters ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "at", "says"),
    [
        ({"value": "other"}, ("value",), "'other' has no cases to compare"),
        (
            {"swap": {"name": {"from": "name", "values": ["Ada", "Adam", "Bert"], "reference": ["Bert"]}}},
            ("value",),
            "several values to compare",
        ),
        (
            {"swap": {"name": {"from": "name", "values": ["Ada", "Adam", "Bert"], "reference": ["Adam", "Bert"]}}},
            ("swap", "name", "reference"),
            "2 references",
        ),
    ],
)
def test_parameters_that_do_not_fit_are_named(more: dict[str, Any], at: tuple[str, ...], says: str) -> None:
    problems = localise.problems(params(**more), _toy.applicants(), _toy.DECISION)

    assert (problems[0].at, problems[0].found) == (at, says)


def test_a_likelihood_has_no_parts_to_look_for() -> None:
    problems = localise.problems(params(), _toy.applicants(), Decision(kind="likelihood"))

    assert [p.found for p in problems] == ["a likelihood has no decision whose parts could be looked for"]


# ---- models whose mechanism is built by hand -----------------------------------------------------

HEAD = Part(kind="head", block=0, index=1)
NEURON = Part(kind="neuron", block=1, index=5)
WOMEN, MEN = zip(*_toy.NAMES, strict=True)
WORDS = ("<s>", "<pad>", "<unk>", *WOMEN, *MEN, "applicant", "earns", *(f"income_{x}" for x in _toy.LEVELS), ".")
SHAPES: dict[str, dict[str, Any]] = {
    "bert": {},
    "gpt2": {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 32, "n_inner": 64},
    "llama": {"num_key_value_heads": 2},
}


def tokenizer() -> PreTrainedTokenizerFast:
    backend = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", unk_token="<unk>", bos_token="<s>")


def built(family: str) -> LoadedModel:
    """A model in which one head alone carries words to where the output is read, and one neuron reads them there."""
    config = AutoConfig.for_model(
        family, vocab_size=len(WORDS), hidden_size=32, num_hidden_layers=3, num_attention_heads=4,
        intermediate_size=64, max_position_embeddings=32, pad_token_id=1, num_labels=2,
        id2label={0: "deny", 1: "approve"}, label2id={"deny": 0, "approve": 1}, **SHAPES[family],
    )  # fmt: skip
    torch.manual_seed(3)
    model = AutoModelForSequenceClassification.from_config(config)
    loaded = adopt(model, tokenizer(), "sequence-classification", name=f"built {family}")
    where = part_map(loaded)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 2 and "embed" not in name and "wte" not in name:
                parameter.mul_(8.0)
        table = loaded.parts.embeddings.weight
        sex = torch.randn(32)
        for female, male in _toy.NAMES:
            a, b = WORDS.index(female), WORDS.index(male)
            table[b] = table[a] + 2 * sex / sex.norm()
        for number, block in enumerate(where.blocks):
            silence(block.attention, where.columns(HEAD) if number == HEAD.block else None)
            silence(block.mlp, where.columns(NEURON) if number == NEURON.block else None)
    return loaded


def silence(matrix: torch.nn.Module, kept: slice | None) -> None:
    """Let a matrix write from some of its inputs alone."""
    by_input = matrix.weight if type(matrix).__name__ == "Conv1D" else matrix.weight.T
    idle = torch.ones(len(by_input), dtype=torch.bool)
    if kept is not None:
        idle[kept] = False
    by_input[idle] = 0.0


@pytest.fixture
def people(make_data: Callable[..., Dataset]) -> Dataset:
    rows = [
        {"name": name, "income": f"income_{income}"} for pair in _toy.NAMES for name in pair for income in _toy.LEVELS
    ]
    return make_data(rows, text="applicant {name} earns {income} .", cluster=("name",))


@pytest.fixture
def audited(tmp_path: Path, people: Dataset) -> Iterator[Callable[..., Finding | NotAssessed]]:
    """Run the check on a model as an audit would."""
    stores: list[Store] = []

    def run(loaded: LoadedModel, **more: Any) -> Finding | NotAssessed:
        stores.append(Store(tmp_path / str(len(stores)), loaded.context))
        check = localise.run(params(least_effect=1e-4, **more), people, _toy.DECISION, np.random.default_rng(1))
        scheduler = Scheduler(executor=LocalExecutor(loaded), store=stores[-1], progress=Silent(), cost=Cost())
        outcome: Finding | NotAssessed = scheduler.run({"it": check})["it"]
        return outcome

    yield run
    for store in stores:
        store.close()


@pytest.mark.parametrize("family", sorted(SHAPES))
def test_the_head_that_carries_everything_is_found_and_no_other(
    audited: Callable[..., Finding | NotAssessed], family: str
) -> None:
    finding = found(audited(built(family)))

    rows = table(finding, "parts")
    assert [name for name, row in rows.items() if row["In the set"] == "yes"] == [HEAD.name]
    assert set(rows) <= {HEAD.name, NEURON.name}
    assert share(finding) == pytest.approx(1.0, abs=1e-3)
    assert share(finding, "random_share") == pytest.approx(0.0, abs=1e-3)
    assert share(finding, "returned_share") == pytest.approx(1.0, abs=1e-3)
    assert passed(finding, "beyond_random") is True


@pytest.mark.parametrize("family", sorted(SHAPES))
def test_among_neurons_the_one_that_acts_is_found(audited: Callable[..., Finding | NotAssessed], family: str) -> None:
    finding = found(audited(built(family), kinds=["neuron"]))

    assert set(table(finding, "parts")) == {NEURON.name}
    assert share(finding, "random_share") == pytest.approx(0.0, abs=1e-3)
    # What the head writes goes to the output without the neuron as well, which may work with it or against it.
    assert passed(finding, "share_reached") is False


def test_names_that_are_alike_leave_nothing_to_localise(audited: Callable[..., Finding | NotAssessed]) -> None:
    loaded = built("bert")
    with torch.no_grad():
        table_ = loaded.parts.embeddings.weight
        for female, male in _toy.NAMES:
            table_[WORDS.index(male)] = table_[WORDS.index(female)] * (1 + 1e-6)

    outcome = audited(loaded)

    assert isinstance(outcome, NotAssessed)
    assert outcome.reason.startswith("nothing to localise: ")


def test_a_model_whose_parts_are_unknown_is_not_assessed_with_the_reason(
    audited: Callable[..., Finding | NotAssessed],
) -> None:
    loaded = built("bert")
    config = loaded.model.config
    config.chunk_size_feed_forward = 4

    outcome = audited(replace(loaded))

    assert isinstance(outcome, NotAssessed)
    assert outcome.reason.startswith("the heads and neurons cannot be followed, because the model runs its MLPs")
