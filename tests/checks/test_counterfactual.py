"""The same case with an attribute swapped: gaps that are known by hand, and everything that must not count."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from audit import verdict
from audit.checks import _toy
from audit.registry import check_types
from audit.requests import Answers, Request, ScoreAnswer, Scores, TextLikelihood, Tokenised
from audit.types import (
    ALPHA,
    Criterion,
    Dataset,
    Decision,
    Finding,
    Guards,
    NotAssessed,
    NoVariation,
    Person,
    PlannedCheck,
    Table,
    Verdict,
)

WOMEN = ("Ada", "Bea", "Cleo", "Dora", "Eva", "Fay", "Gil", "Hal")
MEN = ("Abe", "Ben", "Carl", "Dirk", "Egon", "Finn", "Gus", "Hugo")
PAIRS = [{"female": f, "male": m} for f, m in zip(WOMEN, MEN, strict=True)]
SWAP = {"swap": {"sex": {"from": "name", "pairs": PAIRS}}}
MERITS = {"poor": -1.0, "rich": 1.0}


def p(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def penalties(**by_name: float) -> _toy.Toy:
    return _toy.Toy(weights=MERITS | by_name)


@pytest.fixture
def applicants(make_data: Callable[..., Dataset]) -> Dataset:
    """Eight pairs of names, each poor once and rich once."""
    rows = [
        {"name": name, "sex": sex, "merit": merit} for pair in PAIRS for sex, name in pair.items() for merit in MERITS
    ]
    return make_data(rows, text="{name} is {merit}", cluster=("name",), label=lambda fields: fields["merit"] == "rich")


def judged(found: Finding | NotAssessed, **bounds: float) -> tuple[Verdict | None, str]:
    """The verdict on a finding, and its reason; the first metric is the criterion's own."""
    criterion = Criterion(
        metric=next(iter(bounds)),
        relation="at_most",
        bounds=bounds,
        rationale="",
        set_by=Person(),
        approved_by=Person(),
        place=_toy.PLACE,
    )
    planned = PlannedCheck(
        id="it",
        check="counterfactual",
        title="",
        data="",
        params=None,
        criteria=(criterion,),
        seed=0,
        place=_toy.PLACE,
    )
    metrics = {"it": {m.name: m for m in check_types()["counterfactual"].metrics}}
    one = verdict.judge({"it": found}, [planned], [], metrics)[0]["it"]
    return one.verdict, one.reason


def table(found: Finding | NotAssessed, name: str) -> Table:
    assert isinstance(found, Finding)
    (one,) = [e for e in found.exhibits if e.id == name]
    assert isinstance(one, Table)
    return one


# ---- known answers -------------------------------------------------------------------------------


def test_a_penalty_of_one_logit_is_found_to_the_digit(applicants: Dataset, run_check: Any, the: Any) -> None:
    found = run_check(
        "counterfactual", {**SWAP, "strata": ["merit"]}, applicants, penalties(**dict.fromkeys(WOMEN, -1.0))
    )

    poor, rich = p(-2) - p(-1), p(0) - p(1)
    names = {"group": "female", "reference": "male"}
    assert the(found, "score_gap", **names).value == pytest.approx((poor + rich) / 2)
    assert the(found, "absolute_gap", **names).value == pytest.approx(-(poor + rich) / 2)
    assert the(found, "stratum_gap", stratum="merit is poor", **names).value == pytest.approx(poor)
    assert the(found, "stratum_gap", stratum="merit is rich", **names).value == pytest.approx(rich)
    # Rich women land on the threshold itself, and only what is above it is approved: every rich case flips.
    assert the(found, "flip_rate", **names).value == 0.5


def test_cases_that_become_the_same_texts_count_once(applicants: Dataset, run_check: Any, the: Any) -> None:
    found = run_check("counterfactual", SWAP, applicants, penalties(**dict.fromkeys(WOMEN, -1.0)))

    gap = the(found, "score_gap")
    assert len(applicants.rows) == 32
    assert (gap.n, gap.clusters) == (16, 8)


def test_the_interval_is_students_t_over_pairs_of_names(applicants: Dataset, run_check: Any, the: Any) -> None:
    weights = {name: -0.1 * i for i, name in enumerate(WOMEN)}

    found = run_check("counterfactual", SWAP, applicants, penalties(**weights))

    of_pairs = [np.mean([p(m + w) - p(m) for m in MERITS.values()]) for w in weights.values()]
    expected = scipy_stats.ttest_1samp(of_pairs, 0.0).confidence_interval()
    gap = the(found, "score_gap")
    assert (gap.low, gap.high) == pytest.approx((expected.low, expected.high))


