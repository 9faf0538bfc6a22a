"""``inspectoscope redact``: a copy of a record without texts that it quotes; needs no model and no data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from audit.errors import user_error

_TITLE = "Nothing was withheld"


def redact(
    record: Annotated[Path, typer.Argument(metavar="RECORD", help="A record.json.")],
    out: Annotated[Path, typer.Option("--out", help="File to write the record without the texts to.")],
    check: Annotated[list[str] | None, typer.Option("--check", help="Only texts of this check; repeatable.")] = None,
    row: Annotated[
        list[int] | None, typer.Option("--row", min=0, help="Only samples of this row of the data; repeatable.")
    ] = None,
    containing: Annotated[
        list[str] | None, typer.Option("--containing", metavar="WORDS", help="Only texts that hold these words.")
    ] = None,
    because: Annotated[str, typer.Option("--because", help="Why, as it is printed.")] = "they were redacted later",
) -> None:
    """Withhold texts that a record quotes: all of them, or those of a row, a check or a person.

    Verdicts, numbers and the digest under which texts may be withheld stay as they are, and `verify` says what is
    missing. Reports made before still hold the texts: make them again from the new record, and delete the old ones.
    """
    from audit import redaction
    from audit.pipeline import save_content
    from audit.record import Record, file_bytes, parsed, stored

    raw = file_bytes(record)
    parsed(raw, str(record))  # a damaged record is told with its place
    data = json.loads(raw)
    if data.get("texts") is None:
        raise user_error(
            _TITLE,
            where=str(record),
            found="a record from before texts could be withheld: nothing in it commits to them",
            expected="a record with a part `texts`",
            do="run the audit again; stored answers are reused",
        )
    unknown = sorted(set(check or ()) - {part["id"] for part in data["checks"]})
    if unknown:
        raise user_error(_TITLE, where="--check", found=unknown[0], expected="the id of a check of the record")
    if odd := [words for words in containing or () if not any(sign.isalnum() for sign in words)]:
        raise user_error(_TITLE, where="--containing", found=repr(odd[0]), expected="words with letters or digits")
    paths = redaction.chosen(data, checks=check or (), rows=row or (), containing=containing or ())
    if not paths:
        raise user_error(
            _TITLE, where=str(record), found="no such text in the record", expected="a text that is still there"
        )
    new = redaction.withheld(data, paths, because)
    Record.model_validate(new)
    out = out / "record.json" if out.is_dir() else out
    save_content(out, stored(new).encode("utf-8"))
    typer.echo(f"wrote {out}: {len(paths):,} of {len(data['texts']['salts']):,} quoted texts withheld")
    typer.echo("Reports made before, copies of the record and a history still hold them.")
