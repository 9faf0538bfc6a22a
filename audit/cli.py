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
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import audit
from audit.cli_history import RunHistoryOpt, history_app
from audit.cli_init import policy_init
from audit.errors import UserError, user_error
from audit.text import printable
from audit.types import Verdict

if TYPE_CHECKING:
    from audit.capture.model import LoadedModel, Switches
    from audit.pipeline import Options
    from audit.record import Record
    from audit.types import Policy

BROKEN_OFF = 130
DEFECT = 70
"""An error that no user can mend must not end with 1, which would read as a criterion not met."""
NOT_SEEN = 3
"""Of ``spike``: a dose was missed, found where there was none, or not planted at all."""

app = typer.Typer(
    name="inspectoscope",
    help="Audits language models and text classifiers from the inside and writes the evidence down.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
policy_app = typer.Typer(
    help="Write and look at policies: init, validate, show, freeze, schema, provider, list.", no_args_is_help=True
)
store_app = typer.Typer(help="Look at stored answers: ls, clear.", no_args_is_help=True)
model_app = typer.Typer(help="Look at models without opening them: digest.", no_args_is_help=True)
app.add_typer(policy_app, name="policy")
app.add_typer(model_app, name="model")
app.add_typer(store_app, name="store")
app.add_typer(history_app, name="history")

PolicyArg = Annotated[
    str, typer.Argument(metavar="POLICY", help="Path of a policy, or the name of one that is shipped.")
]
ModelOpt = Annotated[str, typer.Option("--model", metavar="PATH_OR_ID", help="Model folder or hub id.")]
OutOpt = Annotated[Path, typer.Option("--out", help="Folder for the record and the reports.")]
SetOpt = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a value of the policy; may be repeated."),
]
StoreOpt = Annotated[
    Path | None, typer.Option("--store", help="Folder of stored answers; by default the user's cache.")
]
DeviceOpt = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]
DtypeOpt = Annotated[str, typer.Option("--dtype", help="auto, float32, bfloat16 or float16.")]
RevisionOpt = Annotated[str | None, typer.Option("--revision", help="Revision of a hub model.")]
PickleOpt = Annotated[
    bool,
    typer.Option("--allow-pickle", help="Read weights from formats that can run code. Only for sources you trust."),
]
RemoteOpt = Annotated[
    bool, typer.Option("--allow-remote-code", help="Run code from the model folder. Only for sources you trust.")
]
MarginOpt = Annotated[
    float,
    typer.Option(
        "--margin",
        metavar="SHARE",
        help="Count a change only where it is shown to exceed this share of its bound's distance from no effect.",
    ),
]
FormatOpt = Annotated[
    str | None,
    typer.Option(
        "--format", help="Reports to write, separated by commas; `--format help` lists them and their readers."
    ),
]


# ---- run, plan, report ---------------------------------------------------------------------------


@app.command()
def run(
    policy: PolicyArg,
    model: ModelOpt,
    out: OutOpt = Path("audit-out"),
    set_: SetOpt = None,
    executor: Annotated[str, typer.Option("--executor", help="Where passes run: local.")] = "local",
    spike_: Annotated[
        Path | None, typer.Option("--spike", help="A spike.json of this model and policy, for the report.")
    ] = None,
    fail_on: Annotated[
        str,
        typer.Option(
            "--fail-on",
            help="Verdicts that stop a pipeline, separated by commas; regression, for what got worse than in the "
            "baseline; or none.",
        ),
    ] = "not_met,not_assessed,inconclusive",
    baseline: Annotated[
        Path | None, typer.Option("--baseline", metavar="RECORD", help="Record of an earlier run to compare with.")
    ] = None,
    margin: MarginOpt = 0.0,
    format_: FormatOpt = None,
    provider: Annotated[
        Path | None,
        typer.Option(
            "--provider", metavar="FILE", help="Facts that the provider states; `policy provider` writes a blank."
        ),
    ] = None,
    history: RunHistoryOpt = None,
    directions: Annotated[
        Path | None,
        typer.Option("--directions", help="Folder for the directions found beyond chance, as safetensors files."),
    ] = None,
    store: StoreOpt = None,
    evidence: Annotated[
        Path | None,
        typer.Option("--evidence", help="New folder for a copy of all answers and data, to verify the run elsewhere."),
    ] = None,
    device: DeviceOpt = "auto",
    dtype: DtypeOpt = "auto",
    revision: RevisionOpt = None,
    allow_pickle: PickleOpt = False,
    allow_remote_code: RemoteOpt = False,
) -> None:
    """Audit a model and write the record and its reports."""
    from audit import pipeline

    options = _options(
        set_,
        store,
        fail_on=fail_on,
        formats=format_,
        executor=executor,
        history=history,
        directions=directions,
        evidence=evidence,
        spike=spike_,
    )
    options = _with_baseline(options, baseline, margin)
    options = replace(options, provider=provider)
    path = _policy_path(policy)
    pipeline.prepare_output(out)
    if directions is not None:
        pipeline.prepare_output(directions, option="--directions")
    pipeline.prepare_history(options)
    switches = _switches(device, dtype, revision, allow_pickle, allow_remote_code)
    record = _audit(path, lambda p: _open(model, p, switches), options)
    raise typer.Exit(_deliver(record, out, options))


