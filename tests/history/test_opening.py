"""Records go in, come out as they were, and are found by what is asked for."""

import time

import pytest
from sqlalchemy import Engine, event

from audit import history
from audit.errors import UserError
from audit.types import Verdict


def numbers(where, **asked):
    return [entry.link.number for entry in history.entries(where, history.wanted(**asked))]


def test_a_record_is_entered_and_comes_back_as_it_was(place, make_record, clock):
    record = make_record()

    (entered,) = history.add(place.where, [record], clock=clock)

    assert entered.history.number == 1
    assert entered.history.entered == "2026-11-20T10:00:45Z"
    assert entered.model_copy(update={"history": None}) == record
    assert history.show(place.where, 1) == entered


def test_the_next_run_follows_the_head_of_the_one_before(place, make_record):
    (first,) = history.add(place.where, [make_record(1)])
    (second,) = history.add(place.where, [make_record(2)])

    assert second.history.previous == first.history.head
    assert (second.history.id, second.history.number) == (first.history.id, 2)


def test_a_record_that_is_entered_twice_keeps_its_number(place, make_record):
    first = history.add(place.where, [make_record(1), make_record(2)])

    again = history.add(place.where, [make_record(2), make_record(3), make_record(1)])

    assert [record.history.number for record in again] == [2, 3, 1]
    assert (again[2], again[0]) == first
    assert numbers(place.where) == [1, 2, 3]


def test_a_place_in_another_history_is_left_behind(place, make_record, tmp_path):
    history.add(str(tmp_path / "other.sqlite"), [make_record(1)])
    (elsewhere,) = history.add(str(tmp_path / "other.sqlite"), [make_record(2)])

    (here,) = history.add(place.where, [elsewhere])

    assert elsewhere.history.number == 2
    assert here.history.number == 1
    assert here.history.record == elsewhere.history.record


@pytest.fixture
def filled(place, make_record):
    """A history of four runs."""
    history.add(
        place.where,
        [
            make_record(1, model="models/credit", verdict=Verdict.NOT_MET, created="2026-11-01T10:00:00Z"),
            make_record(2, model="models/credit", policy="moderation", created="2026-11-02T10:00:00+02:00"),
            make_record(3, model="bank/scoring", verdict=None, created="2026-11-03T10:00:00Z"),
            make_record(4, model="other_credit", verdict=Verdict.INCONCLUSIVE, created="2026-11-04T10:00:00Z"),
        ],
    )
    return place.where


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, [1, 2, 3, 4]),
        ({"model": "models/credit"}, [1, 2]),
        ({"model": "credit"}, [1, 2]),
        ({"model": "_redit"}, []),
        ({"model": "%"}, []),
        ({"model": f"{3:064x}"}, [3]),
        ({"model": f"{3:064x}"[:60]}, [1, 2, 3, 4]),
        ({"policy": "moderation"}, [2]),
        ({"verdict": "not_met"}, [1]),
        ({"verdict": "inconclusive", "policy": "credit"}, [4]),
        ({"since": "2026-11-03"}, [3, 4]),
        ({"since": "2026-11-02T08:00:01Z"}, [3, 4]),
        ({"since": "2026-11-02T08:00:00Z"}, [2, 3, 4]),
        ({"model": "' OR 1=1 --"}, []),
    ],
    ids=str,
)
def test_runs_are_found_by_what_is_asked(filled, asked, found):
    assert numbers(filled, **asked) == found


def test_a_list_names_the_worst_verdict_of_each_run(filled):
    assert [entry.verdict for entry in history.entries(filled)] == ["not_met", "met", None, "inconclusive"]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"verdict": "passed"}, "--verdict: passed"),
        ({"since": "last week"}, "--since: last week"),
    ],
)
def test_what_cannot_be_asked_is_told(asked, told):
    with pytest.raises(UserError) as refused:
        history.wanted(**asked)

    assert str(refused.value).splitlines()[2] == told


def test_a_list_reads_no_record(filled):
    asked = []
    event.listen(Engine, "before_cursor_execute", note := lambda *event: asked.append(event[2]))

    try:
        history.entries(filled)
    finally:
        event.remove(Engine, "before_cursor_execute", note)

    (query,) = (statement for statement in asked if "inspectoscope_runs.number" in statement)
    assert "inspectoscope_runs.record_digest" in query
    assert "inspectoscope_runs.record " not in query.replace("\n", " ").replace(",", " ")


def test_a_thousand_runs_are_listed_quickly(place, make_record):
    template = make_record(1)
    history.add(
        place.where,
        [template.model_copy(update={"limits": (str(i), "x" * 2_000)}) for i in range(1000)],
    )

    started = time.perf_counter()
    found = numbers(place.where, policy="credit")
    seconds = time.perf_counter() - started

    assert found == list(range(1, 1001))
    assert seconds < 2, f"{seconds:.2f} s"


def test_names_that_no_database_takes_are_kept_in_the_record(place, make_record):
    hostile = "a\x00b'; DROP TABLE inspectoscope_runs; --\u202e\ud800漢" + "x" * 500
    record = make_record(1, model=hostile)

    history.add(place.where, [record])

    (entry,) = history.entries(place.where)
    assert entry.model.startswith("a⟨U+0000⟩b'; DROP TABLE inspectoscope_runs; --⟨U+202E⟩⟨U+D800⟩漢xxx")
    assert len(entry.model) == 200
    assert history.show(place.where, 1).model.name == hostile.replace("\ud800", "⟨U+D800⟩")


def test_a_record_without_a_time_is_not_entered(place, make_record):
    with pytest.raises(UserError) as told:
        history.add(place.where, [make_record(1), make_record(2, created="yesterday")])

    assert str(told.value).splitlines()[2] == "created: yesterday"


def test_a_run_that_is_not_there_is_told(filled):
    with pytest.raises(UserError) as told:
        history.show(filled, 5)

    assert str(told.value).splitlines()[2].endswith(": no run 5")


def test_a_history_not_yet_begun_lists_nothing(database, postgresql):
    assert history.entries(postgresql.url(database)) == []


def test_a_database_refuses_to_change_or_delete_a_run(filled, place):
    for statement in (
        "UPDATE inspectoscope_runs SET verdict = 'met'",
        "DELETE FROM inspectoscope_runs WHERE number = 4",
    ):
        with pytest.raises(Exception, match="runs of a history are neither changed nor deleted"):
            place.sql(statement)

    assert numbers(filled) == [1, 2, 3, 4]


def test_the_bytes_of_a_record_can_be_replaced_where_every_other_column_is_refused(filled, place):
    from audit.history.opening import opened

    with opened(place.where, writing=True) as store:
        was = store.one(2)
        store.replace(2, was.record + b"\n")

        assert store.one(2).record == was.record + b"\n"
        assert store.one(2).entry == was.entry
