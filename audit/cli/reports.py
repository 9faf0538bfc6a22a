"""``inspectoscope report``, ``diff`` and ``verify``: what is made of records; none of them needs a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from audit.cli import given
from audit.cli.arguments import FormatOpt, MarginOpt
from audit.errors import UserError, user_error


def _print_record_schema(wanted: bool) -> None:
    if wanted:
        import json

        from audit.record import schema

        typer.echo(json.dumps(schema(), indent=1, ensure_ascii=False))
        raise typer.Exit(0)


def report(
    record: Annotated[Path, typer.Argument(metavar="RECORD", help="A record.json.")],
    format_: FormatOpt = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for the reports; by default the record's own.")
    ] = None,
    template: Annotated[
        str,
        typer.Option(
            "--template", help="technical, summary (two pages), eu_ai_act (by article) or ll144 (New York City)."
        ),
    ] = "technical",
    _schema: Annotated[
        bool,
        typer.Option(
            "--schema", help="Print the JSON Schema of records and stop.", is_eager=True, callback=_print_record_schema
        ),
    ] = False,
) -> None:
    """Make the reports of a record again; needs no model and no data."""
    from audit import pipeline
    from audit.record import read
    from audit.report import TECHNICAL, require_template, templated

    require_template(template)
    filled = pipeline.DEFAULT_FORMATS if template == TECHNICAL else templated()
    formats = given.formats_of(format_) or tuple(f for f in filled if f != "json")
    read_back = read(record)
    folder = out or record.parent
    pipeline.prepare_output(folder)
    written, failed = pipeline.write(read_back, folder, formats, template)
    for path in written:
        typer.echo(path)
    if failed:
        given.print_errors(failed)
        raise typer.Exit(UserError.exit_code)


def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="The record.json of an earlier run.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The record.json of a later run.")],
    format_: Annotated[str, typer.Option("--format", help="text, markdown, json, html or pdf.")] = "text",
    out: Annotated[Path | None, typer.Option("--out", help="File to write; by default standard output.")] = None,
    fail_on: Annotated[
        str, typer.Option("--fail-on", help="regression, to end with 1 where something got worse.")
    ] = "",
    margin: MarginOpt = 0.0,
) -> None:
    """Say what changed between two runs, and what got worse beyond noise; needs no model and no data."""
    from audit import pipeline
    from audit.record import read
    from audit.report import changes

    verdicts, stops = given.stopping(fail_on)
    if verdicts:
        raise user_error(
            "A comparison cannot stop for a verdict",
            where="--fail-on",
            found=verdicts[0].value,
            expected=f"{pipeline.REGRESSION}, or none",
        )
    if format_ not in changes.FILES:
        raise user_error(
            "There is no such format", where="--format", found=format_, expected=f"one of {', '.join(changes.FILES)}"
        )
    if format_ == "pdf" and out is None:
        raise user_error(
            "A PDF needs a file", where="--out", found="no file", expected="--out FILE, such as --out changes.pdf"
        )
    comparison = pipeline.compared(read(old), read(new), margin=given.margin_of(margin))
    if out is None:
        typer.echo(changes.render(comparison, format_).decode("utf-8"), nl=False)
    else:
        pipeline.save_changes(comparison, out, format_)
        typer.echo(out)
    raise typer.Exit(1 if stops and comparison.regressions else 0)


def verify(
    file: Annotated[
        Path, typer.Argument(metavar="RECORD|PDF", help="A record.json, or a report with its record in it.")
    ],
    record: Annotated[
        Path | None, typer.Option("--record", help="The record that the PDF must be the report on.")
    ] = None,
    evidence: Annotated[
        Path | None, typer.Option("--evidence", help="Folder written by run --evidence, or the store of the run.")
    ] = None,
    model: Annotated[Path | None, typer.Option("--model", help="Folder of the audited model.")] = None,
    policy: Annotated[Path | None, typer.Option("--policy", help="The policy file, its data beside it.")] = None,
    trust: Annotated[
        list[Path] | None, typer.Option("--trust", help="Certificate of a root that you trust; repeatable.")
    ] = None,
    history: Annotated[
        str | None, typer.Option("--history", metavar="URL", help="The history that the run was entered into.")
    ] = None,
    format_: Annotated[str, typer.Option("--format", help="text or json.")] = "text",
) -> None:
    """Say what can be shown of a record or a report, what is only said, and what is broken; needs no model."""
    from audit import verify as verifying
    from audit.verify import telling

    if format_ not in telling.FORMATS:
        expected = ", ".join(telling.FORMATS)
        raise user_error("There is no such format", where="--format", found=format_, expected=expected)
    given = verifying.gather(
        file,
        record=record,
        evidence=evidence,
        model=model,
        policy=policy,
        trust=tuple(trust or ()),
        history=history,
    )
    statements = verifying.verify(given)
    typer.echo(telling.FORMATS[format_](given, statements))
    raise typer.Exit(verifying.exit_code(statements))
