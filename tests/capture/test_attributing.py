"""Requests for attributions and ablations, from the check that asks to what the store and the evidence hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from audit.capture.answering import packed
from audit.capture.attributing import asked_of, windows
from audit.capture.cost import Cost
from audit.capture.evidence import unpacked
from audit.capture.executors.local import LocalExecutor
from audit.capture.scheduler import Scheduler
from audit.capture.store import Store
from audit.capture.tokens import token_ids, tokenised
from audit.progress import Silent
from audit.requests import Ablations, Answers, Attributions, CannotAnswer, ClassLogits, Contrast
from audit.types import Finding, NotAssessed
from audit.words import words

CLASSES = Contrast(target=ClassLogits(), toward="approve", against="deny")
TEXT = "the applicant john has high debt and low income in spring for sure ."


def answered(loaded, request):
    ids = token_ids(loaded, request.texts)
    seeds = [3] * len(request.texts)
    return LocalExecutor(loaded).attribute(request, asked_of(request), ids, seeds)


def asked(**fields):
    return Attributions(**({"texts": (TEXT,), "contrast": CLASSES, "baseline_input": "token:the"} | fields))


@pytest.fixture
def bert(load):
    return load("bert", "sequence-classification")


@pytest.fixture
def scheduler(tmp_path, executor):
    store = Store(tmp_path / "store", executor.loaded.context)
    yield Scheduler(executor=executor, store=store, progress=Silent(), cost=Cost())
    store.close()


def keep(into, *requests):
    into.extend((yield requests))
    return Finding()


# ---- groups --------------------------------------------------------------------------------------


def span(part):
    return (TEXT.index(part), TEXT.index(part) + len(part))


@pytest.mark.parametrize("method", ["feature_ablation", "shapley_sampling"])
def test_groups_named_by_the_caller_are_taken_out_whole_and_the_rest_stays(bert, method):
    named = ((span("john"),), (span("high"), span("low")), (span("income"),))
    (found,), _ = answered(bert, asked(method=method, groups=(named,)))

    everything = [i for group in found.groups for i in group]
    assert [tuple(found.text.tokens[i] for i in g) for g in found.groups] == [("john",), ("high", "low"), ("income",)]
    assert not found.values[[i for i in range(len(found.values)) if i not in everything]].any()
    np.testing.assert_allclose([found.values[list(g)].sum() for g in found.groups], found.group_values)
    ids = token_ids(bert, [TEXT])
    request = Ablations(
        texts=(TEXT,), positions=(((), tuple(everything), *found.groups),), contrast=CLASSES, baseline_input="token:the"
    )
    from audit.capture.attributing import ablations_of

    (scores,), _ = LocalExecutor(bert).ablate(request, ablations_of(request), ids)
    assert (found.score, found.baseline_score) == pytest.approx((scores[0], scores[1]), abs=1e-5)
    if method == "feature_ablation":
        np.testing.assert_allclose(found.group_values, scores[0] - scores[2:], atol=1e-5)
        assert found.standard_errors is None
    else:
        assert found.group_values.sum() == pytest.approx(found.score - found.baseline_score, abs=1e-5)
        assert found.standard_errors.tolist() == [0.0, 0.0, 0.0], "eight coalitions are all run"


@pytest.mark.parametrize("method", ["integrated_gradients", "input_x_gradient"])
def test_gradient_methods_attribute_to_tokens_and_sum_over_groups(bert, method):
    (plain,), _ = answered(bert, asked(method=method))
    (found,), _ = answered(bert, asked(method=method, unit="word"))

    np.testing.assert_array_equal(found.values, plain.values)
    assert plain.group_values is None
    assert [w.tokens for w in words(TEXT, found.text)] == list(found.groups)
    assert found.group_values.sum() == pytest.approx(plain.values.sum())


@pytest.mark.parametrize(
    ("groups", "reason"),
    [
        ((((0, 3),), ((60, 99),)), None),
        ((((0, 3),), ((3, 3),)), "no token lies in the group ((3, 3),) of"),
        (
            (((0, 3),), ((0, 9),)),
            "two groups of 'the applicant john has high debt",
        ),
    ],
)
def test_groups_without_a_token_or_with_one_in_common_are_refused(bert, groups, reason):
    if reason is None:
        answered(bert, asked(groups=(groups,), method="feature_ablation"))
        return
    with pytest.raises(CannotAnswer) as refused:
        answered(bert, asked(groups=(groups,), method="feature_ablation"))

    assert str(refused.value).startswith(reason)


# ---- Shapley -------------------------------------------------------------------------------------


def test_shapley_values_are_complete_repeat_under_their_seed_and_state_their_errors(bert):
    (first,), stream = answered(bert, asked(method="shapley_sampling"))
    (again,), _ = answered(bert, asked(method="shapley_sampling"))

    np.testing.assert_array_equal(first.values, again.values)
    assert first.values.sum() == pytest.approx(first.score - first.baseline_score, abs=1e-4)
    moved = np.flatnonzero(first.values)
    assert (first.standard_errors[moved] > 0).all()
    assert first.standard_errors[0] == first.values[0] == 0, "special tokens are no groups"
    assert stream.rows < 26 * len(moved) + 1, "coalitions that several orders pass are run once"


def test_sampled_values_lie_within_their_errors_of_those_of_all_coalitions(bert):
    text = "maria has low debt and high income not for sure ."
    few = asked(texts=(text,), method="shapley_sampling")
    every = replace(few, permutations=400)  # more than the 2**11 coalitions there are

    (sampled,), _ = answered(bert, few)
    (exact,), stream = answered(bert, every)

    assert stream.rows == 2**11
    assert not exact.standard_errors.any()
    off = np.abs(sampled.values - exact.values) / np.where(sampled.standard_errors > 0, sampled.standard_errors, 1)
    assert off.max() < 5


# ---- one stream ----------------------------------------------------------------------------------


def test_what_all_texts_need_is_run_in_one_batch(bert, texts):
    found, stream = answered(bert, asked(texts=texts, method="feature_ablation"))
    alone = [answered(bert, asked(texts=(t,), method="feature_ablation"))[0][0] for t in texts]

    groups = sum(
        np.count_nonzero([t != "the" and not s for t, s in zip(f.text.tokens, f.text.special, strict=True)])
        for f in found
    )
    assert (stream.calls, stream.rows) == (1, groups + 2 * len(texts))
    for together, one in zip(found, alone, strict=True):
        np.testing.assert_allclose(together.values, one.values, atol=1e-4)


def test_windows_hold_a_few_batches_and_every_item_once():
    items = [5, 9, 40, 41, 3, 200, 1]

    cut = list(windows(items, lambda n: n, budget=12))

    assert [n for window in cut for n in window] == items
    assert all(sum(window) <= 48 or len(window) == 1 for window in cut)


def test_memory_that_runs_out_halves_the_batch_and_ends_with_the_same_numbers(bert, texts, monkeypatch):
    from audit.capture import points

    request = asked(texts=texts)
    expected, _ = answered(bert, request)
    run, sizes = points.run_rows, []

    def small_memory(loaded, rows, slopes):
        sizes.append(len(rows))
        if len(rows) > 20:
            raise MemoryError("too many rows")
        return run(loaded, rows, slopes)

    monkeypatch.setattr(points, "run_rows", small_memory)
    found, _ = answered(bert, request)

    assert max(sizes) == 17 * len(texts)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.values, other.values, rtol=1e-4, atol=1e-5)


# ---- through the store ---------------------------------------------------------------------------


def test_every_kind_of_answer_survives_the_store_and_costs_nothing_a_second_time(scheduler, texts):
    groups = tuple((((0, 4),),) for _ in texts)
    requests = (
        asked(texts=texts),
        asked(texts=texts, unit="word", method="shapley_sampling"),
        asked(texts=texts, groups=groups, method="feature_ablation"),
        asked(texts=texts[:1], baseline_input="counterfactual", counterfactuals=("the applicant has a low income .",)),
        asked(texts=texts, method="input_x_gradient", baseline_input="mean"),
        Ablations(texts=texts, positions=(((), (1,)),) * len(texts), contrast=CLASSES, baseline_input="zero"),
        Ablations(
            texts=texts[:1],
            positions=(((), (5,)),),
            contrast=CLASSES,
            baseline_input="counterfactual",
            counterfactuals=("the applicant has a low income .",),
        ),
    )
    first, second = [], []
    scheduler.run({"a": keep(first, *requests)})
    spent = scheduler.cost.rows_forward
    scheduler.run({"a": keep(second, *requests)})

    assert scheduler.cost.rows_forward == spent > 0
    assert 0 < scheduler.cost.rows_backward < spent
    for one, other in zip(first, second, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_equal(vars(a) if hasattr(a, "text") else a, vars(b) if hasattr(b, "text") else b)
    attributed = answered(scheduler.executor.loaded, requests[1])[0]
    assert [a.groups for a in first[1]] == [a.groups for a in attributed]
    np.testing.assert_allclose(first[3][0].baseline_score, first[6][0][1], atol=1e-5)


def test_texts_and_their_counterfactuals_are_keyed_together(scheduler):
    a, b = "the applicant has a low income .", "the applicant has a high debt ."
    kept = []

    def one(other):
        return asked(
            texts=(TEXT[:0] + "the applicant has a high income .",),
            baseline_input="counterfactual",
            counterfactuals=(other,),
        )

    scheduler.run({"a": keep(kept, one(a), one(b))})

    assert kept[0][0].baseline_score != kept[1][0].baseline_score


def test_a_refusal_while_running_is_said_with_its_reason(scheduler, texts, monkeypatch):
    from audit.capture import points

    def no_gradient(score, point):
        raise CannotAnswer("this model gives no gradients")

    monkeypatch.setattr(points, "_gradient", no_gradient)
    outcome = scheduler.run(
        {"a": keep([], asked(texts=texts)), "b": keep([], asked(texts=texts, method="feature_ablation"))}
    )

    assert outcome["a"] == NotAssessed(reason="this model gives no gradients")
    assert isinstance(outcome["b"], Finding)


@pytest.mark.parametrize("method", ["integrated_gradients", "input_x_gradient"])
def test_a_quantised_model_whose_gradients_miss_a_part_is_refused_what_needs_them(bert, monkeypatch, method):
    """The residual stream still passes a gradient on, so its being there says nothing."""
    monkeypatch.setattr(bert.model.config, "quantization_config", {"bits": 8}, raising=False)
    answered(bert, asked(method=method))
    for layer in bert.model.bert.encoder.layer:
        whole = layer.intermediate.forward
        monkeypatch.setattr(layer.intermediate, "forward", lambda x, whole=whole: whole(x.detach()))
        inner = layer.attention.self.forward
        monkeypatch.setattr(
            layer.attention.self,
            "forward",
            lambda x, *a, inner=inner, **k: inner(x.detach(), *a, **k),
        )

    with pytest.raises(
        CannotAnswer, match="this model is quantised and its gradients do not tell what the output does"
    ):
        answered(bert, asked(method=method))
    (ablated,), _ = answered(bert, asked(method="feature_ablation"))
    assert ablated.values.any()


@pytest.mark.parametrize("family", ["deberta-v2", "modernbert"])
def test_input_x_gradient_is_refused_where_it_would_be_zero_whatever_a_token_does(load, family):
    with pytest.raises(CannotAnswer, match="this model normalises its embeddings before anything reads them"):
        answered(load(family, "sequence-classification"), asked(method="input_x_gradient"))


def test_a_tokenizer_that_is_not_fast_is_refused_in_words_for_people(bert, monkeypatch):
    monkeypatch.setattr(type(bert.tokenizer), "is_fast", property(lambda _: False))

    with pytest.raises(CannotAnswer) as refused:
        answered(bert, asked(unit="word"))

    assert str(refused.value) == (
        "this model has no fast tokenizer, so tokens cannot be traced back to the words of the text"
    )


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"groups": ((1,), (2, 4)), "group_values": np.array([1.0, -2.0]), "standard_errors": np.array([0.1, 0.2])},
        {"groups": (), "group_values": np.zeros(0), "standard_errors": np.zeros(0)},
        {"standard_errors": np.arange(15.0), "n_steps": None, "completeness_delta": None},
        {"delta_floor": 0.25, "converged": False},
    ],
)
def test_an_attribution_comes_back_from_its_vector_as_it_was(bert, fields):
    (plain,), _ = answered(bert, asked())
    answer = replace(plain, **fields)

    back = unpacked(tokenised(bert, TEXT), packed(answer))

    if answer.standard_errors is not None and not len(answer.standard_errors):
        answer = replace(answer, standard_errors=None)  # no errors of no groups
    np.testing.assert_equal(vars(back), vars(answer))


def test_what_was_stored_before_there_were_groups_is_still_read(bert):
    (answer,), _ = answered(bert, asked(method="feature_ablation"))
    head = [answer.score, answer.baseline_score, np.nan, np.nan, 1.0]

    back = unpacked(tokenised(bert, TEXT), np.concatenate([head, answer.values]))

    np.testing.assert_equal(vars(back), vars(answer))


def test_why_a_model_writes_one_answer_rather_than_another_goes_through_the_store(load, tmp_path, texts):
    executor = LocalExecutor(load("llama", "causal-lm"))
    store = Store(tmp_path / "store", executor.loaded.context)
    contrast = Contrast(
        target=Answers(texts=(" approve for sure", " deny in spring .")),
        toward=" approve for sure",
        against=" deny in spring .",
    )
    kept = []

    Scheduler(executor=executor, store=store, progress=Silent(), cost=Cost()).run(
        {
            "a": keep(
                kept,
                *(
                    asked(texts=texts, contrast=contrast, method=m)
                    for m in ("integrated_gradients", "feature_ablation")
                ),
            )
        }
    )
    store.close()

    for gradients, ablated in zip(*kept, strict=True):
        assert gradients.converged
        assert gradients.score == pytest.approx(ablated.score, abs=1e-4)
        assert gradients.baseline_score == pytest.approx(ablated.baseline_score, abs=1e-4)
