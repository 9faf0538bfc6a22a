"""Where finished models are kept: one folder each, named by a digest of all that makes its weights.

A folder appears whole or not at all, and is readable by its owner alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from audit.organisms import architectures
from audit.organisms.organism import Organism

CARD = "planted.json"
"""What was planted in a model and what was verified of it; written last."""

_LIBRARIES = ("torch", "transformers", "tokenizers", "numpy")


def default_cache() -> Path:
    """Return ``organisms`` in ``INSPECTOSCOPE_CACHE``, or in the user's cache folder."""
    if given := os.environ.get("INSPECTOSCOPE_CACHE"):
        return Path(given) / "organisms"
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "inspectoscope" / "organisms"


def made_of(organism: Organism) -> dict[str, Any]:
    """Return all that determines an organism's weights, as plain data."""
    return {
        "family": organism.family,
        "planted": organism.planted(),
        "vocabulary": list(organism.vocabulary),
        "architecture": architectures.settings(organism),
        "training": asdict(organism.recipe),
        "libraries": {name: version(name) for name in _LIBRARIES},
    }


def place(organism: Organism, cache: Path) -> Path:
    """Return the folder that an organism has in ``cache``, whether or not it is there."""
    canonical = json.dumps(made_of(organism), sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    return cache / f"{organism.name}-{digest[:16]}"


def is_whole(folder: Path) -> bool:
    """Whether a folder holds a finished model with every file as it was written."""
    try:
        files: Mapping[str, str] = json.loads((folder / CARD).read_text(encoding="utf-8"))["files"]
        return digests(folder) == dict(files)
    except (OSError, ValueError, KeyError, TypeError):
        # A card that cannot be read is a damaged folder, whatever way it was damaged.
        return False


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of a model folder but its card."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if path.name != CARD
    }


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Give a temporary folder to fill; it becomes ``folder`` in one step when the block ends well.

    Where another process finished the same model in the meantime, its folder stays.
    """
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))  # mode 0700
    try:
        yield draft
        _put(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _put(draft: Path, folder: Path) -> None:
    if is_whole(folder):
        return
    shutil.rmtree(folder, ignore_errors=True)
    try:
        draft.rename(folder)
    except OSError:
        # Another process can have put its own there since the look above.
        if not is_whole(folder):
            raise
