"""Which number stands for a check that carries no criterion, where there is room for one.

No criterion says which of its numbers matters, so the rule is fixed here, for every summary alike: of the metric that
the check measured first, the number that lies farthest from the metric's null value on its bad side (on either side
where both are bad; the highest or lowest where there is no null value). Other metrics are not looked at: their units
differ, and a distance in one is neither larger nor smaller than a distance in another.

A number that was chosen for being the largest of several is so partly by chance. On other rows it is expected to be
smaller, and its interval, made for a number named beforehand, covers less often than it says. So it never stands
without saying of how many it is the largest. Nothing here looks at a bound, and nothing is judged.

References
----------
Andrews, Kitagawa & McCloskey (2024), Inference on winners, Quarterly Journal of Economics 139:305.
"""

from __future__ import annotations

from collections.abc import Sequence

from audit.types import Measurement, Worse

CAVEAT = "its interval does not allow for that choice"
"""What is said of a chosen number that has an interval."""

_LARGEST = {Worse.HIGHER: "largest", Worse.LOWER: "smallest", Worse.AWAY: "farthest from no effect"}


def chosen(measured: Sequence[Measurement]) -> tuple[int, str]:
    """Return the place of the number that stands for all, and of how many it is the largest.

    The second is ``largest of 4``, and "" where there is nothing to choose from; of equal numbers the first is taken.
    ``measured`` holds at least one number, in the order in which the check measured them.
    """
    alike = [i for i, m in enumerate(measured) if m.metric == measured[0].metric]
    first = max(alike, key=lambda i: _effect(measured[i]))
    return first, f"{_LARGEST[measured[first].worse]} of {len(alike)}" if len(alike) > 1 else ""


def _effect(m: Measurement) -> float:
    """Return how far a number lies on its bad side of its null value."""
    offset = m.value - (m.null or 0.0)
    return abs(offset) if m.worse is Worse.AWAY else offset if m.worse is Worse.HIGHER else -offset
