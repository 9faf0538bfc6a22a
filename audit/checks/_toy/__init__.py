"""Toy models that answer requests without a neural network, for the checks' own examples.

The same examples run in the project's tests and at a user's site. The toy that most checks share, a sum of word
weights, can be had from here; the modules beside it hold a toy each that knows what one check looks for.
"""

from audit.checks._toy.logistic import (
    DECISION,
    LABELS,
    LEVELS,
    MERIT,
    NAMES,
    PLACE,
    Toy,
    applicants,
    credit,
    credit_examples,
    drive,
    hash_of,
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
    "drive",
    "hash_of",
]
