"""What a check is handed can be put together again from what is stored, with no model, and one digest stands for it."""

from __future__ import annotations

from hashlib import sha256
from typing import get_args

import numpy as np
import pytest
from safetensors.numpy import save

from audit.capture import evidence, portable, stored
from audit.capture.cost import Cost
from audit.capture.evidence import Evidence, Reader, Unanswered, held, seal
from audit.capture.executors.local import LocalExecutor
from audit.capture.replay import replay
from audit.capture.scheduler import Scheduler
from audit.capture.store import Store
from audit.errors import UserError
from audit.progress import Silent
from audit.requests import (
    Ablations,
    Answers,
    Attributions,
    CannotAnswer,
    ClassLogits,
    Contrast,
    DirectionFile,
    Divergences,
    Generations,
    PartEffects,
    Patched,
    Request,
    Scores,
    Shift,
    States,
    TextLikelihood,
    Tokenised,
    Vocabulary,
)
from audit.types import Finding, GivenFile, NotAssessed, Part, Policy, Stated

TEXTS = ("the applicant has a high income", "maria has low debt", "john has a high debt and low income .")
CONTRAST = Contrast(target=ClassLogits(), toward="approve", against="deny")
SWAPPED = ("john has low debt", "maria has a high debt and low income .")
PARTS = ((), (Part(kind="head", block=1, index=2), Part(kind="neuron", block=0, index=7)), (Part(kind="mlp", block=2),))
SHIFT = Shift(layer=1, vector=np.linspace(-1, 1, 32))
ELSEWHERE = DirectionFile(
    file=GivenFile(
        written="d.safetensors",
        shown="d.safetensors",
        body=save({"direction": np.linspace(-1, 1, 32, dtype=np.float32)}),
    ),
    tensor="direction",
    stated=Stated(layer=1, position="last_prompt", positive="high", negative="low", made_by="someone else"),
)
CLASSIFIER = (
    Scores(texts=TEXTS, target=ClassLogits()),
    Scores(texts=TEXTS[:2], target=ClassLogits(), intervene=SHIFT),
    States(texts=TEXTS),
    States(texts=TEXTS[:2], layers=(2, 1), pool="last", spans=((0, 3), (0, 5))),
    States(texts=TEXTS[1:], layers=(1,), weights="random"),
    Tokenised(texts=TEXTS),
    Vocabulary(sample=4, seed=3),
    Attributions(texts=TEXTS[:2], contrast=CONTRAST, baseline_input="unk"),
    Attributions(texts=TEXTS[:1], contrast=CONTRAST, method="feature_ablation"),
    Ablations(texts=TEXTS[:1], positions=(((), (1,), (1, 2)),), contrast=CONTRAST, baseline_input="unk"),
    Divergences(references=TEXTS[:2], texts=TEXTS[1:]),
    PartEffects(texts=TEXTS[1:], references=SWAPPED, contrast=CONTRAST),
    Patched(texts=TEXTS[1:], references=SWAPPED, sets=PARTS, contrast=CONTRAST),
    ELSEWHERE,
)
CAUSAL = (
    Scores(texts=TEXTS, target=TextLikelihood()),
    Scores(texts=TEXTS, target=Answers(texts=(" approve", " deny"))),
    Generations(texts=TEXTS, max_new_tokens=4),
    Generations(texts=TEXTS[:2], max_new_tokens=4, seeds=(1, 2)),
    States(texts=TEXTS, layers=(0, 3), pool="max"),
)


def plain(answer):
    """An answer as data that compares by value."""
    if isinstance(answer, np.ndarray):
        return answer.dtype.str, answer.shape, answer.tobytes()
    if isinstance(answer, tuple | list):
        return [plain(each) for each in answer]
    if hasattr(answer, "__dataclass_fields__"):
        return {name: plain(getattr(answer, name)) for name in answer.__dataclass_fields__}
    if hasattr(answer, "keys"):
        return {key: plain(answer[key]) for key in answer}
    return answer


def ask(kept, *requests):
    answers = yield requests
    kept.extend(plain(answers))
    return Finding()


@pytest.fixture
def ran(tmp_path, model):
    """Run a check that asks some requests; return what it was handed, and the scheduler."""
    store = Store(tmp_path / "store", model.context)

    def run(*requests):
        kept = []
        scheduler = Scheduler(executor=LocalExecutor(model), store=store, progress=Silent(), cost=Cost())
        outcome = scheduler.run({"a": ask(kept, *requests)})["a"]
        assert isinstance(outcome, Finding), outcome
        return kept, scheduler

    yield run
    store.close()


@pytest.fixture(params=["classifier", "causal"])
def kind(request):
    return request.param


@pytest.fixture
def model(kind, load):
    return load("bert", "sequence-classification") if kind == "classifier" else load("gpt2", "causal-lm")


@pytest.fixture
def requests_of(kind):
    return CLASSIFIER if kind == "classifier" else CAUSAL


def live(scheduler, request):
    """The answer as the model's side puts it together."""
    scheduler._measure([request], 1)
    return plain(scheduler._answering.answer(request))


def test_what_a_check_is_handed_is_what_the_model_side_says(ran, requests_of):
    kept, scheduler = ran(*requests_of)

    assert kept == [live(scheduler, request) for request in requests_of]


def test_a_check_run_from_stored_answers_is_handed_the_very_same(ran, requests_of):
    kept, scheduler = ran(*requests_of)
    again = []
    answers = stored.opened(scheduler.store.folder)

    replayed = replay({"a": ask(again, *requests_of)}, reader := Reader(answers))

    assert again == kept
    assert replayed.access["a"] == scheduler.access["a"]
    assert seal(answers, reader.used) == scheduler.evidence.seal()
    answers.close()


