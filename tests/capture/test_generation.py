"""Continuations, interventions, divergences and states of stretches, against transformers and against themselves."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from audit.capture.cost import Cost
from audit.capture.executors.local import LocalExecutor
from audit.capture.scheduler import Scheduler
from audit.capture.store import Store
from audit.progress import Silent
from audit.requests import (
    Answers,
    ClassLogits,
    Divergences,
    Generations,
    Scores,
    Shift,
    States,
    TextLikelihood,
    at_position,
)
from audit.types import Finding, NotAssessed

PROMPTS = ("the applicant has", "maria has low debt and", "john", "she has a low income and he")


@pytest.fixture
def scheduled(tmp_path, load):
    stores = []

    def make(family, task, **options):
        loaded = load(family, task)
        stores.append(Store(tmp_path / "store", loaded.context))
        executor = LocalExecutor(loaded, **options)
        return Scheduler(executor=executor, store=stores[-1], progress=Silent(), cost=Cost())

    yield make
    for store in stores:
        store.close()


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def again(scheduler):
    return Scheduler(executor=scheduler.executor, store=scheduler.store, progress=Silent(), cost=Cost())


def ask(scheduler, *requests):
    kept = []

    def check():
        kept.extend((yield requests))
        return Finding()

    outcome = scheduler.run({"a": check()})["a"]
    return outcome if isinstance(outcome, NotAssessed) else kept


# ---- continuations -------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma"])
def test_greedy_continuations_are_those_of_transformers_alone(scheduled, family):
    scheduler = scheduled(family, "causal-lm")
    loaded = scheduler.executor.loaded

    (written,) = ask(scheduler, Generations(texts=PROMPTS, max_new_tokens=6))

    for prompt, (found,) in zip(PROMPTS, written, strict=True):
        ids = torch.tensor([loaded.tokenizer(prompt)["input_ids"]])
        alone = loaded.model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=6, do_sample=False)
        assert list(found.ids) == alone[0, ids.shape[1] :].tolist()
        logs = loaded.model(alone).logits.float().log_softmax(-1)[0, ids.shape[1] - 1 : -1]
        expected = logs.gather(1, alone[0, ids.shape[1] :, None]).sum()
        assert found.log_probability == pytest.approx(float(expected), abs=1e-3)


def test_a_sample_depends_on_its_text_and_seed_and_not_on_its_batch(scheduled):
    together = ask(
        scheduled("gpt2", "causal-lm"), Generations(texts=PROMPTS, max_new_tokens=5, seeds=(1, 2), temperature=2.0)
    )[0]
    scheduler = scheduled("gpt2", "causal-lm", budget=9)
    alone = [
        ask(scheduler, Generations(texts=(p,), max_new_tokens=5, seeds=(2,), temperature=2.0))[0][0][0] for p in PROMPTS
    ]

    assert [pair[1].ids for pair in together] == [found.ids for found in alone]
    assert any(a.ids != b.ids for a, b in together)


def test_samples_follow_the_models_distribution(scheduled):
    scheduler = scheduled("gpt2", "causal-lm")
    loaded = scheduler.executor.loaded
    ids = torch.tensor([loaded.tokenizer(PROMPTS[0])["input_ids"]])
    expected = loaded.model(ids).logits[0, -1].float().softmax(-1).numpy()

    (written,) = ask(scheduler, Generations(texts=(PROMPTS[0],), max_new_tokens=1, seeds=tuple(range(2000))))

    seen = np.bincount([found.ids[0] for found in written[0]], minlength=len(expected)) / 2000
    assert np.abs(seen - expected).sum() / 2 < 0.06


def test_a_further_seed_pays_for_its_own_samples_alone(scheduled):
    scheduler = scheduled("llama", "causal-lm")
    first = ask(scheduler, Generations(texts=PROMPTS, max_new_tokens=3, seeds=(1,)))
    second = again(scheduler)

    both = ask(second, Generations(texts=PROMPTS, max_new_tokens=3, seeds=(1, 2)))

    assert second.cost.rows_forward == len(PROMPTS)
    assert [pair[0].ids for pair in both[0]] == [pair[0].ids for pair in first[0]]


def test_a_text_ends_behind_its_end_token(scheduled):
    scheduler = scheduled("gpt2", "causal-lm")
    (written,) = ask(scheduler, Generations(texts=PROMPTS, max_new_tokens=20, seeds=tuple(range(20)), temperature=3.0))

    flat = [found for row in written for found in row]
    end = scheduler.executor.loaded.tokenizer.eos_token_id
    assert {found.ended for found in flat} == {True, False}
    assert all((found.ids[-1] == end) == found.ended and end not in found.ids[:-1] for found in flat)
    assert all("</s>" not in found.text for found in flat)


@pytest.mark.parametrize(
    ("family", "task", "tokens", "reason"),
    [
        ("bert", "sequence-classification", 4, "a classifier writes no text; only a causal model does"),
        ("gpt2", "causal-lm", 100, "a prompt of 7 tokens with 100 new ones exceeds the 60 that this model can hold"),
    ],
)
def test_what_cannot_be_written_is_not_assessed_with_the_reason(scheduled, family, task, tokens, reason):
    outcome = ask(scheduled(family, task), Generations(texts=PROMPTS, max_new_tokens=tokens))

    assert outcome.reason == reason


# ---- interventions -------------------------------------------------------------------------------


def hooked(loaded, text, shift, answer=""):
    """The same intervention by hand, on one text alone."""
    vector = torch.tensor(shift.vector, dtype=torch.float32)
    ids = torch.tensor([loaded.tokenizer(text + answer)["input_ids"]])
    last = len(loaded.tokenizer(text)["input_ids"]) - 1

    def move(hidden):
        change = vector if shift.mode == "add" else -(hidden @ vector)[..., None] * vector / (vector @ vector)
        moved = hidden + change
        if shift.at == "last":
            moved = hidden.clone()
            moved[:, last] = (hidden + change)[:, last]
        return moved

    block = loaded.parts.blocks[shift.layer - 1]
    handle = block.register_forward_hook(
        lambda _m, _a, out: (move(out[0]), *out[1:]) if isinstance(out, tuple) else move(out)
    )
    try:
        with torch.no_grad():
            return loaded.model(ids).logits[0]
    finally:
        handle.remove()


@pytest.mark.parametrize("mode", ["add", "project_out"])
@pytest.mark.parametrize("at", ["all", "last"])
@pytest.mark.parametrize(("family", "task"), [("bert", "sequence-classification"), ("llama", "causal-lm")])
def test_a_shift_does_what_a_hook_by_hand_does(scheduled, rng, family, task, mode, at):
    scheduler = scheduled(family, task)
    loaded = scheduler.executor.loaded
    shift = Shift(layer=2, vector=rng.normal(size=32), mode=mode, at=at)
    target = ClassLogits() if task == "sequence-classification" else Answers(texts=(" high", " low income"))

    (moved,) = ask(scheduler, Scores(texts=PROMPTS, target=target, intervene=shift))

    for row, text in enumerate(PROMPTS):
        if task == "sequence-classification":
            expected = hooked(loaded, text, shift).numpy()
        else:
            expected = [answer_by_hand(loaded, text, answer, shift) for answer in target.texts]
        np.testing.assert_allclose(moved.values[row], expected, atol=2e-4)


def answer_by_hand(loaded, text, answer, shift):
    start = len(loaded.tokenizer(text)["input_ids"])
    ids = loaded.tokenizer(text + answer)["input_ids"]
    logs = hooked(loaded, text, shift, answer).float().log_softmax(-1)
    return float(sum(logs[i - 1, ids[i]] for i in range(start, len(ids))))


def test_many_shifts_share_passes_and_each_text_gets_its_own(scheduled, rng):
    scheduler = scheduled("bert", "sequence-classification")
    shifts = [Shift(layer=1, vector=rng.normal(size=32)) for _ in range(40)]

    moved = ask(scheduler, *(Scores(texts=PROMPTS, target=ClassLogits(), intervene=s) for s in shifts))

    alone = [ask(again(scheduler), Scores(texts=PROMPTS, target=ClassLogits(), intervene=s))[0] for s in shifts[::13]]
    assert scheduler.cost.rows_forward == 40 * len(PROMPTS)
    for found, one in zip(moved[::13], alone, strict=True):
        np.testing.assert_array_equal(found.values, one.values)


def test_a_shift_of_nothing_changes_nothing(scheduled):
    scheduler = scheduled("gpt2", "causal-lm")

    moved, plain = ask(
        scheduler,
        Scores(texts=PROMPTS, target=TextLikelihood(), intervene=Shift(layer=0, vector=np.zeros(32))),
        Scores(texts=PROMPTS, target=TextLikelihood()),
    )

    np.testing.assert_allclose(moved.values, plain.values, rtol=1e-5)


@pytest.mark.parametrize(
    ("shift", "reason"),
    [
        (Shift(layer=9, vector=np.ones(32)), "the model has layers 0 to 3, and an intervention at 9 was asked for"),
        (Shift(layer=1, vector=np.ones(7)), "the model's states have 32 units, and the direction has 7"),
    ],
)
def test_a_shift_that_does_not_fit_is_not_assessed_with_the_reason(scheduled, shift, reason):
    outcome = ask(
        scheduled("bert", "sequence-classification"), Scores(texts=PROMPTS, target=ClassLogits(), intervene=shift)
    )

    assert outcome.reason == reason


# ---- divergences ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("family", "task"), [("bert", "sequence-classification"), ("llama", "causal-lm")])
def test_divergences_are_those_of_the_two_distributions(scheduled, family, task):
    scheduler = scheduled(family, task)
    loaded = scheduler.executor.loaded

    def distribution(text):
        logits = loaded.model(torch.tensor([loaded.tokenizer(text)["input_ids"]])).logits[0]
        return (logits if task == "sequence-classification" else logits[-1]).detach().double().softmax(-1).numpy()

    (found,) = ask(scheduler, Divergences(references=(PROMPTS[0],) * 3, texts=(PROMPTS[0], *PROMPTS[2:])))

    base = distribution(PROMPTS[0])
    moved = [distribution(t) for t in (PROMPTS[0], *PROMPTS[2:])]
    np.testing.assert_allclose(found.kl, [(p * np.log(p / base)).sum() for p in moved], atol=1e-5)
    np.testing.assert_allclose(found.total_variation, [np.abs(p - base).sum() / 2 for p in moved], atol=1e-5)
    assert scheduler.cost.rows_forward == 4


# ---- states of stretches -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("position", "pick"),
    [
        ("pre_answer", lambda hidden, start: hidden[start - 1]),
        ("last_prompt", lambda hidden, start: hidden[start - 1]),
        ("response_mean", lambda hidden, start: hidden[start:].mean(0)),
        ("response_max", lambda hidden, start: hidden[start:].max(0).values),
    ],
)
def test_positions_are_read_where_their_names_say(scheduled, position, pick):
    scheduler = scheduled("llama", "causal-lm")
    loaded = scheduler.executor.loaded
    responses = (" high income", " not low", " has a high debt .", " has")

    (states,) = ask(scheduler, at_position(PROMPTS, responses, position))

    for row, (prompt, response) in enumerate(zip(PROMPTS, responses, strict=True)):
        ids = torch.tensor([loaded.tokenizer(prompt + response)["input_ids"]])
        with torch.no_grad():
            hidden = loaded.model(ids, output_hidden_states=True).hidden_states
        start = len(loaded.tokenizer(prompt)["input_ids"])
        for layer in (0, 1, 2):
            np.testing.assert_allclose(states[layer][row], pick(hidden[layer][0], start).numpy(), atol=1e-5)


def test_stretches_of_one_text_and_its_scores_share_one_pass(scheduled):
    scheduler = scheduled("bert", "sequence-classification")
    text = "the applicant john has high debt and low income ."

    first, second, whole, _ = ask(
        scheduler,
        States(texts=(text, text), spans=((0, 13), (14, 18)), layers=(1,)),
        States(texts=(text,), spans=((14, 18),), layers=(1, 2)),
        States(texts=(text,)),
        Scores(texts=(text,), target=ClassLogits()),
    )

    assert scheduler.cost.rows_forward == 1
    np.testing.assert_array_equal(first[1][1], second[1][0])
    assert not np.allclose(first[1][0], whole[1][0])


def test_a_stretch_without_a_token_is_not_assessed_with_the_reason(scheduled):
    outcome = ask(scheduled("bert", "sequence-classification"), States(texts=("the  applicant",), spans=((3, 5),)))

    assert outcome.reason == "no token lies in characters 3 to 5 of 'the  applicant'"
