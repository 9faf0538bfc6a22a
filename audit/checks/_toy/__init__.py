"""Toy models that answer requests without a neural network, for the checks' own examples.

The same examples run in the project's tests and at a user's site. What most of them share can be had from here: cases
and bounds (``inputs``), and a sum of word weights (``logistic``). The modules beside these hold toys of one check each.
"""

from audit.checks._toy.inputs import PLACE, criterion, dataset, hash_of, noise, uniform
from audit.checks._toy.logistic import (
    DECISION,
    LABELS,
    LEVELS,
    MERIT,
    NAMES,
    Toy,
    applicants,
    credit,
    credit_examples,
    drive,
)

__all__ = [
    "DECISION",
    "LABELS",
    "LEVELS",
    "MERIT",
    "NAMES",
    "PLACE",
    "Toy",
    "applicants",
    "credit",
    "credit_examples",
    "criterion",
    "dataset",
    "drive",
    "hash_of",
    "noise",
    "uniform",
]
