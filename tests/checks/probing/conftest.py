"""Rows with a planted direction, in clusters."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest


def _plant(
    *, clusters: int = 60, rows: int = 4, width: int = 40, strength: float = 0.0, shared: float = 0.5, seed: int = 0
) -> SimpleNamespace:
    """Every other cluster is positive; ``shared`` is the noise that the rows of a cluster have in common."""
    rng = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(clusters), rows)
    labels = cluster % 2 == 0
    direction = rng.normal(size=width)
    direction /= np.linalg.norm(direction)
    spread = np.linspace(0.5, 4.0, width)
    noise = shared * rng.normal(size=(clusters, width))[cluster] + rng.normal(size=(len(cluster), width))
    states = 10.0 + spread * noise + strength * np.outer(labels, direction * spread)
    return SimpleNamespace(
        states=states.astype(np.float32),
        labels=labels,
        clusters=([f"name {c:03d}" for c in cluster],),
        direction=direction * spread,
    )


@pytest.fixture(scope="session")
def plant() -> Callable[..., SimpleNamespace]:
    """Plants states, labels, clusters and a direction."""
    return _plant


@pytest.fixture
def narrow() -> SimpleNamespace:
    return _plant(width=12, strength=3.0)


@pytest.fixture
def wide() -> SimpleNamespace:
    return _plant(width=400, strength=3.0, seed=1)
