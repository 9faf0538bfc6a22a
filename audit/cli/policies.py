"""``inspectoscope policy``: checks policies, shows, lists and freezes them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from audit.cli import given
from audit.cli.arguments import PolicyArg, SetOpt
from audit.cli.init import policy_init
from audit.errors import UserError

policy_app = typer.Typer(
    help="Write and look at policies: init, validate, show, freeze, reference, examples, schema, provider, list.",
    no_args_is_help=True,
)


@policy_app.command("validate")
def policy_validate(
    policies: Annotated[list[str], typer.Argument(metavar="POLICY...", help="Paths, or names of shipped policies.")],
    set_: SetOpt = None,
) -> None:
    """Check policies and their data; print every problem with its line."""
    from audit import pipeline
    from audit.policy.problems import counted

    failed = []
    for name in policies:
        try:
            policy = pipeline.read_policy(given.policy_path(name), tuple(set_ or ()))
        except UserError as error:
            failed.append(error)
            continue
        rows = sum(len(d.rows) for d in policy.datasets.values())
        criteria = sum(len(c.criteria) for c in policy.checks)
        parts = (
            counted(len(policy.checks), "check"),
            counted(criteria, "criterion", "criteria"),
            counted(rows, "row"),
        )
        typer.echo(f"{policy.path}: valid ({', '.join(parts)})")
    if failed:
        given.print_errors(failed)
        raise typer.Exit(UserError.exit_code)


@policy_app.command("show")
def policy_show(policy: PolicyArg, set_: SetOpt = None) -> None:
    """Print a policy as it would be used, and where each value comes from."""
    from audit import policy as policies
    from audit.registry import check_types

    typer.echo(policies.show(given.policy_path(policy), check_types=check_types(), overrides=tuple(set_ or ())))


@policy_app.command("schema")
def policy_schema() -> None:
    """Print the JSON Schema of policies, for editors."""
    import json

    from audit import policy as policies
    from audit.registry import check_types

    typer.echo(json.dumps(policies.json_schema(check_types()), indent=1, ensure_ascii=False))


@policy_app.command("provider")
def policy_provider(
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="A filled-in file to check.")] = None,
) -> None:
    """Print a blank file for the facts that only the provider knows, or say what a filled-in one lacks."""
    from audit import policy as policies
    from audit.types import COVERAGE_TITLES, fact_kinds

    if file is None:
        typer.echo(policies.blank_provider(), nl=False)
        return
    facts = policies.provider_facts(file)
    kinds = {kind.id: kind.title for kind in fact_kinds()} | dict(COVERAGE_TITLES)
    lacking = [title for name, title in kinds.items() if name not in {*facts.statements, *facts.coverage}]
    said, listed = len(facts.statements), len(facts.coverage)
    of = f"{said} of {len(fact_kinds())} facts, {listed} of {len(COVERAGE_TITLES)} lists of coverage supplied"
    typer.echo(f"{file}: valid ({of})")
    for title in lacking:
        typer.echo(f"  not supplied: {title}")


@policy_app.command("reference")
def policy_reference(
    check: Annotated[str, typer.Argument(metavar="[CHECK]", help="One check type; by default everything.")] = "",
) -> None:
    """Print what a policy may say: every key, check, parameter and metric, as Markdown."""
    from audit import policy as policies
    from audit.registry import check_types
    from audit.resources import shipped_policies

    types, shipped = check_types(), shipped_policies()
    text = policies.reference_of(check, types, shipped) if check else policies.reference(types, shipped)
    typer.echo(text, nl=False)


@policy_app.command("examples")
def policy_examples(
    check: Annotated[str, typer.Argument(metavar="CHECK", help="The check type whose examples are run.")],
) -> None:
    """Run the examples of a check: signals that it must find, noise that it must not; needs no model."""
    from audit import tryout
    from audit.policy import named_check
    from audit.registry import check_types

    kind = named_check(check, check_types(), where="policy examples")
    outcomes = tryout.tried(kind)
    for each in outcomes:
        typer.echo(f"  {'as it says' if each.held else 'NOT SO    '}  {each.name}: {each.said}")
    if wrong := tryout.failed(kind, outcomes):
        given.print_errors([wrong])
        raise typer.Exit(UserError.exit_code)


@policy_app.command("list")
def policy_list() -> None:
    """List the shipped policies and the check types they can use."""
    from audit import policy as policies
    from audit.registry import check_types
    from audit.resources import shipped_policies

    typer.echo("Shipped policies")
    for path in shipped_policies():
        typer.echo(f"  {path.stem:<24} {policies.title(path)}")
    typer.echo("\nCheck types")
    for kind in check_types().values():
        typer.echo(f"  {kind.name:<24} {kind.title}")


@policy_app.command("freeze")
def policy_freeze(
    policy: PolicyArg,
    set_: SetOpt = None,
    author: Annotated[str, typer.Option("--author", metavar="NAME", help="Who fixes the criteria, as stated.")] = "",
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="File to write; by default POLICY.frozen.json beside it."),
    ] = None,
) -> None:
    """Fix the criteria and data of a policy before a run; every run then prints what differs.

    With --set, what is fixed is what the run with the same --set will do.
    """
    import datetime as dt

    from audit import pipeline
    from audit import policy as policies

    read = pipeline.read_policy(given.policy_path(policy), tuple(set_ or ()))
    typer.echo(f"wrote {policies.freeze(read, author=author, now=dt.datetime.now(dt.UTC), out=out)}")


policy_app.command("init")(policy_init)
