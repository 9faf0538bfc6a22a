"""What is to be verified, and what it is held against."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from audit import record as records
from audit.errors import UserError, user_error
from audit.record import Record
from audit.registry import check_types
from audit.types import Policy
from audit.verify import pdf
from audit.verify.kept import ErasedRows, Kept, opened, recognised

_TITLE = "This cannot be verified"


@dataclass(frozen=True, kw_only=True)
class Given:
    """A record with what came along with it."""

    record: Record
    raw: bytes
    """The record's bytes as they were read."""
    name: str
    """Where they come from, as messages name it."""
    report: bytes | None = None
    """The PDF's bytes, where one was given."""
    contents: pdf.Contents | None = None
    """What is in the PDF; None where there is none, or it cannot be read."""
    beside: bool = False
    """Whether the record was given as a file beside the PDF."""
    evidence: Path | None = None
    model: Path | None = None
    policy: Path | None = None
    trust: tuple[Path, ...] = ()
    """Certificates of the roots that the user trusts."""
    history: str | None = None
    """Address of the history that the run was entered into."""

    @cached_property
    def kept(self) -> Kept | None:
        """Return a portable copy of the evidence; None where none was given, or the store itself was.

        Raises
        ------
        UserError
            When its manifest cannot be read.
        """
        return None if self.evidence is None else opened(self.evidence)

    @cached_property
    def lacking(self) -> str:
        """Return what to say of checks of the run that are not installed here; nothing where all of them are."""
        known = check_types()
        missing = dict.fromkeys(part.check for part in self.record.checks if part.check not in known)
        if not missing:
            return ""
        names = ", ".join(f"`{name}`" for name in missing)
        return f"takes the check {names}, which is not installed here (--check-module FILE gives one of a file)"

    @cached_property
    def run_policy(self) -> Policy:
        """Return the policy of the run joined with its data, from the evidence or from the policy file given.

        Raises
        ------
        UserError
            When the policy or a data file cannot be read.
        """
        from audit import policy as policies

        overrides = [f"{key}={value}" for key, value in self.record.policy.overrides.items()]
        if self.kept is not None:
            path: str | Path = self.record.policy.path
            kept = self.kept.policy({card.name: card for card in self.record.data})
            return policies.load(path, check_types=check_types(), overrides=overrides, kept=kept, today=self._day)
        assert self.policy is not None
        return policies.load(self.policy, check_types=check_types(), overrides=overrides, today=self._day)

    @property
    def incomplete(self) -> Mapping[str, tuple[ErasedRows, ...]]:
        """Return the data sets that rows were erased from in the evidence, with what was erased.

        Raises
        ------
        UserError
            When the manifest of the evidence cannot be read.
        """
        return self.kept.incomplete if self.kept is not None else {}

    @property
    def _day(self) -> dt.date:
        """The day of the run: tables of law that were young enough then are no matter of age now."""
        try:
            return dt.datetime.fromisoformat(self.record.created).date()
        except ValueError:
            return dt.date.min

    @property
    def environment(self) -> Mapping[str, str]:
        """Return which libraries of the run have another version here, with both versions."""
        from audit.recording import versions

        here = versions()
        then = self.record.environment
        return {
            name: f"{then[name]} then, {here[name]} now"
            for name in here
            if name in then and name in _ARITHMETIC and then[name] != here[name]
        }


_ARITHMETIC = frozenset({"python", "platform", "numpy", "scipy", "scikit-learn", "statsmodels"})
"""What checks compute with; the model's libraries have no part in running them again."""


def gather(
    path: Path,
    *,
    record: Path | None = None,
    evidence: Path | None = None,
    model: Path | None = None,
    policy: Path | None = None,
    trust: Sequence[Path] = (),
    history: str | None = None,
) -> Given:
    """Read what is to be verified: a record, or a PDF with the record in it.

    Raises
    ------
    UserError
        When there is no record that can be read, or something that was named is not there.
    """
    _there(evidence, "--evidence", "a folder written by run --evidence, or a store", folder=True)
    _there(model, "--model", "a model folder", folder=True)
    _there(policy, "--policy", "a policy file", folder=False)
    if evidence is not None:
        recognised(evidence)
    raw = records.file_bytes(path, "a record.json or a report.pdf")
    common: dict[str, Any] = {"evidence": evidence, "model": model, "policy": policy}
    common |= {"trust": tuple(trust), "history": history}
    if b"%PDF-" not in raw[:1024]:
        return Given(record=records.parsed(raw, str(path)), raw=raw, name=str(path), **common)
    common["report"] = raw
    if record is not None:
        beside = records.file_bytes(record)
        given = records.parsed(beside, str(record))
        contents = _readable(raw)
        return Given(record=given, raw=beside, name=str(record), contents=contents, beside=True, **common)
    contents = pdf.read(raw, str(path))
    if len(contents.records) != 1:
        raise user_error(
            _TITLE,
            where=str(path),
            found=f"a PDF with {len(contents.records) or 'no'} attached record.json",
            expected="a report with its record attached once",
            do="give the record with --record",
        )
    inside = contents.records[0]
    name = f"record.json in {path}"
    return Given(record=records.parsed(inside, name), raw=inside, name=name, contents=contents, **common)


def _readable(raw: bytes) -> pdf.Contents | None:
    try:
        return pdf.read(raw, "the PDF")
    except UserError:
        return None


def _there(path: Path | None, where: str, expected: str, *, folder: bool) -> None:
    there = os.path.isdir if folder else os.path.isfile  # the methods of Path raise where a name is too long
    if path is not None and not there(path):
        raise user_error(_TITLE, where=where, found=f"{path} is not there", expected=expected)
