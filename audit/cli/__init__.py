"""The command line: reads options, calls the pipeline, prints for people, ends with the agreed exit code.

0 nothing to stop for · 1 a criterion not met, or a regression · 2 bad usage, policy, data or environment ·
3 a criterion inconclusive or not assessed · 130 broken off with Ctrl-C. Where two apply, 1 outranks 3 outranks 2.
Importing this module imports neither torch nor weasyprint.
"""

from __future__ import annotations

import io
import os
import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer

import audit
from audit import registry
from audit.cli import erase, explaining, proving, prune, redact, reports, running, signing
from audit.cli.given import BROKEN_OFF, print_errors
from audit.cli.history import history_app
from audit.cli.kept import model_app, store_app
from audit.cli.policies import policy_app
from audit.errors import UserError

DEFECT = 70
"""An error that no user can mend must not end with 1, which would read as a criterion not met."""

app = typer.Typer(
    name="inspectoscope",
    help="Audits language models and text classifiers from the inside and writes the evidence down.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(policy_app, name="policy")
app.add_typer(model_app, name="model")
app.add_typer(store_app, name="store")
app.add_typer(history_app, name="history")
for command in (
    running.run,
    running.plan,
    explaining.explain,
    reports.report,
    reports.diff,
    reports.verify,
    redact.redact,
    erase.erase,
    signing.sign,
    proving.demo,
    proving.selftest,
    proving.spike,
    prune.prune,
    proving.doctor,
):
    app.command()(command)


def main() -> None:
    """Run the command; errors that a user can mend are one screen without a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A log or console that cannot show a sign must not cost the verdict of an audit.
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError | typer.Abort):
            # Typer ends these with 1, which here says that a criterion is not met.
            sys.exit(UserError.exit_code)
        raise
    except UserError as error:
        print_errors([error])
        if os.environ.get("INSPECTOSCOPE_TRACEBACK"):
            raise
        sys.exit(UserError.exit_code)
    except KeyboardInterrupt:
        sys.exit(BROKEN_OFF)
    except Exception:  # noqa: BLE001 - the last resort: say that it is a defect, and with what
        traceback.print_exc()
        typer.echo(
            "\nThis is a defect of inspectoscope, not of your input. Please report it with the lines above.", err=True
        )
        sys.exit(DEFECT)


@app.callback(invoke_without_command=True)
def _before(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
    check_module: Annotated[
        list[Path] | None,
        typer.Option(
            "--check-module",
            metavar="FILE",
            help="Python file with a check of your own; may be repeated. It is run: only for code that you trust.",
        ),
    ] = None,
) -> None:
    registry.use_files(tuple(check_module or ()))
    if version:
        typer.echo(audit.__version__)
        raise typer.Exit(0)
