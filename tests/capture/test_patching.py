"""A text read with parts of another text's run in it, held against models whose mechanism is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from audit.capture import patching
from audit.capture.cost import Cost
from audit.capture.evidence import unpacked_effects
from audit.capture.executors.local import LocalExecutor
from audit.capture.model import LoadedModel
from audit.capture.pairs import Pair, pair
from audit.capture.parts import by_row, part_map
from audit.capture.patching import Row
from audit.capture.scheduler import Scheduler
from audit.capture.store import Store
from audit.capture.tokens import token_ids
from audit.progress import Silent
from audit.requests import (
    Answers,
    CannotAnswer,
    CheckRun,
    ClassLogits,
    Contrast,
    PairEffects,
    PartEffects,
    Patched,
    Request,
)
from audit.types import Finding, NotAssessed, Part

CLASSIFIER = "sequence-classification"
FAMILIES = ["bert", "distilbert", "roberta", "gpt2", "llama", "qwen3", "gemma"]
CLASSES = Contrast(target=ClassLogits(), toward="approve", against="deny")
ANSWERS = Contrast(target=Answers(texts=(" approve", " deny")), toward=" approve", against=" deny")
TEXTS = ("the applicant maria has a high income .", "maria has low debt and a high income in spring .")
REFERENCES = tuple(text.replace("maria", "john") for text in TEXTS)
Load = Callable[[str, str], LoadedModel]


def pairs_of(
    loaded: LoadedModel, texts: tuple[str, ...] = TEXTS, references: tuple[str, ...] = REFERENCES
) -> list[Pair]:
    ids = token_ids(loaded, [*texts, *references])
    contrast = CLASSES if loaded.task == CLASSIFIER else ANSWERS
    return [pair(loaded, contrast, t, ids[t], ids[r]) for t, r in zip(TEXTS, REFERENCES, strict=True)]


def patched(loaded: LoadedModel, *sets: tuple[Part, ...], at: tuple[int, ...] | None = None) -> np.ndarray:
    """(pairs, sets)"""
    pairs = pairs_of(loaded)
    rows = [Row(pair=one, parts=parts, positions=at) for one in pairs for parts in sets]
    values, _ = LocalExecutor(loaded).patch(rows)
    return values.reshape(len(pairs), len(sets))


def effects(loaded: LoadedModel, *, both_ends: bool = True) -> list[PairEffects]:
    found = LocalExecutor(loaded).part_effects(pairs_of(loaded), both_ends=both_ends)
    return [unpacked_effects(vector) for vector in found.values]


@contextmanager
def weights_kept(loaded: LoadedModel) -> Iterator[None]:
    kept = {name: p.detach().clone() for name, p in loaded.model.named_parameters()}
    try:
        yield
    finally:
        with torch.no_grad():
            for name, parameter in loaded.model.named_parameters():
                parameter.copy_(kept[name])


def columns_kept(matrix: torch.nn.Module, kept: slice | None) -> None:
    """Let a matrix write from some of its inputs alone; None from no input."""
    weight = matrix.weight
    by_input = weight if type(matrix).__name__ == "Conv1D" else weight.T
    chosen = torch.zeros(len(by_input), dtype=torch.bool)
    if kept is not None:
        chosen[kept] = True
    by_input[~chosen] = 0.0


HEAD = Part(kind="head", block=0, index=1)
NEURON = Part(kind="neuron", block=1, index=5)


@contextmanager
def planted(loaded: LoadedModel) -> Iterator[None]:
    """One head carries the name to where the output is read, and one neuron reads what it wrote; no other part acts."""
    where = part_map(loaded)
    with weights_kept(loaded):
        with torch.no_grad():
            for number, block in enumerate(where.blocks):
                columns_kept(block.attention, where.columns(HEAD) if number == HEAD.block else None)
                columns_kept(block.mlp, where.columns(NEURON) if number == NEURON.block else None)
        yield


# ---- exact ends ----------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_no_part_is_the_text_and_all_of_a_layer_is_the_reference(load: Load, family: str) -> None:
    loaded = load(family, CLASSIFIER)
    (text, other) = (np.array([float(e.score) for e in effects(loaded)]), [e.reference_score for e in effects(loaded)])

    found = patched(loaded, (), *((Part(kind="layer", block=block),) for block in range(3)))

    assert found[:, 0] == pytest.approx(text, abs=1e-5)
    for block in range(3):
        assert found[:, 1 + block] == pytest.approx(other, abs=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_attention_is_all_its_heads_and_the_mlp_all_its_neurons(load: Load, family: str) -> None:
    loaded = load(family, CLASSIFIER)
    heads = tuple(Part(kind="head", block=1, index=i) for i in range(4))
    neurons = tuple(Part(kind="neuron", block=1, index=i) for i in range(64))

    found = patched(loaded, (Part(kind="attention", block=1),), heads, (Part(kind="mlp", block=1),), neurons)

    assert found[:, 0] == pytest.approx(found[:, 1], abs=1e-5)
    assert found[:, 2] == pytest.approx(found[:, 3], abs=1e-5)


@pytest.mark.parametrize("family", ["opt", "gpt2", "llama"])
def test_causal_models_are_read_at_their_answers(load: Load, family: str) -> None:
    loaded = load(family, "causal-lm")

    found = patched(loaded, (), (Part(kind="layer", block=2),))

    assert found[:, 0] == pytest.approx([e.score for e in effects(loaded)], abs=1e-5)
    assert found[:, 1] == pytest.approx([e.reference_score for e in effects(loaded)], abs=1e-4)


@pytest.mark.parametrize("family", ["bert", "gpt2", "llama"])
def test_parts_are_taken_at_the_tokens_named_alone(load: Load, family: str) -> None:
    loaded = load(family, CLASSIFIER)
    one = pairs_of(loaded)[0]
    read = 0 if family == "bert" else len(one.text) - 1
    last, ends = Part(kind="layer", block=2), effects(loaded)[0]

    def at(*positions: int) -> float:
        values, _ = LocalExecutor(loaded).patch([Row(pair=one, parts=(last,), positions=positions)])
        return float(values[0])

    assert at(read) == pytest.approx(ends.reference_score, abs=1e-4)
    assert at(*(i for i in range(len(one.text)) if i != read)) == pytest.approx(ends.score, abs=1e-4)
    assert at() == pytest.approx(ends.score, abs=1e-5)
    if family != "bert":
        assert patched(loaded, (Part(kind="layer", block=0),), at=(0, 1))[0, 0] == pytest.approx(ends.score, abs=1e-5)


# ---- a known mechanism ---------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_a_planted_head_carries_everything_and_the_others_nothing(load: Load, family: str) -> None:
    loaded = load(family, CLASSIFIER)
    others = tuple(Part(kind="head", block=block, index=i) for block in range(3) for i in range(4))
    others = tuple(head for head in others if head != HEAD)

    with planted(loaded):
        found = patched(loaded, (), (HEAD,), others)
        ends = effects(loaded)

    assert all(abs(e.total) > 1e-3 for e in ends)
    assert found[:, 1] == pytest.approx([e.reference_score for e in ends], abs=1e-5)
    assert found[:, 2] == pytest.approx(found[:, 0], abs=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_gradient_points_at_the_planted_parts(load: Load, family: str) -> None:
    loaded = load(family, CLASSIFIER)

    with planted(loaded):
        found = effects(loaded)

    for one in found:
        assert np.abs(one.heads).argmax() == 1
        assert np.count_nonzero(np.abs(one.heads) > 1e-7) == 1
        assert np.count_nonzero(np.abs(one.neurons) > 1e-7) <= 1
        assert np.abs(one.neurons).argmax() == 64 + 5


def by_hand(loaded: LoadedModel, part: Part, one: Pair) -> float:
    """Patch a neuron with nothing of what is tested."""
    module, at = part_map(loaded).matrix(part), part.index
    kept: list[torch.Tensor] = []

    def run(ids: np.ndarray, hook: Callable[..., object]) -> torch.Tensor:
        handle = module.register_forward_pre_hook(hook)
        tokens = torch.from_numpy(ids.astype(np.int64))[None]
        with torch.no_grad():
            out = loaded.model(input_ids=tokens, attention_mask=torch.ones_like(tokens)).logits
        handle.remove()
        return out

    def replaced(_: object, args: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        new = args[0].clone()
        new[..., at] = kept[0][..., at]
        return (new,)

    run(one.reference, lambda _, args: kept.append(args[0].clone()))
    deny, approve = run(one.text, replaced)[0].tolist()
    return approve - deny


@pytest.mark.parametrize("family", FAMILIES)
def test_a_neuron_is_patched_as_by_hand(load: Load, family: str) -> None:
    loaded = load(family, CLASSIFIER)

    found = patched(loaded, (NEURON,))

    assert found[:, 0] == pytest.approx([by_hand(loaded, NEURON, one) for one in pairs_of(loaded)], abs=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_of_one_batch_are_patched_each_with_its_own_parts(load: Load, family: str) -> None:
    loaded = load(family, CLASSIFIER)
    sets = [(HEAD,), (), (NEURON,), (HEAD, NEURON), (Part(kind="mlp", block=2),), (Part(kind="layer", block=0),)]

    together = patched(loaded, *sets)

    for column, parts in enumerate(sets):
        assert together[:, column] == pytest.approx(patched(loaded, parts)[:, 0], abs=1e-5)


# ---- to first order ------------------------------------------------------------------------------


@contextmanager
def nearly_alike(loaded: LoadedModel) -> Iterator[LoadedModel]:
    """The two names a hair's breadth apart, in double precision: there the first order is all there is."""
    table = loaded.parts.embeddings.weight
    a, b = (loaded.tokenizer.convert_tokens_to_ids(name) for name in ("maria", "john"))
    with weights_kept(loaded):
        with torch.no_grad():
            table[b] = table[a] + 1e-4 * torch.randn(table.shape[1], generator=torch.Generator().manual_seed(1))
        loaded.model.double()
        try:
            yield replace(loaded, dtype=torch.float64)
        finally:
            loaded.model.float()


