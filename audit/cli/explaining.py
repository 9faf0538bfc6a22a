"""``inspectoscope explain``: why one decision was made, and what would have turned it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audit.cli import given
from audit.cli.arguments import (
    DeviceOpt,
    DtypeOpt,
    ModelOpt,
    PickleOpt,
    PolicyArg,
    RemoteOpt,
    RevisionOpt,
    SetOpt,
    StoreOpt,
)
from audit.errors import UserError, user_error
from audit.text import printable

if TYPE_CHECKING:
    from audit.explaining.cases import Case, Lost
    from audit.explaining.frame import Frame, Wish
    from audit.explanation import Explanation

REFUSED = 3
"""Exit code where reasons of a case do not pass their check, so that none are printed."""


def _print_schema(wanted: bool) -> None:
    if wanted:
        import json

        from audit.explanation import schema

        typer.echo(json.dumps(schema(), indent=1, ensure_ascii=False))
        raise typer.Exit(0)


def explain(
    policy: PolicyArg,
    model: ModelOpt,
    row: Annotated[
        int | None,
        typer.Option("--row", metavar="N", help="Row of the data set, as reports number them: 0 is the first."),
    ] = None,
    text: Annotated[str | None, typer.Option("--text", help="A text that the model decided about.")] = None,
    cases: Annotated[
        Path | None,
        typer.Option("--cases", metavar="FILE", help="Rows or texts (column `text`): csv, tsv, jsonl or parquet."),
    ] = None,
    template: Annotated[
        str | None, typer.Option("--template", help="credit_decision, medical_triage or general; else the policy's.")
    ] = None,
    data: Annotated[str | None, typer.Option("--data", metavar="NAME", help="Data set; else the policy's.")] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option("--allow", metavar="FIELD", help="Field that may be changed to turn the decision; repeatable."),
    ] = None,
    margin: Annotated[
        float | None, typer.Option("--margin", metavar="LOG_ODDS", help="Effect from which something counts.")
    ] = None,
    tolerance: Annotated[
        float, typer.Option("--tolerance", min=1e-6, max=0.5, help="Of the attribution's completeness, relative.")
    ] = 0.02,
    max_steps: Annotated[int, typer.Option("--max-steps", min=17, max=100_000, help="Of the attribution.")] = 512,
    out: Annotated[Path, typer.Option("--out", help="Folder for the explanations.")] = Path("explain-out"),
    format_: Annotated[str, typer.Option("--format", help="Some of json, html and pdf.")] = "json,html,pdf",
    provider: Annotated[
        Path | None,
        typer.Option("--provider", metavar="FILE", help="Facts that the provider states, contacts among them."),
    ] = None,
    set_: SetOpt = None,
    store: StoreOpt = None,
    device: DeviceOpt = "auto",
    dtype: DtypeOpt = "auto",
    revision: RevisionOpt = None,
    allow_pickle: PickleOpt = False,
    allow_remote_code: RemoteOpt = False,
    _schema: Annotated[
        bool,
        typer.Option(
            "--schema", help="Print the JSON Schema of explanations and stop.", is_eager=True, callback=_print_schema
        ),
    ] = False,
) -> None:
    """Explain one decision, or a file of them, on two pages each.

    Every factor is confirmed by taking it out and asking the model again. Ends with 0, with 3 where the factors of a
    case do not pass their check and are not printed, and with 2 where a case cannot be explained.
    """
    from audit import pipeline
    from audit.explaining import run

    formats = _formats(format_)
    _check_one(row, text, cases)
    wish = _wish(template, data, allow, margin, tolerance, max_steps)
    pipeline.prepare_output(out)
    switches = given.switches(device, dtype, revision, allow_pickle, allow_remote_code)
    options = run.Options(overrides=tuple(set_ or ()), provider=provider, store=store, wish=wish)
    delivery = Delivery(out, formats, apart=cases is not None)
    with given.goes_on_later("What was asked"):
        run.explain(
            given.policy_path(policy),
            lambda read: given.open_model(model, read, switches),
            lambda frame: _cases(frame, row, text, cases),
            options,
            delivery.take,
            progress=given.progress(),
        )
    raise typer.Exit(delivery.ended())


def _check_one(row: int | None, text: str | None, cases: Path | None) -> None:
    named = [name for name, value in (("--row", row), ("--text", text), ("--cases", cases)) if value is not None]
    if len(named) != 1:
        raise user_error(
            "It is not clear what is to be explained",
            where="explain",
            found=" and ".join(named) or "no case",
            expected="one of --row N, --text TEXT and --cases FILE",
        )


def _cases(frame: Frame, row: int | None, text: str | None, file: Path | None) -> Sequence[Case | Lost]:
    from audit.explaining import cases

    if row is not None:
        return [cases.of_row(row, frame)]
    if text is not None:
        return [cases.of_text(text)]
    assert file is not None, "one of the three is given"
    return cases.of_file(file, frame)


def _wish(
    template: str | None,
    data: str | None,
    allow: Sequence[str] | None,
    margin: float | None,
    tolerance: float,
    max_steps: int,
) -> Wish:
    from audit.explaining.frame import Wish, template_of

    return Wish(
        template=None if template is None else template_of(template),
        data=data,
        allow=None if allow is None else tuple(allow),
        margin=margin,
        tolerance=tolerance,
        max_steps=max_steps,
    )


def _formats(text: str) -> tuple[str, ...]:
    from audit.report.explanation import FILES

    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if unknown := [name for name in names if name not in FILES] or ([] if names else ["nothing"]):
        raise user_error(
            "There is no such format", where="--format", found=unknown[0], expected=f"some of {', '.join(FILES)}"
        )
    return tuple(name for name in FILES if name in names)


class Delivery:
    """Writes explanations as they come, says what they are, and remembers what went wrong."""

    def __init__(self, out: Path, formats: Sequence[str], *, apart: bool) -> None:
        self.out, self.formats, self.apart = out, formats, apart
        self.failed: list[UserError] = []
        self.refused = self.lost = self.done = 0

    def take(self, outcome: Explanation | Lost) -> None:
        """Write one explanation, or say why there is none."""
        from audit.explaining.cases import Lost
        from audit.explaining.writing import write
        from audit.report.explanation import terminal

        self.done += 1
        if isinstance(outcome, Lost):
            self.lost += 1
            typer.echo(printable(f"{outcome.id} ({outcome.source}): not explained: {outcome.reason}"), err=True)
            return
        self.refused += outcome.refused
        folder = self.out / f"{self.done:04}" if self.apart else self.out
        written, failed = write(outcome, folder, self.formats)
        self.failed += failed
        given.say(terminal.lines(outcome))
        for path in written:
            typer.echo(f"wrote {path}")

    def ended(self) -> int:
        """Say what became of them all, and return 3 where reasons were refused, 2 where anything was lost, else 0."""
        if self.apart:
            told = self.done - self.lost - self.refused
            typer.echo(
                f"{self.done:,} cases: {told:,} explained, {self.refused:,} without factors that pass their check, "
                f"{self.lost:,} that could not be explained"
            )
        given.print_errors(self.failed)
        return REFUSED if self.refused else UserError.exit_code if self.lost or self.failed else 0
