"""Writing the copy: an error names the folder where writing failed, and what fails elsewhere keeps its own name."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from audit.errors import UserError, user_error
from audit.pruning import writing
from audit.pruning.baking import PartsCut

FULL = Path("/dev/full")

needs_full = pytest.mark.skipif(not FULL.exists(), reason="a device that is always full stands at /dev/full on Linux")


def told(refused):
    (problem,) = refused.value.problems
    return problem.where, problem.found


# ---- the folder of the copy ----------------------------------------------------------------------


def test_the_folder_takes_its_name_when_all_went_well(tmp_path):
    with writing.beside(tmp_path / "more" / "copy") as folder:
        (folder / "config.json").write_text("{}")

    assert [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.json")] == ["more/copy/config.json"]


def test_a_file_where_a_folder_belongs_is_told_of_save(tmp_path):
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(UserError) as refused, writing.beside(tmp_path / "file" / "copy"):
        pytest.fail("there is nowhere to write")

    assert told(refused) == ("--save", f"Not a directory ({tmp_path}/file)")


def test_a_name_that_is_taken_meanwhile_is_not_overwritten(tmp_path):
    with pytest.raises(UserError) as refused, writing.beside(tmp_path / "copy"):
        (tmp_path / "copy").mkdir()

    assert told(refused) == ("--save", f"{tmp_path}/copy exists")
    assert [p.name for p in tmp_path.iterdir()] == ["copy"]


@pytest.mark.parametrize(
    "elsewhere",
    [
        OSError(5, "Input/output error", "/models/weights"),
        user_error("The model cannot be read", where="/models/weights", found="Input/output error", expected="a file"),
    ],
)
def test_what_fails_elsewhere_meanwhile_is_not_told_of_save(tmp_path, elsewhere):
    with pytest.raises(type(elsewhere)) as ended, writing.beside(tmp_path / "copy"):
        raise elsewhere

    assert ended.value is elsewhere
    assert list(tmp_path.iterdir()) == []


# ---- the files of the copy -----------------------------------------------------------------------


@needs_full
def test_a_disk_that_is_full_under_the_weights_is_told_of_save(small, tmp_path):
    (tmp_path / "config.json").symlink_to(FULL)
    loaded = small("bert", "sequence-classification")
    cut = PartsCut(parts=(), means={})

    with pytest.raises(UserError) as refused:
        writing.write_copy(loaded, cut, (), tmp_path, tmp_path / "copy")

    assert told(refused) == ("--save", f"No space left on device ({tmp_path})")


@needs_full
def test_a_disk_that_is_full_under_what_is_said_of_it_is_told_of_save(tmp_path):
    (tmp_path / "prune.json").symlink_to(FULL)

    with pytest.raises(UserError) as refused:
        writing.write_texts({"prune.json": "{}"}, tmp_path, tmp_path / "copy")

    assert told(refused) == ("--save", f"No space left on device ({tmp_path})")


# ---- the folder for temporary files --------------------------------------------------------------


def test_a_folder_for_temporary_files_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))

    with pytest.raises(UserError) as refused, writing.scratch():
        pytest.fail("there is nowhere to write")

    assert str(refused.value) == (
        f"The copy cannot be measured\n\n{tmp_path}/file: Not a directory\n"
        "  expected: a folder for temporary files that can be written, with room\n"
        "  do: make room there, or name another folder in the environment variable TMPDIR"
    )


def test_a_store_in_it_without_room_is_not_one_that_another_store_would_mend(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    with pytest.raises(UserError) as refused, writing.scratch() as folder:
        raise user_error(
            "The store cannot be written", where=str(folder / "copy"), found="the disk is full", expected="a folder"
        )

    assert told(refused) == (str(tmp_path), "the disk is full")
    assert list(tmp_path.iterdir()) == []


def test_an_error_from_elsewhere_is_not_taken_for_one_of_temporary_files():
    elsewhere = user_error("The model cannot be read", where="/models", found="gone", expected="a folder")

    with pytest.raises(UserError) as ended, writing.scratch():
        raise elsewhere

    assert ended.value is elsewhere
