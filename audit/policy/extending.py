"""Reads a policy that takes another one and changes parts of it (``extends``), and writes both out as one document.

The rules, which ``docs/policies.md`` tells in the same order:

- A base is a shipped policy by name, or a ``.yaml`` file that the policy could also read data from.
- What is not written is the base's, except the keys of ``OWN``: who a policy is, who wrote it and what its owners
  live with is nothing that another file may say.
- Checks and hazards are named by their ``id``, data sets by their name, and changed key by key; the model too. What is
  written under a key takes the place of all that the base has under it. Names that the base lacks are new.
- Criteria are named by their metric and are replaced whole: a changed bound inherits no rationale and no approval.
- Other rows inherit nothing that was said of the old ones (``ABOUT_ROWS``).
- ``remove: true`` takes an entry out, ``replace: true`` inherits nothing of it; both only where the base has it.

Positions point into the file that a value is written in. What comes out is validated like any other policy, so nothing
here knows what a check may say.
"""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from audit.errors import Problem, UserError
from audit.policy import strict_yaml
from audit.policy.document import Base, Document, KeyPath
from audit.policy.encoding import MAX_BYTES
from audit.policy.merging import combined
from audit.policy.paths import (
    FileRefusedError,
    Files,
    FoundFile,
    Kept,
    contents,
    declared,
    named_in,
    variables,
)
from audit.policy.problems import named, nearest, one_of, shortened
from audit.resources import folder, near_here, shipped_policies
from audit.types import ReadFile

KEY = "extends"
SUFFIXES = (".yaml", ".yml")
MAX_BASES = 5
SHIPPED = "${inspectoscope}"
"""Begins the names of shipped policies and their files: no variable can have this name, so none can be mistaken."""
_TITLE = "The policy that this one extends cannot be used"


@dataclass(frozen=True, kw_only=True)
class Whole:
    """A policy with what it extends."""

    document: Document
    folders: Mapping[str, Path]
    """Home of a base → folder in which the files that it names are found; ``""`` is the policy's own."""
    problems: tuple[Problem, ...] = ()
    read: Mapping[str, ReadFile]
    """Every base, by the name that the record gives it."""


@dataclass(frozen=True, kw_only=True)
class _Found:
    """A base as it was found, before it is read."""

    name: str
    shown: str
    raw: bytes
    file: ReadFile | None
    folder: Path


class _Finder(Protocol):
    def __call__(self, document: Document, home: str, at: Path) -> _Found: ...


def whole(document: Document, *, given: Mapping[str, str], environ: Mapping[str, str]) -> Whole:
    """Return a policy joined with what it extends, and nothing else where it extends none.

    ``given`` are the ``key=value`` of the command line, of which only folders of
    variables matter here.

    Raises
    ------
    UserError
        When a base cannot be had: then nothing more can be said of the policy.
    """

    def find(document: Document, home: str, at: Path) -> _Found:
        return _on_disk(document, home, at, given, environ)

    path = Path(document.path)
    return _joined(document, "", path.parent, find, (str(path.resolve()),))


def whole_of_kept(document: Document, kept: Kept) -> Whole:
    """Return the same of a policy that was kept, with nothing but what was kept.

    Raises
    ------
    UserError
        When a base was not kept.
    """

    def find(document: Document, home: str, at: Path) -> _Found:
        del at
        return _among(kept, document, home)

    return _joined(document, "", Path(), find, ("",))


def _joined(document: Document, home: str, at: Path, find: _Finder, above: tuple[str, ...]) -> Whole:
    """Return a policy with its bases; ``above`` are the files that lead to it, each as it is identified."""
    if KEY not in document.data:
        return Whole(document=document, folders={home: at}, read={})
    written = document.data[KEY]
    if not isinstance(written, str) or not written.strip():
        raise _refused(document, found=named(written), expected="the name of a shipped policy, or a .yaml file")
    found = find(document, home, at)
    identity = found.name if found.file is None else found.file.path
    if identity in above:
        raise _refused(
            document, found=f"{shortened(written)}, which extends this policy itself", expected="a policy that does not"
        )
    if len(above) > MAX_BASES:
        raise _refused(
            document,
            found=f"a policy that stands on more than {MAX_BASES} others",
            expected=f"at most {MAX_BASES}: what holds must be findable",
        )
    base = _joined(_read(found), posixpath.dirname(found.name), found.folder, find, (*above, identity))
    return _over(document, base, found, {home: at})


