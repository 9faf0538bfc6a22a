"""The whole way of a cut: measure, split, fit on one half, write the copy, measure both on the other half.

The copy is saved, opened again and asked like any model. It lies in a folder beside the one that was asked for until
everything about it is known, and takes its name in one step: whoever finds a folder of that name finds all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import audit
from audit import pipeline
from audit.checks._rewriting.swapping import comparisons
from audit.errors import user_error
from audit.progress import Progress
from audit.pruning import baking, fitting, held_out, measuring, outcome, sites, targets, wording, writing
from audit.pruning.fitting import Fitted, Linear
from audit.pruning.held_out import Halves
from audit.pruning.measuring import Bench, Measured
from audit.pruning.outcome import Behaviour, NothingToCut, Pruned, RandomCut
from audit.pruning.targets import Target
from audit.types import Dataset, NotAssessed, Part, PlannedCheck, Policy

if TYPE_CHECKING:
    from audit.capture.model import LoadedModel, Switches

PAGE = "PRUNED.md"
"""What the cut did, in words, for whoever finds the folder."""


@dataclass(frozen=True, kw_only=True)
class How:
    """What is to be cut, how, and what counts as done."""

    cut: Linear | tuple[Part, ...] = "repaired"
    check: str | None = None
    """Id of the counterfactual check; by default the policy's first."""
    at_least: float = 0.8
    margin: float = 0.01
    randoms: int = 5
    seed: int = 0
    neutral: tuple[str, ...] = field(default=(), repr=False)
    """Texts that have nothing to do with the behaviour, for the perplexity of a causal model."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Job:
    """One cut, once it is known that there is something to cut."""

    how: How
    policy: Policy
    check: PlannedCheck
    target: Target
    parts: Halves
    reference: str
    """Of the original: what it was asked for by."""
    base_digest: str
    dtype: str
    fresh: Callable[[], LoadedModel]
    """Opens the original, which may then be changed in memory."""
    rng: np.random.Generator
    progress: Progress
    clock: Callable[[], datetime]

    @property
    def data(self) -> Dataset:
        """All rows."""
        return self.policy.datasets[self.check.data]

    def bench(self) -> Bench:
        """Return what is asked of every model on the rows held out."""
        rows = held_out.only(self.data, self.parts.measured)
        return Bench(
            policy=measuring.restricted(self.policy, self.check, rows),
            check=self.check,
            attribute=self.target.attribute,
            neutral=self.how.neutral,
            progress=self.progress,
        )


def run(
    policy_path: Path,
    reference: str,
    save: Path,
    switches: Switches,
    options: pipeline.Options,
    how: How,
    *,
    progress: Progress,
    clock: Callable[[], datetime] | None = None,
) -> Pruned | NothingToCut:
    """Cut a behaviour out of a copy of a model, and measure what that did.

    Parameters
    ----------
    reference
        Folder or hub id of the model, which is read and never written.
    save
        Folder that the copy is to take; it must not exist.

    Raises
    ------
    UserError
        When the policy, the data, the model, the folder or the environment cannot be used.
    """
    from audit.capture import runs, store
    from audit.capture.model import open_model

    writing.refuse_existing(save)
    policy = pipeline.read_policy(policy_path, options.overrides)
    root = options.store or store.default_root()
    prepared = _prepared(policy, reference, switches, root, how, progress, clock or runs.utc_now)
    if isinstance(prepared, NothingToCut):
        return prepared
    with writing.beside(save) as folder:
        writing.write_copy(prepared.job.fresh(), prepared.fitted.cut, prepared.fitted.texts[:2], folder, save)
        as_it = replace(switches, dtype=prepared.job.dtype, allow_pickle=False, revision=None)
        made = _measured(prepared, open_model(str(folder), policy.task, as_it))
        said = {outcome.FILE: outcome.document(made), PAGE: wording.markdown(made)}
        writing.write_texts(said, folder, save)
    return made


@dataclass(frozen=True, kw_only=True, eq=False)
class _Prepared:
    """A cut that is fitted, and what the original did on the rows held out; the original itself is closed."""

    job: _Job
    fitted: Fitted
    before: Measured


def _prepared(
    policy: Policy,
    reference: str,
    switches: Switches,
    root: Path,
    how: How,
    progress: Progress,
    clock: Callable[[], datetime],
) -> _Prepared | NothingToCut:
    """Open the original, see what there is to cut, fit the cut on one half and measure the original on the other."""
    from audit.capture.model import check_decision, open_model

    check = targets.chosen(policy, how.check)
    loaded = open_model(reference, policy.task, switches)
    check_decision(loaded, policy.decision, policy.decision_place)
    sites.refuse_quantised(loaded)
    target = targets.target(policy, check, loaded, root, progress)
    if isinstance(target, NothingToCut):
        return target
    rng = np.random.default_rng([how.seed, check.seed])
    job = _Job(
        how=how,
        policy=policy,
        check=check,
        target=target,
        parts=held_out.halves(check, target.attribute, policy.datasets[check.data], rng),
        reference=reference,
        base_digest=loaded.identity.digest,
        dtype=loaded.context["dtype"],
        fresh=lambda: open_model(reference, policy.task, switches),
        rng=rng,
        progress=progress,
        clock=clock,
    )
    fitted = _fitted(job, loaded)
    before = measuring.measure(job.bench(), loaded, root)
    _refuse_unmeasured(before)
    return _Prepared(job=job, fitted=fitted, before=before)


def _fitted(job: _Job, loaded: LoadedModel) -> Fitted:
    data = held_out.only(job.data, job.parts.fitted)
    swap = job.check.params.swap[job.target.attribute]
    every = [c for c in comparisons(swap, (), data) if c.group in job.target.groups]
    # One of several reference values is compared with the others too, but is what the rest is brought to.
    cases = [c for c in every if c.group not in swap.reference] or every
    if not cases:
        raise user_error(
            "There are too few rows to cut by",
            where=job.check.place,
            found=f"no case of {', '.join(job.target.groups)} in the half that cuts are fitted on",
            expected="cases on both halves",
            do="give more rows, or another --seed",
        )
    if isinstance(job.how.cut, tuple):
        return fitting.of_parts(loaded, job.how.cut, cases, job.progress)
    unit = job.parts.unit[list(job.parts.fitted)]
    return fitting.linear(loaded, job.how.cut, cases, unit, job.rng, job.progress)


def _refuse_unmeasured(before: Measured) -> None:
    if isinstance(before.found, NotAssessed):
        raise user_error(
            "The behaviour cannot be measured on the rows held out",
            where="data",
            found=f"not assessed: {before.found.reason}",
            expected="enough rows for two halves that show the task each",
        )


# ---- what it did ---------------------------------------------------------------------------------


def _measured(prepared: _Prepared, copy: LoadedModel) -> Pruned:
    """Measure the copy, and matched random cuts beside it."""
    job, fitted, before = prepared.job, prepared.fitted, prepared.before
    bench = job.bench()
    with writing.scratch() as scratch:
        after = measuring.measure(bench, copy, scratch / "copy")
        randoms = tuple(_randoms(job, fitted, before, scratch))
    behaviours = _behaviours(job.target, before, after)
    costs = measuring.costs(bench, before, after, job.how.margin)
    changed, of = measuring.changed_decisions(bench, before, after)
    rows = {"all": len(job.data.rows), "fitted": len(job.parts.fitted), "held_out": len(job.parts.measured)}
    return Pruned(
        made_on=job.clock().date().isoformat(),
        tool=audit.__version__,
        seed=job.how.seed,
        base_model=job.reference,
        base_digest=job.base_digest,
        copy_digest=copy.identity.digest,
        dtype=job.dtype,
        policy=job.policy.id,
        policy_sha256=job.policy.sha256,
        overrides=job.policy.overrides,
        check=job.check.id,
        attribute=job.target.attribute,
        rows=rows,
        cut=fitted.said,
        at_least=job.how.at_least,
        margin=job.how.margin,
        behaviours=behaviours,
        costs=costs,
        changed_decisions=changed,
        reference_cases=of,
        random=randoms,
        not_assessed=after.found.reason if isinstance(after.found, NotAssessed) else "",
        reduced=outcome.reduced(behaviours, job.how.at_least),
        equivalence=outcome.equivalence(costs),
        limits=_limits(job, fitted),
    )


def _behaviours(target: Target, before: Measured, after: Measured) -> tuple[Behaviour, ...]:
    every = [measuring.behaviour(target.metric, group, before, after) for group in target.groups]
    found = tuple(b for b in every if b is not None)
    if not found:
        raise user_error(
            "The behaviour cannot be measured on the rows held out",
            where="data",
            found=f"no case of {', '.join(target.groups)} in the half that is measured on",
            expected="cases on both halves",
            do="give more rows, or another --seed",
        )
    return found


def _randoms(job: _Job, fitted: Fitted, before: Measured, scratch: Path) -> list[RandomCut]:
    """Measure matched cuts that know nothing of the behaviour; they are held in memory and never saved."""
    from audit.capture.model import adopt

    bench, out = job.bench(), list[RandomCut]()
    for number in range(job.how.randoms):
        loaded = job.fresh()
        cut = fitted.random(loaded, job.rng, job.progress)
        if cut is None:
            break
        baking.bake(loaded, cut, fitted.texts[:2])
        after = measuring.measure(bench, adopt(loaded.model, loaded.tokenizer, loaded.task), scratch / str(number))
        out.append(
            RandomCut(
                remaining=tuple(_left(b) for b in _behaviours(job.target, before, after)),
                changes={c.name: c.change.value for c in measuring.costs(bench, before, after, job.how.margin)},
                changed_decisions=measuring.changed_decisions(bench, before, after)[0],
            )
        )
        job.progress.note(f"matched random cut {number + 1} of {job.how.randoms} measured")
    return out


def _left(gap: Behaviour) -> float | None:
    return None if gap.after is None or not gap.before.value else gap.after.value / gap.before.value


def _limits(job: _Job, fitted: Fitted) -> tuple[str, ...]:
    """Say what these numbers do not show, for this cut of this model."""
    out = [
        "The gap was measured on the cases of this policy. On other texts, attributes and wordings it was not.",
        "What is smaller here may be read from the states by a model that is not linear, and may return with training.",
    ]
    if job.parts.shared:
        out.append(f"Values of {', '.join(job.parts.shared)} stand on both halves: kept apart they left too few units.")
    if job.target.left:
        out.append(f"Gaps by {', '.join(job.target.left)} are not what was cut; the audit of the copy measures them.")
    if isinstance(job.how.cut, tuple):
        if not fitted.said.constant:
            out.append("The matrices of these parts have no bias, so that what the parts wrote on average is gone too.")
    elif not fitted.said.constant:
        out.append(f"{fitted.said.site} has no bias, so the cut is a linear map without a constant.")
    if job.policy.task == "causal-lm":
        out.append(
            "The cut was fitted where the answer begins. It applies to every token that the copy reads or writes, and "
            + (
                "its perplexity was measured on the neutral texts alone."
                if job.how.neutral
                else "its perplexity was not assessed: no neutral texts were given."
            )
        )
    return tuple(out)


def neutral_texts(path: Path, most: int = 2000) -> tuple[str, ...]:
    """Read texts, one a line.

    Raises
    ------
    UserError
        When the file cannot be read or holds none.
    """
    try:
        with path.open(encoding="utf-8") as file:
            lines = [line.strip() for _, line in zip(range(most), file, strict=False)]
    except (OSError, UnicodeDecodeError) as error:
        found = getattr(error, "strerror", None) or str(error)
        raise user_error(
            "The neutral texts cannot be read", where=str(path), found=found, expected="UTF-8 text, one text a line"
        ) from error
    texts: Sequence[str] = [line for line in dict.fromkeys(lines) if line]
    if not texts:
        raise user_error(
            "The neutral texts cannot be read", where=str(path), found="no text", expected="one text a line"
        )
    return tuple(texts)
