"""A copy of the evidence that can be taken elsewhere: the answers that were used, the policy and its data.

The folder holds

``manifest.json``   what follows, each file with its SHA-256 and size
``contexts/…``      the answers, as a store of one context
``policy.yaml``     the policy's bytes
``files/…``         the files that the policy read, each named by its SHA-256

Where rows were erased (``audit.erasing``), the manifest says of which data sets, and their files are not there.

It is written beside its place and moved there when it is whole. Like the store it belongs to its user alone:
it holds the rows of the data and what the model made of each.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from audit.capture.evidence import Seal, Used
from audit.capture.store import StateBatch, Store, private_folder, writing
from audit.capture.stored import StoredAnswers
from audit.errors import user_error
from audit.types import Policy

FORMAT = "inspectoscope-evidence-2"
MANIFEST = "manifest.json"
POLICY = "policy.yaml"
_AT_ONCE = 2000


def prepare(folder: Path) -> None:
    """See before anything is computed that evidence can be written to a folder.

    Raises
    ------
    UserError
        When something is there already, or its parent cannot be written.
    """
    if folder.is_symlink() or (folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))):
        raise user_error(
            "The evidence cannot be written",
            where=str(folder),
            found="something is there already",
            expected="a new or an empty folder: evidence of two runs is never mixed",
            do="give another one with --evidence",
        )
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)


def write(
    folder: Path, *, store: StoredAnswers, used: Used, seal: Seal, context: Mapping[str, str], policy: Policy
) -> None:
    """Write what is needed to verify a run without its model.

    Raises
    ------
    UserError
        When the disk is full, or a file that the policy read has changed since.
    """
    with _whole(folder) as new:
        _copy_answers(store, used, new, context)
        read = _copy_policy(policy, new)
        manifest = {
            "format": FORMAT,
            "root": seal.root,
            "answers": seal.answers,
            "context": dict(context),
            "policy": {"file": POLICY, "path": policy.path},
            "read": read,
        }
        _describe(manifest, new)


def without(
    folder: Path,
    *,
    source: Path,
    store: StoredAnswers,
    used: Used,
    erased: Iterable[tuple[int, bytes]],
    owners: Iterable[tuple[bytes, bytes, bytes]],
    manifest: Mapping[str, Any],
) -> None:
    """Write a copy of a copy that has only some of its answers, with digests in place of the others.

    Parameters
    ----------
    source
        The folder of the copy; its policy and the files that ``manifest`` still reads are taken along.
    used
        The answers that stay.
    erased
        Places among the leaves, in order, and the digests that stand there.
    owners
        Request, text and owner of answers that are known to be about rows of the data.
    manifest
        What the new copy says of itself, but for its files.

    Raises
    ------
    UserError
        When the disk is full, or the store is damaged.
    """
    with _whole(folder) as new:
        _copy_answers(store, used, new, manifest["context"], erased, owners)
        for name in {manifest["policy"]["file"], *(each["file"] for each in manifest["read"])}:
            (new / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(source / name, new / name)
        _describe(manifest, new)


@contextmanager
def _whole(folder: Path) -> Iterator[Path]:
    """Yield a folder to write to, and move it to its place once it is whole."""
    new = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with writing(folder):
            private_folder(new)
            yield new
            if folder.exists():
                folder.rmdir()
            new.rename(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _describe(manifest: Mapping[str, Any], new: Path) -> None:
    described = {**manifest, "files": {name: _described(new / name) for name in sorted(_files(new))}}
    (new / MANIFEST).write_text(json.dumps(described, indent=1) + "\n", encoding="ascii")


def _copy_answers(
    store: StoredAnswers,
    used: Used,
    root: Path,
    context: Mapping[str, str],
    erased: Iterable[tuple[int, bytes]] = (),
    owners: Iterable[tuple[bytes, bytes, bytes]] = (),
) -> None:
    copy = Store(root, context)
    try:
        copy.put_erased(erased, owners)
        for (table, request), texts in sorted(used.small.items()):
            ordered = sorted(texts)
            for at in range(0, len(ordered), _AT_ONCE):
                copy.copy(table, store.entries(table, request, ordered[at : at + _AT_ONCE]))
        # Fewer layers first: a request then finds the very states that it was given, and not those of another
        # request for more layers of the same text.
        for (request, layers), wanted in sorted(used.states.items(), key=lambda item: (len(item[0][1]), item[0])):
            for salts, states in store.states_by_block(request, wanted, layers):
                batch = StateBatch(
                    request=request,
                    texts=tuple(salts),
                    layers=layers,
                    values=np.stack([states.read(layer) for layer in layers]),
                    salts=tuple(salts.values()),
                )
                copy.put(states=[batch])
        copy.settle()
    finally:
        copy.close()


def _copy_policy(policy: Policy, root: Path) -> list[dict[str, str]]:
    """Copy the policy and the files it read; return how the policy names each and what it is kept as."""
    # The bytes may begin with a mark that the source text no longer has.
    _kept(Path(policy.path), policy.sha256, root / POLICY)
    digests = dict(policy.files) | {d.card.source: d.card.sha256 for d in policy.datasets.values()}
    (root / "files").mkdir()
    out = []
    for written, file in sorted(policy.read.items()):
        digest = digests[written]
        _kept(Path(file.path), digest, root / "files" / digest)
        out.append({"written": written, "shown": file.shown, "file": f"files/{digest}"})
    return out


def _kept(source: Path, digest: str, target: Path) -> None:
    content = source.read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        raise user_error(
            "The evidence cannot be written",
            where=str(source),
            found="a file that is no longer what the audit read",
            expected=f"the file with the SHA-256 {digest}",
            do="run the audit again; stored answers are reused",
        )
    target.write_bytes(content)


def _files(root: Path) -> Iterator[str]:
    for path in root.rglob("*"):
        if path.is_file():
            yield path.relative_to(root).as_posix()


def _described(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"sha256": digest, "bytes": path.stat().st_size}
