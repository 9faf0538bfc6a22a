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

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from audit.capture import portable
from audit.capture.evidence import Reader, Seal, Unanswered, Used, held, leaves, seal
from audit.capture.leaves import Kind, Leaf
from audit.capture.replay import replay
from audit.capture.rows import KeptRow, rows_key
from audit.capture.stored import StoredAnswers, key_of
from audit.errors import user_error
from audit.record import CheckPart
from audit.redaction import letters
from audit.requests import PER_TEXT, Answer, CannotAnswer, Request
from audit.verify.given import Given
from audit.verify.kept import Kept, opened, reading

_TITLE = "Nothing was erased"
_GENERAL = b""
"""Owner of an answer that is about no text: the names of the outputs, the number of layers."""
_TEXTS = ("texts", "references", "counterfactuals")
"""Fields of a request that hold one text for each thing that is asked."""

Owners = dict[tuple[bytes, bytes], set[bytes]]
"""Request and text key → keys of the row texts that an answer is about."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which rows are meant."""

    data: str = ""
    """Name of a data set; the others keep their rows, unless they hold the same line of the same file."""
    rows: Collection[int] = ()
    """Numbers, as records and reports name them."""
    containing: Collection[str] = ()
    """Words; rows whose text or fields hold one of them are meant, whatever stands between its letters."""


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


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """Which rows stay, and which go."""

    going: Mapping[str, tuple[KeptRow, ...]]
    staying: Mapping[str, tuple[KeptRow, ...]]

    def same_text(self) -> Mapping[str, tuple[int, ...]]:
        """Return the rows that stay and have the very text of one that goes."""
        gone = {each.row.text for rows in self.going.values() for each in rows}
        same = {name: tuple(e.number for e in rows if e.row.text in gone) for name, rows in self.staying.items()}
        return {name: numbers for name, numbers in same.items() if numbers}

    def gone_texts(self) -> set[bytes]:
        """Return the keys of texts that no row has any more."""
        return _texts(self.going) - _texts(self.staying)


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
    plan = _planned(given, kept, choice)
    portable.prepare(out)
    checks = _reading(given.record.checks, {*plan.going, *given.incomplete})
    dropped = _files(kept, given, plan)
    answers = kept.answers()
    try:
        gone = plan.gone_texts()
        owners = {about: of for about, of in _owned(given, kept, plan, answers).items() if not of & gone}
        used, erased = _divided(answers, _kept_whole(given, answers, checks) | _row_leaves(plan), owners)
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


# ---- what is there -------------------------------------------------------------------------------


def _sound(given: Given) -> Kept:
    """Return the copy of the evidence, once it is seen to be that of the record."""
    kept, evidence = given.kept, given.record.evidence
    if kept is None or evidence is None:
        raise user_error(
            _TITLE,
            where=str(given.evidence or given.name),
            found="no portable copy of the evidence" if evidence else "a record from before evidence was kept",
            expected="a folder written by run --evidence, and the record of that run",
            do="a store is cleared as a whole: inspectoscope store clear" if evidence else "",
        )
    if given.lacking:
        raise user_error(_TITLE, where=given.name, found=f"a record that {given.lacking}", expected="installed checks")
    altered = next(kept.altered(), None)
    if altered is not None:
        raise user_error(
            _TITLE,
            where=str(kept.folder / altered[0]),
            found=f"a file that {altered[1]}",
            expected="the evidence as it was written",
        )
    answers = kept.answers()
    try:
        found = seal(answers, held(answers))
    finally:
        answers.close()
    if (found.root, found.answers) != (evidence.root, evidence.answers):
        raise user_error(
            _TITLE,
            where=str(kept.folder),
            found=f"evidence with the root {found.root}",
            expected=f"that of the record, with the root {evidence.root}",
        )
    return kept


