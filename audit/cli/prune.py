"""``inspectoscope prune``: cuts a behaviour out of a copy of a model and says what that did."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audit.cli import given
from audit.cli.arguments import (
    DeviceOpt,
    DtypeOpt,
    FormatOpt,
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

if TYPE_CHECKING:
    from audit.capture.model import Switches
    from audit.pipeline import Options
    from audit.pruning.run import How

NOT_DONE = 3
"""The gap was not shown to have fallen far enough, or the rest not to have stayed within the margin."""


def prune(
    policy: PolicyArg,
    model: ModelOpt,
    save: Annotated[Path, typer.Option("--save", metavar="DIR", help="New folder for the edited model.")],
    out: OutOpt = Path("audit-out"),
    check: Annotated[
        str | None, typer.Option("--check", help="Id of the counterfactual check to cut by; by default the first.")
    ] = None,
    cut: Annotated[
        str, typer.Option("--cut", help="repaired, leace, mean_shift, or parts:FILE (heads and neurons as JSON).")
    ] = "repaired",
    at_least: Annotated[
        float, typer.Option("--at-least", metavar="SHARE", help="How far the gap has to fall to count as reduced.")
    ] = 0.8,
    margin: Annotated[
        float, typer.Option("--margin", metavar="SHARE", help="How far anything else may move: 0.01 is one point.")
    ] = 0.01,
    randoms: Annotated[int, typer.Option("--random", min=0, max=100, help="Matched random cuts beside it.")] = 5,
    neutral: Annotated[
        Path | None,
        typer.Option("--neutral", metavar="FILE", help="Texts, one a line, for a causal model's perplexity."),
    ] = None,
    again: Annotated[
        bool, typer.Option("--audit/--no-audit", help="Audit original and copy by the whole policy and compare them.")
    ] = True,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the split and the random cuts.")] = 0,
    format_: FormatOpt = None,
    set_: SetOpt = None,
    store: StoreOpt = None,
    device: DeviceOpt = "auto",
    dtype: DtypeOpt = "auto",
    revision: RevisionOpt = None,
    allow_pickle: PickleOpt = False,
    allow_remote_code: RemoteOpt = False,
) -> None:
    """Cut a behaviour out of a copy of the model and measure both sides: what is left of it, and what it cost.

    The model itself is only read. The behaviour is what a counterfactual check of the policy measures. Ends with 0
    where it was reduced and the rest stayed within the margin, or where there is nothing to cut, and with 3 otherwise.
    """
    from audit import pipeline
    from audit.pruning import run as pruning
    from audit.pruning import wording, writing
    from audit.pruning.outcome import NothingToCut

    how = _how(cut, check, at_least, margin, randoms, neutral, seed)
    options = given.options(set_, store, formats=format_)
    writing.refuse_existing(save)
    pipeline.prepare_output(out)
    switches = given.switches(device, dtype, revision, allow_pickle, allow_remote_code)
    path = given.policy_path(policy)
    made = pruning.run(path, model, save, switches, options, how, progress=given.progress())
    if isinstance(made, NothingToCut):
        given.say(wording.nothing(made))
        raise typer.Exit(0)
    given.say(wording.lines(made))
    typer.echo(f"wrote {save}")
    failed = _audited(path, model, save, made.dtype, out, options, switches) if again else []
    given.print_errors(failed)
    raise typer.Exit((0 if made.done else NOT_DONE) or (UserError.exit_code if failed else 0))


def _how(
    cut: str, check: str | None, at_least: float, margin: float, randoms: int, neutral: Path | None, seed: int
) -> How:
    from audit.pruning import fitting, parts_file
    from audit.pruning.run import How, neutral_texts

    for option, share in (("--at-least", at_least), ("--margin", margin)):
        if not 0 < share < 1:
            raise user_error("This is no share", where=option, found=f"{share:g}", expected="a number between 0 and 1")
    named = next((kind for kind in fitting.LINEAR if kind == cut), None)
    if named is None and not cut.startswith("parts:"):
        raise user_error(
            "A behaviour cannot be cut so",
            where="--cut",
            found=cut,
            expected=f"{', '.join(fitting.LINEAR)}, or parts:FILE",
        )
    return How(
        cut=named or parts_file.read(Path(cut.removeprefix("parts:"))),
        check=check,
        at_least=at_least,
        margin=margin,
        randoms=randoms,
        seed=seed,
        neutral=neutral_texts(neutral) if neutral else (),
    )


def _audited(
    policy: Path, model: str, save: Path, dtype: str, out: Path, options: Options, switches: Switches
) -> list[UserError]:
    """Audit original and copy by the whole policy, and write the copy's reports and what changed."""
    from audit.pruning import auditing

    return auditing.both(policy, model, save, dtype, out, options, switches, given.progress(), typer.echo)
