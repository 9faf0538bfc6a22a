"""How often a comparison of two runs is wrong: changes reported where there are none, and changes missed.

The same toy model is audited twice through the shipped checks, on rows drawn with different seeds or on the same
rows; then a model that was made worse by a stated amount is audited beside it. What can be enumerated is
enumerated: the test of events on the same rows, against every way in which they could have changed.

    python benchmarks/diff.py [--quick]

prints a table and, as its last line, one JSON object.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np
from _shared import finish
from scipy.special import ndtri
from scipy.stats import binom

from audit import diff, verdict
from audit.checks import _stats, _toy
from audit.diff import contrasts
from audit.record import CheckPart, ModelPart, PolicyPart, Record, RunPart, Tool
from audit.registry import check_types
from audit.types import (
    ALPHA,
    Comparison,
    Criterion,
    DataCard,
    Dataset,
    Decision,
    Finding,
    Hazard,
    Measurement,
    Metric,
    NotAssessed,
    Person,
    Place,
    PlannedCheck,
    Row,
    Shift,
    TextTemplate,
    Worse,
    rows_digest,
)

SEED = 20261123
PAIRS_OF_NAMES = 200
POOL = 10_000
ROWS = 400
JOBS = ("baker", "clerk", "cook", "mason", "nurse")
PLACE = Place(path="simulated", line=1)

AMOUNT_OTHER_ROWS = 0.3
"""Logits taken from women: the change that at least 95 of 100 comparisons of different rows must report."""

AMOUNT_SAME_ROWS = 0.05
"""The same for comparisons on the same rows."""

AMOUNT_CLOSED = 1.0
"""Logits that the old model takes from women and the new one does not."""

SAMPLED = 0.3
"""Standard deviation, in logits, by which sampled answers to the same text differ."""


# ---- a population, a model and a policy ----------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Sampled(_toy.Toy):
    """A toy whose answers are sampled: each text has noise of its own, which another seed draws anew."""

    seed: int

    def logit(self, words: Iterable[str]) -> float:
        """Return the log-odds of approval, with the noise of this seed."""
        told = tuple(words)
        digest = blake2b(f"{self.seed} {told}".encode(), digest_size=8).digest()
        noise = ndtri((int.from_bytes(digest, "big") + 0.5) / 2.0**64)
        return _toy.Toy.logit(self, told) + SAMPLED * float(noise)


@dataclass(frozen=True, kw_only=True)
class World:
    """A pool of applicants, and the weights of the words that a model reads."""

    rows: tuple[Row, ...]
    template: TextTemplate
    weights: Mapping[str, float]
    women: tuple[str, ...]
    pairs: tuple[Mapping[str, str], ...]

    def model(self, penalty: float = 0.0, *, seed: int | None = None) -> _toy.Toy:
        """Return the model; ``penalty`` is taken from the log-odds of women, ``seed`` samples its answers."""
        weights = {**self.weights, **{name: self.weights[name] - penalty for name in self.women}}
        return _toy.Toy(weights=weights) if seed is None else Sampled(weights=weights, seed=seed)

    def sample(self, rng: np.random.Generator, rows: int = ROWS) -> Dataset:
        """Draw rows from the pool without replacement."""
        drawn = tuple(self.rows[i] for i in sorted(rng.permutation(len(self.rows))[:rows].tolist()))
        card = DataCard(
            name="applicants",
            source="simulated",
            sha256="",
            origin="synthetic",
            licence="CC0-1.0",
            rows_read=len(self.rows),
            rows_used=len(drawn),
            rows_sha256=rows_digest(drawn),
        )
        return Dataset(
            name="applicants",
            rows=drawn,
            template=self.template,
            groups=("sex",),
            legitimate=("income",),
            cluster=("name",),
            card=card,
        )


def world(rng: np.random.Generator) -> World:
    """Make the pool: names, jobs and single cases each have an effect of their own, so that scores scatter."""
    template = TextTemplate("{name} {income} {debt} {job} {case}")
    women, men = ([f"{sex}{i}" for i in range(PAIRS_OF_NAMES)] for sex in ("f", "m"))
    weights: dict[str, float] = {**_toy.MERIT}
    weights |= dict(zip((*women, *men), rng.normal(0, 0.15, 2 * PAIRS_OF_NAMES).tolist(), strict=True))
    weights |= dict(zip(JOBS, rng.normal(0, 0.1, len(JOBS)).tolist(), strict=True))
    weights |= {f"case{i}": float(x) for i, x in enumerate(rng.normal(0, 0.8, POOL))}
    rows = []
    for i in range(POOL):
        sex, number = ("female", "male")[i % 2], int(rng.integers(PAIRS_OF_NAMES))
        income, debt = (str(rng.choice(_toy.LEVELS)) for _ in range(2))
        fields = {
            "name": (women if sex == "female" else men)[number],
            "sex": sex,
            "income": f"income_{income}",
            "debt": f"debt_{debt}",
            "job": str(rng.choice(JOBS)),
            "case": f"case{i}",
        }
        text, spans = template.render(fields)
        label = _toy.MERIT[fields["income"]] + _toy.MERIT[fields["debt"]] + weights[f"case{i}"] > 0
        rows.append(Row(text=text, fields=fields, spans=spans, label=bool(label), place=PLACE))
    pairs = tuple({"female": f, "male": m} for f, m in zip(women, men, strict=True))
    return World(rows=tuple(rows), template=template, weights=weights, women=tuple(women), pairs=pairs)


def planned(world: World) -> tuple[PlannedCheck, ...]:
    """Return the checks of the policy: swapped names, swapped jobs, outcomes at equal income."""
    return (
        _planned(
            "swap-sex",
            "counterfactual",
            {"swap": {"sex": {"from": "name", "pairs": list(world.pairs)}}, "strata": ["income"]},
            {
                "score_gap": {"score_gap": 0.02, "absolute_gap": 0.05, "stratum_gap": 0.03},
                "flip_rate": {"flip_rate": 0.1},
            },
        ),
        _planned(
            "swap-job",
            "counterfactual",
            {"swap": {"job": {"from": "job", "values": list(JOBS), "reference": ["cook"]}}},
            {"score_gap": {"score_gap": 0.05, "absolute_gap": 0.08}, "flip_rate": {"flip_rate": 0.1}},
        ),
        _planned(
            "outcomes",
            "group_outcomes",
            {},
            {
                "selection_gap_within_strata": {"selection_gap_within_strata": 0.1},
                "score_gap_within_strata": {"score_gap_within_strata": 0.1},
            },
        ),
    )


def _planned(
    name: str, check: str, params: Mapping[str, object], criteria: Mapping[str, Mapping[str, float]]
) -> PlannedCheck:
    return PlannedCheck(
        id=name,
        check=check,
        title="",
        data="applicants",
        params=check_types()[check].params.model_validate(params),
        criteria=tuple(
            Criterion(
                metric=metric,
                relation="at_most",
                bounds=bounds,
                rationale="simulated",
                set_by=Person(),
                approved_by=Person(),
                place=PLACE,
            )
            for metric, bounds in criteria.items()
        ),
        seed=1,
        place=PLACE,
    )


# ---- audits --------------------------------------------------------------------------------------


def audited(checks: Sequence[PlannedCheck], data: Dataset, model: _toy.Toy, *, seed: int = 1) -> Record:
    """Audit a toy as the pipeline audits a model: measure with the real checks, judge, make a record."""
    found: dict[str, Finding | NotAssessed] = {
        check.id: _toy.drive(
            check_types()[check.check].run(check.params, data, _toy.DECISION, np.random.default_rng(seed)), model
        )
        for check in checks
    }
    metrics = {check.id: _metrics(check) for check in checks}
    hazard = Hazard(id="unequal", text="unequal treatment", checks=tuple(c.id for c in checks), place=PLACE)
    judged, requirements = verdict.judge(
        found, checks, (hazard,), {c: {m.name: m for m in ms} for c, ms in metrics.items()}
    )
    parts = []
    for check in checks:
        outcome, kind = found[check.id], check_types()[check.check]
        finding = outcome if isinstance(outcome, Finding) else Finding()
        parts.append(
            CheckPart(
                id=check.id, check=check.check, version=kind.version, title=kind.title, place=PLACE, data=check.data,
                params={}, seed=check.seed, verdict=judged[check.id].verdict, reason=judged[check.id].reason,
                metrics=metrics[check.id], method={}, measurements=finding.measurements,
                criteria=judged[check.id].criteria, validity_checks=outcome.validity,
            )
        )  # fmt: skip
    return Record(
        tool=Tool(version="simulated"), created="2026-11-23T10:00:00+00:00",
        policy=PolicyPart(
            id="simulated", version="1", title="Simulated", purpose="", path="simulated.yaml", sha256="", source="",
            overrides={}, files={},
        ),
        model=ModelPart(
            name="toy", kind="loaded", task="sequence-classification", architecture={}, files={}, digest=str(seed),
            dtype="float32", device="cpu", attention="none",
            decision=Decision(kind="classes", positive="approve", negative="deny"), remote_code=False, pickle=False,
            self_test="",
        ),
        environment={}, data=(data.card,), checks=tuple(parts), requirements=requirements, limits=(),
        run=RunPart(seed=seed, fail_on=(), exit_code=0, executor="local", number=1), cost=None,
    )  # fmt: skip


def _metrics(check: PlannedCheck) -> tuple[Metric, ...]:
    kind = check_types()[check.check]
    allowed = kind.judgeable(check.params)
    return tuple(replace(metric, descriptive=metric.name not in allowed) for metric in kind.metrics)


@dataclass(frozen=True, kw_only=True)
class Tally:
    """How many comparisons reported something worse, and what they rest on."""

    pairs: int
    reported: int
    better: int
    tests: int
    gap: float
    """Mean over the pairs by which the mean score gap of women moved."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """Two audits to compare: what differs between them."""

    penalty: float = 0.0
    """Logits that the new model takes from women."""
    before: float = 0.0
    """The same of the old model."""
    same_rows: bool = False
    sampled: bool = False
    """Whether answers are sampled, with another seed in each audit."""
    rows: int = ROWS
    margin: float = 0.0

    def __str__(self) -> str:
        model = f"worse by {self.penalty:g} logits" if self.penalty else "the same model"
        model = f"a gap of {self.before:g} logits that closed" if self.before > self.penalty else model
        return f"{model}, {'the same' if self.same_rows else 'other'} rows" + ", sampled answers" * self.sampled


def comparisons(case: Case, pairs: int, checks: Sequence[str] = (), seed: int = SEED) -> Iterator[Comparison]:
    """Audit twice and compare, each pair on rows of its own; ``checks`` names those of the policy, by default all."""
    base = world(np.random.default_rng(SEED))
    policy = [check for check in planned(base) if not checks or check.id in checks]
    for pair in range(pairs):
        first, second = (np.random.default_rng([seed, pair, side]) for side in range(2))
        rows = base.sample(first, case.rows)
        again = rows if case.same_rows else base.sample(second, case.rows)
        seeds = (2 * pair, 2 * pair + 1) if case.sampled else (None, None)
        old = audited(policy, rows, base.model(case.before, seed=seeds[0]))
        new = audited(policy, again, base.model(case.penalty, seed=seeds[1]), seed=2)
        yield diff.compare(old, new, margin=case.margin)


def tally(those: Iterator[Comparison]) -> Tally:
    """Count what some comparisons say."""
    pairs = reported = better = tests = 0
    gaps = []
    for each in those:
        pairs += 1
        reported += bool(each.regressions)
        better += any(change.shift is Shift.BETTER for change in each.judged)
        tests = max(tests, each.tests)
        gaps += [c.difference for c in each.judged if (c.check, c.metric.name) == ("swap-sex", "score_gap")]
    return Tally(pairs=pairs, reported=reported, better=better, tests=tests, gap=float(np.mean(gaps)))


# ---- events on the same rows: enumerated ---------------------------------------------------------


def paired_p(rows: int, up: int, down: int) -> float:
    """Return the p-value for "worse" when ``up`` of ``rows`` events appeared and ``down`` vanished."""
    labels = ([str(i) for i in range(rows)],)
    before = np.arange(rows) < down
    after = (np.arange(rows) >= down) & (np.arange(rows) < down + up)
    metric = Metric(name="m", title="m", meaning="", reading="", unit="share", worse=Worse.HIGHER)
    old, new = (_measured(metric, events, labels) for events in (before, after))
    law = contrasts.paired(old, new, -1)
    assert law is not None
    return contrasts.p_greater(law, contrasts.step(old, new))


def _measured(metric: Metric, events: np.ndarray, labels: tuple[list[str]]) -> Measurement:
    return _stats.measure(metric, _stats.clustered_proportion(events, labels))


def paired_size(rows: int, changed: int, level: float) -> float:
    """Return the chance that the test of events calls ``changed`` of ``rows`` worse when each went either way."""
    ups = np.arange(changed + 1)
    p = np.array([paired_p(rows, int(up), changed - int(up)) for up in ups])
    return float(binom.pmf(ups, changed, 0.5)[p <= level].sum())


CASES = {
    "false_other_rows": Case(),
    "false_other_rows_sampled": Case(sampled=True),
    "false_same_rows_sampled": Case(same_rows=True, sampled=True),
    "worse_other_rows": Case(penalty=AMOUNT_OTHER_ROWS),
    "worse_same_rows": Case(penalty=AMOUNT_SAME_ROWS, same_rows=True),
    "worse_same_rows_sampled": Case(penalty=AMOUNT_OTHER_ROWS, same_rows=True, sampled=True),
    "closed_same_rows": Case(before=AMOUNT_CLOSED, same_rows=True),
}
"""What is compared, by the key of its figure."""


# ---- the benchmark -------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the simulations and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer pairs")
    parser.add_argument("--pairs", type=int, help="comparisons of each kind")
    options = parser.parse_args(arguments)
    pairs = options.pairs or (20 if options.quick else 400)
    began = time.perf_counter()
    figures: dict[str, object] = {"pairs": pairs}
    print(f"{'compared':<58}{'reported':>10}{'better':>10}{'tests':>8}{'gap moved by':>15}")
    for key, case in CASES.items():
        t = tally(comparisons(case, pairs))
        print(f"{case!s:<58}{t.reported:>6}/{t.pairs}{t.better:>10}{t.tests:>8}{t.gap:>15.4f}", flush=True)
        figures[key] = t.reported / t.pairs
    for rows in (40, 400):
        sizes = {(k, a): paired_size(rows, k, a) / a for k in range(1, 41) for a in (ALPHA, ALPHA / 30)}
        (changed, level), worst = max(sizes.items(), key=lambda item: item[1])
        print(f"events of {rows} rows: size over level at most {worst:.2f} ({changed} changed, level {level:.2g})")
        figures[f"paired_size_over_level_{rows}"] = round(worst, 2)
    figures["seconds"] = round(time.perf_counter() - began, 1)
    finish(figures)


if __name__ == "__main__":
    main()
