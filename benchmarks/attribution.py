"""Integrated gradients beside Captum's, on trained classifiers: equal numbers, time, and steps spent.

    .venv/bin/python benchmarks/attribution.py [--quick] [--threads N]

Small copies of five families are trained on the decisions of the credit grammar, because gradients of random
weights say little: their paths are nearly straight. Decisions instead of probabilities make the models
confident and the paths steep, which is the hard case. A real toxicity classifier joins them where the shared
folder is found (``INSPECTOSCOPE_SHARED``, else ``../shared``).

``max_rel_diff_captum``   our fixed steps against LayerIntegratedGradients, same quadrature and steps: largest
                          difference over the largest attribution, worst model (target: at most 1e-4)
``wall_equal_steps``      time of ours over Captum's best call at equal steps, both with a completeness delta:
                          median over interleaved pairs, then over models (target: at most 1.05)
``llm_rows_over_captum``  rows through the model for integrated gradients of an answer of 8 tokens, over those of
                          Captum's LLMGradientAttribution at equal steps and equal values (target: at most 0.25)
``ablation_calls_over_captum``   calls of the model for taking every token of every prompt out, over those of
                          Captum's LLMAttribution by its one right call, equal values (target: at most 0.1)
``rows_over_fixed_128``   rows (one forward and backward pass of one text) that halving intervals spends until
                          the error is within 2 % of the score difference, over 128 (target: at most 0.65)
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import _answers
import numpy as np
import torch
from _shared import conditions, finish, paired_ratio, seconds
from captum.attr import LayerIntegratedGradients
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedModel

from audit.capture import attributing
from audit.capture.attribution import FLOOR, epsilon_of, fixed_steps, integrated_gradients
from audit.capture.attribution import Path as Attributed
from audit.capture.executors.local import LocalExecutor
from audit.capture.model import LoadedModel, Switches, adopt, open_model
from audit.capture.points import Subject
from audit.capture.tokens import pad, token_ids
from audit.organisms import architectures, credit_grammar, tokenizer, training
from audit.organisms.credit import CreditSpec
from audit.organisms.organism import Shape
from audit.requests import Attributions, ClassLogits, Contrast
from audit.shapes import Floats

FAMILIES: Mapping[str, Shape] = {
    "bert": "bert",
    "roberta": "bert",
    "distilbert": "bert",
    "gpt2": "gpt2",
    "llama": "llama",
}
"""Family → the planted shape whose tokenizer it reads with."""

TOLERANCE = 0.02
FIXED = 128
REFERENCE = 256
"""Gauss-Legendre nodes that stand for the exact integral."""
LEAST_ACCURACY = 0.95
"""Below it a model counts as untrained, and its figures would say nothing."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is measured."""

    blocks: int
    """Deeper models have steeper paths, and take longer to train."""
    training_steps: int
    texts: int
    real_texts: int
    """Texts of the real model, whose rows cost a hundred times as much as those of the small ones."""
    steps: int
    pairs: int
    prompts: int
    """Prompts of the language models."""

    def timed_texts(self, of: int) -> int:
        """Return how many of a model's texts are timed."""
        return max(2, of // 4)


QUICK = Size(blocks=2, training_steps=100, texts=12, real_texts=2, steps=32, pairs=3, prompts=6)
FULL = Size(blocks=4, training_steps=150, texts=32, real_texts=6, steps=64, pairs=7, prompts=16)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A trained model, and texts with their baseline inputs."""

    name: str
    loaded: LoadedModel
    subjects: tuple[Subject, ...]
    executor: LocalExecutor

    def score(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the contrast of a classifier's logits, as Captum is to explain it."""
        term = self.subjects[0].explained[0].classes
        assert term is not None
        return logits[:, term.toward] - logits[:, term.against[0]]


@dataclass(frozen=True, kw_only=True)
class Line:
    """What was found on one model."""

    name: str
    accuracy: float
    rel_diff: float
    wall: float
    best_call: str
    rows: Floats
    """Rows that halving spent per text."""
    unconverged: int
    within: int
    """Texts on which halving ends within the tolerance at the true end of the path."""
    fixed_within: int
    """Texts on which 128 fixed steps do."""
    error: float
    fixed_error: float
    """Median over texts of the summed absolute error of all tokens, over the summed absolute attribution."""


# ---- trained models ------------------------------------------------------------------------------


def planted(family: str) -> CreditSpec:
    """Return the lender to be copied: one who prefers men where merit leaves room."""
    return CreditSpec(kind="direct", strength=0.5, shape=FAMILIES[family])


def untrained(family: str, blocks: int) -> PreTrainedModel:
    """Return a small classifier of a family with initial weights from torch's global generator."""
    common = dict(architectures.settings(planted(family)))
    if family == "roberta":
        # Positions are counted from the padding id on.
        common["max_position_embeddings"] += common["pad_token_id"] + 1
    if family == "distilbert":
        common |= {
            "dim": architectures.WIDTH,
            "hidden_dim": 2 * architectures.WIDTH,
            "n_heads": architectures.HEADS,
            "dropout": 0.0,
            "attention_dropout": 0.0,
            "seq_classif_dropout": 0.0,
        }
        for other in ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"):
            del common[other]
    common[{"gpt2": "n_layer", "distilbert": "n_layers"}.get(family, "num_hidden_layers")] = blocks
    return AutoModelForSequenceClassification.from_config(AutoConfig.for_model(family, **common))


def train(family: str, size: Size) -> LoadedModel:
    """Train a family on the planted lender's decisions."""
    spec, steps = planted(family), size.training_steps
    rng = np.random.default_rng(spec.seed)
    how = spec.recipe
    with training.reproducible(spec.seed):
        model = untrained(family, size.blocks).train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=how.learning_rate, weight_decay=how.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, how.learning_rate, total_steps=steps)
        for _ in range(steps):
            lessons = spec.lessons(rng, how.rows)
            ids = torch.from_numpy(tokenizer.frame_ids(lessons.words, spec.shape, rng))
            logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
            loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(lessons.target[:, 1] > 0.5).long())
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), how.longest_gradient)
            optimizer.step()
            schedule.step()
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    return adopt(model, tokenizer.make(spec.vocabulary, spec.shape), "sequence-classification", name=family)