@pytest.mark.parametrize("both_ends", [False, True])
@pytest.mark.parametrize("family", ["bert", "gpt2", "llama"])
def test_where_the_model_is_linear_the_gradient_says_what_patching_does(
    load: Load, family: str, *, both_ends: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load(family, CLASSIFIER)
    parts = [Part(kind="head", block=b, index=i) for b in range(3) for i in range(4)]
    parts += [Part(kind="neuron", block=b, index=i) for b in range(3) for i in (0, 7, 40)]
    # Scores are rounded to single precision where they are read; effects this small would drown in that.
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)

    with nearly_alike(loaded) as double:
        estimates = effects(double, both_ends=both_ends)
        found = patched(double, (), *((part,) for part in parts))

    for one, row in zip(estimates, found, strict=True):
        said = [one.heads[p.block, p.index] if p.kind == "head" else one.neurons[p.block, p.index] for p in parts]
        assert row[1:] - row[0] == pytest.approx(said, rel=0.02, abs=1e-3 * abs(one.total))
        # Every layer is a whole cut through the model.
        assert one.states.sum(axis=1) == pytest.approx(one.total, rel=0.02)


def test_states_before_the_swapped_word_have_no_effect_in_a_model_that_reads_forward(load: Load) -> None:
    one = effects(load("llama", CLASSIFIER))[0]

    assert one.states.shape == (4, 8)
    assert not one.states[:, :2].any()
    assert one.states[0].nonzero()[0].tolist() == [2]


