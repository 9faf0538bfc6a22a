"""A plan is counted without running anything, and what it counts is what the run then does."""

from __future__ import annotations

import re

import pytest
import torch

import audit
from audit import pipeline, plan
from audit.capture import passes
from audit.capture.model import LoadedModel, Switches, open_model
from audit.progress import Silent
from audit.registry import LaterRounds

ALL = ("swap", "outcomes", "attribution", "probe")
FIRST = plan.FirstRound(
    texts_asked=2000, unique_texts=1000, stored_texts=250, passes=7, tokens=24_000, longest=31, states_bytes=2_000_000
)


class Counting(Silent):
    """Progress that keeps the size of every task."""

    def __init__(self) -> None:
        self.tasks: dict[str, int] = {}

    def task(self, title, total, unit):
        self.tasks[title] = self.tasks.get(title, 0) + total
        return super().task(title, total, unit)


def numbers(lines: tuple[plan.Line, ...]) -> dict[str, str]:
    return {line.title: line.value for line in lines}


# ---- against a run -------------------------------------------------------------------------------


@pytest.fixture
def counted_passes(monkeypatch) -> list[int]:
    """The rows of every pass over the model, those of the self-test left out."""
    rows: list[int] = []

    def counted(loaded, batch, *rest, **more):
        rows.append(len(batch))
        return forward(loaded, batch, *rest, **more)

    forward = passes.forward
    monkeypatch.setattr(passes, "forward", counted)
    monkeypatch.setattr("audit.capture.scheduler.self_test", lambda *_: "left out")
    return rows


def test_the_first_round_does_what_was_planned(session_policy, untrained_model, counted_passes, tmp_path):
    policy, store = session_policy("swap", "outcomes", rows=400), tmp_path / "store"

    planned = pipeline.plan(policy.path, str(untrained_model), Switches(device="cpu"), pipeline.Options(store=store))
    assert counted_passes == []
    found = audit.run(policy.path, model=untrained_model, store=store, device="cpu", progress=False)

    first = numbers(planned.first)
    assert first["texts asked for"] == f"{found.cost.rows_asked:,}"
    assert first["different texts"] == f"{found.cost.unique_rows_asked:,}"
    assert first["passes"] == str(len(counted_passes))
    assert first["tokens"] == f"{found.cost.tokens_forward:,}"
    assert planned.later == ()


def test_later_rounds_stay_within_the_bounds_that_checks_declare(session_policy, untrained_model, tmp_path):
    policy, store, progress = session_policy(*ALL), tmp_path / "store", Counting()

    planned = pipeline.plan(policy.path, str(untrained_model), Switches(device="cpu"), pipeline.Options(store=store))
    found = pipeline.run(
        policy.path,
        lambda read: open_model(str(untrained_model), read.task, Switches(device="cpu")),
        pipeline.Options(store=store),
        progress=progress,
    )

    bounds = {line.title: int(re.findall(r"at most ([\d,]+) texts", line.value)[0]) for line in planned.later}
    assert bounds == {"attribution": 24, "probe": 192}
    assert 0 < found.cost.attribution_texts <= bounds["attribution"]
    assert 0 < progress.tasks["round 2: random weights read"] <= bounds["probe"]
    assert progress.tasks["round 1: the model reads"] == int(numbers(planned.first)["different texts"])


def test_the_states_that_are_planned_are_the_bytes_on_disk(session_policy, untrained_model, tmp_path):
    policy, store = session_policy("probe"), tmp_path / "store"

    planned = pipeline.plan(policy.path, str(untrained_model), Switches(device="cpu"), pipeline.Options(store=store))
    audit.run(policy.path, model=untrained_model, store=store, device="cpu", progress=False)

    # Half of them belong to the comparison with random weights, a later round.
    written = sum(path.stat().st_size for path in store.glob("contexts/*/states-*.bin")) / 2
    assert numbers(planned.first)["stored states"] == f"{written / 1000:,.0f} kB"


def test_a_plan_after_a_run_knows_what_is_stored_and_how_fast_it_was(session_policy, untrained_model, tmp_path):
    policy, options = session_policy("swap", "probe", rows=400), pipeline.Options(store=tmp_path / "store")
    arguments = (policy.path, str(untrained_model), Switches(device="cpu"), options)

    before = pipeline.plan(*arguments)
    audit.run(policy.path, model=untrained_model, store=tmp_path / "store", device="cpu", progress=False)
    after = pipeline.plan(*arguments)

    notes = [{line.title: line.note for line in planned.first} for planned in (before, after)]
    different = numbers(after.first)["different texts"]
    assert notes[0]["different texts"] == "0 of them are stored already"
    assert notes[1]["different texts"] == f"{different} of them are stored already"
    assert numbers(before.first)["time"] == "unknown"
    assert numbers(after.first)["time"] == "about 0 s"


