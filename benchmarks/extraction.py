"""Reading pooled states of all layers: time over a bare forward pass, and memory over rows.

    .venv/bin/python benchmarks/extraction.py [--quick]

The model has GPT-2 small's shape and random weights; texts have mixed lengths. Every way answers the same
question (the mean-pooled states of all layers, on disk) except the bare one, which only runs the headless
model on the batches that the capture layer plans. Pairs are interleaved and the median ratio is printed.
The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from audit.capture.cost import Cost, peak_memory
from audit.capture.executors.local import LocalExecutor
from audit.capture.model import LoadedModel, adopt
from audit.capture.passes import Wanted
from audit.capture.scheduler import Scheduler
from audit.capture.self_test import self_test
from audit.capture.store import Store
from audit.capture.tokens import pad, plan_batches, token_ids
from audit.progress import Silent
from audit.requests import CheckRun, States
from audit.types import Finding

WORDS = 2000


def make_model(layers: int, width: int) -> LoadedModel:
    """Return a random GPT-2 of some depth and width, with a word-level tokenizer."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {"<unk>": 0} | {f"w{i}": i + 1 for i in range(WORDS)}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", model_max_length=1024)
    torch.manual_seed(0)
    config = GPT2Config(n_layer=layers, n_embd=width, n_head=width // 64)
    model = GPT2LMHeadModel(config).to("cuda" if torch.cuda.is_available() else "cpu")
    return adopt(model, tokenizer, "causal-lm", name="random GPT-2")


def make_texts(count: int, shortest: int, longest: int) -> tuple[str, ...]:
    """Return texts whose lengths are spread evenly on a log scale, in random order."""
    rng = np.random.default_rng(1)
    lengths = np.exp(rng.uniform(np.log(shortest), np.log(longest), size=count)).astype(int)
    return tuple(" ".join(f"w{i}" for i in rng.integers(0, WORDS, size=n)) for n in lengths)


def consume(texts: tuple[str, ...]) -> CheckRun:
    """A check that reads every layer, one at a time."""
    states = yield States(texts=texts)
    total = sum(float(states[layer].mean()) for layer in states)
    return Finding(limits=(f"{total}",))


# ---- ways to do it -------------------------------------------------------------------------------


def bare(loaded: LoadedModel, texts: tuple[str, ...]) -> None:
    """Run the headless model on the planned batches, and keep nothing."""
    ids = token_ids(loaded, texts)
    budget, most_rows = LocalExecutor(loaded).room(Wanted())
    with torch.inference_mode():
        for batch in plan_batches({t: len(i) for t, i in ids.items()}, budget=budget, most_rows=most_rows):
            rows = pad(loaded, [ids[t] for t in batch])
            loaded.parts.trunk(input_ids=rows.ids, attention_mask=rows.mask, use_cache=False)
    _wait(loaded)


def capture(loaded: LoadedModel, texts: tuple[str, ...], root: Path) -> None:
    """Capture through the scheduler into a fresh store."""
    store = Store(root, loaded.context)
    Scheduler(executor=LocalExecutor(loaded), store=store, progress=Silent(), cost=Cost()).run({"a": consume(texts)})
    store.close()


def notebook(loaded: LoadedModel, texts: tuple[str, ...], folder: Path, batch_size: int = 16) -> None:
    """The way of most notebooks: unsorted batches, with the head, all hidden states, pooled afterwards."""
    out = []
    with torch.inference_mode():
        for at in range(0, len(texts), batch_size):
            rows = pad(loaded, list(token_ids(loaded, texts[at : at + batch_size]).values()))
            hidden = loaded.model(input_ids=rows.ids, attention_mask=rows.mask, output_hidden_states=True).hidden_states
            mask = rows.mask[..., None].float()
            out.append(torch.stack([(h * mask).sum(1) / mask.sum(1) for h in hidden]).cpu())
    np.save(folder / "states.npy", torch.cat(out, dim=1).numpy())


def one_by_one(loaded: LoadedModel, texts: tuple[str, ...], folder: Path) -> None:
    """One text at a time, without a head."""
    out = []
    with torch.inference_mode():
        for ids in token_ids(loaded, texts).values():
            rows = pad(loaded, [ids])
            hidden = loaded.parts.trunk(input_ids=rows.ids, output_hidden_states=True, use_cache=False).hidden_states
            out.append(torch.stack([h[0].mean(0) for h in hidden]).cpu())
    np.save(folder / "states.npy", torch.stack(out, dim=1).numpy())


def with_nnsight(loaded: LoadedModel, texts: tuple[str, ...], folder: Path) -> None:
    """Tracing with nnsight on the same batches, pooled inside the trace."""
    import nnsight

    traced = nnsight.NNsight(loaded.parts.trunk)
    ids = token_ids(loaded, texts)
    budget, most_rows = LocalExecutor(loaded).room(Wanted())
    out = []
    for batch in plan_batches({t: len(i) for t, i in ids.items()}, budget=budget, most_rows=most_rows):
        rows = pad(loaded, [ids[t] for t in batch])
        mask = rows.mask[..., None].float()
        saved = []
        with torch.inference_mode(), traced.trace(rows.ids, attention_mask=rows.mask, use_cache=False):
            for block in traced.h:
                hidden = block.output
                hidden = hidden[0] if isinstance(hidden, tuple) else hidden
                saved.append(((hidden * mask).sum(1) / mask.sum(1)).save())
        out.append(torch.stack([s.cpu() for s in saved]))
    np.save(folder / "states.npy", torch.cat(out, dim=1).numpy())


def _wait(loaded: LoadedModel) -> None:
    if loaded.device.type == "cuda":
        torch.cuda.synchronize()


# ---- measuring -----------------------------------------------------------------------------------


def timed(work: Callable[[], object]) -> float:
    """Return the wall seconds of one call."""
    began = perf_counter()
    work()
    return perf_counter() - began


def ratios(loaded: LoadedModel, texts: tuple[str, ...], repeats: int) -> dict[str, float | None]:
    """Return the median over interleaved pairs of each way's time over the bare forward's."""
    ways: dict[str, Callable[[Path], None]] = {
        "capture": lambda folder: capture(loaded, texts, folder),
        "notebook": lambda folder: notebook(loaded, texts, folder),
        "one by one": lambda folder: one_by_one(loaded, texts, folder),
    }
    try:
        import nnsight  # noqa: F401

        ways["nnsight"] = lambda folder: with_nnsight(loaded, texts, folder)
    except ImportError:
        print("nnsight is not installed: left out")
    seen: dict[str, list[float]] = {name: [] for name in ways}
    bare(loaded, texts)
    for _ in range(repeats):
        for name, way in ways.items():
            with tempfile.TemporaryDirectory() as folder:
                _pass_self_test(loaded, texts, Path(folder))
                base = timed(lambda: bare(loaded, texts))
                seen[name].append(timed(lambda way=way, folder=folder: way(Path(folder))) / base)
    return {name: statistics.median(values) for name, values in seen.items()}


def _pass_self_test(loaded: LoadedModel, texts: tuple[str, ...], root: Path) -> None:
    """Let the batch-equals-single test run beforehand: an audit pays it once per model, not per pass."""
    store = Store(root, loaded.context)
    self_test(LocalExecutor(loaded), texts, Wanted(), store.folder)
    store.close()


def growth(rows: tuple[int, int]) -> float:
    """Return by how many MB the peak memory of a check over every layer grows between two numbers of rows."""
    peaks = []
    for count in rows:
        done = subprocess.run(
            [sys.executable, __file__, "--peak", str(count)], capture_output=True, text=True, check=True
        )
        peaks.append(int(done.stdout.split()[-1]))
        print(f"peak memory at {count:>6,} rows: {peaks[-1] / 1e6:8.1f} MB")
    return (peaks[1] - peaks[0]) / 1e6


def print_peak(count: int) -> None:
    """Run the check over ``count`` rows and print this process's peak memory."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        capture(make_model(layers=2, width=768), make_texts(count, 4, 10), Path(folder))
    print(peak_memory())


def main() -> None:
    """Measure, print a table for people and one JSON line for programs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter texts, fewer repeats")
    parser.add_argument("--peak", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        print_peak(options.peak)
        return
    loaded = make_model(layers=12, width=768)
    texts = make_texts(48 if options.quick else 160, 6, 60 if options.quick else 120)
    found = ratios(loaded, texts, repeats=3 if options.quick else 7)
    print(
        f"\n{len(texts)} texts, {loaded.device}, {torch.get_num_threads()} threads; "
        "time over a bare headless forward pass"
    )
    for name, ratio in found.items():
        print(f"  {name:<12} {ratio:6.2f}")
    grown = growth((1_000, 4_000) if options.quick else (1_000, 10_000))
    print(
        json.dumps(
            {
                "capture_over_forward": round(found["capture"], 3),
                "notebook_over_forward": round(found["notebook"], 3),
                "one_by_one_over_forward": round(found["one by one"], 3),
                "nnsight_over_forward": None if found.get("nnsight") is None else round(found["nnsight"], 3),
                "growth_mb": round(grown, 1),
                "device": str(loaded.device),
                "quick": options.quick,
            }
        )
    )


if __name__ == "__main__":
    main()
