"""The whole way of a cut: measure, split, fit on one half, write the copy, measure both on the other half.

The copy is saved, opened again and asked like any model. It lies in a folder beside the one that was asked for until
everything about it is known, and takes its name in one step: whoever finds a folder of that name finds all of it.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import audit
from audit import pipeline
from audit.errors import user_error
from audit.progress import Progress
from audit.pruning import baking, fitting, held_out, measuring, outcome, sites, wording
from audit.pruning.fitting import Fitted, Linear
from audit.pruning.held_out import Halves
from audit.pruning.measuring import Bench, Measured
from audit.pruning.outcome import Behaviour, NothingToCut, Pruned, RandomCut
from audit.types import Finding, Measurement, NotAssessed, Part, PlannedCheck, Policy

if TYPE_CHECKING:
    from audit.capture.model import LoadedModel, Switches

BEHAVIOUR = "counterfactual"
"""The check type whose swap says what is to be cut."""

_GAP, _SIZE = "score_gap", "absolute_gap"


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


@dataclass(frozen=True, kw_only=True)
class _Target:
    """The gaps that are to be cut: of one attribute, all in one metric."""

    attribute: str
    metric: str
    groups: tuple[str, ...]
    left: tuple[str, ...] = ()
    """Other attributes with a gap, which this cut is not about."""


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
    from audit.capture.model import check_decision, open_model

    refuse_existing(save)
    policy = pipeline.read_policy(policy_path, options.overrides)
    check = _chosen(policy, how.check)
    loaded = open_model(reference, policy.task, switches)
    check_decision(loaded, policy.decision, policy.decision_place)
    sites.refuse_quantised(loaded)
    root = options.store or store.default_root()
    target = _target(policy, check, loaded, root, progress)
    if isinstance(target, NothingToCut):
        return target
    rng = np.random.default_rng([how.seed, check.seed])
    parts = held_out.halves(check, target.attribute, policy.datasets[check.data], rng)
    fitted = _fitted(policy, check, target, parts, loaded, how, rng, progress)
    bench = _bench(policy, check, target, parts, how, progress)
    before = measuring.measure(bench, loaded, root)
    base, dtype = loaded.identity.digest, loaded.context["dtype"]
    del loaded

    def fresh() -> LoadedModel:
        return open_model(reference, policy.task, switches)

    with _beside(save) as folder:
        _write_copy(fresh(), fitted, folder)
        as_it = replace(switches, dtype=dtype, allow_pickle=False, revision=None)
        copy = open_model(str(folder), policy.task, as_it)
        with tempfile.TemporaryDirectory(prefix="inspectoscope-prune-", ignore_cleanup_errors=True) as scratch:
            after = measuring.measure(bench, copy, Path(scratch) / "copy")
            digest = copy.identity.digest
            del copy
            randoms = _randoms(bench, fitted, target, before, fresh, how, rng, Path(scratch))
        behaviours = _behaviours(target, before, after)
        costs = measuring.costs(bench, before, after, how.margin)
        changed, of = measuring.changed_decisions(bench, before, after)
        made = Pruned(
            made_on=(clock or runs.utc_now)().date().isoformat(),
            tool=audit.__version__,
            seed=how.seed,
            base_model=reference,
            base_digest=base,
            copy_digest=digest,
            dtype=dtype,
            policy=policy.id,
            policy_sha256=policy.sha256,
            overrides=policy.overrides,
            check=check.id,
            attribute=target.attribute,
            rows={
                "all": len(policy.datasets[check.data].rows),
                "fitted": len(parts.fitted),
                "held_out": len(parts.measured),
            },
            cut=fitted.said,
            at_least=how.at_least,
            margin=how.margin,
            behaviours=behaviours,
            costs=costs,
            changed_decisions=changed,
            reference_cases=of,
            random=randoms,
            not_assessed=after.found.reason if isinstance(after.found, NotAssessed) else "",
            reduced=outcome.reduced(behaviours, how.at_least),
            equivalence=outcome.equivalence(costs),
            limits=_limits(policy, target, parts, fitted, how),
        )
        (folder / outcome.FILE).write_text(outcome.document(made), encoding="utf-8")
        (folder / "PRUNED.md").write_text(wording.markdown(made), encoding="utf-8")
    return made


# ---- before anything is cut ----------------------------------------------------------------------


def refuse_existing(save: Path) -> None:
    """Raise ``UserError`` where something has the name already: nothing is ever overwritten."""
    if save.exists() or save.is_symlink():
        raise user_error(
            "The edited model cannot be saved",
            where="--save",
            found=f"{save} exists",
            expected="a folder that does not exist yet: nothing is overwritten",
            do="give another name, or move what is there",
        )


def _chosen(policy: Policy, name: str | None) -> PlannedCheck:
    possible = [check for check in policy.checks if check.check == BEHAVIOUR]
    chosen = next((check for check in possible if name in {None, check.id}), None)
    if chosen is None:
        raise user_error(
            "There is no behaviour to cut",
            where=policy.path if name is None else "--check",
            found=f"no check of the type {BEHAVIOUR}" if name is None else f"{name!r}",
            expected=f"a check of the type {BEHAVIOUR}, whose swap says what is to be cut"
            + (f": {', '.join(check.id for check in possible)}" if possible else ""),
        )
    if not policy.decision.decides:
        raise user_error(
            "The behaviour cannot be cut",
            where=policy.decision_place,
            found="a decision by the likelihood of whole texts, which every token has a part in",
            expected="classes or answers: a place in the text at which the decision is read",
        )
    return chosen


def _target(
    policy: Policy, check: PlannedCheck, loaded: LoadedModel, root: Path, progress: Progress
) -> _Target | NothingToCut:
    """Say which gaps the original shows on all rows."""
    from audit.capture.cost import Cost

    data = policy.datasets[check.data]
    _, outcomes = pipeline.capture(measuring.restricted(policy, check, data), loaded, root, progress, Cost())
    found = outcomes[check.id]
    if isinstance(found, NotAssessed):
        raise user_error(
            "The behaviour cannot be measured",
            where=check.place,
            found=f"not assessed: {found.reason}",
            expected="a model that does the task, on rows that show whether it does",
        )
    bounds = {metric: bound for c in check.criteria for metric, bound in c.bounds.items() if c.relation == "at_most"}
    attribute_of = _attributes(check, policy)
    shown = [m for m in _comparisons(found, _GAP) if _shows(m, bounds.get(_GAP, 0.0))]
    if not shown and _SIZE in bounds:
        # Gaps that cancel in the mean: each is as wrong as if it stood alone.
        shown = [m for m in _comparisons(found, _SIZE) if (m.low if m.low is not None else m.value) > bounds[_SIZE]]
    if not shown:
        return NothingToCut(check=check.id, reasons=tuple(_said(m) for m in _comparisons(found, _GAP)))
    largest = max(shown, key=lambda m: abs(m.value))
    attribute = attribute_of[largest.group]
    return _Target(
        attribute=attribute,
        metric=largest.metric,
        groups=tuple(m.group for m in shown if attribute_of[m.group] == attribute),
        left=tuple(sorted({attribute_of[m.group] for m in shown} - {attribute})),
    )


def _comparisons(found: Finding, metric: str) -> list[Measurement]:
    return [m for m in found.measurements if m.metric == metric and not m.stratum]


def _shows(gap: Measurement, bound: float) -> bool:
    """Whether a gap is told from nothing, and not shown to lie within what the policy allows."""
    low, high = (gap.value if x is None else x for x in (gap.low, gap.high))
    return not low <= 0 <= high and not (-bound <= low and high <= bound)


def _said(gap: Measurement) -> str:
    interval = "every case" if gap.low is None else f"95 % interval {gap.low:+.4f} to {gap.high:+.4f}"
    return f"“{gap.group}” against {gap.reference}: mean score gap {gap.value:+.4f} ({interval})"


def _attributes(check: PlannedCheck, policy: Policy) -> dict[str, str]:
    from audit.checks._swaps import comparisons

    data = policy.datasets[check.data]
    return {c.group: name for name, swap in check.params.swap.items() for c in comparisons(swap, (), data)}


# ---- fitting and writing -------------------------------------------------------------------------


def _fitted(
    policy: Policy,
    check: PlannedCheck,
    target: _Target,
    parts: Halves,
    loaded: LoadedModel,
    how: How,
    rng: np.random.Generator,
    progress: Progress,
) -> Fitted:
    from audit.checks._swaps import comparisons

    data = held_out.only(policy.datasets[check.data], parts.fitted)
    swap = check.params.swap[target.attribute]
    every = [c for c in comparisons(swap, (), data) if c.group in target.groups]
    # One of several reference values is compared with the others too, but is what the rest is brought to.
    cases = [c for c in every if c.group not in swap.reference] or every
    if not cases:
        raise user_error(
            "There are too few rows to cut by",
            where=check.place,
            found=f"no case of {', '.join(target.groups)} in the half that cuts are fitted on",
            expected="cases on both halves",
            do="give more rows, or another --seed",
        )
    if isinstance(how.cut, tuple):
        return fitting.of_parts(loaded, how.cut, cases, progress)
    return fitting.linear(loaded, how.cut, cases, parts.unit[list(parts.fitted)], rng, progress)


def _bench(policy: Policy, check: PlannedCheck, target: _Target, parts: Halves, how: How, progress: Progress) -> Bench:
    data = held_out.only(policy.datasets[check.data], parts.measured)
    return Bench(
        policy=measuring.restricted(policy, check, data),
        check=check,
        attribute=target.attribute,
        neutral=how.neutral,
        progress=progress,
    )


@contextmanager
def _beside(save: Path) -> Iterator[Path]:
    """Give a new folder that takes the name ``save`` when all went well, and is gone otherwise."""
    folder = save.with_name(f".{save.name}.{secrets.token_hex(4)}")
    try:
        try:
            folder.mkdir(parents=True)
            yield folder
            refuse_existing(save)
            folder.rename(save)
        except OSError as error:
            raise user_error(
                "The edited model cannot be saved",
                where="--save",
                found=f"{error.strerror or error} ({save.parent})",
                expected="a folder that you may write to, with room for the model",
                do="make room or give another folder",
            ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write_copy(loaded: LoadedModel, fitted: Fitted, folder: Path) -> None:
    """Cut a model that nobody asked yet, and save it: passes leave traces in a configuration."""
    from safetensors import SafetensorError
    from transformers.utils import logging

    baking.bake(loaded, fitted.cut, fitted.texts[:2])
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        loaded.model.save_pretrained(folder)
        loaded.tokenizer.save_pretrained(folder)
        for path in folder.iterdir():
            # Weights are written through a private temporary file, and would stay unreadable to others.
            path.chmod((folder / "config.json").stat().st_mode)
    except SafetensorError as error:
        raise OSError(str(error)) from error
    finally:
        if bars:
            logging.enable_progress_bar()


# ---- what it did ---------------------------------------------------------------------------------


def _behaviours(target: _Target, before: Measured, after: Measured) -> tuple[Behaviour, ...]:
    every = [measuring.behaviour(target.metric, group, before, after) for group in target.groups]
    found = tuple(b for b in every if b is not None)
    if not found:
        reason = before.found.reason if isinstance(before.found, NotAssessed) else "no case is left"
        raise user_error(
            "The behaviour cannot be measured on the rows held out",
            where="data",
            found=f"not assessed: {reason}",
            expected="enough rows for two halves that show the task each",
        )
    return found


def _randoms(
    bench: Bench,
    fitted: Fitted,
    target: _Target,
    before: Measured,
    fresh: Callable[[], LoadedModel],
    how: How,
    rng: np.random.Generator,
    scratch: Path,
) -> tuple[RandomCut, ...]:
    """Measure matched cuts that know nothing of the behaviour; they are held in memory and never saved."""
    from audit.capture.model import adopt

    out = []
    for number in range(how.randoms):
        loaded = fresh()
        cut = fitted.random(loaded, rng, bench.progress)
        if cut is None:
            break
        baking.bake(loaded, cut, fitted.texts[:2])
        random = adopt(loaded.model, loaded.tokenizer, loaded.task)
        after = measuring.measure(bench, random, scratch / f"random{number}")
        gaps = [measuring.behaviour(target.metric, group, before, after) for group in target.groups]
        out.append(
            RandomCut(
                remaining=tuple(
                    None if b is None or b.after is None or not b.before.value else b.after.value / b.before.value
                    for b in gaps
                ),
                changes={c.name: c.change.value for c in measuring.costs(bench, before, after, how.margin)},
                changed_decisions=measuring.changed_decisions(bench, before, after)[0],
            )
        )
        bench.progress.note(f"matched random cut {number + 1} of {how.randoms} measured")
    return tuple(out)


def _limits(policy: Policy, target: _Target, parts: Halves, fitted: Fitted, how: How) -> tuple[str, ...]:
    """Say what these numbers do not show, for this cut of this model."""
    out = [
        "The gap was measured on the cases of this policy. On other texts, attributes and wordings it was not.",
        "What is smaller here may be read from the states by a model that is not linear, and may return with training.",
    ]
    if parts.shared:
        out.append(f"Values of {', '.join(parts.shared)} stand on both halves: kept apart they left too few units.")
    if target.left:
        out.append(f"Gaps by {', '.join(target.left)} are not what was cut; the audit of the copy measures them.")
    if isinstance(how.cut, tuple):
        if not fitted.said.constant:
            out.append("The matrices of these parts have no bias, so that what the parts wrote on average is gone too.")
    elif not fitted.said.constant:
        out.append(f"{fitted.said.site} has no bias, so the cut is a linear map without a constant.")
    if policy.task == "causal-lm":
        out.append(
            "The cut was fitted where the answer begins. It applies to every token that the copy reads or writes, and "
            + (
                "its perplexity was measured on the neutral texts alone."
                if how.neutral
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