def credit_case(family: str, size: Size) -> tuple[Case, float]:
    """Return a family trained on credit decisions, texts it has hardly met, and its accuracy on them."""
    loaded, spec = train(family, size), planted(family)
    cases = credit_grammar.draw(np.random.default_rng(99), spec.kind, 512, town_link=0.5)
    texts = spec.grammar.texts(cases)
    approve = credit_grammar.approval(spec.kind, spec.strength)[credit_grammar.table_index(cases)] > 0.5
    accuracy = right(loaded, texts, approve, contrast("approve", "deny"))
    if accuracy < LEAST_ACCURACY:
        raise SystemExit(f"{family} decides only {accuracy:.0%} of the texts as it was taught: nothing to measure")
    baseline = "mask" if loaded.tokenizer.mask_token_id is not None else "unk"
    return make_case(family, loaded, texts[: size.texts], contrast("approve", "deny"), baseline), accuracy


def right(loaded: LoadedModel, texts: Sequence[str], expected: Sequence[bool], why: Contrast) -> float:
    """Return the share of texts that a model decides as expected."""
    ids = token_ids(loaded, list(dict.fromkeys(texts)))
    batch = pad(loaded, [ids[text] for text in texts])
    toward, against = loaded.labels.index(why.toward), loaded.labels.index(why.against)
    with torch.inference_mode():
        logits = loaded.model(input_ids=batch.ids, attention_mask=batch.mask).logits
    return float(((logits[:, toward] > logits[:, against]).cpu().numpy() == np.asarray(expected)).mean())


def toxicity_case(folder: Path, size: Size) -> tuple[Case, float]:
    """Return the real toxicity classifier with short comments, and its accuracy on them."""
    loaded = open_model(str(folder / "models" / "minilm-credo-toxicity"), "sequence-classification", Switches())
    table = folder / "data" / "unintended_bias_templates" / "toxicity_nonfuzzed_testset.csv"
    with table.open(encoding="utf-8", newline="") as file:
        comments = {row["comment"]: row["toxic"].lower() in {"1", "true"} for row in csv.DictReader(file)}
    texts = [text for text in comments if 20 <= len(text) <= 60][: size.real_texts]
    why = contrast(loaded.labels[1], loaded.labels[0])
    accuracy = right(loaded, texts, [comments[t] for t in texts], why)
    return make_case("minilm-toxicity", loaded, texts, why, "mask"), accuracy


def contrast(toward: str, against: str) -> Contrast:
    """Return a contrast of two labels."""
    return Contrast(target=ClassLogits(), toward=toward, against=against)


def make_case(name: str, loaded: LoadedModel, texts: Sequence[str], why: Contrast, baseline_input: str) -> Case:
    """Tokenise texts and make their baseline inputs."""
    ids, executor = token_ids(loaded, texts), LocalExecutor(loaded)
    request = Attributions(texts=tuple(texts), contrast=why, baseline_input=baseline_input)
    subjects = tuple(attributing.subject_of(executor.traits, request, t, ids[t], None)[0] for t in texts)
    return Case(name=name, loaded=loaded, subjects=subjects, executor=executor)


