import datetime as dt
import json
import os

import pytest

from audit.errors import UserError
from audit.policy import found_freeze, freeze
from audit.types import Freeze

NOW = dt.datetime(2026, 11, 20, 10, 0, tzinfo=dt.UTC)
LATER = "2026-11-21T09:00:00+00:00"


@pytest.fixture
def frozen(desk):
    freeze(desk.load(), author="A. Author", now=NOW)
    return desk


def differences(desk, begun=LATER):
    return list(found_freeze(desk.load(), begun).differences)


def test_a_policy_without_a_freeze_file_has_none(desk):
    assert found_freeze(desk.load(), LATER) is None


def test_a_freeze_states_when_and_by_whom_and_that_nothing_differs(frozen):
    found = found_freeze(frozen.load(), LATER)

    assert found == Freeze(
        path=str(frozen.folder / "policy.frozen.json"),
        sha256=found.sha256,
        on="2026-11-20T10:00:00+00:00",
        author="A. Author",
        before_run=True,
        same_text=True,
    )


def test_a_freeze_after_the_run_began_is_not_before_it(frozen):
    assert not found_freeze(frozen.load(), "2026-11-20T09:59:59Z").before_run


def test_a_moved_bound_is_named_with_both_values(frozen):
    frozen.change("at_most: 0.01", "at_most: 0.05")

    assert differences(frozen) == [
        f"the bound of swap-gap on score_gap{of}: at most 0.01 when frozen, 0.05 now"
        for of in (" for absolute_gap", "", " for stratum_gap")
    ]


def test_a_bound_moved_on_the_command_line_is_named_too(frozen):
    found = found_freeze(frozen.load("checks.swap-gap.criteria.0.at_most=0.05"), LATER)

    assert found.differences[0] == ("--set checks.swap-gap.criteria.0.at_most: not given when frozen, 0.05 now")
    assert len(found.differences) == 4
    assert found.same_text


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("metric: score_gap", "metric: absolute_gap"), ["is gone", "is new"]),
        (("legitimate: [income]\n", "legitimate: [job]\n"), []),
        (('"applicant {name}', '"The applicant {name}'), ["the data set applicants has other rows"]),
        (("negative: deny", "negative: refuse"), ["the model's task or decision"]),
        (("version: 1.0.0", "version: 1.0.1"), []),
    ],
)
def test_what_verdicts_rest_on_is_told_and_other_text_is_not(frozen, change, told):
    frozen.change(*change)

    found = found_freeze(frozen.load(), LATER)

    assert not found.same_text
    assert len(found.differences) == len(told)
    assert all(any(part in each for each in found.differences) for part in told)


def test_changed_files_are_named(frozen):
    frozen.write("data/name_pairs.csv", "female,male\nAnna,Bert\n")
    frozen.write("data/applicants.csv", (frozen.folder / "data/applicants.csv").read_text().replace("Bert", "Benno"))

    assert differences(frozen) == [
        "the check swap-gap has other parameters, data or type",
        "the data set applicants has other rows",
        "the file data/name_pairs.csv has other content",
    ]


def test_a_waiver_added_after_the_freeze_is_told(frozen):
    frozen.text += "waivers: [{check: swap-gap, owner: {name: A}, reason: r, expires: 2999-01-01}]\n"

    assert differences(frozen) == ["1 waiver added or changed"]


def test_an_earlier_freeze_is_not_replaced(frozen):
    before = (frozen.folder / "policy.frozen.json").read_text()

    with pytest.raises(UserError, match="a freeze file that is there already"):
        freeze(frozen.load(), author="B. Author", now=NOW)

    assert (frozen.folder / "policy.frozen.json").read_text() == before
    other = freeze(frozen.load(), author="B. Author", now=NOW, out=frozen.folder / "second.json")
    assert json.loads(other.read_text())["author"] == "B. Author"


@pytest.mark.parametrize("author", ["x" * 301, "\ud800"])
def test_an_author_who_cannot_be_written_down_is_refused(desk, author):
    with pytest.raises(UserError, match="The policy cannot be frozen"):
        freeze(desk.load(), author=author, now=NOW)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"inspectoscope_freeze": 2}',
        b'{"frozen": "yesterday"}',
    ],
)
def test_a_damaged_freeze_file_is_told_and_stops_nothing(desk, content):
    desk.write("policy.frozen.json", content)

    found = found_freeze(desk.load(), LATER)

    assert found.problem
    assert not found.before_run


def test_a_time_without_its_zone_is_no_time(frozen):
    path = frozen.folder / "policy.frozen.json"
    path.write_text(path.read_text().replace("+00:00", ""))

    assert "a time with its zone" in found_freeze(frozen.load(), LATER).problem


def test_a_freeze_file_that_is_a_link_or_a_pipe_is_not_followed(desk):
    target = desk.write("elsewhere.json", "{}")
    path = desk.folder / "policy.frozen.json"
    path.symlink_to(target)
    assert found_freeze(desk.load(), LATER).problem
    path.unlink()
    os.mkfifo(path)

    assert "a device, pipe or socket" in found_freeze(desk.load(), LATER).problem


def test_what_the_command_line_changes_is_frozen_as_it_will_be_run(desk):
    bound = "checks.swap-gap.criteria.0.at_most=0.05"
    freeze(desk.load(bound, "title=Another"), author="A. Author", now=NOW)

    as_frozen = found_freeze(desk.load(bound, "title=A third"), LATER)
    without = found_freeze(desk.load(), LATER)
    another = found_freeze(desk.load("checks.swap-gap.criteria.0.at_most=0.06", "seed=1"), LATER)

    assert as_frozen.differences == ()
    assert without.differences[0] == "--set checks.swap-gap.criteria.0.at_most: 0.05 when frozen, not given now"
    assert "the bound of swap-gap on score_gap: at most 0.05 when frozen, 0.01 now" in without.differences
    assert another.differences[:2] == (
        "--set checks.swap-gap.criteria.0.at_most: 0.05 when frozen, 0.06 now",
        "--set seed: not given when frozen, 1 now",
    )


def test_a_folder_of_this_machine_is_no_difference(desk, tmp_path):
    desk.change("model:\n", "variables: {shared: {env: INSPECTOSCOPE_SHARED}}\nmodel:\n")
    desk.change("rows: data/applicants.csv", "rows: ${shared}/applicants.csv")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "applicants.csv").write_bytes((desk.folder / "data/applicants.csv").read_bytes())
    freeze(desk.load(f"shared={desk.folder / 'data'}"), author="", now=NOW)

    assert found_freeze(desk.load(f"shared={tmp_path / 'elsewhere'}"), LATER).differences == ()


def test_a_base_that_was_changed_behind_ones_back_is_noticed(desk):
    base = desk.write("base.yaml", desk.text)
    desk.text = "inspectoscope: 1\nextends: base.yaml\nid: ours\nversion: 1.0.0\n"
    freeze(desk.load(), author="", now=NOW)
    assert found_freeze(desk.load(), LATER).differences == ()

    base.write_text(base.read_text() + "# a remark\n")
    remarked = differences(desk)
    base.write_text(base.read_text().replace("at_most: 0.01", "at_most: 0.05"))
    moved = differences(desk)

    assert remarked == ["the extended policy base.yaml has other content"]
    assert moved[0] == remarked[0]
    assert "the bound of swap-gap on score_gap: at most 0.01 when frozen, 0.05 now" in moved