def _read(found: _Found) -> Document:
    return strict_yaml.read(found.raw, found.shown)


def _over(document: Document, base: Whole, found: _Found, folders: Mapping[str, Path]) -> Whole:
    merged = combined(document, base.document)
    own = Base(
        name=found.name,
        path=found.shown,
        home=posixpath.dirname(found.name),
        source=base.document.source,
        sha256=hashlib.sha256(found.raw).hexdigest(),
        lines=base.document.lines,
    )
    return Whole(
        document=replace(merged.document, bases=(own, *base.document.bases)),
        folders={**base.folders, **folders},
        problems=(*base.problems, *merged.problems),
        read={**({} if found.file is None else {found.name: found.file}), **base.read},
    )


# ---- where a base is found -----------------------------------------------------------------------


def _on_disk(document: Document, home: str, at: Path, given: Mapping[str, str], environ: Mapping[str, str]) -> _Found:
    written = str(document.data[KEY])
    if "://" in written:
        raise _refused(
            document, found=f"the address {shortened(written)}", expected="a name or a path: none is fetched"
        )
    if not written.endswith(SUFFIXES):
        return _shipped(document, written, at)
    entries = declared(document.data)
    right = {name: entry for name, entry in entries.items() if entry is not None}
    files = Files(
        folder=at,
        variables=variables(right, given, environ, dict.fromkeys(right, at)),
        unusable=entries.keys() - right.keys(),
    )
    try:
        file = files.find(written)
        raw = contents(file, MAX_BYTES + 1)
    except FileRefusedError as error:
        raise _refused(document, found=error.found, expected=error.expected, do=error.do) from error
    return _Found(
        name=named_in(home, written),
        shown=file.shown,
        raw=raw,
        file=ReadFile(path=str(file.path), shown=file.shown),
        folder=Path(file.shown).parent,
    )


def _shipped(document: Document, written: str, at: Path) -> _Found:
    known = {path.stem: path for path in shipped_policies()}
    if written not in known:
        beside = [path.name for path in sorted(at.glob("*.yaml"))[:1_000]]
        raise _refused(
            document,
            found=f"the unknown policy `{shortened(written)}`",
            expected=f"{one_of(list(known))}, or a .yaml file",
            do=nearest(written, known) or nearest(f"{written}.yaml", beside),
        )
    path = known[written]
    shown = str(near_here(path))
    raw = contents(FoundFile(path=path.resolve(), shown=shown), MAX_BYTES + 1)
    file = ReadFile(path=str(path.resolve()), shown=shown)
    return _Found(name=f"{SHIPPED}/{path.name}", shown=shown, raw=raw, file=file, folder=near_here(folder("policies")))


def _among(kept: Kept, document: Document, home: str) -> _Found:
    written = str(document.data[KEY])
    name = named_in(home, written) if written.endswith(SUFFIXES) else f"{SHIPPED}/{written}.yaml"
    try:
        if name in kept.bases:
            raw, shown = kept.bases[name], name
        else:
            file = kept.find(name)
            raw, shown = contents(file, MAX_BYTES + 1), file.shown
    except FileRefusedError as error:
        raise _refused(document, found=error.found, expected=error.expected, do=error.do) from error
    return _Found(name=name, shown=shown, raw=raw, file=None, folder=Path())


def _refused(document: Document, *, found: str, expected: str, do: str = "") -> UserError:
    at: KeyPath = (KEY,)
    where = document.where(at)
    return UserError(
        _TITLE, [Problem(where=where, found=found, expected=expected, do=do, excerpt=document.excerpt(where))]
    )


def given_folders(overrides: Sequence[str]) -> dict[str, str]:
    """Return what the command line says as key → value; what is no ``key=value`` is told elsewhere."""
    parts = (override.partition("=") for override in overrides)
    return {key: value for key, equals, value in parts if equals}
