"""``inspectoscope model`` and ``store``: looks at models without opening them, and at stored answers."""

from __future__ import annotations

from typing import Annotated

import typer

from audit.cli import given
from audit.cli.arguments import PickleOpt, RemoteOpt, RevisionOpt, StoreOpt
from audit.errors import user_error
from audit.text import printable

store_app = typer.Typer(help="Look at stored answers: ls, clear.", no_args_is_help=True)
model_app = typer.Typer(help="Look at models without opening them: digest.", no_args_is_help=True)


@model_app.command("digest")
def model_digest(
    model: Annotated[str, typer.Argument(metavar="PATH_OR_ID", help="Model folder or hub id.")],
    files: Annotated[bool, typer.Option("--files", help="Print the digest of every file too.")] = False,
    revision: RevisionOpt = None,
    allow_pickle: PickleOpt = False,
    allow_remote_code: RemoteOpt = False,
) -> None:
    """Print the digest that tells this model from every other, as a run records it; loads nothing."""
    from audit.capture.model import identify

    found = identify(model, given.switches("auto", "auto", revision, allow_pickle, allow_remote_code))
    typer.echo(found.digest)
    for name, digest in sorted(found.files.items()) if files else ():
        typer.echo(f"{digest}  {printable(name)}")


@store_app.command("ls")
def store_ls(store: StoreOpt = None) -> None:
    """List stored answers by model."""
    from audit.capture.store import contexts, default_root

    root = store or default_root()
    typer.echo(f"{root}")
    for held in contexts(root):
        context = held.context
        typer.echo(
            f"  {held.id[:12]}  {held.bytes / 1e6:9,.1f} MB  {_counted(held.answers)} answers  "
            f"{_counted(held.states)} states  "
            f"model {context.get('model', '')[:12]}  {context.get('dtype', '')}  {context.get('device', '')}"
        )


@store_app.command("clear")
def store_clear(
    prefix: Annotated[str, typer.Argument(help="Start of a store id or model digest; nothing clears all.")] = "",
    store: StoreOpt = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before clearing everything.")] = False,
) -> None:
    """Delete stored answers; the next run asks the model again."""
    from audit.capture.store import clear, default_root

    if not prefix and not yes and not _confirmed("Delete all stored answers?"):
        raise typer.Exit(0)
    gone = clear(store or default_root(), prefix)
    typer.echo(f"deleted {len(gone)} of the store's folders")


def _counted(count: int | None) -> str:
    return f"{'unread' if count is None else f'{count:,}':>9}"


def _confirmed(question: str) -> bool:
    try:
        return typer.confirm(question)
    except typer.Abort as error:
        raise user_error(
            "Nothing was deleted", where="store clear", found="no answer", expected="y or n", do="add --yes"
        ) from error
