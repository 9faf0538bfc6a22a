"""Advances all checks together and asks the model once for what they want.

In each round every running check yields its requests. Equal texts are merged whatever check asked for
them; each distinct text is run once, in a pass that brings back all that was asked of it. Batches are
planned before stored rows are dropped, so a run that was killed and started again sees the same batches
and writes the same numbers. A batch is stored as a whole before the next one starts.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from audit.capture.cost import Cost
from audit.capture.executors.local import RANDOM_SEED, LocalExecutor
from audit.capture.passes import Brought, Wanted
from audit.capture.self_test import self_test
from audit.capture.store import StateBatch, Store, key_of, request_key
from audit.capture.tokens import TokenIds, answer_ids, plan_batches, token_ids, tokenised
from audit.errors import UserError
from audit.progress import Progress
from audit.requests import (
    Ablations,
    Answer,
    Answers,
    Attributions,
    CannotAnswer,
    CheckRun,
    ClassLogits,
    Pool,
    Request,
    ScoreAnswer,
    Scores,
    States,
    Target,
    TextLikelihood,
    TokenAttribution,
    Tokenised,
    as_tuple,
    jsonable,
)
from audit.shapes import Floats
from audit.types import Finding, NotAssessed

Outcome = Finding | NotAssessed
Access = Literal["outputs", "activations", "gradients"]
GRADIENT_METHODS = frozenset({"integrated_gradients", "input_x_gradient"})


@dataclass(kw_only=True)
class _Running:
    """A check on its way: its generator and what it waits for."""

    generator: CheckRun
    asked: Request | tuple[Request, ...] | None = None
    outcome: Outcome | None = None

    def start(self) -> None:
        """Run to the first request."""
        self._step(lambda: next(self.generator))

    def send(self, answers: Answer | tuple[Answer, ...]) -> None:
        """Hand over answers and run to the next request."""
        self._step(lambda: self.generator.send(answers))

    def refuse(self, reason: CannotAnswer) -> None:
        """Say that there is no answer, and run to the next request if the check can go on."""
        self._step(lambda: self.generator.throw(reason))

    def _step(self, step: Callable[[], Any]) -> None:
        """Take one step of the generator; a check that breaks is not assessed, the others go on."""
        try:
            self.asked = step()
        except StopIteration as end:
            self.asked, self.outcome = None, end.value
        except CannotAnswer as reason:
            self.asked, self.outcome = None, NotAssessed(reason=str(reason))
        except UserError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever breaks in one check must not take the others along
            self.asked = None
            self.outcome = NotAssessed(
                reason=f"the check stopped with an error ({type(error).__name__}: {error})",
                detail=traceback.format_exc(limit=-4),
            )


@dataclass(kw_only=True)
class Scheduler:
    """Runs checks against one model and one store."""

    executor: LocalExecutor
    store: Store
    progress: Progress
    cost: Cost
    self_test: str = ""
    """What the batch-equals-single test found; filled in by the first pass."""
    access: dict[str, set[Access]] = field(default_factory=dict)
    """Which of the model's outputs, activations and gradients each check asked for."""
    _ids: dict[str, TokenIds] = field(default_factory=dict)

    def run(self, checks: Mapping[str, CheckRun]) -> dict[str, Outcome]:
        """Run all checks to their end; return what each found, in the order given."""
        running = {name: _Running(generator=generator) for name, generator in checks.items()}
        with self.cost.stage("checks"):
            for check in running.values():
                check.start()
        number = 0
        while waiting := [check for check in running.values() if check.asked is not None]:
            number += 1
            for name, check in running.items():
                self.access.setdefault(name, set()).update(_access(as_tuple(check.asked)) if check.asked else ())
            self._ids.clear()
            self._measure([r for check in waiting for r in as_tuple(_asked(check))], number)
            with self.cost.stage("checks"):
                for check in waiting:
                    self._hand_over(check)
        return {name: _finished(check) for name, check in running.items()}

    def _hand_over(self, check: _Running) -> None:
        asked = _asked(check)
        try:
            answers = tuple(self._answer(request) for request in as_tuple(asked))
        except CannotAnswer as reason:
            check.refuse(reason)
            return
        check.send(answers if isinstance(asked, tuple) else answers[0])

    # ---- measuring -----------------------------------------------------------------------------

    def _measure(self, requests: Sequence[Request], number: int) -> None:
        """Bring every answer that these requests need into the store."""
        for weights in ("audited", "random"):
            if wanted := merge(requests, weights, len(self.executor.loaded.parts.blocks)):
                self._count(requests, wanted, weights)
                self._forward(wanted, weights, number)
        for request in requests:
            if isinstance(request, Attributions):
                self._attribute(request)
            elif isinstance(request, Ablations):
                self._ablate(request)

    def _count(self, requests: Sequence[Request], wanted: Mapping[str, Wanted], weights: str) -> None:
        asked = [r for r in requests if isinstance(r, Scores | States) and _weights(r) == weights]
        self.cost.rows_asked += sum(len(r.texts) for r in asked)
        self.cost.unique.update(key_of(weights, text) for text in wanted)

    def _forward(self, wanted: Mapping[str, Wanted], weights: str, number: int) -> None:
        self._tokenise(wanted)
        if weights == "random":
            try:
                self.executor.random_twin  # noqa: B018 - made here, so that a refusal costs nothing
            except CannotAnswer:
                return
        profiles: dict[Wanted, list[str]] = {}
        for text, what in wanted.items():
            profiles.setdefault(what, []).append(text)
        jobs = []
        for what, texts in profiles.items():
            budget, most_rows = self.executor.room(what)
            stored = stored_texts(self.store, what, weights, texts)
            for batch in plan_batches({t: len(self._ids[t]) for t in texts}, budget=budget, most_rows=most_rows):
                missing = [t for t in batch if key_of(t) not in stored]
                self.cost.rows_from_store += len(batch) - len(missing)
                if missing:
                    jobs.append((what, missing))
        if weights == "audited":
            self._test_once(wanted)
        if not jobs:
            return
        total = sum(len(batch) for _, batch in jobs)
        title = f"round {number}: the model reads" if weights == "audited" else f"round {number}: random weights read"
        with self.progress.task(title, total, "texts") as task, self.cost.stage("model"):
            for what, batch in jobs:
                self._run_batch(batch, what, weights)
                task.advance(len(batch))

    def _test_once(self, wanted: Mapping[str, Wanted]) -> None:
        if not self.self_test:
            union = Wanted()
            for what in wanted.values():
                union |= Wanted(class_logits=what.class_logits, answers=what.answers, likelihood=what.likelihood)
            self.self_test = self_test(self.executor, list(wanted), union, self.store.folder)

    def _run_batch(self, texts: Sequence[str], what: Wanted, weights: str) -> None:
        rows = [self._ids[t] for t in texts]
        answers = {
            options: [[answer_ids(self.executor.loaded, t, o, self._ids[t]) for o in options] for t in texts]
            for options in what.answers
        }
        brought = self.executor.forward(rows, what, answers, weights=weights)
        self.cost.rows_forward += brought.rows
        self.cost.tokens_forward += brought.tokens
        keys = tuple(key_of(t) for t in texts)
        states = [
            StateBatch(
                request=_states_key(pool, weights),
                texts=keys,
                layers=what.layers,
                values=brought.states[pool],
            )
            for pool in sorted(what.pools)
        ]
        self.store.put(_small_answers(brought, keys), states)

    def _attribute(self, request: Attributions) -> None:
        key = request_key(jsonable(request))
        self._tokenise(request.texts)
        stored = self.store.stored(key, map(key_of, request.texts))
        missing = [t for t in dict.fromkeys(request.texts) if key_of(t) not in stored]
        title = f"{request.method.replace('_', ' ')} from {request.baseline_input}"
        with self.progress.task(title, len(missing), "texts") as task, self.cost.stage("attribution"):
            for text in missing:
                try:
                    answer, rows, tokens = self.executor.attribute(
                        request, text, self._ids[text], seed=int.from_bytes(key_of(text)[:4], "big")
                    )
                except CannotAnswer:
                    return  # said again, with its reason, when the answer is put together
                # One text at a time: a kill loses at most the text that was being attributed.
                self.store.put([(key, key_of(text), _packed(answer))])
                backward = rows if request.method in GRADIENT_METHODS else 0
                self.cost.attribution_texts += 1
                self.cost.attribution_rows += rows
                self.cost.rows_forward += rows
                self.cost.tokens_forward += tokens
                self.cost.attribution_tokens += tokens
                self.cost.rows_backward += backward
                self.cost.tokens_backward += tokens if backward else 0
                task.advance()

    def _ablate(self, request: Ablations) -> None:
        key = request_key(jsonable(request))
        self._tokenise(request.texts)
        pairs = list(zip(request.texts, request.positions, strict=True))
        stored = self.store.stored(key, (_ablation_key(*pair) for pair in pairs))
        missing = [pair for pair in pairs if _ablation_key(*pair) not in stored]
        with self.progress.task("taking tokens out", len(missing), "texts") as task, self.cost.stage("attribution"):
            for text, positions in missing:
                try:
                    values, rows = self.executor.ablate(
                        request.contrast, request.baseline_input, text, self._ids[text], positions
                    )
                except CannotAnswer:
                    return
                self.store.put([(key, _ablation_key(text, positions), values)])
                self.cost.attribution_rows += rows
                self.cost.rows_forward += rows
                self.cost.tokens_forward += rows * len(self._ids[text])
                self.cost.attribution_tokens += rows * len(self._ids[text])
                task.advance()

    def _tokenise(self, texts: Iterable[str]) -> None:
        new = [t for t in dict.fromkeys(texts) if t not in self._ids]
        self._ids |= token_ids(self.executor.loaded, new)

    # ---- answering -----------------------------------------------------------------------------

    def _answer(self, request: Request) -> Answer:
        match request:
            case Scores():
                return self._scores(request)
            case States():
                return self._states(request)
            case Tokenised():
                return tuple(tokenised(self.executor.loaded, text) for text in request.texts)
            case Attributions():
                return self._attributions(request)
            case Ablations():
                return self._ablations(request)

    def _scores(self, request: Scores) -> ScoreAnswer:
        found = self.store.values(_target_key(request.target), [key_of(t) for t in request.texts])
        values = np.array([found[key_of(t)] for t in request.texts])
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

    def _states(self, request: States) -> Answer:
        if request.weights == "random":
            self.executor.random_twin  # noqa: B018 - raises its reason
        blocks = len(self.executor.loaded.parts.blocks)
        layers = _layers(request, blocks)
        if request.layers != "all" and (outside := set(request.layers) - set(layers)):
            raise CannotAnswer(f"the model has layers 0 to {blocks}, and {sorted(outside)} was asked for")
        return self.store.states(_states_key(request.pool, request.weights), [key_of(t) for t in request.texts], layers)

    def _attributions(self, request: Attributions) -> tuple[TokenAttribution, ...]:
        found = self.store.values(request_key(jsonable(request)), [key_of(t) for t in request.texts])
        for text in request.texts:
            if key_of(text) not in found:
                # It was refused while measuring: ask once more for the reason.
                self._tokenise([text])
                self.executor.attribute(request, text, self._ids[text], seed=0)
        return tuple(_unpacked(self.executor, text, found[key_of(text)]) for text in request.texts)

    def _ablations(self, request: Ablations) -> tuple[Floats, ...]:
        keys = [_ablation_key(t, p) for t, p in zip(request.texts, request.positions, strict=True)]
        found = self.store.values(request_key(jsonable(request)), keys)
        for text, positions, key in zip(request.texts, request.positions, keys, strict=True):
            if key not in found:
                self._tokenise([text])
                self.executor.ablate(request.contrast, request.baseline_input, text, self._ids[text], positions)
        return tuple(found[key] for key in keys)


