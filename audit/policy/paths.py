"""Finds and opens the files that a policy names, and no others.

A policy is written by someone else. The files it reads are those in its own folder, and those in folders
that the user named: through a variable given with ``--set`` or the environment, or a path given with
``--set`` itself. What a symbolic link leads to is what counts.
"""

from __future__ import annotations

import os
import posixpath
import re
import stat
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from audit.policy.problems import nearest, one_of, shortened
from audit.policy.schema import VariableEntry
from audit.types import DataCard, Row

MAX_BYTES = 2 << 30
DEFAULT = "default"

_BEGINNING = re.compile(r"\$\{(?P<name>[^{}$]*)\}(?P<rest>(/[^{}$]*)?)")


class FileRefusedError(Exception):
    """A file that may not or cannot be read; the caller knows where the policy names it."""

    def __init__(self, found: str, expected: str, do: str = "", *, told: bool = False) -> None:
        super().__init__(found)
        self.found, self.expected, self.do = found, expected, do
        self.told = told
        """The reason is already among the policy's problems."""


@dataclass(frozen=True, kw_only=True)
class Variable:
    """A folder named by the user, or by default."""

    name: str
    folder: Path | None
    source: str
    """``--set``, the environment variable, ``default`` or nothing."""
    by_user: bool
    how: str
    """How to give it."""
    within: Path
    """Folder of the file that declares it; a default stays in there."""


@dataclass(frozen=True, kw_only=True)
class FoundFile:
    """A file that may be read."""

    path: Path
    """Resolved: no part of it is a symbolic link."""
    shown: str
    """As messages and the record name it."""


class Findable(Protocol):
    """Where the files that a policy names are found."""

    @property
    def variables(self) -> Mapping[str, Variable]:
        """Return the folders that the policy may name."""
        ...

    def find(self, written: str, *, by_user: bool = False, home: str = "") -> FoundFile:
        """Return the file that a path of the policy names; raises ``FileRefusedError``.

        ``home`` is that of the file in which the path is written: of a policy that is extended, its own folder.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class KeptData:
    """The rows of a data set as they were kept of an audit."""

    rows: tuple[Row, ...]
    card: DataCard
    """As the audit's record has it."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A policy and its files as they were kept of an audit: found by the name that the policy gives them."""

    policy: bytes
    files: Mapping[str, FoundFile]
    variables: Mapping[str, Variable] = field(default_factory=dict)
    bases: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """Policies that it extends, where they are not among the files: name → bytes."""
    datasets: Mapping[str, KeptData] = field(default_factory=dict, repr=False)
    """Data sets of which only the rows were kept, and not the file that they came from."""
    incomplete: frozenset[str] = frozenset()
    """Data sets that lost rows: checks that read them are left out."""

    def find(self, written: str, *, by_user: bool = False, home: str = "") -> FoundFile:
        """Return what was kept of a file.

        Raises
        ------
        FileRefusedError
            When it was not kept.
        """
        name = written if by_user else named_in(home, written)
        if name not in self.files:
            raise FileRefusedError(
                f"the file {shortened(written)}, which was not kept", "a file that was kept of the audit"
            )
        return self.files[name]


def named_in(home: str, written: str) -> str:
    """Return the name of a file that is written in a file of some home; one name never stands for two files."""
    return written if not home or written.startswith("${") else posixpath.normpath(posixpath.join(home, written))


@dataclass(frozen=True, kw_only=True)
class Files:
    """The files a policy may name."""

    folder: Path
    """The policy's own, as the user wrote it."""
    variables: Mapping[str, Variable]
    unusable: Collection[str] = ()
    """Variables whose declaration is wrong, as the problems already say."""
    homes: Mapping[str, Path] = field(default_factory=dict)
    """Folders of the policies that are extended."""

    def find(self, written: str, *, by_user: bool = False, home: str = "") -> FoundFile:
        """Return the file that a path of the policy names.

        ``by_user`` says that the path was given on the command line: then it is relative to where the
        command runs, like every path there, and may lead anywhere.

        Raises
        ------
        FileRefusedError
            When the path leads outside what the policy may read, or a variable in it has no value.
        """
        if "\0" in written:
            raise FileRefusedError("a path with a NUL character", "the path of a file")
        try:
            within, path = self._placed(written, self.homes.get(home, self.folder), by_user=by_user)
            real = path.resolve()
            allowed = within is None or real.is_relative_to(within.resolve())
        except (OSError, RuntimeError) as error:  # a loop of links, or a name too long for the file system
            raise FileRefusedError(
                f"the path {shortened(written)}, which cannot be followed", "the path of a file"
            ) from error
        if not allowed:
            raise FileRefusedError(
                f"the path {shortened(written)}, which leads out of {within}",
                "a file in the policy's folder, or in a folder that you name",
                "declare a variable for the folder, begin the path with ${variable}/ and give it with --set",
            )
        return FoundFile(path=real, shown=os.path.normpath(path))

    def _placed(self, written: str, own: Path, *, by_user: bool) -> tuple[Path | None, Path]:
        """Return the folder that the path must stay in, if any, and the path."""
        if "${" not in written:
            return (None, Path(written)) if by_user else (own, own / written)
        beginning = _BEGINNING.fullmatch(written)
        if beginning is None:
            raise FileRefusedError(
                f"the path {shortened(written)}", "a variable only as the whole beginning: ${variable}/rest"
            )
        variable = self._variable(beginning["name"])
        folder = variable.folder
        if folder is None:
            raise FileRefusedError(
                f"the variable `{variable.name}`, which has no value", "a folder that you name", variable.how
            )
        if not variable.by_user and not folder.resolve().is_relative_to(variable.within.resolve()):
            raise FileRefusedError(
                f"the variable `{variable.name}`, whose default leads out of the policy's folder, "
                f"to {os.path.normpath(folder)}",
                "a folder that you name",
                variable.how,
            )
        return folder if variable.by_user else variable.within, folder / beginning["rest"].lstrip("/")

    def _variable(self, name: str) -> Variable:
        if name in self.unusable:
            raise FileRefusedError(f"the variable `{name}`", "a variable that is declared right", told=True)
        if name not in self.variables:
            options = list(self.variables)
            raise FileRefusedError(
                f"the undeclared variable `{shortened(name)}`", one_of(options), nearest(name, options)
            )
        return self.variables[name]


