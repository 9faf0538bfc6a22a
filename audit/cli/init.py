"""``inspectoscope policy init``: begins a policy from flags, or from what it asks on a terminal."""

from __future__ import annotations

import datetime as dt
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
    fact: Annotated[
        list[str] | None,
        typer.Option("--fact", metavar="NAME=TEXT", help="A fact that the provider states; may be repeated."),
    ] = None,
    by: Annotated[str, typer.Option("--by", help="Who states the facts: name and function.")] = "",
    facts: Annotated[
        bool, typer.Option("--provider/--no-provider", help="Whether to begin provider.yaml beside the policy.")
    ] = True,
) -> None:
    """Begin a policy for a domain, and the file of facts that only its provider knows; asks for what no option says."""
    from audit import pipeline, resources
    from audit.policy import presets, starting, stating

    folder = resources.folder("policies")
    domains = presets.names(folder)
    wish = starting.Wish(
        domain=domain, task=task, positive=positive, negative=negative, rows=rows, text=text, attribute=attribute,
        origin=origin, out=out, provider=stating.FILE if facts else "",
    )  # fmt: skip
    if fact and not facts:
        raise user_error(stating.TITLE, where="--fact", found="--no-provider beside it", expected="one of the two")
    today = dt.datetime.now(dt.UTC).date()
    said = stating.stated(tuple(fact or ()), by=by, on=today)
    if not domain:
        if not sys.stdin.isatty():
            raise user_error(starting.TITLE, where="--domain", found="nothing", expected=f"one of {', '.join(domains)}")
        wish = starting.asked(wish, domains, _ask, lambda name: presets.preset(folder, name))
        said = stating.asked(_ask, by=by, on=today) if facts and not fact else said
    starting.check_domain(wish.domain, domains)
    if facts:
        stating.check(starting.out_of(wish).parent, said)
    path = starting.write(wish, presets.preset(folder, wish.domain))
    typer.echo(f"wrote {path}")
    if facts:
        typer.echo(stating.write(path.parent, said))
    try:
        pipeline.read_policy(path)
    except UserError:
        typer.echo("It needs a change before it can be used:", err=True)
        raise
    typer.echo(f"Next: edit {'them' if facts else 'it'}, then inspectoscope policy validate {path}")
    typer.echo(f"                     inspectoscope run {path} --model FOLDER_OR_ID")


def _ask(question: str, default: str) -> str:
    return str(typer.prompt(question, default=default, show_default=bool(default)))
