"""What the benchmarks share: timing in pairs, the conditions of a measurement, and the line for programs."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from time import perf_counter

Work = Callable[[], object]


def seconds(work: Work) -> float:
    """Return the wall seconds of one call."""
    began = perf_counter()
    work()
    return perf_counter() - began


def paired_ratio(first: Work, second: Work, *, pairs: int) -> float:
    """Return the median over pairs of the first's time over the second's.

    The two of a pair run right after one another, so a machine that slows down slows both; which one
    goes first alternates, because the second finds caches warm.
    """
    ratios = []
    for pair in range(pairs):
        if pair % 2:
            below, above = seconds(second), seconds(first)
        else:
            above, below = seconds(first), seconds(second)
        ratios.append(above / below)
    return statistics.median(ratios)


def conditions(device: object) -> str:
    """Return what a figure depends on beside the code: device, threads, version, load, date."""
    import torch

    return (
        f"{device}, {torch.get_num_threads()} of {os.cpu_count()} threads, torch {torch.__version__}, "
        f"load average {os.getloadavg()[0]:.1f}, {datetime.now(UTC):%Y-%m-%d}"
    )


def finish(figures: Mapping[str, object]) -> None:
    """Print the figures as one JSON object: the last line of every benchmark."""
    print(json.dumps(figures))