@app.command()
def plan(
    policy: PolicyArg,
    model: ModelOpt,
    set_: SetOpt = None,
    store: StoreOpt = None,
    device: DeviceOpt = "auto",
    dtype: DtypeOpt = "auto",
    revision: RevisionOpt = None,
    allow_pickle: PickleOpt = False,
    allow_remote_code: RemoteOpt = False,
) -> None:
    """Count what an audit would cost and what it could show; run nothing."""
    from audit import pipeline

    switches = _switches(device, dtype, revision, allow_pickle, allow_remote_code)
    planned = pipeline.plan(_policy_path(policy), model, switches, _options(set_, store))
    for title, lines in (
        ("First round, counted", planned.first),
        ("Later rounds, bounds that the checks declare", planned.later),
        ("What the rows can show", planned.power),
    ):
        if lines:
            typer.echo(f"\n{title}")
            for line in lines:
                note = f"  ({line.note})" if line.note else ""
                typer.echo(f"  {line.title:<18} {printable(line.value)}{printable(note)}")


def _print_record_schema(wanted: bool) -> None:
    if wanted:
        import json

        from audit.record import schema

        typer.echo(json.dumps(schema(), indent=1, ensure_ascii=False))
        raise typer.Exit(0)


@app.command()
def report(
    record: Annotated[Path, typer.Argument(metavar="RECORD", help="A record.json.")],
    format_: FormatOpt = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for the reports; by default the record's own.")
    ] = None,
    template: Annotated[
        str,
        typer.Option(
            "--template", help="technical, summary (two pages), eu_ai_act (by article) or ll144 (New York City)."
        ),
    ] = "technical",
    _schema: Annotated[
        bool,
        typer.Option(
            "--schema", help="Print the JSON Schema of records and stop.", is_eager=True, callback=_print_record_schema
        ),
    ] = False,
) -> None:
    """Make the reports of a record again; needs no model and no data."""
    from audit import pipeline
    from audit.record import read
    from audit.report import TECHNICAL, require_template, templated

    require_template(template)
    filled = pipeline.DEFAULT_FORMATS if template == TECHNICAL else templated()
    formats = _formats(format_) or tuple(f for f in filled if f != "json")
    read_back = read(record)
    folder = out or record.parent
    pipeline.prepare_output(folder)
    written, failed = pipeline.write(read_back, folder, formats, template)
    for path in written:
        typer.echo(path)
    if failed:
        _print_error(failed)
        raise typer.Exit(UserError.exit_code)


@app.command()
def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="The record.json of an earlier run.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The record.json of a later run.")],
    format_: Annotated[str, typer.Option("--format", help="text, markdown, json, html or pdf.")] = "text",
    out: Annotated[Path | None, typer.Option("--out", help="File to write; by default standard output.")] = None,
    fail_on: Annotated[
        str, typer.Option("--fail-on", help="regression, to end with 1 where something got worse.")
    ] = "",
    margin: MarginOpt = 0.0,
) -> None:
    """Say what changed between two runs, and what got worse beyond noise; needs no model and no data."""
    from audit import pipeline
    from audit.record import read
    from audit.report import changes

    verdicts, stops = _stopping(fail_on)
    if verdicts:
        raise user_error(
            "A comparison cannot stop for a verdict",
            where="--fail-on",
            found=verdicts[0].value,
            expected=f"{pipeline.REGRESSION}, or none",
        )
    if format_ not in changes.FILES:
        raise user_error(
            "There is no such format", where="--format", found=format_, expected=f"one of {', '.join(changes.FILES)}"
        )
    if format_ == "pdf" and out is None:
        raise user_error(
            "A PDF needs a file", where="--out", found="no file", expected="--out FILE, such as --out changes.pdf"
        )
    comparison = pipeline.compared(read(old), read(new), margin=_margin(margin))
    if out is None:
        typer.echo(changes.render(comparison, format_).decode("utf-8"), nl=False)
    else:
        pipeline.save_changes(comparison, out, format_)
        typer.echo(out)
    raise typer.Exit(1 if stops and comparison.regressions else 0)


