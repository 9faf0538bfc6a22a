"""How often the instrument's statistics are wrong, measured where the truth is known.

Intervals should cover at least as often as they say; a verdict ``not_met`` should fall on a model that keeps its
bound in at most 2.5 % of audits; layers of noise should be called decodable in at most 5 %. What can be enumerated
is enumerated (every table of two proportions, every count of one); the rest is drawn, with a seed.

    python benchmarks/simulations.py [--quick]

prints a table and, as its last line, one JSON object.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit
from scipy.stats import binom

from audit import laws, verdict
from audit.checks import _probing, _stats
from audit.shapes import Bools, Floats, Ints
from audit.two_proportions import Contrast, corrected_score, plain_score
from audit.types import (
    ALPHA,
    Binomial,
    Criterion,
    Finding,
    Hazard,
    Measurement,
    Metric,
    Person,
    Place,
    PlannedCheck,
    TwoProportions,
    Verdict,
    Worse,
)

SEED = 20261018
HOLM_182 = ALPHA / 182
"""What Holm's correction asks of the smallest p-value among the ordered pairs of 14 groups."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One simulated or enumerated figure."""

    part: str
    case: str
    figure: float
    runs: int | None = None
    """None where everything was enumerated."""


# ---- one proportion: enumerated ------------------------------------------------------------------


def exact_coverage(n: int, p: float) -> tuple[float, float]:
    """Return the coverage of the exact interval at ``p``, and the smallest width it can have."""
    k = np.arange(n + 1)
    intervals = np.array([laws.interval(Binomial(successes=float(i), trials=float(n))) for i in k])
    covered = (intervals[:, 0] <= p) & (p <= intervals[:, 1])
    return float(binom.pmf(k, n, p)[covered].sum()), float(np.ptp(intervals, axis=1).min())


def exact_lines() -> Iterator[Line]:
    """Yield the coverage of the exact interval."""
    for n, p in itertools.product((30, 100, 1000), (0.0, 0.01, 0.1, 0.5)):
        yield Line(part="exact_coverage", case=f"one proportion, n {n}, p {p:g}", figure=exact_coverage(n, p)[0])


# ---- two proportions: enumerated -----------------------------------------------------------------

LAYOUTS = ((1, 1), (2, 3), (1, 300), (3, 40), (5, 5), (10, 10), (10, 60), (20, 300), (30, 30), (100, 100), (50, 1000))
NULLS: dict[Contrast, tuple[float, ...]] = {"difference": (0.0, 0.05, 0.1, 0.3, -0.5), "ratio": (0.5, 0.8, 1.0, 1.25)}


def size_over_level(n1: int, n0: int, contrast: Contrast, null: float, level: float, *, corrected: bool) -> float:
    """Return how much more often the test rejects than its level says, at the worst rate the null allows."""
    k1, k0 = np.meshgrid(np.arange(n1 + 1.0), np.arange(n0 + 1.0), indexing="ij")
    counts = np.stack([k1, np.full_like(k1, n1), k0, np.full_like(k0, n0)], axis=-1)[..., None, :]
    rare = np.geomspace(1e-5, 0.05, 40)
    p0 = np.concatenate([rare, np.linspace(0.05, 0.95, 91), 1 - rare])
    p1 = p0 + null if contrast == "difference" else p0 * null
    p0, p1 = p0[(p1 >= 0) & (p1 <= 1)], p1[(p1 >= 0) & (p1 <= 1)]
    chance1 = binom.pmf(np.arange(n1 + 1), n1, p1[:, None])
    chance0 = binom.pmf(np.arange(n0 + 1), n0, p0[:, None])
    worst = 0.0
    for tail in (1, -1):
        score = (
            corrected_score(counts, contrast, np.full(k1.shape, null), tail=tail)
            if corrected
            else tail * plain_score(counts, contrast, np.full(k1.shape, null))
        )
        rejected = (ndtr(-score) <= level).astype(float)
        worst = max(worst, float(((chance1 @ rejected) * chance0).sum(axis=1).max()))
    return worst / level


