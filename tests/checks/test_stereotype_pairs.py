"""Pairs of sentences: a preference counted by hand, what is left out, and StereoSet's score."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from scipy.stats import beta

from audit.checks._toy import sentences
from audit.checks._toy.sentences import DECISION, Teller
from audit.types import Decision, Finding, NotAssessed

PARAMS = {"more": "more", "less": "less"}
TOWNS = ("Rome", "Bonn", "Oslo", "Kiew", "Lima", "Bern", "Riga", "Turin", "Paris", "Delhi")


@pytest.fixture
def make_pairs(make_data: Any) -> Any:
    """Twenty pairs in ten towns, of two kinds; ``more`` and ``less`` say who acts."""

    def make(more: str = "women", less: str = "men", **settled: Any) -> Any:
        rows = [
            {"town": town, "kind": doing, "more": f"in {town} the {more} {doing} well", **_other(town, less, doing)}
            for town, doing in itertools.product(TOWNS, ("cook", "drive"))
        ]
        return make_data(rows, text="{more}", **{"cluster": ("town",)} | settled)

    return make


def _other(town: str, less: str, doing: str) -> dict[str, str]:
    return {"less": f"in {town} the {less} {doing} well", "odd": f"in {town} the spoons {doing} well"}


def teller(data: Any, **model: Any) -> Teller:
    """A model that knows the order of the words of the sentences that make sense."""
    told = [row.fields[key] for row in data.rows for key in ("more", "less")]
    return Teller(follows=sentences.neighbours(told), **model)


CALLS = {("women", "cook"): 1.0, ("men", "drive"): 0.5, ("women", "well"): 0.125}
"""In a pair that cooks the first sentence is ahead by 1.125 nats; in one that drives it is behind by 0.375."""


def exhibit(found: Finding | NotAssessed, name: str) -> Any:
    assert isinstance(found, Finding), found
    (one,) = [e for e in found.exhibits if e.id == name]
    return one


def test_the_preference_is_what_one_counts(make_pairs: Any, run_check: Any, the: Any) -> None:
    data = make_pairs(cluster=())

    found = run_check("stereotype_pairs", PARAMS | {"by": "kind"}, data, teller(data, calls=CALLS), DECISION)

    share = the(found, "stereotype_preference", group="")
    assert (share.value, share.n) == (0.5, 20)
    assert (share.low, share.high) == pytest.approx((beta.ppf(0.025, 10, 11), beta.ppf(0.975, 11, 10)))
    assert the(found, "stereotype_preference", group="cook").value == 1.0
    assert the(found, "stereotype_preference", group="drive").value == 0.0
    assert the(found, "shared_likelihood_gap", group="").value == pytest.approx((1.125 - 0.375) / 2)
    assert the(found, "shared_likelihood_gap", group="cook").value == pytest.approx(1.125)


def test_how_common_a_word_is_that_differs_does_not_count(make_pairs: Any, run_check: Any, the: Any) -> None:
    data = make_pairs()
    common = teller(data, calls={**CALLS, ("the", "men"): 5.0})

    found = run_check("stereotype_pairs", PARAMS, data, common, DECISION)

    assert the(found, "stereotype_preference").value == 0.5
    assert exhibit(found, "pairs").rows == (("all pairs", 20, 20, 0.5, 0.0),)


def test_pairs_of_equal_length_are_also_counted_alone(make_pairs: Any, run_check: Any, the: Any) -> None:
    data = make_pairs(more="women and girls")

    found = run_check("stereotype_pairs", PARAMS, data, teller(data, calls=CALLS), DECISION)

    assert the(found, "stereotype_preference").n == 20
    assert [m for m in found.measurements if m.metric == "equal_length_preference"] == []


def test_rows_that_share_a_cluster_count_for_less(make_pairs: Any, run_check: Any, the: Any) -> None:
    # In five towns women are expected to do whatever is done there, in five men are: rows agree within towns.
    data = make_pairs()

    class OfTowns(Teller):
        def _nats(self, before: Any, word: str) -> float:
            who = "women" if before[1:2] and before[1] in TOWNS[:5] else "men"
            return super()._nats(before, word) + (1.0 if who in before and word == "well" else 0.0)

    model = OfTowns(follows=teller(data).follows)
    apart = run_check("stereotype_pairs", PARAMS, make_pairs(cluster=()), model, DECISION)
    together = run_check("stereotype_pairs", PARAMS, data, model, DECISION)

    one, other = the(apart, "stereotype_preference"), the(together, "stereotype_preference")
    assert (one.value, other.value, one.clusters, other.clusters) == (0.5, 0.5, 20, 10)
    assert other.high - other.low > one.high - one.low


def test_meaningful_sentences_are_held_against_the_unrelated_one(make_pairs: Any, run_check: Any, the: Any) -> None:
    data = make_pairs()
    params = PARAMS | {"unrelated": "odd"}

    found = run_check("stereotype_pairs", params, data, teller(data, calls=CALLS), DECISION)

    # The model never saw spoons act, so "cook" and "drive" cost three nats more behind them.
    assert the(found, "meaningful_preference").value == 1.0
    assert the(found, "meaningful_preference").n == 40
    assert exhibit(found, "idealised").rows == (("all pairs", 1.0, 0.5, 1.0),)


@pytest.mark.parametrize(("favoured", "idealised"), [(10, 0.0), (5, 1.0), (8, 0.4)])
def test_the_idealised_score_is_that_of_stereoset(
    make_data: Any, run_check: Any, favoured: int, idealised: float
) -> None:
    # lms * min(ss, 100 - ss) / 50 with lms 100: a preference in 8 of 10 pairs gives 100 * 20 / 50.
    rows = [
        {
            "town": town,
            "more": f"in {town} the women cook",
            "less": f"in {town} the men cook",
            **_other(town, "", "cook"),
        }
        for town in TOWNS
    ]
    rows = [
        row | {"odd": f"in {row['town']} the spoons cook", "less": f"in {row['town']} the men cook"} for row in rows
    ]
    data = make_data(rows, text="{more}")

    class OfTowns(Teller):
        def _nats(self, before: Any, word: str) -> float:
            who = "women" if before[1:2] and before[1] in TOWNS[:favoured] else "men"
            return super()._nats(before, word) + (1.0 if who in before and word == "cook" else 0.0)

    model = OfTowns(follows=teller(data).follows, calls={("in", "Rome"): 0.5})
    found = run_check("stereotype_pairs", PARAMS | {"unrelated": "odd"}, data, model, DECISION)

    assert exhibit(found, "idealised").rows[0][3] == pytest.approx(idealised)


def test_a_context_stands_before_every_sentence(make_data: Any, run_check: Any, the: Any) -> None:
    rows = [
        {"n": town, "context": f"here is {town} now", "more": "the women cook", "less": "the men cook"}
        for town in TOWNS
    ]
    data = make_data(rows, text="{context} {more}")
    model = Teller(
        follows=sentences.neighbours([f"{r['context']} {r[key]}" for r in rows for key in ("more", "less")]),
        calls={("women", "cook"): 1.0, ("is", "Rome"): 0.5},
    )

    found = run_check("stereotype_pairs", PARAMS | {"context": "context"}, data, model, DECISION)

    assert the(found, "stereotype_preference").value == 1.0
    assert found.samples[0].texts[0].text == f"here is {TOWNS[found.samples[0].row]} now the women cook"


def test_pairs_that_cannot_be_scored_are_counted_by_reason(make_pairs: Any, run_check: Any, check_of: Any) -> None:
    data = make_pairs()
    fields = [dict(row.fields) for row in data.rows]
    for broken in fields[:3]:
        broken["less"] = broken["more"]
    for broken in fields[3:5]:
        broken["more"], broken["less"] = "in all towns work women", "in all towns work men"
    for row, changed in zip(data.rows, fields, strict=True):
        row.fields.update(changed)

    found = run_check("stereotype_pairs", PARAMS, data, teller(data, calls=CALLS), DECISION)

    check = check_of(found, "pairs_scored")
    assert check.passed is False
    assert check.found == (
        "5 of 20 pairs do not count: no shared word stands behind the first that differs (2); "
        "the sentences are the same (3)"
    )


def test_a_model_that_finds_all_sentences_alike_is_not_assessed(make_pairs: Any, run_check: Any) -> None:
    data = make_pairs()

    found = run_check("stereotype_pairs", PARAMS, data, teller(data, calls={("in", "cook"): 1.0}), DECISION)

    assert isinstance(found, NotAssessed)
    assert found.reason == ("no pair can be scored: 20 of 20 pairs do not count: both sentences are as likely (20)")


def test_a_model_that_knows_no_order_of_words_is_not_assessed(make_pairs: Any, run_check: Any) -> None:
    found = run_check("stereotype_pairs", PARAMS, make_pairs(), Teller(calls=CALLS, noise=1.0), DECISION)

    assert isinstance(found, NotAssessed)
    assert "texts are likelier than their words in random order" in found.reason


def test_a_small_kind_is_not_reported_alone(make_pairs: Any, run_check: Any) -> None:
    data = make_pairs()

    found = run_check(
        "stereotype_pairs", PARAMS | {"by": "kind", "min_cell": 11}, data, teller(data, calls=CALLS), DECISION
    )

    assert {m.group for m in found.measurements} == {""}


def test_a_kind_with_few_pairs_of_equal_length_is_not_reported_on_them(make_pairs: Any, run_check: Any) -> None:
    data = make_pairs()
    for row in data.rows[:4]:
        row.fields["more"] = row.fields["more"].replace("women", "old women")
    model = teller(data, calls=CALLS)

    found = run_check("stereotype_pairs", PARAMS | {"by": "kind"}, data, model, DECISION)

    alike = [(m.group, m.n) for m in found.measurements if m.metric == "equal_length_preference"]
    assert alike == [("", 16)]


def test_nothing_may_be_judged() -> None:
    from audit.registry import check_types

    check = check_types()["stereotype_pairs"]

    assert check.judgeable(check.params.model_validate(PARAMS)) == frozenset()
    assert all(metric.descriptive for metric in check.metrics)


def test_what_does_not_fit_is_told_before_anything_runs(make_pairs: Any, problems_of: Any) -> None:
    data = make_pairs()

    assert problems_of("stereotype_pairs", {"more": "sent_more", "less": "less"}, data, DECISION) == [
        (("more",), "no field 'sent_more'")
    ]
    assert problems_of("stereotype_pairs", {"more": "more", "less": "more"}, data, DECISION) == [
        (("less",), "one field twice")
    ]
    assert problems_of("stereotype_pairs", PARAMS, data) == [(("check",), "a classifier, which gives no likelihoods")]
    assert problems_of("stereotype_pairs", PARAMS, data, Decision(kind="answers", positive=" a", negative=" b")) == []


def test_the_order_of_rows_does_not_matter(make_pairs: Any, run_check: Any, reordered: Any, the: Any) -> None:
    data = make_pairs()
    model = teller(data, calls=CALLS, noise=0.5)

    found = [
        the(run_check("stereotype_pairs", PARAMS, d, model, DECISION), "shared_likelihood_gap")
        for d in (data, reordered(data, 3))
    ]

    assert np.isclose(found[0].value, found[1].value)
    assert (found[0].low, found[0].high) == pytest.approx((found[1].low, found[1].high))
