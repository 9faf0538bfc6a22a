"""The smallest changes of allowed fields that turn a decision: few fields first, then few steps."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from audit.explaining.cases import Case
from audit.explaining.confirming import Standpoint
from audit.explaining.frame import Frame, probability
from audit.explanation import Change, ChangedField, Search
from audit.requests import Scores

PRINTED = 3
"""Changes that are kept of those that turn the decision."""


@dataclass(frozen=True, kw_only=True)
class Option:
    """Another value of one field, and how many steps away it is."""

    field: str
    value: str
    steps: int


Asked = Generator[Any, Any, Search]


def search(case: Case, at: Standpoint, fits: Callable[[Sequence[str]], Generator[Any, Any, list[bool]]]) -> Asked:
    """Ask for changed cases of one, two and three fields, until some turn the decision.

    ``fits`` says which texts the model can read. Every change that is returned was asked of the model.
    """
    frame = at.frame
    fields = [name for name in frame.allow if name in case.fields]
    if frame.data is None or not fields:
        why = "a free text has no fields that could be changed" if case.kind == "text" else "no field may be changed"
        return Search(allowed=(), tried={}, possible={}, found=(), turning=0, why=why)
    options = {name: _options(name, case.fields[name], frame) for name in fields}
    tried: dict[str, int] = {}
    possible: dict[str, int] = {}
    turning: list[tuple[tuple[Option, ...], float]] = []
    for size in range(1, min(frame.rules.most_changed, len(fields)) + 1):
        left = frame.rules.most_searched - sum(tried.values())
        possible[str(size)] = _count(options, size)
        chosen = list(itertools.islice(_changes(options, size, left), max(left, 0)))
        texts = [frame.data.template.render({**case.fields, **{o.field: o.value for o in c}})[0] for c in chosen]
        readable = yield from fits(texts)
        asked = [pair for pair, ok in zip(zip(chosen, texts, strict=True), readable, strict=True) if ok]
        tried[str(size)] = len(asked)
        if asked:
            answer = yield Scores(texts=tuple(text for _, text in asked), target=frame.decision.target)
            found = zip((change for change, _ in asked), frame.log_odds(answer).tolist(), strict=True)
            turning = [(change, score) for change, score in found if at.turned(score)]
        if turning:
            break
    # Among equally small changes, the one that takes the score no farther than it must.
    turning.sort(key=lambda pair: (_steps(pair[0]), abs(pair[1] - frame.threshold), [o.value for o in pair[0]]))
    return Search(
        allowed=tuple(fields),
        tried=tried,
        possible=possible,
        found=tuple(_change(change, score, case, frame) for change, score in turning[:PRINTED]),
        turning=len(turning),
        why="" if any(tried.values()) else "the data hold no other value of the fields that may be changed",
    )


def _options(name: str, own: str, frame: Frame) -> list[Option]:
    """Return the other values of a field, nearest first."""
    order = frame.allow[name] or _numeric(frame.values.get(name, ()))
    values = [value for value in (order or frame.values.get(name, ())) if value != own]
    if order and own in order:
        at = order.index(own)
        return sorted(
            (Option(field=name, value=v, steps=abs(order.index(v) - at)) for v in values), key=lambda o: o.steps
        )
    return [Option(field=name, value=value, steps=1) for value in values]


def _numeric(values: Sequence[str]) -> tuple[str, ...]:
    """Return values in the order of their numbers; () where one is none."""
    try:
        numbers = {value: float(value) for value in values}
    except ValueError:
        return ()
    return tuple(sorted(numbers, key=numbers.__getitem__)) if all(map(math.isfinite, numbers.values())) else ()


def _count(options: Mapping[str, Sequence[Option]], size: int) -> int:
    """Return how many changes of so many fields there are (an elementary symmetric polynomial)."""
    sums = [1] + [0] * size
    for values in options.values():
        for k in range(size, 0, -1):
            sums[k] += sums[k - 1] * len(values)
    return sums[size]


def _changes(options: Mapping[str, Sequence[Option]], size: int, most: int) -> Iterator[tuple[Option, ...]]:
    """Yield changes of so many fields, small ones first; where there are too many, of the nearest values alone."""
    groups = list(itertools.combinations(options, size))
    if not groups or most < 1:
        return
    each = max(1, math.floor((most / len(groups)) ** (1 / size)))
    if _count(options, size) <= most:
        each = max(map(len, options.values()), default=1)
    every = (change for names in groups for change in itertools.product(*(options[name][:each] for name in names)))
    yield from sorted(itertools.islice(every, most), key=_steps)


def _steps(change: Sequence[Option]) -> int:
    return sum(option.steps for option in change)


def _change(change: Sequence[Option], log_odds: float, case: Case, frame: Frame) -> Change:
    return Change(
        fields=tuple(
            ChangedField(
                field=o.field, label=frame.label(o.field), old=case.fields[o.field], new=o.value, steps=o.steps
            )
            for o in change
        ),
        steps=_steps(change),
        score=probability(log_odds),
        decided=frame.decided(log_odds),
    )
