"""The list of runs that a record holds: joined from the store's and a history's, with no run left out of the count."""

from __future__ import annotations

from typing import Any

import pytest

import audit
from audit import pipeline
from audit.capture.model import Switches, open_model
from audit.ledger import LISTED, runs_part
from audit.record import read
from audit.types import KnownRun, Verdict


def run(hour: int, **more: Any) -> KnownRun:
    given = {"ended": True, "model_digest": "m", "verdict": Verdict.MET, "exit_code": 0} | more
    return KnownRun(begun=f"2026-11-01T{hour:02}:00:00+00:00", **given)


def entered(hour: int, number: int, **more: Any) -> KnownRun:
    return KnownRun(**({"ended": True, "model_digest": "m", "exit_code": 0} | more), history=number,
                    begun=f"2026-11-01T{hour:02}:00:00Z")  # fmt: skip


def test_a_run_that_both_lists_know_stands_there_once() -> None:
    part = runs_part([run(1), run(2)], [entered(1, 7), entered(3, 8)])

    assert [(r.begun[11:13], r.history) for r in part.runs] == [("01", 7), ("02", None), ("03", 8)]
    assert (part.known, part.history) == (3, True)


def test_runs_of_the_same_second_that_ended_otherwise_are_two() -> None:
    part = runs_part([run(1)], [entered(1, 7, exit_code=1), entered(1, 8, model_digest="other")])

    assert part.known == 3


def test_runs_without_an_end_are_counted_but_for_the_one_that_goes_on() -> None:
    part = runs_part([run(1, ended=False), run(2), run(3, ended=False, this=True)])

    assert (part.known, part.unfinished, part.history) == (3, 1, False)


def test_of_very_many_runs_the_latest_are_listed_and_all_are_counted() -> None:
    many = [run(1, interruptions=i) for i in range(LISTED + 20)]

    part = runs_part(many)

    assert (len(part.runs), part.known) == (LISTED, LISTED + 20)
    assert part.runs[-1] == many[-1]


# ---- in a run ------------------------------------------------------------------------------------


@pytest.fixture
def audited(small_policy: Any, untrained_model: Any, tmp_path: Any) -> Any:
    policy = small_policy("swap", rows=60)

    def again(**more: Any) -> Any:
        options = pipeline.Options(store=tmp_path / "store", formats=("json",), **more)
        load = lambda p: open_model(str(untrained_model), p.task, Switches(device="cpu"))  # noqa: E731
        return pipeline.run(policy.path, load, options)

    return again


def test_a_run_that_is_tried_with_a_wider_bound_shows_the_run_before_it(audited: Any) -> None:
    first = audited(overrides=("checks.0.criteria.0.at_most=0.0000001",))

    second = audited()

    assert [r.this for r in second.runs.runs] == [False, True]
    assert second.runs.runs[0].changed == ("checks.0.criteria.0.at_most",)
    assert [r.exit_code for r in second.runs.runs] == [first.run.exit_code, second.run.exit_code]
    assert all(r.ended and r.policy_sha256 == second.policy.sha256 for r in second.runs.runs)
    assert second.runs.runs[0].verdict == first.checks[0].verdict


def test_the_list_of_runs_is_not_compared_between_runs_and_comes_back_as_it_was(audited: Any, tmp_path: Any) -> None:
    audited()
    record = audited()
    path = tmp_path / "record.json"
    path.write_text(record.to_json(), encoding="utf-8")

    assert "runs" not in record.comparable()
    assert read(path).runs == record.runs


def test_a_run_broken_off_by_an_error_stays_in_the_list(audited: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(pipeline, "capture", broken)
        with pytest.raises(KeyboardInterrupt):
            audited(overrides=("checks.0.criteria.0.at_most=0.8",))
    record = audited()

    assert [(r.ended, r.this) for r in record.runs.runs] == [(False, False), (True, True)]
    assert record.runs.unfinished == 1


def test_runs_of_a_history_are_listed_with_those_of_the_store(audited: Any, tmp_path: Any) -> None:
    history = str(tmp_path / "history.sqlite")
    options = pipeline.Options(history=history)
    elsewhere = audited().model_copy(update={"created": "2026-01-01T00:00:00+00:00"})
    pipeline.enter(elsewhere, options)

    record = audited(history=history)

    first = record.runs.runs[0]
    assert (first.begun, first.history) == ("2026-01-01T00:00:00Z", 1)
    assert (record.runs.known, record.runs.history) == (3, True)


def test_a_history_that_has_not_begun_holds_no_runs(audited: Any, tmp_path: Any) -> None:
    record = audited(history=str(tmp_path / "new.sqlite"))

    assert (record.runs.known, record.runs.history, record.runs.unread) == (1, True, "")


def test_a_history_that_cannot_be_read_is_named_and_stops_no_run(audited: Any, tmp_path: Any) -> None:
    (tmp_path / "history.sqlite").write_bytes(b"no database " * 500)

    record = audited(history=str(tmp_path / "history.sqlite"))

    assert record.runs.history is False
    assert record.runs.unread == "not a database: file is not a database"


def test_records_from_before_runs_were_listed_keep_their_bytes(audited: Any) -> None:
    record = audited().model_copy(update={"runs": None})

    assert '"runs"' not in record.to_json()
    assert audit.record.parsed(record.to_json().encode(), "here") == record
