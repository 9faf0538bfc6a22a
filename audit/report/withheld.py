"""What a report says of texts that are not in the record any more."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from audit.record import Record
from audit.redaction import WITHHELD
from audit.report import view


@dataclass(frozen=True, kw_only=True)
class Withheld:
    """How many texts are withheld, and why."""

    number: int
    total: int
    reasons: tuple[str, ...]
    blank: str = WITHHELD


def withheld(record: Record) -> Withheld | None:
    """Return what is withheld; None where nothing is."""
    texts = record.texts
    if texts is None or not texts.withheld:
        return None
    by = Counter(said.because for said in texts.withheld.values())
    return Withheld(
        number=len(texts.withheld),
        total=len(texts.withheld) + len(texts.salts),
        reasons=tuple(f"{view.count(number)} because {because}" for because, number in by.items()),
    )
