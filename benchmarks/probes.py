"""Time of a whole probe sweep, beside the same fits by scikit-learn, and whether both agree.

    python benchmarks/probes.py [--quick]

The sweep: rows in clusters, every layer probed by a difference of means and by logistic regression over five
grouped folds, C chosen among six values in nested folds, and 1,000 permutations of whole clusters through a ridge
regression, corrected for the layers. States are made layer by layer while the sweep asks for them, as a store would
read them; the seconds they take are printed and not counted.

scikit-learn is timed on a stated sample of the same fits, with lbfgs at a tolerance that both reach (the largest
gradient of its mean loss; ours is printed), and scaled up. Its logistic fits are those of the distinct training sets
alone (a plain nested grid search would repeat inner fits that two outer folds share), and its permutations are
multi-target ridge regressions, its fastest way. ``max_auroc_diff`` compares held-out areas of the sampled layers
with scikit-learn's converged ones. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from time import perf_counter, process_time
from typing import TypeAlias

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.preprocessing import StandardScaler

from audit import shapes
from audit.checks._probing import PENALTIES, Cell, Null, Pipeline, Sweep, Task, by_position, make_null, make_task, sweep
from audit.checks._probing.designs import Vectors
from audit.shapes import Floats

TOLERANCE = 1e-6
"""Largest gradient of the mean loss at which scikit-learn's fits stop."""
SEED = 20261123


@dataclass(frozen=True, kw_only=True)
class Size:
    """How large the sweep is."""

    rows: int
    width: int
    layers: int
    draws: int
    sampled: int
    """Training sets whose fits scikit-learn is timed on, of each kind."""
    compared: int
    """Layers whose areas are computed with scikit-learn throughout."""
    rows_per_cluster: int = 5
    folds: int = 5


FULL = Size(rows=1000, width=4096, layers=32, draws=1000, sampled=2, compared=1)
QUICK = Size(rows=300, width=768, layers=4, draws=400, sampled=2, compared=1)


Seconds: TypeAlias = Floats
"""Of the wall clock and of the processor, all threads together: (2,)"""


def clock() -> Seconds:
    return np.array([perf_counter(), process_time()])


