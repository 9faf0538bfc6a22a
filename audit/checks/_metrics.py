"""Metrics that describe and never decide, as several checks write them down."""

from __future__ import annotations

from audit.types import Metric, Worse


def described(
    name: str,
    title: str,
    meaning: str,
    reading: str,
    *,
    why: str,
    unit: str,
    worse: Worse = Worse.AWAY,
    null: float | None = 0.0,
) -> Metric:
    """Return a metric that no criterion may be put on; ``why`` is printed where one would stand."""
    return Metric(
        name=name,
        title=title,
        meaning=meaning,
        reading=reading,
        unit=unit,
        worse=worse,
        null=null,
        descriptive=True,
        why_descriptive=why,
    )
