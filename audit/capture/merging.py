"""Merges what all checks ask of a text into one reading of it, and keys its answers in the store."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeGuard

from audit.capture.executors.local import RANDOM_SEED
from audit.capture.passes import WHOLE, Pooling, Wanted
from audit.capture.store import Store, key_of, request_key
from audit.requests import (
    Ablations,
    Answers,
    Attributions,
    ClassLogits,
    Group,
    Pool,
    Request,
    Scores,
    Span,
    States,
    Target,
    TextLikelihood,
    jsonable,
)


@dataclass(frozen=True, kw_only=True)
class Merged:
    """What a round asks of each distinct text."""

    wanted: dict[str, Wanted] = field(default_factory=dict)
    spans: dict[str, list[Span]] = field(default_factory=dict)
    """Stretches of a text whose tokens are pooled by themselves, in the order of their slots."""

    def __bool__(self) -> bool:
        return bool(self.wanted)


def merge(requests: Iterable[Request], weights: str, blocks: int) -> Merged:
    """Return, for each distinct text, all that these requests want of it under some weights."""
    out = Merged()
    for request in requests:
        if not (plain(request) and weights_of(request) == weights):
            continue
        alike: dict[int, Wanted] = {}
        for text, span in zip(request.texts, spans_of(request), strict=True):
            slot = WHOLE
            if span is not None:
                known_spans = out.spans.setdefault(text, [])
                if span not in known_spans:
                    known_spans.append(span)
                slot = known_spans.index(span)
            what = alike.get(slot) or alike.setdefault(slot, _wanted(request, blocks, slot))
            known = out.wanted.get(text)
            out.wanted[text] = what if known is None or known == what else known | what
    return out


def plain(request: Request) -> TypeGuard[Scores | States]:
    """Whether a request is a plain reading of its texts, which others of the same texts can share."""
    return isinstance(request, States) or (isinstance(request, Scores) and request.intervene is None)


def spans_of(request: Scores | States) -> Sequence[Span | None]:
    """Return, for each text, the stretch of it that is pooled; None for all of it."""
    spans = request.spans if isinstance(request, States) else None
    return [None] * len(request.texts) if spans is None else spans


def _wanted(request: Scores | States, blocks: int, slot: int) -> Wanted:
    if isinstance(request, States):
        return Wanted(pools=frozenset({(request.pool, slot)}), layers=layers_of(request, blocks))
    if isinstance(request.target, ClassLogits):
        return Wanted(class_logits=True)
    if isinstance(request.target, Answers):
        return Wanted(answers=frozenset({request.target.texts}))
    return Wanted(likelihood=True)


def weights_of(request: Scores | States) -> str:
    """Return the weights a request is asked of."""
    return request.weights if isinstance(request, States) else "audited"


def layers_of(request: States, blocks: int) -> tuple[int, ...]:
    """Return the layers asked for that the model has; the others are refused when the answer is due."""
    there = range(blocks + 1)
    return tuple(there) if request.layers == "all" else tuple(sorted(set(request.layers) & set(there)))


# ---- keys --------------------------------------------------------------------------------------


def stored_texts(
    store: Store, what: Wanted, weights: str, texts: Sequence[str], spans: Mapping[str, Sequence[Span]]
) -> set[str]:
    """Return the texts for which all that is wanted is stored."""
    held = set(texts)

    def keep(there: set[bytes], key: Callable[[str], bytes]) -> None:
        held.intersection_update([t for t in held if key(t) in there])

    targets: list[Target] = [Answers(texts=options) for options in what.answers]
    targets += [ClassLogits()] * what.class_logits
    targets += [TextLikelihood()] * what.likelihood
    for target in targets:
        keep(store.stored(target_key(target), map(key_of, held)), key_of)
    for pooling in what.pools:
        keys = {t: pooled_key(t, pooling, spans) for t in held}
        request = states_key(pooling[0], weights)
        keep(store.stored_states(request, keys.values(), what.layers), keys.__getitem__)
    return held


def target_key(target: Target) -> bytes:
    """Return the key of outputs."""
    return request_key(jsonable(target))


def spanned_key(text: str, span: Span | None) -> bytes:
    """Return the key of a text, or of a stretch of it."""
    return key_of(text) if span is None else key_of(text, f"{span[0]}:{span[1]}")


def pooled_key(text: str, pooling: Pooling, spans: Mapping[str, Sequence[Span]]) -> bytes:
    """Return the key of what a pooling takes from a text."""
    _, slot = pooling
    return spanned_key(text, None if slot == WHOLE else spans[text][slot])


def states_key(pool: Pool, weights: str) -> bytes:
    """Return the key of pooled states; those of random weights depend on the seed they were drawn with."""
    return request_key(
        {"": "States", "pool": pool, "weights": weights, "seed": RANDOM_SEED if weights == "random" else 0}
    )


def ablation_key(text: str, positions: Sequence[Sequence[int]], counterfactual: str | None = None) -> bytes:
    """Return the key of a text with sets of its tokens replaced."""
    sets = json.dumps([list(p) for p in positions])
    return key_of(text, sets) if counterfactual is None else key_of(text, sets, counterfactual)


def attribution_key(text: str, groups: Sequence[Group] | None, counterfactual: str | None) -> bytes:
    """Return the key of a text that is attributed, with its groups and its counterfactual where it has any."""
    if groups is None and counterfactual is None:
        return key_of(text)
    return key_of(text, json.dumps([groups, counterfactual]))


def attribution_keys(request: Attributions) -> list[bytes]:
    """Return the keys of a request's texts."""
    groups = request.groups or (None,) * len(request.texts)
    others = request.counterfactuals or (None,) * len(request.texts)
    return [attribution_key(*each) for each in zip(request.texts, groups, others, strict=True)]


def ablation_keys(request: Ablations) -> list[bytes]:
    """Return the keys of a request's texts."""
    others = request.counterfactuals or (None,) * len(request.texts)
    return [ablation_key(*each) for each in zip(request.texts, request.positions, others, strict=True)]