def test_a_gap_that_is_the_same_everywhere_is_bounded_by_the_pairs(
    applicants: Dataset, run_check: Any, the: Any
) -> None:
    found = run_check("counterfactual", SWAP, applicants, penalties())

    gap = the(found, "score_gap")
    assert gap.law == NoVariation(estimate=0.0, clusters=8, reach=1.0, support=(-1.0, 1.0))
    assert the(found, "flip_rate").high == pytest.approx(1 - ALPHA ** (1 / 8))


def test_exchanging_value_and_reference_turns_the_sign(applicants: Dataset, run_check: Any, the: Any) -> None:
    swap = {"from": "name", "pairs": PAIRS, "reference": ["female"]}

    usual = run_check("counterfactual", SWAP, applicants, penalties(Ada=-1.0, Bea=0.3))
    turned = run_check("counterfactual", {"swap": {"sex": swap}}, applicants, penalties(Ada=-1.0, Bea=0.3))

    a, b = the(usual, "score_gap", group="female"), the(turned, "score_gap", group="male")
    assert (b.value, b.low, b.high) == pytest.approx((-a.value, -a.high, -a.low))
    assert the(turned, "absolute_gap").value == pytest.approx(the(usual, "absolute_gap").value)


def test_decisions_gained_and_lost_stand_beside_the_means(applicants: Dataset, run_check: Any) -> None:
    found = run_check("counterfactual", SWAP, applicants, penalties(Ada=-3.0, Bea=3.0))

    rich, poor = [p(1)] * 6, [p(-1)] * 6
    own = np.mean([*rich, *poor, p(-2), p(-4), p(4), p(2)])
    (row,) = table(found, "means").rows
    assert row == ("female", "male", 16, pytest.approx(own), pytest.approx((p(1) + p(-1)) / 2), 1, 1)


def test_the_largest_gaps_are_shown_as_such(applicants: Dataset, run_check: Any) -> None:
    found = run_check("counterfactual", SWAP, applicants, penalties(Ada=-3.0, Bea=0.5))

    largest = table(found, "largest")
    gaps = [abs(float(row[3]) - float(row[4])) for row in largest.rows]  # type: ignore[arg-type]
    assert largest.rows[0][0] == "Ada is rich"
    assert gaps == sorted(gaps, reverse=True)
    assert len(gaps) == 5


# ---- opposite effects ----------------------------------------------------------------------------


def test_penalties_that_cancel_in_the_mean_are_caught_case_by_case_and_in_each_stratum(
    applicants: Dataset, run_check: Any, make_rule: Any, the: Any
) -> None:
    def rule(words: tuple[str, ...]) -> float:
        help_or_harm = {"poor": 0.5, "rich": -0.5}[words[-1]] if words[0] in WOMEN else 0.0
        return MERITS[words[-1]] + help_or_harm * (1 + 0.01 * len(words[0]))

    found = run_check("counterfactual", {**SWAP, "strata": ["merit"]}, applicants, make_rule(rule))

    assert the(found, "score_gap").value == pytest.approx(0, abs=1e-12)
    assert the(found, "absolute_gap").value > 0.1
    assert the(found, "stratum_gap", stratum="merit is poor").value > 0.1
    assert the(found, "stratum_gap", stratum="merit is rich").value < -0.1
    assert judged(found, score_gap=0.05)[0] is Verdict.INCONCLUSIVE  # eight pairs that do not scatter bound little
    assert judged(found, score_gap=0.05, absolute_gap=0.05)[0] is Verdict.NOT_MET
    assert judged(found, score_gap=0.05, stratum_gap=0.05)[0] is Verdict.NOT_MET


def test_without_strata_no_criterion_may_name_them() -> None:
    check = check_types()["counterfactual"]
    plain = check.params.model_validate(SWAP)
    with_strata = check.params.model_validate({**SWAP, "strata": ["merit"]})

    assert check.judgeable(plain) == {"score_gap", "absolute_gap", "flip_rate"}
    assert check.judgeable(with_strata) == {"score_gap", "absolute_gap", "flip_rate", "stratum_gap"}


# ---- models that are not measured ----------------------------------------------------------------


