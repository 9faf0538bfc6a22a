"""Bars on a terminal, plain lines in a log, and no text from outside moves the cursor of either."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from audit import terminal
from audit.terminal import Bars, Lines

COMMAND = Path(sys.executable).with_name("inspectoscope")
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f\x80-\x9f\u202a-\u202e\u2066-\u2069]")
HOSTILE = "\x1b[2J\x1b]0;owned\x07\r\u202egnp.exe\x9b31m"
MARKUP = "[bold red]A policy[/bold red]"
"""What a policy may hold, since characters that do not show themselves are refused in it."""


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


# ---- lines ---------------------------------------------------------------------------------------


def test_a_log_gets_plain_lines(monkeypatch):
    log, clock = io.StringIO(), Clock()
    monkeypatch.setattr(terminal, "monotonic", clock)

    shown = terminal.progress(log)
    with shown.task("round 1: the model reads", 2000, "texts") as task:
        for _ in range(4):
            clock.now += 6
            task.advance(500)
    shown.note("done")

    assert isinstance(shown, Lines)
    assert log.getvalue().splitlines() == [
        "round 1: the model reads: 2,000 texts",
        "round 1: the model reads: 1,000 of 2,000 texts, about 12 s left",
        "round 1: the model reads: done in 24 s",
        "done",
    ]


def test_work_of_no_size_is_not_announced():
    log, screen = io.StringIO(), Screen()

    for stream in (log, screen):
        with terminal.progress(stream).task("nothing to do", 0, "texts") as task:
            task.advance()

    assert (log.getvalue(), screen.getvalue()) == ("", "")


def test_a_log_keeps_the_lines_of_a_note_and_shows_what_would_move_the_cursor():
    log = io.StringIO()

    terminal.progress(log).note(f"first\nsecond {HOSTILE}")

    assert log.getvalue().splitlines()[0] == "first"
    assert not CONTROLS.search(log.getvalue())
    assert "⟨U+001B⟩[2J" in log.getvalue()


# ---- bars ----------------------------------------------------------------------------------------


def test_a_terminal_gets_bars():
    screen = Screen()

    shown = terminal.progress(screen)
    with shown.task("round 1: the model reads", 10, "texts") as task:
        task.advance(10)

    assert isinstance(shown, Bars)
    assert "round 1: the model reads" in screen.getvalue()
    assert "10/10" in screen.getvalue()


@pytest.mark.parametrize("text", [HOSTILE, "[bold red]not markup[/bold red]", "[/]"])
def test_a_terminal_is_not_moved_by_text_from_outside(text):
    ours, theirs = Screen(), Screen()

    for stream, said in ((ours, "harmless"), (theirs, text)):
        shown = terminal.progress(stream)
        shown.note(said)
        with shown.task(said, 1, "texts") as task:
            task.advance()

    assert codes(theirs.getvalue()) <= codes(ours.getvalue())
    assert "[bold red]" in theirs.getvalue() or "bold" not in text


def codes(text: str) -> set[str]:
    """Return the kinds of control sequences in a text, and single control characters."""
    sequences = re.findall("\x1b(?:\\[[0-9;?]*[A-Za-z]|\\].*?\x07|.)", text)
    return set(sequences) | set(re.findall("[\x00-\x09\x0b-\x1a\x7f-\x9f\u202e]", text))


# ---- the command ---------------------------------------------------------------------------------


@pytest.fixture
def hostile_policy(small_policy):
    """A policy with mark-up for a title, whose data try to write on the terminal where groups are named."""
    policy = small_policy("outcomes", "attribution", rows=100)
    policy.change("title: A small credit policy", f'title: "{MARKUP}"')
    policy.change("check: group_outcomes\n", f'check: group_outcomes\n    title: "{MARKUP}"\n    min_cell: 2\n')
    policy.change("at_most: 0.9", "at_most: -0.9")
    rows = (policy.folder / "applicants.csv").read_text(encoding="utf-8")
    policy.write("applicants.csv", rows.replace(",female,", f',"fe{HOSTILE}male",'))
    return policy


def test_a_run_in_a_log_has_no_control_characters_whatever_the_policy_and_the_data_say(
    command, hostile_policy, biased_model, tmp_path
):
    # A store of its own: where other tests have stored the answers, the model reads nothing.
    ended = command("run", hostile_policy.path, "--model", biased_model, "--out", tmp_path / "out",
                    "--store", tmp_path / "store", "--format", "json")  # fmt: skip

    assert ended.code == 1, ended.err
    assert "round 1: the model reads: " in ended.err
    assert "integrated gradients from mask: 6 texts" in ended.err
    assert not CONTROLS.search(ended.out + ended.err)
    assert f"✖ threshold not met: {MARKUP} (" in ended.out
    assert "fe⟨U+001B⟩[2J" in ended.out


@pytest.mark.parametrize("name", ["show", "validate"])
def test_looking_at_a_policy_sends_no_control_characters(cli, hostile_policy, name):
    ended = cli("policy", name, hostile_policy.path)

    assert ended.code == 0
    assert not CONTROLS.search(ended.out + ended.err)


def test_messages_show_control_characters_instead_of_sending_them(
    cli, small_policy, untrained_model, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    policy = small_policy()
    by_value = cli("run", policy.path, "--model", untrained_model, "--set", f"model.decision.positive={HOSTILE}")
    by_model = cli("run", policy.path, "--model", f"/nowhere/{HOSTILE}")
    by_record = cli("report", f"/nowhere/{HOSTILE}.json")
    policy.change("title: A small", f"title: {HOSTILE} A small")
    by_policy = cli("policy", "validate", policy.path)

    for ended in (by_value, by_model, by_record, by_policy):
        assert ended.code == 2
        assert "⟨U+001B⟩[2J" in ended.err or "\\x1b[2J" in ended.err
        assert not CONTROLS.search(ended.out + ended.err)


def test_on_a_terminal_a_run_shows_bars(small_policy, untrained_model, tmp_path):
    policy = small_policy("swap", rows=60)
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        [COMMAND, "run", policy.path, "--model", untrained_model, "--out", tmp_path / "out", "--format", "json",
         "--store", tmp_path / "store"],
        stdout=subprocess.DEVNULL, stderr=theirs, env=os.environ | {"TERM": "xterm"},
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 4096):
            shown += chunk
    except OSError:
        pass  # Linux says so when the other end is closed
    finally:
        os.close(ours)
    running.wait(timeout=60)

    assert running.returncode in {0, 3}
    assert "round 1: the model reads" in shown.decode()
    assert "120/120" in shown.decode()
    assert b"\x1b[" in shown
