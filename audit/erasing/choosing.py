"""Which rows are meant, and which others hold the same line of the same file."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from audit.capture.rows import KeptRow
from audit.capture.stored import key_of
from audit.errors import user_error
from audit.redaction import letters
from audit.verify.given import Given
from audit.verify.kept import Kept

TITLE = "Nothing was erased"


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
class Plan:
    """Which rows stay, and which go."""

    going: Mapping[str, tuple[KeptRow, ...]]
    staying: Mapping[str, tuple[KeptRow, ...]]

    def same_text(self) -> Mapping[str, tuple[int, ...]]:
        """Return the rows that stay and have the very text of one that goes."""
        gone = {each.row.text for rows in self.going.values() for each in rows}
        same = {name: tuple(e.number for e in rows if e.row.text in gone) for name, rows in self.staying.items()}
        return {name: numbers for name, numbers in same.items() if numbers}

    def gone_keys(self) -> set[bytes]:
        """Return the keys of texts that no row has any more."""
        return _keys(self.going) - _keys(self.staying)


def planned(given: Given, kept: Kept, choice: Choice) -> Plan:
    """Return which rows go and which stay.

    Raises
    ------
    UserError
        When there is no such row, or it stands in the policy itself.
    """
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
                TITLE,
                where=given.record.policy.path,
                found=f"rows of `{name}` that stand in the policy itself, which the record quotes whole",
                expected="rows that come from a file",
                do="keep data of persons in a file; to erase what a policy says, delete the record and its evidence",
            )
    return Plan(going=going, staying=staying)


def _names(cards: Collection[str], choice: Choice) -> Sequence[str]:
    if choice.data and choice.data not in cards:
        known = ", ".join(cards)
        raise user_error(TITLE, where="--data", found=choice.data, expected=f"a data set of the record: {known}")
    if choice.rows and not choice.data and len(cards) > 1:
        raise user_error(
            TITLE,
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
            TITLE,
            where="--row",
            found=f"{missing[0]}, which is not among the rows of {', '.join(names)}",
            expected=f"the number of a row, from {known[0]} to {known[-1]}" if known else "a row that is still there",
        )
    if not meant:
        raise user_error(TITLE, where="the choice", found="no such row in the evidence", expected="at least one row")


def _line(kept: KeptRow) -> int | tuple[str, int]:
    return kept.row.place.line if kept.row.place else ("row", kept.number)


def _holds(kept: KeptRow, words: Collection[str]) -> bool:
    said = [letters(text) for text in (kept.row.text, *kept.row.fields.values())]
    return any(word in text for word in words for text in said)


def _keys(rows: Mapping[str, Sequence[KeptRow]]) -> set[bytes]:
    return {key_of(each.row.text) for of in rows.values() for each in of}
