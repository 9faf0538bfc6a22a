"""Directions on disk: what comes back, and what is refused."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from audit.capture.directions import Stated, read_direction, write_direction
from audit.errors import UserError
from audit.types import Direction

MODEL, OTHER = "a" * 64, "b" * 64
STATED = Stated(layer=14, position="last_prompt", positive="lie", negative="truth", made_by="a paper", tensor="probe")


@pytest.fixture
def direction() -> Direction:
    return Direction(
        vector=np.linspace(-1, 2, 8, dtype=np.float32),
        model_digest=MODEL,
        layer=2,
        position="pre_answer",
        estimator="logistic",
        positive="täuschend",
        negative="honest",
        unit="log_odds_per_activation",
        intercept=-0.5,
        penalty=0.1,
        rows=200,
        clusters=40,
        made_by="inspectoscope 0.1.0",
    )


@pytest.fixture
def file(tmp_path: Path, direction: Direction) -> Path:
    path = tmp_path / "direction.safetensors"
    write_direction(path, direction)
    return path


def told(error: pytest.ExceptionInfo[UserError]) -> str:
    return f"{error.value.problems[0].found} | {error.value.problems[0].expected}"


def test_a_direction_comes_back_as_it_was_written(file: Path, direction: Direction) -> None:
    found = read_direction(file, model_digest=MODEL, width=8)

    assert found.digest == direction.digest
    assert all(getattr(found, f.name) == getattr(direction, f.name) for f in fields(direction) if f.name != "vector")


def test_the_same_direction_is_the_same_bytes(tmp_path: Path, file: Path, direction: Direction) -> None:
    write_direction(tmp_path / "again.safetensors", direction)

    assert (tmp_path / "again.safetensors").read_bytes() == file.read_bytes()


def test_a_direction_of_another_model_is_refused(file: Path) -> None:
    with pytest.raises(UserError) as error:
        read_direction(file, model_digest=OTHER, width=8)

    assert told(error) == f"a direction of the model {MODEL} | one of the audited model {OTHER}"


def test_a_direction_of_another_width_is_refused(file: Path) -> None:
    with pytest.raises(UserError) as error:
        read_direction(file, model_digest=MODEL, width=16)

    assert told(error) == "a tensor of shape (8,) | width 16, that of the model's states"


def test_a_changed_vector_is_refused(file: Path, direction: Direction) -> None:
    body = bytearray(file.read_bytes())
    body[-1] ^= 1
    file.write_bytes(body)

    with pytest.raises(UserError) as error:
        read_direction(file, model_digest=MODEL, width=8)

    assert told(error).startswith("a vector with SHA-256 ")
    assert told(error).endswith(f"the one that was written: {direction.digest}")


def test_a_direction_made_elsewhere_is_taken_as_stated(tmp_path: Path) -> None:
    path = tmp_path / "theirs.safetensors"
    save_file({"probe": np.arange(1, 5, dtype=np.float16)[None]}, path)

    found = read_direction(path, model_digest=MODEL, width=4, stated=STATED)

    assert found.vector.tolist() == [1, 2, 3, 4]
    assert (found.layer, found.estimator, found.unit, found.made_by) == (14, "stated", "unstated", "a paper")
    assert found.model_digest == MODEL


def test_a_direction_made_elsewhere_needs_a_statement(tmp_path: Path) -> None:
    path = tmp_path / "theirs.safetensors"
    save_file({"probe": np.ones(4, dtype=np.float32)}, path)

    with pytest.raises(UserError) as error:
        read_direction(path, model_digest=MODEL, width=4)

    assert str(error.value) == (
        "The direction cannot be used\n"
        "\n"
        f"{path}: no word on which model, layer and position it belongs to\n"
        "  expected: a direction written by inspectoscope, or its layer, position and classes stated beside it\n"
        "  do: state layer, position, positive, negative and made_by"
    )


def test_a_tensor_of_another_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "theirs.safetensors"
    save_file({"weight": np.ones(4, dtype=np.float32), "bias": np.ones(1, dtype=np.float32)}, path)

    with pytest.raises(UserError) as error:
        read_direction(path, model_digest=MODEL, width=4, stated=STATED)

    assert told(error) == "tensors bias, weight | one named 'probe'"


def test_zeros_point_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "theirs.safetensors"
    save_file({"probe": np.zeros(4, dtype=np.float32)}, path)

    with pytest.raises(UserError, match="points nowhere"):
        read_direction(path, model_digest=MODEL, width=4, stated=STATED)


@pytest.mark.parametrize("body", [b"", b"no tensors here", b'\x08\x00\x00\x00\x00\x00\x00\x00{"a": 1}'])
def test_a_file_that_is_none_is_refused(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "broken.safetensors"
    path.write_bytes(body)

    with pytest.raises(UserError, match="it cannot be read"):
        read_direction(path, model_digest=MODEL, width=4)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.safetensors: it cannot be read"):
        read_direction(tmp_path / "gone.safetensors", model_digest=MODEL, width=4)


def test_a_direction_is_one_row_of_single_precision(direction: Direction) -> None:
    with pytest.raises(ValueError, match=r"^a direction is one row of float32, not float64 of shape \(2, 2\)$"):
        replace(direction, vector=np.ones((2, 2)))
