"""Keeps the records of past runs: a team's memory of what was measured, in which nothing can vanish unnoticed.

``chain`` links each run to the one before it, ``address`` says where a history lies, ``sql`` reads and writes it,
``verification`` tells what a record and a history say about each other, ``trends`` follows a measurement over runs.
Nothing here knows a model, and the store of a model's answers is another thing (``audit.capture.store``).
"""

from audit.history.address import DEFAULT, Address, located
from audit.history.chain import Fault, Link
from audit.history.entries import Entry, Wanted, wanted
from audit.history.opening import add, entries, known, look, show, withhold
from audit.history.trends import trend
from audit.history.verification import check

__all__ = [
    "DEFAULT",
    "Address",
    "Entry",
    "Fault",
    "Link",
    "Wanted",
    "add",
    "check",
    "entries",
    "known",
    "located",
    "look",
    "show",
    "trend",
    "wanted",
    "withhold",
]