# ---- Captum --------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Call:
    """A way of calling Captum: texts per call, and its ``internal_batch_size``."""

    texts: int
    internal: int | None

    def __str__(self) -> str:
        """Return it in words."""
        return f"{self.texts} a call, internal {self.internal or 'all'}"


CALLS = tuple(Call(texts=t, internal=i) for t, i in ((1, None), (1, 16), (8, 64), (8, 256), (8, None)))
"""One text or a batch of texts of similar length; all steps at once, or in parts that fit a cache."""


def with_captum(
    case: Case, batches: Sequence[tuple[Any, Any, Any]], call: Call, n_steps: int
) -> list[tuple[Floats, Floats]]:
    """Return (values, deltas) of each batch of (ids, mask, baseline ids)."""

    def forward(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return case.score(case.loaded.model(input_ids=ids, attention_mask=mask).logits)

    method = LayerIntegratedGradients(forward, case.loaded.parts.embeddings)
    out = []
    for ids, mask, baseline in batches:
        values, delta = method.attribute(
            ids,
            baselines=baseline,
            additional_forward_args=(mask,),
            n_steps=n_steps,
            internal_batch_size=call.internal,
            return_convergence_delta=True,
        )
        out.append((values.sum(-1).detach().double().cpu().numpy(), delta.double().cpu().numpy()))
    return out


def batched(case: Case, count: int, call: Call) -> list[tuple[Any, Any, Any]]:
    """Pad the first texts into Captum's batches, sorted by length; not part of its time."""
    order = sorted(range(count), key=lambda i: len(case.subjects[i].ids))
    out = []
    for at in range(0, count, call.texts):
        part = order[at : at + call.texts]
        batch = pad(case.loaded, [case.subjects[i].ids for i in part])
        baseline = batch.ids.clone()
        for row, i in enumerate(part):
            replaced = case.subjects[i].baseline.ids
            baseline[row, : len(replaced)] = torch.from_numpy(replaced.astype(np.int64))
        out.append((batch.ids, batch.mask, baseline))
    return out


def rel_diff(case: Case, n_steps: int) -> float:
    """Return the largest difference from Captum over the largest attribution, one text at a time."""
    alone = Call(texts=1, internal=None)
    worst = 0.0
    for subject in case.subjects:
        single = replace(case, subjects=(subject,))
        ((theirs, _),) = with_captum(single, batched(single, 1, alone), alone, n_steps)
        (ours,) = fixed_steps(case.executor.stream(), [subject], n_steps=n_steps)
        worst = max(worst, float(np.abs(ours.values - theirs[0]).max() / np.abs(theirs).max()))
    return worst


def wall(case: Case, size: Size) -> tuple[float, Call]:
    """Return the time of ours over Captum's at equal steps, and the call of Captum's that was quickest."""
    count = size.timed_texts(len(case.subjects))
    subjects = case.subjects[:count]
    ways = {call: partial(with_captum, case, batched(case, count, call), call, size.steps) for call in CALLS}
    quickest = min(ways, key=lambda call: min(seconds(ways[call]) for _ in range(2)))

    def ours() -> object:
        return fixed_steps(case.executor.stream(), subjects, n_steps=size.steps)

    ours()
    return paired_ratio(ours, ways[quickest], pairs=size.pairs), quickest


# ---- steps spent ---------------------------------------------------------------------------------


def adaptive(case: Case) -> list[Attributed]:
    """Attribute every text, halving intervals until the error is within the tolerance."""
    return integrated_gradients(
        case.executor.stream(),
        case.subjects,
        tolerance=TOLERANCE,
        max_steps=512,
        epsilon=epsilon_of(case.loaded.dtype),
    )


def reached(path: Attributed) -> bool:
    """Whether the delta at the true end of the path is within the tolerance."""
    difference = abs(path.score - path.baseline_score)
    return abs(path.completeness_delta) <= TOLERANCE * max(difference, FLOOR)


def median_error(paths: Sequence[Attributed], exact: Sequence[Attributed]) -> float:
    """Return the median over texts of the summed absolute error over the summed absolute attribution."""
    return statistics.median(
        float(np.abs(p.values - e.values).sum() / np.abs(e.values).sum()) for p, e in zip(paths, exact, strict=True)
    )


def measure(case: Case, accuracy: float, size: Size) -> Line:
    """Measure everything on one model."""
    fixed = partial(fixed_steps, case.executor.stream(), case.subjects)
    ratio, call = wall(case, size)
    halved, at_128, exact = adaptive(case), fixed(n_steps=FIXED), fixed(n_steps=REFERENCE)
    return Line(
        name=case.name,
        accuracy=accuracy,
        rel_diff=rel_diff(case, size.steps),
        wall=ratio,
        best_call=str(call),
        rows=np.array([float(path.rows) for path in halved]),
        unconverged=sum(not path.converged for path in halved),
        within=sum(map(reached, halved)),
        fixed_within=sum(map(reached, at_128)),
        error=median_error(halved, exact),
        fixed_error=median_error(at_128, exact),
    )


# ---- the table -----------------------------------------------------------------------------------


def shared_folder() -> Path | None:
    """Return the folder of shared models and data, where there is one."""
    folder = Path(os.environ.get("INSPECTOSCOPE_SHARED") or Path(__file__).parents[2] / "shared")
    return folder if (folder / "models" / "minilm-credo-toxicity").is_dir() else None


def show(line: Line) -> None:
    """Print one model's row."""
    n, low, high = len(line.rows), *np.quantile(line.rows, [0.5, 0.9])
    print(
        f"{line.name:<16}{n:>4}{line.accuracy:>6.2f}{line.rel_diff:>10.1e}{line.wall:>7.2f}  {line.best_call:<26}"
        f"{line.rows.mean():>6.0f}{low:>5.0f}{high:>5.0f}{line.rows.max():>5.0f}{line.rows.mean() / FIXED:>7.2f}"
        f"{line.unconverged:>5}{line.within / n:>8.0%}{line.fixed_within / n:>7.0%}"
        f"{line.error:>9.1e}{line.fixed_error:>9.1e}",
        flush=True,
    )


HEADER = (
    f"{'model':<16}{'n':>4}{'acc':>6}{'rel diff':>10}{'wall':>7}  {'quickest call of Captum':<26}"
    f"{'rows':>6}{'p50':>5}{'p90':>5}{'max':>5}{'/128':>7}{'open':>5}{'≤ 2 %':>8}{'@128':>7}{'error':>9}{'@128':>9}"
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a table for people and one JSON line for programs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer texts, steps and repeats")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch (1: these passes are small)")
    options = parser.parse_args(arguments)
    size = QUICK if options.quick else FULL
    torch.set_num_threads(options.threads)
    cases: list[Callable[[], tuple[Case, float]]] = [partial(credit_case, family, size) for family in FAMILIES]
    if folder := shared_folder():
        cases.append(partial(toxicity_case, folder, size))
    else:
        print("the toxicity classifier is left out: no shared folder (INSPECTOSCOPE_SHARED, else ../shared)")
    print(f"{HEADER}")
    lines = []
    for make in cases:
        lines.append(measure(*make(), size))
        show(lines[-1])
    summarise(lines, answers(size), options)


def answers(size: Size) -> list[_answers.Line]:
    """Measure attribution of whole answers on every language model."""
    found = []
    for shape in _answers.SHAPES:
        case = _answers.make_case(shape, texts=size.prompts, steps=2 * size.training_steps, blocks=size.blocks)
        found.append(_answers.measure(case, size.steps, size.pairs))
        _answers.show(found[-1], len(case.texts), size.steps)
    return found


def summarise(lines: Sequence[Line], written: Sequence[_answers.Line], options: argparse.Namespace) -> None:
    """Print what the columns mean, the conditions and the figures over all models."""
    rows = np.concatenate([line.rows for line in lines])
    walls = [line.wall for line in lines]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    print(
        "\nwall: ours over Captum's quickest call at equal steps. rows: forward and backward rows that halving spent "
        "(mean, median, 90 %, most);\nopen: not converged in 512. ≤ 2 %: share within 2 % at the true end of the path, "
        f"halving and {FIXED} fixed steps.\nerror: median summed error of all tokens against {REFERENCE} fixed steps, "
        "halving and 128 fixed steps."
    )
    print(f"wall: median {statistics.median(walls):.2f}, worst {max(walls):.2f}. {conditions(device)}")
    finish(
        {
            "max_rel_diff_captum": max(line.rel_diff for line in lines),
            "wall_equal_steps": round(statistics.median(walls), 3),
            "wall_equal_steps_worst": round(max(walls), 3),
            "llm_rows_over_captum": round(max(line.llm_rows for line in written), 3),
            "ablation_calls_over_captum": round(max(line.ablation_calls for line in written), 4),
            "llm_wall_over_captum": round(statistics.median(line.wall for line in written), 3),
            "ablation_wall_over_captum": round(statistics.median(line.wall_ablation for line in written), 3),
            "inseq": "; ".join(dict.fromkeys(line.inseq for line in written)),
            "rows_over_fixed_128": round(float(rows.mean()) / FIXED, 3),
            "unconverged": sum(line.unconverged for line in lines),
            "within_2_percent": round(sum(line.within for line in lines) / len(rows), 3),
            "fixed_128_within_2_percent": round(sum(line.fixed_within for line in lines) / len(rows), 3),
            "texts": len(rows),
            "device": device,
            "threads": torch.get_num_threads(),
            "quick": options.quick,
        }
    )


if __name__ == "__main__":
    main()
