"""A record, or one decision explained, that shows itself in a notebook and saves itself in any format."""

from __future__ import annotations

from pathlib import Path

from audit import pipeline, report
from audit.errors import user_error
from audit.explanation import Explanation
from audit.record import Record


class ShownRecord(Record):
    """The record of ``audit.run``: typed, and at home in a notebook."""

    def _repr_html_(self) -> str:
        """Return the verdict and the findings as HTML; text from outside is escaped."""
        from audit.report.html import fragment

        return fragment(self)

    def save(self, path: str | Path, *, format: str | None = None) -> Path:  # noqa: A002 - as --format
        """Write one report and return its path; the format follows from the file's name or ending.

        Raises
        ------
        UserError
            When the format is unknown or the report cannot be made.
        """
        path = Path(path)
        files = {f.file_name: name for name, f in report.FORMATS.items()}
        endings: dict[str, str] = {}
        for file_name, each in files.items():
            endings.setdefault(Path(file_name).suffix, each)  # .json is the record's
        name = format or files.get(path.name) or endings.get(path.suffix)
        if name is None or name not in report.FORMATS:
            raise user_error(
                "There is no such format",
                where="save",
                found=format or path.name,
                expected=f"one of {', '.join(report.FORMATS)}, or a file name that ends in {', '.join(endings)}",
            )
        pipeline.save(self, path, name)
        return path


class ShownExplanation(Explanation):
    """The explanation of ``audit.explain``: typed, and at home in a notebook."""

    def _repr_html_(self) -> str:
        """Return what was decided and why as HTML; text from outside is escaped."""
        from html import escape

        from audit.report.explanation import terminal
        from audit.text import printable

        return f"<pre>{escape(chr(10).join(printable(line) for line in terminal.lines(self)))}</pre>"

    def save(self, path: str | Path) -> Path:
        """Write it as .json, .html or .pdf, whichever the file's name ends in, and return the path.

        Raises
        ------
        UserError
            When the ending says none of them, or the page cannot be made.
        """
        from audit.report import explanation as pages

        path = Path(path)
        endings = {Path(file).suffix: name for name, file in pages.FILES.items()}
        if path.suffix not in endings:
            raise user_error(
                "There is no such format",
                where="save",
                found=path.name,
                expected=f"a file name that ends in {', '.join(endings)}",
            )
        pipeline.save_as(path, lambda: pages.render(self, endings[path.suffix]))
        return path