def stored_texts(store: Store, what: Wanted, weights: str, texts: Sequence[str]) -> set[bytes]:
    """Return the keys of texts for which all that is wanted is stored."""
    keys = {key_of(t) for t in texts}
    if what.class_logits:
        keys = store.stored(_target_key(ClassLogits()), keys)
    for options in what.answers:
        keys = store.stored(_target_key(Answers(texts=options)), keys)
    if what.likelihood:
        keys = store.stored(_target_key(TextLikelihood()), keys)
    for pool in what.pools:
        keys = store.stored_states(_states_key(pool, weights), keys, what.layers)
    return keys


# ---- merging -------------------------------------------------------------------------------------


def merge(requests: Iterable[Request], weights: str, blocks: int) -> dict[str, Wanted]:
    """Return, for each distinct text, all that these requests want of it under some weights."""
    wanted: dict[str, Wanted] = {}
    for request in requests:
        if isinstance(request, Scores | States) and _weights(request) == weights:
            what = _wanted(request, blocks)
            for text in request.texts:
                known = wanted.get(text)
                wanted[text] = what if known is None or known == what else known | what
    return wanted


def _wanted(request: Scores | States, blocks: int) -> Wanted:
    if isinstance(request, States):
        return Wanted(pools=frozenset({request.pool}), layers=_layers(request, blocks))
    if isinstance(request.target, ClassLogits):
        return Wanted(class_logits=True)
    if isinstance(request.target, Answers):
        return Wanted(answers=frozenset({request.target.texts}))
    return Wanted(likelihood=True)


