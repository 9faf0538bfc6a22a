"""A portable copy of the evidence as it is read back: only names of the forms written here are ever opened."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from audit import policy as policies
from audit.capture import stored
from audit.capture.portable import FORMAT, MANIFEST
from audit.capture.rows import KeptRow, kept_rows
from audit.capture.stored import CONTEXTS, DATABASE, folder_of
from audit.errors import UserError, user_error
from audit.record import CheckPart, EvidencePart
from audit.redaction import strings
from audit.types import DataCard, Row

_NAME = re.compile(
    r"policy\.yaml|files/[0-9a-f]{64}"
    r"|contexts/[0-9a-f]{32}/(context\.json|answers\.sqlite|states-[0-9a-f]{1,32}\.bin)"
)
_LARGEST_MANIFEST = 64 << 20
LARGEST = 1 << 40
"""Bytes of all files together that are read; a larger copy is split off from what one machine can hold."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class File(_Part):
    """A file of the copy."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    bytes: int = Field(ge=0)


class PolicyFile(_Part):
    """The policy of the run."""

    file: str
    path: str


class ReadFile(_Part):
    """A file that the policy read."""

    written: str
    shown: str
    file: str


class ErasedRows(_Part):
    """Rows of a data set that were erased from the copy, and with them the answers about them."""

    data: str
    rows: tuple[int, ...]
    because: str
    on: str = Field(description="ISO 8601, UTC.")


class Manifest(_Part):
    """What a copy says of itself."""

    format: str
    root: str
    answers: int
    context: Mapping[str, str]
    policy: PolicyFile
    read: tuple[ReadFile, ...]
    files: Mapping[str, File]
    erased: tuple[ErasedRows, ...] = ()
    rows_alone: tuple[str, ...] = Field(
        default=(), description="Data sets of which only the rows are there, and not the file that they came from."
    )


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A copy of the evidence in a folder."""

    folder: Path
    manifest: Manifest

    def path(self, name: str) -> Path:
        """Return the path of one of its files.

        Raises
        ------
        UserError
            When the name is none that a copy has, or leads elsewhere.
        """
        path = self.folder / name
        if not _NAME.fullmatch(name) or not path.resolve().is_relative_to(self.folder.resolve()):
            raise _unusable(self.folder / MANIFEST, f"the file name {name!r}", "names of files in this folder")
        return path

    def policy(self, cards: Mapping[str, DataCard]) -> policies.Kept:
        """Return the policy with its files, to be read as in the run; the record has the cards of the data.

        Raises
        ------
        UserError
            When they cannot be read.
        """
        files = {
            each.written: policies.FoundFile(path=self.path(each.file), shown=each.shown) for each in self.manifest.read
        }
        alone = {
            name: policies.KeptData(
                rows=tuple(_placed(each.row, cards[name].source) for each in rows), card=cards[name]
            )
            for name, rows in self.rows(set(self.manifest.rows_alone) - set(self.incomplete)).items()
            if name in cards
        }
        incomplete = frozenset(self.incomplete)
        return policies.Kept(policy=self.policy_bytes(), files=files, datasets=alone, incomplete=incomplete)

    def rows(self, names: Iterable[str]) -> dict[str, tuple[KeptRow, ...]]:
        """Return the rows of some data sets that are there.

        Raises
        ------
        UserError
            When the answers, among which they stand, cannot be read.
        """
        answers = self.answers()
        try:
            return {name: kept_rows(answers, name) for name in names}
        finally:
            answers.close()

    def answers(self) -> stored.StoredAnswers:
        """Open the answers; raises ``UserError`` when they cannot be read."""
        return stored.opened(folder_of(self.folder, self.manifest.context))

    @property
    def incomplete(self) -> dict[str, tuple[ErasedRows, ...]]:
        """Return the data sets that rows were erased from, with what was erased."""
        names = dict.fromkeys(each.data for each in self.manifest.erased)
        return {name: tuple(each for each in self.manifest.erased if each.data == name) for name in names}

    def policy_bytes(self) -> bytes:
        """Return the bytes of the policy.

        Raises
        ------
        UserError
            When they cannot be read.
        """
        path = self.path(self.manifest.policy.file)
        try:
            with path.open("rb") as file:
                return file.read(policies.MAX_BYTES + 1)
        except OSError as error:
            raise _unusable(path, error.strerror or str(error), "the policy of the run") from error

    def altered(self) -> Iterator[tuple[str, str]]:
        """Yield the files that are not what the manifest says, and what was found."""
        for name, said in self.manifest.files.items():
            path = self.path(name)
            if not path.is_file():
                yield name, "is missing"
            elif (size := path.stat().st_size) != said.bytes:
                yield name, f"has {size:,} bytes and not {said.bytes:,}"
            elif (digest := _sha256(path)) != said.sha256:
                yield name, f"has the SHA-256 {digest} and not {said.sha256}"


def reading(part: CheckPart, names: Collection[str]) -> tuple[str, ...]:
    """Return which of some data sets a check reads: its own, and those that its parameters name."""
    read = {part.data, *strings(part.params)}
    return tuple(name for name in names if name in read)


def _placed(row: Row, source: str) -> Row:
    return row if row.place is None else replace(row, place=replace(row.place, path=source))


def opened(folder: Path) -> Kept | None:
    """Return the copy in a folder; None where the folder is a store instead.

    Raises
    ------
    UserError
        When its manifest cannot be read.
    """
    path = folder / MANIFEST
    if not path.exists():
        return None
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST_MANIFEST + 1)
        if len(raw) > _LARGEST_MANIFEST:
            raise _unusable(path, f"more than {_LARGEST_MANIFEST >> 20} MiB", "a manifest")
        kept = Kept(folder=folder, manifest=Manifest.model_validate(json.loads(raw)))
    except (OSError, ValidationError, ValueError, RecursionError) as error:
        first = str(error.errors()[0]["msg"]) if isinstance(error, ValidationError) else str(error)
        raise _unusable(path, first, "the manifest as it was written") from error
    if kept.manifest.format != FORMAT:
        raise _unusable(path, f"the format {kept.manifest.format!r}", f"the format {FORMAT!r}")
    if (total := sum(file.bytes for file in kept.manifest.files.values())) > LARGEST:
        raise _unusable(path, f"files of {total:,} bytes", f"at most {LARGEST:,} bytes")
    named = (*kept.manifest.files, kept.manifest.policy.file, *(each.file for each in kept.manifest.read))
    for name in named:
        kept.path(name)
    return kept


def recognised(folder: Path) -> None:
    """See that a folder is evidence of some kind.

    Raises
    ------
    UserError
        When it is not.
    """
    if not ((folder / MANIFEST).is_file() or (folder / CONTEXTS).is_dir() or (folder / DATABASE).is_file()):
        raise user_error(
            "The evidence cannot be read",
            where=str(folder),
            found="neither a manifest.json nor stored answers",
            expected="a folder written by run --evidence, or the store of the run",
        )


def answers_in(folder: Path, evidence: EvidencePart) -> Path:
    """Return where in a copy or a store the answers of a record lie."""
    return folder if (folder / DATABASE).is_file() else folder_of(folder, evidence.context)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unusable(where: Path, found: str, expected: str) -> UserError:
    return user_error("The evidence cannot be read", where=str(where), found=found, expected=expected)
