"""Outcomes per group: rates and gaps worked out by hand, and comparisons that must not be made."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import StratifiedTable

from audit import verdict
from audit.checks import _toy
from audit.registry import check_types
from audit.types import (
    ALPHA,
    Criterion,
    Dataset,
    Decision,
    Finding,
    Forest,
    NotAssessed,
    Person,
    PlannedCheck,
    Table,
    Verdict,
)

MODEL = _toy.Toy(weights={"yes": 1.0, "no": -1.0, "very": 1.0})
"""Approves where a text says yes, and scores .73 or .27 (.88 or .5 with a "very")."""

YES, NO = 1 / (1 + math.exp(-1)), 1 / (1 + math.exp(1))


def cells(counts: Mapping[tuple[str, str], tuple[int, int]]) -> list[dict[str, str]]:
    """Rows of (group, stratum) → (approved, rows)."""
    return [
        {"sex": sex, "job": job, "answer": "yes" if i < approved else "no", "person": f"{sex}{job}{i}"}
        for (sex, job), (approved, n) in counts.items()
        for i in range(n)
    ]


@pytest.fixture
def of_cells(make_data: Callable[..., Dataset]) -> Callable[..., Dataset]:
    def make(counts: Mapping[tuple[str, str], tuple[int, int]], **more: Any) -> Dataset:
        settled: dict[str, Any] = {"groups": ("sex",), "legitimate": ("job",)} | more
        return make_data(cells(counts), text="{answer}", **settled)

    return make


def table(found: Finding | NotAssessed, name: str) -> Table:
    assert isinstance(found, Finding)
    (one,) = [e for e in found.exhibits if e.id == name]
    assert isinstance(one, Table)
    return one


def judged(found: Finding | NotAssessed, metric: str, at_most: float) -> Verdict | None:
    criterion = Criterion(
        metric=metric,
        relation="at_most",
        bounds={metric: at_most},
        rationale="",
        set_by=Person(),
        approved_by=Person(),
        place=_toy.PLACE,
    )
    planned = PlannedCheck(
        id="it",
        check="group_outcomes",
        title="",
        data="",
        params=None,
        criteria=(criterion,),
        seed=0,
        place=_toy.PLACE,
    )
    metrics = {"it": {m.name: m for m in check_types()["group_outcomes"].metrics}}
    return verdict.judge({"it": found}, [planned], [], metrics)[0]["it"].verdict


def mantel_haenszel(counts: Mapping[tuple[str, str], tuple[int, int]]) -> float:
    """Men's rate minus women's, strata weighted by the harmonic size of both."""
    top = bottom = 0.0
    for job in sorted({job for _, job in counts}):
        (kf, nf), (km, nm) = counts["f", job], counts["m", job]
        weight = nf * nm / (nf + nm)
        top, bottom = top + weight * (km / nm - kf / nf), bottom + weight
    return top / bottom


# ---- known answers -------------------------------------------------------------------------------

COUNTS = {("f", "clerk"): (12, 40), ("m", "clerk"): (30, 60), ("f", "smith"): (18, 30), ("m", "smith"): (15, 20)}


def test_rates_and_ratio_are_what_one_counts(of_cells: Any, run_check: Any, the: Any) -> None:
    found = run_check("group_outcomes", {}, of_cells(COUNTS), MODEL)

    assert the(found, "selection_rate", group="f").value == pytest.approx(30 / 70)
    assert the(found, "selection_rate", group="m").value == pytest.approx(45 / 80)
    assert the(found, "impact_ratio", group="f", reference="m").value == pytest.approx((30 / 70) / (45 / 80))
    assert the(found, "impact_ratio", group="m", reference="f").value == pytest.approx((45 / 80) / (30 / 70))
    # 75 of 150 are approved: the median lies between, and who is approved is above it.
    assert the(found, "scoring_rate", group="f").value == pytest.approx(30 / 70)
    assert table(found, "rates").rows[:2] == (
        ("sex", "f", 70, 30, 30 / 70, 30 / 70, pytest.approx((30 * YES + 40 * NO) / 70)),
        ("sex", "m", 80, 45, 45 / 80, 45 / 80, pytest.approx((45 * YES + 35 * NO) / 80)),
    )


def test_scoring_rates_tell_groups_apart_where_everybody_is_selected(make_data: Any, run_check: Any, the: Any) -> None:
    rows = [
        {"sex": sex, "answer": "very yes" if i < high else "yes"}
        for sex, high in (("f", 5), ("m", 20))
        for i in range(40)
    ]

    found = run_check("group_outcomes", {}, make_data(rows, text="{answer}", groups=("sex",)), MODEL)

    assert the(found, "selection_rate", group="f").value == 1.0
    assert the(found, "impact_ratio", group="f").value == pytest.approx(1.0)
    assert the(found, "scoring_rate", group="f").value == pytest.approx(5 / 40)
    assert the(found, "scoring_ratio", group="f").value == pytest.approx((5 / 40) / (20 / 40))


def test_gaps_are_averaged_over_strata_with_mantel_haenszel_weights(of_cells: Any, run_check: Any, the: Any) -> None:
    found = run_check("group_outcomes", {}, of_cells(COUNTS), MODEL)

    expected = mantel_haenszel(COUNTS)
    assert the(found, "selection_gap_within_strata", group="f", reference="m").value == pytest.approx(expected)
    assert the(found, "selection_gap_within_strata", group="m", reference="f").value == pytest.approx(-expected)
    # Scores take two values, so the gap of the scores is that of the decisions times their distance.
    gap = the(found, "score_gap_within_strata", group="f", reference="m")
    assert (gap.value, gap.unit) == (pytest.approx(expected * (YES - NO)), "probability")


def test_the_common_odds_ratio_is_statsmodels(of_cells: Any, run_check: Any) -> None:
    found = run_check("group_outcomes", {}, of_cells(COUNTS), MODEL)

    reference = StratifiedTable([np.array([[12, 28], [30, 30]]), np.array([[18, 12], [15, 5]])])
    (row,) = table(found, "odds").rows
    assert row[:2] == ("f", "m")
    assert row[2:] == pytest.approx(
        (reference.oddsratio_pooled, *reference.oddsratio_pooled_confint(), reference.test_null_odds().pvalue)
    )


def test_a_gap_that_circumstances_explain_is_no_gap_within_them(of_cells: Any, run_check: Any, the: Any) -> None:
    # Simpson's paradox: within each job women do at least as well, but they hold the jobs that are refused.
    paradox = {("f", "hard"): (32, 160), ("m", "hard"): (8, 40), ("f", "easy"): (32, 40), ("m", "easy"): (128, 160)}

    found = run_check("group_outcomes", {}, of_cells(paradox), MODEL)
    raw = run_check("group_outcomes", {"within": []}, of_cells(paradox), MODEL)

    within = the(found, "selection_gap_within_strata", group="f")
    assert within.value == pytest.approx(0, abs=1e-12)
    assert within.low < 0 < within.high
    assert the(raw, "selection_gap_within_strata", group="f").value == pytest.approx(0.68 - 0.32)
    assert the(raw, "selection_gap_within_strata", group="f").low > 0.25
    assert the(found, "impact_ratio", group="f").value == pytest.approx(0.32 / 0.68)
    assert judged(raw, "selection_gap_within_strata", 0.1) is Verdict.NOT_MET
    assert raw.limits[0].startswith("No legitimate factors were declared")


def test_every_ordered_pair_of_groups_is_compared(make_data: Any, run_check: Any) -> None:
    rows = [{"origin": o, "answer": "yes" if i % 2 else "no"} for o in ("a", "b", "c") for i in range(30)]
    data = make_data(rows, text="{answer}", groups=("origin",))

    found = run_check("group_outcomes", {}, data, MODEL)

    pairs = {(m.group, m.reference) for m in found.measurements if m.metric == "selection_gap_within_strata"}
    assert pairs == {(a, b) for a in "abc" for b in "abc" if a != b}


def test_the_figure_shows_each_pair_once_and_from_its_worse_side(of_cells: Any, run_check: Any) -> None:
    found = run_check("group_outcomes", {}, of_cells(COUNTS), MODEL)

    forests = [e for e in found.exhibits if isinstance(e, Forest)]
    assert [f.id for f in forests] == ["selection_gap_within_strata", "score_gap_within_strata"]
    for forest in forests:
        (line,) = forest.rows
        assert line.label == "m over f"
        assert line.value > 0


# ---- clusters ------------------------------------------------------------------------------------


def test_rows_of_one_person_count_once(make_data: Any, run_check: Any, the: Any) -> None:
    rows = [
        {"sex": sex, "answer": "yes" if person < 6 else "no", "person": f"{sex}{person}", "form": str(form)}
        for sex in "fm"
        for person in range(12)
        for form in range(10)
    ]
    clustered = make_data(rows, text="{answer} {form}", groups=("sex",), cluster=("person",))
    alone = make_data(rows, text="{answer} {form}", groups=("sex",))

    narrow = the(run_check("group_outcomes", {}, alone, MODEL), "selection_rate", group="f")
    wide = the(run_check("group_outcomes", {}, clustered, MODEL), "selection_rate", group="f")

    assert (wide.n, wide.clusters, narrow.clusters) == (120, 12, 120)
    assert wide.high - wide.low > 2.5 * (narrow.high - narrow.low)


def test_a_gap_between_five_persons_and_many_claims_nothing(make_data: Any, run_check: Any, check_of: Any) -> None:
    rows = [{"sex": "f", "answer": "no", "person": f"f{i % 5}", "form": str(i)} for i in range(100)]
    rows += [{"sex": "m", "answer": "yes", "person": f"m{i % 20}", "form": str(i)} for i in range(100)]
    data = make_data(rows, text="{answer} {form}", groups=("sex",), cluster=("person",))

    found = run_check("group_outcomes", {}, data, MODEL)

    few = check_of(found, "enough_clusters")
    assert (few.passed, few.found) == (False, "5 clusters")
    assert judged(found, "selection_gap_within_strata", 0.05) is Verdict.INCONCLUSIVE


def test_an_enumerated_grammar_is_exact_and_needs_no_clusters(of_cells: Any, run_check: Any, the: Any) -> None:
    found = run_check(
        "group_outcomes", {}, of_cells(COUNTS, enumerated=True, label=lambda f: f["answer"] == "yes"), MODEL
    )

    gap = the(found, "selection_gap_within_strata", group="f")
    assert (gap.exact, gap.low) == (True, None)
    assert "enough_clusters" not in {v.name for v in found.validity}
    assert judged(found, "selection_gap_within_strata", gap.value + 1e-6) is Verdict.MET
    assert judged(found, "selection_gap_within_strata", gap.value - 1e-6) is Verdict.NOT_MET


# ---- comparisons that are not made ---------------------------------------------------------------


def test_groups_that_never_meet_are_not_compared_and_clear_nobody(of_cells: Any, run_check: Any, check_of: Any) -> None:
    data = of_cells({("f", "clerk"): (20, 40), ("m", "smith"): (20, 40)}, label=lambda f: f["answer"] == "yes")

    found = run_check("group_outcomes", {}, data, MODEL)

    apart = check_of(found, "overlap")
    assert (apart.passed, apart.found) == (
        False,
        "a share of 0.00 of the rows of f and m, the pair that overlaps least",
    )
    assert not [m for m in found.measurements if m.metric.endswith("within_strata")]
    assert judged(found, "selection_gap_within_strata", 0.9) is Verdict.INCONCLUSIVE
    assert table(found, "odds").rows == (("f", "m", *["not estimable"] * 3, None),)


@pytest.mark.parametrize(("least", "compared"), [(0.5, True), (0.51, False)])
def test_half_of_a_pairs_rows_must_overlap(of_cells: Any, run_check: Any, least: float, compared: bool) -> None:
    half = {
        ("f", "clerk"): (10, 20),
        ("m", "clerk"): (10, 20),
        ("f", "nurse"): (10, 20),
        ("m", "smith"): (10, 20),
    }

    found = run_check("group_outcomes", {"min_overlap": least}, of_cells(half), MODEL)

    assert bool([m for m in found.measurements if m.metric == "score_gap_within_strata"]) is compared


def test_a_small_group_is_counted_but_not_compared(make_data: Any, run_check: Any, check_of: Any, the: Any) -> None:
    rows = [
        {"origin": o, "answer": "yes" if i % 2 else "no"}
        for o, n in (("a", 30), ("b", 30), ("c", 29))
        for i in range(n)
    ]

    found = run_check("group_outcomes", {}, make_data(rows, text="{answer}", groups=("origin",)), MODEL)

    small = check_of(found, "cells")
    assert (small.passed, small.found) == (False, "too small: c (29)")
    assert the(found, "selection_rate", group="c").n == 29
    assert {m.group for m in found.measurements if m.metric == "impact_ratio"} == {"a", "b"}
    assert judged(found, "selection_gap_within_strata", 0.9) is Verdict.INCONCLUSIVE


def test_rows_that_name_no_value_are_counted_and_compared_with_nobody(of_cells: Any, run_check: Any, the: Any) -> None:
    found = run_check("group_outcomes", {}, of_cells(COUNTS | {("", "clerk"): (7, 7)}), MODEL)

    assert table(found, "rates").rows[-1] == ("sex", "unknown", 7, None, None, None, None)
    assert the(found, "selection_gap_within_strata", group="f").n == 150


def test_nothing_is_divided_by_a_group_that_is_never_selected(of_cells: Any, run_check: Any) -> None:
    found = run_check("group_outcomes", {}, of_cells({("f", "clerk"): (20, 40), ("m", "clerk"): (0, 40)}), MODEL)

    ratios = [(m.group, m.reference, m.value) for m in found.measurements if m.metric == "impact_ratio"]
    assert ratios == [("m", "f", 0.0)]


# ---- several attributes --------------------------------------------------------------------------


def crossed(n: int = 30) -> list[dict[str, str]]:
    return [
        {"sex": sex, "origin": origin, "answer": "no" if (sex, origin) == ("f", "b") and i % 2 else "yes"}
        for sex in "fm"
        for origin in "ab"
        for i in range(n)
    ]


def test_an_intersection_shows_what_neither_attribute_shows_alone(make_data: Any, run_check: Any, the: Any) -> None:
    data = make_data(crossed(), text="{answer}", groups=("sex", "origin"))

    found = run_check("group_outcomes", {"intersections": True}, data, MODEL)

    assert the(found, "selection_rate", group="f b").value == 0.5
    assert the(found, "selection_gap_within_strata", group="f b", reference="m a").value == pytest.approx(0.5)
    assert the(found, "selection_gap_within_strata", group="f", reference="m").value == pytest.approx(0.25)
    counts = [(row[0], row[1], row[2]) for row in table(found, "rates").rows]
    assert ("sex × origin", "f b", 30) in counts
    assert ("sex × origin", "unknown", 0) in counts


def test_an_attribute_is_never_compared_with_another(make_data: Any, run_check: Any) -> None:
    data = make_data(crossed(), text="{answer}", groups=("sex", "origin"))

    found = run_check("group_outcomes", {}, data, MODEL)

    pairs = {frozenset((m.group, m.reference)) for m in found.measurements if m.reference}
    assert pairs == {frozenset("fm"), frozenset("ab")}


def test_groups_of_two_attributes_that_share_a_value_are_told_apart(
    make_data: Any, run_check: Any, check_of: Any, the: Any
) -> None:
    # Both attributes say yes or no; only one of them hardly overlaps, and must be seen to.
    rows = [
        {"disabled": d, "veteran": v, "job": "desk" if v == "yes" else "field", "answer": "yes" if i % 3 else "no"}
        for v in ("yes", "no")
        for d in ("yes", "no")
        for i in range(30)
    ]
    data = make_data(rows, text="{answer}", groups=("veteran", "disabled"), legitimate=("job",))

    found = run_check("group_outcomes", {}, data, MODEL)

    assert the(found, "selection_rate", group="veteran yes").n == 60
    assert the(found, "selection_rate", group="disabled yes").n == 60
    assert check_of(found, "overlap").passed is False
    assert "veteran no and veteran yes" in check_of(found, "overlap").found
    assert [row[:2] for row in table(found, "odds").rows] == [
        ("veteran no", "veteran yes"),
        ("disabled no", "disabled yes"),
    ]


# ---- before the run ------------------------------------------------------------------------------


def test_fields_that_do_not_exist_are_located(of_cells: Any, problems_of: Any) -> None:
    params = {"attributes": ["sex", "age"], "within": ["town"]}

    assert problems_of("group_outcomes", params, of_cells(COUNTS)) == [
        (("attributes", 1), "no field 'age'"),
        (("within", 0), "no field 'town'"),
    ]


def test_a_single_large_group_leaves_nothing_to_compare(of_cells: Any, problems_of: Any) -> None:
    one_sided = of_cells({("f", "clerk"): (20, 40), ("m", "clerk"): (2, 5)})

    assert problems_of("group_outcomes", {}, one_sided) == [(("min_cell",), "'sex' has 1 group(s) of at least 30 rows")]


def test_data_without_groups_are_located(make_data: Any, problems_of: Any) -> None:
    data = make_data(cells(COUNTS), text="{answer}")

    assert problems_of("group_outcomes", {}, data) == [(("data",), "the data set 'cases' names no groups")]


def test_a_likelihood_decides_nothing(of_cells: Any, problems_of: Any) -> None:
    assert problems_of("group_outcomes", {}, of_cells(COUNTS), Decision(kind="likelihood")) == [
        (("check",), "a likelihood has no decisions")
    ]


def test_ratios_are_judged_only_where_equal_rates_are_asked_for_and_why() -> None:
    check = check_types()["group_outcomes"]

    asked = check.params.model_validate({"parity": "unconditional", "parity_rationale": "A public service."})

    assert not {"impact_ratio", "scoring_ratio"} & check.judgeable(check.params())
    assert {"impact_ratio", "scoring_ratio"} <= check.judgeable(asked)
    assert not {"selection_rate", "scoring_rate"} & check.judgeable(asked)
    with pytest.raises(ValueError, match="unconditional parity needs a parity_rationale"):
        check.params.model_validate({"parity": "unconditional", "parity_rationale": " "})


def test_the_reason_for_unconditional_parity_is_printed(of_cells: Any, run_check: Any) -> None:
    params = {"parity": "unconditional", "parity_rationale": "A public service."}

    found = run_check("group_outcomes", params, of_cells(COUNTS), MODEL)

    assert found.limits[-1] == "Unconditional parity was declared: A public service."


# ---- competence ----------------------------------------------------------------------------------


def test_a_constant_model_is_not_assessed(of_cells: Any, run_check: Any) -> None:
    found = run_check("group_outcomes", {}, of_cells(COUNTS), _toy.Toy(weights={}))

    assert isinstance(found, NotAssessed)
    assert judged(found, "selection_gap_within_strata", 0.9) is Verdict.NOT_ASSESSED


# ---- whatever the data ---------------------------------------------------------------------------


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    approved=st.lists(st.integers(0, 30), min_size=4, max_size=4).filter(lambda k: 0 < sum(k) < 120),
    seed=st.integers(0, 99),
)
def test_the_order_of_rows_and_the_names_of_groups_do_not_matter(
    of_cells: Any, run_check: Any, reordered: Any, approved: list[int], seed: int
) -> None:
    keys = [("f", "clerk"), ("m", "clerk"), ("f", "smith"), ("m", "smith")]
    data = of_cells({key: (k, 30) for key, k in zip(keys, approved, strict=True)})
    swapped = {"f": "z", "m": "a"}
    renamed = replace(
        data, rows=tuple(replace(r, fields={**r.fields, "sex": swapped[r.fields["sex"]]}) for r in data.rows)
    )

    plain = run_check("group_outcomes", {}, data, MODEL)
    moved = run_check("group_outcomes", {}, reordered(renamed, seed), MODEL)

    by_name = {(m.metric, m.group, m.reference): m for m in moved.measurements}
    assert len(by_name) == len(plain.measurements)
    for m in plain.measurements:
        other = by_name[m.metric, swapped[m.group], swapped.get(m.reference, "")]
        assert (other.value, other.low, other.high) == pytest.approx((m.value, m.low, m.high), abs=1e-9)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(approved=st.lists(st.integers(0, 30), min_size=4, max_size=4).filter(lambda k: 0 < sum(k) < 120))
def test_a_gap_read_the_other_way_is_its_mirror(of_cells: Any, run_check: Any, the: Any, approved: list[int]) -> None:
    keys = [("f", "clerk"), ("m", "clerk"), ("f", "smith"), ("m", "smith")]

    found = run_check("group_outcomes", {}, of_cells(dict(zip(keys, [(k, 30) for k in approved], strict=True))), MODEL)

    for metric in ("selection_gap_within_strata", "score_gap_within_strata"):
        one, other = the(found, metric, group="f"), the(found, metric, group="m")
        assert (other.value, other.low, other.high) == pytest.approx((-one.value, -one.high, -one.low), abs=1e-8)


def test_groups_with_equal_chances_are_hardly_ever_accused(of_cells: Any, run_check: Any) -> None:
    # A bound of zero at a true gap of zero is the hardest place: either direction of either metric may err.
    rng, runs = np.random.default_rng(11), 100
    accused = 0
    for _ in range(runs):
        counts = {(s, j): (int(rng.binomial(40, rate)), 40) for s in "fm" for j, rate in (("x", 0.3), ("y", 0.6))}
        found = run_check("group_outcomes", {}, of_cells(counts), MODEL)
        accused += judged(found, "selection_gap_within_strata", 0.0) is Verdict.NOT_MET

    assert accused / runs <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / runs)
