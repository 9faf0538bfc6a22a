"""``inspectoscope history``: lists runs, shows one, follows a measurement over them, enters older records."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from audit.cli.redact import BECAUSE, BecauseOpt, CheckOpt, ContainingOpt, RowOpt, chosen
from audit.errors import user_error
from audit.text import printable

if TYPE_CHECKING:
    from audit.history import Entry
    from audit.record import Record
    from audit.types import Trend

ENVIRONMENT = "INSPECTOSCOPE_HISTORY"
"""Names a history where no option does: a password in it stays out of the list of processes."""


class ListsByDefault(TyperGroup):
    """A group of commands that lists where no command is named, so that ``history FILE`` means what it says."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put ``list`` before arguments that begin with no command."""
        if not args or args[0] not in {*self.commands, *ctx.help_option_names}:
            args = ["list", *args]
        return super().parse_args(ctx, args)


history_app = typer.Typer(
    cls=ListsByDefault,
    help="Look at past runs: list (which `history` alone does too), show, trend, add, redact.",
    context_settings={"help_option_names": ["-h", "--help"]},
)

WHERE = "`default`, a file, or a URL such as postgresql://user@host/database"
HistoryOpt = Annotated[
    str, typer.Option("--history", metavar="URL|FILE", envvar=ENVIRONMENT, help=f"Where the history lies: {WHERE}.")
]
RunHistoryOpt = Annotated[
    str | None,
    typer.Option(
        "--history", metavar="URL|FILE", envvar=ENVIRONMENT, help=f"Enter the record into a history: {WHERE}."
    ),
]
ModelOpt = Annotated[
    str, typer.Option("--model", metavar="NAME|DIGEST", help="A model's name, or the start of its digest.")
]
PolicyOpt = Annotated[str, typer.Option("--policy", metavar="ID", help="Id of a policy.")]
SinceOpt = Annotated[str, typer.Option("--since", metavar="DATE", help="Begun on this day or later.")]
FormatOpt = Annotated[str, typer.Option("--format", help="text or json.")]


@history_app.command("list")
def list_(
    history: Annotated[
        str, typer.Argument(metavar="[URL|FILE]", envvar=ENVIRONMENT, help=f"Where the history lies: {WHERE}.")
    ] = "default",
    model: ModelOpt = "",
    policy: PolicyOpt = "",
    verdict: Annotated[str, typer.Option("--verdict", help="met, not_met, inconclusive or not_assessed.")] = "",
    since: SinceOpt = "",
    format_: FormatOpt = "text",
) -> None:
    """List runs, the oldest first, with the worst verdict of each."""
    from audit import history as histories

    as_json = _as_json(format_)
    asked = histories.wanted(model=model, policy=policy, verdict=verdict, since=since)
    found = histories.entries(history, asked)
    if as_json:
        _print_json([_plain(entry) for entry in found])
        return
    for line in _listing(found):
        typer.echo(line)


@history_app.command("show")
def show(
    number: Annotated[int, typer.Argument(metavar="NUMBER", min=1, help="Of a run, as `history` lists it.")],
    history: HistoryOpt = "default",
    format_: FormatOpt = "text",
) -> None:
    """Say what one run found; `--format json` prints its record, from which reports are made again."""
    from audit import history as histories

    as_json = _as_json(format_)
    record = histories.show(history, number)
    if as_json:
        typer.echo(record.to_json(), nl=False)
        return
    for line in _shown(record):
        typer.echo(line)


