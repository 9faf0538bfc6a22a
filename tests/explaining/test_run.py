"""Explanations of models whose reasons are known, and every printed reason tried by hand."""

from __future__ import annotations

import csv

import pytest

from audit import resources
from audit.explaining.cases import Lost, of_row, of_text
from audit.organisms import credit_grammar as world

DENIED_WOMAN, APPROVED_MAN, ALSO_DENIED = 7, 0, 5
"""Rows of the shipped applicants: Lena with a poor history; Omar with a high income; Zainab with a large debt."""

TEMPLATE = "Applicant {name} from {town}, a {job}. Income {income}, debt {debt}, history {history}."


def rows(*numbers):
    return lambda frame: [of_row(number, frame) for number in numbers]


def texts(*those):
    return lambda frame: [of_text(text, name=f"text-{i}") for i, text in enumerate(those)]


@pytest.fixture(scope="module")
def biased(explained_by, biased_model):
    found = explained_by(biased_model, rows(DENIED_WOMAN, APPROVED_MAN, ALSO_DENIED))
    return dict(zip((DENIED_WOMAN, APPROVED_MAN, ALSO_DENIED), found, strict=True))


@pytest.fixture(scope="module")
def clean(explained_by, clean_model):
    found = explained_by(clean_model, rows(DENIED_WOMAN, APPROVED_MAN, ALSO_DENIED))
    return dict(zip((DENIED_WOMAN, APPROVED_MAN, ALSO_DENIED), found, strict=True))


