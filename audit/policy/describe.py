"""Shows a policy as it will be used, and where each value comes from."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from audit.policy import strict_yaml
from audit.policy.checks import DraftCheck
from audit.policy.document import Document, KeyPath
from audit.policy.loader import Draft, draft, file_bytes
from audit.policy.paths import FileRefusedError
from audit.policy.scalars import plain
from audit.policy.schema import CriterionEntry, HazardEntry, WaiverEntry
from audit.policy.tables import SUFFIXES
from audit.registry import CheckType
from audit.text import printable

DEFAULT = "default"

_BARE = re.compile(r"[A-Za-z$/.][\w $/.{}-]*(?<! )")
"""Text that YAML reads as itself without quotes."""


def show(
    path: str | Path,
    *,
    check_types: Mapping[str, CheckType],
    overrides: Sequence[str] = (),
    environ: Mapping[str, str] = os.environ,
) -> str:
    """Return the policy with every default filled in, each value with where it comes from.

    A policy that extends another is shown written out, so what is inherited carries its file and line.

    Data files are named but not read; tables of check parameters are read, since their rows decide whether the
    parameters are right.

    Raises
    ------
    UserError
        When the policy's shape is wrong.
    """
    read = draft(path, check_types=check_types, overrides=overrides, environ=environ)
    read.reading.problems.stop()
    lines: list[str] = []
    for key, value in _resolved(read).items():
        lines += _lines(value, (key,), 0, read)
    return "\n".join([*_base_lines(read), *_variable_lines(read), *lines]) + "\n"


def title(path: str | Path) -> str:
    """Return the title of a policy, for a list of policies; nothing else of it is looked at.

    Raises
    ------
    UserError
        When the file cannot be read.
    """
    found = strict_yaml.read(file_bytes(Path(path)), str(path)).data.get("title")
    return printable(found) if isinstance(found, str) else ""


def _resolved(read: Draft) -> dict[str, Any]:
    """Return the policy with defaults, in the order of the schema."""
    assert read.header is not None
    out = read.header.model_dump(by_alias=True, exclude={"extends"})
    out["model"] = _dump(read.model)
    out["data"] = {name: _dump(entry) for name, entry in read.data.items()}
    hazards = read.reading.document.data.get("hazards", [])
    out["hazards"] = [_dump(HazardEntry.model_validate(entry)) for entry in hazards]
    out["checks"] = [_check(check, read.reading.document) for check in read.checks]
    waivers = read.reading.document.data.get("waivers", [])
    out["waivers"] = [_dump(WaiverEntry.model_validate(entry)) for entry in waivers]
    return out


def _dump(model: BaseModel | None) -> dict[str, Any]:
    assert model is not None
    return model.model_dump(by_alias=True, mode="json")


def _check(check: DraftCheck, document: Document) -> dict[str, Any]:
    entry, params = _dump(check.entry), _dump(check.params)
    given = document.get(check.path)
    entry["criteria"] = [_dump(CriterionEntry.model_validate(item)) for item in given.get("criteria", [])]
    assert check.type is not None
    entry["title"] = entry["title"] or check.type.title
    own = {key: _as_given(value, given.get(key)) for key, value in params.items()}
    criteria = entry.pop("criteria")
    return entry | own | {"criteria": criteria}


def _as_given(value: Any, given: Any) -> Any:
    """Return a parameter with its defaults, but with the paths of tables in place of their rows."""
    if isinstance(given, str) and isinstance(value, list | str):
        return given
    if isinstance(value, dict) and isinstance(given, dict):
        return {key: _as_given(item, given.get(key)) for key, item in value.items()}
    return value


def _base_lines(read: Draft) -> Iterator[str]:
    """Say what the policy extends; what is shown stands by itself, so it extends nothing."""
    for base in read.reading.document.bases:
        yield printable(f"# extends {base.name}: {base.path}, SHA-256 {base.sha256}")


def _variable_lines(read: Draft) -> Iterator[str]:
    for variable in read.reading.files.variables.values():
        folder = variable.folder if variable.folder is not None else "no value"
        source = f" ({variable.source})" if variable.source else ""
        yield printable(f"# ${{{variable.name}}} is {folder}{source}")


def _lines(value: Any, path: KeyPath, depth: int, read: Draft) -> list[str]:
    """Return a value as YAML, each scalar with a comment that says where it comes from."""
    pad = "  " * depth
    head = f"{pad}- " if isinstance(path[-1], int) else f"{pad}{_scalar(path[-1])}: "
    if isinstance(value, dict | list) and value:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        below = [line for key, item in items for line in _lines(item, (*path, key), depth + 1, read)]
        if isinstance(path[-1], int):  # the first line of an item stands behind its dash
            return [head + below[0].lstrip(), *below[1:]]
        return [head.rstrip(), *below]
    origin = _origin(value, path, read)
    if value is None and origin == DEFAULT:
        return []
    return [f"{head}{_text(value, path, read)}  # {origin}"]


def _text(value: Any, path: KeyPath, read: Draft) -> str:
    if isinstance(value, dict | list):
        return "{}" if isinstance(value, dict) else "[]"
    if (written := read.reading.document.written.get(path)) is not None:
        return written or "null"
    return _scalar(value)


def _origin(value: Any, path: KeyPath, read: Draft) -> str:
    document = read.reading.document
    if override := document.override_of(path):
        return printable(override) + _file(value, path, read)
    if path in document.places:
        place = document.places[path]
        line = f"line {place.line}" if place.path == document.path else f"{printable(place.path)}:{place.line}"
        return line + _file(value, path, read)
    return DEFAULT


def _file(value: Any, path: KeyPath, read: Draft) -> str:
    """Return the file that a path names, where it is one."""
    names_file = isinstance(value, str) and value.lower().endswith((*SUFFIXES, ".safetensors"))
    if not names_file or path[0] not in {"data", "checks"}:
        return ""
    try:
        by_user = path in read.reading.document.overridden
        home = read.reading.document.home_of(path)
        return f", {printable(read.reading.files.find(value, by_user=by_user, home=home).shown)}"
    except FileRefusedError as error:
        return f", cannot be read: {printable(error.found)}"


def _scalar(value: Any) -> str:
    """Return a scalar as YAML that reads back as the same."""
    if isinstance(value, str) and _BARE.fullmatch(value) and plain(value) == value:
        return printable(value)
    return printable(json.dumps(value, ensure_ascii=False))
