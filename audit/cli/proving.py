"""``inspectoscope demo``, ``selftest``, ``spike`` and ``doctor``: shows what the tool and this installation can do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from audit.cli import given
from audit.cli.arguments import (
    DeviceOpt,
    DtypeOpt,
    ModelOpt,
    OutOpt,
    PickleOpt,
    PolicyArg,
    RemoteOpt,
    RevisionOpt,
    SetOpt,
    StoreOpt,
)
from audit.errors import UserError, user_error

NOT_SEEN = 3
"""Of ``spike``: a dose was missed, found where there was none, or not planted at all."""


def demo(out: OutOpt = Path("build/demo"), store: StoreOpt = None) -> None:
    """Train a biased credit model and its clean twin, and audit both with the same policy."""
    from audit import demonstration

    failed = demonstration.run(out, given.options(None, store), given.progress())
    if failed:
        given.print_errors([failed])
        raise typer.Exit(UserError.exit_code)


def selftest(
    out: Annotated[Path | None, typer.Option("--out", help="Write the outcome as JSON into this file too.")] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Models of each kind.")] = 1,
    all_: Annotated[
        bool, typer.Option("--all", help="Every kind, not only a strong plant and its clean twin in each family.")
    ] = False,
    store: StoreOpt = None,
) -> None:
    """Audit models with planted behaviour and say what was found, missed and wrongly blamed."""
    from audit import selftest as tests

    every = tests.cells()
    chosen = [(cell, range(seeds)) for cell in (every if all_ else tests.quick(every))]
    tallies = tests.examine(chosen, store=store, progress=given.progress())
    for line in tests.lines(tallies):
        typer.echo(line)
    if out is not None:
        tests.write(tallies, out)
    if failed := tests.failures(tallies):
        given.print_errors([failed])
        raise typer.Exit(UserError.exit_code)


def spike(
    policy: PolicyArg,
    model: ModelOpt,
    out: OutOpt = Path("audit-out"),
    check: Annotated[str | None, typer.Option("--check", help="Id of the one check to spike; by default all.")] = None,
    train: Annotated[
        str, typer.Option("--train", help="How copies are trained: auto (by size), full, or lora.")
    ] = "auto",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the split and of training.")] = 0,
    set_: SetOpt = None,
    store: StoreOpt = None,
    device: DeviceOpt = "auto",
    dtype: DtypeOpt = "auto",
    revision: RevisionOpt = None,
    allow_pickle: PickleOpt = False,
    allow_remote_code: RemoteOpt = False,
) -> None:
    """Plant effects of known size in copies of the model and say which of them the policy's checks find.

    The model itself is only read. Writes spike.json, which `run --spike` takes up into the report. Ends with 0 where
    everything planted was found at twice the bound and nothing without a dose, and with 3 otherwise.
    """
    from audit import pipeline
    from audit.report.spikes import lines
    from audit.spike import binding
    from audit.spike import run as spiking

    if train not in spiking.METHODS:
        raise user_error("Copies cannot be trained so", where="--train", found=train, expected="auto, full or lora")
    pipeline.prepare_output(out)
    switches = given.switches(device, dtype, revision, allow_pickle, allow_remote_code)
    options = given.options(set_, store)
    how = spiking.METHODS[train]
    made = spiking.run(
        given.policy_path(policy),
        model,
        switches,
        options,
        only=check,
        method=how,
        seed=seed,
        progress=given.progress(),
    )
    binding.write(made, out / binding.FILE)
    given.say(lines(made))
    typer.echo(f"wrote {out / binding.FILE}")
    raise typer.Exit(0 if spiking.sees(made) else NOT_SEEN)


def doctor() -> None:
    """Say what this installation can do, and what it lacks."""
    from audit import health

    lines, sound = health.examine()
    for line in lines:
        typer.echo(line)
    raise typer.Exit(0 if sound else UserError.exit_code)
