"""One way through the house: policy, plan, capture, checks, verdict, record, renderers.

Stages never import each other; this file holds their order and nothing else of weight.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import audit
from audit import diff, ledger, recording, redaction, report, verdict
from audit import plan as planning
from audit import policy as policies
from audit.errors import UserError, user_error
from audit.progress import Progress, Silent
from audit.record import Record, RunPart, SpikePart
from audit.registry import check_types
from audit.report import changes
from audit.requests import CheckRun
from audit.spike import binding
from audit.types import (
    Comparison,
    Direction,
    Finding,
    JudgedCheck,
    JudgedRequirement,
    NotAssessed,
    PlannedCheck,
    Policy,
    Verdict,
)

if TYPE_CHECKING:
    from audit.capture.cost import Cost
    from audit.capture.evidence import Seal, Used
    from audit.capture.model import LoadedModel, Switches
    from audit.capture.runs import Begun, Tried
    from audit.capture.scheduler import Scheduler

FAIL_ON = (Verdict.NOT_MET, Verdict.NOT_ASSESSED, Verdict.INCONCLUSIVE)
"""What stops a pipeline by default: too little data never reads as a pass."""

REGRESSION = "regression"
"""Stops a pipeline for what got worse than in a baseline, and for nothing else."""

CHANGE_FORMATS = ("json", "markdown", "html")
"""How a comparison with a baseline is written beside the reports; with a PDF of the report, as PDF too."""

DEFAULT_FORMATS = ("json", "html", "junit", "sarif", "summary", "pdf")
"""The PDF comes last, because it is the one that a missing system library can prevent."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to run, beside what to run."""

    overrides: tuple[str, ...] = ()
    """``key=value`` each, as with ``--set``."""
    fail_on: tuple[Verdict, ...] = FAIL_ON
    baseline: Record | None = None
    """An earlier run to compare with."""
    fail_on_regression: bool = False
    """Whether what got worse than in the baseline stops a pipeline."""
    margin: float = 0.0
    """Share of a bound's distance from no effect that a change must exceed to count as a regression."""
    store: Path | None = None
    directions: Path | None = None
    """Folder in which the directions that checks find are stored; None to store none."""
    formats: tuple[str, ...] = DEFAULT_FORMATS
    executor: str = "local"
    provider: Path | None = None
    """File of facts that the provider states, in place of the one that the policy may name."""
    history: str | None = None
    """Where the finished record is entered: ``default``, a file or a URL."""
    evidence: Path | None = None
    """Where to keep a copy of the evidence; None leaves it in the store alone."""
    spike: Path | None = None
    """A file made by ``spike``: effects of known size in copies of the model."""


def stopping(names: Iterable[str], *, where: str, besides: Sequence[str] = ()) -> tuple[Verdict, ...]:
    """Return the verdicts that stop a pipeline; ``besides`` are other words that may stand in their list.

    Raises
    ------
    UserError
        When a name is none of them; ``where`` says where it was given.
    """
    names = tuple(names)
    stoppable = [v.value for v in Verdict if v is not Verdict.MET]
    if unknown := [name for name in names if name not in stoppable]:
        raise user_error(
            "The verdicts to stop for cannot be read",
            where=where,
            found=unknown[0],
            expected=f"none, or some of {', '.join((*stoppable, *besides))}",
        )
    return tuple(Verdict(name) for name in names)


def compared(old: Record, new: Record, *, margin: float = 0.0) -> Comparison:
    """Compare two runs; raises ``UserError`` when they have no check in common."""
    return diff.compare(old, new, margin=margin)


# ---- the whole way -------------------------------------------------------------------------------


