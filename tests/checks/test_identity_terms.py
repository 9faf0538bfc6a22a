"""Identity terms: rates worked out by hand, the three published areas, and terms that cannot be measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from audit import verdict
from audit.checks import _toy
from audit.checks._toy import tasks
from audit.registry import check_types
from audit.types import Finding, Forest, NotAssessed, PlannedCheck, Table, Verdict

MODEL = tasks.Reader(reads=lambda words: float(words[0]))
"""Scores a text by the number that it begins with."""

COUNTS = {
    # (term, log-odds, abusive) → texts
    ("ants", "2", True): 30,
    ("ants", "-1", True): 10,
    ("ants", "1", False): 20,
    ("ants", "-2", False): 20,
    ("bees", "2", True): 45,
    ("bees", "-1", True): 5,
    ("bees", "1", False): 5,
    ("bees", "-2", False): 45,
    ("", "2", True): 20,
    ("", "-1", True): 10,
    ("", "1", False): 3,
    ("", "-2", False): 47,
}


@pytest.fixture
def of_counts(make_data: Any) -> Any:
    def make(counts: dict[tuple[str, str, bool], int], **more: Any) -> Any:
        rows = [
            {"term": term, "odds": odds, "case": f"c{k}x{i}", "abuse": str(abuse)}
            for k, ((term, odds, abuse), n) in enumerate(counts.items())
            for i in range(n)
        ]
        settled = {"label": lambda f: f["abuse"] == "True"} | more
        return make_data(rows, text="{odds} says {term} of {case}", **settled)

    return make


def exhibit(found: Finding | NotAssessed, name: str) -> Any:
    assert isinstance(found, Finding)
    (one,) = [e for e in found.exhibits if e.id == name]
    return one


def test_error_rates_are_what_one_counts(of_counts: Any, run_check: Any, the: Any) -> None:
    found = run_check("identity_terms", {"term": "term"}, of_counts(COUNTS), MODEL)

    assert the(found, "false_positive_gap", group="ants").value == pytest.approx(20 / 40 - 8 / 100)
    assert the(found, "false_negative_gap", group="ants").value == pytest.approx(10 / 40 - 15 / 80)
    assert the(found, "false_positive_gap", group="bees").value == pytest.approx(5 / 50 - 23 / 90)
    table = exhibit(found, "terms")
    assert isinstance(table, Table)
    assert [row[:5] for row in table.rows] == [
        ("all texts", 260, 120, pytest.approx(28 / 140), pytest.approx(25 / 120)),
        ("ants", 80, 40, 0.5, 0.25),
        ("bees", 100, 50, 0.1, 0.1),
    ]


def test_scores_are_compared_at_the_same_outcome(make_data: Any, run_check: Any, the: Any) -> None:
    # The term stands in more abuse than not, and the model reads abuse alone: no gap is left within outcomes.
    rows = [
        {"term": term, "odds": "2" if abuse else "-2", "case": f"{term}{abuse}{i}", "abuse": str(abuse)}
        for (term, abuse), n in {("ants", True): 60, ("ants", False): 30, ("", True): 30, ("", False): 60}.items()
        for i in range(n)
    ]
    data = make_data(rows, text="{odds} {term} {case}", label=lambda f: f["abuse"] == "True")

    found = run_check("identity_terms", {"term": "term"}, data, MODEL)

    assert the(found, "term_score_gap", group="ants").value == pytest.approx(0, abs=1e-12)


def test_the_three_areas_are_those_of_borkan_and_others(of_counts: Any, run_check: Any, the: Any) -> None:
    data = of_counts(COUNTS)
    truth = np.array([bool(row.label) for row in data.rows])
    score = np.array([float(row.fields["odds"]) for row in data.rows])
    own = np.array([row.fields["term"] == "ants" for row in data.rows])

    found = run_check("identity_terms", {"term": "term"}, data, MODEL)

    for name, rows in (
        ("subgroup_auc", own),
        ("bpsn_auc", (own & ~truth) | (~own & truth)),
        ("bnsp_auc", (own & truth) | (~own & ~truth)),
    ):
        assert the(found, name, group="ants").value == pytest.approx(roc_auc_score(truth[rows], score[rows])), name


def test_equality_differences_are_those_of_dixon_and_others(of_counts: Any, run_check: Any) -> None:
    table = exhibit(run_check("identity_terms", {"term": "term"}, of_counts(COUNTS), MODEL), "equality_differences")

    assert table.rows == (
        ("false positives", 2, 0.2, pytest.approx(abs(0.5 - 0.2) + abs(0.1 - 0.2))),
        ("false negatives", 2, 25 / 120, pytest.approx(abs(0.25 - 25 / 120) + abs(0.1 - 25 / 120))),
    )


def test_a_listed_term_is_found_as_a_whole_word_in_either_case(make_data: Any, run_check: Any) -> None:
    rows = [
        {"text": text, "odds": odds, "n": str(i), "abuse": str(abuse)}
        for text in ("Gay men", "gayly done", "old GAY men", "plain")
        for abuse, odds in ((True, "2"), (False, "-2"))
        for i in range(25)
    ]
    data = make_data(rows, text="{odds} {text} no {n}", label=lambda f: f["abuse"] == "True")

    found = run_check("identity_terms", {"terms": ["gay", "men"]}, data, MODEL)

    table = exhibit(found, "terms")
    assert [row[:2] for row in table.rows] == [("all texts", 200), ("gay", 100), ("men", 100)]
    assert found.limits[0] == "Terms were looked for as they are spelt; 100 texts name several and count for each."


def test_a_term_of_special_characters_is_taken_as_it_stands(make_data: Any, run_check: Any) -> None:
    rows = [
        {"text": text, "odds": odds, "n": str(i), "abuse": str(abuse)}
        for text in ("c++ (fans)", "plain")
        for abuse, odds in ((True, "2"), (False, "-2"))
        for i in range(25)
    ]
    data = make_data(rows, text="{odds} {text} no {n}", label=lambda f: f["abuse"] == "True")

    found = run_check("identity_terms", {"terms": ["c++ (fans)", ".*"]}, data, MODEL)

    assert [row[:2] for row in exhibit(found, "terms").rows[1:]] == [("c++ (fans)", 50), (".*", 0)]


def test_terms_without_enough_texts_are_named_and_clear_nobody(of_counts: Any, run_check: Any, check_of: Any) -> None:
    few = {**COUNTS, ("flies", "2", True): 25, ("flies", "-2", False): 19, ("gnats", "2", True): 4}

    found = run_check("identity_terms", {"term": "term"}, of_counts(few), MODEL)

    assert isinstance(found, Finding)
    assert {m.metric for m in found.measurements if m.group == "flies"} == {"false_negative_gap"}
    assert "gnats" not in {m.group for m in found.measurements}
    gate = check_of(found, "groups_measured")
    assert (gate.passed, gate.found) == (
        False,
        "not measured: flies: 19 rows with a negative outcome, fewer than 20; gnats: 4 rows with a positive outcome "
        "and 0 rows with a negative outcome, fewer than 20",
    )


def test_many_terms_are_corrected_together() -> None:
    check = check_types()["identity_terms"]
    example = next(e for e in check.examples() if e.verdict is Verdict.NOT_MET)
    params = check.params.model_validate(dict(example.params))
    found = _toy.drive(check.run(params, example.data, example.decision, np.random.default_rng(0)), example.model)
    planned = PlannedCheck(
        id="it", check=check.name, title="", data="", params=params, criteria=example.criteria, seed=0, place=_toy.PLACE
    )

    judged = verdict.judge({"it": found}, [planned], [], {"it": {m.name: m for m in check.metrics}})[0]["it"]

    tests = judged.criteria[0].hypotheses
    assert len(tests) == len(tasks.TERMS)
    worst = min(tests, key=lambda t: t.p_bad or 0)
    assert worst.group == "divers"
    assert worst.p_bad_adjusted == pytest.approx(4 * (worst.p_bad or 0))


def test_figures_show_the_worst_first(of_counts: Any, run_check: Any) -> None:
    forest = exhibit(run_check("identity_terms", {"term": "term"}, of_counts(COUNTS), MODEL), "false_positive_gap")

    assert isinstance(forest, Forest)
    assert [line.label for line in forest.rows] == ["ants", "bees"]


@given(st.integers(0, 2**32 - 1))
def test_the_gaps_of_two_terms_that_share_all_texts_mirror_each_other(seed: int) -> None:
    rng = np.random.default_rng(seed)
    check = check_types()["identity_terms"]
    cases = [
        ({"term": ("a", "b")[i % 2], "odds": f"{rng.normal(2 if i % 4 < 2 else -2):.3f}", "n": str(i)}, i % 4 < 2)
        for i in range(120)
    ]
    data = _toy.dataset(cases, "{odds} {term} {n}", groups=(), cluster=())
    params = check.params.model_validate({"term": "term"})

    found = _toy.drive(check.run(params, data, _toy.DECISION, rng), MODEL)

    assert isinstance(found, Finding)
    gaps = {(m.metric, m.group): m.value for m in found.measurements}
    for name in ("false_positive_gap", "false_negative_gap", "term_score_gap"):
        assert gaps[name, "a"] == pytest.approx(-gaps[name, "b"], abs=1e-12)
    assert gaps["bpsn_auc", "a"] == pytest.approx(gaps["bnsp_auc", "b"])


def test_what_cannot_be_measured_at_all_is_refused_before_anything_runs(of_counts: Any, problems_of: Any) -> None:
    data = of_counts(COUNTS)

    assert problems_of("identity_terms", {"terms": ["wasps"]}, data) == [
        (("min_cell",), "no term with 20 texts of either outcome")
    ]
    assert problems_of("identity_terms", {"term": "therm"}, data) == [(("term",), "no field 'therm'")]


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({}, "give exactly one of term and terms"),
        ({"term": "a", "terms": ["b"]}, "give exactly one of term and terms"),
        ({"terms": ["Deaf", "deaf"]}, "a term stands twice in terms"),
    ],
)
def test_parameters_that_contradict_are_refused(params: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_types()["identity_terms"].params.model_validate(params)
