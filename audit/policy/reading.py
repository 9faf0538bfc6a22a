"""What is at hand while a policy is read: the document, its problems, and the files it may name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from audit.errors import Problem
from audit.policy.document import Document, KeyPath
from audit.policy.paths import MAX_BYTES, FileRefusedError, Findable, FoundFile, contents, named_in
from audit.policy.problems import Problems
from audit.policy.tables import SUFFIXES, Table, TableError, read_table, text_of
from audit.policy.templates import bytes_digest
from audit.types import GivenFile, Place, ReadFile

T = TypeVar("T")

MOST_HANDED_ON = 64 << 20
"""Bytes of a file that a check parameter names and that is handed on whole: vectors, not weights."""

PERSONAL = ("personal", "special_category")
"""Origins of data about people who can be found again."""


class Reading:
    """Reads the files that a policy names, each once, and notes what is wrong where."""

    def __init__(self, document: Document, problems: Problems, files: Findable) -> None:
        self.document = document
        self.problems = problems
        self.files = files
        self.digests: dict[str, str] = {}
        """Files other than data sets' own → SHA-256."""
        self.read: dict[str, ReadFile] = {}
        """Every file that was found, by the name that the policy gives it."""
        self._tables: dict[Path, Table] = {}

    def table_at(self, path: KeyPath) -> tuple[Table, str] | None:
        """Return the table whose file the value at a path names, and how messages name the file.

        None when it cannot be had; the problems say why.
        """
        found = self._found(path)
        if found is None:
            return None
        table = self._tables.get(found.path)
        if table is None:
            table = self._read(path, found, lambda raw: read_table(raw, found.shown))
            if table is None:
                return None
            self._tables[found.path] = table
        return table, found.shown

    def rows_at(self, path: KeyPath) -> Table | None:
        """Return a table that is no data set of its own; its digest is noted."""
        read = self.table_at(path)
        if read is None:
            return None
        self.digests[self.name_at(path)] = read[0].sha256
        return read[0]

    def words_at(self, path: KeyPath) -> list[str] | None:
        """Return the words in a file: one a line of a .txt, or the first column of a table."""
        written = str(self.document.get(path))
        if written.lower().endswith(SUFFIXES):
            table = self.rows_at(path)
            return [row.cells[table.columns[0]] for row in table.rows] if table else None
        found = self._found(path)
        if found is None:
            return None

        def read(raw: bytes) -> list[str]:
            self.digests[self.name_at(path)] = bytes_digest(raw)
            return [line.strip() for line in text_of(raw, found.shown).splitlines()]

        return self._read(path, found, read)

    def file_at(self, path: KeyPath) -> GivenFile | None:
        """Return a file that is handed on as it is; its digest is noted. None when the problems say why not."""
        name = self.name_at(path)
        found = self._found(path)
        if found is None:
            return None

        def read(raw: bytes) -> GivenFile:
            self.digests[name] = bytes_digest(raw)
            return GivenFile(written=name, shown=found.shown, body=raw)

        return self._read(path, found, read, limit=MOST_HANDED_ON)

    def name_at(self, path: KeyPath) -> str:
        """Return the name of the file that the value at a path names: as written, but of a base in its folder."""
        return named_in(self.document.home_of(path), str(self.document.get(path)))

    def may_quote(self, path: KeyPath) -> bool:
        """Return whether messages may quote the rows of the data set that a path is in.

        Messages end in the logs of pipelines, which more people read than may see personal data.
        """
        entry = self.document.get(path[:2]) if path[:1] == ("data",) else {}
        return not isinstance(entry, dict) or entry.get("origin") not in PERSONAL

    def _found(self, path: KeyPath) -> FoundFile | None:
        try:
            by_user = self.document.overridden.get(path) is not None
            written = str(self.document.get(path))
            found = self.files.find(written, by_user=by_user, home=self.document.home_of(path))
        except FileRefusedError as error:
            if not error.told:
                self.problems.at(path, found=error.found, expected=error.expected, do=error.do)
            return None
        self.read[self.name_at(path)] = ReadFile(path=str(found.path), shown=found.shown)
        return found

    def _read(self, path: KeyPath, file: FoundFile, read: Callable[[bytes], T], *, limit: int = MAX_BYTES) -> T | None:
        try:
            raw = contents(file, limit)
        except FileRefusedError as error:
            self.problems.at(path, found=error.found, expected=error.expected, do=error.do)
            return None
        try:
            return read(raw)
        except TableError as error:
            quoted = self.may_quote(path)
            self.problems.add(*(_with_lines(error.problems, raw, file.shown) if quoted else error.problems))
            return None


def _with_lines(problems: tuple[Problem, ...], raw: bytes, shown: str) -> list[Problem]:
    """Return problems with the lines they are about; a file of bytes shows none."""
    if shown.lower().endswith(".parquet"):
        return list(problems)
    lines = raw.decode("utf-8", "replace").split("\n")
    return [
        replace(problem, excerpt=lines[problem.where.line - 1].rstrip("\r")[:500])
        if isinstance(problem.where, Place) and problem.where.line <= len(lines)
        else problem
        for problem in problems
    ]