@app.command()
def verify(
    file: Annotated[
        Path, typer.Argument(metavar="RECORD|PDF", help="A record.json, or a report with its record in it.")
    ],
    record: Annotated[
        Path | None, typer.Option("--record", help="The record that the PDF must be the report on.")
    ] = None,
    evidence: Annotated[
        Path | None, typer.Option("--evidence", help="Folder written by run --evidence, or the store of the run.")
    ] = None,
    model: Annotated[Path | None, typer.Option("--model", help="Folder of the audited model.")] = None,
    policy: Annotated[Path | None, typer.Option("--policy", help="The policy file, its data beside it.")] = None,
    trust: Annotated[
        list[Path] | None, typer.Option("--trust", help="Certificate of a root that you trust; repeatable.")
    ] = None,
    history: Annotated[
        str | None, typer.Option("--history", metavar="URL", help="The history that the run was entered into.")
    ] = None,
    format_: Annotated[str, typer.Option("--format", help="text or json.")] = "text",
) -> None:
    """Say what can be shown of a record or a report, what is only said, and what is broken; needs no model."""
    from audit import verify as verifying
    from audit.verify import telling

    if format_ not in telling.FORMATS:
        expected = ", ".join(telling.FORMATS)
        raise user_error("There is no such format", where="--format", found=format_, expected=expected)
    given = verifying.gather(
        file,
        record=record,
        evidence=evidence,
        model=model,
        policy=policy,
        trust=tuple(trust or ()),
        history=history,
    )
    statements = verifying.verify(given)
    typer.echo(telling.FORMATS[format_](given, statements))
    raise typer.Exit(verifying.exit_code(statements))


# ---- policy --------------------------------------------------------------------------------------


@policy_app.command("validate")
def policy_validate(
    policies: Annotated[list[str], typer.Argument(metavar="POLICY...", help="Paths, or names of shipped policies.")],
    set_: SetOpt = None,
) -> None:
    """Check policies and their data; print every problem with its line."""
    from audit import pipeline

    failed = []
    for name in policies:
        try:
            policy = pipeline.read_policy(_policy_path(name), tuple(set_ or ()))
        except UserError as error:
            failed.append(error)
            continue
        rows = sum(len(d.rows) for d in policy.datasets.values())
        criteria = sum(len(c.criteria) for c in policy.checks)
        typer.echo(f"{policy.path}: valid ({len(policy.checks)} checks, {criteria} criteria, {rows:,} rows)")
    if failed:
        _print_error(failed)
        raise typer.Exit(UserError.exit_code)


@policy_app.command("show")
def policy_show(policy: PolicyArg, set_: SetOpt = None) -> None:
    """Print a policy as it would be used, and where each value comes from."""
    from audit import policy as policies
    from audit.registry import check_types

    typer.echo(policies.show(_policy_path(policy), check_types=check_types(), overrides=tuple(set_ or ())))


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
    typer.echo(f"{file}: valid ({len(kinds) - len(lacking)} of {len(kinds)} supplied)")
    for title in lacking:
        typer.echo(f"  not supplied: {title}")


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
    author: Annotated[str, typer.Option("--author", metavar="NAME", help="Who fixes the criteria, as stated.")] = "",
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="File to write; by default POLICY.frozen.json beside it."),
    ] = None,
) -> None:
    """Fix the criteria and data of a policy before a run; every run then prints what differs."""
    import datetime as dt

    from audit import pipeline
    from audit import policy as policies

    read = pipeline.read_policy(_policy_path(policy))
    typer.echo(f"wrote {policies.freeze(read, author=author, now=dt.datetime.now(dt.UTC), out=out)}")


policy_app.command("init")(policy_init)


# ---- model ---------------------------------------------------------------------------------------


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

    found = identify(model, _switches("auto", "auto", revision, allow_pickle, allow_remote_code))
    typer.echo(found.digest)
    for name, digest in sorted(found.files.items()) if files else ():
        typer.echo(f"{digest}  {printable(name)}")


# ---- store ---------------------------------------------------------------------------------------


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


# ---- sign ----------------------------------------------------------------------------------------


