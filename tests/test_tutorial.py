"""Every step of the tutorial is run, and what it shows is what is printed.

Blocks are told apart by their first line. ``yaml FILE`` and ``python FILE`` are saved (``+`` appends), ``sh`` is run
(``ends with N`` names the exit code of its last command), and a ``text`` behind it is what it prints. In ``text about``
numbers and line ends may differ, because another machine computes other last digits.
"""

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest

from audit.cli import main
from audit.registry import ENTRY_POINTS, use_files

PAGE = Path(__file__).resolve().parent.parent / "docs" / "tutorial.md"
TOOL = "inspectoscope"


class Block(NamedTuple):
    line: int
    kind: str
    about: str
    text: str


def blocks():
    page = PAGE.read_text(encoding="utf-8")
    found = re.finditer(r"^```(\w+)(?: ([^\n]*))?\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    return [Block(page[: each.start()].count("\n") + 1, each[1], each[2] or "", each[3]) for each in found]


BLOCKS = blocks()


def here(arguments, monkeypatch):
    """Run the command in this process: one that loads torch takes seconds to start."""
    said = io.StringIO()
    monkeypatch.setattr(sys, "argv", [TOOL, *arguments])
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()) as told:
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
    return code, said.getvalue() + (told.getvalue() if code == 2 else "")


def outside(line):
    """Run a line in a shell in which ``inspectoscope`` is the one of this tree."""
    tool = f"{TOOL}() {{ '{sys.executable}' -m audit \"$@\"; }}\n"
    environ = os.environ | {"PYTHONPATH": str(PAGE.parents[1])}
    done = subprocess.run(
        ["bash", "-c", tool + line], env=environ, capture_output=True, text=True, encoding="utf-8", check=False
    )
    return done.returncode, done.stdout


def ran(block, model, monkeypatch):
    """Run the lines of a block; return what they printed, and the exit code of the last."""
    out = ""
    for line in block.text.splitlines():
        words = shlex.split(line.replace("$MODEL", str(model)))
        alone = words[0] == TOOL and not {"|", ">"} & set(words)
        code, said = here(words[1:], monkeypatch) if alone else outside(line)
        out += said
    return out, code


MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"


def masked(text):
    return re.sub(rf"\d[\d.,:]*|\b({MONTHS})\b", "#", " ".join(text.split()))


@pytest.fixture(scope="module")
def told(biased_model, tmp_path_factory):
    """Walk through the page once; return every block that shows something, with what was printed."""
    folder, said, out = tmp_path_factory.mktemp("tutorial"), None, []
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        monkeypatch.setenv("INSPECTOSCOPE_CACHE", str(tmp_path_factory.mktemp("cache")))
        for block in BLOCKS:
            if block.kind in {"yaml", "python"}:
                name, *more = block.about.split()
                with (folder / name).open("a" if more == ["+"] else "w", encoding="utf-8") as file:
                    file.write(block.text)
            elif block.kind == "sh":
                said, code = ran(block, biased_model, monkeypatch)
                assert code == int(block.about.removeprefix("ends with ") or 0), f"tutorial.md:{block.line}: {said}"
            elif block.kind == "text" and said is not None:
                out.append((block, said))
                said = None
    use_files(())
    return folder, out


def test_the_tutorial_prints_what_it_shows(told):
    _, shown = told

    assert len(shown) >= 10
    for block, said in shown:
        if block.about == "about":
            assert masked(said) == masked(block.text), f"tutorial.md:{block.line}: {said}"
        else:
            assert said.strip("\n") == block.text.strip("\n"), f"tutorial.md:{block.line}: {said}"


def test_the_tutorial_ends_with_reports(told):
    folder, _ = told

    for name in ("first", "second", "branches"):
        assert (folder / name / "report.pdf").read_bytes().startswith(b"%PDF-")
    assert "the courtesy moves the score" in (folder / "branches" / "report.html").read_text(encoding="utf-8")


def test_a_record_with_a_check_that_is_not_installed_is_not_called_broken_for_it(told, cli):
    folder, _ = told

    ended = cli("verify", folder / "branches" / "record.json", "--policy", folder / "branches.yaml")

    assert ended.code == 0, ended.out
    assert "its type `courtesy` is not installed here" in ended.out
    assert "takes the check `courtesy`, which is not installed here" in " ".join(ended.out.split())


def test_the_package_of_the_tutorial_names_its_check_where_checks_are_looked_for():
    (toml,) = (block for block in BLOCKS if block.kind == "toml")

    assert tomllib.loads(toml.text)["project"]["entry-points"] == {ENTRY_POINTS: {"courtesy": "our_checks.courtesy"}}
