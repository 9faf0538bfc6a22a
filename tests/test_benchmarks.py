"""The benchmarks run, and their last line can be read by a program; how fast things are is not tested here."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """Import a benchmark as running it does: with its own folder first on the path."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    threads = torch.get_num_threads()
    yield importlib.import_module
    torch.set_num_threads(threads)


def last_line(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert isinstance(summary, dict)
    return summary


def test_attribution_beside_captum(
    benchmark: Callable[[str], ModuleType], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    attribution = benchmark("attribution")
    size = attribution.Size(blocks=2, training_steps=100, texts=3, real_texts=0, steps=8, pairs=1, prompts=4)
    monkeypatch.setattr(attribution, "QUICK", size)
    monkeypatch.setattr(attribution, "FAMILIES", {"roberta": "bert"})
    monkeypatch.setattr(attribution, "shared_folder", lambda: None)

    attribution.main(["--quick"])

    summary = last_line(capsys)
    assert 0 < summary["max_rel_diff_captum"] <= 1e-4
    assert 17 / 128 <= summary["rows_over_fixed_128"] <= 512 / 128
    assert summary["wall_equal_steps"] > 0
    assert summary["texts"] == 3
    assert 0 < summary["llm_rows_over_captum"] <= 0.25
    assert 0 < summary["ablation_calls_over_captum"] <= 0.1


def test_a_model_that_did_not_learn_is_not_measured(benchmark: Callable[[str], ModuleType]) -> None:
    attribution = benchmark("attribution")
    size = attribution.Size(blocks=2, training_steps=1, texts=2, real_texts=0, steps=8, pairs=1, prompts=4)

    with pytest.raises(SystemExit, match=r"bert decides only \d\d% of the texts as it was taught"):
        attribution.credit_case("bert", size)


def test_extraction_beside_a_bare_forward_pass(
    benchmark: Callable[[str], ModuleType], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    extraction = benchmark("extraction")
    small = extraction.make_model(layers=2, width=64, vocabulary_size=extraction.WORDS + 1)
    monkeypatch.setattr(extraction, "make_model", lambda **_: small)
    monkeypatch.setattr(extraction, "growth", lambda _: None)

    extraction.main(["--quick", "--threads", "1"])

    summary = last_line(capsys)
    assert summary["capture_over_forward"] > 0
    assert summary["notebook_over_forward"] > 0
    assert summary["growth_mb"] is None


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory is read from Linux's /proc")
def test_memory_does_not_grow_with_the_number_of_rows(benchmark: Callable[[str], ModuleType]) -> None:
    extraction = benchmark("extraction")

    assert extraction.growth((1_000, 10_000)) <= 64
