"""``inspectoscope policy init``: begins a policy from flags, or from what it asks on a terminal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from audit.errors import UserError, user_error


def policy_init(
    domain: Annotated[str, typer.Option("--domain", help="credit, recruitment, medical, moderation or honesty.")] = "",
    task: Annotated[str, typer.Option("--task", help="sequence-classification or causal-lm.")] = "",
    positive: Annotated[str, typer.Option("--decision-positive", help="Label or answer text.")] = "",
    negative: Annotated[str, typer.Option("--decision-negative", help="Label or answer text.")] = "",
    rows: Annotated[Path | None, typer.Option("--rows", help="Your own rows; without them cases are made.")] = None,
    text: Annotated[str, typer.Option("--text", metavar="TEMPLATE", help="Text of a row, with {column}s.")] = "",
    attribute: Annotated[str, typer.Option("--attribute", help="Column of the protected attribute.")] = "",
    origin: Annotated[str, typer.Option("--origin", help="Where the rows come from: synthetic or public.")] = "",
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Policy to write; never replaced.")] = None,
) -> None:
    """Begin a policy for a domain; asks on a terminal for what no option says."""
    from audit import pipeline, resources
    from audit.policy import presets, starting

    folder = resources.folder("policies")
    domains = presets.names(folder)
    wish = starting.Wish(
        domain=domain, task=task, positive=positive, negative=negative, rows=rows, text=text, attribute=attribute,
        origin=origin, out=out,
    )  # fmt: skip
    if not domain:
        if not sys.stdin.isatty():
            raise user_error(starting.TITLE, where="--domain", found="nothing", expected=f"one of {', '.join(domains)}")
        wish = starting.asked(wish, domains, _ask, lambda name: presets.preset(folder, name))
    starting.check_domain(wish.domain, domains)
    path = starting.write(wish, presets.preset(folder, wish.domain))
    typer.echo(f"wrote {path}")
    try:
        pipeline.read_policy(path)
    except UserError:
        typer.echo("It needs a change before it can be used:", err=True)
        raise
    typer.echo(f"Next: edit it, then   inspectoscope policy validate {path}")
    typer.echo(f"                      inspectoscope run {path} --model FOLDER_OR_ID")


def _ask(question: str, default: str) -> str:
    return str(typer.prompt(question, default=default, show_default=bool(default)))
