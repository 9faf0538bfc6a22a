"""Advances all checks together and asks the model once for what they want.

In each round every running check yields its requests. Equal texts are merged whatever check asked for
them; each distinct text is run once, in a pass that brings back all that was asked of it. Batches are
planned before stored rows are dropped, so a run that was killed and started again sees the same batches
and writes the same numbers. A batch is stored as a whole before the next one starts.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeVar

from audit.capture import attributing
from audit.capture.answering import Answering, packed
from audit.capture.attributing import Asked, AskedAblation
from audit.capture.cost import Cost
from audit.capture.evidence import Evidence
from audit.capture.executors.local import LocalExecutor
from audit.capture.merging import (
    Merged,
    ablation_keys,
    attribution_keys,
    merge,
    plain,
    pooled_key,
    states_key,
    stored_texts,
    target_key,
    weights_of,
)
from audit.capture.passes import WHOLE, Brought, Wanted
from audit.capture.points import Stream
from audit.capture.self_test import self_test
from audit.capture.store import StateBatch, Store, key_of, request_key
from audit.capture.tokens import TokenIds, answer_ids, plan_batches, token_range
from audit.capture.work import Work, works
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
    Divergences,
    Generations,
    PartEffects,
    Patched,
    Request,
    Scores,
    Span,
    States,
    TextLikelihood,
    as_tuple,
    jsonable,
)
from audit.shapes import Floats
from audit.types import Finding, NotAssessed

Outcome = Finding | NotAssessed
Access = Literal["outputs", "activations", "gradients"]
AskedOf = TypeVar("AskedOf", Asked, AskedAblation)
GRADIENT_METHODS = frozenset({"integrated_gradients", "input_x_gradient"})


@dataclass(kw_only=True)
class Running:
    """A check on its way: its generator and what it waits for."""

    generator: CheckRun
    asked: Request | tuple[Request, ...] | None = None
    outcome: Outcome | None = None

    def start(self) -> None:
        """Run to the first request."""
        self._step(lambda: next(self.generator))

    def hand_over(self, answer: Callable[[Request], Answer]) -> None:
        """Answer what the check asks for; of several requests, the first without an answer is refused."""
        assert self.asked is not None
        try:
            answers = tuple(map(answer, as_tuple(self.asked)))
        except CannotAnswer as reason:
            self.refuse(reason)
            return
        self.send(answers if isinstance(self.asked, tuple) else answers[0])

    def finished(self) -> Outcome:
        """Return what the check found, once it asks for nothing more."""
        if not isinstance(self.outcome, Finding | NotAssessed):
            return NotAssessed(reason=f"the check ended without a finding (it returned {self.outcome!r})")
        return self.outcome

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
        running = {name: Running(generator=generator) for name, generator in checks.items()}
        self.access.update({name: set() for name in checks})  # also of checks that end without asking anything
        with self.cost.stage("checks"):
            for check in running.values():
                check.start()
        number = 0
        while waiting := [check for check in running.values() if check.asked is not None]:
            number += 1
            for name, check in running.items():
                self.access[name].update(accesses(as_tuple(check.asked)) if check.asked else ())
            self._ids.clear()
            self._measure([r for check in waiting for r in as_tuple(_asked(check))], number)
            with self.cost.stage("checks"):
                for check in waiting:
                    check.hand_over(self._answer)
        return {name: check.finished() for name, check in running.items()}

    # ---- measuring -----------------------------------------------------------------------------

    def _measure(self, requests: Sequence[Request], number: int) -> None:
        """Bring every answer that these requests need into the store."""
        requests = [request for request in requests if self._answerable(request)]
        for weights in ("audited", "random"):
            if asked := merge(requests, weights, len(self.executor.loaded.parts.blocks)):
                self._count(requests, asked, weights)
                self._forward(asked, weights, number)
        for work in works(requests):
            self._work(work)
        for request in requests:
            if isinstance(request, Attributions):
                self._attribute(request)
            elif isinstance(request, Ablations):
                self._ablate(request)

    @cached_property
    def _answering(self) -> Answering:
        return Answering(executor=self.executor, store=self.store, ids=self._ids)

    @cached_property
    def evidence(self) -> Evidence:
        """What the checks were handed."""
        return Evidence(self.store)

    def _answer(self, request: Request) -> Answer:
        try:
            self._answering.refuse(request)
            answer = self._answering.answer(request)
        except CannotAnswer as reason:
            self.evidence.refuse(request, reason)
            raise
        return self.evidence.keep(request, answer)

    def _answerable(self, request: Request) -> bool:
        """Whether this model can do it; a refusal is said again, with its reason, where the answer is due."""
        try:
            self._answering.refuse(request)
        except CannotAnswer:
            return False
        return True

    def _count(self, requests: Sequence[Request], asked: Merged, weights: str) -> None:
        self.cost.rows_asked += sum(len(r.texts) for r in requests if plain(r) and weights_of(r) == weights)
        self.cost.unique.update(key_of(weights, text) for text in asked.wanted)

    def _work(self, work: Work) -> None:
        self._answering.tokenise(work.texts)
        budget, most_rows = self.executor.room(work.wanted)
        batches = work.batches(self._ids, budget=budget, most_rows=most_rows)
        stored: set[tuple[bytes, bytes]] = set()
        for request in {unit.request for unit in work.units}:
            keys = (unit.key for unit in work.units if unit.request == request)
            stored |= {(request, key) for key in self.store.stored(request, keys)}
        jobs = [[u for u in batch if (u.request, u.key) not in stored] for batch in batches]
        with self.progress.task(work.title, sum(map(len, jobs)), "texts") as task, self.cost.stage("model"):
            for units in filter(None, jobs):
                try:
                    ran = work.run(self.executor, units, self._ids)
                except CannotAnswer:
                    return  # said again, with its reason, when the answer is put together
                self.store.put([(u.request, u.key, v) for u, v in zip(units, ran.values, strict=True)])
                self.cost.rows_forward += ran.rows
                self.cost.tokens_forward += ran.tokens
                self.cost.rows_backward += ran.backward_rows
                self.cost.tokens_backward += ran.backward_tokens
                task.advance(len(units))

    def _forward(self, asked: Merged, weights: str, number: int) -> None:
        wanted = asked.wanted
        self._answering.tokenise(wanted)
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
            stored = stored_texts(self.store, what, weights, texts, asked.spans)
            for batch in plan_batches({t: len(self._ids[t]) for t in texts}, budget=budget, most_rows=most_rows):
                missing = [t for t in batch if t not in stored]
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
                self._run_batch(batch, what, weights, asked.spans)
                task.advance(len(batch))

    def _test_once(self, wanted: Mapping[str, Wanted]) -> None:
        if not self.self_test:
            union = Wanted()
            for what in wanted.values():
                union |= Wanted(class_logits=what.class_logits, answers=what.answers, likelihood=what.likelihood)
            self.self_test = self_test(self.executor, list(wanted), union, self.store.folder)

    def _run_batch(self, texts: Sequence[str], what: Wanted, weights: str, spans: Mapping[str, Sequence[Span]]) -> None:
        rows = [self._ids[t] for t in texts]
        answers = {
            options: [[answer_ids(self.executor.loaded, t, o, self._ids[t]) for o in options] for t in texts]
            for options in what.answers
        }
        slots = max((slot for _, slot in what.pools), default=WHOLE) + 1
        ranges = [[token_range(self.executor.loaded, t, span) for span in spans[t][:slots]] for t in texts if slots]
        brought = self.executor.forward(rows, what, answers, weights=weights, ranges=ranges)
        self.cost.rows_forward += brought.rows
        self.cost.tokens_forward += brought.tokens
        keys = tuple(key_of(t) for t in texts)
        states = [
            StateBatch(
                request=states_key(pooling[0], weights),
                texts=tuple(pooled_key(t, pooling, spans) for t in texts),
                layers=what.layers,
                values=brought.states[pooling],
            )
            for pooling in sorted(what.pools)
        ]
        self.store.put(_small_answers(brought, keys), states)

    def _attribute(self, request: Attributions) -> None:
        key = request_key(jsonable(request))
        self._answering.tokenise(request.texts)
        asked = dict(zip(attribution_keys(request), attributing.asked_of(request), strict=True))
        stored = self.store.stored(key, asked)
        rows = attributing.first_rows(request)
        jobs = self._windows(asked, stored, lambda one: rows * len(self._ids[one.text]))
        if not jobs:
            return
        try:
            with self.executor.altered(request):
                self._attribute_windows(request, key, asked, jobs)
        except CannotAnswer:
            return  # said again, with its reason, when the answer is put together

    def _attribute_windows(
        self, request: Attributions, key: bytes, asked: Mapping[bytes, Asked], jobs: Sequence[Sequence[bytes]]
    ) -> None:
        altered = " with a planted word" if request.planted else " under shuffled weights" if request.randomised else ""
        title = f"{request.method.replace('_', ' ')} from {request.baseline_input}{altered}"
        with (
            self.progress.task(title, sum(map(len, jobs)), "texts") as task,
            self.cost.stage("attribution"),
        ):
            for keys in jobs:
                seeds = [int.from_bytes(k[:4], "big") for k in keys]
                answers, stream = self.executor.attribute(request, [asked[k] for k in keys], self._ids, seeds)
                self.store.put([(key, k, packed(answer)) for k, answer in zip(keys, answers, strict=True)])
                self.cost.attribution_texts += len(keys)
                self._count_stream(stream)
                task.advance(len(keys))

    def _ablate(self, request: Ablations) -> None:
        key = request_key(jsonable(request))
        self._answering.tokenise(request.texts)
        asked = dict(zip(ablation_keys(request), attributing.ablations_of(request), strict=True))
        stored = self.store.stored(key, asked)
        jobs = self._windows(asked, stored, lambda one: len(one.positions) * len(self._ids[one.text]))
        with (
            self.progress.task("taking tokens out", sum(map(len, jobs)), "texts") as task,
            self.cost.stage("attribution"),
        ):
            for keys in jobs:
                try:
                    values, stream = self.executor.ablate(request, [asked[k] for k in keys], self._ids)
                except CannotAnswer:
                    return
                self.store.put([(key, k, value) for k, value in zip(keys, values, strict=True)])
                self._count_stream(stream)
                task.advance(len(keys))

    def _windows(
        self, asked: Mapping[bytes, AskedOf], stored: AbstractSet[bytes], tokens: Callable[[AskedOf], int]
    ) -> list[list[bytes]]:
        """Cut what is asked into windows, shortest texts first, and leave out what is stored of each."""
        order = sorted(asked, key=lambda k: (len(self._ids[asked[k].text]), k))
        planned = attributing.windows(order, lambda k: tokens(asked[k]), self.executor.planned_budget)
        return [missing for window in planned if (missing := [k for k in window if k not in stored])]

    def _count_stream(self, stream: Stream) -> None:
        self.cost.attribution_rows += stream.rows
        self.cost.attribution_tokens += stream.tokens
        self.cost.rows_forward += stream.rows
        self.cost.tokens_forward += stream.tokens
        self.cost.rows_backward += stream.rows_backward
        self.cost.tokens_backward += stream.tokens_backward


# ---- keys and packing ----------------------------------------------------------------------------


def accesses(requests: Iterable[Request]) -> Iterator[Access]:
    """Yield what of the model some requests ask for."""
    for request in requests:
        if isinstance(request, States):
            yield "activations"
        elif isinstance(request, PartEffects | Patched):
            yield from ("outputs", "activations")
            if isinstance(request, PartEffects):
                yield "gradients"
        elif isinstance(request, Scores | Ablations | Generations | Divergences):
            yield "outputs"
            if isinstance(request, Scores) and request.intervene is not None:
                yield "activations"
        elif isinstance(request, Attributions):
            yield "gradients" if request.method in GRADIENT_METHODS else "outputs"


def _small_answers(brought: Brought, keys: Sequence[bytes]) -> list[tuple[bytes, bytes, Floats]]:
    out: list[tuple[bytes, bytes, Floats]] = []
    if brought.class_logits is not None:
        out += [(target_key(ClassLogits()), k, v) for k, v in zip(keys, brought.class_logits, strict=True)]
    for options, values in brought.answers.items():
        out += [(target_key(Answers(texts=options)), k, v) for k, v in zip(keys, values, strict=True)]
    if brought.likelihood is not None:
        out += [(target_key(TextLikelihood()), k, v) for k, v in zip(keys, brought.likelihood, strict=True)]
    return out


def _asked(check: Running) -> Request | tuple[Request, ...]:
    assert check.asked is not None
    return check.asked
