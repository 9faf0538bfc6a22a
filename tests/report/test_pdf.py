import io
import os
import re
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from weasyprint.urls import FatalURLFetchingError

from audit.errors import UserError
from audit.record import Record
from audit.report import pdf

STANDARDS = ("PDF/A-3a", "PDF/UA-1")
in_this_process = pytest.mark.filterwarnings(
    # WeasyPrint leaves its colour profile open.
    "ignore:Exception ignored in.*sRGB2014.icc:pytest.PytestUnraisableExceptionWarning"
)
PAGE = "<!doctype html><html lang=en><title>A page</title><body><h1>A page</h1>"


@pytest.fixture(scope="module")
def full(record: Record) -> bytes:
    return pdf.render(record)


@pytest.fixture(scope="module")
def small(small_record: Record) -> bytes:
    return pdf.render(small_record)


@pytest.fixture
def broken_rules(verapdf: Any, tmp_path: Path) -> Callable[[bytes, str], set[str]]:
    """The rules of a standard that some PDF breaks."""

    def check(data: bytes, standard: str) -> set[str]:
        path = tmp_path / "checked.pdf"
        path.write_bytes(data)
        outcome = verapdf.check(path, standard)
        assert outcome.assertions > 100
        assert outcome.follows is not bool(outcome.broken)
        return set(outcome.broken)

    return check


def opened(data: bytes) -> pikepdf.Pdf:
    return pikepdf.open(io.BytesIO(data))


def changed(data: bytes, change: Callable[[pikepdf.Pdf], None]) -> bytes:
    with opened(data) as document:
        change(document)
        out = io.BytesIO()
        document.save(out)
    return out.getvalue()


def structure(document: pikepdf.Pdf) -> list[pikepdf.Dictionary]:
    return [item for item in document.objects if isinstance(item, pikepdf.Dictionary) and item.get("/S")]


# ---- the standards -------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("standard", STANDARDS)
def test_a_report_follows_the_standard(
    standard: str, full: bytes, broken_rules: Callable[[bytes, str], set[str]]
) -> None:
    assert broken_rules(full, standard) == set()


@pytest.mark.slow
def test_a_report_full_of_hostile_text_follows_the_standards(
    hostile_record: Record, broken_rules: Callable[[bytes, str], set[str]]
) -> None:
    only = hostile_record.model_copy(update={"checks": (*hostile_record.checks[2:4], hostile_record.checks[5])})

    data = pdf.render(only)

    assert [broken_rules(data, standard) for standard in STANDARDS] == [set(), set()]


@pytest.mark.slow
def test_a_report_that_does_not_declare_accessibility_is_caught(
    small: bytes, broken_rules: Callable[[bytes, str], set[str]]
) -> None:
    def undeclared(document: pikepdf.Pdf) -> None:
        text = document.Root.Metadata.read_bytes()
        document.Root.Metadata.write(text.replace(b' pdfuaid:part="1"', b""))

    assert broken_rules(changed(small, undeclared), "PDF/UA-1") == {"5-1"}


@pytest.mark.slow
def test_a_drawing_without_words_is_caught(small: bytes, broken_rules: Callable[[bytes, str], set[str]]) -> None:
    def silent(document: pikepdf.Pdf) -> None:
        for element in structure(document):
            if element.S == "/Figure":
                del element["/Alt"]

    assert broken_rules(changed(small, silent), "PDF/UA-1") == {"7.3-1"}


@pytest.mark.slow
def test_a_font_that_is_not_embedded_is_caught(small: bytes, broken_rules: Callable[[bytes, str], set[str]]) -> None:
    def without_fonts(document: pikepdf.Pdf) -> None:
        for item in document.objects:
            if isinstance(item, pikepdf.Dictionary) and item.get("/Type") == "/FontDescriptor":
                del item["/FontFile2"]

    assert "6.2.11.4.1-1" in broken_rules(changed(small, without_fonts), "PDF/A-3a")


@in_this_process
def test_a_character_without_a_glyph_is_caught(record: Record, broken_rules: Callable[[bytes, str], set[str]]) -> None:
    data = pdf.write(record, f"{PAGE}<p>\ue000</p>")

    assert "6.2.11.7.3-1" in broken_rules(data, "PDF/A-3a")


# ---- what the file holds -------------------------------------------------------------------------


def test_record_and_policy_are_attached_with_their_relationship(full: bytes, record: Record) -> None:
    with opened(full) as document:
        files = {name: each.get_file().read_bytes() for name, each in document.attachments.items()}
        listed = [(str(each.UF), str(each.AFRelationship)) for each in document.Root.AF]

    assert files == {
        "policy.yaml": record.policy.source.encode(),
        "record.json": record.to_json().encode(),
    }
    assert sorted(listed) == [("policy.yaml", "/Source"), ("record.json", "/Data")]


def test_every_drawing_carries_its_sentence_and_every_link_says_where_it_leads(full: bytes) -> None:
    with opened(full) as document:
        figures = [str(element.get("/Alt", "")) for element in structure(document) if element.S == "/Figure"]
        links = [str(note.Contents) for page in document.pages for note in page.get("/Annots", [])]

    assert [figure.split(":")[0] for figure in figures] == ["Mean score gap by group", "Decodability by layer"]
    assert links
    assert all(link.startswith("Go to: ") for link in links)
    assert "Go to: 8.1 Score gaps when a group's name is swapped" in links