def run(
    policy_path: Path,
    load: Callable[[Policy], LoadedModel],
    options: Options,
    *,
    progress: Progress | None = None,
    clock: Callable[[], datetime] | None = None,
) -> Record:
    """Audit a model: read the policy, ask the model, judge, and put the record together.

    Parameters
    ----------
    load
        Opens the model once the policy says what it is for.

    Raises
    ------
    UserError
        When the policy, the data, the model or the environment cannot be used.
    """
    from audit.capture import portable, runs, store
    from audit.capture.cost import Cost

    progress, clock = progress or Silent(), clock or runs.utc_now
    cost, started_at = Cost(), clock()
    if options.evidence is not None:
        portable.prepare(options.evidence)
    policy, spiked, loaded = _opened(policy_path, load, options, cost)
    root = options.store or store.default_root()
    begun = runs.begin(root, tried(policy, loaded, options), clock=clock)
    if begun.interruptions:
        progress.note(f"going on with the run that was broken off; begun {begun.created}")
    scheduler, outcomes = capture(policy, loaded, root, progress, cost)
    with cost.stage("evidence"):
        check_unchanged(loaded, root)
        seal = keep_evidence(policy, loaded, root, scheduler.evidence.reader.used, options.evidence)
    with cost.stage("verdict"):
        judged, requirements = judge(policy, outcomes)
    record = recording.record(
        policy=policy,
        loaded=loaded,
        begun=begun,
        checks=tuple(
            recording.check_part(c, outcomes[c.id], judged[c.id], scheduler.access[c.id]) for c in policy.checks
        ),
        requirements=requirements,
        self_test=scheduler.self_test,
        spiked=spiked,
        run=_run_part(policy, judged, options, begun),
        seal=seal,
        cost=recording.cost_part(cost, loaded, begun, started_at, clock()),
    )
    if options.directions is not None:
        _store_directions(record, outcomes, options.directions)
    if options.baseline is not None:
        record = against(options.baseline, record, options)
    runs.finish(root, begun, verdict=ledger.worst_of(record), exit_code=record.run.exit_code, clock=clock)
    listed = record.model_copy(update={"runs": ledger.known(policy.id, root, begun, options.history)})
    return redaction.sealed(listed)


def _opened(
    policy_path: Path, load: Callable[[Policy], LoadedModel], options: Options, cost: Cost
) -> tuple[Policy, SpikePart | None, LoadedModel]:
    """Read everything that is given and open the model: what cannot be used ends the run before it costs anything."""
    from audit.capture.model import check_decision

    with cost.stage("policy"):
        policy = read_policy(policy_path, options.overrides, options.provider)
        if options.baseline is not None:
            diff.require_common(options.baseline, [check.id for check in policy.checks])
        spiked = None if options.spike is None else binding.read(options.spike)
    with cost.stage("opening the model"):
        loaded = load(policy)
        check_decision(loaded, policy.decision, policy.decision_place)
    return policy, spiked, loaded


def _run_part(policy: Policy, judged: Mapping[str, JudgedCheck], options: Options, begun: Begun) -> RunPart:
    return RunPart(
        seed=policy.seed,
        fail_on=(*options.fail_on, *((REGRESSION,) if options.fail_on_regression else ())),
        exit_code=verdict.exit_code(verdict.counting(judged, policy.waivers), options.fail_on),
        executor=options.executor,
        number=begun.number,
    )


def against(baseline: Record, record: Record, options: Options) -> Record:
    """Return the record with its baseline named, and with exit code 1 where a regression is to stop the pipeline."""
    comparison = compared(baseline, record, margin=options.margin)
    stops = options.fail_on_regression and bool(comparison.regressions)
    run = record.run.model_copy(
        update={
            "baseline": comparison.old.record_sha256,
            "regressions": len(comparison.regressions),
            "exit_code": 1 if stops else record.run.exit_code,
        }
    )
    return record.model_copy(update={"run": run})


def read_policy(path: Path, overrides: Sequence[str] = (), provider: Path | None = None) -> Policy:
    """Read a policy with the checks that are installed."""
    return policies.load(path, check_types=check_types(), overrides=overrides, provider=provider)


def capture(
    policy: Policy, loaded: LoadedModel, root: Path, progress: Progress, cost: Cost
) -> tuple[Scheduler, dict[str, Finding | NotAssessed]]:
    """Run every check of a policy against a model; return what each found."""
    from audit.capture.executors.local import LocalExecutor
    from audit.capture.scheduler import Scheduler
    from audit.capture.store import Store

    store = Store(root, loaded.context)
    try:
        scheduler = Scheduler(executor=LocalExecutor(loaded), store=store, progress=progress, cost=cost)
        scheduler.evidence.keep_rows(policy.datasets.values())
        outcomes = scheduler.run({check.id: started(check, policy) for check in policy.checks})
        _remember_rates(store.folder, cost)
    finally:
        store.close()
    return scheduler, {
        name: recording.bound(outcome, loaded.identity.digest, audit.__version__) for name, outcome in outcomes.items()
    }


