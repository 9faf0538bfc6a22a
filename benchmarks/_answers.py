"""Attribution of whole answers beside Captum's wrappers for language models, and Inseq where it is installed.

Small causal models learn to answer credit prompts with a sentence of eight tokens. Rows are counted at the model
itself, for all three alike: one row is one sequence through it, forward or backward. A call is one call of the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from _shared import Work, paired_ratio, seconds
from captum.attr import (
    FeatureAblation,
    LayerIntegratedGradients,
    LLMAttribution,
    LLMGradientAttribution,
    TextTokenInput,
)

from audit.capture import attributing
from audit.capture.attribution import fixed_steps
from audit.capture.coalitions import ablation_plan, ablation_values, replaced_tokens
from audit.capture.executors.local import LocalExecutor
from audit.capture.model import LoadedModel, adopt
from audit.capture.points import Stream, Subject
from audit.capture.tokens import token_ids
from audit.organisms import architectures, credit_grammar, tokenizer, training
from audit.organisms.credit import CreditSpec
from audit.organisms.organism import Shape
from audit.requests import Answers, Attributions, Contrast
from audit.shapes import Floats

SHAPES: tuple[Shape, ...] = ("gpt2", "llama")
YES = "granted since income and debt allow it now"
NO = "refused since income and debt forbid it now"
"""Two answers of eight tokens, decided by their first word."""
BASELINE = "token:and"
EQUAL = 1e-4
"""Largest difference from Captum's values over the largest of them: more, and the rows compare different things."""


@dataclass
class Counted:
    """What went through a model."""

    calls: int = 0
    forward: int = 0
    backward: int = 0

    @property
    def rows(self) -> int:
        """Rows forward and backward."""
        return self.forward + self.backward


@contextmanager
def counting(model: torch.nn.Module) -> Iterator[Counted]:
    """Count the rows that go through a model, whoever calls it."""
    counted, forward = Counted(), model.forward

    def counts(*args: Any, **kwargs: Any) -> Any:
        output = forward(*args, **kwargs)
        rows = len(output.logits)
        counted.calls += 1
        counted.forward += rows

        def backward(_: torch.Tensor) -> None:
            counted.backward += rows

        if output.logits.requires_grad:
            output.logits.register_hook(backward)
        return output

    # Not a hook: Captum calls the method and so passes by every hook.
    model.forward = counts
    try:
        yield counted
    finally:
        del model.forward


@dataclass(frozen=True, kw_only=True)
class Case:
    """A trained language model with prompts, all explained for the same answer."""

    name: str
    loaded: LoadedModel
    texts: tuple[str, ...]
    subjects: tuple[Subject, ...]
    executor: LocalExecutor

    def inputs(self) -> list[TextTokenInput]:
        """Return the prompts as Captum takes them."""
        reader = self.loaded.tokenizer
        special = reader.all_special_ids
        return [TextTokenInput(t, reader, baselines=self.baseline_token, skip_tokens=special) for t in self.texts]

    @property
    def baseline_token(self) -> int:
        """Return the token that stands for what is taken out."""
        return int(self.loaded.tokenizer.convert_tokens_to_ids(BASELINE.removeprefix("token:")))

    def target(self) -> torch.Tensor:
        """Return the tokens of the answer."""
        return torch.tensor(self.loaded.tokenizer(YES, add_special_tokens=False)["input_ids"])


@dataclass(kw_only=True)
class Line:
    """What was found on one model."""

    name: str
    llm_rows: float
    ablation_calls: float
    wall: float
    wall_ablation: float
    counts: dict[str, Counted] = field(default_factory=dict)
    inseq: str


# ---- trained models ------------------------------------------------------------------------------


