"""Reading pooled states of all layers: time over a bare forward pass, and memory over rows.

    .venv/bin/python benchmarks/extraction.py [--quick] [--threads N]

``capture_over_forward``   time of a capture over that of a bare headless pass on the same batches (target: at
                           most 1.10), and beside it that of other ways (``notebook_over_forward`` and more)
``growth_mb``              by how many MB the peak memory of a check that reads every layer grows from 1,000
                           to 10,000 rows (target: at most 64)

Times: a model of GPT-2 small's shape with random weights, texts of mixed lengths. Every way answers the same
question (the mean-pooled states of all layers, on disk) but the bare one, which keeps nothing. Pairs are
interleaved; medians are printed.

Memory: a small model in a fresh process per number of rows. The process first captures 1,000 other texts, so
that libraries are loaded and buffers have their size, then forgets its peak and captures in earnest; loading a
model takes several times what a capture does and would hide it. The check holds one layer at a time, as checks
do: that layer is rows × 64 numbers in single precision, 2.6 MB at 10,000 rows, and counts.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from _shared import conditions, finish, paired_ratio
from transformers import GPT2Config, GPT2LMHeadModel

from audit.capture.cost import Cost
from audit.capture.executors.local import LocalExecutor
from audit.capture.model import LoadedModel, adopt
from audit.capture.passes import Wanted
from audit.capture.scheduler import Scheduler
from audit.capture.store import Store
from audit.capture.tokens import pad, plan_batches, token_ids
from audit.progress import Silent
from audit.requests import CheckRun, States
from audit.types import Finding

WORDS = 2000
GPT2_VOCABULARY = 50257


def make_model(layers: int, width: int, vocabulary_size: int = GPT2_VOCABULARY) -> LoadedModel:
    """Return a random GPT-2 of some depth and width, with a word-level tokenizer."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {"<unk>": 0} | {f"w{i}": i + 1 for i in range(WORDS)}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", model_max_length=1024)
    torch.manual_seed(0)
    config = GPT2Config(
        n_layer=layers,
        n_embd=width,
        n_head=width // 64,
        vocab_size=vocabulary_size,
        bos_token_id=None,
        eos_token_id=None,
    )
    model = GPT2LMHeadModel(config).to("cuda" if torch.cuda.is_available() else "cpu")
    return adopt(model, tokenizer, "causal-lm", name="random GPT-2")


def make_texts(count: int, shortest: int, longest: int, seed: int = 1) -> tuple[str, ...]:
    """Return texts whose lengths are spread evenly on a log scale, in random order."""
    rng = np.random.default_rng(seed)
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
    """Capture through the scheduler into a fresh store.

    Without its comparison of a batch with single texts, which an audit pays once per model.
    """
    store = Store(root, loaded.context)
    scheduler = Scheduler(
        executor=LocalExecutor(loaded), store=store, progress=Silent(), cost=Cost(), self_test="left out"
    )
    scheduler.run({"a": consume(texts)})
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


# ---- time ----------------------------------------------------------------------------------------


def ratios(loaded: LoadedModel, texts: tuple[str, ...], pairs: int) -> dict[str, float]:
    """Return each way's time over the bare forward's: the median over interleaved pairs."""
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
    without = partial(bare, loaded, texts)
    without()
    # The others are beside ours for orientation, and take most of the time.
    return {name: _ratio(way, without, pairs if name == "capture" else pairs // 2) for name, way in ways.items()}


def _ratio(way: Callable[[Path], None], without: Callable[[], None], pairs: int) -> float:
    with tempfile.TemporaryDirectory() as root:
        # A folder per call: what an earlier call stored would be found instead of captured.
        folders = [Path(root) / str(i) for i in range(pairs)]
        for folder in folders:
            folder.mkdir()
        fresh = iter(folders)
        return paired_ratio(lambda: way(next(fresh)), without, pairs=pairs)


# ---- memory --------------------------------------------------------------------------------------


def growth(rows: tuple[int, int]) -> float | None:
    """Return by how many MB the peak of a check over every layer grows between two numbers of rows.

    None where the system cannot tell (it takes Linux's ``/proc``).
    """
    if not Path("/proc/self/clear_refs").exists():
        print("this system has no /proc/self/clear_refs: memory is not measured")
        return None
    peaks = []
    for count in rows:
        done = subprocess.run(
            [sys.executable, __file__, "--peak", str(count)], capture_output=True, text=True, check=True
        )
        peaks.append(int(done.stdout.split()[-1]))
        print(f"  peak memory at {count:>6,} rows: {peaks[-1] / 1e6:6.1f} MB")
    return (peaks[1] - peaks[0]) / 1e6


def print_peak(count: int) -> None:
    """Run the check over ``count`` rows in a warm process, and print its peak memory meanwhile in bytes."""
    torch.set_num_threads(1)
    loaded = make_model(layers=4, width=64, vocabulary_size=WORDS + 1)
    texts = make_texts(count, 4, 10)
    with tempfile.TemporaryDirectory() as folder:
        capture(loaded, make_texts(1_000, 4, 10, seed=2), Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        # 5 sets the peak to what is resident now; see proc(5).
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        capture(loaded, texts, Path(folder))
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(encoding="ascii"), re.MULTILINE)
    assert found is not None, "Linux reports the peak of every process"
    print(int(found[1]) * 1024)


# ---- the table -----------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a table for people and one JSON line for programs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter texts, fewer pairs")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads of torch")
    parser.add_argument("--peak", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.peak:
        print_peak(options.peak)
        return
    torch.set_num_threads(options.threads)
    loaded = make_model(layers=12, width=768)
    texts = make_texts(24 if options.quick else 64, 6, 40 if options.quick else 80)
    found = ratios(loaded, texts, pairs=5 if options.quick else 9)
    print(f"\n{len(texts)} texts; time over a bare headless forward pass. {conditions(loaded.device)}")
    for name, ratio in found.items():
        print(f"  {name:<12} {ratio:6.2f}")
    grown = growth((1_000, 10_000))
    finish(
        {
            "capture_over_forward": round(found["capture"], 3),
            "notebook_over_forward": round(found["notebook"], 3),
            "one_by_one_over_forward": round(found["one by one"], 3),
            "nnsight_over_forward": round(found["nnsight"], 3) if "nnsight" in found else None,
            "growth_mb": None if grown is None else round(grown, 1),
            "device": str(loaded.device),
            "threads": options.threads,
            "quick": options.quick,
        }
    )


if __name__ == "__main__":
    main()
