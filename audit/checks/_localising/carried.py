"""How much of an effect is carried: a ratio of two means over the same pairs.

The share is the ratio of the means and not the mean of the ratios, which pairs with next to no effect would rule. Its
variance is a jackknife over clusters, as of every mean here. A ratio whose denominator is not known well has
no sensible interval (Fieller 1954: it may be the whole line), so none is given unless the total effect is
shown to differ from zero by a margin; ``tests/checks/localising/test_carried.py`` measures the coverage that is left.

References
----------
Fieller (1954), Journal of the Royal Statistical Society B 16:175. Rao (1988), Handbook of Statistics 6:427, on the
jackknife of a ratio.
"""

from __future__ import annotations

import numpy as np

from audit.checks._stats.clustering import Labels, Way, cluster_count, effective_clusters, jackknife, variance
from audit.checks._stats.estimates import Estimate, limits, t_law
from audit.shapes import Floats
from audit.types import NoVariation

LEAST_PRECISION = 0.5
"""Half-width of the total effect's interval, relative to the effect, up to which shares of it are given."""


MOST = 1000.0
"""Times the effect: beyond, no miss of it is counted."""


def carried(effect: Floats, total: Floats, clusters: Labels, support: tuple[float, float] | None = None) -> Estimate:
    """Return mean effect over mean total effect; both are of pairs, (pairs,)."""

    def without(way: Way) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            out: Floats = (effect.sum() - way.sums(effect)) / (total.sum() - way.sums(total))
        return out

    value, worth = float(effect.sum() / total.sum()), effective_clusters(clusters)
    law = t_law(value, variance(clusters, value, without), clusters=worth, reach=1.0, support=support)
    return Estimate(
        value=value,
        law=law,
        n=len(effect),
        clusters=cluster_count(clusters),
        jackknife=jackknife(clusters, value, without),
    )


def missed(effect: Floats, total: Floats, clusters: Labels) -> Estimate:
    """Return by how much an effect differs from the total in single pairs, relative to its size, whichever way."""
    return carried(np.abs(effect - total), np.abs(total), clusters, support=(0.0, MOST))


def divisible(total: Estimate) -> bool:
    """Whether an effect is known well enough for shares of it to mean something."""
    low, high = limits(total)
    return (high - low) / 2 <= LEAST_PRECISION * abs(total.value)


def reaches(share: Estimate, wanted: float) -> bool:
    """Whether a share is shown to lie between ``wanted`` and as far above one.

    The whole interval has to: a set that just reaches it here falls short elsewhere every other time. Where every
    cluster came out the same, as with a part that everything passes through, the value itself decides.
    """
    low, high = (share.value,) * 2 if isinstance(share.law, NoVariation) else limits(share)
    return wanted <= low and high <= 2 - wanted
