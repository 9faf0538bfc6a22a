"""Attributions: asking for them, holding them against each other, and putting them to the test.

An attribution is asked for from several baseline inputs and by two kinds of method (``asking``). Whether its ranking
tells what the model does is tried by taking tokens out (``faithfulness``, ``removals``), by destroying what the model
has learnt (``randomised``) and by planting a word that decides (``planted_word``).
"""

from audit.checks._attributions.asking import (
    Attributed,
    Explained,
    MaxSteps,
    Tolerance,
    above_zero_check,
    agreement,
    attributed,
    completeness_check,
    from_two_baselines,
    same_baselines,
    spearman,
    two_baselines_check,
)

__all__ = [
    "Attributed",
    "Explained",
    "MaxSteps",
    "Tolerance",
    "above_zero_check",
    "agreement",
    "attributed",
    "completeness_check",
    "from_two_baselines",
    "same_baselines",
    "spearman",
    "two_baselines_check",
]