def _weights(request: Scores | States) -> str:
    return request.weights if isinstance(request, States) else "audited"


def _layers(request: States, blocks: int) -> tuple[int, ...]:
    """Return the layers asked for that the model has; the others are refused when the answer is due."""
    there = range(blocks + 1)
    return tuple(there) if request.layers == "all" else tuple(sorted(set(request.layers) & set(there)))


# ---- keys and packing ----------------------------------------------------------------------------


def _access(requests: Iterable[Request]) -> Iterator[Access]:
    for request in requests:
        if isinstance(request, States):
            yield "activations"
        elif isinstance(request, Scores | Ablations):
            yield "outputs"
        elif isinstance(request, Attributions):
            yield "gradients" if request.method in GRADIENT_METHODS else "outputs"


def _target_key(target: Target) -> bytes:
    return request_key(jsonable(target))


def _states_key(pool: Pool, weights: str) -> bytes:
    return request_key(
        {"": "States", "pool": pool, "weights": weights, "seed": RANDOM_SEED if weights == "random" else 0}
    )


def _ablation_key(text: str, positions: Sequence[Sequence[int]]) -> bytes:
    return key_of(text, json.dumps([list(p) for p in positions]))


def _small_answers(brought: Brought, keys: Sequence[bytes]) -> list[tuple[bytes, bytes, Floats]]:
    out: list[tuple[bytes, bytes, Floats]] = []
    if brought.class_logits is not None:
        out += [(_target_key(ClassLogits()), k, v) for k, v in zip(keys, brought.class_logits, strict=True)]
    for options, values in brought.answers.items():
        out += [(_target_key(Answers(texts=options)), k, v) for k, v in zip(keys, values, strict=True)]
    if brought.likelihood is not None:
        out += [(_target_key(TextLikelihood()), k, v) for k, v in zip(keys, brought.likelihood, strict=True)]
    return out


def _packed(answer: TokenAttribution) -> Floats:
    """Return an attribution as one vector: five numbers, then one per token; NaN stands for None."""
    head = [
        answer.score,
        answer.baseline_score,
        np.nan if answer.n_steps is None else answer.n_steps,
        np.nan if answer.completeness_delta is None else answer.completeness_delta,
        float(answer.converged),
    ]
    return np.concatenate([head, answer.values])


def _unpacked(executor: LocalExecutor, text: str, vector: Floats) -> TokenAttribution:
    score, baseline, steps, delta, converged = vector[:5].tolist()
    return TokenAttribution(
        text=tokenised(executor.loaded, text),
        values=vector[5:],
        score=score,
        baseline_score=baseline,
        n_steps=None if np.isnan(steps) else int(steps),
        completeness_delta=None if np.isnan(delta) else delta,
        converged=bool(converged),
    )


def _asked(check: _Running) -> Request | tuple[Request, ...]:
    assert check.asked is not None
    return check.asked


def _finished(check: _Running) -> Outcome:
    if not isinstance(check.outcome, Finding | NotAssessed):
        return NotAssessed(reason=f"the check ended without a finding (it returned {check.outcome!r})")
    return check.outcome