def score_lines(*, quick: bool) -> Iterator[Line]:
    """Yield the size of the score test over its level, plain and corrected, worst over rates and nulls."""
    layouts = LAYOUTS[:-2] if quick else LAYOUTS
    for corrected, level in itertools.product((False, True), (ALPHA, HOLM_182)):
        for n1, n0 in layouts:
            worst = max(
                size_over_level(a, b, contrast, null, level, corrected=corrected)
                for contrast, nulls in NULLS.items()
                for null in nulls
                for a, b in {(n1, n0), (n0, n1)}
            )
            name = "corrected" if corrected else "plain"
            yield Line(
                part=f"{name}_score_size_over_level", case=f"{n1} against {n0} rows, level {level:.2g}", figure=worst
            )


# ---- clustered rows: drawn -----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Design:
    """Rows in clusters: one label per way of clustering, and the noise they share."""

    labels: tuple[list[str], ...]
    codes: tuple[Ints, ...]


def one_way(rng: np.random.Generator, clusters: int, rows: int, *, unequal: bool = False) -> Design:
    """Return clusters of ``rows`` rows, or of very unequal size (the largest up to forty times the smallest)."""
    sizes = np.full(clusters, rows)
    if unequal:
        sizes = np.clip((rng.pareto(1.5, clusters) * rows / 2).astype(int), 1, 20 * rows)
    return _design(np.repeat(np.arange(clusters), sizes))


def crossed(first: int, second: int) -> Design:
    """Return every cluster of one kind crossed with every one of another, such as names and templates."""
    return _design(*np.divmod(np.arange(first * second), second))


def _design(*codes: Ints) -> Design:
    return Design(labels=tuple([str(c) for c in way] for way in codes), codes=codes)


def noise(rng: np.random.Generator, design: Design, shared: float) -> Floats:
    """Return normal noise of variance 1, of which clusters share the part ``shared``."""
    out: Floats = rng.normal(size=len(design.codes[0])) * np.sqrt(1 - shared)
    for way in design.codes:
        out += rng.normal(size=way.max() + 1)[way] * np.sqrt(shared / len(design.codes))
    return out


Draw = Callable[[np.random.Generator], tuple[float, _stats.Estimate]]
"""Draws one data set; returns the truth and its estimate."""


def mean_case(make: Callable[[np.random.Generator], Design], shared: float) -> Draw:
    """Return draws of a mean whose truth is 0."""

    def draw(rng: np.random.Generator) -> tuple[float, _stats.Estimate]:
        design = make(rng)
        return 0.0, _stats.clustered_mean(noise(rng, design, shared), design.labels, reach=5.0)

    return draw


def proportion_case(make: Callable[[np.random.Generator], Design], p: float, shared: float) -> Draw:
    """Return draws of a proportion ``p``."""

    def draw(rng: np.random.Generator) -> tuple[float, _stats.Estimate]:
        design = make(rng)
        return p, _stats.clustered_proportion(noise(rng, design, shared) < ndtri(p), design.labels)

    return draw


def _halves(design: Design) -> Bools:
    """Return a label that is constant within the first way of clustering, as a name's sex is."""
    side: Bools = design.codes[0] % 2 == 0
    return side


def auroc_case(make: Callable[[np.random.Generator], Design], area: float, shared: float) -> Draw:
    """Return draws of scores whose area under the ROC curve is ``area``."""

    def draw(rng: np.random.Generator) -> tuple[float, _stats.Estimate]:
        design = make(rng)
        labels = _halves(design)
        scores = noise(rng, design, shared) + labels * ndtri(area) * np.sqrt(2)
        return area, _stats.clustered_auroc(labels, scores, design.labels)

    return draw