def check_unchanged(loaded: LoadedModel, root: Path) -> None:
    """Look at the model again, now that it was asked for the last time.

    What was measured is kept, but apart: which answers came from which of the two models nobody can tell.

    Raises
    ------
    UserError
        When the model is no longer the one that was opened: then there is no verdict to write down.
    """
    changed = loaded.changed()
    if not changed:
        return
    from audit.capture.store import set_aside
    from audit.capture.stored import folder_of

    kept = set_aside(root, folder_of(root, loaded.context))
    more = f" and {len(changed) - 4} more" if len(changed) > 4 else ""
    raise user_error(
        "The run is void: the model changed under the audit",
        where=loaded.name,
        found=f"changed since the run began: {', '.join(changed[:4])}{more}",
        expected=f"the model with the digest {loaded.identity.digest} from beginning to end",
        do=f"run the audit again on a model that nobody writes to; the answers lie in {kept} and are not used again",
    )


def keep_evidence(policy: Policy, loaded: LoadedModel, root: Path, used: Used, folder: Path | None) -> Seal:
    """Return what stands for the answers that were used, and copy them into a folder where one is given."""
    from audit.capture import evidence, portable, stored

    answers = stored.opened(stored.folder_of(root, loaded.context))
    try:
        seal = evidence.seal(answers, used)
        if folder is not None:
            portable.write(folder, store=answers, used=used, seal=seal, context=loaded.context, policy=policy)
    finally:
        answers.close()
    return seal


def judge(
    policy: Policy, outcomes: Mapping[str, Finding | NotAssessed]
) -> tuple[dict[str, JudgedCheck], tuple[JudgedRequirement, ...]]:
    """Judge what the checks of a policy found."""
    metrics = {check.id: {m.name: m for m in recording.metrics_of(check)} for check in policy.checks}
    return verdict.judge(outcomes, policy.checks, policy.hazards, metrics)


def started(check: PlannedCheck, policy: Policy) -> CheckRun:
    """Start one check: its generator, with its own stream of random numbers."""
    kind = check_types()[check.check]
    return kind.run(check.params, policy.datasets[check.data], policy.decision, np.random.default_rng(check.seed))


def prepare_history(options: Options) -> None:
    """See that the record can be entered into the history, before anything is computed.

    Raises
    ------
    UserError
        When the history cannot be reached, or is none.
    """
    if options.history is not None:
        from audit import history

        history.look(options.history)


def enter(record: Record, options: Options) -> tuple[Record, list[UserError]]:
    """Enter a finished record into the history, and return it with its place there.

    It comes before the reports, which print the place. A history that cannot be written keeps no report from
    being made: the record is returned as it is, with the error.
    """
    if options.history is None:
        return record, []
    from audit import history

    try:
        (entered,) = history.add(options.history, [record])
    except UserError as error:
        return record, [error]
    return entered, []


def write(
    record: Record, out: Path, formats: Sequence[str], template: str = report.TECHNICAL
) -> tuple[list[Path], list[UserError]]:
    """Write the record and its reports; one that cannot be made does not keep the others from being written."""
    written, failed = [], []
    for name in formats:
        path = out / report.FORMATS[name].file_for(template)
        try:
            save(record, path, name, template)
        except UserError as error:
            failed.append(error)
            continue
        written.append(path)
    return written, failed


def save(record: Record, path: Path, name: str, template: str = report.TECHNICAL) -> None:
    """Write one report.

    Raises
    ------
    UserError
        When it cannot be made, or the disk is full: under the report, or under what it is laid out in, as is said.
    """
    save_as(path, lambda: report.render(record, name, template=template))


def write_changes(comparison: Comparison, out: Path, formats: Sequence[str]) -> tuple[list[Path], list[UserError]]:
    """Write a comparison beside the reports of a run; one that cannot be made does not keep the others back."""
    written, failed = [], []
    for name in (*CHANGE_FORMATS, *(("pdf",) if "pdf" in formats else ())):
        path = out / changes.FILES[name]
        try:
            save_changes(comparison, path, name)
        except UserError as error:
            failed.append(error)
            continue
        written.append(path)
    return written, failed


