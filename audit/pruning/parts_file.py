"""The parts that a cut of parts names: from a small file, or from the finding of a localisation."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from audit.errors import Problem, UserError, user_error
from audit.record import CheckPart
from audit.record import read as read_record
from audit.types import Part, Table
from audit.types.parts import PartKind

_TITLE = "The parts to cut cannot be read"
_EXPECTED = 'JSON such as {"parts": [{"kind": "head", "block": 0, "index": 3}]}, or a record with a localisation'
_NAME = re.compile(r"block (\d+) (head|neuron|attention|mlp)(?: (\d+))?")
"""``Part.name``, read back."""
LARGEST_FILE = 16 * 2**20
"""Bytes; a list of every neuron of a large model is smaller."""


class _Named(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: PartKind
    block: int = Field(ge=0)
    index: int | None = Field(default=None, ge=0)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    parts: tuple[_Named, ...] = Field(min_length=1)


def read(path: Path) -> tuple[Part, ...]:
    """Read the parts that a file names, each once, in order.

    Raises
    ------
    UserError
        When it is missing, damaged or something else.
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise user_error(_TITLE, where=str(path), found=f"{path.stat().st_size:,} bytes", expected=_EXPECTED)
        said: Any = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(said, dict) and "schema_version" in said:
            return _localised(path)
        return tuple(dict.fromkeys(_part(named) for named in _File.model_validate(said).parts))
    except OSError as error:
        found = error.strerror or str(error)
        raise user_error(_TITLE, where=str(path), found=found, expected=_EXPECTED) from error
    except ValidationError as error:
        raise UserError(
            _TITLE,
            [
                Problem(
                    where=f"{path} at {'.'.join(map(str, e['loc'])) or 'the top'}", found=e["msg"], expected=_EXPECTED
                )
                for e in error.errors()
            ],
        ) from error
    except (ValueError, RecursionError) as error:
        raise user_error(_TITLE, where=str(path), found=str(error), expected=_EXPECTED) from error


def _part(named: _Named) -> Part:
    return Part(kind=named.kind, block=named.block, index=named.index)


# ---- from a record -------------------------------------------------------------------------------


def _localised(path: Path) -> tuple[Part, ...]:
    """Return the confirmed set of the first localisation in a record."""
    found = next((part for part in read_record(path).checks if part.check == "localise" and part.exhibits), None)
    if found is None:
        raise user_error(
            _TITLE, where=str(path), found="a record in which no localise check found anything", expected=_EXPECTED
        )
    listed = [str(row["Part"]) for row in _rows(found, "parts") if row["In the set"] == "yes"]
    whole = next((int(str(row["Parts"])) for row in _rows(found, "growth") if row["Confirmed set"] == "yes"), 0)
    if not listed or len(listed) != whole:
        raise user_error(
            _TITLE,
            where=f"{path} at {found.id}",
            found=f"{len(listed)} of the {whole} parts of the confirmed set are listed",
            expected="all of them",
            do="raise listed in the check's parameters, or write the parts into a file",
        )
    return tuple(_named(name, path) for name in listed)


def _rows(found: CheckPart, name: str) -> list[dict[str, object]]:
    tables = (exhibit for exhibit in found.exhibits if isinstance(exhibit, Table) and exhibit.id == name)
    return [
        dict(zip((column.title for column in table.columns), row, strict=True))
        for table in tables
        for row in table.rows
    ]


def _named(name: str, path: Path) -> Part:
    said = _NAME.fullmatch(name)
    if said is None:
        raise user_error(_TITLE, where=str(path), found=f"the part {name!r}", expected="a name such as block 0 head 3")
    return _part(_Named.model_validate({"kind": said[2], "block": int(said[1]), "index": said[3]}))
