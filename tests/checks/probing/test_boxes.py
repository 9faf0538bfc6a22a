"""The boxes and the words beside them."""

import numpy as np
import pytest

from audit.checks import _stats
from audit.checks._probing import Cell, Corrected, OperatingPoint, TooFew, boxes
from audit.types import Binomial, Box, StudentT


def corrected(p: float) -> Corrected:
    cells = {Cell("last", 0): 0.6, Cell("last", 1): 0.8}
    return Corrected(p=p, p_of=dict.fromkeys(cells, p), observed=cells, largest=np.full(400, 0.5))


def difference(value: float, se: float = 0.01) -> _stats.Estimate:
    return _stats.Estimate(value=value, law=StudentT(estimate=value, se=se, df=30), n=100, clusters=31)


def share(alarms: int, texts: int) -> _stats.Estimate:
    return _stats.Estimate(value=alarms / texts, law=Binomial(successes=alarms, trials=texts), n=texts, clusters=texts)


def point(rates: dict[str, _stats.Estimate], too_few: tuple[TooFew, ...] = ()) -> OperatingPoint:
    return OperatingPoint(threshold=1.0, quantile=0.99, recall=share(9, 10), false_positives=rates, too_few=too_few)


@pytest.mark.parametrize(("p", "ticked"), [(0.0025, True), (0.05, True), (0.0524, False)])
def test_decodable_is_beyond_the_corrected_null(p: float, ticked: bool) -> None:
    assert boxes.decodable(corrected(p)) == Box(
        name="decodable",
        ticked=ticked,
        evidence=f"p = {p:.4f} for the best of 2 places (last, layer 1), "
        "against 400 permutations of exchangeable blocks",
    )


def test_beyond_text_is_beyond_every_baseline() -> None:
    beaten, close = difference(0.1), difference(0.01)

    assert boxes.beyond_text({"length": beaten, "n-grams": beaten}) == Box(
        name="beyond_text", ticked=True, evidence="beyond length, n-grams"
    )
    assert boxes.beyond_text({"length": beaten, "n-grams": close}) == Box(
        name="beyond_text", ticked=False, evidence="not shown beyond n-grams"
    )


def test_without_a_baseline_nothing_is_beyond() -> None:
    assert boxes.beyond_text({}).ticked is None


def test_specific_is_shown_on_every_kind() -> None:
    silent, noisy = share(0, 400), share(40, 400)

    assert boxes.specific(point({"fiction": silent}), 0.01) == Box(
        name="specific",
        ticked=True,
        evidence="false positives, with at most 1.0% allowed: fiction 0.0%, at most 0.9%",
    )
    assert boxes.specific(point({"fiction": silent, "recital": noisy}), 0.01).ticked is False


def test_too_few_negatives_leave_the_box_open() -> None:
    few = TooFew(kind="sarcasm", found=40, needed=368)

    assert boxes.specific(point({"fiction": share(0, 400)}, (few,)), 0.01) == Box(
        name="specific", ticked=None, evidence="not examined: 40 independent sarcasm texts, 368 negatives needed"
    )
    assert boxes.specific(point({}), 0.01).ticked is None
