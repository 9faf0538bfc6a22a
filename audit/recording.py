"""Puts the record of a run together from what the stages made."""

from __future__ import annotations

import platform
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import audit
from audit import policy as policies
from audit import qualification, traceability
from audit.record import (
    CheckPart,
    CostPart,
    DirectionPart,
    EvidencePart,
    ModelPart,
    PolicyPart,
    ProviderPart,
    Record,
    RunPart,
    SpikePart,
    Tool,
)
from audit.registry import check_types
from audit.spike import binding
from audit.types import (
    Direction,
    Finding,
    JudgedCheck,
    JudgedRequirement,
    Metric,
    NotAssessed,
    PlannedCheck,
    Policy,
)

if TYPE_CHECKING:
    from audit.capture.cost import Cost
    from audit.capture.evidence import Seal
    from audit.capture.model import LoadedModel
    from audit.capture.runs import Begun
    from audit.capture.scheduler import Access

NOTHING_ASKED = "not run: no check asked the model anything"
"""What the record says of the self-test where every check ended before its first request."""

SHAPES_NUMBERS = (
    "torch",
    "transformers",
    "tokenizers",
    "captum",
    "safetensors",
    "numpy",
    "scipy",
    "scikit-learn",
    "statsmodels",
    "pydantic",
    "weasyprint",
)
"""Packages whose versions the record names."""


def record(
    *,
    policy: Policy,
    loaded: LoadedModel,
    begun: Begun,
    checks: tuple[CheckPart, ...],
    requirements: tuple[JudgedRequirement, ...],
    self_test: str,
    spiked: SpikePart | None,
    run: RunPart,
    seal: Seal,
    cost: CostPart,
) -> Record:
    """Return the record of a finished run."""
    return Record(
        tool=Tool(version=audit.__version__),
        created=begun.created,
        policy=_policy_part(policy),
        freeze=policies.found_freeze(policy, begun.created),
        model=model_part(policy, loaded, self_test or NOTHING_ASKED),
        environment=environment(loaded),
        data=tuple(policy.datasets[name].card for name in policy.datasets),
        checks=checks,
        requirements=requirements,
        qualification=qualification.for_policy(policy, qualification.shipped()),
        spike=None
        if spiked is None
        else binding.for_run(spiked, policy, loaded.identity.digest, loaded.context["dtype"]),
        limits=policy.limits,
        regulations=traceability.regulations(policy),
        reaches=traceability.reaches(policy),
        provider=_provider_part(policy),
        run=run,
        evidence=EvidencePart(root=seal.root, answers=seal.answers, context=loaded.context),
        cost=cost,
    )


def metrics_of(check: PlannedCheck) -> tuple[Metric, ...]:
    """Return the metrics of a check, marked by what its parameters allow to be judged."""
    kind = check_types()[check.check]
    judged = kind.judgeable(check.params)
    return tuple(replace(metric, descriptive=metric.name not in judged) for metric in kind.metrics)


def _policy_part(policy: Policy) -> PolicyPart:
    return PolicyPart(
        id=policy.id,
        version=policy.version,
        title=policy.title,
        purpose=policy.purpose,
        path=policy.path,
        sha256=policy.sha256,
        source=policy.source,
        overrides=policy.overrides,
        files=policy.files,
        bases=policy.bases,
        authors=policy.authors,
        waivers=policy.waivers,
    )


def _provider_part(policy: Policy) -> ProviderPart | None:
    facts = policy.provider
    if facts is None:
        return None
    return ProviderPart(path=facts.path, sha256=facts.sha256, statements=facts.statements, coverage=facts.coverage)


def model_part(policy: Policy, loaded: LoadedModel, self_test: str) -> ModelPart:
    """Return what a record says of the model."""
    return ModelPart(
        name=loaded.name,
        revision=loaded.switches.revision,
        kind=loaded.kind,
        task=loaded.task,
        architecture=loaded.facts(),
        labels=loaded.labels,
        files=loaded.identity.files,
        digest=loaded.identity.digest,
        dtype=loaded.context["dtype"],
        device=loaded.context["device"],
        attention=loaded.context["attention"],
        decision=policy.decision,
        remote_code=loaded.switches.allow_remote_code,
        pickle=loaded.switches.allow_pickle,
        self_test=self_test,
    )


