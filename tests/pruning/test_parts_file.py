"""The parts that a localisation confirmed can be cut by its record."""

from __future__ import annotations

import pytest

from audit import pipeline
from audit.capture.model import Switches, open_model
from audit.errors import UserError
from audit.progress import Silent
from audit.pruning import parts_file
from audit.record import read
from audit.types import Part, Table

LOCALISE = """\
  - id: where
    check: localise
    data: applicants
    swap: {sex: {from: name, pairs: pairs.csv}}
    most: 8
"""


@pytest.fixture(scope="module")
def localised(session_policy, biased_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("localised")
    policy = session_policy("swap")
    policy.text += LOCALISE
    policy._save()
    options = pipeline.Options(store=folder / "store")
    record = pipeline.run(
        policy.path, lambda p: open_model(str(biased_model), p.task, Switches(device="cpu")), options, progress=Silent()
    )
    pipeline.save(record, folder / "record.json", "json")
    return folder / "record.json"


@pytest.mark.slow
def test_the_confirmed_set_of_a_record_is_read_as_parts(localised):
    found = parts_file.read(localised)

    (part,) = (p for p in read(localised).checks if p.check == "localise")
    tables = {e.id: e for e in part.exhibits if isinstance(e, Table)}
    assert [p.name for p in found] == [row[0] for row in tables["parts"].rows if row[1] == "yes"]
    assert found


def test_names_of_parts_are_read_back():
    parts = [Part(kind="head", block=1, index=3), Part(kind="neuron", block=0, index=77), Part(kind="mlp", block=2)]

    assert [parts_file._named(part.name, None) for part in parts] == parts


@pytest.mark.slow
def test_a_record_without_a_localisation_is_told(session_policy, biased_model, tmp_path):
    policy = session_policy("swap")
    options = pipeline.Options(store=tmp_path / "store")
    record = pipeline.run(
        policy.path, lambda p: open_model(str(biased_model), p.task, Switches(device="cpu")), options, progress=Silent()
    )
    pipeline.save(record, tmp_path / "record.json", "json")

    with pytest.raises(UserError) as refused:
        parts_file.read(tmp_path / "record.json")

    assert refused.value.problems[0].found == "a record in which no localise check found anything"
