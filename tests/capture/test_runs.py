"""Looking again is not free: every try is counted, and a broken one is the same try when it goes on."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from audit.capture.runs import Tried, begin, finish, known
from audit.errors import UserError
from audit.types import KnownRun, Verdict

START = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)


class Clock:
    """A clock that moves an hour each time it is looked at."""

    def __init__(self):
        self.now = START - timedelta(hours=1)

    def __call__(self):
        self.now += timedelta(hours=1)
        return self.now


def tries(root, clock, *, key="k", policy="credit", model="m", **more):
    return begin(root, Tried(key=key, policy=policy, model=model, **more), clock=clock)


def test_runs_of_a_policy_on_a_model_are_counted(tmp_path):
    clock, numbers = Clock(), []
    for key in ("a", "a", "b"):
        run = tries(tmp_path, clock, key=key)
        finish(tmp_path, run, clock=clock)
        numbers.append(run.number)

    other = [
        tries(tmp_path, clock, key="c", policy="other").number,
        tries(tmp_path, clock, key="d", model="other").number,
    ]

    assert (numbers, other) == ([1, 2, 3], [1, 1])


def test_a_run_that_was_broken_off_goes_on_with_its_number_and_date(tmp_path):
    clock = Clock()
    first = tries(tmp_path, clock)
    again = [tries(tmp_path, clock), tries(tmp_path, clock)]
    finish(tmp_path, again[-1], clock=clock)
    new = tries(tmp_path, clock)

    assert {run.created for run in (first, *again)} == {START.isoformat(timespec="seconds")}
    assert [run.number for run in (first, *again, new)] == [1, 1, 1, 2]
    assert [run.interruptions for run in (first, *again, new)] == [0, 1, 2, 0]
    assert new.created > first.created


def test_another_audit_does_not_go_on_with_a_broken_one(tmp_path):
    clock = Clock()
    broken, other = tries(tmp_path, clock, key="a"), tries(tmp_path, clock, key="b")
    again = tries(tmp_path, clock, key="a")

    assert (broken.id, other.id, again.id) == (broken.id, broken.id + 1, broken.id)
    assert (other.number, again.number) == (2, 1)


def test_every_run_of_a_policy_is_listed_with_its_end_or_that_it_had_none(tmp_path):
    clock = Clock()
    first = tries(tmp_path, clock, key="a", policy_version="1.0", policy_sha256="f" * 64, changed=("checks.0.at_most",))
    finish(tmp_path, first, verdict=Verdict.NOT_MET, exit_code=1, clock=clock)
    tries(tmp_path, clock, key="b", model="other")
    tries(tmp_path, clock, key="c", policy="another")
    tries(tmp_path, clock, key="d")
    last = tries(tmp_path, clock, key="d")

    hour = [(START + timedelta(hours=n)).isoformat(timespec="seconds") for n in range(5)]
    assert known(tmp_path, "credit", this=last) == (
        KnownRun(
            begun=hour[0], finished=hour[1], ended=True, model_digest="m", policy_version="1.0",
            policy_sha256="f" * 64, changed=("checks.0.at_most",), verdict=Verdict.NOT_MET, exit_code=1,
        ),
        KnownRun(begun=hour[2], ended=False, model_digest="other", changed=()),
        KnownRun(begun=hour[4], ended=False, model_digest="m", changed=(), interruptions=1, this=True),
    )  # fmt: skip


def test_a_list_from_before_outcomes_were_noted_is_gone_on_with(tmp_path):
    with closing(sqlite3.connect(tmp_path / "runs.sqlite")) as db, db:
        db.execute(
            "CREATE TABLE runs (id INTEGER PRIMARY KEY, key TEXT, policy TEXT, model TEXT, created TEXT, "
            "finished TEXT, interruptions INTEGER DEFAULT 0)"
        )
        db.execute("INSERT INTO runs VALUES (1, 'k', 'credit', 'm', '2026-10-01T09:00:00+00:00', '2026-10-01', 0)")

    run = tries(tmp_path, Clock())

    assert run.number == 2
    before, now = known(tmp_path, "credit", this=run)
    assert (before.ended, before.verdict, before.exit_code, before.changed) == (True, None, None, None)
    assert (now.ended, now.changed) == (False, ())


def test_a_list_that_is_damaged_is_told_with_what_is_lost_when_it_is_deleted(tmp_path):
    (tmp_path / "runs.sqlite").write_bytes(b"no database " * 500)

    with pytest.raises(UserError) as error:
        tries(tmp_path, Clock())

    assert str(error.value) == (
        f"The store is damaged\n\n{tmp_path}: file is not a database\n"
        "  expected: the answers of earlier runs\n"
        "  do: delete runs.sqlite there; how often a policy was run before is then forgotten"
    )
