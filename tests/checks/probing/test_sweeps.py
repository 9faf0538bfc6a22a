"""Every cell, one at a time, and a choice that flatters nothing."""

from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace

import numpy as np
import pytest

from audit.checks import _stats
from audit.checks._probing import (
    CannotProbe,
    Cell,
    Pipeline,
    area,
    area_difference,
    by_position,
    make_task,
    sweep,
)

FAST = Pipeline(estimators=("mean_difference",))

Plant = Callable[..., SimpleNamespace]


class Counting(Mapping[int, np.ndarray]):
    """Layers that are made when asked for and say when."""

    def __init__(self, layers: int, make) -> None:
        self.layers, self.make, self.read = layers, make, []

    def __getitem__(self, layer: int) -> np.ndarray:
        self.read.append(layer)
        return self.make(layer)

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.layers))

    def __len__(self) -> int:
        return self.layers


def test_each_cell_is_read_once_and_reported_as_done(narrow: SimpleNamespace) -> None:
    task = make_task(narrow.labels, narrow.clusters, rng=np.random.default_rng(0))
    states, done = Counting(3, lambda _: narrow.states), []

    found = sweep(
        by_position({"last_prompt": states, "response_mean": states}), task, FAST, advance=lambda: done.append(1)
    )

    assert states.read == [0, 1, 2, 0, 1, 2]
    assert len(done) == 6
    assert [str(cell) for cell in found.cells][2:4] == ["last_prompt, layer 2", "response_mean, layer 0"]
    assert found.decodable is None


def test_the_layer_that_holds_the_label_is_chosen_on_other_folds(plant: Plant) -> None:
    signal, noise = plant(width=60, strength=3.0), plant(width=60, seed=7)
    task = make_task(signal.labels, signal.clusters, rng=np.random.default_rng(0))

    found = sweep(by_position({"last": {0: noise.states, 1: signal.states, 2: noise.states}}), task, Pipeline())

    for estimator in ("logistic", "mean_difference"):
        choice = found.chosen(estimator)
        assert set(choice.cells) == {Cell("last", 1)}
        assert found.best(estimator) == Cell("last", 1)
        assert area(task, choice.scores).value == found.area(Cell("last", 1), estimator).value


def test_the_best_of_many_noise_layers_is_flattered_and_the_chosen_one_is_not() -> None:
    best, chosen = [], []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        labels = np.arange(100) % 2 == 0
        task = make_task(labels, rng=rng)
        layers = {k: rng.normal(size=(100, 30)).astype(np.float32) for k in range(20)}
        found = sweep(by_position({"last": layers}), task, FAST)
        best.append(max(found.area(cell, "mean_difference").value for cell in found.cells))
        chosen.append(area(task, found.chosen("mean_difference").scores).value)

    assert np.mean(best) > 0.56
    assert np.mean(chosen) == pytest.approx(0.5, abs=0.05)


def test_areas_have_intervals_over_clusters(narrow: SimpleNamespace) -> None:
    task = make_task(narrow.labels, narrow.clusters, rng=np.random.default_rng(0))
    found = sweep(by_position({"last": {4: narrow.states}}), task, Pipeline()).area(Cell("last", 4))

    low, high = _stats.limits(found)

    assert (found.n, found.clusters) == (240, 30)
    assert 0.5 < low < found.value < high <= 1


def test_a_difference_of_areas_is_taken_on_the_same_rows(narrow: SimpleNamespace) -> None:
    task = make_task(narrow.labels, narrow.clusters, rng=np.random.default_rng(0))
    scores = sweep(by_position({"last": {4: narrow.states}}), task, Pipeline()).chosen().scores
    weak = np.random.default_rng(0).normal(size=len(scores))

    found = area_difference(task, scores, weak)

    assert found.value == pytest.approx(area(task, scores).value - area(task, weak).value)
    assert _stats.limits(found)[0] > 0


def test_crossed_clusters_widen_the_interval() -> None:
    names, templates = np.divmod(np.arange(400), 20)
    rng = np.random.default_rng(0)
    labels = rng.permutation(names % 2 == 0)
    x = rng.normal(size=(400, 5)) + 2 * rng.normal(size=(20, 5))[templates] + labels[:, None]
    crossed = make_task(labels, ([str(c) for c in names], [str(c) for c in templates]), rng=np.random.default_rng(1))
    rows = make_task(labels, rng=np.random.default_rng(1))
    scores = sweep(by_position({"last": {0: x.astype(np.float32)}}), crossed, FAST).chosen("mean_difference").scores

    two_way, one_way = area(crossed, scores), area(rows, scores)

    assert crossed.folds.crossing
    assert two_way.value == one_way.value
    assert np.ptp(_stats.limits(two_way)) > np.ptp(_stats.limits(one_way))


def test_states_of_other_rows_are_refused(narrow: SimpleNamespace) -> None:
    task = make_task(narrow.labels, narrow.clusters, rng=np.random.default_rng(0))

    with pytest.raises(CannotProbe, match=r"^last, layer 3: 239 states for 240 rows$"):
        sweep(by_position({"last": {3: narrow.states[1:]}}), task, FAST)


def test_nothing_to_probe_is_refused(narrow: SimpleNamespace) -> None:
    task = make_task(narrow.labels, narrow.clusters, rng=np.random.default_rng(0))

    with pytest.raises(CannotProbe, match=r"^no layer and no position was given to probe$"):
        sweep(by_position({}), task, FAST)


def test_the_same_seed_gives_the_same_numbers(wide: SimpleNamespace) -> None:
    first, second = (
        sweep(
            by_position({"last": {0: wide.states}}),
            make_task(wide.labels, wide.clusters, rng=np.random.default_rng(0)),
            Pipeline(),
        )
        .chosen()
        .scores
        for _ in range(2)
    )

    assert (first == second).all()


def test_an_interrupt_stops_the_sweep_at_the_next_cell(narrow: SimpleNamespace) -> None:
    task = make_task(narrow.labels, narrow.clusters, rng=np.random.default_rng(0))
    states = Counting(5, lambda _: narrow.states)

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(by_position({"last": states}), task, FAST, advance=interrupt)
    assert states.read == [0]