def save_changes(comparison: Comparison, path: Path, name: str) -> None:
    """Write a comparison in one format; raises as ``save`` does."""
    save_as(path, lambda: changes.render(comparison, name))


def save_content(path: Path, content: bytes) -> None:
    """Write a file that was made of a record; raises as ``save`` does."""
    save_as(path, lambda: content)


def save_as(path: Path, content: Callable[[], bytes]) -> None:
    """Write what a function makes, whole or not at all; raises ``UserError`` where it cannot be made or written."""
    try:
        made = content()
    except OSError as error:
        raise user_error(
            "A report cannot be made",
            where=str(error.filename or f"making {path.name}"),
            found=error.strerror or str(error),
            expected="what the report is made with: the templates and fonts of this installation",
            do="look at that file; `inspectoscope doctor` says what is missing",
        ) from error
    try:
        _write_whole(path, made)
    except OSError as error:
        raise user_error(
            "A report cannot be written",
            where=str(path),
            found=error.strerror or str(error),
            expected="a folder with room for the report",
            do="make room or give another folder with --out; stored answers are reused, so the same command is quick",
        ) from error


def prepare_output(out: Path, option: str = "--out") -> None:
    """Make the output folder before anything is computed.

    Raises
    ------
    UserError
        When nothing can be written there.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".inspectoscope"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise user_error(
            "The output folder cannot be written",
            where=str(out),
            found="a file" if os.path.isfile(out) else error.strerror or str(error),  # noqa: PTH113
            expected="a folder that you may write to",
            do=f"give another one with {option}",
        ) from error


def _write_whole(path: Path, content: bytes) -> None:
    """Replace a file at once, so that nobody reads half a report."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


# ---- planning ------------------------------------------------------------------------------------


def plan(policy_path: Path, reference: str, switches: Switches, options: Options) -> planning.Plan:
    """Count what an audit would cost; run nothing."""
    from audit.capture import store
    from audit.capture.counting import first_round, rates, weights_bytes
    from audit.capture.model import check_decision, open_model

    policy = read_policy(policy_path, options.overrides)
    loaded = open_model(reference, policy.task, switches, weights=False)
    check_decision(loaded, policy.decision, policy.decision_place)
    types = check_types()
    later = {c.id: types[c.check].later_rounds(c.params, policy.datasets[c.data]) for c in policy.checks}
    with_store = store.Store(options.store or store.default_root(), loaded.context)
    try:
        first = first_round({c.id: started(c, policy) for c in policy.checks}, loaded, with_store)
        speeds = rates(with_store.folder)
    finally:
        with_store.close()
    return planning.plan(
        policy,
        planning.FirstRound(**first),
        later,
        planning.Rates(**speeds),
        weights_bytes=weights_bytes(loaded),
    )


# ---- the parts of a record -----------------------------------------------------------------------


def tried(policy: Policy, loaded: LoadedModel, options: Options) -> Tried:
    """Return what the list of runs notes of a run that begins."""
    from audit.capture.runs import Tried

    return Tried(
        key=run_key(policy, loaded, options),
        policy=policy.id,
        model=loaded.identity.digest,
        policy_version=policy.version,
        policy_sha256=policy.sha256,
        changed=tuple(policy.overrides),
    )


def run_key(policy: Policy, loaded: LoadedModel, options: Options) -> str:
    """Return a digest of everything that decides what a run will find."""
    parts = {
        "policy": policy.sha256,
        "overrides": dict(policy.overrides),
        "files": dict(policy.files),
        "data": {name: data.card.sha256 for name, data in policy.datasets.items()},
        "context": dict(loaded.context),
        "fail_on": [*options.fail_on, *((REGRESSION,) if options.fail_on_regression else ())],
        "tool": audit.__version__,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _store_directions(record: Record, outcomes: Mapping[str, Finding | NotAssessed], folder: Path) -> None:
    """Store what was found here; what was read from a file has one."""
    from audit.capture.directions import store_directions

    named: dict[str, Direction] = {}
    for part in record.checks:
        outcome = outcomes[part.id]
        found = outcome.directions if isinstance(outcome, Finding) else ()
        named |= {said.file: direction for said, direction in zip(part.directions, found, strict=True) if said.file}
    store_directions(folder, named)


def _remember_rates(folder: Path, cost: Cost) -> None:
    from audit.capture.counting import remember_rates

    remember_rates(folder, cost)