@app.command()
def sign(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A report (PDF), or an in-toto statement (JSON), as the tool wrote it."),
    ],
    key: Annotated[str, typer.Option("--key", metavar="KEY", help="PKCS#12, PEM or DER file, or a pkcs11: URI.")],
    certificate: Annotated[
        list[Path] | None,
        typer.Option("--certificate", help="The key's certificate and those above it, where KEY lacks them."),
    ] = None,
    passphrase_file: Annotated[
        Path | None, typer.Option("--passphrase-file", help="File that holds the key's passphrase; else it is asked.")
    ] = None,
    passphrase_env: Annotated[
        str | None, typer.Option("--passphrase-env", metavar="NAME", help="Environment variable that holds it.")
    ] = None,
    level: Annotated[
        str | None, typer.Option("--level", help="PAdES level: b-b, b-t or b-lta; by default the highest in reach.")
    ] = None,
    timestamp: Annotated[
        str, typer.Option("--timestamp", metavar="URL", help="Timestamp service (RFC 3161); without it no network.")
    ] = "",
    timestamp_required: Annotated[
        bool, typer.Option("--timestamp-required", help="Fail rather than sign at a lower level.")
    ] = False,
    trust: Annotated[
        list[Path] | None, typer.Option("--trust", help="Root certificates that you trust; may be repeated.")
    ] = None,
    name: Annotated[str, typer.Option("--name", help="Who signs, as they state it.")] = "",
    reason: Annotated[str, typer.Option("--reason", help="Why they sign.")] = "",
    location: Annotated[str, typer.Option("--location", help="Where they sign.")] = "",
    contact: Annotated[str, typer.Option("--contact", help="How to reach them.")] = "",
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write; by default beside FILE, as .signed.pdf or .dsse.json.")
    ] = None,
) -> None:
    """Sign a report (PAdES) or a statement (DSSE) with your own key."""
    from audit.signing import command, pades, passphrase

    wish = pades.Wish(
        stated=pades.Stated(name=name, reason=reason, location=location, contact=contact),
        level=pades.level(level),
        timestamp=timestamp,
        required=timestamp_required,
        trust=tuple(trust or ()),
    )
    secret = passphrase.asked(passphrase_file, passphrase_env)
    order = command.Order(file=file, key=key, secret=secret, certificates=tuple(certificate or ()), wish=wish, out=out)
    for line in command.lines(command.carry_out(order)):
        typer.echo(line)


# ---- demo, doctor --------------------------------------------------------------------------------


@app.command()
def demo(out: OutOpt = Path("build/demo"), store: StoreOpt = None) -> None:
    """Train a biased credit model and its clean twin, and audit both with the same policy."""
    from audit import demonstration

    failed = demonstration.run(out, _options(None, store), _progress())
    if failed:
        _print_error([failed])
        raise typer.Exit(UserError.exit_code)


@app.command()
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
    tallies = tests.examine(chosen, store=store, progress=_progress())
    for line in tests.lines(tallies):
        typer.echo(line)
    if out is not None:
        tests.write(tallies, out)
    if failed := tests.failures(tallies):
        _print_error([failed])
        raise typer.Exit(UserError.exit_code)


@app.command()
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
    switches = _switches(device, dtype, revision, allow_pickle, allow_remote_code)
    options = _options(set_, store)
    how = spiking.METHODS[train]
    made = spiking.run(
        _policy_path(policy), model, switches, options, only=check, method=how, seed=seed, progress=_progress()
    )
    binding.write(made, out / binding.FILE)
    for line in lines(made):
        typer.echo(printable(line))
    typer.echo(f"wrote {out / binding.FILE}")
    raise typer.Exit(0 if spiking.sees(made) else NOT_SEEN)


@app.command()
def doctor() -> None:
    """Say what this installation can do, and what it lacks."""
    from audit import health

    lines, sound = health.examine()
    for line in lines:
        typer.echo(line)
    raise typer.Exit(0 if sound else UserError.exit_code)


# ---- options -------------------------------------------------------------------------------------