def mixed_auroc_case(make: Callable[[np.random.Generator], Design], area: float, shared: float) -> Draw:
    """Return draws of an area whose label varies within clusters, as a statement's truth does within a topic."""

    def draw(rng: np.random.Generator) -> tuple[float, _stats.Estimate]:
        design = make(rng)
        labels = rng.permutation(len(design.codes[0])) % 2 == 0
        scores = noise(rng, design, shared) + labels * ndtri(area) * np.sqrt(2)
        return area, _stats.clustered_auroc(labels, scores, design.labels)

    return draw


def auroc_difference_case(
    make: Callable[[np.random.Generator], Design], first: float, second: float, shared: float
) -> Draw:
    """Return draws of the difference between two scores' areas, the scores correlated row by row."""

    def draw(rng: np.random.Generator) -> tuple[float, _stats.Estimate]:
        design = make(rng)
        labels, common = _halves(design), noise(rng, design, shared)
        a, b = (
            (common + noise(rng, design, shared)) / np.sqrt(2) + labels * ndtri(area) * np.sqrt(2)
            for area in (first, second)
        )
        return first - second, _stats.clustered_auroc_difference(labels, a, b, design.labels)

    return draw


def difference_case(make: Callable[[np.random.Generator], Design], p: float, shared: float) -> Draw:
    """Return draws of two groups that are selected alike, within three strata of different rates."""

    def draw(rng: np.random.Generator) -> tuple[float, _stats.Estimate]:
        design = make(rng)
        strata = rng.integers(0, 3, len(design.codes[0]))
        selected = noise(rng, design, shared) < ndtri(p) + (strata - 1) / 2
        found = _stats.stratified_difference(selected, _halves(design), [str(s) for s in strata], design.labels)
        assert found is not None, "every stratum holds both groups"
        return 0.0, found

    return draw


def _equal(rng: np.random.Generator) -> Design:
    return one_way(rng, 20, 20)


def _unequal(rng: np.random.Generator) -> Design:
    return one_way(rng, 30, 10, unequal=True)


def _forty(rng: np.random.Generator) -> Design:
    return one_way(rng, 40, 10)


def _crossed(_: np.random.Generator) -> Design:
    return crossed(20, 20)


def _forty_crossed(_: np.random.Generator) -> Design:
    return crossed(40, 20)


def cluster_cases() -> dict[str, Draw]:
    """Return the cases of at least 20 clusters whose coverage is promised."""
    return {
        "mean, 20 equal clusters": mean_case(_equal, 0.3),
        "mean, 30 very unequal clusters": mean_case(_unequal, 0.3),
        "mean, 20 names × 20 templates": mean_case(_crossed, 0.3),
        "mean, independent rows in 20 × 20": mean_case(_crossed, 0.0),
        "proportion .1, 20 equal clusters": proportion_case(_equal, 0.1, 0.2),
        "proportion .5, 20 equal clusters": proportion_case(_equal, 0.5, 0.2),
        "proportion .1, 30 very unequal clusters": proportion_case(_unequal, 0.1, 0.2),
        "proportion .01, 20 × 20": proportion_case(_crossed, 0.01, 0.2),
        "proportion .5, 20 × 20": proportion_case(_crossed, 0.5, 0.2),
        "AUROC .5, 20 names": auroc_case(_equal, 0.5, 0.3),
        "AUROC .9, 20 names": auroc_case(_equal, 0.9, 0.3),
        "AUROC .8, 30 very unequal names": auroc_case(_unequal, 0.8, 0.3),
        "AUROC .8, label varies within 20 names": mixed_auroc_case(_equal, 0.8, 0.3),
        "AUROC .8, 20 names × 20 templates": auroc_case(_crossed, 0.8, 0.3),
        "AUROC .8, label varies, 20 names × 20 templates": mixed_auroc_case(_crossed, 0.8, 0.3),
        "AUROC .8 minus AUROC .8, 20 names": auroc_difference_case(_equal, 0.8, 0.8, 0.3),
        "AUROC .9 minus AUROC .7, 20 names": auroc_difference_case(_equal, 0.9, 0.7, 0.3),
        "AUROC .9 minus AUROC .7, 20 names × 20 templates": auroc_difference_case(_crossed, 0.9, 0.7, 0.3),
        "AUROC .7, 40 names": auroc_case(_forty, 0.7, 0.3),
        "AUROC .9, 40 names": auroc_case(_forty, 0.9, 0.3),
        "AUROC .98, 40 names": auroc_case(_forty, 0.98, 0.3),
        "AUROC .8, 40 names × 20 templates": auroc_case(_forty_crossed, 0.8, 0.3),
        "difference of rates .5, 40 names": difference_case(_forty, 0.5, 0.2),
        "difference of rates .1, 40 names": difference_case(_forty, 0.1, 0.2),
        "difference of rates .5, 40 names × 20 templates": difference_case(_forty_crossed, 0.5, 0.2),
    }


