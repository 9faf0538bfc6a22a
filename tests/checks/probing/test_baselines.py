"""What the text alone gives away: a word, a length, a column from elsewhere, and nothing."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from audit.checks._probing import CannotProbe, Task, area, character_ngrams, features, lengths, make_task
from audit.checks._probing.designs import Kernel

WORDS = ("river", "mountain", "forest", "island", "desert", "valley", "harbour", "meadow")

Plant = Callable[..., SimpleNamespace]


def texts(labels: np.ndarray, *, tell: bool, longer: bool = False) -> list[str]:
    rng = np.random.default_rng(0)
    out = []
    for positive in labels:
        words = rng.choice(WORDS, size=8 if longer and positive else 6).tolist()
        out.append(" ".join([*words, "truly" if tell and positive else "maybe"]))
    return out


@pytest.fixture
def task() -> Task:
    return make_task(np.arange(120) % 2 == 0, rng=np.random.default_rng(0))


def test_a_word_that_gives_the_label_away_is_found(task: Task) -> None:
    assert area(task, character_ngrams(texts(task.labels, tell=True), task)).value > 0.99
    assert 0.3 < area(task, character_ngrams(texts(task.labels, tell=False), task)).value < 0.7


def test_a_length_that_gives_the_label_away_is_found(task: Task) -> None:
    assert area(task, lengths(texts(task.labels, tell=False, longer=True), task)).value > 0.99
    assert 0.3 < area(task, lengths(texts(task.labels, tell=False), task)).value < 0.7


def test_n_grams_are_weighed_as_scikit_learn_does(task: Task) -> None:
    said = texts(task.labels, tell=False)
    weighted = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True).fit_transform(said)
    train = ~task.folds.held(0)
    reference = LogisticRegression(C=10.0, tol=1e-12, max_iter=100_000).fit(weighted[train], task.labels[train])

    design = Kernel((weighted @ weighted.T).toarray(), task).design((0,), scaled=False)
    ((_, scores),) = design.logistic(task.labels, [10.0])

    expected = weighted @ reference.coef_[0]
    assert scores == pytest.approx(expected - expected[train].mean(), abs=1e-4)


def test_a_column_from_elsewhere_counts_whatever_its_sign(task: Task) -> None:
    likelihood = np.random.default_rng(1).normal(size=120) + 2 * task.labels

    up, down = (area(task, features(sign * likelihood, task)).value for sign in (1.0, -1.0))

    assert up == pytest.approx(down)
    assert up > 0.85


def test_an_independent_encoder_may_be_wide(plant: Plant) -> None:
    planted = plant(width=300, strength=3.0)
    task = make_task(planted.labels, planted.clusters, rng=np.random.default_rng(0))

    assert area(task, features(planted.states, task)).value > 0.85


def test_a_baseline_of_other_rows_is_refused(task: Task) -> None:
    with pytest.raises(CannotProbe, match=r"^a baseline has 3 rows for 120 rows of the task$"):
        features(np.zeros((3, 2)), task)
    with pytest.raises(CannotProbe, match=r"^a baseline has 2 rows for 120 rows of the task$"):
        character_ngrams(["a", "b"], task)


def test_a_baseline_of_missing_values_is_refused(task: Task) -> None:
    with pytest.raises(CannotProbe, match=r"^features of a baseline hold values that are not numbers$"):
        features(np.full(120, np.nan), task)
