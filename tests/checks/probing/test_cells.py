"""One cell: scikit-learn's nested cross-validation, and what must not change a score."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.preprocessing import StandardScaler

from audit.checks._probing import PENALTIES, Pipeline, Task, make_task
from audit.checks._probing.cells import Probed, probe
from audit.checks._probing.designs import Vectors
from audit.checks._stats.roc import auroc

Plant = Callable[..., SimpleNamespace]


def probed(x: np.ndarray, task: Task, estimator: str = "logistic") -> Probed:
    return probe(Vectors(x, task), task, Pipeline(estimators=(estimator,))).probed[estimator]


def task_of(planted: SimpleNamespace, seed: int = 0) -> Task:
    return make_task(planted.labels, planted.clusters, rng=np.random.default_rng(seed))


def by_scikit_learn(x: np.ndarray, task: Task) -> tuple[np.ndarray, list[float]]:
    """Nested cross-validation written out: the inner folds are the other outer folds, C by their log-loss."""
    x, y, fold = x.astype(np.float64), task.labels, task.folds.of_row
    scores, chosen = np.empty(len(y)), []

    def fitted(train: np.ndarray, c: float) -> tuple[np.ndarray, np.ndarray]:
        scaler = StandardScaler().fit(x[train])
        z = scaler.transform(x)
        model = LogisticRegression(C=c, tol=1e-10, max_iter=100_000).fit(z[train], y[train])
        return z @ model.coef_[0], model.predict_proba(z)[:, 1]

    for i in range(task.folds.count):
        losses, inner = [], []
        for c in PENALTIES:
            score, chance = np.empty(len(y)), np.empty(len(y))
            for j in set(range(task.folds.count)) - {i}:
                s, p = fitted((fold != i) & (fold != j), c)
                score[fold == j], chance[fold == j] = s[fold == j], p[fold == j]
            losses.append(log_loss(y[fold != i], chance[fold != i]))
            inner.append(score[fold != i].std())
        best = int(np.argmin(losses))
        chosen.append(PENALTIES[best])
        scores[fold == i] = fitted(fold != i, PENALTIES[best])[0][fold == i] / inner[best]
    return scores, chosen


@pytest.mark.parametrize(("width", "strength"), [(12, 1.0), (300, 3.0)])
def test_scores_and_areas_are_scikit_learns(plant: Plant, width: int, strength: float) -> None:
    planted = plant(clusters=30, rows=3, width=width, strength=strength, seed=5)
    task = task_of(planted)

    found = probed(planted.states, task)

    reference, chosen = by_scikit_learn(planted.states, task)
    assert list(found.penalties or ()) == chosen
    assert found.scores == pytest.approx(reference, abs=1e-3)
    assert auroc(task.labels, found.scores) == pytest.approx(roc_auc_score(task.labels, reference), abs=1e-4)


@pytest.mark.parametrize(("estimator", "least"), [("logistic", 0.85), ("mean_difference", 0.7)])
def test_a_planted_direction_is_read_in_new_clusters(
    narrow: SimpleNamespace, wide: SimpleNamespace, estimator: str, least: float
) -> None:
    for planted in (narrow, wide):
        found = probed(planted.states, task_of(planted), estimator)

        assert auroc(planted.labels, found.scores) > least
        assert (found.inner_area > least - 0.1).all()


def test_the_difference_of_means_is_what_it_says(wide: SimpleNamespace) -> None:
    task = task_of(wide)
    x = wide.states.astype(np.float64)
    fold, y = task.folds.held(2), task.labels
    along = x[~fold & y].mean(axis=0) - x[~fold & ~y].mean(axis=0)
    projected = (x - x[~fold].mean(axis=0)) @ along

    found = probed(wide.states, task, "mean_difference").scores

    ratio = found[fold] / projected[fold]
    assert ratio == pytest.approx(np.full(fold.sum(), ratio[0]), rel=1e-6)
    assert ratio[0] > 0


def test_shuffled_rows_get_the_same_scores(wide: SimpleNamespace) -> None:
    order = np.random.default_rng(0).permutation(len(wide.labels))
    shuffled = make_task(wide.labels[order], ([wide.clusters[0][i] for i in order],), rng=np.random.default_rng(0))

    found = probed(wide.states[order], shuffled).scores

    assert found == pytest.approx(probed(wide.states, task_of(wide)).scores[order], abs=1e-6)


@pytest.mark.parametrize("width", [12, 400])
def test_the_units_of_a_column_do_not_matter_to_the_regression(plant: Plant, width: int) -> None:
    planted = plant(width=width, strength=3.0, seed=2)
    units = np.exp(np.random.default_rng(0).normal(size=width) * 2)

    changed = probed(planted.states * units + 100 * units, task_of(planted)).scores

    assert changed == pytest.approx(probed(planted.states, task_of(planted)).scores, abs=1e-3)


@pytest.mark.parametrize("estimator", ["logistic", "mean_difference"])
def test_naming_the_other_class_positive_turns_every_score(wide: SimpleNamespace, estimator: str) -> None:
    task = task_of(wide)
    turned = make_task(~wide.labels, wide.clusters, rng=np.random.default_rng(0))

    found = probed(wide.states, turned, estimator)

    original = probed(wide.states, task, estimator)
    assert found.scores == pytest.approx(-original.scores, abs=1e-6)
    assert found.inner_area == pytest.approx(original.inner_area)


def test_labels_of_rows_that_do_not_train_change_nothing(narrow: SimpleNamespace) -> None:
    trained = np.arange(len(narrow.labels)) < 160
    labels = narrow.labels.copy()
    tasks = []
    for flipped in (False, True):
        labels[~trained] ^= flipped
        tasks.append(make_task(labels, narrow.clusters, trained=trained, rng=np.random.default_rng(0)))

    first, second = (probed(narrow.states, task).scores for task in tasks)

    assert (first == second).all()
    assert auroc(narrow.labels[~trained], first[~trained]) > 0.85


def test_noise_is_not_pulled_below_one_half_by_uneven_folds() -> None:
    # With the intercept in the score, a fold rich in positives would score low: its training set holds fewer.
    areas = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        labels = rng.permutation(np.arange(60) < 20)
        x = rng.normal(size=(60, 100)).astype(np.float32)
        areas.append(auroc(labels, probed(x, make_task(labels, rng=rng)).scores))

    assert np.mean(areas) == pytest.approx(0.5, abs=0.05)


def test_states_that_are_all_the_same_tell_nothing_apart(narrow: SimpleNamespace) -> None:
    for estimator in ("logistic", "mean_difference"):
        found = probed(np.ones((len(narrow.labels), 7), dtype=np.float32), task_of(narrow), estimator)

        assert auroc(narrow.labels, found.scores) == 0.5