def _planned(given: Given, kept: Kept, choice: Choice) -> _Plan:
    cards = {card.name: card for card in given.record.data}
    names = _names(cards, choice)
    rows = kept.rows(cards)
    words = [letters(word) for word in choice.containing]
    meant = {
        (name, each.number)
        for name in names
        for each in rows[name]
        if each.number in choice.rows or _holds(each, words)
    }
    _all_there(meant, choice, rows, names)
    lines = {
        (cards[name].source, _line(each)) for name, of in rows.items() for each in of if (name, each.number) in meant
    }
    going, staying = {}, {}
    for name, of in rows.items():
        gone = {e.number for e in of if (name, e.number) in meant or (cards[name].source, _line(e)) in lines}
        if gone:
            going[name] = tuple(each for each in of if each.number in gone)
        staying[name] = tuple(each for each in of if each.number not in gone)
    for name in going:
        if cards[name].source in {"inline", "template"}:
            raise user_error(
                _TITLE,
                where=given.record.policy.path,
                found=f"rows of `{name}` that stand in the policy itself, which the record quotes whole",
                expected="rows that come from a file",
                do="keep data of persons in a file; to erase what a policy says, delete the record and its evidence",
            )
    return _Plan(going=going, staying=staying)


def _names(cards: Collection[str], choice: Choice) -> Sequence[str]:
    if choice.data and choice.data not in cards:
        known = ", ".join(cards)
        raise user_error(_TITLE, where="--data", found=choice.data, expected=f"a data set of the record: {known}")
    if choice.rows and not choice.data and len(cards) > 1:
        raise user_error(
            _TITLE,
            where="--row",
            found=f"a number, and {len(cards)} data sets it may belong to ({', '.join(cards)})",
            expected="--data NAME",
        )
    return [choice.data] if choice.data else list(cards)


def _all_there(
    meant: Collection[tuple[str, int]], choice: Choice, rows: Mapping[str, Sequence[KeptRow]], names: Sequence[str]
) -> None:
    there = {number for _, number in meant}
    if missing := sorted(set(choice.rows) - there):
        known = sorted(each.number for name in names for each in rows[name])
        raise user_error(
            _TITLE,
            where="--row",
            found=f"{missing[0]}, which is not among the rows of {', '.join(names)}",
            expected=f"the number of a row, from {known[0]} to {known[-1]}" if known else "a row that is still there",
        )
    if not meant:
        raise user_error(_TITLE, where="the choice", found="no such row in the evidence", expected="at least one row")


def _line(kept: KeptRow) -> int | tuple[str, int]:
    return kept.row.place.line if kept.row.place else ("row", kept.number)


def _holds(kept: KeptRow, words: Collection[str]) -> bool:
    said = [letters(text) for text in (kept.row.text, *kept.row.fields.values())]
    return any(word in text for word in words for text in said)


# ---- which answers stay --------------------------------------------------------------------------


class _Listening(Reader):
    """Puts answers together as ever, and keeps what was asked."""

    def __init__(self, store: StoredAnswers) -> None:
        super().__init__(store)
        self.asked: list[Request] = []

    def answer(self, request: Request) -> Answer:
        self.asked.append(request)
        return super().answer(request)


def _reading(parts: Iterable[CheckPart], names: Collection[str]) -> tuple[str, ...]:
    return tuple(part.id for part in parts if reading(part, names))


def _kept_whole(given: Given, answers: StoredAnswers, without: Collection[str]) -> set[Leaf]:
    """Return what the checks were handed that read none of the data sets in question."""
    reader = _Listening(answers)
    if missing := _run(given, reader, lambda check: check not in without):
        name, what = next(iter(missing.items()))
        raise user_error(
            _TITLE,
            where=f"the check {name}",
            found=f"it cannot be run again here, so that nobody can tell which answers are its own ({what})",
            expected="the version of inspectoscope that the record names, and its libraries",
        )
    return set(reader.used.leaves())


