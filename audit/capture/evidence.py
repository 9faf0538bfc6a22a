"""The evidence of a run: every answer that its checks were handed, and one digest over all of them.

What a check is handed is read back from the store, by the code below and no other. It needs no model, no
tokenizer and no model library: what they said is kept as notes. So whoever holds the stored answers can run the
checks again and must come to the same numbers (``audit.capture.replay``).

The digest is the root of a Merkle tree (``audit.merkle``) over the answers that were used, in the order of their
kinds, requests and texts: one answer can be shown to belong to an audit without showing the others. The rows of the
data are notes among them (``audit.capture.rows``). Of an answer that was erased its digest stays in its place.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, assert_never

import numpy as np

from audit.capture.leaves import Kind, Leaf, StatesLeaf
from audit.capture.merging import ablation_keys, attribution_keys, spanned_key, spans_of, states_key, target_key
from audit.capture.rows import row_notes, rows_key
from audit.capture.store import Store
from audit.capture.stored import KINDS, Small, StoredAnswers, key_of, request_key
from audit.capture.work import PerUnit, units_of
from audit.errors import UserError, user_error
from audit.merkle import Tree
from audit.requests import (
    PER_TEXT,
    Ablations,
    Answer,
    Attributions,
    CannotAnswer,
    DirectionAnswer,
    DirectionFile,
    DivergenceAnswer,
    Divergences,
    Generated,
    Generations,
    PairEffects,
    PartEffects,
    Patched,
    Request,
    ScoreAnswer,
    Scores,
    States,
    Target,
    TokenAttribution,
    Tokenised,
    TokenisedText,
    Vocabulary,
    Words,
    jsonable,
)
from audit.shapes import Floats
from audit.types import Dataset, Direction

Keyed = tuple[bytes, bytes, bytes]
"""Request key, text key and JSON of a note."""

_TOKENS = request_key({"": "Tokenised"})
_LAYERS = request_key({"": "Layers"})
_DIRECTIONS = request_key({"": "Directions"})
_REFUSALS = request_key({"": "Refused"})
_AT_ONCE = 2000
_ALL = key_of("")
"""Text key of a note that is about no text."""


class Unanswered(Exception):  # noqa: N818 - named as a reader meets it: nothing here answers the request
    """The stored answers do not hold what a check asks for."""


@dataclass(frozen=True, kw_only=True)
class Used:
    """Which stored answers were used, by their keys."""

    small: dict[tuple[Small, bytes], set[bytes]] = field(default_factory=dict)
    """(table, request) → texts."""
    states: dict[tuple[bytes, tuple[int, ...]], set[bytes]] = field(default_factory=dict)
    """(request, layers) → texts."""

    def leaves(self) -> Iterator[Leaf]:
        """Yield what was used, in no order."""
        for (table, request), texts in self.small.items():
            yield from (Leaf(KINDS[table], request, (), text) for text in texts)
        for (request, layers), texts in self.states.items():
            yield from (Leaf(Kind.STATES, request, layers, text) for text in texts)

    def add(self, leaf: Leaf) -> None:
        """Note that a leaf was used."""
        if leaf.kind is Kind.STATES:
            self.states.setdefault((leaf.request, leaf.layers), set()).add(leaf.text)
        else:
            self.small.setdefault((_TABLES[leaf.kind], leaf.request), set()).add(leaf.text)


_TABLES: Mapping[Kind, Small] = {kind: table for table, kind in KINDS.items()}


@dataclass(frozen=True, kw_only=True)
class Seal:
    """What stands for the evidence of a run in its record."""

    root: str
    """SHA-256, hexadecimal."""
    answers: int
    erased: int = 0
    """How many of them are no longer there; their digests stand in their places."""


def seal(store: StoredAnswers, used: Used) -> Seal:
    """Return the Merkle root over the used answers.

    Raises
    ------
    UserError
        When the store is damaged.
    """
    tree, erased = Tree(), 0
    for leaf, digest in leaves(store, used):
        erased += leaf is None
        tree.append(digest)
    return Seal(root=tree.root().hex(), answers=tree.size, erased=erased)


def leaves(store: StoredAnswers, used: Used) -> Iterator[tuple[Leaf | None, bytes]]:
    """Yield every used answer with its digest, in the order of the tree; None for one that was erased.

    Raises
    ------
    UserError
        When the store is damaged.
    """
    erased, place = store.erased(), 0
    gap = next(erased, None)
    for present in _present(store, used):
        while gap is not None and gap[0] == place:
            yield None, gap[1]
            gap, place = next(erased, None), place + 1
        yield present
        place += 1
    while gap is not None:
        if gap[0] != place:
            raise _misplaced(store, gap[0])
        yield None, gap[1]
        gap, place = next(erased, None), place + 1


def _misplaced(store: StoredAnswers, place: int) -> UserError:
    return user_error(
        "The evidence cannot be read",
        where=str(store.folder),
        found=f"an erased answer in the place {place:,}, where there is none",
        expected="the evidence as it was written",
    )


def _present(store: StoredAnswers, used: Used) -> Iterator[tuple[Leaf, bytes]]:
    for table, kind in KINDS.items():
        for request in sorted(request for name, request in used.small if name == table):
            found = {entry.text: entry.digest for entry in store.entries(table, request, used.small[table, request])}
            yield from ((Leaf(kind, request, (), text), found[text]) for text in sorted(found))
    for (request, layers), wanted in sorted(used.states.items()):
        digests: dict[bytes, bytes] = {}
        for together, states in store.states_by_block(request, wanted, layers):
            begun = {text: StatesLeaf(request, text, salt) for text, salt in together.items()}
            for layer in layers:
                for text, row in zip(together, states.read(layer), strict=True):
                    begun[text].add(layer, row)
            digests |= {text: leaf.digest() for text, leaf in begun.items()}
        yield from ((Leaf(Kind.STATES, request, layers, text), digests[text]) for text in sorted(digests))


# ---- keeping, while a run goes on ----------------------------------------------------------------


class Evidence:
    """Keeps what checks are handed, and notes what the store does not hold of it by itself."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.reader = Reader(store)

    def keep_rows(self, datasets: Iterable[Dataset]) -> None:
        """Keep the rows of the data, which are evidence too: years later they show what the answers are about."""
        for notes in (batch for data in datasets for batch in _batches(row_notes(data))):
            self._store.put_notes(notes)
            for request, text, _ in notes:
                self.reader.used.add(Leaf(Kind.NOTE, request, (), text))

    def keep(self, request: Request, answer: Answer) -> Answer:
        """Return an answer as whoever checks the evidence will read it."""
        self._store.put_notes(_notes(request, answer))
        self._store.forget_note(_REFUSALS, whole_key(request))  # of an earlier run that had less memory, say
        return self.reader.answer(request)

    def refuse(self, request: Request, reason: CannotAnswer) -> None:
        """Keep that there is no answer, and why."""
        self._store.put_notes([_note(_REFUSALS, whole_key(request), str(reason))])
        self.reader.refusal(request)

    def seal(self) -> Seal:
        """Return the root over all that was handed over so far."""
        return seal(self._store, self.reader.used)


