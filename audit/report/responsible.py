"""Whose bounds these are: what a report says first where nobody stands behind a criterion.

A bound without a person is allowed, because drafts need none. A reader who must rely on a verdict should not have to
find that out in a table further down.
"""

from __future__ import annotations

from audit.record import Record
from audit.report import view
from audit.types import Person


def unnamed(record: Record) -> str:
    """Return, in a sentence, how many criteria lack a person who set them, or an approval; "" where none does."""
    criteria = [criterion for check in record.checks for criterion in check.criteria]
    lacking = {
        "a person who set the bound": sum(_blank(criterion.set_by) for criterion in criteria),
        "an approval of the bound": sum(_blank(criterion.approved_by) for criterion in criteria),
    }
    missing = [f"{view.count(n)} without {what}" for what, n in lacking.items() if n]
    if not missing:
        return ""
    return f"Criteria: {view.count(len(criteria))}, of these {' and '.join(missing)}."


def _blank(person: Person) -> bool:
    return not (person.name or person.function)
