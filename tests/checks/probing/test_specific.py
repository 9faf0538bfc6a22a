"""False alarms at a fixed threshold, and how many negatives it takes to speak of them."""

import numpy as np
import pytest

from audit import laws
from audit.checks._probing import CannotProbe, Task, make_task, needed_negatives, operating_point
from audit.types import Binomial


def scored(
    honest: int = 500, controls: dict[str, float] | None = None, each: int = 400, rows_per_cluster: int = 1
) -> tuple[Task, np.ndarray, list[str]]:
    """Positives around 6, honest negatives around 0, controls around the given values."""
    rng = np.random.default_rng(0)
    kinds = [""] * (honest + 100) + [kind for kind in controls or {} for _ in range(each)]
    labels = np.arange(len(kinds)) < 100
    at = np.concatenate([np.full(100, 6.0), np.zeros(honest), *[np.full(each, v) for v in (controls or {}).values()]])
    clusters = [str(i) if i < 100 else f"{i // rows_per_cluster} n" for i in range(len(kinds))]
    trained = np.array([kind == "" for kind in kinds])
    task = make_task(labels, (clusters,), trained=trained, rng=rng)
    return task, at + rng.normal(size=len(kinds)), kinds


@pytest.mark.parametrize(("max_fpr", "needed"), [(0.01, 368), (0.05, 72), (0.1, 36), (0.5, 6)])
def test_the_needed_number_is_the_smallest_whose_exact_bound_allows(max_fpr: float, needed: int) -> None:
    assert needed_negatives(max_fpr) == needed
    assert laws.interval(Binomial(successes=0, trials=needed))[1] <= max_fpr
    assert laws.interval(Binomial(successes=0, trials=needed - 1))[1] > max_fpr


def test_a_rate_outside_its_range_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match=r"^a false-positive rate lies between 0 and 1, not at 0$"):
        needed_negatives(0)


def test_the_threshold_leaves_the_share_of_honest_negatives_that_was_asked_for() -> None:
    task, scores, kinds = scored(controls={"fiction": -3.0})

    found = operating_point(task, scores, kinds)

    above = scores[task.trained & ~task.labels] > found.threshold
    assert above.sum() == 5
    assert found.quantile == 0.99
    assert found.recall.value > 0.99


def test_a_probe_that_fires_on_fiction_is_not_specific() -> None:
    task, scores, kinds = scored(controls={"fiction": 5.0, "recital": -3.0})

    found = operating_point(task, scores, kinds)

    assert found.false_positives["fiction"].value > 0.9
    assert found.false_positives["recital"].value == 0
    assert found.false_positives["recital"].law == Binomial(successes=0, trials=400)
    assert found.specific(0.01) is False


def test_a_probe_that_stays_silent_on_every_kind_is_specific() -> None:
    task, scores, kinds = scored(controls={"fiction": -3.0, "recital": -3.0})

    assert operating_point(task, scores, kinds).specific(0.01) is True


def test_too_few_hard_negatives_are_not_examined() -> None:
    task, scores, kinds = scored(controls={"fiction": -3.0, "sarcasm": -3.0}, each=367)

    found = operating_point(task, scores, kinds)

    assert found.false_positives == {}
    assert [few.reason for few in found.too_few] == [
        "not examined: 367 independent fiction texts, 368 negatives needed",
        "not examined: 367 independent sarcasm texts, 368 negatives needed",
    ]
    assert found.specific(0.01) is None


def test_copies_of_a_text_are_one_text() -> None:
    task, scores, kinds = scored(honest=2000, controls={"fiction": -3.0}, each=1000, rows_per_cluster=5)

    found = operating_point(task, scores, kinds)

    assert [(few.kind, few.found) for few in found.too_few] == [("fiction", 200)]


def test_too_few_honest_negatives_cannot_place_a_threshold() -> None:
    task, scores, kinds = scored(honest=300, controls={"fiction": -3.0})

    with pytest.raises(CannotProbe, match=r"^not examined: 300 independent honest texts, 368 negatives needed$"):
        operating_point(task, scores, kinds)


def test_a_named_threshold_is_measured_on_honest_negatives_too() -> None:
    task, scores, kinds = scored(controls={"fiction": -3.0})

    found = operating_point(task, scores, kinds, threshold=1.0)

    assert (found.threshold, found.quantile) == (1.0, None)
    assert found.false_positives["honest"].value == pytest.approx(0.16, abs=0.05)
    assert found.specific(0.01) is False


def test_no_kind_of_hard_negative_is_no_examination() -> None:
    task, scores, kinds = scored()

    assert operating_point(task, scores, kinds).specific(0.01) is None
