"""Counts made before a run, and speeds remembered after it."""

from __future__ import annotations

import json

import pytest

from audit.capture.cost import Cost
from audit.capture.counting import first_round, rates, remember_rates, weights_bytes
from audit.capture.store import Store
from audit.requests import ClassLogits, Scores, States, Tokenised
from audit.types import Finding


@pytest.fixture
def store(tmp_path, executor):
    store = Store(tmp_path / "store", executor.loaded.context)
    yield store
    store.close()


def asks(*requests):
    yield requests
    raise AssertionError("a plan goes no further than the first round")


def test_what_is_asked_twice_is_counted_once(executor, store, texts):
    checks = {
        "a": asks(Scores(texts=texts, target=ClassLogits())),
        "b": asks(States(texts=texts[:3], layers=(1, 2)), Tokenised(texts=texts)),
    }

    found = first_round(checks, executor.loaded, store)

    assert found == {
        "texts_asked": 8,
        "unique_texts": 5,
        "stored_texts": 0,
        "passes": 2,  # texts of which states are wanted too, and the others
        "tokens": 9 + 16 + 4 + 16 + 14,
        "longest": 16,
        "states_bytes": 3 * 2 * 32 * 4,
    }


def test_a_check_that_asks_for_nothing_counts_nothing(executor, store):
    def at_once():
        return Finding()
        yield

    assert first_round({"a": at_once()}, executor.loaded, store)["unique_texts"] == 0


def test_weights_are_counted_in_bytes(executor):
    assert weights_bytes(executor.loaded) == 4 * sum(p.numel() for p in executor.loaded.model.parameters())


def test_speeds_are_remembered_apart_for_passes_and_attributions(tmp_path):
    cost = Cost(tokens_forward=12_000, attribution_tokens=2_000, attribution_texts=6)
    cost.seconds |= {"model": 4.0, "attribution": 3.0}

    remember_rates(tmp_path, cost)

    assert rates(tmp_path) == {"tokens_per_second": 2500.0, "attributed_texts_per_second": 2.0}


def test_a_run_too_short_to_tell_leaves_the_earlier_speed_in_place(tmp_path):
    (tmp_path / "rates.json").write_text(json.dumps({"tokens_per_second": 700.0}))
    cost = Cost(tokens_forward=1000)
    cost.seconds["model"] = 5.0

    remember_rates(tmp_path, cost)

    assert rates(tmp_path) == {"tokens_per_second": 700.0, "attributed_texts_per_second": None}


def test_without_an_earlier_run_no_speed_is_made_up(tmp_path):
    assert rates(tmp_path) == {"tokens_per_second": None, "attributed_texts_per_second": None}
