import json
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf import json_format
from in_toto_attestation.predicates.test_result.v0.test_result_pb2 import TestResult as ResultMessage
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1.statement_pb2 import Statement as StatementMessage

from audit.record import Record
from audit.report import in_toto, page
from audit.types import Verdict


def validate(statement: dict[str, Any]) -> None:
    """Read a statement into the messages that in-toto publishes; whatever they do not know is refused."""
    Statement.copy_from_pb(json_format.ParseDict(statement, StatementMessage())).validate()
    assert statement["predicateType"] == in_toto.PREDICATE
    predicate = json_format.ParseDict(statement["predicate"], ResultMessage())
    assert predicate.result in {"PASSED", "WARNED", "FAILED"}
    for each in predicate.configuration:
        ResourceDescriptor.copy_from_pb(each).validate()


def of(record: Record) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(in_toto.render(record))
    return found


def failing_on(record: Record, *verdicts: str) -> Record:
    return record.model_copy(update={"run": record.run.model_copy(update={"fail_on": verdicts})})


def only(record: Record, *verdicts: Verdict | None) -> Record:
    return record.model_copy(update={"checks": tuple(check for check in record.checks if check.verdict in verdicts)})


@pytest.mark.parametrize("name", ["record", "hostile_record", "small_record"])
def test_the_statement_is_one_that_in_toto_reads(name: str, request: pytest.FixtureRequest) -> None:
    validate(of(request.getfixturevalue(name)))


@pytest.mark.parametrize(
    "damage",
    [
        lambda statement: statement.update(_type="https://in-toto.io/Statement/v9"),
        lambda statement: statement.update(subject=[]),
        lambda statement: statement["subject"][0].pop("digest"),
        lambda statement: statement["predicate"].update(verdict="PASSED"),
        lambda statement: statement["predicate"].update(passedTests="swap-gap"),
        lambda statement: statement["predicate"].update(result="MET"),
    ],
)
def test_the_validator_sees_what_is_wrong(damage: Callable[[dict[str, Any]], None], record: Record) -> None:
    statement = of(record)
    damage(statement)

    with pytest.raises((ValueError, AssertionError, json_format.ParseError)):
        validate(statement)


def test_the_subject_is_the_root_digest_of_the_model_and_no_single_file(record: Record) -> None:
    assert of(record)["subject"] == [{"name": record.model.name, "digest": {"sha256": record.model.digest}}]


def test_what_stops_the_run_has_failed(record: Record) -> None:
    predicate = of(record)["predicate"]

    told = {name: predicate[name] for name in ("result", "passedTests", "warnedTests", "failedTests")}
    assert told == {
        "result": "FAILED", "passedTests": ["selection-rates"], "warnedTests": [],
        "failedTests": ["swap-gap", "pairs", "beliefs"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fail_on", "verdicts", "result"),
    [
        ((), (Verdict.NOT_MET, Verdict.MET), "FAILED"),
        ((), (Verdict.INCONCLUSIVE, Verdict.MET), "WARNED"),
        ((), (Verdict.NOT_ASSESSED, Verdict.MET), "WARNED"),
        (("inconclusive",), (Verdict.INCONCLUSIVE, Verdict.MET), "FAILED"),
        (("not_assessed",), (Verdict.NOT_ASSESSED, Verdict.MET), "FAILED"),
        ((), (Verdict.MET, None), "PASSED"),
        ((), (None,), "WARNED"),
    ],
)
def test_nothing_undecided_or_unjudged_passes(
    record: Record, fail_on: tuple[str, ...], verdicts: tuple[Verdict | None, ...], result: str
) -> None:
    assert of(failing_on(only(record, *verdicts), *fail_on))["predicate"]["result"] == result


def test_the_configuration_names_policy_data_and_record_by_digest(record: Record) -> None:
    configuration = of(record)["predicate"]["configuration"]

    assert [(each["annotations"]["role"], each["digest"]["sha256"]) for each in configuration] == [
        ("policy", record.policy.sha256),
        ("policy file", record.policy.files["data/pairs.csv"]),
        ("data", record.data[0].sha256),
        ("data", record.data[1].sha256),
        ("record", page.identity(record).digest),
    ]