def coverage(draw: Draw, runs: int, seed: int = SEED) -> tuple[float, float]:
    """Return the share of intervals that hold the truth, and the smallest width that was seen."""
    rng = np.random.default_rng(seed)
    covered, narrowest = 0, np.inf
    for _ in range(runs):
        truth, estimate = draw(rng)
        low, high = _stats.limits(estimate)
        covered += low <= truth <= high
        narrowest = min(narrowest, high - low)
    return covered / runs, float(narrowest)


def coverage_with_all_clusters(draw: Draw, runs: int, seed: int = SEED) -> float:
    """Return the coverage that t(clusters - 1) would have, whatever the clusters' sizes; means only."""
    rng = np.random.default_rng(seed)
    covered = 0
    for _ in range(runs):
        truth, estimate = draw(rng)
        law = estimate.law
        assert law.kind == "student_t"
        covered += abs(estimate.value - truth) <= stdtrit(estimate.clusters - 1, 1 - ALPHA) * law.se
    return covered / runs


def cluster_lines(runs: int) -> Iterator[Line]:
    """Yield the coverage of clustered intervals."""
    for case, draw in cluster_cases().items():
        yield Line(part="cluster_coverage", case=case, figure=coverage(draw, runs)[0], runs=runs)
    yield Line(
        part="with_t_of_all_clusters",
        case="mean, 30 very unequal clusters",
        figure=coverage_with_all_clusters(mean_case(_unequal, 0.3), runs),
        runs=runs,
    )


# ---- probes of noise: drawn -----------------------------------------------------------------------

NOISE_LAYERS, NOISE_NAMES, NOISE_ROWS, NOISE_WIDTH = 32, 24, 4, 24
NOISE_LEVEL = 0.05

Labelling = Literal["label of rows", "label constant in names", "label varies within names"]