def test_the_document_says_its_title_language_and_dates(full: bytes) -> None:
    with opened(full) as document:
        info = {name: str(value) for name, value in document.docinfo.items()}
        language, shown = str(document.Root.Lang), bool(document.Root.ViewerPreferences.DisplayDocTitle)

    assert info["/Title"] == "Model audit evidence report: An invented policy for the tests of the report"
    assert info["/CreationDate"] == info["/ModDate"] == "D:20261120100000Z"
    assert (language, shown) == ("en", True)


def test_only_bundled_fonts_are_used_and_all_are_embedded(full: bytes) -> None:
    with opened(full) as document:
        fonts = [
            item
            for item in document.objects
            if isinstance(item, pikepdf.Dictionary) and item.get("/Type") == "/FontDescriptor"
        ]

        assert {re.sub(r"^/\w+\+", "", str(font.FontName)).split("-")[0] for font in fonts} <= {"Plex", "Symbols"}
        assert all("/FontFile2" in font for font in fonts)


# ---- the same record, the same bytes -------------------------------------------------------------


@pytest.fixture(scope="module")
def again(small_record: Record, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, str]:
    """The same record laid out in another folder, time zone and language; what was said on the way."""
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "record.json").write_text(small_record.to_json(), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "audit.report.pdf", "record.json", "again.pdf", "technical", str(2**32), "300"],
        capture_output=True, text=True, check=True, cwd=folder,
        env=os.environ | {"PYTHONHASHSEED": "77", "TZ": "Asia/Tokyo", "LC_ALL": "C"},
    )  # fmt: skip
    return (folder / "again.pdf").read_bytes(), done.stdout + done.stderr


@pytest.mark.slow
def test_the_same_record_gives_the_same_bytes(small: bytes, again: tuple[bytes, str]) -> None:
    assert again[0] == small


@pytest.mark.slow
def test_laying_out_warns_of_nothing(again: tuple[bytes, str]) -> None:
    assert again[1] == ""


# ---- what must not happen ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", ["https://example.org/x.png", "http://127.0.0.1:9/x.png", "file:///etc/passwd", "ftp://example.org/x"]
)
@pytest.mark.parametrize("page", ["<img alt=x src='{url}'>", "<p style=\"background:url('{url}')\">x</p>"])
def test_nothing_is_fetched_from_outside_the_template_folder(record: Record, url: str, page: str) -> None:
    with pytest.raises(FatalURLFetchingError):
        pdf.write(record, PAGE + page.replace("{url}", url))


@in_this_process
def test_a_broken_template_makes_no_pdf(record: Record) -> None:
    with pytest.raises(RuntimeError, match="No anchor #nowhere for internal URI reference"):
        pdf.write(record, f"{PAGE}<p><a href='#nowhere'>x</a></p>")


def test_a_layout_that_takes_too_long_is_stopped(small_record: Record) -> None:
    with pytest.raises(UserError) as caught:
        pdf.render(small_record, limits=pdf.Limits(seconds=0.05))

    assert str(caught.value) == (
        "The PDF cannot be made\n\n"
        "layout of report.pdf: no result after 0.05 seconds\n"
        "  expected: a PDF within 0.05 seconds, 300 of them of computing, and 4096 MiB of address space\n"
        "  do: use report.html, which has the same content; look for very long texts in the policy or the data"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="processor time is limited on Unix only")
def test_a_layout_that_computes_too_long_is_stopped(small_record: Record) -> None:
    with pytest.raises(UserError) as caught:
        pdf.render(small_record, limits=pdf.Limits(processor_seconds=1))

    assert caught.value.problems[0].found == "no result after 1 seconds of computing"


@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited on Linux only")
def test_a_layout_that_takes_too_much_memory_is_stopped(small_record: Record) -> None:
    with pytest.raises(UserError) as caught:
        pdf.render(small_record, limits=pdf.Limits(memory_bytes=64 * 1024**2))

    (problem,) = caught.value.problems
    assert problem.where == "layout of report.pdf"
    assert "MemoryError" in problem.found


def test_a_machine_without_pango_is_told_what_to_install(
    small_record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        textwrap.dedent(
            """
            import cffi
            load = cffi.FFI.dlopen
            def dlopen(self, name, flags=0):
                if "pango" in name:
                    raise OSError(f"cannot load library {name!r}: not found")
                return load(self, name, flags)
            cffi.FFI.dlopen = dlopen
            """
        )
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    with pytest.raises(UserError) as caught:
        pdf.render(small_record)

    assert str(caught.value) == (
        "The PDF cannot be made\n\n"
        "Pango: cannot load library 'libpango-1.0-0': not found\n"
        "  expected: the system libraries that draw text (Pango, HarfBuzz)\n"
        "  do: apt install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 (Debian, Ubuntu); the other formats "
        "need none of them"
    )


# ---- the folder for temporary files --------------------------------------------------------------


def test_a_folder_for_temporary_files_that_cannot_be_written_is_named(
    small_record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))

    with pytest.raises(UserError) as caught:
        pdf.render(small_record)

    assert str(caught.value) == (
        f"The PDF cannot be made\n\n{tmp_path}/file: Not a directory\n"
        "  expected: a folder for temporary files that can be written, with room\n"
        "  do: make room there, or name another folder in the environment variable TMPDIR"
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full stands at /dev/full on Linux")
def test_a_folder_for_temporary_files_that_fills_up_under_the_layout_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pdf, "_limit", lambda *_: None)  # it would hold for this process too
    monkeypatch.setattr(pdf, "_made", lambda *_: b"%PDF")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    code = pdf.main(["record.json", "/dev/full", "technical", "1", "1"])
    (problem,) = pdf._failure(code, capfd.readouterr().err, pdf.Limits()).problems

    assert (problem.where, problem.found) == (str(tmp_path), "No space left on device")
