"""Writes an explanation in its formats; one that is there already, byte for byte, is not made again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from audit import pipeline
from audit.errors import UserError
from audit.explanation import Explanation
from audit.report import explanation as pages


def write(explanation: Explanation, folder: Path, formats: Sequence[str]) -> tuple[list[Path], list[UserError]]:
    """Write an explanation into a folder; one format that cannot be made does not keep the others back.

    Pages are made before the data, so that data that lie there say that their pages do too: a run that was killed
    and goes on makes none of them twice.
    """
    written: list[Path] = []
    failed: list[UserError] = []
    content = explanation.to_json().encode("utf-8")
    paths = {name: folder / pages.FILES[name] for name in formats}
    if _there_already(paths, content):
        return list(paths.values()), []
    for name in sorted(formats, key=lambda each: each == "json"):
        try:
            save(explanation, paths[name], name)
        except UserError as error:
            failed.append(error)
            continue
        written.append(paths[name])
    return written, failed


def _there_already(paths: Mapping[str, Path], content: bytes) -> bool:
    """Whether all formats lie there, the data as they would be written; what cannot be looked at is made anew."""
    try:
        return (
            "json" in paths and all(path.is_file() for path in paths.values()) and paths["json"].read_bytes() == content
        )
    except OSError:
        return False


def save(explanation: Explanation, path: Path, name: str) -> None:
    """Write one format; raises ``UserError`` when it cannot be made or written."""
    pipeline.save_as(path, lambda: pages.render(explanation, name))
