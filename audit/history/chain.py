"""The chain: each run's head is a digest over the head before it, so none can be edited or taken out unnoticed.

The head of run k is the SHA-256 of these five lines, in UTF-8, each ended by a line feed::

    inspectoscope-history-2
    previous=<head of run k - 1; of the first run, the beginning of its history>
    number=<k, in decimal>
    record=<digest of the record, without its history part and with commitments in place of its texts>
    entered=<when, as 2026-11-20T10:00:45Z>

and a history begins with the SHA-256 of the first of those lines and ``id=<the history's id>``. Whoever rewrites
a run must write every later head anew, and those stand in reports that others hold. A chain says nothing about
runs after the newest head that somebody kept: a newest run that was taken out is noticed by its report alone.

Linked time-stamping: Haber & Stornetta (1991), Journal of Cryptology 3:99.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

FORM = "inspectoscope-history-2"
"""Names what is digested, so that a head can never be taken for the digest of anything else."""

_DIGEST = re.compile(r"[0-9a-f]{64}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@dataclass(frozen=True, kw_only=True)
class Link:
    """One run's place in the chain."""

    number: int
    entered: str
    record: str
    """Digest of the record (``audit.redaction.identity``)."""
    previous: str
    head: str


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A run that is not as it was entered, or not there."""

    number: int
    says: str
    """What was found and what was expected, as a sentence."""


def beginning(history: str) -> str:
    """Return what the first run of a history follows: it binds the chain to the history's id."""
    return _digest(FORM, f"id={history}")


def head(*, previous: str, number: int, record: str, entered: str) -> str:
    """Return the head of the chain with one more run (the module says of which bytes)."""
    return _digest(FORM, f"previous={previous}", f"number={number}", f"record={record}", f"entered={entered}")


def link(*, previous: str, number: int, record: str, entered: str) -> Link:
    """Return a run's place in the chain."""
    made = head(previous=previous, number=number, record=record, entered=entered)
    return Link(number=number, entered=entered, record=record, previous=previous, head=made)


def follows(after: Link) -> bool:
    """Return whether a run's head is the digest of what stands beside it."""
    # Only values of these forms can stand in the five lines in one way alone.
    formed = all(_DIGEST.fullmatch(value) for value in (after.previous, after.record)) and _TIME.fullmatch(
        after.entered
    )
    return bool(formed) and after.head == head(
        previous=after.previous, number=after.number, record=after.record, entered=after.entered
    )


def faults(history: str, links: Iterable[Link]) -> Iterator[Fault]:
    """Yield what is wrong with the links of a history, in the order of their numbers.

    A run is compared with the one before it as that stands, so one edited run is named once and does not
    cast doubt on all that follow.
    """
    number, expected = 0, beginning(history)
    for each in links:
        if each.number > number + 1:
            yield _removed(number + 1, each.number - 1)
        elif each.previous != expected:
            says = f"Run {each.number} follows the head {each.previous}, and what stands before it has {expected}: "
            yield Fault(number=each.number, says=f"{says}one of the two was edited.")
        if not follows(each):
            yield Fault(
                number=each.number,
                says=f"The head of run {each.number} is not the digest of what stands beside it: the run was edited.",
            )
        number, expected = each.number, each.head


def _removed(first: int, last: int) -> Fault:
    which = f"Run {first} was" if first == last else f"Runs {first} to {last} were"
    before = f"run {first - 1}" if first > 1 else "its beginning"
    return Fault(number=first, says=f"{which} removed: the history goes from {before} to run {last + 1}.")


def _digest(*lines: str) -> str:
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode("utf-8")).hexdigest()