def check_part(
    check: PlannedCheck, outcome: Finding | NotAssessed, judged: JudgedCheck, access: AbstractSet[Access]
) -> CheckPart:
    """Return what the record says of a check."""
    kind = check_types()[check.check]
    found = outcome if isinstance(outcome, Finding) else Finding()
    return CheckPart(
        id=check.id,
        check=check.check,
        version=kind.version,
        title=check.title or kind.title,
        place=check.place,
        data=check.data,
        access=tuple(sorted(access)),
        params=check.params.model_dump(mode="json", by_alias=True),
        seed=check.seed,
        verdict=judged.verdict,
        reason=judged.reason,
        detail=outcome.detail if isinstance(outcome, NotAssessed) else "",
        metrics=metrics_of(check),
        method=kind.method,
        boxes=found.boxes,
        measurements=found.measurements,
        criteria=judged.criteria,
        validity_checks=outcome.validity,
        exhibits=found.exhibits,
        samples=outcome.samples,
        limits=found.limits,
        leaves_open=found.leaves_open,
        directions=tuple(_direction_part(check.id, direction) for direction in found.directions),
    )


def _direction_part(check: str, direction: Direction) -> DirectionPart:
    place = f"layer{direction.layer}-{direction.position}-{direction.estimator}"
    return DirectionPart(
        layer=direction.layer,
        position=direction.position,
        estimator=direction.estimator,
        positive=direction.positive,
        negative=direction.negative,
        unit=direction.unit,
        made_by=direction.made_by,
        rows=direction.rows,
        clusters=direction.clusters,
        width=direction.width,
        length=direction.length,
        digest=direction.digest,
        read_from=direction.read_from,
        file="" if direction.read_from else f"{check}-{place}.safetensors",
    )


def bound(outcome: Finding | NotAssessed, model_digest: str, tool: str) -> Finding | NotAssessed:
    """Say of directions that were found which model they belong to: a check does not know which one it asks."""
    if isinstance(outcome, NotAssessed):
        return outcome
    by = f"inspectoscope {tool}"
    directions = (d if d.read_from else replace(d, model_digest=model_digest, made_by=by) for d in outcome.directions)
    return replace(outcome, directions=tuple(directions))


def versions() -> dict[str, str]:
    """Return the versions of what shapes the numbers, on this machine."""
    out = {"python": platform.python_version(), "platform": f"{platform.system()} {platform.machine()}"}
    for name in SHAPES_NUMBERS:
        try:
            out[name] = version(name)
        except PackageNotFoundError:
            out[name] = "absent"
    return out


def environment(loaded: LoadedModel) -> dict[str, str]:
    """Return the versions and settings that shaped a model's numbers."""
    return versions() | {key: loaded.context[key] for key in ("device", "dtype", "attention")}


def cost_part(cost: Cost, loaded: LoadedModel, begun: Begun, started_at: datetime, finished: datetime) -> CostPart:
    """Return what the run cost, up to now."""
    from audit.capture.cost import peak_device_memory, peak_memory

    return CostPart(
        rows_asked=cost.rows_asked,
        unique_rows_asked=len(cost.unique),
        rows_from_store=cost.rows_from_store,
        rows_forward=cost.rows_forward,
        rows_backward=cost.rows_backward,
        tokens_forward=cost.tokens_forward,
        tokens_backward=cost.tokens_backward,
        attribution_texts=cost.attribution_texts,
        attribution_rows=cost.attribution_rows,
        seconds={name: round(seconds, 3) for name, seconds in cost.seconds.items()},
        peak_memory_bytes=peak_memory(),
        peak_device_memory_bytes=peak_device_memory(loaded.device),
        started=started_at.isoformat(timespec="seconds"),
        finished=finished.isoformat(timespec="seconds"),
        interruptions=begun.interruptions,
    )
