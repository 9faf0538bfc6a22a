"""Erases rows of the data from a copy of the evidence, so that all the rest can still be shown to be what it was.

Of every answer that goes, its digest stays in its place: the root in the record is reached again from what is left.
The digest is salted and the salt goes too, so that it tells nothing (``audit.capture.leaves``).

What goes. The row itself; the rows that other data sets made of the same line of the same file; the file, because
one of its lines must not stay and its digest would be another without it (the other rows stand among the answers).
Of the checks that read such a data set, every answer that is not about the exact text of a row that stays: a text
that a check made of rows (a swapped name, a prompt with an example in it) does not say which rows it was made of, so
all of them go. Answers of other checks stay.

What is lost. The checks that read such a data set can no longer be run again from the evidence. Their answers about
the remaining rows can still be shown, one by one, to belong to the audit.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit.capture import portable
from audit.capture.evidence import Seal, held, seal
from audit.erasing.choosing import TITLE, Choice, Plan, planned
from audit.erasing.staying import divided, kept_whole, owned, reading_checks, row_leaves
from audit.errors import user_error
from audit.verify.given import Given
from audit.verify.kept import Kept, opened

__all__ = ["Choice", "Erased", "erase"]


@dataclass(frozen=True, kw_only=True)
class Erased:
    """What was erased, and what that leaves."""

    rows: Mapping[str, tuple[int, ...]]
    """Data set → numbers of the rows that went."""
    answers: int
    """How many answers went, the rows themselves included."""
    left: int
    files: tuple[str, ...]
    """Files of data that went, as the policy writes them."""
    checks: tuple[str, ...]
    """Ids of the checks that can no longer be run again from this copy."""
    same_text: Mapping[str, tuple[int, ...]]
    """Rows that stay and have the very text of one that went."""


def erase(given: Given, out: Path, choice: Choice, *, because: str, on: str) -> Erased:
    """Write a copy of the evidence without some rows of the data.

    Parameters
    ----------
    given
        A record with its evidence, a portable copy.
    out
        Folder for the new copy. The old one stays, for its owner to delete.
    on
        The day, as it is to be printed.

    Raises
    ------
    UserError
        When there is no such row, the copy is not the evidence of the record, a check cannot be run again to see
        what it asked, or the new copy cannot be written.
    """
    kept = _sound(given)
    plan = planned(given, kept, choice)
    portable.prepare(out)
    checks = reading_checks(given.record.checks, {*plan.going, *given.incomplete})
    dropped = _files(kept, given, plan)
    answers = kept.answers()
    try:
        gone = plan.gone_keys()
        owners = {about: of for about, of in owned(given, kept, plan, answers).items() if not of & gone}
        used, erased = divided(answers, kept_whole(given, answers, checks) | row_leaves(plan), owners)
        before = sum(1 for _ in answers.erased())
        portable.without(
            out,
            source=kept.folder,
            store=answers,
            used=used,
            erased=erased,
            owners=[(r, t, owner) for (r, t), of in owners.items() for owner in of],
            manifest=_manifest(given, kept, plan, dropped, because, on),
        )
    finally:
        answers.close()
    left = _looked_at(given, out)
    return Erased(
        rows={name: tuple(each.number for each in rows) for name, rows in plan.going.items()},
        answers=len(erased) - before,
        left=left.answers - left.erased,
        files=dropped,
        checks=checks,
        same_text=plan.same_text(),
    )


def _sound(given: Given) -> Kept:
    """Return the copy of the evidence, once it is seen to be that of the record."""
    kept, evidence = given.kept, given.record.evidence
    if kept is None or evidence is None:
        raise user_error(
            TITLE,
            where=str(given.evidence or given.name),
            found="no portable copy of the evidence" if evidence else "a record from before evidence was kept",
            expected="a folder written by run --evidence, and the record of that run",
            do="a store is cleared as a whole: inspectoscope store clear" if evidence else "",
        )
    if given.lacking:
        raise user_error(TITLE, where=given.name, found=f"a record that {given.lacking}", expected="installed checks")
    altered = next(kept.altered(), None)
    if altered is not None:
        raise user_error(
            TITLE,
            where=str(kept.folder / altered[0]),
            found=f"a file that {altered[1]}",
            expected="the evidence as it was written",
        )
    found = _sealed(kept)
    if (found.root, found.answers) != (evidence.root, evidence.answers):
        raise user_error(
            TITLE,
            where=str(kept.folder),
            found=f"evidence with the root {found.root}",
            expected=f"that of the record, with the root {evidence.root}",
        )
    return kept


# ---- the new copy --------------------------------------------------------------------------------


def _files(kept: Kept, given: Given, plan: Plan) -> tuple[str, ...]:
    """Return the files that rows go from, as the policy names them."""
    sources = {card.source for card in given.record.data if card.name in plan.going}
    return tuple(each.written for each in kept.manifest.read if each.written in sources)


def _manifest(
    given: Given, kept: Kept, plan: Plan, dropped: Collection[str], because: str, on: str
) -> Mapping[str, Any]:
    old = kept.manifest.model_dump(mode="json", exclude={"files"})
    contents = {each["file"] for each in old["read"] if each["written"] in dropped}
    left = [each for each in old["read"] if each["file"] not in contents]
    there = {each["written"] for each in left} | {"inline", "template"}
    now = [
        {"data": name, "rows": [each.number for each in rows], "because": because, "on": on}
        for name, rows in plan.going.items()
    ]
    alone = [card.name for card in given.record.data if card.source not in there]
    return {**old, "read": left, "erased": [*old["erased"], *now], "rows_alone": alone}


def _sealed(kept: Kept) -> Seal:
    answers = kept.answers()
    try:
        return seal(answers, held(answers))
    finally:
        answers.close()


def _looked_at(given: Given, out: Path) -> Seal:
    """Read the new copy as whoever verifies it will, and see that it has the root of the record."""
    new, evidence = opened(out), given.record.evidence
    assert new is not None
    assert evidence is not None
    found = _sealed(new)
    if (found.root, found.answers) != (evidence.root, evidence.answers):
        raise RuntimeError(f"the root {found.root} of what is left is not that of the record")
    return found