def test_effects_of_a_batch_are_those_of_single_pairs(load: Load) -> None:
    loaded = load("bert", CLASSIFIER)
    pairs = pairs_of(loaded)

    together = LocalExecutor(loaded).part_effects(pairs, both_ends=True)

    for one, vector in zip(pairs, together.values, strict=True):
        alone = LocalExecutor(loaded).part_effects([one], both_ends=True)
        assert vector == pytest.approx(alone.values[0], abs=1e-5)
    assert (together.forward_rows, together.backward_rows) == (4, 4)


# ---- asked by a check ----------------------------------------------------------------------------


def ask(store: Store, loaded: LoadedModel, *requests: Request) -> tuple[list[Any], Cost]:
    """The answers, and what they cost."""
    kept: list[Any] = []

    def check() -> CheckRun:
        kept.extend((yield requests))
        return Finding()

    cost = Cost()
    scheduler = Scheduler(executor=LocalExecutor(loaded), store=store, progress=Silent(), cost=cost)
    outcome = scheduler.run({"it": check()})["it"]
    if isinstance(outcome, NotAssessed):
        raise CannotAnswer(outcome.reason)
    return kept, cost


@pytest.fixture
def store(tmp_path: Path, load: Load) -> Iterator[Store]:
    opened = Store(tmp_path, load("bert", CLASSIFIER).context)
    yield opened
    opened.close()


def request(*sets: tuple[Part, ...]) -> Patched:
    return Patched(texts=TEXTS, references=REFERENCES, sets=sets, contrast=CLASSES)


def test_a_check_is_handed_one_row_per_pair_and_one_column_per_set(load: Load, store: Store) -> None:
    loaded = load("bert", CLASSIFIER)

    (found, screened), cost = ask(
        store, loaded, request((), (HEAD,)), PartEffects(texts=TEXTS, references=REFERENCES, contrast=CLASSES)
    )

    assert found == pytest.approx(patched(loaded, (), (HEAD,)), abs=1e-5)
    assert [e.total for e in screened] == pytest.approx([e.total for e in effects(loaded)], abs=1e-5)
    assert screened[0].neurons.shape == (3, 64)
    assert cost.rows_backward == 4


