"""The boxes that a probe can tick, worded once for every check.

``causal`` needs an intervention and is not a probe's to tick.
"""

from __future__ import annotations

from collections.abc import Mapping

from audit import laws
from audit.checks._probing.null import LEVEL
from audit.checks._probing.specific import OperatingPoint
from audit.checks._probing.sweeps import Corrected
from audit.checks._stats.estimates import Estimate
from audit.types import Box


def decodable(found: Corrected, level: float = LEVEL) -> Box:
    """Tick where the best cell beats the best cells of permuted labels."""
    best = max(found.observed, key=lambda cell: found.observed[cell])
    return Box(
        name="decodable",
        ticked=found.p <= level,
        evidence=f"p = {found.p:.4f} for the best of {len(found.observed)} places ({best}), "
        f"against {len(found.largest)} permutations of exchangeable blocks",
    )


def beyond_text(differences: Mapping[str, Estimate]) -> Box:
    """Tick where the probe's area was shown to exceed that of every baseline, by name.

    All must be beaten, so no correction for their number is needed; without any, nothing was examined.
    """
    if not differences:
        return Box(name="beyond_text", ticked=None, evidence="no baseline was compared")
    short = [name for name, found in differences.items() if laws.interval(found.law)[0] <= 0]
    return Box(
        name="beyond_text",
        ticked=not short,
        evidence=f"not shown beyond {', '.join(short)}" if short else f"beyond {', '.join(differences)}",
    )


def specific(found: OperatingPoint, max_fpr: float) -> Box:
    """Tick where the rate on every kind of hard negative was shown to stay at or below ``max_fpr``."""
    if found.too_few:
        return Box(name="specific", ticked=None, evidence="; ".join(few.reason for few in found.too_few))
    if not found.false_positives:
        return Box(name="specific", ticked=None, evidence="no control texts and no hard negatives were given")
    rates = [
        f"{kind} {found.value:.1%}, at most {laws.interval(found.law)[1]:.1%}"
        for kind, found in found.false_positives.items()
    ]
    return Box(
        name="specific",
        ticked=found.specific(max_fpr),
        evidence=f"false positives, with at most {max_fpr:.1%} allowed: {'; '.join(rates)}",
    )
