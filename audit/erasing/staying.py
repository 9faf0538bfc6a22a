"""Which answers stay: those of checks that read other data, and those about the exact text of a row that stays."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

from audit.capture.evidence import Reader, Unanswered, Used, held, leaves
from audit.capture.leaves import Kind, Leaf
from audit.capture.replay import replay
from audit.capture.rows import rows_key
from audit.capture.stored import StoredAnswers, key_of
from audit.erasing.choosing import TITLE, Plan
from audit.errors import user_error
from audit.record import CheckPart
from audit.requests import PER_TEXT, Answer, CannotAnswer, Request
from audit.verify.given import Given
from audit.verify.kept import Kept, reading

_GENERAL = b""
"""Owner of an answer that is about no text: the names of the outputs, the number of layers."""
_TEXTS = ("texts", "references", "counterfactuals")
"""Fields of a request that hold one text for each thing that is asked."""

Owners = dict[tuple[bytes, bytes], set[bytes]]
"""Request and text key → keys of the row texts that an answer is about."""


class _Listening(Reader):
    """Puts answers together as ever, and keeps what was asked."""

    def __init__(self, store: StoredAnswers) -> None:
        super().__init__(store)
        self.asked: list[Request] = []

    def answer(self, request: Request) -> Answer:
        self.asked.append(request)
        return super().answer(request)


def reading_checks(parts: Iterable[CheckPart], names: Collection[str]) -> tuple[str, ...]:
    """Return the ids of the checks that read one of some data sets."""
    return tuple(part.id for part in parts if reading(part, names))


def kept_whole(given: Given, answers: StoredAnswers, without: Collection[str]) -> set[Leaf]:
    """Return what the checks were handed that read none of the data sets in question."""
    reader = _Listening(answers)
    if missing := _run(given, reader, lambda check: check not in without):
        name, what = next(iter(missing.items()))
        raise user_error(
            TITLE,
            where=f"the check {name}",
            found=f"it cannot be run again here, so that nobody can tell which answers are its own ({what})",
            expected="the version of inspectoscope that the record names, and its libraries",
        )
    return set(reader.used.leaves())


def owned(given: Given, kept: Kept, plan: Plan, answers: StoredAnswers) -> Owners:
    """Return which rows answers are about, of the checks that lose rows now and of those that lost some before."""
    owners: Owners = {}
    for request, text, owner in answers.owners():
        owners.setdefault((request, text), set()).add(owner)
    now = reading_checks(given.record.checks, plan.going)
    before = reading_checks(given.record.checks, kept.incomplete)
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


def row_leaves(plan: Plan) -> set[Leaf]:
    """Return the rows that stay, as leaves."""
    return {Leaf(Kind.NOTE, rows_key(name), (), each.key) for name, of in plan.staying.items() for each in of}


def divided(answers: StoredAnswers, whole: Collection[Leaf], owners: Owners) -> tuple[Used, list[tuple[int, bytes]]]:
    """Return the answers that stay, and the places and digests of those that go or went before."""
    used, erased = Used(), []
    for place, (leaf, digest) in enumerate(leaves(answers, held(answers))):
        if leaf is not None and (leaf in whole or (leaf.request, leaf.text) in owners):
            used.add(leaf)
        else:
            erased.append((place, digest))
    return used, erased
