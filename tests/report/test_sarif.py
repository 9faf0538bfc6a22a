import json
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from audit.record import Record
from audit.report import page, sarif
from audit.types import Person, Place, Verdict

VALIDATOR = jsonschema.Draft4Validator(
    json.loads((Path(__file__).parent / "schemas/sarif-2.1.0-rtm.5.schema.json").read_text(encoding="utf-8")),
    format_checker=jsonschema.FormatChecker(),
)


def run_of(record: Record) -> dict[str, Any]:
    (run,) = json.loads(sarif.render(record))["runs"]
    return run


def results(record: Record) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = run_of(record)["results"]
    return found


def fingerprints(record: Record) -> dict[tuple[str, str], str]:
    return {
        (each["properties"]["check"], each["properties"].get("group", "")): each["partialFingerprints"][
            "inspectoscope/v1"
        ]
        for each in results(record)
    }


def strings(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for pair in value.items() for each in pair for text in strings(each)]
    if isinstance(value, list):
        return [text for each in value for text in strings(each)]
    return [value] if isinstance(value, str) else []


def moved(record: Record, lines: int) -> Record:
    """The audit of the same policy after somebody wrote ``lines`` lines above its checks."""

    def down(place: Place) -> Place:
        return Place(path=place.path, line=place.line + lines, column=place.column)

    return record.model_copy(
        update={
            "policy": record.policy.model_copy(update={"sha256": "0" * 64, "version": "1.0.1"}),
            "checks": tuple(
                check.model_copy(
                    update={
                        "place": down(check.place),
                        "criteria": tuple(
                            type(c)(**{**vars(c), "place": down(c.place), "approved_by": Person(name="Somebody")})
                            for c in check.criteria
                        ),
                    }
                )
                for check in record.checks
            ),
        }
    )


def with_path(record: Record, path: str) -> Record:
    """The same audit of a policy that was named differently on the command line."""
    text = record.to_json().replace("policies/invented.yaml", json.dumps(path)[1:-1])
    return Record.model_validate_json(text)


# ---- the schema ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["record", "hostile_record", "small_record"])
def test_the_file_follows_the_schema_of_the_standard(name: str, request: pytest.FixtureRequest) -> None:
    VALIDATOR.validate(json.loads(sarif.render(request.getfixturevalue(name))))


def _drops_the_message(result: dict[str, Any]) -> None:
    del result["message"]


def _invents_a_level(result: dict[str, Any]) -> None:
    result["level"] = "critical"


def _starts_at_line_zero(result: dict[str, Any]) -> None:
    result["locations"][0]["physicalLocation"]["region"]["startLine"] = 0


def _adds_a_field(result: dict[str, Any]) -> None:
    result["severity"] = 1


@pytest.mark.parametrize("damage", [_drops_the_message, _invents_a_level, _starts_at_line_zero, _adds_a_field])
def test_the_validator_sees_what_is_wrong(damage: Callable[[dict[str, Any]], None], record: Record) -> None:
    log = json.loads(sarif.render(record))
    damage(log["runs"][0]["results"][0])

    assert not VALIDATOR.is_valid(log)


# ---- what is told --------------------------------------------------------------------------------


def test_only_what_needs_attention_is_a_result_and_the_worst_comes_first(record: Record) -> None:
    told = [(each["level"], each["properties"]["check"], each["properties"]["verdict"]) for each in results(record)]

    not_met = sum(h.verdict is Verdict.NOT_MET for c in record.check("swap-gap").criteria for h in c.hypotheses)
    assert not_met == 4
    assert told == [
        *[("error", "swap-gap", "not_met")] * not_met,
        ("warning", "beliefs", "not_assessed"),
        ("warning", "pairs", "inconclusive"),
    ]


def test_what_the_run_does_not_stop_for_is_a_note(record: Record) -> None:
    relaxed = record.model_copy(update={"run": record.run.model_copy(update={"fail_on": ()})})

    assert [each["level"] for each in results(relaxed)] == [*["error"] * 4, "note", "note"]


