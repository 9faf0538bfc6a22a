"""Work that is asked per unit and not merged with the plain reading of texts.

Shifted scores, continuations, divergences and patched parts each run a text in a way of their own. A unit is
the least that is stored by itself; units of one kind are packed into batches, and a batch is stored as a whole, so
a run that is killed loses at most one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from audit.capture import generation, interventions
from audit.capture.executors.local import LocalExecutor
from audit.capture.interventions import RowShifts
from audit.capture.pairs import Pair, pair
from audit.capture.passes import Brought, Wanted
from audit.capture.patching import GRADIENT_SHARE, Row
from audit.capture.store import key_of, request_key
from audit.capture.tokens import TokenIds, answer_ids
from audit.requests import (
    Answers,
    CannotAnswer,
    ClassLogits,
    Contrast,
    Divergences,
    Generations,
    PartEffects,
    Patched,
    Request,
    Scores,
    Shift,
    Target,
    jsonable,
)
from audit.shapes import Floats
from audit.types import Part

Ids: TypeAlias = Mapping[str, TokenIds]


@dataclass(frozen=True, kw_only=True, eq=False)
class Unit:
    """What is run and stored by itself."""

    request: bytes
    key: bytes
    text: str
    reference: str = ""
    seed: int | None = None
    shift: Shift | None = None
    parts: tuple[Part, ...] = ()
    positions: tuple[int, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Ran:
    """A batch that was run: one vector per unit, and what it cost."""

    values: Sequence[Floats]
    rows: int
    tokens: int
    backward_rows: int = 0
    backward_tokens: int = 0


@dataclass(frozen=True, kw_only=True)
class Work:
    """Units of one kind and how a batch of them is run."""

    title: str
    units: tuple[Unit, ...]
    length: Callable[[Unit, Ids], int]
    """Tokens that a unit takes in its batch."""
    same: Callable[[Unit, Ids], object]
    """Units that differ in this never share a batch."""
    wanted: Wanted
    """For the room that a batch may take."""
    run: Callable[[LocalExecutor, Sequence[Unit], Ids], Ran]

    @property
    def texts(self) -> list[str]:
        """Return all texts that have to be tokenised."""
        return list(dict.fromkeys(t for u in self.units for t in (u.text, u.reference) if t))

    def batches(self, ids: Ids, *, budget: int, most_rows: int) -> list[list[Unit]]:
        """Pack the units, shortest first; the order depends on them alone, so a resumed run packs the same."""
        out: list[list[Unit]] = []
        ordered = sorted(self.units, key=lambda u: (self.length(u, ids), u.key, u.request))
        kinds: dict[object, list[Unit]] = {}
        for unit in ordered:
            kinds.setdefault(self.same(unit, ids), []).append(unit)
        for units in kinds.values():
            current: list[Unit] = []
            for unit in units:
                full = (len(current) + 1) * self.length(unit, ids) > budget or len(current) >= most_rows
                if current and full:
                    out.append(current)
                    current = []
                current.append(unit)
            out.append(current)
        return out


def works(requests: Sequence[Request]) -> list[Work]:
    """Return the work that some requests ask for; equal units are done once."""
    out = []
    shifted = [r for r in requests if isinstance(r, Scores) and r.intervene is not None]
    for target in dict.fromkeys(r.target for r in shifted):
        units = [u for r in shifted if r.target == target for u in units_of(r)]
        out.append(_shifted(target, _distinct(units)))
    out += [_written(request) for request in requests if isinstance(request, Generations)]
    if pairs := [u for r in requests if isinstance(r, Divergences) for u in units_of(r)]:
        out.append(_compared(_distinct(pairs)))
    out += [_screened(request) for request in requests if isinstance(request, PartEffects)]
    patched = [r for r in requests if isinstance(r, Patched)]
    for contrast in dict.fromkeys(r.contrast for r in patched):
        out.append(_patched(contrast, _distinct([u for r in patched if r.contrast == contrast for u in units_of(r)])))
    return out


PerUnit: TypeAlias = Scores | Generations | Divergences | PartEffects | Patched
"""Requests whose answers are stored unit by unit; of scores, those under an intervention."""


def units_of(request: PerUnit) -> list[Unit]:
    """Return the units of one request, in the order of its answer."""
    key = request_key(jsonable(request))
    match request:
        case Scores():
            return [Unit(request=key, key=key_of(t), text=t, shift=request.intervene) for t in request.texts]
        case Generations():
            # The seeds are part of the unit, so that a further seed asks for its own samples alone.
            key = request_key({**jsonable(request), "seeds": ()})
            seeds = request.seeds or (None,)
            return [
                Unit(request=key, key=key_of(t, "greedy" if s is None else str(s)), text=t, seed=s)
                for t in request.texts
                for s in seeds
            ]
        case Divergences():
            pairs = zip(request.references, request.texts, strict=True)
            return [Unit(request=key, key=key_of(a, b), text=b, reference=a) for a, b in pairs]
        case PartEffects():
            pairs = zip(request.references, request.texts, strict=True)
            return [Unit(request=key, key=key_of(a, b), text=b, reference=a) for a, b in pairs]
        case Patched():
            # The set is part of the unit, so that a further set asks for itself alone; the pair comes first,
            # so that sets of one pair are neighbours in a batch and share the reading of its reference.
            key = request_key({**jsonable(request), "sets": ()})
            keyed = [(parts, key_of(*sorted(part.name for part in parts))) for parts in request.sets]
            everywhere = (None,) * len(request.texts)
            return [
                Unit(
                    request=key,
                    key=key_of(a, b) + of_set + (b"" if at is None else key_of(*map(str, sorted(at)))),
                    text=b,
                    reference=a,
                    parts=parts,
                    positions=at,
                )
                for a, b, at in zip(request.references, request.texts, request.positions or everywhere, strict=True)
                for parts, of_set in keyed
            ]


def refuse(executor: LocalExecutor, request: Request, ids: Ids) -> None:
    """Refuse what this model cannot do, before anything is spent on it.

    Raises
    ------
    CannotAnswer
        With the reason.
    """
    if isinstance(request, Scores) and request.intervene is not None:
        interventions.check(executor.loaded, request.intervene)
    if isinstance(request, Generations):
        longest = max((len(ids[t]) for t in request.texts), default=0)
        generation.refuse_unwritable(executor.loaded, longest, request.max_new_tokens)
    if isinstance(request, Divergences) and executor.loaded.multi_label:
        raise CannotAnswer("a classifier whose labels are independent has no one distribution to compare")
    if isinstance(request, PartEffects | Patched):
        where = executor.part_map
        if isinstance(request, Patched):
            where.check([part for parts in request.sets for part in parts])
            for text, at in zip(request.texts, request.positions or (), strict=request.positions is not None):
                if outside := [i for i in at if not 0 <= i < len(ids[text])]:
                    raise CannotAnswer(f"a text of {len(ids[text])} tokens has none at {outside}")
        for text, reference in zip(request.texts, request.references, strict=True):
            pair(executor.loaded, request.contrast, text, ids[text], ids[reference])


def _distinct(units: Sequence[Unit]) -> tuple[Unit, ...]:
    return tuple({(u.request, u.key): u for u in units}.values())


# ---- scores under an intervention ----------------------------------------------------------------


def _shifted(target: Target, units: tuple[Unit, ...]) -> Work:
    if isinstance(target, ClassLogits):
        wanted = Wanted(class_logits=True)
    elif isinstance(target, Answers):
        wanted = Wanted(answers=frozenset({target.texts}))
    else:
        wanted = Wanted(likelihood=True)

    def run(executor: LocalExecutor, batch: Sequence[Unit], ids: Ids) -> Ran:
        shifts = [u.shift for u in batch if u.shift is not None]
        answers = {
            options: [[answer_ids(executor.loaded, u.text, o, ids[u.text]) for o in options] for u in batch]
            for options in wanted.answers
        }
        brought = executor.forward(
            [ids[u.text] for u in batch],
            wanted,
            answers,
            shifts=RowShifts(
                layer=shifts[0].layer,
                mode=shifts[0].mode,
                at=shifts[0].at,
                vectors=np.stack([s.vector for s in shifts]),
            ),
        )
        return Ran(values=list(_outputs(brought, wanted)), rows=brought.rows, tokens=brought.tokens)

    return Work(
        title="the model reads with its states moved",
        units=units,
        length=lambda unit, ids: len(ids[unit.text]),
        # Each row has its own vector; where and how it is applied is the batch's.
        same=lambda unit, _: unit.shift and (unit.shift.layer, unit.shift.mode, unit.shift.at),
        wanted=wanted,
        run=run,
    )


def _outputs(brought: Brought, wanted: Wanted) -> Floats:
    if wanted.class_logits:
        found = brought.class_logits
    elif wanted.likelihood:
        found = brought.likelihood
    else:
        found = next(iter(brought.answers.values()))
    assert found is not None
    return found


# ---- continuations -------------------------------------------------------------------------------


def _written(request: Generations) -> Work:
    def run(executor: LocalExecutor, batch: Sequence[Unit], ids: Ids) -> Ran:
        streams = [
            None if u.seed is None else np.random.default_rng([u.seed, int.from_bytes(key_of(u.text), "big")])
            for u in batch
        ]
        written = executor.generate(
            [ids[u.text] for u in batch],
            max_new_tokens=request.max_new_tokens,
            streams=streams,
            temperature=request.temperature,
        )
        tokens = sum(len(ids[u.text]) + len(w.ids) for u, w in zip(batch, written, strict=True))
        return Ran(values=[generation.packed(w) for w in written], rows=len(batch), tokens=tokens)

    return Work(
        title="the model writes",
        units=_distinct(units_of(request)),
        length=lambda unit, ids: len(ids[unit.text]) + request.max_new_tokens,
        same=lambda unit, ids: len(ids[unit.text]),
        wanted=Wanted(answers=frozenset({("",)})),
        run=run,
    )


# ---- divergences ---------------------------------------------------------------------------------


def _compared(units: tuple[Unit, ...]) -> Work:
    def run(executor: LocalExecutor, batch: Sequence[Unit], ids: Ids) -> Ran:
        values, rows, tokens = executor.divergences([(ids[u.reference], ids[u.text]) for u in batch])
        return Ran(values=list(values), rows=rows, tokens=tokens)

    return Work(
        title="output distributions compared",
        units=tuple(sorted(units, key=lambda u: (u.reference, u.text))),
        # At worst every pair brings a reference of its own along.
        length=lambda unit, ids: 2 * max(len(ids[unit.text]), len(ids[unit.reference])),
        same=lambda _unit, _ids: None,
        wanted=Wanted(answers=frozenset({("",)})),
        run=run,
    )


# ---- parts ---------------------------------------------------------------------------------------


def _pair(executor: LocalExecutor, contrast: Contrast, unit: Unit, ids: Ids) -> Pair:
    return pair(executor.loaded, contrast, unit.text, ids[unit.text], ids[unit.reference])


def _screened(request: PartEffects) -> Work:
    def run(executor: LocalExecutor, batch: Sequence[Unit], ids: Ids) -> Ran:
        pairs = [_pair(executor, request.contrast, unit, ids) for unit in batch]
        found = executor.part_effects(pairs, both_ends=request.gradient_at == "both")
        each = sum(len(p.text) for p in pairs) / len(pairs)
        return Ran(
            values=found.values,
            rows=found.forward_rows,
            tokens=round(found.forward_rows * each),
            backward_rows=found.backward_rows,
            backward_tokens=round(found.backward_rows * each),
        )

    return Work(
        title="effects of all parts to first order",
        units=_distinct(units_of(request)),
        # Every part's input and its gradient are kept, so a token takes the room of several.
        length=lambda unit, ids: GRADIENT_SHARE * len(ids[unit.text]),
        same=lambda _unit, _ids: None,
        wanted=Wanted(answers=frozenset({("",)})),
        run=run,
    )


def _patched(contrast: Contrast, units: tuple[Unit, ...]) -> Work:
    def run(executor: LocalExecutor, batch: Sequence[Unit], ids: Ids) -> Ran:
        pairs = {(u.text, u.reference): u for u in batch}
        bound = {key: _pair(executor, contrast, unit, ids) for key, unit in pairs.items()}
        values, rows = executor.patch(
            [Row(pair=bound[u.text, u.reference], parts=u.parts, positions=u.positions) for u in batch]
        )
        tokens = sum(len(ids[u.text]) for u in batch) + sum(len(one.reference) for one in bound.values())
        return Ran(values=list(values[:, None]), rows=rows, tokens=tokens)

    return Work(
        title="parts taken from the counterpart",
        units=units,
        length=lambda unit, ids: len(ids[unit.text]),
        same=lambda _unit, _ids: None,
        wanted=Wanted(answers=frozenset({("",)})),
        run=run,
    )
