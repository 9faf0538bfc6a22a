"""``inspectoscope erase``: a copy of the evidence without rows of the data; needs no model."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audit.errors import user_error
from audit.text import printable

if TYPE_CHECKING:
    from audit.erasing import Erased
    from audit.verify import Given

_TITLE = "Nothing was erased"


def erase(
    record: Annotated[Path, typer.Argument(metavar="RECORD|PDF", help="The record of the run, or its report.")],
    evidence: Annotated[Path, typer.Option("--evidence", help="Folder written by run --evidence.")],
    out: Annotated[Path, typer.Option("--out", help="New folder to write the evidence without the rows to.")],
    row: Annotated[
        list[int] | None, typer.Option("--row", min=0, help="Number of a row, as the report prints it; repeatable.")
    ] = None,
    data: Annotated[str, typer.Option("--data", metavar="NAME", help="The data set that is meant.")] = "",
    containing: Annotated[
        list[str] | None, typer.Option("--containing", metavar="WORDS", help="Rows that hold these words.")
    ] = None,
    because: Annotated[str, typer.Option("--because", help="Why, as it is printed.")] = "erasure was asked for",
) -> None:
    """Write the evidence without rows of the data, and without what the model made of them.

    Digests stand in place of what went, and `verify` still reaches the root of the record. The checks that read these
    rows can no longer be run again from the evidence. The old copy stays, for you to delete.
    """
    from audit.erasing import Choice
    from audit.erasing import erase as erased
    from audit.verify import gather

    if not row and not containing:
        raise user_error(
            _TITLE, where="erase", found="no row", expected="--row NUMBER or --containing WORDS; both can be repeated"
        )
    if odd := [words for words in containing or () if not any(sign.isalnum() for sign in words)]:
        raise user_error(_TITLE, where="--containing", found=repr(odd[0]), expected="words with letters or digits")
    given = gather(record, evidence=evidence)
    choice = Choice(data=data, rows=row or (), containing=containing or ())
    done = erased(given, out, choice, because=because, on=dt.datetime.now(dt.UTC).date().isoformat())
    for line in _told(done, out):
        typer.echo(line)
    for line in _still_to_do(done, given, record):
        typer.echo(line)


def _told(done: Erased, out: Path) -> Iterator[str]:
    for name, numbers in done.rows.items():
        yield f"erased from {printable(name)}: row {_numbers(numbers)}"
    yield f"{done.answers:,} answers went; {done.left:,} are left, and are those of the record's root"
    for file in done.files:
        yield f"the file {printable(file)} is not in the new copy; its other rows are among the answers"
    if done.checks:
        yield f"can no longer be run again from the evidence: {', '.join(map(printable, done.checks))}"
    for name, numbers in done.same_text.items():
        yield f"row {_numbers(numbers)} of {printable(name)} has the same text as one of them, and stays"
    yield f"wrote {out}"


def _still_to_do(done: Erased, given: Given, record: Path) -> Iterator[str]:
    """Yield what still holds the rows, and how to be rid of it."""
    from audit import redaction

    said = json.loads(given.raw)
    rows = sorted({number for numbers in done.rows.values() for number in numbers})
    quoted = redaction.chosen(said, checks=done.checks, rows=rows) if said.get("texts") and done.checks else ()
    yield "Still holding them:"
    yield f"  the old copy {given.evidence}: delete it"
    yield f"  the store of the run: inspectoscope store clear {given.record.model.digest[:12]}"
    if quoted:
        options = " ".join(f"--row {number}" for number in rows[:8])
        yield f"  the record, which quotes {len(quoted)} texts of them: inspectoscope redact {record} --out … {options}"
    yield "  tables and plots of the record, where they name one: inspectoscope redact --containing WORDS"
    yield "  your own data file, reports made before, and copies of any of these"


def _numbers(numbers: tuple[int, ...], shown: int = 8) -> str:
    more = f" and {len(numbers) - shown:,} more" if len(numbers) > shown else ""
    return ", ".join(map(str, numbers[:shown])) + more
