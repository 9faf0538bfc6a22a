"""How far decisions move on a field that must not matter, known from the weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.checks import _toy
from audit.requests import Attributions, CannotAnswer, Request
from audit.types import Dataset, Decision, Finding, Table

PEOPLE = tuple(f"person{i}" for i in range(12))
HOSPITALS = ("eastfield", "northgate", "ashdown")
WEIGHTS = {"pain": 2.0, "sneeze": -2.0, "eastfield": 3.0, "northgate": 0.0, "ashdown": -3.0}
MODEL = _toy.Toy(weights=WEIGHTS)
PARAMS: dict[str, Any] = {"shortcuts": {"hospital": {"from": "hospital"}}, "reference": ["person"], "cases": 1000}


@pytest.fixture
def patients(make_data: Callable[..., Dataset]) -> Dataset:
    """Twelve people with one of two complaints, each referred by one of three hospitals."""
    rows = [
        {"person": person, "complaint": complaint, "hospital": HOSPITALS[i % 3]}
        for i, person in enumerate(PEOPLE)
        for complaint in ("pain", "sneeze")
    ]
    return make_data(
        rows,
        text="{person} of {hospital} has {complaint}",
        legitimate=("complaint",),
        cluster=("person",),
        label=lambda fields: fields["complaint"] == "pain",
    )


def sigmoid(x: float) -> float:
    return 1 / (1 + 2.718281828459045 ** (-x))


def row_of(found: Any, what: str) -> tuple[Any, ...]:
    assert isinstance(found, Finding)
    (table,) = [e for e in found.exhibits if isinstance(e, Table) and e.id == "exchanged"]
    (row,) = [row for row in table.rows if row[0] == what]
    return row


# ---- known answers -------------------------------------------------------------------------------


def test_the_move_is_the_mean_distance_of_two_values(patients: Dataset, run_check: Any, the: Any) -> None:
    found = run_check("shortcut_reliance", PARAMS, patients, MODEL)

    # Scores with the three hospitals: of pain 5, 2 and -1 logits, of sneezing 1, -2 and -5.
    moves = []
    for complaint in (2.0, -2.0):
        a, b, c = (sigmoid(complaint + x) for x in (3.0, 0.0, -3.0))
        moves.append((abs(a - b) + abs(a - c) + abs(b - c)) / 3)
    move = the(found, "move", group="hospital")
    assert (move.value, move.n, move.clusters) == (pytest.approx(sum(moves) / 2), 24, 12)
    # Pain is not urgent with ashdown, sneezing is with eastfield: every decision hangs on the hospital.
    assert the(found, "flip_rate", group="hospital").value == 1


def test_reference_and_legitimate_fields_stand_beside_and_are_not_judged(
    patients: Dataset, run_check: Any, the: Any
) -> None:
    found = run_check("shortcut_reliance", PARAMS, patients, MODEL)

    assert the(found, "reference_move", group="person").value == 0
    assert the(found, "legitimate_move", group="complaint").value > 0.3
    assert {m.group for m in found.measurements if m.metric == "move"} == {"hospital"}
    assert row_of(found, "person")[2:5] == ("reference", 3, 6)


def test_a_value_may_be_taken_out(patients: Dataset, run_check: Any, the: Any) -> None:
    hospital = {"from": "hospital", "values": ["eastfield", "northgate"], "neutral": "somewhere"}
    params = PARAMS | {"shortcuts": {"hospital": hospital}}

    found = run_check("shortcut_reliance", params, patients, MODEL)

    effects = [(sigmoid(c + 3.0) + sigmoid(c)) / 2 - sigmoid(c) for c in (2.0, -2.0)]
    assert the(found, "removal_effect", group="hospital").value == pytest.approx(sum(effects) / 2)


def test_cases_that_differ_in_the_field_alone_are_one_case(
    make_data: Callable[..., Dataset], run_check: Any, the: Any
) -> None:
    rows = [
        {"person": person, "hospital": hospital, "complaint": complaint}
        for person in PEOPLE
        for hospital in HOSPITALS
        for complaint in ("pain", "sneeze")
    ]
    data = make_data(
        rows,
        text="{person} of {hospital} has {complaint}",
        cluster=("person",),
    )

    assert the(run_check("shortcut_reliance", PARAMS, data, MODEL), "move", group="hospital").n == 24


def test_the_word_that_decides_ranks_first(patients: Dataset, run_check: Any, the: Any) -> None:
    found = run_check("shortcut_reliance", PARAMS, patients, MODEL)

    # It decides where most other hospitals turn the decision: pain with ashdown, sneezing with eastfield.
    first = the(found, "ranks_first", group="hospital")
    assert (first.value, first.n) == (1.0, 8)
    # |hospital| is 3, 0 or 3, |complaint| 2, the other words nothing.
    assert the(found, "attributed_share", group="hospital").value == pytest.approx((3 / 5 + 0 + 3 / 5) / 3, abs=0.05)


def test_a_model_that_reads_the_complaint_alone_moves_on_nothing_else(
    patients: Dataset, run_check: Any, the: Any
) -> None:
    found = run_check("shortcut_reliance", PARAMS, patients, _toy.Toy(weights={"pain": 2.0, "sneeze": -2.0}))

    assert the(found, "move", group="hospital").value == 0
    assert the(found, "flip_rate", group="hospital").value == 0
    assert not [m for m in found.measurements if m.metric == "ranks_first"]


def test_without_gradients_the_exchange_still_decides(patients: Dataset, run_check: Any, the: Any) -> None:
    class Closed(_toy.Toy):
        def answer(self, request: Request) -> Any:
            if isinstance(request, Attributions):
                raise CannotAnswer("its weights are quantised")
            return super().answer(request)

    found = run_check("shortcut_reliance", PARAMS, patients, Closed(weights=WEIGHTS))

    assert the(found, "flip_rate", group="hospital").value == 1
    assert "No attribution stands beside “hospital”: its weights are quantised." in found.limits


def test_values_that_the_tokenizer_cannot_tell_apart_are_no_all_clear(
    patients: Dataset, run_check: Any, check_of: Any
) -> None:
    class Deaf(_toy.Toy):
        def answer(self, request: Request) -> Any:
            found = super().answer(request)
            if type(request).__name__ == "Tokenised":
                return tuple(type(t)(**{**t.__dict__, "ids": (0,) * len(t.ids)}) for t in found)
            return found

    found = run_check("shortcut_reliance", PARAMS, patients, Deaf(weights=WEIGHTS))

    assert check_of(found, "exchange_reaches_the_model").passed is False


# ---- properties ----------------------------------------------------------------------------------


@given(weight=st.floats(0.0, 4.0), more=st.floats(0.1, 4.0))
def test_the_more_a_word_weighs_the_further_scores_move(weight: float, more: float) -> None:
    from audit.checks._rewriting import exchanging

    def move(w: float) -> float:
        frame = exchanging.Frame(row=0, own="a", texts=("a", "b"), neutral="")
        one = exchanging.Exchange(field="x", values=("a", "b"), frames=(frame,), clusters=(("0",),))
        return float(exchanging.moved(one, {"a": sigmoid(w), "b": sigmoid(-w)}, 0.5).move[0])

    assert 0 <= move(weight) < move(weight + more) <= 1


def test_the_order_of_rows_does_not_matter(patients: Dataset, run_check: Any, reordered: Any, the: Any) -> None:
    plain = run_check("shortcut_reliance", PARAMS, patients, MODEL)
    other = run_check("shortcut_reliance", PARAMS, reordered(patients, 3), MODEL)

    for name in ("move", "flip_rate"):
        assert the(plain, name, group="hospital").value == pytest.approx(the(other, name, group="hospital").value)


# ---- parameters ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"shortcuts": {"h": {"from": "hospitl"}}}, [(("shortcuts", "h", "from"), "no field 'hospitl'")]),
        ({"reference": ["doctor"]}, [(("reference", 0), "no field 'doctor'")]),
        (
            {"shortcuts": {"c": {"from": "complaint"}}},
            [(("shortcuts", "c", "from"), "'complaint', which the data set calls a legitimate factor")],
        ),
    ],
)
def test_what_is_wrong_with_parameters_is_said(
    patients: Dataset, problems_of: Any, changed: dict[str, Any], expected: list[Any]
) -> None:
    assert problems_of("shortcut_reliance", PARAMS | changed, patients) == expected


def test_a_likelihood_decides_nothing(patients: Dataset, problems_of: Any) -> None:
    assert problems_of("shortcut_reliance", PARAMS, patients, Decision(kind="likelihood")) == [
        (("check",), "a likelihood decides nothing")
    ]
