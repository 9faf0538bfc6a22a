import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from audit.record import Record
from audit.report import cyclonedx, page


def is_valid(bom: dict[str, Any]) -> bool:
    found = JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bom))
    return found is None


def of(record: Record) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(cyclonedx.render(record))
    return found


def card(record: Record) -> dict[str, Any]:
    found: dict[str, Any] = of(record)["metadata"]["component"]["modelCard"]
    return found


def values(data: object, key: str) -> Iterator[Any]:
    if isinstance(data, dict):
        yield from ([data[key]] if key in data else [])
        data = list(data.values())
    if isinstance(data, list):
        for each in data:
            yield from values(each, key)


@pytest.mark.parametrize("name", ["record", "hostile_record", "small_record"])
def test_the_file_follows_the_strict_schema(name: str, request: pytest.FixtureRequest) -> None:
    assert is_valid(of(request.getfixturevalue(name)))


@pytest.mark.parametrize(
    "damage",
    [
        lambda bom: bom.update(specVersion=1.6),
        lambda bom: bom.update(verdict="met"),
        lambda bom: bom["metadata"]["component"].update(type="model"),
        lambda bom: bom["metadata"]["component"]["modelCard"].update(score=1),
        lambda bom: bom["declarations"]["claims"][0].update(claimed=True),
        lambda bom: bom["metadata"]["component"]["components"][0]["hashes"][0].update(content="abc"),
    ],
)
def test_the_validator_sees_what_is_wrong(damage: Callable[[dict[str, Any]], None], record: Record) -> None:
    bom = of(record)
    damage(bom)

    assert not is_valid(bom)


def test_the_component_is_the_model_with_every_file_by_digest(record: Record) -> None:
    component = of(record)["metadata"]["component"]

    assert (component["type"], component["name"]) == ("machine-learning-model", "models/invented-toxicity")
    assert {"name": "inspectoscope:model:digest", "value": record.model.digest} in component["properties"]
    assert {each["name"]: each["hashes"][0]["content"] for each in component["components"]} == record.model.files


def test_a_model_that_was_loaded_has_no_files(record: Record) -> None:
    loaded = record.model_copy(update={"model": record.model.model_copy(update={"kind": "loaded"})})

    assert "components" not in of(loaded)["metadata"]["component"]


def test_the_card_holds_every_measurement_with_its_interval(record: Record) -> None:
    metrics = card(record)["quantitativeAnalysis"]["performanceMetrics"]

    measured = [m for check in record.checks for m in check.measurements]
    assert len(metrics) == len(measured)
    assert metrics[0] == {
        "type": "swap-gap: Mean score gap (probability)",
        "value": repr(measured[0].value),
        "slice": f"group: transgender; reference: {measured[0].reference}; n: 640",
        "confidenceInterval": {"lowerBound": repr(measured[0].low), "upperBound": repr(measured[0].high)},
    }
    exact = [each for each, m in zip(metrics, measured, strict=True) if m.exact]
    assert len(exact) == 1
    assert "confidenceInterval" not in exact[0]


def test_the_card_names_limits_data_and_who_was_shown_to_be_at_risk(record: Record) -> None:
    found = card(record)

    assert found["considerations"]["technicalLimitations"][:3] == [
        "One model, one day, one language.",
        "The templates are invented and short.",
        "Only 40 templates were used; they are invented.",
    ]
    assert [data["name"] for data in found["modelParameters"]["datasets"]] == ["comments", "pairs"]
    assert found["considerations"]["fairnessAssessments"] == [
        {
            "groupAtRisk": "transgender, gay, muslim, black",
            "harms": "Comments are hidden because of the group they name.",
        }
    ]


def test_only_what_was_decided_is_claimed(record: Record) -> None:
    bom = of(record)

    (attestation,) = bom["declarations"]["attestations"]
    assert [(each["requirement"], each.get("claims"), each.get("counterClaims")) for each in attestation["map"]] == [
        ("check-1-criterion-1", None, ["check-1-criterion-1-claim"]),
        ("check-2-criterion-1", ["check-2-criterion-1-claim"], None),
        ("check-5-criterion-1", None, None),
    ]
    assert [each["bom-ref"] for each in bom["declarations"]["claims"]] == [
        "check-1-criterion-1-claim",
        "check-2-criterion-1-claim",
    ]
    assert not list(values(bom, "score"))


def test_every_reference_leads_somewhere_and_no_name_twice(record: Record, hostile_record: Record) -> None:
    for each in (record, hostile_record):
        bom = of(each)
        names = list(values(bom, "bom-ref"))
        declared = bom["declarations"]
        pointed_at = {
            *values(declared, "requirement"), *values(declared, "target"),
            *(ref for key in ("claims", "counterClaims") for m in declared["attestations"][0]["map"]
              for ref in m.get(key, ())),
            *(ref for claim in declared["claims"] for ref in claim["evidence"]),
        }  # fmt: skip

        assert len(names) == len(set(names))
        assert len(pointed_at) == 7
        assert pointed_at <= set(names)


def test_the_evidence_is_the_record_by_its_digest(record: Record) -> None:
    (evidence,) = of(record)["declarations"]["evidence"]

    assert evidence["description"].endswith(page.identity(record).digest)


def test_the_serial_number_is_that_of_the_record(record: Record, small_record: Record) -> None:
    assert of(record)["serialNumber"] == of(record)["serialNumber"]
    assert of(record)["serialNumber"] != of(small_record)["serialNumber"]
