"""Shares of attribution that are known from the weights, and what keeps them from being read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.checks import _toy
from audit.registry import check_types
from audit.requests import Attributions, CannotAnswer, Request, TokenAttribution, Tokenised, TokenisedText
from audit.types import Dataset, Decision, Finding, NotAssessed, Table, TokenMap

NAMES = ("Ada", "Bea", "Cleo", "Dora", "Eva", "Fay", "Gil", "Hal", "Ida", "Joy")
WEIGHTS = {"rich": 2.0, "poor": -2.0, "north": 0.5, "south": -0.5} | dict.fromkeys(NAMES, -1.5)
MODEL = _toy.Toy(weights=WEIGHTS)
NAME = {"protected": ["name"], "sample": 5000}
"""All rows are attributed: then the numbers can be worked out."""


@pytest.fixture
def applicants(make_data: Callable[..., Dataset]) -> Dataset:
    """Ten names by merit by town: |name| 1.5, |merit| 2, |town| 0.5, and two words without weight."""
    rows = [
        {"name": name, "merit": merit, "town": town}
        for name in NAMES
        for merit in ("rich", "poor")
        for town in ("north", "south")
    ]
    return make_data(rows, text="{name} is {merit} from {town}", legitimate=("merit",), cluster=("name",))


def exhibit(found: Finding | NotAssessed, name: str) -> Any:
    assert isinstance(found, Finding)
    (one,) = [e for e in found.exhibits if e.id == name]
    return one


FIRST = "integrated gradients from mask"
SECOND = "integrated gradients from “from”"
ABLATED = "feature ablation from mask"


# ---- known answers -------------------------------------------------------------------------------


def test_the_share_is_that_of_the_weights(applicants: Dataset, run_check: Any, the: Any) -> None:
    found = run_check("attribution_share", NAME, applicants, MODEL)

    for stratum in (FIRST, SECOND, ABLATED):
        share = the(found, "protected_share", stratum=stratum)
        assert (share.value, share.n, share.clusters) == (pytest.approx(1.5 / 4), 40, 10)
        # The town is neither protected nor a legitimate factor: it is the reference.
        assert the(found, "reference_share", stratum=stratum).value == pytest.approx(0.5 / 4)
        assert the(found, "excess_share", stratum=stratum).value == pytest.approx(1.0 / 4)
    assert the(found, "protected_share", stratum=FIRST).group == "“name”"


def test_if_all_tokens_counted_alike_their_number_would_decide(
    make_data: Callable[..., Dataset], run_check: Any, the: Any
) -> None:
    # Half of the names have two words: of five and of six tokens.
    rows = [{"name": n if i % 2 else f"{n} Lee", "merit": m} for i, n in enumerate(NAMES) for m in ("rich", "poor")]
    data = make_data(rows, text="{name} is {merit} from north", cluster=("name",))

    found = run_check("attribution_share", NAME, data, MODEL)

    uniform = the(found, "uniform_share", stratum=FIRST)
    assert (uniform.value, uniform.exact) == (pytest.approx((1 / 5 + 2 / 6) / 2), True)
    # As many reference tokens as there are protected ones: one, or two.
    of_one, of_two = 2.0 / 4, 2 * 2.0 / 4
    assert the(found, "reference_share", stratum=FIRST).value == pytest.approx((of_one + of_two) / 2)


def test_several_fields_are_protected_together(applicants: Dataset, run_check: Any, the: Any) -> None:
    params = {"protected": ["name", "town"], "sample": 5000}

    share = the(run_check("attribution_share", params, applicants, MODEL), "protected_share", stratum=FIRST)

    assert (share.value, share.group) == (pytest.approx(2.0 / 4), "“name” and “town”")


def test_fields_to_compare_with_can_be_named(applicants: Dataset, run_check: Any, the: Any) -> None:
    found = run_check("attribution_share", {**NAME, "reference": ["merit"]}, applicants, MODEL)

    assert the(found, "reference_share", stratum=FIRST).value == pytest.approx(2.0 / 4)


def test_without_such_a_field_every_other_word_is_the_reference(applicants: Dataset, run_check: Any, the: Any) -> None:
    every_field = replace(applicants, legitimate=("merit", "town"))

    found = run_check("attribution_share", NAME, every_field, MODEL)

    # Four other words hold 2 + 0.5: 0.625 each.
    assert the(found, "reference_share", stratum=FIRST).value == pytest.approx(0.625 / 4)


def test_a_model_that_leans_on_nothing_has_no_share(applicants: Dataset, run_check: Any) -> None:
    found = run_check("attribution_share", NAME, applicants, _toy.Toy(weights={}))

    assert "protected_share" not in {m.metric for m in found.measurements}
    assert exhibit(found, "baselines").rows[0][-1] is None


@dataclass(frozen=True, kw_only=True)
class Altered(_toy.Toy):
    """A toy whose tokens or attributions are not what its weights say."""

    alter: Callable[[Attributions, TokenAttribution], TokenAttribution] = lambda _, answer: answer
    refuses: Callable[[str], bool] = lambda _: False
    opens: bool = False
    """Whether texts open with a special token."""
    asked: list[str] = field(default_factory=list)

    def answer(self, request: Request) -> Any:
        if isinstance(request, Tokenised) and self.opens:
            return tuple(self._opened(text) for text in super().answer(request))
        if not isinstance(request, Attributions):
            return super().answer(request)
        self.asked.append(f"{request.method} {request.baseline_input}")
        if self.refuses(request.baseline_input):
            raise CannotAnswer(f"no token for {request.baseline_input}")
        answers = super().answer(replace(request, baseline_input="mask"))
        return tuple(self.alter(request, answer) for answer in answers)

    def _opened(self, text: TokenisedText) -> TokenisedText:
        return TokenisedText(
            ids=(0, *text.ids),
            tokens=("[CLS]", *text.tokens),
            spans=((0, 0), *text.spans),
            special=(True, *text.special),
        )

    def _without(self, text: str, taken: tuple[int, ...]) -> float:
        return super()._without(text, tuple(i - self.opens for i in taken))


def test_special_tokens_count_neither_as_words_nor_as_attribution(
    applicants: Dataset, run_check: Any, the: Any
) -> None:
    def opened(_: Attributions, answer: TokenAttribution) -> TokenAttribution:
        return replace(answer, values=np.concatenate([[7.0], answer.values]))

    plain = run_check("attribution_share", NAME, applicants, MODEL)
    found = run_check("attribution_share", NAME, applicants, Altered(weights=WEIGHTS, alter=opened, opens=True))

    for metric in ("protected_share", "uniform_share", "reference_share"):
        assert the(found, metric, stratum=FIRST).value == pytest.approx(the(plain, metric, stratum=FIRST).value)
    assert exhibit(found, "faithfulness").rows[0] == exhibit(plain, "faithfulness").rows[0]


# ---- agreement -----------------------------------------------------------------------------------


def test_methods_that_say_the_same_agree_wholly(applicants: Dataset, run_check: Any, the: Any, check_of: Any) -> None:
    found = run_check("attribution_share", NAME, applicants, MODEL)

    agreement = the(found, "method_agreement")
    assert (agreement.value, agreement.group, agreement.reference) == (pytest.approx(1.0), FIRST, ABLATED)
    assert the(found, "baseline_agreement").reference == SECOND
    assert [v.passed for v in found.validity] == [True] * 5


def upside_down(answer: TokenAttribution) -> TokenAttribution:
    """The same attributions with the ranking turned round."""
    size = np.abs(answer.values)
    return replace(answer, values=size.max() - size)


def test_methods_that_disagree_block(applicants: Dataset, run_check: Any, the: Any, check_of: Any) -> None:
    model = Altered(weights=WEIGHTS, alter=lambda r, a: upside_down(a) if r.method == "feature_ablation" else a)

    found = run_check("attribution_share", NAME, applicants, model)

    assert the(found, "method_agreement").value == pytest.approx(-1.0)
    assert check_of(found, "methods_agree").passed is False
    assert check_of(found, "methods_agree").found.startswith("-1.00 [-1.00, ")
    assert check_of(found, "baselines_agree").passed is True


def test_baseline_inputs_that_disagree_block(applicants: Dataset, run_check: Any, check_of: Any) -> None:
    model = Altered(weights=WEIGHTS, alter=lambda r, a: upside_down(a) if r.baseline_input.startswith("token:") else a)

    found = run_check("attribution_share", NAME, applicants, model)

    assert check_of(found, "methods_agree").passed is True
    assert check_of(found, "baselines_agree").passed is False


def test_a_ranking_that_predicts_nothing_blocks(applicants: Dataset, run_check: Any, check_of: Any) -> None:
    # All attribution on words without weight: taking them out moves nothing.
    def astray(_: Attributions, answer: TokenAttribution) -> TokenAttribution:
        return replace(answer, values=np.array([0.1, 2.0, 0.1, 1.0, 0.1]))

    found = run_check("attribution_share", NAME, applicants, Altered(weights=WEIGHTS, alter=astray))

    assert check_of(found, "ranking_predicts").passed is False
    assert check_of(found, "methods_agree").passed is True


# ---- convergence ---------------------------------------------------------------------------------


def missing(*words: str) -> Callable[[Attributions, TokenAttribution], TokenAttribution]:
    """Integrated gradients do not converge, and go astray, for texts with one of these words."""

    def alter(request: Attributions, answer: TokenAttribution) -> TokenAttribution:
        if request.method == "integrated_gradients" and set(words) & set(answer.text.tokens):
            return replace(answer, values=answer.values * 0 + 1, converged=False, completeness_delta=9.0)
        return answer

    return alter


def test_texts_that_do_not_converge_are_left_out_and_listed(
    applicants: Dataset, run_check: Any, the: Any, check_of: Any
) -> None:
    found = run_check("attribution_share", NAME, applicants, Altered(weights=WEIGHTS, alter=missing("Bea")))

    share = the(found, "protected_share", stratum=FIRST)
    assert (share.value, share.n) == (pytest.approx(1.5 / 4), 36)
    assert the(found, "protected_share", stratum=ABLATED).n == 40
    assert the(found, "method_agreement").n == 36
    assert check_of(found, "completeness").passed is True
    assert check_of(found, "completeness").found == "90% of texts from mask, 90% of texts from “from”"
    assert found.limits[1] == ("4 texts did not converge within 512 steps and are left out: sample rows 5, 6, 7, 8.")
    used, lost = exhibit(found, "baselines").rows[0][4:6]
    assert (used, lost) == (36, 4)
    assert all("Bea" not in m.tokens for m in found.exhibits if isinstance(m, TokenMap))


def test_too_many_texts_that_do_not_converge_block(applicants: Dataset, run_check: Any, check_of: Any) -> None:
    found = run_check("attribution_share", NAME, applicants, Altered(weights=WEIGHTS, alter=missing("Bea", "Joy")))

    assert check_of(found, "completeness").passed is False


def test_a_sample_of_which_nothing_converges_is_not_assessed(applicants: Dataset, run_check: Any) -> None:
    found = run_check("attribution_share", NAME, applicants, Altered(weights=WEIGHTS, alter=missing("is")))

    assert found == NotAssessed(reason="none of 40 texts converged within 512 steps")


# ---- baseline inputs -----------------------------------------------------------------------------


def test_the_mask_is_followed_by_the_most_common_ordinary_word(applicants: Dataset, run_check: Any) -> None:
    model = Altered(weights=WEIGHTS)

    run_check("attribution_share", NAME, applicants, model)

    assert model.asked == [
        "integrated_gradients mask",
        "integrated_gradients token:from",
        "feature_ablation mask",
    ]


def test_where_there_is_no_mask_the_unknown_token_stands_in(applicants: Dataset, run_check: Any) -> None:
    model = Altered(weights=WEIGHTS, refuses=lambda b: b == "mask")

    found = run_check("attribution_share", NAME, applicants, model)

    assert model.asked[1:3] == ["integrated_gradients unk", "integrated_gradients token:from"]
    assert found.limits[-1] == "A baseline input was refused: no token for mask."


def test_a_protected_word_is_never_a_baseline_input(applicants: Dataset, run_check: Any) -> None:
    one_name = replace(applicants, rows=applicants.rows[:4])
    model = Altered(weights=WEIGHTS, refuses=lambda b: b != "token:rich")

    run_check("attribution_share", NAME, one_name, model)

    assert "integrated_gradients token:Ada" not in model.asked
    assert "integrated_gradients token:rich" in model.asked


def test_a_single_baseline_input_blocks(applicants: Dataset, run_check: Any, check_of: Any) -> None:
    model = Altered(weights=WEIGHTS, refuses=lambda b: b != "mask")

    found = run_check("attribution_share", NAME, applicants, model)

    assert check_of(found, "two_baselines").passed is False
    assert check_of(found, "two_baselines").found.startswith("1 could be used; refused: no token for token:from; ")
    assert check_of(found, "baselines_agree").passed is None


def test_a_model_without_any_baseline_input_is_not_assessed(applicants: Dataset, run_check: Any) -> None:
    found = run_check("attribution_share", NAME, applicants, Altered(weights=WEIGHTS, refuses=lambda _: True))

    assert isinstance(found, NotAssessed)
    assert found.reason.startswith("no baseline input could be used: no token for mask; no token for unk; ")


def test_baseline_inputs_can_be_chosen(applicants: Dataset, run_check: Any) -> None:
    model = Altered(weights=WEIGHTS)

    run_check("attribution_share", {**NAME, "baseline_inputs": ["unk", "mask"]}, applicants, model)

    assert model.asked == ["integrated_gradients unk", "integrated_gradients mask", "feature_ablation unk"]


# ---- what is shown -------------------------------------------------------------------------------


def test_a_random_order_stands_beside_the_attributions(applicants: Dataset, run_check: Any, the: Any) -> None:
    found = run_check("attribution_share", NAME, applicants, MODEL)

    shown = exhibit(found, "faithfulness")
    assert isinstance(shown, Table)
    (_, taken, kept), (name, by_chance, kept_by_chance) = shown.rows
    assert name == "random"
    assert taken > by_chance
    assert kept < kept_by_chance
    assert the(found, "comprehensiveness_over_random").value == pytest.approx(taken - by_chance)
    assert the(found, "sufficiency_over_random").value == pytest.approx(kept_by_chance - kept)


def test_the_decision_on_the_baseline_input_is_shown(applicants: Dataset, run_check: Any) -> None:
    def end(_: Attributions, answer: TokenAttribution) -> TokenAttribution:
        return replace(answer, baseline_score=1.0 if "rich" in answer.text.tokens else -1.0)

    found = run_check("attribution_share", NAME, applicants, Altered(weights=WEIGHTS, alter=end))

    method, baseline, mean, positive = exhibit(found, "baselines").rows[0][:4]
    assert (method, baseline, mean, positive) == ("integrated gradients", "mask", 0.0, 0.5)


def test_cases_and_maps_are_drawn_from_the_whole_sample(applicants: Dataset, run_check: Any) -> None:
    drawn, mapped = set(), set()
    for seed in range(8):
        found = run_check("attribution_share", NAME, applicants, MODEL, seed=seed)
        drawn |= {sample.row for sample in found.samples}
        mapped |= {e.tokens[0] for e in found.exhibits if isinstance(e, TokenMap)}
        assert len(found.samples) == 5

    assert max(drawn) > 30
    assert len(mapped) > 5


def test_a_map_says_what_is_needed_to_read_it(applicants: Dataset, run_check: Any) -> None:
    found = run_check("attribution_share", NAME, applicants, MODEL)

    shown = exhibit(found, "map-1")
    assert shown.values == tuple(WEIGHTS.get(token, 0.0) for token in shown.tokens)
    assert shown.protected == (True, False, False, False, False)
    assert (shown.baseline_input, shown.n_steps, shown.completeness_delta) == ("mask", 17, 0.0)


# ---- before the run ------------------------------------------------------------------------------


def test_fields_that_are_not_in_the_text_are_located(applicants: Dataset, problems_of: Any) -> None:
    params = {"protected": ["name", "sex"], "reference": ["age"]}

    assert problems_of("attribution_share", params, applicants) == [
        (("protected", 1), "the field 'sex' does not stand in the text"),
        (("reference", 0), "the field 'age' does not stand in the text"),
    ]


def test_one_baseline_input_given_twice_is_not_two(applicants: Dataset, problems_of: Any) -> None:
    params = {**NAME, "baseline_inputs": ["mask", "mask"]}

    assert problems_of("attribution_share", params, applicants) == [(("baseline_inputs", 1), "'mask' a second time")]


def test_a_likelihood_has_no_decision_to_attribute(applicants: Dataset, problems_of: Any) -> None:
    assert problems_of("attribution_share", NAME, applicants, Decision(kind="likelihood")) == [
        (("check",), "a likelihood has no decision to attribute")
    ]


def test_attribution_never_decides() -> None:
    check = check_types()["attribution_share"]

    assert check.judgeable(check.params.model_validate(NAME)) == frozenset()
    assert all(metric.descriptive for metric in check.metrics)


# ---- whatever the data ---------------------------------------------------------------------------


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 999), scale=st.floats(0.1, 10), sign=st.sampled_from([1, -1]))
def test_neither_order_nor_scale_nor_sign_matters_to_a_share(
    applicants: Dataset, run_check: Any, reordered: Any, the: Any, seed: int, scale: float, sign: int
) -> None:
    weights = {name: 0.3 * i for i, name in enumerate(NAMES)} | {"rich": 2.0, "poor": -1.0, "north": 0.4}
    scaled = {word: sign * scale * weight for word, weight in weights.items()}

    plain = run_check("attribution_share", NAME, applicants, _toy.Toy(weights=weights))
    moved = run_check("attribution_share", NAME, reordered(applicants, seed), _toy.Toy(weights=scaled))

    for metric in ("protected_share", "reference_share", "excess_share"):
        one, other = the(plain, metric, stratum=FIRST), the(moved, metric, stratum=FIRST)
        assert (other.value, other.low, other.high) == pytest.approx((one.value, one.low, one.high), abs=1e-9)