@history_app.command("trend")
def trend(
    check: Annotated[str, typer.Argument(metavar="CHECK", help="Id of a check in its policy.")],
    metric: Annotated[str, typer.Argument(metavar="METRIC", help="Name of one of its metrics.")],
    history: HistoryOpt = "default",
    group: Annotated[str | None, typer.Option("--group", help="One group alone.")] = None,
    model: ModelOpt = "",
    policy: PolicyOpt = "",
    since: SinceOpt = "",
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write a page with the picture.")] = None,
    format_: FormatOpt = "text",
) -> None:
    """Follow a measurement with its interval over runs, such as those of a model's versions."""
    from audit import history as histories
    from audit.report import trends

    as_json = _as_json(format_)
    asked = histories.wanted(model=model, policy=policy, since=since)
    found = histories.trend(history, check, metric, asked=asked, group=group)
    if as_json:
        _print_json(_plain(found))
    else:
        typer.echo(trends.text(found))
    if out is not None:
        _write(out, trends.render(found))
        typer.echo(f"wrote {out}", err=as_json)


@history_app.command("redact")
def redact(
    number: Annotated[int, typer.Argument(metavar="NUMBER", min=1, help="Of a run, as `history` lists it.")],
    history: HistoryOpt = "default",
    check: CheckOpt = None,
    row: RowOpt = None,
    containing: ContainingOpt = None,
    because: BecauseOpt = BECAUSE,
) -> None:
    """Withhold texts that a run's record quotes: all of them, or those of a row, a check or a person.

    The run's place and every head stay what they are, so that reports made before still verify.
    """
    from audit import history as histories

    where = f"run {number} of the history"
    several = histories.withhold(history, number, lambda data: chosen(data, where, check, row, containing), because)
    typer.echo(f"{where}: {several:,} quoted texts withheld")
    typer.echo("Backups of the database still hold them, and so does a server until it has cleaned up (VACUUM).")


@history_app.command("add")
def add(
    records: Annotated[list[Path], typer.Argument(metavar="RECORD...", help="Files that runs wrote: record.json.")],
    history: HistoryOpt = "default",
) -> None:
    """Enter older records, all of them or none; one that was entered before keeps its number."""
    from audit import history as histories
    from audit.record import read

    for path, placed in zip(records, histories.add(history, [read(path) for path in records]), strict=True):
        assert placed.history is not None, "what was entered has a place"
        typer.echo(f"{path}: run {placed.history.number}, head {printable(placed.history.head)}")


# ---- what is printed -----------------------------------------------------------------------------


def _as_json(format_: str) -> bool:
    if format_ not in {"text", "json"}:
        raise user_error("There is no such format", where="--format", found=format_, expected="text or json")
    return format_ == "json"


def _print_json(data: object) -> None:
    import json

    typer.echo(json.dumps(data, indent=1, ensure_ascii=True))


def _plain(found: Entry | Trend) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(found)


def _listing(found: list[Entry]) -> list[str]:
    from audit.report.view import VERDICT_WORDS

    if not found:
        return ["no run"]
    words = {None if verdict is None else verdict.value: word for verdict, word in VERDICT_WORDS.items()}
    rows = [
        (
            f"{entry.link.number}",
            printable(str(entry.begun)),
            words.get(entry.verdict, printable(str(entry.verdict))),
            printable(f"{entry.policy} {entry.policy_version}"),
            printable(str(entry.model)),
            printable(str(entry.model_digest))[:12],
        )
        for entry in found
    ]
    head = ("run", "begun", "worst verdict", "policy", "model", "digest")
    widths = [min(max(map(len, column)), 60) for column in zip(head, *rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)
    ]


def _shown(record: Record) -> list[str]:
    from audit.report.terminal import terminal_summary

    place = record.history
    assert place is not None, "what a history shows has a place"
    return [
        f"run {place.number} of the history {printable(place.id)}, entered {place.entered}",
        f"policy {printable(record.policy.id)} {printable(record.policy.version)}, {record.policy.sha256}",
        f"model {printable(record.model.name)}, {record.model.digest}",
        f"begun {printable(record.created)} by inspectoscope {printable(record.tool.version)}",
        f"record {place.record}",
        f"head {place.head}",
        "",
        terminal_summary(record),
    ]


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise user_error(
            "The page cannot be written",
            where=str(path),
            found=error.strerror or str(error),
            expected="a file that you may write",
            do="give another one with --out",
        ) from error