def _batches(notes: Iterable[Keyed]) -> Iterator[list[Keyed]]:
    """Yield some notes at a time: rows of data are many."""
    rest = iter(notes)
    while batch := list(itertools.islice(rest, _AT_ONCE)):
        yield batch


def _note(request: bytes, text: bytes, said: Any) -> Keyed:
    # ASCII alone: a lone surrogate, as byte-level vocabularies hold them, has no UTF-8.
    return request, text, json.dumps(said, separators=(",", ":")).encode("ascii")


def _notes(request: Request, answer: Any) -> list[Keyed]:  # noqa: PLR0911 - one return for each kind of request
    """Return what the tokenizer and the configuration said for an answer."""
    match request:
        case Tokenised():
            return [_note(_TOKENS, key_of(t), _plain(a)) for t, a in zip(request.texts, answer, strict=True)]
        case Attributions():
            return [_note(_TOKENS, key_of(t), _plain(a.text)) for t, a in zip(request.texts, answer, strict=True)]
        case Vocabulary():
            return [_note(request_key(jsonable(request)), _ALL, _plain(answer))]
        case Scores():
            said = {"names": answer.names, "link": answer.link}
            return [_note(_outputs(request.target), _ALL, said)]
        case Generations():
            written = [one.text for several in answer for one in several]
            return [_note(u.request, u.key, text) for u, text in zip(units_of(request), written, strict=True)]
        case States():
            return [_note(_LAYERS, _ALL, max(answer))] if request.layers == "all" else []
        case DirectionFile():
            return [_note(_DIRECTIONS, whole_key(request), _direction_said(answer.direction))]
        case Ablations() | Divergences() | PartEffects() | Patched():
            return []
    assert_never(request)


def _direction_said(direction: Direction) -> dict[str, Any]:
    said = {each.name: getattr(direction, each.name) for each in fields(direction)}
    return said | {"vector": direction.vector.astype(float).tolist()}  # float32 goes through float unharmed


def _plain(item: TokenisedText | Words) -> dict[str, Any]:
    return {each.name: getattr(item, each.name) for each in fields(item)}


def _outputs(target: Target) -> bytes:
    return request_key({"": "Outputs", "target": jsonable(target)})