def test_an_audit_with_nothing_to_look_at_has_no_results(record: Record) -> None:
    quiet = record.model_copy(update={"checks": tuple(c for c in record.checks if c.verdict in {None, Verdict.MET})})

    assert len(quiet.checks) == 3
    assert results(quiet) == []


def test_each_result_stands_at_the_line_of_its_criterion(record: Record) -> None:
    lines = {
        (
            each["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
            each["locations"][0]["physicalLocation"]["artifactLocation"]["uriBaseId"],
            each["properties"]["check"],
            each["locations"][0]["physicalLocation"]["region"]["startLine"],
        )
        for each in results(record)
    }

    path = "policies/invented.yaml"
    assert lines == {
        (path, "%SRCROOT%", "swap-gap", 11),
        (path, "%SRCROOT%", "beliefs", 50),
        (path, "%SRCROOT%", "pairs", 44),
    }


def test_a_result_says_what_came_out_against_what_was_accepted(record: Record) -> None:
    worst, *_ = results(record)

    assert worst["message"]["text"].replace("\u00a0", " ") == (
        "Score gaps when a group's name is swapped: threshold not met. On the same sentences, comments naming "
        "'transgender' are scored 0.210 [0.188, 0.233] higher than comments naming the reference (american, white, "
        "straight, young (reference group of the invented policy)); the policy accepts at most 0.05."
    )


def test_a_result_carries_its_numbers_as_the_record_has_them(record: Record) -> None:
    worst, *_ = results(record)

    m = record.check("swap-gap").measurements[0]
    (criterion,) = record.check("swap-gap").criteria
    assert worst["properties"] == {
        "check": "swap-gap", "verdict": "not_met", "metric": "score_gap", "relation": "at_most",
        "bounds": {"score_gap": 0.05}, "group": m.group, "reference": m.reference, "value": m.value,
        "unit": "probability", "n": 640, "exact": False, "low": m.low, "high": m.high, "confidence": 0.95,
        "clusters": 40, "bound": 0.05, "adjustedP": criterion.hypotheses[0].p_bad_adjusted,
    }  # fmt: skip


def test_what_was_not_measured_has_no_value(record: Record) -> None:
    (beliefs,) = [each for each in results(record) if each["properties"]["check"] == "beliefs"]

    assert beliefs["properties"] == {"check": "beliefs", "verdict": "not_assessed"}
    assert beliefs["message"]["text"] == (
        "Statements against beliefs: not assessed. The data set 'pairs' has no column 'statement'."
    )


def test_every_check_type_is_a_rule_with_its_documentation(record: Record) -> None:
    run = run_of(record)
    rules = run["tool"]["driver"]["rules"]

    assert [rule["id"] for rule in rules] == list(dict.fromkeys(check.check for check in record.checks))
    assert rules[0]["shortDescription"]["text"] == ("Swaps one word of a text for another and compares the scores.")
    assert "What it cannot show\nReal-world disparity;" in rules[0]["help"]["text"]
    assert rules[0]["help"]["markdown"].split("\n\n")[1:4] == [
        "## What it measures",
        "How far the score moves when only the named group changes&#46;",
        "* the mean gap per group, with templates as clusters\n"
        "* the mean absolute gap, so that opposite gaps do not cancel (`mean_abs_gap`)",
    ]
    assert all(rules[each["ruleIndex"]]["id"] == each["ruleId"] for each in run["results"])


def test_the_run_names_the_tool_the_policy_the_model_and_how_it_ended(record: Record) -> None:
    run = run_of(record)

    assert run["tool"]["driver"]["version"] == "0.0.0"
    assert run["automationDetails"]["id"] == (
        f"inspectoscope/invented/invented-toxicity/{page.identity(record).report_id}"
    )
    assert run["invocations"] == [
        {
            "executionSuccessful": True,
            "exitCode": 1,
            "exitCodeDescription": "A criterion is not met.",
            "startTimeUtc": "2026-11-20T10:00:00Z",
            "endTimeUtc": "2026-11-20T10:00:45Z",
        }
    ]
    assert run["properties"]["modelDigest"] == record.model.digest
    assert run["artifacts"][0]["hashes"] == {"sha-256": record.policy.sha256}


def test_no_more_results_are_written_than_readers_show_and_the_rest_is_told(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sarif, "MOST_RESULTS", 4)

    run = run_of(record)

    assert [each["level"] for each in run["results"]] == ["error"] * 4
    assert run["invocations"][0]["toolExecutionNotifications"] == [
        {
            "level": "warning",
            "message": {"text": "2 further results are in record.json; this file holds the 4 worst."},
        }
    ]


# ---- fingerprints --------------------------------------------------------------------------------


def test_fingerprints_survive_an_edit_of_the_policy_elsewhere(record: Record) -> None:
    edited = moved(record, 7)

    assert results(edited)[0]["locations"] != results(record)[0]["locations"]
    assert fingerprints(edited) == fingerprints(record)


def test_fingerprints_tell_groups_checks_policies_and_models_apart(record: Record) -> None:
    other_policy = record.model_copy(update={"policy": record.policy.model_copy(update={"id": "other"})})
    other_model = record.model_copy(update={"model": record.model.model_copy(update={"name": "models/other"})})
    elsewhere = record.model_copy(update={"model": record.model.model_copy(update={"name": "/tmp/invented-toxicity"})})

    every = [set(fingerprints(each).values()) for each in (record, other_policy, other_model)]
    assert len(set.union(*every)) == 3 * len(results(record)) == 18
    assert fingerprints(elsewhere) == fingerprints(record)


def test_two_criteria_on_one_metric_have_fingerprints_of_their_own(record: Record) -> None:
    swap = record.check("swap-gap")
    twice = record.model_copy(update={"checks": (swap.model_copy(update={"criteria": swap.criteria * 2}),)})

    all_of_them = [each["partialFingerprints"]["inspectoscope/v1"] for each in results(twice)]
    assert len(all_of_them) == len(set(all_of_them)) == 8


# ---- paths and text from outside -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("./policies/../p/a b.yaml", {"uri": "p/a%20b.yaml", "uriBaseId": "%SRCROOT%"}),
        ("javascript:alert(1)", {"uri": "javascript%3Aalert%281%29", "uriBaseId": "%SRCROOT%"}),
        ("//evil.example/p.yaml", {"uri": "file:////evil.example/p.yaml"}),
        ("/srv/repo/p.yaml", {"uri": "file:///srv/repo/p.yaml"}),
        ("C:\\repo\\p.yaml", {"uri": "file:///C:/repo/p.yaml"}),
        ("policies\\p.yaml", {"uri": "policies/p.yaml", "uriBaseId": "%SRCROOT%"}),
    ],
)
def test_a_path_is_a_reference_and_nothing_else(record: Record, path: str, location: dict[str, str]) -> None:
    found = results(with_path(record, path))

    assert found[0]["locations"][0]["physicalLocation"]["artifactLocation"] == location


def test_text_from_outside_is_neither_a_link_nor_a_placeholder_and_hides_nothing(hostile_record: Record) -> None:
    log = json.loads(sarif.render(hostile_record))

    texts = [each["message"]["text"] for each in log["runs"][0]["results"]]
    assert texts
    assert all("{{{{7*7}}}}" in text for text in texts)
    assert all("](" not in text for text in texts)
    hidden = {
        ch
        for text in strings(log)
        for ch in text
        if unicodedata.category(ch) in {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"} and ch != "\n"
    }
    assert hidden == set()


def test_the_help_of_a_rule_holds_no_mark_up_from_outside(hostile_record: Record) -> None:
    markdown_it = pytest.importorskip("markdown_it")
    parse = markdown_it.MarkdownIt("commonmark").parse

    for rule in run_of(hostile_record)["tool"]["driver"]["rules"]:
        tokens = parse(rule["help"]["markdown"])
        kinds = {child.type for token in tokens for child in (token, *(token.children or ()))}
        assert not {"html_inline", "html_block", "link_open", "image"} & kinds
