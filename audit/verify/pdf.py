"""Reads a PDF that may come from anyone, in a process of its own with limits on time and memory.

``python -m audit.verify.pdf`` opens the file with pypdf and hands back plain JSON: the attached records, what the file
says it was made with, and, where asked, the text of every page and the structure behind it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit.errors import UserError, user_error
from audit.record import MAX_BYTES
from audit.report.toolchain import KEY

SECONDS = 300.0
MEMORY_BYTES = 4 * 1024**3
"""Of address space, as for laying a report out."""
_MOST_OUTPUT = 4 * MAX_BYTES
_MOST_ELEMENTS = 2_000_000
"""Structure elements; a report of 300 pages has under a hundredth of it."""


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What is in a PDF."""

    records: tuple[bytes, ...]
    """Attachments named record.json."""
    attachments: Mapping[str, str]
    """Name → SHA-256, of those with a name of their own."""
    toolchain: Mapping[str, str]
    """What the file says it was made with; empty where it says nothing."""
    pages: tuple[str, ...] = ()
    structure: tuple[str, ...] = ()
    """Tags in reading order, each with its alternative text."""


def read(data: bytes, name: str, *, text: bool = False, seconds: float = SECONDS) -> Contents:
    """Return what is in a PDF; its pages and structure only with ``text``, because that takes time.

    Raises
    ------
    UserError
        When it cannot be read within the limits.
    """
    with tempfile.TemporaryDirectory(prefix="inspectoscope-") as folder:
        source, target = Path(folder, "report.pdf"), Path(folder, "contents.json")
        source.write_bytes(data)
        command = [sys.executable, "-P", "-m", "audit.verify.pdf", str(source), str(target), str(int(text))]
        try:
            done = subprocess.run(  # noqa: S603 - our own interpreter and module
                command, capture_output=True, timeout=seconds, check=False, env=dict(os.environ)
            )
        except subprocess.TimeoutExpired as error:
            raise _unreadable(name, f"no result after {seconds:g} seconds") from error
        if done.returncode or not target.is_file() or target.stat().st_size > _MOST_OUTPUT:
            last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["no reason was given"]
            raise _unreadable(name, _plain(last[0][:300]))
        found = json.loads(target.read_bytes())
    return Contents(
        records=tuple(base64.b64decode(each) for each in found["records"]),
        attachments=found["attachments"],
        toolchain=found["toolchain"],
        pages=tuple(found["pages"]),
        structure=tuple(found["structure"]),
    )


def _plain(said: str) -> str:
    """Return the last line of a traceback without the class of the error, where it says more than that."""
    kind, _, reason = said.partition(": ")
    return f"a file that breaks off or is damaged ({reason.strip()})" if reason.strip() and "." in kind else said


def _unreadable(name: str, found: str) -> UserError:
    return user_error(
        "The PDF cannot be read",
        where=name,
        found=found,
        expected="a report.pdf that was written by inspectoscope",
        do="give the record itself, or another copy of the report",
    )


# ---- the process that reads ----------------------------------------------------------------------


def main(arguments: list[str]) -> int:
    """Write what is in the PDF at ``arguments[0]`` into the file at ``arguments[1]``."""
    source, target, text = arguments
    import pypdf

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    _limit_memory()
    with pypdf.apply_configuration(zlib_maximum_output_length=MAX_BYTES, maximum_declared_stream_length=MAX_BYTES):
        found = _contents(pypdf.PdfReader(source), text=text == "1")
    Path(target).write_text(json.dumps(found), encoding="ascii")
    return 0


def _contents(reader: Any, *, text: bool) -> dict[str, Any]:
    # A file has a name in the list and one that viewers show, and they need not agree.
    attached = [({entry.name, entry.alternative_name}, entry.content) for entry in reader.attachment_list]
    return {
        "records": [base64.b64encode(content).decode("ascii") for names, content in attached if "record.json" in names],
        "attachments": {
            " ".join(sorted(map(str, names))): hashlib.sha256(content).hexdigest() for names, content in attached
        },
        "toolchain": _toolchain((reader.metadata or {}).get(f"/{KEY}", "")),
        "pages": [page.extract_text() for page in reader.pages] if text else [],
        "structure": list(_structure(reader)) if text else [],
    }


def _toolchain(said: str) -> dict[str, str]:
    try:
        read_back = json.loads(str(said))
    except (ValueError, RecursionError):
        return {}
    return {str(k): str(v) for k, v in read_back.items()} if isinstance(read_back, dict) else {}


def _structure(reader: Any) -> Iterator[str]:
    """Yield the tags of the structure tree, depth first, without following what leads back."""
    root = reader.root_object.get("/StructTreeRoot")
    waiting, seen = [root], 0
    while waiting:
        item = waiting.pop()
        item = item.get_object() if hasattr(item, "get_object") else item
        seen += 1
        if seen > _MOST_ELEMENTS:
            raise ValueError(f"more than {_MOST_ELEMENTS:,} structure elements")
        if isinstance(item, list):
            waiting += reversed(item)
        elif isinstance(item, dict):
            if "/S" in item:
                yield " ".join(str(item[key]) for key in ("/S", "/Alt", "/ActualText") if key in item)
            if "/K" in item:
                waiting.append(item["/K"])


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:
        return  # Windows has no such limit; the time limit holds there alone
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    allowed = MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(MEMORY_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_AS, (allowed, hard))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