def whole_key(request: Request) -> bytes:
    """Return the key of a request with all that it is asked of."""
    asked_of = {each.name: getattr(request, each.name) for each in fields(request) if each.name in PER_TEXT}
    return key_of(json.dumps(jsonable(request), sort_keys=True), json.dumps(asked_of, sort_keys=True))


# ---- reading, with no model ----------------------------------------------------------------------


class Reader:
    """Puts the answers of checks together from stored ones, and keeps which were used."""

    def __init__(self, store: StoredAnswers) -> None:
        self.store = store
        self.used = Used()

    def answer(self, request: Request) -> Answer:
        """Return the answer to a request.

        Raises
        ------
        CannotAnswer
            When there was none in the run, with the reason given there.
        Unanswered
            When the stored answers do not hold it.
        UserError
            When the store is damaged.
        """
        if (reason := self.refusal(request)) is not None:
            raise CannotAnswer(reason)
        try:
            return self._read(request)
        except (KeyError, IndexError, TypeError, ValueError, RecursionError) as error:
            raise user_error(
                "The store is damaged",
                where=str(self.store.folder),
                found=f"answers to {type(request).__name__} that cannot be read ({type(error).__name__}: {error})",
                expected="answers as inspectoscope stores them",
            ) from error

    def rows(self, data: Dataset) -> None:
        """Note that the rows of a data set were used.

        Raises
        ------
        Unanswered
            When they are not all stored.
        """
        request = rows_key(data.name)
        for notes in _batches(row_notes(data)):
            texts = [text for _, text, _ in notes]
            self._used("notes", request, texts, self.store.notes(request, texts))

    def refusal(self, request: Request) -> str | None:
        """Return why a request had no answer; None where it had one."""
        key = whole_key(request)
        if key not in self.store.notes(_REFUSALS, [key]):
            return None
        return str(self._note(_REFUSALS, key))

    def _read(self, request: Request) -> Answer:  # noqa: C901, PLR0911 - one return for each kind of request
        match request:
            case Tokenised():
                return self._tokens(request.texts)
            case Vocabulary():
                said = self._note(request_key(jsonable(request)))
                return Words(words=tuple(said["words"]), drawn_from=said["drawn_from"])
            case Scores():
                return self._scores(request)
            case States():
                return self._states(request)
            case DirectionFile():
                said = self._note(_DIRECTIONS, whole_key(request))
                vector = np.array(said["vector"], dtype=np.float32)
                return DirectionAnswer(direction=Direction(**(said | {"vector": vector})))
            case Generations():
                return self._written(request)
            case Divergences():
                values = np.array(self._units(request)).reshape(-1, 2)
                return DivergenceAnswer(kl=values[:, 0], total_variation=values[:, 1])
            case PartEffects():
                return tuple(map(unpacked_effects, self._units(request)))
            case Patched():
                return np.array(self._units(request)).reshape(len(request.texts), len(request.sets))
            case Attributions():
                vectors = self._numbers(request_key(jsonable(request)), attribution_keys(request))
                return tuple(map(unpacked, self._tokens(request.texts), vectors))
            case Ablations():
                return tuple(self._numbers(request_key(jsonable(request)), ablation_keys(request)))
        assert_never(request)

    def _scores(self, request: Scores) -> ScoreAnswer:
        if request.intervene is None:
            values = self._numbers(target_key(request.target), [key_of(t) for t in request.texts])
        else:
            values = self._units(request)
        said = self._note(_outputs(request.target))
        return ScoreAnswer(values=np.array(values), names=tuple(said["names"]), link=said["link"])

    def _states(self, request: States) -> Answer:
        if request.layers == "all":
            layers = tuple(range(int(self._note(_LAYERS)) + 1))
        else:
            layers = tuple(sorted(set(request.layers)))
        key = states_key(request.pool, request.weights)
        texts = [spanned_key(*pair) for pair in zip(request.texts, spans_of(request), strict=True)]
        if self.store.stored_states(key, texts, layers) != set(texts):
            raise Unanswered(f"states of {len(texts)} texts")
        self.used.states.setdefault((key, layers), set()).update(texts)
        return self.store.states(key, texts, layers)

    def _written(self, request: Generations) -> tuple[tuple[Generated, ...], ...]:
        units, each = units_of(request), len(request.seeds) or 1
        vectors = self._units(request)
        texts = self._notes(units[0].request, [u.key for u in units]) if units else []
        written = [
            Generated(text=text, ids=tuple(v[2:].astype(int).tolist()), log_probability=float(v[0]), ended=bool(v[1]))
            for text, v in zip(texts, vectors, strict=True)
        ]
        return tuple(tuple(written[i * each : (i + 1) * each]) for i in range(len(request.texts)))

    def _tokens(self, texts: Sequence[str]) -> tuple[TokenisedText, ...]:
        return tuple(_tokenised(said) for said in self._notes(_TOKENS, [key_of(t) for t in texts]))

    def _units(self, request: PerUnit) -> list[Floats]:
        units = units_of(request)
        return self._numbers(units[0].request, [u.key for u in units]) if units else []

    def _numbers(self, request: bytes, texts: Sequence[bytes]) -> list[Floats]:
        return self._used("answers", request, texts, self.store.values(request, texts))

    def _notes(self, request: bytes, texts: Sequence[bytes]) -> list[Any]:
        found = self._used("notes", request, texts, self.store.notes(request, texts))
        return [json.loads(value) for value in found]

    def _note(self, request: bytes, text: bytes = _ALL) -> Any:
        return self._notes(request, [text])[0]

    def _used(self, table: Small, request: bytes, texts: Sequence[bytes], found: Mapping[bytes, Any]) -> list[Any]:
        if missing := sum(text not in found for text in texts):
            raise Unanswered(f"{missing} of {len(texts)} {table}")
        self.used.small.setdefault((table, request), set()).update(texts)
        return [found[text] for text in texts]