def test_a_set_that_was_asked_before_is_not_run_again(load: Load, store: Store) -> None:
    loaded = load("bert", CLASSIFIER)
    ask(store, loaded, request((), (HEAD, NEURON)))

    (found,), cost = ask(store, loaded, request((NEURON, HEAD), (NEURON,)))

    # Two texts with the one new set, and their references.
    assert cost.rows_forward == 4
    assert found == pytest.approx(patched(loaded, (HEAD, NEURON), (NEURON,)), abs=1e-5)


def test_pairs_of_different_length_are_refused(load: Load, store: Store) -> None:
    odd = Patched(texts=(TEXTS[0],), references=("john has debt .",), sets=((HEAD,),), contrast=CLASSES)

    with pytest.raises(CannotAnswer) as refused:
        ask(store, load("bert", CLASSIFIER), odd)

    assert str(refused.value) == (
        "a text of 10 tokens and a reference of 6 do not align, and states are compared position by position"
    )


def test_the_same_parts_at_other_tokens_are_another_answer(load: Load, store: Store) -> None:
    loaded = load("bert", CLASSIFIER)
    everywhere = request((HEAD,))
    at_name = replace(everywhere, positions=((3,), (1,)))

    (all_tokens, one), _ = ask(store, loaded, everywhere, at_name)

    assert one[0, 0] == pytest.approx(patched(loaded, (HEAD,), at=(3,))[0, 0], abs=1e-5)
    assert one[0, 0] != pytest.approx(all_tokens[0, 0], abs=1e-5)


def test_positions_outside_the_text_are_refused(load: Load, store: Store) -> None:
    with pytest.raises(CannotAnswer) as refused:
        ask(store, load("bert", CLASSIFIER), replace(request((HEAD,)), positions=((3,), (40,))))

    assert str(refused.value) == "a text of 13 tokens has none at [40]"


def test_parts_that_the_model_lacks_are_refused_before_anything_runs(load: Load, store: Store) -> None:
    with pytest.raises(CannotAnswer) as refused:
        ask(store, load("bert", CLASSIFIER), request((Part(kind="neuron", block=1, index=64),)))

    assert str(refused.value) == "block 1 has 64 neurons, counted from 0, and block 1 neuron 64 was asked for"


def test_a_model_that_runs_otherwise_than_its_map_says_is_refused_with_the_reason(
    load: Load, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load("bert", CLASSIFIER)
    passing_by(loaded, monkeypatch)

    with pytest.raises(CannotAnswer, match=r"^a matrix did not run once in each pass"):
        ask(store, loaded, request((NEURON,)))


# ---- refusals ------------------------------------------------------------------------------------


def passing_by(loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let block 1 compute its MLP without running the module of its last matrix."""
    dense = part_map(loaded).blocks[1].mlp
    wrapper = loaded.parts.blocks[1].output
    monkeypatch.setattr(
        wrapper, "forward", lambda h, x: wrapper.LayerNorm(torch.nn.functional.linear(h, dense.weight, dense.bias) + x)
    )


def test_a_matrix_that_does_not_run_is_noticed(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load("bert", CLASSIFIER)
    passing_by(loaded, monkeypatch)

    with pytest.raises(CannotAnswer, match=r"^the MLP's last matrix ran 2 times in 3 blocks"):
        effects(loaded)
    with pytest.raises(CannotAnswer, match=r"^a matrix did not run once in each pass"):
        patched(loaded, (NEURON,))


def test_memory_that_runs_out_halves_the_batch(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load("bert", CLASSIFIER)
    whole = patched(loaded, (), (HEAD,), (NEURON,))
    once = patching.patched

    def cramped(loaded: LoadedModel, where: object, rows: list[object]) -> object:
        if len(rows) > 2:
            raise MemoryError
        return once(loaded, where, rows)  # type: ignore[arg-type]

    monkeypatch.setattr(patching, "patched", cramped)

    assert patched(loaded, (), (HEAD,), (NEURON,)) == pytest.approx(whole, abs=1e-5)


def test_the_shape_of_flattened_rows_comes_back() -> None:
    flat = torch.arange(24.0).reshape(6, 4)

    assert torch.equal(by_row(flat, 2).reshape(flat.shape), flat)
    assert by_row(flat, 2).shape == (2, 3, 4)
