"""Which rows a cut is fitted on, and which it is measured on: they share no case, no name and no other cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audit.checks._rewriting.swapping import Swap
from audit.errors import user_error
from audit.shapes import Ints
from audit.spike.split import FEWEST_UNITS, only, units
from audit.types import Dataset, PlannedCheck

__all__ = ["Halves", "halves", "only"]


@dataclass(frozen=True, kw_only=True)
class Halves:
    """The rows of a data set, by number, and what of their clusters could not be kept apart."""

    fitted: tuple[int, ...]
    measured: tuple[int, ...]
    unit: Ints
    """Independent unit of every row."""
    shared: tuple[str, ...] = ()
    """Fields whose values may stand on both sides, because keeping them apart too leaves too few units."""


def halves(check: PlannedCheck, attribute: str, data: Dataset, rng: np.random.Generator) -> Halves:
    """Split rows in halves by whole units.

    Rows that become the same case when swapped are one unit, and so are those that share a pair of forms or a
    cluster. Where everything is linked with everything (names crossed with templates), the columns with the fewest
    labels are given up, which is said.

    Raises
    ------
    UserError
        When even single cases are too few.
    """
    swap: Swap = check.params.swap[attribute]
    pairs = _pairs(swap, data)
    columns = [
        ("", _cases(swap, data, pairs)),
        *([(swap.from_, pairs)] if pairs is not None else []),
        *((name, tuple(row.fields[name] for row in data.rows)) for name in data.cluster if name != swap.from_),
    ]
    given_up: list[tuple[str, Sequence[str]]] = []
    while True:
        unit = units([labels for _, labels in columns])
        count = int(unit.max()) + 1
        if count >= FEWEST_UNITS:
            break
        if len(columns) == 1:
            raise user_error(
                "There are too few rows to cut by",
                where=check.place,
                found=f"{count} independent units in {data.name}",
                expected=f"at least {FEWEST_UNITS}, so that a cut can be measured on other rows than it was fitted on",
            )
        coarsest = min(columns[1:], key=lambda column: len(set(column[1])))
        columns.remove(coarsest)
        given_up.append(coarsest)
    first = rng.permutation(count) < round(count / 2)
    return Halves(
        fitted=tuple(np.flatnonzero(first[unit]).tolist()),
        measured=tuple(np.flatnonzero(~first[unit]).tolist()),
        unit=unit,
        shared=tuple(name for name, _ in given_up),
    )


def folds(unit: Sequence[int], rng: np.random.Generator, most: int = 5) -> list[Ints]:
    """Return the row numbers of a few parts that share no unit."""
    names, codes = np.unique(np.asarray(unit), return_inverse=True)
    place = rng.permutation(len(names)) % min(most, len(names))
    return [np.flatnonzero(place[codes] == part) for part in range(min(most, len(names)))]


def _cases(swap: Swap, data: Dataset, pairs: Sequence[str] | None) -> tuple[str, ...]:
    """Return what is the same in all versions of a row; under forms of another pair it is another case."""
    if swap.matched_by is not None:
        return tuple("\N{INFORMATION SEPARATOR ONE}".join(r.fields[n] for n in swap.matched_by) for r in data.rows)
    frames = (data.template.render({**row.fields, swap.from_: ""})[0] for row in data.rows)
    if pairs is None:
        return tuple(frames)
    return tuple(f"{pair}\N{INFORMATION SEPARATOR ONE}{frame}" for pair, frame in zip(pairs, frames, strict=True))


def _pairs(swap: Swap, data: Dataset) -> tuple[str, ...] | None:
    """Return which pair of forms each row comes with: a name that was fitted on shall not be measured on."""
    if swap.pairs is None:
        return None
    pair_of = {form: str(number) for number, pair in enumerate(swap.pairs) for form in pair.values()}
    return tuple(pair_of.get(row.fields[swap.from_], f"row {i}") for i, row in enumerate(data.rows))
