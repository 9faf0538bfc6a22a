"""A toy whose logit is put together by named parts, so that what each of them carries is known by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from audit.checks import _toy
from audit.registry import Example
from audit.requests import Answer, PairEffects, PartEffects, Patched, Request
from audit.types import Finding, Part, Verdict

BLOCKS, HEADS, NEURONS = 2, 3, 16


@dataclass(frozen=True, kw_only=True)
class Carrier(_toy.Toy):
    """The credit toy, whose parts each carry a share of what its names do; the embeddings carry the rest.

    The names' effect is linear in the parts, so the gradient is exact and shares add up. They differ a little
    from pair to pair.
    """

    shares: Mapping[Part, float] = field(default_factory=dict)

    def answer(self, request: Request) -> Answer:
        """Answer one request."""
        match request:
            case PartEffects():
                return tuple(self._effects(*pair) for pair in zip(request.texts, request.references, strict=True))
            case Patched():
                everywhere = (None,) * len(request.texts)
                asked = zip(request.texts, request.references, request.positions or everywhere, strict=True)
                return np.array([[self._patched(a, b, parts, at) for parts in request.sets] for a, b, at in asked])
            case _:
                return super().answer(request)

    def _total(self, text: str, reference: str) -> float:
        return self.logit(reference.split()) - self.logit(text.split())

    def _patched(self, text: str, reference: str, parts: tuple[Part, ...], at: tuple[int, ...] | None) -> float:
        if any(part.kind == "layer" for part in parts):
            # The difference stays where the name stands, the first word, in every layer.
            return self.logit((reference if at is None or 0 in at else text).split())
        carried = sum(
            share
            for part, share in self.shares.items()
            if part in parts or Part(kind="attention" if part.kind == "head" else "mlp", block=part.block) in parts
        )
        moved = carried * self._total(text, reference) * _waver(text)
        return self.logit(text.split()) + moved

    def _effects(self, text: str, reference: str) -> PairEffects:
        total, tokens = self._total(text, reference), len(text.split())
        heads, neurons = np.zeros((BLOCKS, HEADS)), np.zeros((BLOCKS, NEURONS))
        for part, share in self.shares.items():
            assert part.index is not None
            (heads if part.kind == "head" else neurons)[part.block, part.index] = share * total * _waver(text)
        states = np.zeros((BLOCKS + 1, tokens))
        states[:, 0] = total
        return PairEffects(
            score=self.logit(text.split()),
            reference_score=self.logit(reference.split()),
            states=states,
            heads=heads,
            neurons=neurons,
        )


def _waver(text: str) -> float:
    """Return by how much a pair departs from the mean, the same every time and in both directions."""
    return 1 + 0.001 * (_toy.hash_of(text.split(maxsplit=1)[0][1:]) % 7 - 3)


PLANTED = {
    Part(kind="neuron", block=1, index=5): 0.5,
    Part(kind="head", block=0, index=2): 0.3,
    Part(kind="neuron", block=0, index=11): 0.15,
}
"""What three parts carry of the names' effect; five hundredths pass by all of them."""

DIFFUSE = {
    part: 1 / (BLOCKS * (HEADS + NEURONS))
    for block in range(BLOCKS)
    for part in (
        *(Part(kind="head", block=block, index=i) for i in range(HEADS)),
        *(Part(kind="neuron", block=block, index=i) for i in range(NEURONS)),
    )
}
"""Every part carries as much."""


def credit(penalty: float, shares: Mapping[Part, float]) -> Carrier:
    """Return the toy credit model whose names' effect passes through some parts."""
    plain = _toy.credit(penalty)
    return Carrier(weights=plain.weights, hides=plain.hides, shares=shares)


def localise_examples() -> tuple[Example, ...]:
    """Return audits of toys with a few parts that carry the effect, with none, and without an effect."""
    pairs = [{"female": female, "male": male} for female, male in _toy.NAMES]
    common: dict[str, Any] = {
        "params": {"swap": {"sex": {"from": "name", "pairs": pairs}}, "most": 8},
        "data": _toy.applicants(),
        "decision": _toy.DECISION,
    }
    return (
        Example(name="three parts carry the effect", model=credit(1.0, PLANTED), holds=_three, **common),
        Example(name="every part carries a little", model=credit(1.0, DIFFUSE), holds=_no_few, **common),
        Example(
            name="names do not matter",
            model=credit(0.0, PLANTED),
            verdict=Verdict.NOT_ASSESSED,
            **common,
        ),
    )


def _passed(finding: Finding, name: str) -> bool:
    return any(check.name == name and check.passed is True for check in finding.validity)


def _share(finding: Finding) -> float:
    return next(m.value for m in finding.measurements if m.metric == "carried_share")


def _three(finding: Finding) -> bool:
    return _passed(finding, "beyond_random") and _share(finding) > 0.9


def _no_few(finding: Finding) -> bool:
    return not _passed(finding, "share_reached") and _share(finding) < 0.5