# ---- nothing is run ------------------------------------------------------------------------------


def test_a_plan_allocates_no_weights(session_policy, untrained_model, tmp_path, monkeypatch):
    opened: list[LoadedModel] = []

    def keep(*args, **named):
        opened.append(open_model(*args, **named))
        return opened[-1]

    def loaded(*_args, **_named):
        raise AssertionError("weights were read")

    monkeypatch.setattr("audit.capture.model.open_model", keep)
    monkeypatch.setattr("audit.capture.model._load_weights", loaded)
    monkeypatch.setattr(torch.nn.Module, "__call__", loaded)
    policy = session_policy(*ALL)
    planned = pipeline.plan(
        policy.path, str(untrained_model), Switches(device="cpu"), pipeline.Options(store=tmp_path / "store")
    )

    assert {p.device.type for p in opened[0].model.parameters()} == {"meta"}
    size = sum(p.numel() * 4 for p in opened[0].model.parameters())
    assert numbers(planned.first)["memory"] == f"{size / 1000:,.0f} kB"


def test_the_command_prints_what_is_counted_what_is_bounded_and_what_can_be_shown(
    cli, session_policy, untrained_model, tmp_path
):
    policy = session_policy("swap", "attribution")

    ended = cli("plan", policy.path, "--model", untrained_model, "--device", "cpu", "--store", tmp_path / "store")

    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines() == [
        "",
        "First round, counted",
        "  texts asked for    580  (by all checks, before merging)",
        "  different texts    382  (0 of them are stored already)",
        "  passes             2  (batches over the model)",
        "  tokens             7,258  (the longest text has 19)",
        "  stored states      0 B  (on disk)",
        "  memory             328 kB  (for the weights; batches and statistics come on top)",
        "  time               unknown  (no earlier run of this model was timed here)",
        "",
        "Later rounds, bounds that the checks declare",
        "  attribution        at most 24 texts attributed  (bound)",
        "",
        "What the rows can show",
        "  swap               no event at all would leave a rate of 5.8 % possible  (192 rows in 62 clusters)",
        "  swap               score_gap within 0.9 can be shown while clusters scatter by at most 3.54 (standard "
        "deviation)  (if the true value is zero)",
    ]


def test_a_plan_says_what_is_wrong_with_the_policy_or_the_model_as_a_run_does(cli, session_policy, untrained_model):
    policy = session_policy("swap").change("positive: approve", "positive: grant")

    ended = cli("plan", policy.path, "--model", untrained_model)

    assert (ended.code, ended.out) == (2, "")
    assert "the model has no label 'grant'" in ended.err


# ---- arithmetic ----------------------------------------------------------------------------------


def test_time_is_for_the_texts_that_are_not_stored_yet(session_policy):
    policy = pipeline.read_policy(session_policy("swap").path)
    later = {"swap": LaterRounds(attributed_texts=100, scored_texts=3)}
    rates = plan.Rates(tokens_per_second=100.0, attributed_texts_per_second=4.0)

    planned = plan.plan(policy, FIRST, later, rates, weights_bytes=1_500_000_000)

    assert numbers(planned.first)["time"] == "about 180 s"
    assert numbers(planned.first)["memory"] == "1.5 GB"
    assert [line.value for line in planned.later] == [
        "at most 3 texts scored", "at most 100 texts attributed, about 25 s",
    ]  # fmt: skip


def test_a_bound_that_zero_events_cannot_reach_shows_before_anything_is_spent(session_policy):
    """The rule of three: without an event among n clusters about 3.7/n stays possible (one-sided .025)."""
    policy = session_policy("swap").change("cluster: name", "cluster: town")

    planned = plan.plan(
        pipeline.read_policy(policy.path), FIRST, {"swap": LaterRounds()}, plan.Rates(), weights_bytes=0
    )

    possible = 100 * (1 - 0.025 ** (1 / 8))
    assert planned.power[0].value == f"no event at all would leave a rate of {possible:.1f} % possible"
    assert planned.power[0].note == "192 rows in 8 clusters"