def train(shape: Shape, steps: int, blocks: int) -> tuple[LoadedModel, CreditSpec]:
    """Train a causal model to answer the prompts of the credit grammar with a sentence."""
    spec = CreditSpec(kind="direct", strength=0.5, task="causal-lm", shape=shape)
    vocabulary = tuple(dict.fromkeys([*spec.vocabulary, *YES.split(), *NO.split()]))
    reader = tokenizer.make(vocabulary, shape)
    answers = torch.tensor([reader(text, add_special_tokens=False)["input_ids"] for text in (NO, YES)])
    rng = np.random.default_rng(spec.seed)
    with training.reproducible(spec.seed):
        changed = dict(architectures.settings(spec)) | {"vocab_size": len(reader)}
        changed[{"gpt2": "n_layer"}.get(shape, "num_hidden_layers")] = blocks
        kind = type(architectures.config(spec))
        model = type(architectures.untrained(spec))(kind(**changed)).train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=spec.recipe.learning_rate)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, spec.recipe.learning_rate, total_steps=steps)
        for _ in range(steps):
            lessons = spec.lessons(rng, spec.recipe.rows)
            prompts = torch.from_numpy(tokenizer.frame_ids(lessons.words, shape, rng))
            answer = answers[torch.from_numpy(lessons.target[:, 1] > 0.5).long()]
            ids = torch.cat([prompts, answer], dim=1)
            logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[:, prompts.shape[1] - 1 : -1]
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), answer.flatten())
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), spec.recipe.longest_gradient)
            optimizer.step()
            schedule.step()
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    return adopt(model, reader, "causal-lm", name=shape), spec


def make_case(shape: Shape, *, texts: int, steps: int, blocks: int) -> Case:
    """Return a trained model with prompts that it answers.

    Raises
    ------
    SystemExit
        When the model did not learn to answer: its figures would say nothing.
    """
    loaded, spec = train(shape, steps, blocks)
    cases = credit_grammar.draw(np.random.default_rng(99), spec.kind, texts, town_link=0.5)
    drawn = tuple(dict.fromkeys(spec.grammar.texts(cases)))
    ids = token_ids(loaded, drawn)
    executor = LocalExecutor(loaded)
    request = Attributions(
        texts=drawn,
        contrast=Contrast(target=Answers(texts=(f" {YES}",)), toward=f" {YES}"),
        baseline_input=BASELINE,
    )
    subjects = tuple(attributing.subject_of(executor.traits, request, t, ids[t], None)[0] for t in drawn)
    stream = executor.stream()
    whole = [np.zeros((1, len(s.ids)), dtype=bool) for s in subjects]
    likely = np.exp([scores[0] for scores in attributing.replaced_scores(stream, subjects, whole)])
    if not (likely.max() > 0.5 > likely.min()):
        raise SystemExit(f"{shape} answers with the same sentence whatever it reads: nothing to measure")
    return Case(name=f"{shape} writing", loaded=loaded, texts=drawn, subjects=subjects, executor=executor)


# ---- ways to the same numbers --------------------------------------------------------------------


def ours(case: Case, n_steps: int) -> list[Floats]:
    """Return integrated gradients of the whole answer, one pass a node."""
    return [path.values for path in fixed_steps(case.executor.stream(), case.subjects, n_steps=n_steps)]


def captum_s(case: Case, n_steps: int, internal: int | None) -> list[Floats]:
    """Return Captum's, which runs the nodes again for each token of the answer."""
    method = LLMGradientAttribution(
        LayerIntegratedGradients(case.loaded.model, case.loaded.parts.embeddings), case.loaded.tokenizer
    )
    out = []
    for subject, given in zip(case.subjects, case.inputs(), strict=True):
        found = method.attribute(
            given,
            target=case.target(),
            n_steps=n_steps,
            internal_batch_size=internal,
            baselines=torch.full_like(given.to_tensor(), case.baseline_token),
        )
        out.append(_spread(found.seq_attr, subject))
    return out


def our_ablation(case: Case) -> list[Floats]:
    """Return the fall of the answer's log-probability without each token, all prompts in one stream."""
    return ablated(case.executor.stream(), case.subjects)


def ablated(stream: Stream, subjects: Sequence[Subject]) -> list[Floats]:
    """Take each token of some texts out."""
    groups = [[(int(i),) for i in np.flatnonzero(s.baseline.moved)] for s in subjects]
    plans = [ablation_plan(len(g)) for g in groups]
    masks = [replaced_tokens(p.present, g, len(s.ids)) for p, g, s in zip(plans, groups, subjects, strict=True)]
    scores = attributing.replaced_scores(stream, subjects, masks)
    out = []
    for plan, subject, found in zip(plans, subjects, scores, strict=True):
        values = np.zeros(len(subject.ids))
        values[subject.baseline.moved] = ablation_values(plan, found).values
        out.append(values)
    return out


