"""``inspectoscope run`` and ``plan``: audits a model, or counts what that would cost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audit.cli import given
from audit.cli.arguments import (
    DeviceOpt,
    DtypeOpt,
    FormatOpt,
    MarginOpt,
    ModelOpt,
    OutOpt,
    PickleOpt,
    PolicyArg,
    RemoteOpt,
    RevisionOpt,
    SetOpt,
    StoreOpt,
)
from audit.cli.history import RunHistoryOpt
from audit.errors import UserError
from audit.text import printable

if TYPE_CHECKING:
    from audit.pipeline import Options
    from audit.record import Record


def run(
    policy: PolicyArg,
    model: ModelOpt,
    out: OutOpt = Path("audit-out"),
    set_: SetOpt = None,
    executor: Annotated[str, typer.Option("--executor", help="Where passes run: local.")] = "local",
    spike_: Annotated[
        Path | None, typer.Option("--spike", help="A spike.json of this model and policy, for the report.")
    ] = None,
    fail_on: Annotated[
        str,
        typer.Option(
            "--fail-on",
            help="Verdicts that stop a pipeline, separated by commas; regression, for what got worse than in the "
            "baseline; or none.",
        ),
    ] = "not_met,not_assessed,inconclusive",
    baseline: Annotated[
        Path | None, typer.Option("--baseline", metavar="RECORD", help="Record of an earlier run to compare with.")
    ] = None,
    margin: MarginOpt = 0.0,
    format_: FormatOpt = None,
    provider: Annotated[
        Path | None,
        typer.Option(
            "--provider", metavar="FILE", help="Facts that the provider states; `policy provider` writes a blank."
        ),
    ] = None,
    history: RunHistoryOpt = None,
    directions: Annotated[
        Path | None,
        typer.Option("--directions", help="Folder for the directions found beyond chance, as safetensors files."),
    ] = None,
    store: StoreOpt = None,
    evidence: Annotated[
        Path | None,
        typer.Option("--evidence", help="New folder for a copy of all answers and data, to verify the run elsewhere."),
    ] = None,
    device: DeviceOpt = "auto",
    dtype: DtypeOpt = "auto",
    revision: RevisionOpt = None,
    allow_pickle: PickleOpt = False,
    allow_remote_code: RemoteOpt = False,
) -> None:
    """Audit a model and write the record and its reports."""
    from audit import pipeline

    options = given.options(
        set_,
        store,
        fail_on=fail_on,
        formats=format_,
        executor=executor,
        history=history,
        directions=directions,
        evidence=evidence,
        spike=spike_,
    )
    options = given.with_baseline(options, baseline, margin)
    options = replace(options, provider=provider)
    path = given.policy_path(policy)
    pipeline.prepare_output(out)
    if directions is not None:
        pipeline.prepare_output(directions, option="--directions")
    pipeline.prepare_history(options)
    switches = given.switches(device, dtype, revision, allow_pickle, allow_remote_code)
    with given.goes_on_later("What was measured"):
        record = pipeline.run(
            path, lambda read: given.open_model(model, read, switches), options, progress=given.progress()
        )
    raise typer.Exit(_deliver(record, out, options))


def plan(
    policy: PolicyArg,
    model: ModelOpt,
    set_: SetOpt = None,
    store: StoreOpt = None,
    device: DeviceOpt = "auto",
    dtype: DtypeOpt = "auto",
    revision: RevisionOpt = None,
    allow_pickle: PickleOpt = False,
    allow_remote_code: RemoteOpt = False,
) -> None:
    """Count what an audit would cost and what it could show; run nothing."""
    from audit import pipeline

    switches = given.switches(device, dtype, revision, allow_pickle, allow_remote_code)
    planned = pipeline.plan(given.policy_path(policy), model, switches, given.options(set_, store))
    for title, lines in (
        ("First round, counted", planned.first),
        ("Later rounds, bounds that the checks declare", planned.later),
        ("What the rows can show", planned.power),
    ):
        if lines:
            typer.echo(f"\n{title}")
            for line in lines:
                note = f"  ({line.note})" if line.note else ""
                typer.echo(f"  {line.title:<18} {printable(line.value)}{printable(note)}")


def _deliver(record: Record, out: Path, options: Options) -> int:
    """Write everything, say what was found, and return the exit code."""
    from audit import pipeline
    from audit.report.terminal import terminal_summary

    record, unentered = pipeline.enter(record, options)
    written, failed = pipeline.write(record, out, options.formats)
    typer.echo(terminal_summary(record))
    if options.baseline is not None:
        more, missed = _deliver_changes(record, options.baseline, out, options)
        written, failed = [*written, *more], [*failed, *missed]
    for path in (*written, *_stored_directions(record, options)):
        typer.echo(f"wrote {path}")
    if record.history is not None:
        typer.echo(f"entered as run {record.history.number} of the history, head {record.history.head}")
    failed += unentered
    given.print_errors(failed)
    if unentered and "json" in options.formats:
        typer.echo(
            f"\nThe run is in no history. Enter it later: inspectoscope history add {out / 'record.json'}", err=True
        )
    return record.run.exit_code or (UserError.exit_code if failed else 0)


def _stored_directions(record: Record, options: Options) -> list[Path]:
    if options.directions is None:
        return []
    return [options.directions / found.file for part in record.checks for found in part.directions if found.file]


def _deliver_changes(
    record: Record, baseline: Record, out: Path, options: Options
) -> tuple[list[Path], list[UserError]]:
    """Write what changed since the baseline, and say it."""
    from audit import pipeline
    from audit.report import changes

    comparison = pipeline.compared(baseline, record, margin=options.margin)
    typer.echo(f"\n{changes.render(comparison, 'text').decode('utf-8')}")
    return pipeline.write_changes(comparison, out, options.formats)
