"""Directions as safetensors files: the vector, and in the header what it is bound to.

A direction says something about the model it was found in and nothing about any other, so a file is only read for
the model and width it was made for. One that was made elsewhere has no such header: whoever audits it states what
it is, and the record says that it was stated.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from audit.errors import UserError, user_error
from audit.types import Direction

TENSOR = "direction"
HEADER = "inspectoscope.direction"
_TITLE = "The direction cannot be used"


@dataclass(frozen=True, kw_only=True)
class Stated:
    """What an auditor states of a direction that was made elsewhere."""

    layer: int
    position: str
    positive: str
    negative: str
    made_by: str
    tensor: str = TENSOR
    """Name of the tensor in the file."""


def write_direction(path: Path, direction: Direction) -> None:
    """Write a direction; the same direction gives the same bytes."""
    from safetensors.numpy import save

    header = {f.name: getattr(direction, f.name) for f in fields(direction) if f.name != "vector"}
    header["digest"] = direction.digest
    body = save({TENSOR: direction.vector}, metadata={HEADER: json.dumps(header, sort_keys=True, ensure_ascii=False)})
    path.write_bytes(body)


def read_direction(path: Path, *, model_digest: str, width: int, stated: Stated | None = None) -> Direction:
    """Read a direction for one model.

    ``stated`` is for a file without our header, and is taken as it is; a file with one needs none.

    Raises
    ------
    UserError
        When the file cannot be read, is damaged, has no header and nothing was stated, or belongs to another
        model or width.
    """
    header, tensors = _contents(path)
    if header is None and stated is None:
        raise user_error(
            _TITLE,
            where=str(path),
            found="no word on which model, layer and position it belongs to",
            expected="a direction written by inspectoscope, or its layer, position and classes stated beside it",
            do="state layer, position, positive, negative and made_by",
        )
    name = TENSOR if header is not None or stated is None else stated.tensor
    if name not in tensors:
        raise user_error(
            _TITLE,
            where=str(path),
            found=f"tensors {', '.join(sorted(tensors)) or 'none'}",
            expected=f"one named {name!r}",
        )
    vector = np.squeeze(tensors[name])
    if vector.shape != (width,):
        raise user_error(
            _TITLE,
            where=str(path),
            found=f"a tensor of shape {tensors[name].shape}",
            expected=f"width {width}, that of the model's states",
        )
    if header is not None:
        return _ours(path, header, vector, model_digest)
    assert stated is not None
    return _theirs(path, stated, vector, model_digest)


def _contents(path: Path) -> tuple[dict[str, Any] | None, dict[str, np.ndarray]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            described = (file.metadata() or {}).get(HEADER)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        header = None if described is None else json.loads(described)
    except (OSError, SafetensorError, TypeError, ValueError) as error:
        raise _unreadable(path, error) from error
    return header, tensors


def _unreadable(path: Path, error: Exception) -> UserError:
    return user_error(
        _TITLE,
        where=str(path),
        found=f"it cannot be read ({type(error).__name__}: {error})",
        expected="a safetensors file with one vector",
    )


def _ours(path: Path, header: dict[str, Any], vector: np.ndarray, model_digest: str) -> Direction:
    digest = header.pop("digest", None)
    try:
        direction = Direction(vector=vector, **header)
    except (TypeError, ValueError) as error:
        raise _unreadable(path, error) from error
    if direction.digest != digest:
        raise user_error(
            _TITLE,
            where=str(path),
            found=f"a vector with SHA-256 {direction.digest}",
            expected=f"the one that was written: {digest}",
            do="get the file again from whoever made it",
        )
    if direction.model_digest != model_digest:
        raise user_error(
            _TITLE,
            where=str(path),
            found=f"a direction of the model {direction.model_digest}",
            expected=f"one of the audited model {model_digest}",
            do="find the direction again in this model: it means nothing in another",
        )
    return direction


def _theirs(path: Path, stated: Stated, vector: np.ndarray, model_digest: str) -> Direction:
    try:
        return Direction(
            vector=vector.astype(np.float32),
            model_digest=model_digest,
            layer=stated.layer,
            position=stated.position,
            estimator="stated",
            positive=stated.positive,
            negative=stated.negative,
            unit="unstated",
            made_by=stated.made_by,
        )
    except ValueError as error:
        raise _unreadable(path, error) from error