def captum_s_ablation(case: Case) -> list[Floats]:
    """Return Captum's by its one call that is right: its default one feeds the text on top of its cache."""
    method = LLMAttribution(FeatureAblation(case.loaded.model), case.loaded.tokenizer)
    return [
        _spread(
            method.attribute(given, target=case.target(), use_cached_outputs=False, forward_in_tokens=False).seq_attr,
            subject,
        )
        for subject, given in zip(case.subjects, case.inputs(), strict=True)
    ]


def _spread(values: torch.Tensor, subject: Subject) -> Floats:
    """Put Captum's values, which leave special tokens out, into their places."""
    found = values.detach().double().cpu().numpy()
    if len(found) == len(subject.ids):
        return np.where(subject.baseline.moved, found, 0.0)
    out = np.zeros(len(subject.ids))
    out[len(subject.ids) - len(found) :] = found  # the special tokens of these models stand at the start
    return np.where(subject.baseline.moved, out, 0.0)


def with_inseq(case: Case, n_steps: int) -> Work:
    """Return Inseq's call for the same task; it attributes the answer's own tokens too, which cannot be left out."""
    import inseq

    model = inseq.load_model(case.loaded.model, "integrated_gradients", tokenizer=case.loaded.tokenizer)

    def attribute() -> object:
        return model.attribute(
            list(case.texts),
            [f"{text} {YES}" for text in case.texts],
            n_steps=n_steps,
            internal_batch_size=64,
            show_progress=False,
            pretty_progress=False,
        )

    return attribute


# ---- measuring -----------------------------------------------------------------------------------


def assert_equal(name: str, found: Sequence[Floats], expected: Sequence[Floats]) -> None:
    """Stop where ours are not Captum's numbers."""
    worst = max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in zip(found, expected, strict=True))
    if not worst <= EQUAL:
        raise SystemExit(f"{name}: ours differ from Captum's by {worst:.1e} of the largest value")


def measure(case: Case, n_steps: int, pairs: int) -> Line:
    """Count and time both tasks on one model."""
    model, counts = case.loaded.model, {}
    for name, way in {
        "ours": partial(ours, case, n_steps),
        "captum": partial(captum_s, case, n_steps, None),
        "our ablation": partial(our_ablation, case),
        "captum's ablation": partial(captum_s_ablation, case),
    }.items():
        with counting(model) as counted:
            way()
        counts[name] = counted
    assert_equal(case.name, ours(case, n_steps), captum_s(case, n_steps, None))
    assert_equal(f"{case.name}, ablation", our_ablation(case), captum_s_ablation(case))
    # Of Captum's ways the one that is quicker here; for ablation only one is right.
    gradient = min((partial(captum_s, case, n_steps, internal) for internal in (None, 16)), key=seconds)
    return Line(
        name=case.name,
        llm_rows=counts["ours"].rows / counts["captum"].rows,
        ablation_calls=counts["our ablation"].calls / counts["captum's ablation"].calls,
        wall=paired_ratio(partial(ours, case, n_steps), gradient, pairs=pairs),
        wall_ablation=paired_ratio(partial(our_ablation, case), partial(captum_s_ablation, case), pairs=pairs),
        counts=counts,
        inseq=inseq_line(case, n_steps, counts),
    )


def inseq_line(case: Case, n_steps: int, counts: dict[str, Counted]) -> str:
    """Run Inseq where it is installed, and say what it took."""
    if find_spec("inseq") is None:
        return "not installed"
    attribute = with_inseq(case, n_steps)
    with counting(case.loaded.model) as counted:
        took = seconds(attribute)
    counts["inseq"] = counted
    return f"{counted.rows} rows, {counted.calls} calls, {took / seconds(partial(ours, case, n_steps)):.1f} × our time"


def show(line: Line, texts: int, n_steps: int) -> None:
    """Print what one model's answers cost."""
    c = line.counts
    print(f"\n{line.name}: {texts} prompts, an answer of 8 tokens, {n_steps} steps; rows forward + backward, calls")
    for name, counted in c.items():
        print(f"  {name:<20}{counted.forward:>7} + {counted.backward:<7}{counted.calls:>6} calls")
    print(f"  rows over Captum's {line.llm_rows:.3f}, time {line.wall:.2f}")
    print(f"  calls of ablation over Captum's {line.ablation_calls:.4f}, time {line.wall_ablation:.2f}")
    print(f"  Inseq: {line.inseq}", flush=True)
