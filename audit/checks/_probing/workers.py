"""Training sets worked on side by side, each in one thread of the linear algebra.

A matrix product split over threads adds its terms in another order on another machine; one thread per product
gives the same numbers whatever the number of cores, and keeps all cores busy where single products are too small
to share.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

MOST = 8
"""Each worker holds one training set's inner products; beyond this many, memory rather than time is spent."""


class Workers:
    """Maps work over threads; without a pool, one piece after the other."""

    def __init__(self, pool: ThreadPoolExecutor | None = None) -> None:
        self._pool = pool

    def each(self, work: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """Return the results in the order of the items; an error or an interrupt drops what has not begun."""
        if self._pool is None:
            return [work(item) for item in items]
        futures = [self._pool.submit(work, item) for item in items]
        try:
            return [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()


@contextmanager
def workers() -> Iterator[Workers]:
    """Give one worker per core that this process may use, and one thread to every matrix product meanwhile."""
    from threadpoolctl import threadpool_limits

    cores = min(MOST, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    with threadpool_limits(limits=1, user_api="blas"):
        if cores == 1:
            yield Workers()
            return
        with ThreadPoolExecutor(max_workers=cores) as pool:
            yield Workers(pool)
