"""The demo: a credit model with planted bias and its clean twin, audited with the same policy."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from audit import pipeline
from audit.errors import Problem, UserError
from audit.progress import Progress
from audit.report.terminal import terminal_summary
from audit.resources import folder, near_here
from audit.types import Policy, Verdict

if TYPE_CHECKING:
    from audit.capture.model import LoadedModel

STRENGTH = 0.6
"""The biased model's approval probability for women is this much lower where a case is neither clear."""


def run(out: Path, options: pipeline.Options, progress: Progress) -> UserError | None:
    """Build both models, audit both, and write the reports; return what failed, if anything did."""
    from audit.organisms import CreditSpec, build

    pipeline.prepare_output(out)
    specs = {"biased": CreditSpec(kind="direct", strength=STRENGTH), "clean": CreditSpec(kind="clean")}
    policy = near_here(folder("policies") / "credit-decision.yaml")
    problems: list[Problem] = []
    for name, spec in specs.items():
        model = build(spec, progress=progress)
        progress.note(f"auditing the {name} model")
        target = out / name
        pipeline.prepare_output(target)
        record = pipeline.run(policy, partial(_open, model, f"{name} credit model (demo)"), options, progress=progress)
        written, failed = pipeline.write(record, target, options.formats)
        progress.note(terminal_summary(record))
        progress.note(f"wrote {', '.join(p.name for p in written)} to {target}")
        problems += [p for error in failed for p in error.problems]
        problems += _unexpected(name, [c.verdict for check in record.checks for c in check.criteria])
    return UserError("The demo did not come out as planted", problems) if problems else None


def _open(folder_: Path, name: str, policy: Policy) -> LoadedModel:
    """Open a model under a name of its own: a record that is renamed afterwards no longer has its digest."""
    from audit.capture.model import Switches, open_model

    # Models this small are slower on an accelerator than beside it.
    return replace(open_model(str(folder_), policy.task, Switches(device="cpu")), name=name)


def _unexpected(name: str, verdicts: list[Verdict]) -> list[Problem]:
    as_planted = Verdict.NOT_MET in verdicts if name == "biased" else set(verdicts) == {Verdict.MET}
    if as_planted:
        return []
    return [
        Problem(
            where=f"the {name} model",
            found=f"criteria came out as {', '.join(verdicts)}",
            expected="at least one criterion not met" if name == "biased" else "every criterion met",
            do="this is a defect of inspectoscope; please report it with the record",
        )
    ]
