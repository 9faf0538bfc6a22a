"""Parts ranked by the gradient, sets of them, and matched sets drawn at random."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from audit.requests import PairEffects
from audit.shapes import Floats
from audit.types import Part, PartKind

PartSet: TypeAlias = tuple[Part, ...]


def estimates(effects: Sequence[PairEffects], kinds: Iterable[PartKind]) -> dict[Part, Floats]:
    """Return the first-order effect of every part of some kinds in each pair, (pairs,)."""
    heads = np.stack([e.heads for e in effects], axis=-1)
    neurons = np.stack([e.neurons for e in effects], axis=-1)
    out: dict[Part, Floats] = {}
    for block in range(len(heads)):
        for kind in kinds:
            match kind:
                case "head":
                    out |= {Part(kind=kind, block=block, index=i): v for i, v in enumerate(heads[block])}
                case "neuron":
                    out |= {Part(kind=kind, block=block, index=i): v for i, v in enumerate(neurons[block])}
                case "attention":
                    out[Part(kind=kind, block=block)] = heads[block].sum(axis=0)
                case "mlp":
                    out[Part(kind=kind, block=block)] = neurons[block].sum(axis=0)
                case "layer":
                    out[Part(kind=kind, block=block)] = np.array([e.states[block + 1].sum() for e in effects])
    return out


def ranked(effects: Mapping[Part, float]) -> list[Part]:
    """Return the parts that move the score, those that move it most first, whichever way."""
    return sorted((p for p in effects if effects[p]), key=lambda p: (-abs(effects[p]), p.name))


def everything(effects: PairEffects) -> PartSet:
    """Return the attention and the MLP of every block: all that stands between the words and the output."""
    blocks = range(len(effects.heads))
    return tuple(Part(kind=kind, block=block) for block in blocks for kind in ("attention", "mlp"))


def sizes(most: int) -> list[int]:
    """Return 1 to 8, then in steps of a half or a third up to ``most``, and ``most``."""
    out = [*range(1, 9)]
    while out[-1] < most:
        out += [out[-1] * 3 // 2, out[-1] * 2]
    return sorted({*(size for size in out if size <= most), most}) if most else []


def nested(order: Sequence[Part], most: int) -> list[PartSet]:
    """Return the first 1, 2, 3, … parts of a ranking."""
    return [tuple(order[:size]) for size in sizes(min(most, len(order)))]


def others(count: int, kind: PartKind, apart_from: PartSet, every: Sequence[Part], rng: np.random.Generator) -> PartSet:
    """Return at most ``count`` parts of a kind that are not in a set, drawn at random."""
    pool = [part for part in every if part.kind == kind and part not in set(apart_from)]
    return tuple(pool[i] for i in rng.permutation(len(pool))[:count].tolist())


def matched(parts: PartSet, every: Sequence[Part], rng: np.random.Generator) -> PartSet:
    """Return as many parts of each kind as ``parts`` has, drawn from the others.

    Where the model has too few others, the rest is drawn from ``parts`` itself, which makes the comparison
    harder to beat and never easier: of a set that is all heads there are, no other can be told.
    """
    out: list[Part] = []
    for kind in sorted({part.kind for part in parts}):
        own = [part for part in parts if part.kind == kind]
        drawn = others(len(own), kind, parts, every, rng)
        filled = [own[i] for i in rng.permutation(len(own))[: len(own) - len(drawn)].tolist()]
        out += [*drawn, *filled]
    return tuple(sorted(out, key=lambda part: part.name))
