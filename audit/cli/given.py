"""Turns what was given on the command line into what the pipeline takes, or says what is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from audit.errors import UserError, user_error
from audit.text import printable

if TYPE_CHECKING:
    from audit.capture.model import LoadedModel, Switches
    from audit.pipeline import Options
    from audit.types import Policy, Verdict

BROKEN_OFF = 130
"""Exit code of what was broken off with Ctrl-C."""


def options(
    set_: Sequence[str] | None,
    store: Path | None,
    *,
    fail_on: str | None = None,
    formats: str | None = None,
    executor: str = "local",
    history: str | None = None,
    directions: Path | None = None,
    evidence: Path | None = None,
    spike: Path | None = None,
) -> Options:
    """Return how to run; raises ``UserError`` for what cannot be read."""
    from audit import pipeline

    if executor != "local":
        raise user_error("There is no such executor", where="--executor", found=executor, expected="local")
    return pipeline.Options(
        overrides=tuple(set_ or ()),
        fail_on=pipeline.FAIL_ON if fail_on is None else stopping(fail_on)[0],
        fail_on_regression=fail_on is not None and stopping(fail_on)[1],
        store=store,
        formats=formats_of(formats) or pipeline.DEFAULT_FORMATS,
        executor=executor,
        history=history,
        directions=directions,
        evidence=evidence,
        spike=spike,
    )


def stopping(text: str) -> tuple[tuple[Verdict, ...], bool]:
    """Return the verdicts that ``--fail-on`` names, and whether it names a regression."""
    from audit import pipeline

    names = [name for name in (name.strip() for name in text.split(",")) if name not in {"", "none"}]
    verdicts = [name for name in names if name != pipeline.REGRESSION]
    stops = pipeline.stopping(verdicts, where="--fail-on", besides=(pipeline.REGRESSION,))
    return stops, pipeline.REGRESSION in names


def with_baseline(options: Options, baseline: Path | None, margin: float) -> Options:
    """Return the options with the baseline read: one that cannot be is found before any model is opened."""
    from audit.record import read

    if baseline is None:
        if options.fail_on_regression:
            raise user_error(
                "There is nothing to compare with",
                where="--fail-on",
                found="regression, without a baseline",
                expected="--baseline RECORD, the record.json of an earlier run",
            )
        return options
    return replace(options, baseline=read(baseline), margin=margin_of(margin))


def margin_of(given: float) -> float:
    """Return a margin of a comparison; raises ``UserError`` for what is none."""
    if not 0 <= given < float("inf"):
        raise user_error(
            "The margin cannot be used",
            where="--margin",
            found=f"{given:g}",
            expected="a share of 0 or more, such as 0.1",
        )
    return given


def formats_of(text: str | None) -> tuple[str, ...]:
    """Return the formats that ``--format`` names; ``help`` prints them and ends."""
    if text is None:
        return ()
    from audit.report import FORMATS, listing

    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if names == ("help",):
        typer.echo(listing())
        raise typer.Exit(0)
    if unknown := [name for name in names if name not in FORMATS]:
        raise user_error(
            "There is no such format", where="--format", found=unknown[0], expected=f"some of {', '.join(FORMATS)}"
        )
    return names


def policy_path(name: str) -> Path:
    """Return a policy's path; a bare name may be that of a shipped policy."""
    path = Path(name)
    if os.path.isfile(path):  # noqa: PTH113 - the methods of Path raise where a name is too long for the system
        return path
    from audit.resources import near_here, shipped_policies

    shipped = {p.stem: near_here(p) for p in shipped_policies()}
    if name in shipped:
        return shipped[name]
    if os.path.exists(path):  # noqa: PTH110
        return path  # a folder or a device: whoever reads it says what is wrong
    import difflib

    near = difflib.get_close_matches(name, shipped, n=1)
    raise user_error(
        "The policy cannot be read",
        where=name,
        found="no such file",
        expected="the path of a policy, or one of " + ", ".join(shipped),
        do=f"did you mean {near[0]}?" if near else "",
    )


def switches(device: str, dtype: str, revision: str | None, allow_pickle: bool, allow_remote_code: bool) -> Switches:
    """Return how a model is to be opened."""
    from audit.capture.model import Switches

    return Switches(
        device=device, dtype=dtype, revision=revision, allow_pickle=allow_pickle, allow_remote_code=allow_remote_code
    )


def open_model(reference: str, policy: Policy, switches: Switches) -> LoadedModel:
    """Open a model for the task of a policy."""
    from audit.capture.model import open_model

    return open_model(reference, policy.task, switches)


def progress() -> Any:
    """Return what shows progress: bars on a terminal, lines in a log."""
    from audit.terminal import progress

    return progress()


@contextmanager
def goes_on_later(kept: str) -> Iterator[None]:
    """Where Ctrl-C breaks off what is done inside, say that it is no loss, and end with the code for that.

    ``kept`` names what was done so far and is stored.
    """
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"\nBroken off. {kept} is kept: the same command goes on from here.", err=True)
        raise typer.Exit(BROKEN_OFF) from None


def say(lines: Iterable[str]) -> None:
    """Print lines that hold words of a policy, a model or a text, with what a terminal would obey made visible."""
    for line in lines:
        typer.echo(printable(line))


def print_errors(errors: Sequence[UserError]) -> None:
    """Print each error as one screen."""
    for error in errors:
        typer.echo(f"\n{error}", err=True)