class Layers(Mapping[int, shapes.States]):
    """Synthetic residual streams: a falling spectrum, noise of clusters, outlying columns, more label with depth."""

    def __init__(self, size: Size, labels: np.ndarray, cluster: np.ndarray) -> None:
        self._size, self._labels, self._cluster = size, labels, cluster
        self.seconds: Seconds = np.zeros(2)

    def __getitem__(self, layer: int) -> shapes.States:
        began, size = clock(), self._size
        rng = np.random.default_rng([SEED, layer])
        rank = min(256, size.width // 2)
        shared = rng.normal(size=(self._cluster.max() + 1, rank))[self._cluster]
        inner = (rng.normal(size=(size.rows, rank)) + 0.5 * shared) / np.sqrt(np.arange(1, rank + 1))
        out = (inner @ rng.normal(size=(rank, size.width))).astype(np.float32)
        out += 0.3 * rng.standard_normal(out.shape, dtype=np.float32)
        strength = 0.15 * layer / size.layers
        out += strength * np.outer(self._labels - 0.5, rng.normal(size=size.width)).astype(np.float32)
        out *= np.exp(rng.normal(size=size.width)).astype(np.float32)
        out += (20 * rng.normal(size=size.width)).astype(np.float32)
        self.seconds += clock() - began
        return out

    def __iter__(self) -> Iterator[int]:
        return iter(range(self._size.layers))

    def __len__(self) -> int:
        return self._size.layers


@dataclass(kw_only=True)
class Reference:
    """Wall and processor seconds of scikit-learn's fits."""

    inner: list[Seconds] = field(default_factory=list)
    """All C on one inner training set"""
    outer: list[Seconds] = field(default_factory=list)
    null: list[Seconds] = field(default_factory=list)

    def scaled_up(self, size: Size) -> dict[str, Seconds]:
        """Return the seconds of all fits of the sweep, by kind."""
        pairs = size.folds * (size.folds - 1) // 2
        return {
            "logistic, inner folds": np.mean(self.inner, axis=0) * pairs * size.layers,
            "logistic, outer folds": np.mean(self.outer, axis=0) * size.folds * size.layers,
            "ridge, permutations": np.mean(self.null, axis=0) * size.folds * size.layers,
        }


# ---- scikit-learn ----------------------------------------------------------------------------------


def standardised(x: np.ndarray, train: np.ndarray) -> Floats:
    """Return all rows, standardised by the training rows."""
    out: Floats = StandardScaler().fit(x[train]).transform(x)
    return out


def fit(z: Floats, y: np.ndarray, train: np.ndarray, c: float, tolerance: float = TOLERANCE) -> LogisticRegression:
    return LogisticRegression(C=c, tol=tolerance, max_iter=100_000).fit(z[train], y[train])


def time_scikit_learn(states: Layers, task: Task, null: Null, size: Size) -> Reference:
    """Time a sample of the fits of the middle layer."""
    out = Reference()
    x, y = states[size.layers // 2].astype(np.float64), task.labels
    for at in range(size.sampled):
        train = ~task.folds.held(at, at + 1)
        began = clock()
        z = standardised(x, train)
        for c in PENALTIES:
            fit(z, y, train, c).decision_function(z[~train])
        out.inner.append(clock() - began)
        train = ~task.folds.held(at)
        began = clock()
        z = standardised(x, train)
        fit(z, y, train, PENALTIES[2]).decision_function(z[~train])
        out.outer.append(clock() - began)
        began = clock()
        z = standardised(x, train)
        targets = null.labels[train].astype(np.float64)
        predicted = Ridge(alpha=np.square(z[train]).sum(axis=1).mean()).fit(z[train], targets).predict(z[~train])
        out.null.append(clock() - began)
        assert predicted.shape == (int((~train).sum()), size.draws + 1)
    return out


def nested_scores(x: np.ndarray, task: Task) -> Floats:
    """Return held-out scores by scikit-learn, converged: nested folds written out."""
    y, fold, folds = task.labels, task.folds.of_row, range(task.folds.count)
    margins, chances = {}, {}
    for i in folds:
        for j in range(i):
            train = (fold != i) & (fold != j)
            z = standardised(x, train)
            models = [fit(z, y, train, c, 1e-8) for c in PENALTIES]
            margins[i, j] = margins[j, i] = np.stack([z @ m.coef_[0] for m in models])
            chances[i, j] = chances[j, i] = np.stack([m.predict_proba(z)[:, 1] for m in models])
    out = np.empty(len(y))
    for i in folds:
        inner, chance = np.empty((len(PENALTIES), len(y))), np.empty((len(PENALTIES), len(y)))
        for j in set(folds) - {i}:
            inner[:, fold == j], chance[:, fold == j] = margins[i, j][:, fold == j], chances[i, j][:, fold == j]
        rest = fold != i
        best = int(np.argmin([log_loss(y[rest], c[rest]) for c in chance]))
        z = standardised(x, rest)
        out[~rest] = (z @ fit(z, y, rest, PENALTIES[best], 1e-8).coef_[0])[~rest] / inner[best, rest].std()
    return out


def largest_gradient(states: Layers, task: Task, size: Size) -> float:
    """Return the largest gradient of scikit-learn's mean loss at our solutions, over all C of one training set."""
    x = states[size.layers // 2]
    source = Vectors(x, task)
    design = source.design((0, 1), scaled=True)
    train, y = design.train, task.labels
    z = standardised(x.astype(np.float64), train)[train]
    worst = 0.0
    for c, (found, scores) in zip(PENALTIES, design.logistic(y, PENALTIES), strict=True):
        weights = z.T @ found.weights if len(found.weights) == train.sum() else found.weights
        wrong = 1 / (1 + np.exp(-scores[train] - found.intercept)) - y[train]
        worst = max(worst, float(np.abs(z.T @ wrong + weights / c).max()) / int(train.sum()))
    return worst


# ---- measuring -------------------------------------------------------------------------------------


def set_up(size: Size) -> tuple[Task, Null, Layers]:
    cluster = np.arange(size.rows) // size.rows_per_cluster
    rng = np.random.default_rng(SEED)
    labels = rng.permutation(np.arange(cluster.max() + 1) % 2 == 0)[cluster]
    task = make_task(labels, ([str(c) for c in cluster],), folds=size.folds, rng=rng)
    return task, make_null(task, draws=size.draws, rng=rng), Layers(size, labels, cluster)


def differences(found: Sweep, states: Layers, size: Size) -> dict[str, float]:
    """Return how far the held-out areas of some layers are from scikit-learn's, pooled and fold by fold."""
    out = {}
    for layer in np.linspace(0, size.layers - 1, size.compared + 2).astype(int)[1:-1].tolist():
        ours = found.cells[Cell("last", layer)].probed["logistic"].scores
        theirs, y = nested_scores(states[layer].astype(np.float64), found.task), found.task.labels
        apart = [abs(roc_auc_score(y, ours) - roc_auc_score(y, theirs))]
        for i in range(size.folds):
            held = found.task.folds.held(i)
            apart.append(abs(roc_auc_score(y[held], ours[held]) - roc_auc_score(y[held], theirs[held])))
        out[f"layer {layer}"] = max(apart)
    return out


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Everything measured."""

    size: Size
    ours: Seconds
    peak: float
    """bytes"""
    load: float
    theirs: Mapping[str, Seconds]
    apart: Mapping[str, float]
    gradient: float
    p: float


def measure(size: Size) -> Figures:
    """Sweep, then time and compare scikit-learn."""
    task, null, states = set_up(size)
    load, began = os.getloadavg()[0], clock()
    found = sweep(by_position({"last": states}), task, Pipeline(null=null))
    ours = clock() - began - states.seconds
    assert found.decodable is not None
    return Figures(
        size=size,
        ours=ours,
        peak=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        load=load,
        theirs=time_scikit_learn(states, task, null, size).scaled_up(size),
        apart=differences(found, states, size),
        gradient=largest_gradient(states, task, size),
        p=found.decodable.p,
    )


def print_table(found: Figures) -> None:
    """Print the figures for people."""
    size, sample = found.size, f"from {found.size.sampled} training sets of one layer"
    print(
        f"{size.rows} rows of width {size.width}, {size.layers} layers, {size.folds} grouped folds, "
        f"{len(PENALTIES)} values of C in nested folds, {size.draws} permutations; "
        f"{os.cpu_count()} cores, load {found.load:.1f} before\n"
    )
    print(f"  {'':<36} {'wall':>10} {'processor':>10}  seconds")
    print(f"  {'sweep':<36} {found.ours[0]:10.1f} {found.ours[1]:10.1f}  peak memory {found.peak / 1e6:.0f} MB")
    for name, (wall, cpu) in found.theirs.items():
        print(f"  {'scikit-learn: ' + name:<36} {wall:10.1f} {cpu:10.1f}  {sample}")
    print(f"\n  largest gradient of our fits {found.gradient:.1e}; scikit-learn's stop at {TOLERANCE:g}")
    for name, value in found.apart.items():
        print(f"  largest AUROC difference, {name}: {value:.1e}")
    print(f"  corrected p of the best layer {found.p:.4f}\n")


def main() -> None:
    """Measure, print a table for people and one JSON line for programs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rows, layers and draws")
    quick = parser.parse_args().quick
    found = measure(QUICK if quick else FULL)
    print_table(found)
    theirs = sum(found.theirs.values(), np.zeros(2))
    print(
        json.dumps(
            {
                "seconds": round(float(found.ours[0]), 1),
                "cpu_seconds": round(float(found.ours[1]), 1),
                "speedup_over_sklearn": round(float(theirs[0] / found.ours[0]), 1),
                "cpu_speedup_over_sklearn": round(float(theirs[1] / found.ours[1]), 1),
                "sklearn_seconds": round(float(theirs[0]), 1),
                "max_auroc_diff": max(found.apart.values()),
                "largest_gradient": found.gradient,
                "peak_mb": round(found.peak / 1e6),
                "load_before": round(found.load, 2),
                "quick": quick,
            }
        )
    )


if __name__ == "__main__":
    main()