def test_every_kind_of_request_is_among_those_that_are_read_back():
    assert {type(request) for request in (*CLASSIFIER, *CAUSAL)} == set(get_args(Request))


# ---- refusals ------------------------------------------------------------------------------------


def choosy(reasons):
    try:
        yield Generations(texts=TEXTS)
    except CannotAnswer as reason:
        reasons.append(str(reason))
    yield States(texts=TEXTS, layers=(1, 99))
    return Finding()


@pytest.mark.parametrize("kind", ["classifier"], indirect=True)
def test_a_refusal_is_given_again_with_its_reason(ran, tmp_path):
    _, scheduler = ran(Tokenised(texts=TEXTS))
    then, now = [], []
    outcome = scheduler.run({"b": choosy(then)})["b"]
    answers = stored.opened(scheduler.store.folder)

    replayed = replay({"b": choosy(now)}, Reader(answers))

    assert now == then == ["a classifier writes no text; only a causal model does"]
    assert replayed.outcomes["b"] == outcome
    assert outcome == NotAssessed(reason="the model has layers 0 to 3, and [99] was asked for")
    answers.close()


@pytest.mark.parametrize("kind", ["classifier"], indirect=True)
def test_an_answer_takes_the_place_of_an_earlier_refusal(ran):
    _, scheduler = ran(Tokenised(texts=TEXTS))
    request = Scores(texts=TEXTS, target=ClassLogits())
    kept = Evidence(scheduler.store)
    kept.refuse(request, CannotAnswer("too little memory"))

    scheduler.run({"a": ask([], request)})

    assert Reader(scheduler.store).refusal(request) is None


@pytest.mark.parametrize("kind", ["classifier"], indirect=True)
def test_what_was_never_asked_is_not_answered(ran):
    _, scheduler = ran(Scores(texts=TEXTS[:1], target=ClassLogits()))
    answers = stored.opened(scheduler.store.folder)

    replayed = replay({"a": ask([], Scores(texts=TEXTS, target=ClassLogits()))}, Reader(answers))

    assert (replayed.outcomes, replayed.unanswered) == ({}, {"a": "2 of 3 answers"})
    with pytest.raises(Unanswered):
        Reader(answers).answer(States(texts=TEXTS, layers=(1,)))
    answers.close()


# ---- the seal ------------------------------------------------------------------------------------


def test_the_seal_depends_on_what_was_used_and_not_on_the_order(ran, requests_of):
    _, scheduler = ran(*requests_of)
    _, other = ran(*requests_of[::-1])
    _, less = ran(*requests_of[1:])

    assert scheduler.evidence.seal() == other.evidence.seal()
    assert scheduler.evidence.seal().answers > less.evidence.seal().answers


def empty_policy(folder):
    (folder / "policy.yaml").write_text("id: none", encoding="utf-8")
    return Policy(
        id="p", version="1", title="", purpose="", path=str(folder / "policy.yaml"), source="id: none",
        sha256=sha256(b"id: none").hexdigest(), overrides={}, files={}, authors=(),
        task="causal-lm", decision=None, decision_place=None, datasets={}, hazards=(), checks=(), seed=0,
    )  # fmt: skip


def test_a_copy_holds_what_was_used_and_nothing_else(ran, requests_of, tmp_path):
    _, scheduler = ran(*requests_of)
    whole = scheduler.evidence.seal()
    _, part = ran(*requests_of[:-1])
    used, seal_of_part = part.evidence.reader.used, part.evidence.seal()

    portable.write(
        tmp_path / "copy", store=part.store, used=used, seal=seal_of_part, context=part.executor.loaded.context,
        policy=empty_policy(tmp_path),
    )  # fmt: skip

    copy = stored.opened(stored.folder_of(tmp_path / "copy", part.executor.loaded.context))
    assert seal(copy, held(copy)) == seal_of_part != whole
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o700
    copy.close()


@pytest.mark.parametrize("kind", ["classifier"], indirect=True)
def test_states_asked_with_fewer_and_with_more_layers_are_copied_as_they_were_read(ran, tmp_path):
    few, many = States(texts=TEXTS, layers=(1,)), States(texts=TEXTS[:2], layers=(1, 2))
    _, scheduler = ran(few)
    kept = []
    scheduler.run({"b": ask(kept, many)})
    sealed = scheduler.evidence.seal()
    context = scheduler.executor.loaded.context
    portable.write(
        tmp_path / "copy", store=scheduler.store, used=scheduler.evidence.reader.used, seal=sealed, context=context,
        policy=empty_policy(tmp_path),
    )  # fmt: skip
    copy, again = stored.opened(stored.folder_of(tmp_path / "copy", context)), []

    replay({"b": ask(again, many)}, Reader(copy))

    assert again == kept
    assert seal(copy, held(copy)) == sealed
    assert sealed.answers == 3 + 2  # one for each text and set of layers
    copy.close()


def test_evidence_is_not_written_over_something_else(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").touch()

    with pytest.raises(UserError) as refused:
        portable.prepare(tmp_path / "there")

    assert str(refused.value) == (
        "The evidence cannot be written\n\n"
        f"{tmp_path}/there: something is there already\n"
        "  expected: a new or an empty folder: evidence of two runs is never mixed\n"
        "  do: give another one with --evidence"
    )


def test_requests_of_other_texts_have_other_keys():
    request = Scores(texts=TEXTS, target=ClassLogits())

    keys = {evidence.whole_key(r) for r in (request, Scores(texts=TEXTS[::-1], target=ClassLogits()), *CLASSIFIER[1:])}

    assert len(keys) == 2 + len(CLASSIFIER[1:])
