"""``inspectoscope redact``: a copy of a record without texts that it quotes; needs no model and no data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from audit.errors import user_error

_TITLE = "Nothing was withheld"


CheckOpt = Annotated[list[str] | None, typer.Option("--check", help="Only texts of this check; repeatable.")]
RowOpt = Annotated[
    list[int] | None, typer.Option("--row", min=0, help="Only samples of this row of the data; repeatable.")
]
ContainingOpt = Annotated[
    list[str] | None, typer.Option("--containing", metavar="WORDS", help="Only texts that hold these words.")
]
BecauseOpt = Annotated[str, typer.Option("--because", help="Why, as it is printed.")]
BECAUSE = "they were redacted later"


def redact(
    record: Annotated[Path, typer.Argument(metavar="RECORD", help="A record.json.")],
    out: Annotated[Path, typer.Option("--out", help="File to write the record without the texts to.")],
    check: CheckOpt = None,
    row: RowOpt = None,
    containing: ContainingOpt = None,
    because: BecauseOpt = BECAUSE,
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
    paths = chosen(data, str(record), check, row, containing)
    new = redaction.withheld(data, paths, because)
    Record.model_validate(new)
    out = out / "record.json" if out.is_dir() else out
    save_content(out, stored(new).encode("utf-8"))
    typer.echo(f"wrote {out}: {len(paths):,} of {len(data['texts']['salts']):,} quoted texts withheld")
    typer.echo("Reports made before, copies of the record and a history still hold them.")


def chosen(
    data: Mapping[str, Any],
    where: str,
    check: list[str] | None,
    row: list[int] | None,
    containing: list[str] | None,
) -> tuple[str, ...]:
    """Return the texts of a record that are meant.

    Raises
    ------
    UserError
        When there are none, or what is given can mean none.
    """
    from audit import redaction

    if data.get("texts") is None:
        raise user_error(
            _TITLE,
            where=where,
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
        meant = [f"--check {each}" for each in check or ()] + [f"--row {each}" for each in row or ()]
        meant += [f"--containing {each!r}" for each in containing or ()]
        raise user_error(
            _TITLE,
            where=where,
            found=f"no text that {' '.join(meant)} means" if meant else "no text that is still there",
            expected="a text that the record quotes, as its samples and tables show them",
        )
    return paths