def _owned(given: Given, kept: Kept, plan: _Plan, answers: StoredAnswers) -> Owners:
    """Return which rows answers are about, of the checks that lose rows now and of those that lost some before."""
    owners: Owners = {}
    for request, text, owner in answers.owners():
        owners.setdefault((request, text), set()).add(owner)
    now = _reading(given.record.checks, plan.going)
    before = _reading(given.record.checks, kept.incomplete)
    reader = _Listening(answers)
    _run(given, reader, lambda check: check in now and check not in before)
    texts = {each.row.text for rows in plan.staying.values() for each in rows}
    for part, of in (found for request in reader.asked for found in _parts(request, texts)):
        single = Reader(answers)
        try:
            single.answer(part)
        except (CannotAnswer, Unanswered):
            continue  # the whole was refused in the run, and nothing was kept of its parts
        for leaf in single.used.leaves():
            owners.setdefault((leaf.request, leaf.text), set()).update(of)
    return owners


def _run(given: Given, reader: Reader, meant: Callable[[str], bool]) -> Mapping[str, str]:
    """Run checks again from the stored answers; return those that cannot be, and why."""
    from audit.pipeline import started

    policy = given.run_policy
    checks = {check.id: started(check, policy) for check in policy.checks if meant(check.id)}
    return replay(checks, reader).unanswered


def _parts(request: Request, texts: Collection[str]) -> Iterator[tuple[Request, set[bytes]]]:
    """Yield what of a request is about rows alone, one thing at a time, with the keys of those rows' texts."""
    columns = {
        each.name: getattr(request, each.name)
        for each in fields(request)
        if each.name in PER_TEXT and getattr(request, each.name) is not None
    }
    if not columns:
        yield request, {_GENERAL}
        return
    narrowed: Any = replace  # mypy has no type for the fields that several kinds of request share
    yield narrowed(request, **dict.fromkeys(columns, ())), {_GENERAL}
    for at in range(len(columns["texts"])):
        named = [columns[name][at] for name in _TEXTS if name in columns]
        if all(text in texts for text in named):
            yield narrowed(request, **{name: (held[at],) for name, held in columns.items()}), set(map(key_of, named))


def _texts(rows: Mapping[str, Sequence[KeptRow]]) -> set[bytes]:
    return {key_of(each.row.text) for of in rows.values() for each in of}


def _row_leaves(plan: _Plan) -> set[Leaf]:
    return {Leaf(Kind.NOTE, rows_key(name), (), each.key) for name, of in plan.staying.items() for each in of}


def _divided(answers: StoredAnswers, whole: Collection[Leaf], owners: Owners) -> tuple[Used, list[tuple[int, bytes]]]:
    """Return the answers that stay, and the places and digests of those that go or went before."""
    used, erased = Used(), []
    for place, (leaf, digest) in enumerate(leaves(answers, held(answers))):
        if leaf is not None and (leaf in whole or (leaf.request, leaf.text) in owners):
            used.add(leaf)
        else:
            erased.append((place, digest))
    return used, erased


# ---- the new copy --------------------------------------------------------------------------------


def _files(kept: Kept, given: Given, plan: _Plan) -> tuple[str, ...]:
    """Return the files that rows go from, as the policy names them."""
    sources = {card.source for card in given.record.data if card.name in plan.going}
    return tuple(each.written for each in kept.manifest.read if each.written in sources)


def _manifest(
    given: Given, kept: Kept, plan: _Plan, dropped: Collection[str], because: str, on: str
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


def _looked_at(given: Given, out: Path) -> Seal:
    """Read the new copy as whoever verifies it will, and see that it has the root of the record."""
    new, evidence = opened(out), given.record.evidence
    assert new is not None
    assert evidence is not None
    answers = new.answers()
    try:
        found = seal(answers, held(answers))
    finally:
        answers.close()
    if (found.root, found.answers) != (evidence.root, evidence.answers):
        raise RuntimeError(f"the root {found.root} of what is left is not that of the record")
    return found