@pytest.fixture(scope="module")
def applicants():
    with (resources.folder("policies") / "data" / "credit_applicants.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def value_of(explanation, name):
    return next(piece for piece in explanation.pieces if piece.id == name)


# ---- what is said of the planted models ------------------------------------------------------------


def test_a_name_that_moved_the_decision_is_flagged_and_is_no_reason(biased):
    explanation = biased[DENIED_WOMAN]

    (flagged,) = explanation.moved
    assert (flagged.field, flagged.value, flagged.tells) == ("name", "Lena", ("sex",))
    assert explanation.outcome.decided == "deny"
    assert flagged.groups["sex"] > 0.9  # planted: an approval is 60 % less probable, about 1.2 log-odds here
    assert "name" not in explanation.reasons


def test_town_and_job_of_the_biased_model_show_no_effect(biased):
    outcomes = {factor.field: factor.outcome for factor in biased[DENIED_WOMAN].named}

    assert outcomes == {"name": "moved the score", "town": "no effect shown", "job": "no effect shown"}


@pytest.mark.parametrize("row", [DENIED_WOMAN, APPROVED_MAN, ALSO_DENIED])
def test_nothing_is_flagged_in_the_clean_model(clean, row):
    assert clean[row].moved == ()
    assert {factor.outcome for factor in clean[row].named} == {"no effect shown"}
    assert not clean[row].refused


def test_the_reasons_are_legitimate_factors_in_the_order_of_their_weight(clean):
    explanation = clean[APPROVED_MAN]

    assert set(explanation.reasons) == {"income", "debt", "history"}
    assert explanation.reasons[0] == "income"  # high: worth two steps of merit, the others one each


def test_reasons_that_leave_out_what_decided_are_refused(biased):
    explanation = biased[ALSO_DENIED]

    assert explanation.refused
    failed = [check.name for check in explanation.checks if check.passed is False]
    assert failed == ["comprehensiveness"]
    assert [factor.field for factor in explanation.moved] == ["name"]


def test_what_was_planted_is_what_would_have_turned_the_decision(clean):
    changes = clean[DENIED_WOMAN].search.found

    # Merit is income + history - debt, an approval needs 1 and she has 0: one step of any of the three is enough.
    assert {(c.fields[0].field, c.fields[0].old, c.fields[0].new) for c in changes} == {
        ("income", "middle", "high"),
        ("debt", "moderate", "small"),
        ("history", "poor", "fair"),
    }
    assert {c.steps for c in changes} == {1}


def test_a_woman_of_the_biased_model_needs_two_steps_where_a_man_needs_one(biased):
    (change,) = biased[DENIED_WOMAN].search.found

    assert [(f.field, f.old, f.new, f.steps) for f in change.fields] == [("history", "poor", "good", 2)]


# ---- by hand ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", [DENIED_WOMAN, APPROVED_MAN, ALSO_DENIED])
@pytest.mark.parametrize("kind", ["biased", "clean"])
def test_every_reason_moves_the_score_as_stated(request, by_hand, applicants, kind, row):
    explanation = request.getfixturevalue(kind)[row]
    model = by_hand(request.getfixturevalue(f"{kind}_model"))
    text = explanation.case.text

    assert model.score(text, "approve") == pytest.approx(explanation.outcome.score, abs=1e-5)
    for name in (*explanation.reasons, *explanation.against):
        piece = explanation.piece(name)
        for by in ("mask", "unk"):
            found = model.score(text, "approve", without=piece.spans, by=by)
            assert found == pytest.approx(piece.taken_out[by].score, abs=1e-4)
        fields = explanation.case.fields
        others = sorted({a[name] for a in applicants} - {fields[name]})
        assert model.mean([TEMPLATE.format(**{**fields, name: v}) for v in others], "approve") == pytest.approx(
            piece.swapped.score, abs=1e-4
        )


@pytest.mark.parametrize("kind", ["biased", "clean"])
def test_every_change_turns_the_decision_by_hand(request, by_hand, kind):
    model = by_hand(request.getfixturevalue(f"{kind}_model"))
    found = [(e, change) for e in request.getfixturevalue(kind).values() for change in e.search.found]

    assert found
    for explanation, change in found:
        fields = {**explanation.case.fields, **{f.field: f.new for f in change.fields}}
        score = model.score(TEMPLATE.format(**fields), "approve")
        assert score == pytest.approx(change.score, abs=1e-4)
        assert (score > 0.5) != (explanation.outcome.score > 0.5)


def test_the_flag_is_the_matched_swap_by_hand(biased, by_hand, biased_model):
    model = by_hand(biased_model)
    explanation = biased[DENIED_WOMAN]
    fields = explanation.case.fields

    def odds(name):
        import math

        p = model.score(TEMPLATE.format(**{**fields, "name": name}), "approve")
        return math.log(p / (1 - p))

    women, men = (
        [odds(n) for n in world.NAMES if world.SEXES[world.sex_of(world.NAMES.index(n))] == sex and n != "Lena"]
        for sex in ("female", "male")
    )
    gap = sum(men) / len(men) - sum(women) / len(women)

    assert explanation.moved[0].groups["sex"] == pytest.approx(gap, abs=1e-3)


# ---- many cases, and again ---------------------------------------------------------------------------


def test_the_same_case_gives_the_same_explanation_alone_and_among_others(explained_by, clean_model, clean):
    (alone,) = explained_by(clean_model, rows(APPROVED_MAN))

    ours, theirs = (e.model_dump(mode="json") for e in (alone, clean[APPROVED_MAN]))
    for each in (ours, theirs):
        each.pop("created")
    assert ours == theirs


def test_one_bad_case_does_not_lose_the_others(explained_by, clean_model):
    long = "income " * 80
    lost = Lost(id="bad", source="a line", reason="it has no text")

    found = explained_by(clean_model, lambda frame: [*texts(long, "Income high.")(frame), lost, of_row(0, frame)])

    assert [type(each).__name__ for each in found] == ["Lost", "Explanation", "Lost", "Explanation"]
    assert found[0].reason == (
        "the text has 82 tokens, and this model reads at most 64 at once; a text that is cut is another text"
    )


def test_a_name_in_a_free_text_is_found_and_exchanged(explained_by, biased_model):
    (explanation,) = explained_by(
        biased_model, texts("Applicant Lena from Millbrook, a clerk. Income middle, debt moderate, history poor.")
    )

    moved = {factor.field: factor.value for factor in explanation.moved}
    assert moved == {"name": "Lena"}
    assert all(explanation.piece(name).standing == "open" for name in explanation.reasons)
    assert any("poor" in explanation.piece(name).value for name in explanation.reasons)
