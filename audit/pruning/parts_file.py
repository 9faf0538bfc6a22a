"""The parts that a cut of parts names: from a small file, or from the finding of a localisation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from audit.errors import Problem, UserError, user_error
from audit.types import Part
from audit.types.parts import PartKind

_TITLE = "The parts to cut cannot be read"
_EXPECTED = 'JSON such as {"parts": [{"kind": "head", "block": 0, "index": 3}]}'
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
