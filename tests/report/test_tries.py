"""The printed list of runs: how often a policy was tried, what came of each try, and what the list cannot know."""

from __future__ import annotations

from typing import Any

import pytest

from audit.ledger import runs_part
from audit.record import Record
from audit.report import page, tries
from audit.types import KnownRun, Verdict


@pytest.fixture
def tried(record: Record) -> Any:
    """The invented record as the last of some runs."""

    def make(*before: KnownRun, **more: Any) -> Record:
        this = KnownRun(
            begun=record.created, ended=True, model_digest=record.model.digest, policy_version="1.0.0",
            policy_sha256=record.policy.sha256, verdict=Verdict.MET, exit_code=0, this=True,
        )  # fmt: skip
        return record.model_copy(update={"runs": runs_part((*before, this), **more)})

    return make


def before(day: int, **more: Any) -> KnownRun:
    given = {"ended": True, "model_digest": "a" * 64, "policy_sha256": "b" * 64, "policy_version": "0.9"} | more
    return KnownRun(begun=f"2026-10-{day:02}T08:00:00+00:00", **given)


def test_each_run_has_a_line_the_latest_first(tried: Any) -> None:
    record = tried(
        before(1, verdict=Verdict.NOT_MET, exit_code=1, changed=("a", "b", "c", "d"), history=4),
        before(2, ended=False, interruptions=2),
    )

    found = tries.tries(record)

    assert found is not None
    assert [line.this for line in found.lines] == [True, False, False]
    assert (found.lines[0].model, found.lines[0].policy) == ("this model", "version 1.0.0, this text")
    assert found.lines[1].outcome == "no end noted: broken off, void, or still going on"
    assert found.lines[1].notes == ("broken off and gone on with 2 times",)
    assert found.lines[2] == tries.Try(
        begun="1 October 2026, 08:00 UTC", model="aaaaaaaaaaaa", policy="version 0.9, bbbbbbbbbbbb",
        verdict=Verdict.NOT_MET, outcome="exit code 1",
        notes=("set on the command line: a, b, c and 1 more", "run 4 of the history"), this=False,
    )  # fmt: skip
    assert found.told == (
        "3 runs of the policy invented are known here, this one included; 1 of them on this model; 1 came to no end "
        "that was noted."
    )


def test_what_the_list_cannot_know_is_said(tried: Any) -> None:
    told = [tries.tries(tried(**more)).knows for more in ({}, {"entered": ()}, {"unread": "no such table"})]

    assert told[0] == (
        "The list is what this machine’s store noted, under whatever version of the policy. Runs made elsewhere, with "
        "another store or under another id, and runs whose list was deleted, are not in it."
    )
    assert told[1].startswith("The list is what this machine’s store and the history of runs noted")
    assert told[2].endswith("A history was given and could not be read: No such table.")


def test_a_first_run_is_called_the_only_one_known_here(tried: Any) -> None:
    assert tries.tries(tried()).told == "This is the only run of the policy invented that is known here."


def test_runs_that_are_not_printed_are_counted(tried: Any) -> None:
    found = tries.tries(tried(*(before(1, interruptions=i) for i in range(60))))

    assert (len(found.lines), found.further) == (tries.PRINTED, 61 - tries.PRINTED)


@pytest.mark.parametrize("template", ["technical", "eu_ai_act"])
def test_the_list_is_printed(tried: Any, page_tree: Any, template: str) -> None:
    printed = page.fill(tried(before(1, verdict=Verdict.NOT_MET, exit_code=1)), medium="print", template=template)
    words = page_tree(printed).words

    assert "All runs made under this policy 2 runs of the policy invented are known here" in words
    assert "threshold not met exit code 1" in words.replace("met exit", "met exit")
    assert "Runs made elsewhere, with another store or under another id" in words


def test_a_record_from_before_says_that_it_lists_none(record: Record, page_tree: Any) -> None:
    assert "The record lists no runs: it was made before" in page_tree(page.fill(record, medium="print")).words