def _options(
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
    from audit import pipeline

    if executor != "local":
        raise user_error("There is no such executor", where="--executor", found=executor, expected="local")
    return pipeline.Options(
        overrides=tuple(set_ or ()),
        fail_on=pipeline.FAIL_ON if fail_on is None else _verdicts(fail_on),
        fail_on_regression=fail_on is not None and _stopping(fail_on)[1],
        store=store,
        formats=_formats(formats) or pipeline.DEFAULT_FORMATS,
        executor=executor,
        history=history,
        directions=directions,
        evidence=evidence,
        spike=spike,
    )


def _verdicts(text: str) -> tuple[Verdict, ...]:
    return _stopping(text)[0]


def _stopping(text: str) -> tuple[tuple[Verdict, ...], bool]:
    """Return the verdicts that ``--fail-on`` names, and whether it names a regression."""
    from audit import pipeline

    names = [name for name in (name.strip() for name in text.split(",")) if name not in {"", "none"}]
    verdicts = pipeline.stopping((name for name in names if name != pipeline.REGRESSION), where="--fail-on")
    return verdicts, pipeline.REGRESSION in names


def _with_baseline(options: Options, baseline: Path | None, margin: float) -> Options:
    """Return the options with the baseline read: one that cannot be is found before any model is opened."""
    from dataclasses import replace

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
    return replace(options, baseline=read(baseline), margin=_margin(margin))


def _margin(given: float) -> float:
    if not 0 <= given < float("inf"):
        raise user_error(
            "The margin cannot be used",
            where="--margin",
            found=f"{given:g}",
            expected="a share of 0 or more, such as 0.1",
        )
    return given


def _formats(text: str | None) -> tuple[str, ...]:
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


def _policy_path(name: str) -> Path:
    """Return a policy's path; a bare name may be that of a shipped policy."""
    path = Path(name)
    if path.is_file():
        return path
    from audit.resources import near_here, shipped_policies

    shipped = {p.stem: near_here(p) for p in shipped_policies()}
    if name in shipped:
        return shipped[name]
    if path.exists():
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


def _switches(device: str, dtype: str, revision: str | None, allow_pickle: bool, allow_remote_code: bool) -> Switches:
    from audit.capture.model import Switches

    return Switches(
        device=device, dtype=dtype, revision=revision, allow_pickle=allow_pickle, allow_remote_code=allow_remote_code
    )


def _open(reference: str, policy: Policy, switches: Switches) -> LoadedModel:
    from audit.capture.model import open_model

    return open_model(reference, policy.task, switches)


def _progress() -> Any:
    from audit.terminal import progress

    return progress()


# ---- running and delivering ----------------------------------------------------------------------


def _audit(path: Path, load: Callable[[Policy], LoadedModel], options: Options) -> Record:
    from audit import pipeline

    try:
        return pipeline.run(path, load, options, progress=_progress())
    except KeyboardInterrupt:
        typer.echo(
            "\nBroken off. What was measured is kept: the same command goes on from here.",
            err=True,
        )
        raise typer.Exit(BROKEN_OFF) from None


def _deliver(record: Record, out: Path, options: Options) -> int:
    """Write everything, say what was found, and return the exit code."""
    from audit import pipeline
    from audit.report.terminal import terminal_summary

    record, unentered = pipeline.enter(record, options)
    written, failed = pipeline.write(record, out, options.formats)
    typer.echo(terminal_summary(record))
    if options.baseline is not None:
        more, missed = _deliver_changes(record, options.baseline, out, options)
        written, failed = [*written, *more], [*failed, *missed]
    for path in (*written, *_stored_directions(record, options)):
        typer.echo(f"wrote {path}")
    if record.history is not None:
        typer.echo(f"entered as run {record.history.number} of the history, head {record.history.head}")
    failed += unentered
    _print_error(failed)
    if unentered and "json" in options.formats:
        typer.echo(
            f"\nThe run is in no history. Enter it later: inspectoscope history add {out / 'record.json'}", err=True
        )
    return record.run.exit_code or (UserError.exit_code if failed else 0)


def _stored_directions(record: Record, options: Options) -> list[Path]:
    if options.directions is None:
        return []
    return [options.directions / found.file for part in record.checks for found in part.directions if found.file]


def _deliver_changes(
    record: Record, baseline: Record, out: Path, options: Options
) -> tuple[list[Path], list[UserError]]:
    """Write what changed since the baseline, and say it."""
    from audit import pipeline
    from audit.report import changes

    comparison = pipeline.compared(baseline, record, margin=options.margin)
    typer.echo(f"\n{changes.render(comparison, 'text').decode('utf-8')}")
    return pipeline.write_changes(comparison, out, options.formats)


def _print_error(errors: Sequence[UserError]) -> None:
    for error in errors:
        typer.echo(f"\n{error}", err=True)


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
        _print_error([error])
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
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False) -> None:
    if version:
        typer.echo(audit.__version__)
        raise typer.Exit(0)