def unpacked(text: TokenisedText, vector: Floats) -> TokenAttribution:
    """Return an attribution from the vector that ``answering.packed`` makes of it."""
    if len(vector) == 5 + len(text.ids):  # as it was kept before there were groups
        vector = np.concatenate([vector[:5], [0.0, np.nan], vector[5:], np.full(len(text.ids), -1.0)])
    score, baseline, steps, delta, converged, floor, grouped = vector[:7].tolist()
    tokens, count = len(text.ids), 0 if np.isnan(grouped) else int(grouped)
    values, member, groups, errors = np.split(vector[7:], np.cumsum([tokens, tokens, count]))
    return TokenAttribution(
        text=text,
        values=values,
        score=score,
        baseline_score=baseline,
        n_steps=None if np.isnan(steps) else int(steps),
        completeness_delta=None if np.isnan(delta) else delta,
        converged=bool(converged),
        delta_floor=floor,
        groups=tuple(tuple(np.flatnonzero(member == number).tolist()) for number in range(count)),
        group_values=None if np.isnan(grouped) else groups,
        standard_errors=errors if len(errors) else None,
    )


def unpacked_effects(vector: Floats) -> PairEffects:
    """Return the effects of a pair from the vector that ``patching.packed`` makes of them.

    Raises
    ------
    ValueError
        When the vector does not have the size that it says.
    """
    layers, tokens, blocks, heads, neurons = map(int, vector[:5])
    sizes = [layers * tokens, blocks * heads, blocks * neurons]
    score, reference, *rest = np.split(vector[5:], np.cumsum([1, 1, *sizes]))
    if min(layers, tokens, blocks, heads, neurons) < 1 or len(rest.pop()):
        raise ValueError("effects of parts whose sizes do not fit")
    return PairEffects(
        score=float(score[0]),
        reference_score=float(reference[0]),
        states=rest[0].reshape(layers, tokens),
        heads=rest[1].reshape(blocks, heads),
        neurons=rest[2].reshape(blocks, neurons),
    )


def _tokenised(said: Mapping[str, Any]) -> TokenisedText:
    return TokenisedText(
        ids=tuple(said["ids"]),
        tokens=tuple(said["tokens"]),
        spans=tuple((int(a), int(b)) for a, b in said["spans"]),
        special=tuple(said["special"]),
        unknown=tuple(said["unknown"]),
    )


MOST_HELD = 50_000_000
"""Answers in a copy of evidence that are read; more would take the memory of the machine."""


def held(store: StoredAnswers) -> Used:
    """Return everything that a store holds as if it had been used: of a copy of evidence that is the same.

    Raises
    ------
    UserError
        When the store is damaged, or holds more than can be looked at.
    """
    used = Used()
    tables: Iterable[Small] = ("answers", "notes")
    for number, (table, request, text) in enumerate((t, *key) for t in tables for key in store.keys(t)):
        _bounded(number, store)
        used.small.setdefault((table, request), set()).add(text)
    for number, (request, layers, text) in enumerate(store.held_states()):
        _bounded(number, store)
        used.states.setdefault((request, layers), set()).add(text)
    return used


def _bounded(number: int, store: StoredAnswers) -> None:
    if number >= MOST_HELD:
        raise user_error(
            "The evidence cannot be read",
            where=str(store.folder),
            found=f"more than {MOST_HELD:,} answers",
            expected="the evidence of one run",
        )