def declared(data: Mapping[str, Any]) -> dict[str, VariableEntry | None]:
    """Return the variables that a policy declares; None for those with which its schema already has a problem."""
    entries = data.get("variables")
    out: dict[str, VariableEntry | None] = {}
    for name, entry in entries.items() if isinstance(entries, dict) else ():
        try:
            out[name] = VariableEntry.model_validate(entry)
        except ValidationError:
            out[name] = None
    return out


def variables(
    entries: Mapping[str, VariableEntry],
    given: Mapping[str, str],
    environ: Mapping[str, str],
    folders: Mapping[str, Path],
) -> dict[str, Variable]:
    """Return the declared variables with their values: from ``--set``, the environment, or the default.

    ``folders`` are those of the files that declare them.
    """
    out = {}
    for name, entry in entries.items():
        within = folders[name]
        from_environment = environ.get(entry.env, "") if entry.env else ""
        ways = [f"--set {name}=FOLDER", *([f"{entry.env}=FOLDER"] if entry.env else [])]
        how = f"give it with {' or '.join(ways)}" + (f" ({entry.about})" if entry.about else "")
        if given.get(name):
            value, source = Path(given[name]), f"--set {name}"
        elif from_environment:
            value, source = Path(from_environment), str(entry.env)
        elif entry.default is not None:
            value, source = within / entry.default, DEFAULT
        else:
            out[name] = Variable(name=name, folder=None, source="", by_user=False, how=how, within=within)
            continue
        by_user = source != DEFAULT
        out[name] = Variable(name=name, folder=value, source=source, by_user=by_user, how=how, within=within)
    return out


def contents(file: FoundFile, limit: int = MAX_BYTES) -> bytes:
    """Return the bytes of a file that ``Files.find`` allowed.

    Raises
    ------
    FileRefusedError
        When it is missing, not a regular file, too large or unreadable.
    """
    try:
        _check_regular(file.path.stat(), file.shown, limit)  # before opening: opening a device may act on it
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        descriptor = os.open(file.path, flags | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as stream:
            _check_regular(os.fstat(descriptor), file.shown, limit)  # what was opened is what was allowed
            raw = stream.read(limit + 1)
    except FileNotFoundError as error:
        raise FileRefusedError(
            f"{file.shown}, which does not exist", "the path of a file", neighbour(file.path)
        ) from error
    except OSError as error:
        reason = error.strerror or "it cannot be read"
        raise FileRefusedError(f"{file.shown}: {reason.lower()}", "a file that can be read") from error
    if len(raw) > limit:
        raise FileRefusedError(f"{file.shown}, which grew while it was read", "a file that stands still")
    return raw


def _check_regular(info: os.stat_result, shown: str, limit: int) -> None:
    if not stat.S_ISREG(info.st_mode):
        kind = "a folder" if stat.S_ISDIR(info.st_mode) else "a device, pipe or socket"
        raise FileRefusedError(f"{shown}, which is {kind}", "the path of a file")
    if info.st_size > limit:
        raise FileRefusedError(f"{shown}, of {info.st_size:,} bytes", f"a file of at most {limit:,} bytes")


def neighbour(path: Path) -> str:
    """Return which file beside a missing one was probably meant."""
    try:
        return nearest(path.name, [item.name for item in islice(path.parent.iterdir(), 1_000)])
    except (OSError, ValueError):  # a name with a NUL character is a ValueError
        return ""
