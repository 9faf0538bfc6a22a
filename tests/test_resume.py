"""A run that is killed goes on where it stopped and ends with the record it would have had.

The run that is killed is a process of its own, slowed down so that the kill falls half-way; SIGKILL leaves it no
chance to put anything in order.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

import audit
from audit.capture.executors.local import CPU_BUDGET
from audit.capture.store import contexts

SLOW = """
import sys, time
from audit.capture import passes
from audit.capture.executors import local

def slowed(function, seconds):
    def run(*args, **named):
        time.sleep(seconds)
        return function(*args, **named)
    return run

passes.forward = slowed(passes.forward, float(sys.argv.pop(1)))
local.LocalExecutor.attribute = slowed(local.LocalExecutor.attribute, float(sys.argv.pop(1)))
from audit.cli import main
main()
"""


@pytest.fixture
def killed(tmp_path) -> Callable[..., None]:
    """Start a run as a process, wait until its store holds ``enough`` and kill it."""

    def kill(policy, model: Path, store: Path, *, passes: float, attributions: float, enough) -> None:
        running = subprocess.Popen(
            [sys.executable, "-c", SLOW, str(passes), str(attributions), "run", policy.path, "--model", model,
             "--out", tmp_path / "killed", "--store", store, "--device", "cpu"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            deadline = time.monotonic() + 90
            while not enough(store):
                assert running.poll() is None, running.stderr.read()
                assert time.monotonic() < deadline
                time.sleep(0.01)
        finally:
            os.kill(running.pid, signal.SIGKILL)
            running.communicate()
        assert running.returncode == -signal.SIGKILL
        assert not (tmp_path / "killed" / "record.json").exists()

    return kill


def counted(store: Path, sql: str) -> int:
    """Ask the one context of a store for a number, while another process writes to it."""
    found = list(store.glob("contexts/*/answers.sqlite"))
    try:
        with closing(sqlite3.connect(f"file:{found[0]}?mode=ro", uri=True)) as db:
            return int(db.execute(sql).fetchone()[0])
    except (IndexError, sqlite3.OperationalError):
        return 0  # nothing is there yet


def stored(store: Path) -> set[tuple[bytes, ...]]:
    """Everything that a store holds but for states; the salts, which differ, left out."""
    (found,) = store.glob("contexts/*/answers.sqlite")
    with closing(sqlite3.connect(found)) as db:
        both = "SELECT request, text, value FROM answers UNION ALL SELECT request, text, value FROM notes"
        return set(db.execute(both))


def answers(store: Path) -> int:
    return counted(store, "SELECT COUNT(*) FROM answers")


def attributed(store: Path) -> int:
    """Count stored attributions: their vectors are longer than the two logits of a score."""
    return counted(store, "SELECT COUNT(*) FROM answers WHERE length(value) > 16")


def begun(store: Path) -> str:
    with closing(sqlite3.connect(store / "runs.sqlite")) as db:
        ((created,),) = db.execute("SELECT created FROM runs").fetchall()
    return str(created)


def test_a_run_killed_among_its_batches_goes_on_with_the_next_batch(
    small_policy, untrained_model, killed, findings_of, tmp_path
):
    policy = small_policy("swap", "outcomes", "probe", rows=400)
    whole = audit.run(policy.path, model=untrained_model, store=tmp_path / "whole", device="cpu", progress=False)
    batch = CPU_BUDGET // min(map(len, _tokens(untrained_model, policy.texts())))

    killed(policy, untrained_model, tmp_path / "cut", passes=0.3, attributions=0, enough=lambda s: answers(s) > 0)
    kept, created = answers(tmp_path / "cut"), begun(tmp_path / "cut")
    time.sleep(1.1)  # so that a new run would have another date
    second = audit.run(policy.path, model=untrained_model, store=tmp_path / "cut", device="cpu", progress=False)

    assert findings_of(second) == findings_of(whole)
    assert stored(tmp_path / "cut") == stored(tmp_path / "whole")
    assert (second.created, second.run.number, second.cost.interruptions) == (created, 1, 1)
    total = whole.cost.rows_forward
    assert 0 < kept < total
    assert second.cost.rows_forward < total
    assert kept + second.cost.rows_forward <= total + batch


def test_a_run_killed_among_its_attributions_loses_one_text_at_most(
    small_policy, untrained_model, killed, findings_of, tmp_path
):
    policy = small_policy("attribution", rows=60).change("sample: 6", "sample: 10")
    whole = audit.run(policy.path, model=untrained_model, store=tmp_path / "whole", device="cpu", progress=False)

    killed(policy, untrained_model, tmp_path / "cut", passes=0, attributions=0.2, enough=lambda s: attributed(s) >= 13)
    kept = attributed(tmp_path / "cut")
    second = audit.run(policy.path, model=untrained_model, store=tmp_path / "cut", device="cpu", progress=False)

    assert findings_of(second) == findings_of(whole)
    assert stored(tmp_path / "cut") == stored(tmp_path / "whole")
    assert whole.cost.attribution_texts == 3 * 10
    assert 13 <= kept < 30
    assert second.cost.attribution_texts <= 30 - kept + 1
    assert second.cost.rows_forward == second.cost.attribution_rows


def test_a_run_that_came_to_its_end_is_not_gone_on_with_but_counted(small_policy, untrained_model, tmp_path):
    policy = small_policy("swap", rows=60)

    records = [
        audit.run(policy.path, model=untrained_model, store=tmp_path / "store", progress=False) for _ in range(2)
    ]

    assert [record.run.number for record in records] == [1, 2]
    assert [record.cost.interruptions for record in records] == [0, 0]
    assert [record.cost.rows_forward for record in records] == [120, 0]


def test_half_written_states_of_a_killed_run_are_never_read(small_policy, untrained_model, findings_of, tmp_path):
    """A kill between the states and their index leaves bytes that nothing points at."""
    policy = small_policy("probe", rows=100)
    first = audit.run(policy.path, model=untrained_model, store=tmp_path / "store", progress=False)
    (held,) = contexts(tmp_path / "store")
    folder = tmp_path / "store" / "contexts" / held.id
    (folder / "states-0123456789abcdef.bin").write_bytes(b"\xff" * 1000)
    for segment in folder.glob("states-*.bin"):
        with segment.open("ab") as file:
            file.write(b"\xff" * 100)

    again = audit.run(policy.path, model=untrained_model, store=tmp_path / "store", progress=False)

    assert again.cost.rows_forward == 0
    assert findings_of(again)["checks"] == findings_of(first)["checks"]


def _tokens(model: Path, texts: list[str]) -> Iterator[list[int]]:
    from transformers import AutoTokenizer

    return iter(AutoTokenizer.from_pretrained(model)(texts)["input_ids"])