def test_a_constant_model_is_not_assessed(applicants: Dataset, run_check: Any) -> None:
    found = run_check("counterfactual", SWAP, applicants, _toy.Toy(weights={}))

    assert isinstance(found, NotAssessed)
    assert "scores tell cases apart: standard deviation 0 over 32 cases (needed: at least 0.0001)" in found.reason
    assert judged(found, score_gap=0.5)[0] is Verdict.NOT_ASSESSED


def test_a_model_that_decides_against_the_truth_is_not_assessed(applicants: Dataset, run_check: Any) -> None:
    found = run_check("counterfactual", SWAP, applicants, _toy.Toy(weights={"poor": 1.0, "rich": -1.0}))

    assert isinstance(found, NotAssessed)
    assert "better than chance on the true outcomes: 0.000 [0.000, " in found.reason


def test_without_true_outcomes_a_gap_may_count_but_nothing_is_cleared(
    applicants: Dataset, run_check: Any, check_of: Any
) -> None:
    unlabelled = replace(applicants, rows=tuple(replace(row, label=None) for row in applicants.rows))

    found = run_check("counterfactual", SWAP, unlabelled, penalties(**{n: -2 - 0.01 * len(n) for n in WOMEN}))

    competence = check_of(found, "better_than_chance")
    assert (competence.passed, competence.guards) == (None, Guards.FALSE_ALL_CLEAR)
    assert competence.found == "the data hold no true outcomes"
    assert judged(found, score_gap=0.05)[0] is Verdict.NOT_MET
    assert judged(found, score_gap=0.9)[0] is Verdict.INCONCLUSIVE


@dataclass(frozen=True, kw_only=True)
class Answering:
    """A causal model that answers " yes" or " no" with a fixed share of its probability."""

    mass: float

    def answer(self, request: Request) -> Any:
        if isinstance(request, Tokenised):
            return _toy.Toy(weights={}).answer(request)
        assert isinstance(request, Scores)
        assert request.target == Answers(texts=(" yes", " no"))
        yes = np.array([p(sum(MERITS.get(w, 0.0) for w in text.split())) for text in request.texts])
        logs = np.log(self.mass * np.stack([yes, 1 - yes], axis=1))
        return ScoreAnswer(values=logs, names=request.target.texts, link="log_probability")


ANSWERS = Decision(kind="answers", positive=" yes", negative=" no")


def test_a_model_whose_probability_lies_elsewhere_is_not_assessed(applicants: Dataset, run_check: Any) -> None:
    found = run_check("counterfactual", SWAP, applicants, Answering(mass=0.02), ANSWERS)

    assert isinstance(found, NotAssessed)
    assert found.reason.startswith(
        "the model cannot be measured on this task. probability on the answers offered: on average 0.020 ["
    )


def test_a_model_that_answers_is_scored_between_the_answers(applicants: Dataset, run_check: Any, the: Any) -> None:
    found = run_check("counterfactual", SWAP, applicants, Answering(mass=0.6), ANSWERS)

    row = table(found, "means").rows[0]
    assert row[3] == pytest.approx((p(1) + p(-1)) / 2)
    assert the(found, "score_gap").value == pytest.approx(0, abs=1e-12)


# ---- too little ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("pairs", "says"), [(5, Verdict.INCONCLUSIVE), (6, Verdict.NOT_MET)])
def test_fewer_than_six_pairs_of_names_claim_nothing(
    applicants: Dataset, run_check: Any, check_of: Any, pairs: int, says: Verdict
) -> None:
    params = {"swap": {"sex": {"from": "name", "pairs": PAIRS[:pairs]}}}
    weights = {name: -2 - 0.01 * i for i, name in enumerate(WOMEN)}

    found = run_check("counterfactual", params, applicants, penalties(**weights))

    assert check_of(found, "enough_clusters").passed is (pairs >= 6)
    assert judged(found, score_gap=0.01)[0] is says


def test_a_swap_that_the_tokenizer_hides_clears_nobody(applicants: Dataset, run_check: Any, check_of: Any) -> None:
    class Blind(_toy.Toy):
        def answer(self, request: Request) -> Any:
            if isinstance(request, Tokenised):
                unknown = [" ".join(w if w in MERITS else "[UNK]" for w in t.split()) for t in request.texts]
                return super().answer(Tokenised(texts=tuple(unknown)))
            return super().answer(request)

    found = run_check("counterfactual", SWAP, applicants, Blind(weights=MERITS))

    seen = check_of(found, "swap_reaches_the_model")
    assert (seen.passed, seen.found) == (False, "16 of 16 pairs of texts look the same to the model")
    assert judged(found, score_gap=0.9)[0] is Verdict.INCONCLUSIVE


