"""Records of two runs, made from values of rows: through the real estimators, judged by the real rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from audit import verdict
from audit.checks import _stats
from audit.record import CheckPart, ModelPart, PolicyPart, Record, RunPart, Tool
from audit.types import (
    Criterion,
    DataCard,
    Decision,
    Finding,
    Measurement,
    Metric,
    NotAssessed,
    Person,
    Place,
    PlannedCheck,
    Worse,
)

PLACE = Place(path="policy.yaml", line=3)
METRICS = (
    Metric(name="gap", title="Gap", meaning="", reading="{value}", unit="score", worse=Worse.AWAY, null=0.0),
    Metric(name="lead", title="Lead", meaning="", reading="{value}", unit="score", worse=Worse.HIGHER, null=0.0),
    Metric(name="ratio", title="Ratio", meaning="", reading="{value}", unit="", worse=Worse.LOWER, null=1.0),
    Metric(name="rate", title="Rate", meaning="", reading="{value}", unit="share", worse=Worse.HIGHER, null=0.0),
    Metric(name="accuracy", title="Accuracy", meaning="", reading="{value}", unit="share", worse=Worse.LOWER),
)
BY_NAME = {metric.name: metric for metric in METRICS}


@dataclass(frozen=True, kw_only=True)
class Made:
    """Makes measurements, checks and records."""

    def mean(self, values: Sequence[float] | np.ndarray, metric: str = "gap", **named: Any) -> Measurement:
        """Measure a mean; every value is a cluster of its own."""
        labels = ([f"row {i}" for i in range(len(values))],)
        estimate = _stats.clustered_mean(np.asarray(values, dtype=float), labels, reach=1.0)
        return _stats.measure(BY_NAME[metric], estimate, **named)

    def share(self, events: int, of: int, metric: str = "rate", **named: Any) -> Measurement:
        """Measure a proportion; the first rows are those in which it happened."""
        labels = ([f"row {i}" for i in range(of)],)
        return _stats.measure(BY_NAME[metric], _stats.clustered_proportion(np.arange(of) < events, labels), **named)

    def exact(self, value: float, metric: str = "rate", **named: Any) -> Measurement:
        """Make a value without sampling error."""
        return _stats.exact_value(BY_NAME[metric], value, 100, **named)

    def check(
        self,
        *measurements: Measurement,
        id: str = "swap",  # noqa: A002 - the record's word
        bounds: Mapping[str, float] | None = None,
        version: str = "1",
        outcome: NotAssessed | None = None,
        data: str = "rows",
    ) -> CheckPart:
        """Make a judged check: ``bounds`` are its criteria, all of them upper ones but that of accuracy."""
        criteria = tuple(
            Criterion(
                metric=name,
                relation="at_least" if name == "accuracy" else "at_most",
                bounds={name: bound},
                rationale="an example",
                set_by=Person(),
                approved_by=Person(),
                place=PLACE,
            )
            for name, bound in (bounds or {}).items()
        )
        planned = PlannedCheck(
            id=id, check="counterfactual", title="", data=data, params=None, criteria=criteria, seed=1, place=PLACE
        )
        found = outcome or Finding(measurements=measurements)
        judged, _ = verdict.judge({id: found}, [planned], (), {id: BY_NAME})
        return CheckPart(
            id=id, check="counterfactual", version=version, title=f"Check {id}", place=PLACE, data=data, params={},
            seed=1, verdict=judged[id].verdict, reason=judged[id].reason, metrics=METRICS, method={},
            measurements=() if outcome else measurements, criteria=judged[id].criteria,
        )  # fmt: skip

    def record(self, *checks: CheckPart, rows: str = "the same rows", **changed: Any) -> Record:
        """Make the record of a run."""
        card = DataCard(
            name="rows", source="rows.csv", sha256="a" * 64, origin="synthetic", licence="", rows_read=10, rows_used=10,
            rows_sha256=rows,
        )  # fmt: skip
        whole = Record(
            tool=Tool(version="0"), created="2026-11-20T10:00:00Z",
            policy=PolicyPart(
                id="small", version="1", title="A small policy", purpose="", path="policy.yaml", sha256="p", source="",
                overrides={}, files={},
            ),
            model=ModelPart(
                name="model", kind="folder", task="sequence-classification", architecture={"layers": 2},
                files={"a": "1", "b": "2"}, digest="d", dtype="float32", device="cpu", attention="eager",
                decision=Decision(kind="classes", positive="yes", negative="no"), remote_code=False, pickle=False,
                self_test="",
            ),
            environment={"torch": "2.0"}, data=(card,), checks=checks, requirements=(), limits=(),
            run=RunPart(seed=1, fail_on=(), exit_code=0, executor="local", number=1), cost=None,
        )  # fmt: skip
        return whole.model_copy(update=changed)


@pytest.fixture
def made() -> Made:
    """Make measurements, checks and records."""
    return Made()


@pytest.fixture
def without_pairs() -> Callable[[Measurement], Measurement]:
    """Take from a measurement what each cluster contributed."""
    return lambda m: replace(m, jackknife=None)