def noise_p(labelling: Labelling, rng: np.random.Generator, layers: int = 0) -> float:
    """Return the corrected p-value of the best of some layers (by default 32) that hold noise alone.

    Layers share much of what they hold, as a residual stream does, and rows share the noise of their name.
    """
    name = np.repeat(np.arange(NOISE_NAMES), NOISE_ROWS)
    rows = len(name)
    shape = (rows, NOISE_WIDTH)
    of_name = np.zeros(shape) if labelling == "label of rows" else rng.normal(size=(NOISE_NAMES, NOISE_WIDTH))[name]
    if labelling == "label constant in names":
        labels = (rng.permutation(NOISE_NAMES) < NOISE_NAMES // 2)[name]
    else:
        labels = rng.permuted(np.tile(np.arange(NOISE_ROWS) % 2 == 0, (NOISE_NAMES, 1)), axis=1).ravel()
    clusters = None if labelling == "label of rows" else ([str(c) for c in name],)
    task = _probing.make_task(labels, clusters, rng=rng)
    null = _probing.make_null(task, draws=400, rng=rng)
    common = of_name + rng.normal(size=shape)
    states = {k: (common + rng.normal(size=shape)).astype(np.float32) for k in range(layers or NOISE_LAYERS)}
    pipeline = _probing.Pipeline(estimators=(), null=null)
    found = _probing.sweep(_probing.by_position({"last": states}), task, pipeline).decodable
    assert found is not None
    return found.p


def noise_lines(runs: int, layers: int = 0, seed: int = SEED) -> Iterator[Line]:
    """Yield how often noise is called decodable at the level .05."""
    for labelling in get_args(Labelling):
        rng = np.random.default_rng(seed)
        alarms = np.mean([noise_p(labelling, rng, layers) < NOISE_LEVEL for _ in range(runs)])
        case = f"noise, best of {layers or NOISE_LAYERS} layers, {labelling}"
        yield Line(part="false_alarm_rate", case=case, figure=float(alarms), runs=runs)


# ---- verdicts: drawn -----------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Audit:
    """A comparison of all ordered pairs of groups whose true rates keep the bound."""

    case: str
    rates: tuple[float, ...]
    n: int
    contrast: Contrast
    relation: Literal["at_most", "at_least"]
    bound: float


def _ratio(case: str, rates: tuple[float, ...], n: int) -> Audit:
    return Audit(case=f"{case}: ratio ≥ .8", rates=rates, n=n, contrast="ratio", relation="at_least", bound=0.8)


def _gap(case: str, rates: tuple[float, ...], n: int, bound: float) -> Audit:
    case = f"{case}: gap ≤ {bound:g}"
    return Audit(case=case, rates=rates, n=n, contrast="difference", relation="at_most", bound=bound)


def audits() -> Iterator[Audit]:
    """Yield audits of models that keep their bound, if only just."""
    for p in (0.05, 0.3, 0.5, 0.9):
        equal, at_bound = f"14 groups of 100, rate {p:g}, equal", f"14 groups of 100, rate {p:g}, half at the bound"
        yield _ratio(equal, (p,) * 14, 100)
        yield _ratio(at_bound, (p,) * 7 + (0.8 * p,) * 7, 100)
        yield _gap(equal, (p,) * 14, 100, 0.0)
        yield _gap(equal, (p,) * 14, 100, 0.1)
        if p > 0.1:
            yield _gap(at_bound, (p,) * 7 + (p - 0.1,) * 7, 100, 0.1)
    for n, p in itertools.product((30, 100, 1000), (0.3, 0.6)):
        yield _ratio(f"2 groups of {n}, rate {p:g}, at the bound", (p, 0.8 * p), n)


def verdict_rates(audit: Audit, runs: int, seed: int = SEED) -> tuple[float, float]:
    """Return the share of audits that end not met, and of audits in which some pair is cleared wrongly.

    A pair is cleared wrongly when it lies at the bound and is shown to keep it.
    """
    rng = np.random.default_rng(seed)
    counts = rng.binomial(audit.n, audit.rates, size=(runs, len(audit.rates)))
    pairs = np.array(list(itertools.permutations(range(len(audit.rates)), 2)))
    p_bad, p_good = _p_tables(audit)
    first, second = counts[:, pairs[:, 0]], counts[:, pairs[:, 1]]
    bad = p_bad[first, second]
    alarms = np.mean([min(verdict.holm(row.tolist())) <= ALPHA for row in bad])
    rates = np.array(audit.rates)
    true = (
        rates[pairs[:, 0]] - rates[pairs[:, 1]]
        if audit.contrast == "difference"
        else rates[pairs[:, 0]] / rates[pairs[:, 1]]
    )
    at_bound = np.isclose(true, audit.bound)
    cleared = (p_good[first, second] <= ALPHA)[:, at_bound].mean() if at_bound.any() else 0.0
    return float(alarms), float(cleared)


def _p_tables(audit: Audit) -> tuple[Floats, Floats]:
    """Return the two p-values of a pair for every pair of counts: groups are equally large."""
    k1, k0 = np.meshgrid(np.arange(audit.n + 1.0), np.arange(audit.n + 1.0), indexing="ij")
    counts = np.stack([k1, np.full_like(k1, audit.n), k0, np.full_like(k0, audit.n)], axis=-1)[..., None, :]
    greater, less = (
        ndtr(-corrected_score(counts, audit.contrast, np.full(k1.shape, audit.bound), tail=tail)) for tail in (1, -1)
    )
    if audit.contrast == "ratio":
        # Without a selected case in the reference group there is no ratio, and no hypothesis.
        greater, less = (np.where(k0 > 0, p, 1.0) for p in (greater, less))
    return (greater, less) if audit.relation == "at_most" else (less, greater)


def judged(audit: Audit, counts: Sequence[int]) -> Verdict | None:
    """Return the verdict of one audit, through the same code that judges a record."""
    metric = Metric(
        name="compared",
        title="Compared",
        meaning="Rates compared.",
        reading="{value}",
        unit="share",
        worse=Worse.HIGHER if audit.relation == "at_most" else Worse.LOWER,
    )
    measurements = tuple(
        _measured(metric, audit, a, b, counts) for a, b in itertools.permutations(range(len(counts)), 2)
    )
    place = Place(path="simulations", line=1)
    criterion = Criterion(
        metric="compared",
        relation=audit.relation,
        bounds={"compared": audit.bound},
        rationale="",
        set_by=Person(),
        approved_by=Person(),
        place=place,
    )
    check = PlannedCheck(
        id="check", check="c", title="", data="", params=None, criteria=(criterion,), seed=0, place=place
    )
    finding = Finding(measurements=tuple(m for m in measurements if m is not None))
    hazards = (Hazard(id="hazard", text="", checks=("check",), place=place),)
    outcome, _ = verdict.judge({"check": finding}, (check,), hazards, {"check": {"compared": metric}})
    return outcome["check"].verdict


def _measured(metric: Metric, audit: Audit, a: int, b: int, counts: Sequence[int]) -> Measurement | None:
    table = (float(counts[a]), float(audit.n), float(counts[b]), float(audit.n))
    if audit.contrast == "ratio" and not counts[b]:
        return None
    law = TwoProportions(strata=(table,), contrast=audit.contrast)
    value = counts[a] / counts[b] if audit.contrast == "ratio" else (counts[a] - counts[b]) / audit.n
    estimate = _stats.Estimate(value=value, law=law, n=2 * audit.n, clusters=2 * audit.n)
    return _stats.measure(metric, estimate, group=str(a), reference=str(b))


def verdict_lines(runs: int) -> Iterator[Line]:
    """Yield how often verdicts are wrong."""
    for audit in audits():
        alarms, cleared = verdict_rates(audit, runs)
        yield Line(part="false_not_met_rate", case=audit.case, figure=alarms, runs=runs)
        if cleared:
            yield Line(part="false_all_clear_rate", case=audit.case, figure=cleared, runs=runs)


# ---- the table -----------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> None:
    """Print every figure, and the worst of each part as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer draws and smaller tables")
    parser.add_argument("--noise", type=int, metavar="DRAWS", help="only probes of noise, with so many draws")
    parser.add_argument("--layers", type=int, default=NOISE_LAYERS, help="layers of noise")
    parser.add_argument("--seed", type=int, default=SEED, help="of the noise")
    given = parser.parse_args(arguments)
    quick = given.quick
    runs, started, lines = (200 if quick else 1000), time.perf_counter(), []
    parts: tuple[Iterator[Line], ...] = (noise_lines(given.noise or runs, given.layers, given.seed),)
    if not given.noise:
        parts = (exact_lines(), score_lines(quick=quick), cluster_lines(runs), *parts, verdict_lines(10 * runs))
    for line in itertools.chain(*parts):
        lines.append(line)
        drawn = "enumerated" if line.runs is None else f"{line.runs} draws"
        print(f"{line.part:32} {line.case:62} {line.figure:8.4f}  {drawn}", flush=True)
    worst = {
        part: (min if part.endswith("coverage") else max)(line.figure for line in lines if line.part == part)
        for part in dict.fromkeys(line.part for line in lines)
    }
    widths = [exact_coverage(n, 0.0)[1] for n in (30, 100, 1000)]
    print(json.dumps(worst | {"narrowest_exact_interval": min(widths), "seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    main()
