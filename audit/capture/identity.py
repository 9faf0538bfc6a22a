"""Which model this is: SHA-256 of every file, or tensor, that shapes its answers.

The root digest is the one by which an OpenSSF model-signing manifest names a model (predicate type
``https://model_signing/signature/v1.0``, method ``files``): SHA-256 over the files' digests in name order. A signature
made with that tool over the same files has it as the digest of its subject.

A model is looked at again when a run ends. Files that look as before (place on the disk, size, times of
change) are taken as unchanged; on Linux nobody without the rights of the system can set the time of a change of status
back. What looks different is read again, several files at a time.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedTokenizerBase

_SHAPES_ANSWERS = re.compile(
    r"(config|generation_config|adapter_config|quantization_config|quantize_config)\.json"
    r"|.*\.safetensors(\.index\.json)?|pytorch_model.*\.bin(\.index\.json)?"
    r"|(tokenizer.*|special_tokens_map|added_tokens|vocab.*|chat_template.*)\.(json|jinja|txt|model)"
    r"|merges\.txt|.*\.model|.*\.tiktoken|.*\.py"
)

_BOOKKEEPING = frozenset({"architectures", "transformers_version", "_name_or_path", "dtype", "torch_dtype"})
"""Configuration entries that saving and loading write; what a loaded model computes does not rest on them."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Digests of the parts of a model, and the root digest over them."""

    files: Mapping[str, str]
    """File (or tensor group) → SHA-256."""

    @property
    def digest(self) -> str:
        """Return SHA-256 over the parts' digests in name order."""
        return hashlib.sha256(b"".join(bytes.fromhex(self.files[name]) for name in sorted(self.files))).hexdigest()


def of_folder(folder: Path) -> Identity:
    """Digest the files of a model folder that shape its answers (weights, tokenizer, configuration, code)."""
    return Identity(files=_digests(folder, _shaping(folder)))


def others(folder: Path) -> tuple[str, ...]:
    """Return what lies in a model folder and is no part of its identity."""
    shaping = set(_shaping(folder))
    return tuple(sorted(path.name for path in folder.iterdir() if path.name not in shaping))


def _shaping(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.is_file() and _SHAPES_ANSWERS.fullmatch(p.name))


def _digests(folder: Path, names: Iterable[str]) -> dict[str, str]:
    names = list(names)
    # Digesting lets go of the interpreter's lock, so files of several gigabytes are read side by side.
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        return dict(zip(names, pool.map(lambda name: _sha256(folder / name), names), strict=True))


# ---- looked at again -----------------------------------------------------------------------------

Look = tuple[int, ...]
"""Device, inode, size, and times of the last change of content and of status, in nanoseconds."""


@dataclass(frozen=True, kw_only=True)
class Looks:
    """How the files of a model looked before they were read."""

    folder: Path
    files: Mapping[str, Look]


def looks(folder: Path) -> Looks:
    """Look at the files of a model folder that shape its answers."""
    return Looks(folder=folder, files={name: _look(folder / name) for name in _shaping(folder)})


def changed(before: Looks, identity: Identity) -> tuple[str, ...]:
    """Return the files that are not what they were, that are gone, or that have come."""
    try:
        now = looks(before.folder).files
        differing = [name for name in now if before.files.get(name) != now[name]]
        again = _digests(before.folder, (name for name in differing if name in identity.files))
    except OSError:
        return tuple(identity.files)  # the folder went away under the audit
    gone = identity.files.keys() - now.keys()
    other = {name for name in differing if name not in again or again[name] != identity.files[name]}
    return tuple(sorted(gone | other))


def _look(path: Path) -> Look:
    info = path.stat()
    return info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns


def of_loaded(model: nn.Module, tokenizer: PreTrainedTokenizerBase) -> Identity:
    """Digest a model that is already in memory: every tensor, its configuration and its tokenizer."""
    import torch

    files = {}
    for name, tensor in sorted(model.state_dict().items()):
        head = f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode()
        # Viewed as bytes, because numpy has no bfloat16.
        body = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        files[f"tensor:{name}"] = hashlib.sha256(head + body.tobytes()).hexdigest()
    config = json.loads(model.config.to_json_string(use_diff=False))
    config = {k: v for k, v in config.items() if k not in _BOOKKEEPING}
    files["config"] = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()
    files["tokenizer"] = hashlib.sha256(_described(tokenizer).encode()).hexdigest()
    return Identity(files=files)


def _described(tokenizer: PreTrainedTokenizerBase) -> str:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    whole = json.loads(backend.to_str()) if backend is not None else tokenizer.get_vocab()
    # How the last call padded and cut is no part of the tokenizer.
    return json.dumps({k: v for k, v in whole.items() if k not in {"padding", "truncation"}}, sort_keys=True)


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        # A disk that fails while it is read does not say in which file.
        error.filename = error.filename or str(path)
        raise
