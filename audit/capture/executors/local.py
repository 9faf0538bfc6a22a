"""Runs passes in this process, on any device that transformers supports.

Batches are cut to a token budget. When memory runs out the batch is halved and the budget with it, so
later batches fit at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from audit.capture import (
    architecture,
    attributing,
    divergence,
    generation,
    passes,
    patching,
    planting,
    points,
    randomisation,
)
from audit.capture.attributing import Asked, AskedAblation
from audit.capture.interventions import RowShifts
from audit.capture.model import LoadedModel
from audit.capture.pairs import Pair
from audit.capture.parts import PartMap, part_map
from audit.capture.passes import Brought, Wanted
from audit.capture.points import Row, Stream, Value
from audit.capture.tokens import TokenIds, TokenRange
from audit.capture.traits import Traits
from audit.errors import user_error
from audit.requests import Ablations, Attributions, CannotAnswer, TokenAttribution
from audit.shapes import Floats

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CPU_BUDGET = 4096
CUDA_BUDGET = 65536
LARGEST_LOGITS = 2**26
"""Values in one block of logits (256 MiB in single precision)."""

LARGEST_RANDOM_TWIN = 50_000_000
"""Parameters up to which the same architecture with random weights is tried as a comparator."""

FEW_CORES = 4
SMALL_BLOCKS = 50_000_000
"""Parameters of all blocks up to which an attribution pass is too small to share among a few cores."""
TINY_BLOCKS = 2_000_000
"""Parameters of all blocks up to which a whole batch is too small to share."""

RANDOM_SEED = 20_261_123


class LocalExecutor:
    """One model on this machine."""

    name = "local"

    def __init__(self, loaded: LoadedModel, *, budget: int | None = None) -> None:
        self.loaded = loaded
        self.budget = budget or (CUDA_BUDGET if loaded.device.type == "cuda" else CPU_BUDGET)
        """Tokens (rows × longest row) that a pass may hold; shrinks when memory runs out."""
        self.planned_budget = self.budget
        """The budget that batches are planned with; it never moves, so a resumed run plans the same."""

    def room(self, wanted: Wanted) -> tuple[int, int]:
        """Return the token budget and the most rows of a batch that brings back ``wanted``."""
        vocabulary = int(self.loaded.model.config.get_text_config().vocab_size)
        most = max(1, LARGEST_LOGITS // vocabulary)
        tokens = min(self.planned_budget, most) if wanted.likelihood else self.planned_budget
        return tokens, (most if wanted.answers else 512)

    def forward(
        self,
        rows: Sequence[TokenIds],
        wanted: Wanted,
        answers: Mapping[tuple[str, ...], Sequence[Sequence[TokenIds]]],
        *,
        weights: str = "audited",
        ranges: Sequence[Sequence[TokenRange]] = (),
        shifts: RowShifts | None = None,
    ) -> Brought:
        """Run one batch, in halves where it does not fit."""
        loaded = self.loaded if weights == "audited" else self.random_twin
        if len(rows) == 1 or len(rows) * max(map(len, rows)) <= self.budget:
            try:
                with self._threads(TINY_BLOCKS):
                    return passes.forward(loaded, rows, wanted, answers, ranges=ranges, shifts=shifts)
            except (RuntimeError, MemoryError) as error:
                self._shrink(error, len(rows) * max(map(len, rows)), len(rows))
        middle = len(rows) // 2
        first, second = (
            self.forward(
                rows[part],
                wanted,
                {options: of_rows[part] for options, of_rows in answers.items()},
                weights=weights,
                ranges=ranges[part],
                shifts=shifts and shifts.part(part),
            )
            for part in (slice(middle), slice(middle, None))
        )
        return first.joined(second)

    # ---- continuations and divergences ---------------------------------------------------------

    def generate(
        self,
        rows: Sequence[TokenIds],
        *,
        max_new_tokens: int,
        streams: Sequence[np.random.Generator | None],
        temperature: float,
    ) -> list[generation.Written]:
        """Continue rows of equal length, in halves where they do not fit."""
        states = [None if s is None else s.bit_generator.state for s in streams]
        try:
            with self._threads(TINY_BLOCKS):
                return generation.generate(
                    self.loaded, rows, max_new_tokens=max_new_tokens, streams=streams, temperature=temperature
                )
        except (RuntimeError, MemoryError) as error:
            self._shrink(error, len(rows) * (len(rows[0]) + max_new_tokens), len(rows))
        for stream, state in zip(streams, states, strict=True):
            if stream is not None and state is not None:
                stream.bit_generator.state = state  # what a broken batch drew is drawn again
        middle = len(rows) // 2
        halves = (slice(middle), slice(middle, None))
        return [
            written
            for part in halves
            for written in self.generate(
                rows[part], max_new_tokens=max_new_tokens, streams=streams[part], temperature=temperature
            )
        ]

    def divergences(self, pairs: Sequence[tuple[TokenIds, TokenIds]]) -> tuple[Floats, int, int]:
        """Compare output distributions pair by pair; return (pairs, 2), the rows and the tokens it cost."""
        try:
            with self._threads(TINY_BLOCKS):
                return divergence.divergences(self.loaded, pairs)
        except (RuntimeError, MemoryError) as error:
            self._shrink(error, sum(len(a) + len(b) for a, b in pairs), len(pairs))
        middle = len(pairs) // 2
        (a, rows_a, tokens_a), (b, rows_b, tokens_b) = (self.divergences(p) for p in (pairs[:middle], pairs[middle:]))
        return np.concatenate([a, b]), rows_a + rows_b, tokens_a + tokens_b

    # ---- attribution ---------------------------------------------------------------------------

    @cached_property
    def traits(self) -> Traits:
        """What the model does that its configuration does not say."""
        return Traits(self.loaded)

    def stream(self) -> Stream:
        """Return a stream of points through this model, which counts what it costs."""
        vocabulary = int(self.loaded.model.config.get_text_config().vocab_size)
        causal = self.loaded.task == "causal-lm"

        def most_rows(terms: int) -> int:
            return max(1, LARGEST_LOGITS // (vocabulary * terms)) if causal else 512

        return Stream(self._points, budget=self.planned_budget, most_rows=most_rows)

    def _points(self, rows: Sequence[Row], slopes: bool) -> list[Value]:
        """Run one batch of points, in halves where it does not fit."""
        longest = max(len(row.reading.ids) for row in rows)
        if len(rows) == 1 or len(rows) * longest <= self.budget:
            try:
                with self._threads(SMALL_BLOCKS):
                    return points.run_rows(self.loaded, rows, slopes)
            except (RuntimeError, MemoryError) as error:
                self._shrink(error, len(rows) * longest, len(rows))
        middle = len(rows) // 2
        return [*self._points(rows[:middle], slopes), *self._points(rows[middle:], slopes)]

    @contextmanager
    def altered(self, request: Attributions) -> Iterator[None]:
        """Hold the model as an attribution asks for it: with shuffled weights or a planted word, or as it is.

        Raises
        ------
        CannotAnswer
            When this model cannot be altered so.
        """
        with ExitStack() as stack:
            if request.planted is not None:
                with self._threads(SMALL_BLOCKS):
                    stack.enter_context(planting.planted(self.loaded, request.contrast, request.planted))
            if request.randomised:
                stack.enter_context(randomisation.randomised(self.loaded, request.randomised, seed=RANDOM_SEED))
            if request.planted is None and not request.randomised:
                yield
                return
            # What was measured on the model as it is does not hold for the altered one, nor the other way round.
            self.__dict__.pop("traits", None)
            try:
                yield
            finally:
                self.__dict__.pop("traits", None)

    def attribute(
        self, request: Attributions, asked: Sequence[Asked], ids: Mapping[str, TokenIds], seeds: Sequence[int]
    ) -> tuple[list[TokenAttribution], Stream]:
        """Attribute some texts of a request in batches that they share; return the answers and what they cost.

        Raises
        ------
        CannotAnswer
            When the model cannot be asked this, with the reason.
        """
        prepared = [attributing.prepare(self.traits, request, one, ids[one.text]) for one in asked]
        stream = self.stream()
        return attributing.attributions(self.loaded, stream, request, prepared, seeds), stream

    def ablate(
        self, request: Ablations, asked: Sequence[AskedAblation], ids: Mapping[str, TokenIds]
    ) -> tuple[list[Floats], Stream]:
        """Return the contrast of some texts under each of their position sets, and what it cost.

        Raises
        ------
        CannotAnswer
            When the model cannot be asked this, with the reason.
        """
        subjects = [
            attributing.subject_of(self.traits, request, one.text, ids[one.text], one.counterfactual)[0]
            for one in asked
        ]
        stream = self.stream()
        return attributing.ablations(stream, subjects, asked), stream

    # ---- parts ---------------------------------------------------------------------------------

    @cached_property
    def part_map(self) -> PartMap:
        """Where the model's heads and neurons are; raises ``CannotAnswer`` where that is not known."""
        return part_map(self.loaded)

    def part_effects(self, pairs: Sequence[Pair], *, both_ends: bool) -> patching.Effects:
        """Estimate the effect of every part for a batch of pairs, in halves where it does not fit."""
        try:
            with self._threads(SMALL_BLOCKS):
                return patching.part_effects(self.loaded, self.part_map, pairs, both_ends=both_ends)
        except (RuntimeError, MemoryError) as error:
            self._shrink(error, sum(len(p.text) for p in pairs), len(pairs))
        middle = len(pairs) // 2
        first, second = (self.part_effects(p, both_ends=both_ends) for p in (pairs[:middle], pairs[middle:]))
        return first + second

    def patch(self, rows: Sequence[patching.Row]) -> tuple[Floats, int]:
        """Return the score of each pair with parts from its reference and the rows it cost, in halves where need be."""
        try:
            with self._threads(TINY_BLOCKS):
                return patching.patched(self.loaded, self.part_map, rows)
        except (RuntimeError, MemoryError) as error:
            self._shrink(error, sum(len(row.pair.text) for row in rows), len(rows))
        middle = len(rows) // 2
        (a, rows_a), (b, rows_b) = self.patch(rows[:middle]), self.patch(rows[middle:])
        return np.concatenate([a, b]), rows_a + rows_b

    @contextmanager
    def _threads(self, small: int) -> Iterator[None]:
        """Run passes in one thread where the blocks have at most ``small`` parameters and cores are few.

        Handing slivers of work between threads costs more than it saves, and on a machine shared with others
        the threads wait for each other most of the time (ten times as long was seen).
        """
        import torch

        before = torch.get_num_threads()
        weights = sum(p.numel() for block in self.loaded.parts.blocks for p in block.parameters())
        if self.loaded.device.type != "cpu" or before > FEW_CORES or weights > small:
            yield
            return
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(before)

    # ---- memory --------------------------------------------------------------------------------

    def _shrink(self, error: BaseException, tokens: int, rows: int) -> None:
        import torch

        if not out_of_memory(error):
            raise user_error(
                "The model stopped with an error",
                where=self.loaded.name,
                found=f"{type(error).__name__}: {str(error).strip()[:300]}",
                expected="a model that runs on right-padded batches with a mask",
                do="try the model by itself in transformers; what was measured is kept",
            ) from error
        if rows <= 1:
            raise user_error(
                "Memory ran out",
                where=str(self.loaded.device),
                found=f"a single text of {tokens:,} tokens does not fit beside the model",
                expected="room for one text at a time",
                do="use a device with more memory, --dtype bfloat16, or shorter texts; what was measured is kept",
            ) from error
        self.budget = max(1, min(self.budget, tokens) // 2)
        if self.loaded.device.type == "cuda":
            torch.cuda.empty_cache()

    # ---- random weights ------------------------------------------------------------------------

    @cached_property
    def random_twin(self) -> LoadedModel:
        """The same architecture with freshly drawn weights.

        Raises
        ------
        CannotAnswer
            When the model is too large for that to be worth its memory.
        """
        import torch

        model = self.loaded.model
        if sum(p.numel() for p in model.parameters()) > LARGEST_RANDOM_TWIN:
            raise CannotAnswer("random weights are compared only for models of up to 50 million parameters")
        with torch.random.fork_rng():
            torch.manual_seed(RANDOM_SEED)
            twin: PreTrainedModel = type(model)(model.config)
        twin.to(device=self.loaded.device, dtype=self.loaded.dtype).eval().requires_grad_(False)
        return replace(self.loaded, model=twin, parts=architecture.parts(twin))


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on any device."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return "not enough memory" in str(error) or "can't allocate memory" in str(error)
