"""On an accelerator: the same findings as on the CPU, and memory that runs out costs time, not the audit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import audit
from audit.capture import passes
from audit.capture.executors.local import LocalExecutor
from audit.capture.model import LoadedModel, Switches, open_model
from audit.types import Measurement

pytestmark = pytest.mark.gpu

ROOM = 192 * 2**20
"""Bytes of device memory that the test of a full device leaves: little for a batch, plenty for one text."""


@pytest.fixture(scope="module", autouse=True)
def cuda() -> torch.device:
    """The first CUDA device; skips where there is none."""
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    return torch.device("cuda:0")


@pytest.fixture(scope="module")
def both(session_policy, biased_model, tmp_path_factory) -> dict[str, audit.ShownRecord]:
    """The same audit on the CPU and on the device."""
    policy, store = session_policy("swap", "outcomes", "attribution", "probe"), tmp_path_factory.mktemp("gpu")
    return {
        device: audit.run(
            policy.path, model=biased_model, store=store, device=device, dtype="float32", progress=False,
            set={"checks.swap.criteria.0.at_most": "0.02"},
        )
        for device in ("cpu", "cuda")
    }  # fmt: skip


def key(measurement: Measurement) -> tuple[str, ...]:
    return (measurement.metric, measurement.group, measurement.reference, measurement.stratum)


def test_both_devices_give_the_same_verdicts(both):
    verdicts = [{check.id: check.verdict for check in found.checks} for found in both.values()]

    assert verdicts[0] == verdicts[1]
    assert verdicts[0]["swap"] == "not_met"


def test_both_devices_measure_the_same(both):
    for check in both["cpu"].checks:
        other = {key(m): m for m in both["cuda"].check(check.id).measurements}
        assert other.keys() == {key(m) for m in check.measurements}
        for found in check.measurements:
            assert other[key(found)].value == pytest.approx(found.value, abs=2e-3), key(found)
            assert other[key(found)].n == found.n


def test_the_record_names_the_device_and_its_memory(both):
    assert both["cuda"].model.device.startswith("cuda ")
    assert both["cuda"].cost.peak_device_memory_bytes > 0
    assert both["cpu"].cost.peak_device_memory_bytes is None


# ---- memory --------------------------------------------------------------------------------------


@pytest.fixture
def little_room(cuda) -> Iterator[None]:
    torch.cuda.empty_cache()
    taken = torch.cuda.memory_reserved(cuda)
    torch.cuda.set_per_process_memory_fraction((taken + ROOM) / torch.cuda.mem_get_info(cuda)[1], cuda)
    yield
    torch.cuda.set_per_process_memory_fraction(1.0, cuda)
    torch.cuda.empty_cache()


def opened(model: Path, device: str) -> LoadedModel:
    return open_model(str(model), "sequence-classification", Switches(device=device, dtype="float32"))


def test_a_batch_that_does_not_fit_is_halved_until_it_does(biased_model, little_room):
    rng = np.random.default_rng(0)
    rows = [rng.integers(5, 100, size=60).astype(np.int32) for _ in range(8192)]
    executor = LocalExecutor(opened(biased_model, "cuda"), budget=2**24)
    wanted = passes.Wanted(class_logits=True, pools=frozenset({"mean"}), layers=(0, 1, 2))

    brought = executor.forward(rows, wanted, {})

    assert executor.budget < 8192 * 60
    assert executor.planned_budget == 2**24
    expected = LocalExecutor(opened(biased_model, "cpu")).forward(rows[:64], wanted, {})
    np.testing.assert_allclose(brought.class_logits[:64], expected.class_logits, atol=1e-3)
    np.testing.assert_allclose(brought.states["mean"][:, :64], expected.states["mean"], atol=1e-3)
    assert brought.class_logits.shape == (8192, 2)


def test_a_model_that_does_not_fit_is_told_in_words(biased_model, cuda, monkeypatch):
    from audit.errors import UserError

    def full(*_args, **_named):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")

    monkeypatch.setattr(torch.nn.Module, "to", full)
    with pytest.raises(UserError) as error:
        opened(biased_model, "cuda")

    assert "The model does not fit the device" in str(error.value)
    assert "OutOfMemoryError: CUDA out of memory" in str(error.value)
