"""Trained on one data set, tested on another."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest

from audit.checks._probing import CannotProbe, Pipeline, Task, by_position, make_task, transfer

PIPELINE = Pipeline(penalties=(1e-2, 1.0))

Plant = Callable[..., SimpleNamespace]


def two_sets(plant: Plant, *, turned: bool) -> tuple[Task, np.ndarray, list[str]]:
    """Facts and their negations: one cluster each, and a label that is read the other way round if ``turned``."""
    facts = plant(clusters=60, rows=2, width=20, strength=4.0)
    negated = plant(clusters=60, rows=2, width=20, strength=-4.0 if turned else 4.0)
    clusters = ([*facts.clusters[0], *facts.clusters[0]],)
    task = make_task(np.tile(facts.labels, 2), clusters, rng=np.random.default_rng(0))
    return task, np.concatenate([facts.states, negated.states]), ["facts"] * 120 + ["negations"] * 120


def test_a_direction_that_both_sets_share_carries_over(plant: Plant) -> None:
    task, states, sets = two_sets(plant, turned=False)

    found = transfer(by_position({"last": {0: states}}), task, sets, PIPELINE)

    assert found.sets == ("facts", "negations")
    assert min(area.value for area in found.areas.values()) > 0.9
    mean, (_, _) = found.off_diagonal()
    assert mean > 0.9
    assert found.areas["facts", "negations"].clusters == 30


def test_a_direction_that_turns_under_negation_is_seen_to_turn(plant: Plant) -> None:
    task, states, sets = two_sets(plant, turned=True)

    found = transfer(by_position({"last": {0: states}}), task, sets, PIPELINE)

    assert found.areas["facts", "facts"].value > 0.9
    assert found.areas["facts", "negations"].value < 0.1
    assert found.off_diagonal()[0] < 0.1


def test_a_fact_does_not_help_to_score_its_own_negation() -> None:
    # Each cluster has its own large pattern, shared by both sets, and labels are drawn: only memory could help.
    rng = np.random.default_rng(0)
    own = 5 * rng.normal(size=(60, 200))
    states = np.concatenate([own, own]) + 0.1 * rng.normal(size=(120, 200))
    clusters = ([str(i) for i in range(60)] * 2,)
    task = make_task(np.tile(rng.permutation(np.arange(60) < 30), 2), clusters, rng=rng)

    found = transfer(by_position({"last": {0: states.astype(np.float32)}}), task, ["a"] * 60 + ["b"] * 60, PIPELINE)

    assert 0.2 < found.areas["a", "b"].value < 0.8


def test_one_data_set_has_nowhere_to_carry_over_to(plant: Plant) -> None:
    task, states, _ = two_sets(plant, turned=False)

    with pytest.raises(CannotProbe, match=r"^one data set: there is none to carry the probe over to$"):
        transfer(by_position({"last": {0: states}}), task, ["facts"] * 240, PIPELINE)


def test_a_data_set_without_a_class_is_refused(plant: Plant) -> None:
    task, states, _ = two_sets(plant, turned=False)
    sets = np.where(task.labels, "true", "false").tolist()

    with pytest.raises(
        CannotProbe,
        match=r"^data set “true” has too few clusters of a class to train on outside every two folds$",
    ):
        transfer(by_position({"last": {0: states}}), task, sets, PIPELINE)
