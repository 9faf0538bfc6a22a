"""Puts the answers of checks together from the store, and says why there is none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import singledispatchmethod

import numpy as np

from audit.capture import attributing, directions, generation, vocabulary
from audit.capture.evidence import unpacked, unpacked_effects
from audit.capture.executors.local import LocalExecutor
from audit.capture.merging import (
    ablation_keys,
    attribution_keys,
    layers_of,
    spanned_key,
    spans_of,
    states_key,
    target_key,
)
from audit.capture.store import Store, key_of, request_key
from audit.capture.tokens import TokenIds, token_ids, token_range, tokenised
from audit.capture.work import PerUnit, refuse, units_of, works
from audit.requests import (
    Ablations,
    Answer,
    Answers,
    Attributions,
    CannotAnswer,
    ClassLogits,
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
    TokenAttribution,
    Tokenised,
    Vocabulary,
    Words,
    jsonable,
)
from audit.shapes import Floats


@dataclass(frozen=True, kw_only=True)
class Answering:
    """Reads what was measured back from the store.

    Every method raises ``CannotAnswer`` where the model cannot do what was asked, or did not answer in numbers.
    """

    executor: LocalExecutor
    store: Store
    ids: dict[str, TokenIds]
    """Token ids of the round's texts; texts that are not there yet are added."""

    def tokenise(self, texts: Iterable[str]) -> None:
        """See to it that the token ids of some texts are there."""
        new = [t for t in dict.fromkeys(texts) if t not in self.ids]
        self.ids.update(token_ids(self.executor.loaded, new))

    def refuse(self, request: Request) -> None:
        """Refuse what this model cannot do.

        Raises
        ------
        CannotAnswer
            With the reason.
        UserError
            When the file of a direction belongs to another model, or is none.
        """
        if isinstance(request, DirectionFile):
            directions.of_request(request, self.executor.loaded)
            return
        if isinstance(request, Generations):
            self.tokenise(request.texts)
        if isinstance(request, PartEffects | Patched):
            self.tokenise((*request.texts, *request.references))
        refuse(self.executor, request, self.ids)
        if isinstance(request, States) and request.spans is not None:
            for text, span in zip(request.texts, request.spans, strict=True):
                token_range(self.executor.loaded, text, span)

    @singledispatchmethod
    def answer(self, request: Request) -> Answer:
        """Return the answer to a request that was measured."""
        raise TypeError(f"{type(request).__name__} is no request")

    @answer.register
    def _(self, request: Tokenised) -> Answer:
        return tuple(tokenised(self.executor.loaded, text) for text in request.texts)

    @answer.register
    def _(self, request: Vocabulary) -> Words:
        return vocabulary.sample(self.executor.loaded, request)

    @answer.register
    def _(self, request: DirectionFile) -> DirectionAnswer:
        return DirectionAnswer(direction=directions.of_request(request, self.executor.loaded))

    @answer.register
    def _(self, request: Divergences) -> Answer:
        values = np.array(self._units(request)).reshape(-1, 2)
        return DivergenceAnswer(kl=values[:, 0], total_variation=values[:, 1])

    @answer.register
    def _(self, request: PartEffects) -> tuple[PairEffects, ...]:
        return tuple(unpacked_effects(vector) for vector in self._finite(request))

    @answer.register
    def _(self, request: Patched) -> Floats:
        return np.array(self._finite(request)).reshape(len(request.texts), len(request.sets))

    def _finite(self, request: PartEffects | Patched) -> list[Floats]:
        """Return what is stored for each unit.

        What is missing was refused while it ran: one unit is run once more for the reason.
        """
        units = units_of(request)
        found = self.store.values(units[0].request, [u.key for u in units])
        if lacking := [u for u in units if u.key not in found]:
            self.tokenise((*request.texts, *request.references))
            (work,) = works([request])
            work.run(self.executor, lacking[:1], self.ids)
        if not all(np.isfinite(value).all() for value in found.values()):
            raise CannotAnswer("the model's output or its gradient is not a number (NaN or infinite)")
        return [found[u.key] for u in units]

    def _units(self, request: PerUnit) -> list[Floats]:
        """Return what is stored for each unit of a request, in its order."""
        units = units_of(request)
        found = self.store.values(units[0].request, [u.key for u in units]) if units else {}
        if any(u.key not in found for u in units):
            raise CannotAnswer("the model's output is not a number (NaN or infinite)")
        return [found[u.key] for u in units]

    @answer.register
    def _(self, request: Generations) -> tuple[tuple[Generated, ...], ...]:
        self.tokenise(request.texts)
        each = len(request.seeds) or 1
        vectors, loaded = self._units(request), self.executor.loaded
        return tuple(
            tuple(generation.unpacked(loaded, self.ids[text], v) for v in vectors[i * each : (i + 1) * each])
            for i, text in enumerate(request.texts)
        )

    @answer.register
    def _(self, request: Scores) -> ScoreAnswer:
        if request.intervene is None:
            found = self.store.values(target_key(request.target), [key_of(t) for t in request.texts])
            values = np.array([found[key_of(t)] for t in request.texts])
        else:
            values = np.array(self._units(request))
        if bad := int((~np.isfinite(values).all(axis=1)).sum()):
            where = request.texts[int(np.argmin(np.isfinite(values).all(axis=1)))]
            raise CannotAnswer(
                f"the model's output is not a number (NaN or infinite) for {bad} of {len(values)} texts, "
                f"the first being {where[:80]!r}"
            )
        loaded = self.executor.loaded
        if isinstance(request.target, ClassLogits):
            return ScoreAnswer(values=values, names=loaded.labels, link="sigmoid" if loaded.multi_label else "softmax")
        names = request.target.texts if isinstance(request.target, Answers) else ("log_likelihood", "tokens")
        return ScoreAnswer(values=values, names=names, link="log_probability")

    @answer.register
    def _(self, request: States) -> Answer:
        if request.weights == "random":
            self.executor.random_twin  # noqa: B018 - raises its reason
        blocks = len(self.executor.loaded.parts.blocks)
        layers = layers_of(request, blocks)
        if request.layers != "all" and (outside := set(request.layers) - set(layers)):
            raise CannotAnswer(f"the model has layers 0 to {blocks}, and {sorted(outside)} was asked for")
        keys = [spanned_key(*pair) for pair in zip(request.texts, spans_of(request), strict=True)]
        return self.store.states(states_key(request.pool, request.weights), keys, layers)

    @answer.register
    def _(self, request: Attributions) -> tuple[TokenAttribution, ...]:
        keys = attribution_keys(request)
        found = self.store.values(request_key(jsonable(request)), keys)
        for asked, key in zip(attributing.asked_of(request), keys, strict=True):
            if key not in found:
                # It was refused while measuring: ask once more for the reason.
                self.tokenise([asked.text])
                with self.executor.altered(request):
                    self.executor.attribute(request, [asked], self.ids, seeds=[0])
        texts = (tokenised(self.executor.loaded, text) for text in request.texts)
        return tuple(unpacked(text, found[key]) for text, key in zip(texts, keys, strict=True))

    @answer.register
    def _(self, request: Ablations) -> tuple[Floats, ...]:
        keys = ablation_keys(request)
        found = self.store.values(request_key(jsonable(request)), keys)
        for asked, key in zip(attributing.ablations_of(request), keys, strict=True):
            if key not in found:
                self.tokenise([asked.text])
                self.executor.ablate(request, [asked], self.ids)
        return tuple(found[key] for key in keys)


# ---- attributions as vectors --------------------------------------------------------------------


def packed(answer: TokenAttribution) -> Floats:
    """Return an attribution as one vector; NaN stands for None.

    Seven numbers, one per token, the group of each token (-1 for none), then values and errors of the groups. What
    is no group of its own has an error per token.
    """
    tokens = len(answer.values)
    member = np.full(tokens, -1.0)
    for number, group in enumerate(answer.groups):
        member[list(group)] = number
    head = [
        answer.score,
        answer.baseline_score,
        np.nan if answer.n_steps is None else answer.n_steps,
        np.nan if answer.completeness_delta is None else answer.completeness_delta,
        float(answer.converged),
        answer.delta_floor,
        np.nan if answer.group_values is None else len(answer.groups),
    ]
    more = [some for some in (answer.group_values, answer.standard_errors) if some is not None]
    return np.concatenate([head, answer.values, member, *more])
