import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest

from audit.record import Record
from audit.report import gitlab

# GitLab publishes no schema; this is its documented table (CI/CD, Code Quality, report format) with nothing besides.
SCHEMA = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["description", "check_name", "fingerprint", "severity", "location"],
        "additionalProperties": False,
        "properties": {
            "description": {"type": "string", "minLength": 1},
            "check_name": {"type": "string", "minLength": 1},
            "fingerprint": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
            "location": {
                "type": "object",
                "required": ["path", "lines"],
                "additionalProperties": False,
                "properties": {
                    "path": {"type": "string", "pattern": r"^(?!\./|/).+"},
                    "lines": {
                        "type": "object",
                        "required": ["begin"],
                        "additionalProperties": False,
                        "properties": {"begin": {"type": "integer", "minimum": 1}},
                    },
                },
            },
        },
    },
}
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def entries(record: Record) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(gitlab.render(record))
    return found


@pytest.mark.parametrize("name", ["record", "hostile_record"])
def test_the_file_follows_what_gitlab_documents(name: str, request: pytest.FixtureRequest) -> None:
    found = entries(request.getfixturevalue(name))

    VALIDATOR.validate(found)
    assert len({each["fingerprint"] for each in found}) == len(found) == 6


@pytest.mark.parametrize(
    "damage",
    [
        lambda entry: entry.update(severity="error"),
        lambda entry: entry.pop("fingerprint"),
        lambda entry: entry["location"].update(path="./policies/invented.yaml"),
        lambda entry: entry["location"]["lines"].update(begin=0),
    ],
)
def test_the_validator_sees_what_is_wrong(damage: Callable[[dict[str, Any]], None], record: Record) -> None:
    found = entries(record)
    damage(found[0])

    assert not VALIDATOR.is_valid(found)


def test_an_entry_names_check_type_severity_and_line(record: Record) -> None:
    told = [(e["check_name"], e["severity"], e["location"]["path"], e["location"]["lines"]) for e in entries(record)]

    path = "policies/invented.yaml"
    assert told == [
        *[("counterfactual", "critical", path, {"begin": 11})] * 4,
        ("truth", "major", path, {"begin": 50}),
        ("stereotype_pairs", "major", path, {"begin": 44}),
    ]


def test_what_the_run_does_not_stop_for_is_minor(record: Record) -> None:
    relaxed = record.model_copy(update={"run": record.run.model_copy(update={"fail_on": ("not_met",)})})

    assert [each["severity"] for each in entries(relaxed)] == [*["critical"] * 4, "minor", "minor"]


def test_a_path_loses_its_leading_dot(record: Record) -> None:
    dotted = Record.model_validate_json(record.to_json().replace("policies/invented", "./policies/invented"))

    assert {each["location"]["path"] for each in entries(dotted)} == {"policies/invented.yaml"}
