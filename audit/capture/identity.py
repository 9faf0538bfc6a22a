"""Which model this is: SHA-256 of every file, or tensor, that shapes its answers.

The root digest is the one of the OpenSSF model-signing manifest: SHA-256 over the files' digests in name
order, so other tools can check it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
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

    @property
    def digest(self) -> str:
        """Return SHA-256 over the parts' digests in name order."""
        return hashlib.sha256(b"".join(bytes.fromhex(self.files[name]) for name in sorted(self.files))).hexdigest()


def of_folder(folder: Path) -> Identity:
    """Digest the files of a model folder that shape its answers (weights, tokenizer, configuration, code)."""
    names = sorted(p.name for p in folder.iterdir() if p.is_file() and _SHAPES_ANSWERS.fullmatch(p.name))
    return Identity(files={name: _sha256(folder / name) for name in names})


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
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