def test_an_enumerated_grammar_is_exact_and_needs_no_clusters(applicants: Dataset, run_check: Any, the: Any) -> None:
    whole = replace(applicants, card=replace(applicants.card, enumerated=True))
    params = {"swap": {"sex": {"from": "name", "pairs": PAIRS[:3]}}}

    found = run_check("counterfactual", params, whole, penalties(Ada=-0.3))

    gap = the(found, "score_gap")
    assert (gap.exact, gap.low, gap.clusters) == (True, None, None)
    assert "enough_clusters" not in {v.name for v in found.validity}
    assert judged(found, score_gap=abs(gap.value) + 1e-6)[0] is Verdict.MET
    assert judged(found, score_gap=abs(gap.value) - 1e-6)[0] is Verdict.NOT_MET


# ---- located before anything runs ----------------------------------------------------------------


def swapped(**swap: Any) -> dict[str, Any]:
    return {"swap": {"sex": {"from": "name", **swap}}}


def test_a_field_that_does_not_exist_is_located(applicants: Dataset, problems_of: Any) -> None:
    assert problems_of("counterfactual", {**SWAP, "strata": ["merit", "age"]}, applicants) == [
        (("strata", 1), "no field 'age'")
    ]
    assert problems_of("counterfactual", {"swap": {"sex": {"from": "nam", "pairs": PAIRS}}}, applicants) == [
        (("swap", "sex", "from"), "no field 'nam'")
    ]
    assert problems_of("counterfactual", swapped(matched_by=["merit", "age"]), applicants) == [
        (("swap", "sex", "matched_by", 1), "no field 'age'")
    ]


def test_a_field_that_is_not_in_the_text_cannot_be_swapped(applicants: Dataset, problems_of: Any) -> None:
    params = {"swap": {"sex": {"from": "sex", "values": ["female", "male"], "reference": ["male"]}}}

    assert problems_of("counterfactual", params, applicants) == [
        (("swap", "sex", "from"), "the field 'sex' does not stand in the text, so swapping it changes nothing")
    ]


def test_a_reference_without_cases_is_located(applicants: Dataset, problems_of: Any) -> None:
    assert problems_of("counterfactual", swapped(pairs=PAIRS, reference=["men"]), applicants) == [
        (("swap", "sex", "reference", 0), "'men' has no cases"),
        (("swap", "sex"), "no case has a counterpart"),
    ]


def test_a_reference_is_named_once(applicants: Dataset, problems_of: Any) -> None:
    assert problems_of("counterfactual", swapped(pairs=PAIRS, reference=["male", "male"]), applicants) == [
        (("swap", "sex", "reference", 1), "'male' a second time")
    ]


def test_names_that_no_row_holds_have_no_counterpart(applicants: Dataset, problems_of: Any) -> None:
    assert problems_of("counterfactual", swapped(pairs=[{"female": "Zoe", "male": "Zac"}]), applicants) == [
        (("swap", "sex"), "no case has a counterpart")
    ]


def test_a_name_in_two_pairs_has_no_single_counterpart(applicants: Dataset, problems_of: Any) -> None:
    twice = [*PAIRS[:2], {"female": "Ada", "male": "Carl"}]

    assert problems_of("counterfactual", swapped(pairs=twice), applicants) == [
        (("swap", "sex", "pairs", 2), "'Ada' in pair 3, which pair 1 has already")
    ]


@pytest.mark.parametrize(
    ("swap", "says"),
    [
        ({}, "give exactly one of pairs, values and matched_by"),
        ({"pairs": PAIRS, "matched_by": ["merit"]}, "give exactly one of pairs, values and matched_by"),
        ({"values": ["Ada", "Abe"]}, "values needs a reference"),
        ({"pairs": [{"female": "Ada", "male": "Abe"}, {"female": "Bea"}]}, "every row of pairs needs the same columns"),
    ],
)
def test_a_swap_is_made_in_one_way(swap: Mapping[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        check_types()["counterfactual"].params.model_validate(swapped(**swap))


# ---- other ways of swapping ----------------------------------------------------------------------


def test_values_are_put_into_every_case(applicants: Dataset, run_check: Any, the: Any) -> None:
    found = run_check(
        "counterfactual",
        swapped(values=["Ada", "Abe", "Ben"], reference=["Abe", "Ben"]),
        applicants,
        penalties(Ada=-1.0, Abe=0.4, Ben=0.2),
    )

    def mean(weight: float) -> float:
        return float(np.mean([p(m + weight) for m in MERITS.values()]))

    # Two cases remain, poor and rich: whose name they once bore does not matter.
    ada = the(found, "score_gap", group="Ada")
    assert (ada.reference, ada.n) == ("Abe and Ben on average", 2)
    assert ada.value == pytest.approx(mean(-1.0) - (mean(0.4) + mean(0.2)) / 2)
    assert the(found, "score_gap", group="Abe", reference="Ben").value == pytest.approx(mean(0.4) - mean(0.2))
    assert any("The reference is the mean over several values" in limit for limit in found.limits)


MATCHED = {"swap": {"sex": {"from": "sex", "matched_by": ["case"]}}}


def people(make_data: Callable[..., Dataset], rows: list[tuple[str, str, str, str]], **more: Any) -> Dataset:
    return make_data(
        [dict(zip(("case", "sex", "name", "merit"), row, strict=True)) for row in rows],
        text="{name} is {merit}",
        label=lambda fields: fields["merit"] == "rich",
        **more,
    )


def test_matched_rows_are_compared_and_rows_of_unknown_sex_are_nobody(
    make_data: Callable[..., Dataset], run_check: Any, the: Any
) -> None:
    rows = [
        (str(i), sex, name, merit)
        for i, (pair, merit) in enumerate(itertools.product(PAIRS, MERITS))
        for sex, name in [*pair.items(), ("", "Kim")]
    ]
    rows.append(("alone", "female", "Ada", "poor"))

    found = run_check("counterfactual", MATCHED, people(make_data, rows), penalties(Ada=-1.0, Kim=5.0))

    assert isinstance(found, Finding)
    assert {m.group for m in found.measurements} == {"female"}
    gap = the(found, "score_gap")
    assert gap.n == 16
    assert gap.value == pytest.approx((p(-2) - p(-1) + p(0) - p(1)) / 16)


def test_names_that_return_on_either_side_make_cases_depend(
    make_data: Callable[..., Dataset], run_check: Any, the: Any
) -> None:
    # Sixty-four women of their own names, each beside one of eight men: eight men are what the gap rests on.
    rows, weights = [], {}
    for i in range(64):
        rows += [(str(i), "female", f"w{i}", "rich"), (str(i), "male", MEN[i % 8], "rich")]
        rows += [(f"p{i}", "female", f"w{i}", "poor"), (f"p{i}", "male", MEN[i % 8], "poor")]
    weights = {name: 0.2 * i for i, name in enumerate(MEN)}

    found = run_check("counterfactual", MATCHED, people(make_data, rows, cluster=("name",)), penalties(**weights))

    gap = the(found, "score_gap")
    of_men = [np.mean([p(m) - p(m + w) for m in MERITS.values()]) for w in weights.values()]
    expected = scipy_stats.ttest_1samp(of_men, 0.0).confidence_interval()
    assert gap.clusters == 8
    assert gap.low == pytest.approx(expected.low, rel=0.02)
    assert gap.high == pytest.approx(expected.high, rel=0.02)


def test_what_rows_share_beyond_two_things_is_said_to_be_left_out(
    make_data: Callable[..., Dataset], run_check: Any
) -> None:
    rows = [
        {"name": name, "merit": merit, "form": f"f{form}", "person": f"p{form}{merit}"}
        for pair in PAIRS
        for name in pair.values()
        for merit in MERITS
        for form in range(3)
    ]
    data = make_data(
        rows,
        text="{name} is {merit} {form}",
        cluster=("form", "person"),
    )

    found = run_check("counterfactual", SWAP, data, penalties())

    assert found.limits[-1] == "Cases share more than two things; the intervals allow for the first two of them."


# ---- likelihoods ---------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Reader:
    """A language model that likes its words in order, and pays for some of them."""

    costs: Mapping[str, float]
    knows_order: bool = True

    def answer(self, request: Request) -> Any:
        if isinstance(request, Tokenised):
            return _toy.Toy(weights={}).answer(request)
        assert isinstance(request, Scores)
        assert request.target == TextLikelihood()
        values = [(-self._nats(text.split()), len(text.split())) for text in request.texts]
        names = ("log_likelihood", "tokens")
        return ScoreAnswer(values=np.array(values, dtype=float), names=names, link="log_probability")

    def _nats(self, words: list[str]) -> float:
        surprise = 3.0 if self.knows_order and words.index("is") != 1 else 0.0
        return sum(self.costs.get(word, 1.0) for word in words) + surprise


LIKELIHOOD = Decision(kind="likelihood")


def test_a_likelihood_is_compared_in_nats_and_flips_nothing(
    make_data: Callable[..., Dataset], run_check: Any, the: Any
) -> None:
    data = make_data(
        [{"name": n, "merit": m} for pair in PAIRS for n in pair.values() for m in MERITS],
        text="{name} is {merit} and here again today",
        cluster=("name",),
    )
    costs = {name: 1.5 + 0.01 * i for i, name in enumerate(WOMEN)} | {"rich": 2.0}

    found = run_check("counterfactual", SWAP, data, Reader(costs=costs), LIKELIHOOD)

    gap = the(found, "score_gap")
    assert (gap.unit, gap.value) == ("nats", pytest.approx(-0.5 - 0.01 * 3.5))
    assert "flip_rate" not in {m.metric for m in found.measurements}
    assert table(found, "means").rows[0][5:] == (None, None)


def test_a_language_model_that_does_not_mind_the_order_of_words_is_not_assessed(
    make_data: Callable[..., Dataset], run_check: Any
) -> None:
    data = make_data(
        [{"name": n, "merit": m} for pair in PAIRS for n in pair.values() for m in MERITS],
        text="{name} is {merit} and here again today",
        cluster=("name",),
    )

    found = run_check("counterfactual", SWAP, data, Reader(costs={"rich": 2.0}, knows_order=False), LIKELIHOOD)

    assert isinstance(found, NotAssessed)
    assert "texts are likelier than their words in random order: for a share of 0.000" in found.reason


# ---- whatever the data ---------------------------------------------------------------------------


numbers = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@numbers
@given(weights=st.lists(st.floats(-2, 2), min_size=16, max_size=16), seed=st.integers(0, 99))
def test_the_order_of_rows_and_the_names_of_values_do_not_matter(
    applicants: Dataset, run_check: Any, reordered: Any, weights: list[float], seed: int
) -> None:
    model = penalties(**dict(zip((*WOMEN, *MEN), weights, strict=True)))
    renamed = {"swap": {"sex": {"from": "name", "pairs": [{"a": q["female"], "b": q["male"]} for q in PAIRS]}}}

    plain = run_check("counterfactual", SWAP, applicants, model)
    moved = run_check("counterfactual", renamed, reordered(applicants, seed), model)

    if isinstance(plain, NotAssessed):
        assert isinstance(moved, NotAssessed)
        return
    for one, other in zip(plain.measurements, moved.measurements, strict=True):
        assert (other.group, other.reference) == ("a", "b")
        assert (other.value, other.low, other.high) == pytest.approx((one.value, one.low, one.high), abs=1e-9)


@numbers
@given(weights=st.lists(st.floats(-2, 2), min_size=16, max_size=16))
def test_a_mean_gap_is_never_larger_than_the_mean_absolute_one(
    applicants: Dataset, run_check: Any, the: Any, weights: list[float]
) -> None:
    model = penalties(**dict(zip((*WOMEN, *MEN), weights, strict=True)))

    found = run_check("counterfactual", {**SWAP, "strata": ["merit"]}, applicants, model)

    if isinstance(found, Finding):
        gap, strata = the(found, "score_gap"), [m for m in found.measurements if m.metric == "stratum_gap"]
        assert abs(gap.value) <= the(found, "absolute_gap").value + 1e-12
        assert gap.value == pytest.approx(np.average([m.value for m in strata], weights=[m.n for m in strata]))


def test_names_that_scatter_around_no_gap_are_covered_and_hardly_ever_accused(
    applicants: Dataset, run_check: Any, the: Any
) -> None:
    # Effects of names are drawn alike for both sexes, so the gap of the population of names is zero.
    rng, runs = np.random.default_rng(7), 300
    covered = accused = 0
    for _ in range(runs):
        model = penalties(**{name: float(w) for name, w in zip((*WOMEN, *MEN), rng.normal(0, 0.3, 16), strict=True)})
        found = run_check("counterfactual", SWAP, applicants, model)
        gap = the(found, "score_gap")
        covered += gap.low <= 0 <= gap.high
        accused += judged(found, score_gap=0.0)[0] is Verdict.NOT_MET

    assert covered / runs >= 0.95 - 3 * math.sqrt(0.05 * 0.95 / runs)
    assert accused / runs <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / runs)
