from collections.abc import Mapping
from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.record import Record
from audit.report import junit

# Elements of Jenkins' junit-10.xsd (xunit-plugin): attributes they must have, may have, and children.
SCHEMA: Mapping[str, tuple[set[str], set[str], set[str]]] = {
    "testsuites": (set(), {"name", "time", "tests", "failures", "errors"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors"},
        {"group", "time", "skipped", "timestamp", "hostname", "id", "package", "file", "log", "url"},
        {"testsuite", "properties", "testcase", "system-out", "system-err"},
    ),
    "properties": (set(), set(), {"property"}),
    "property": ({"name", "value"}, set(), set()),
    "testcase": (
        {"name"}, {"time", "classname", "group"}, {"skipped", "error", "failure", "system-out", "system-err"},
    ),
    "failure": (set(), {"type", "message"}, set()),
    "error": (set(), {"type", "message"}, set()),
    "skipped": (set(), {"type", "message"}, set()),
    "system-out": (set(), set(), set()),
}  # fmt: skip


def follows_schema(element: Element) -> bool:
    must, may, children = SCHEMA[element.tag]
    return (
        must <= set(element.attrib) <= must | may
        and {child.tag for child in element} <= children
        and all(follows_schema(child) for child in element)
    )


def cases(record: Record) -> dict[str, Element]:
    return {case.attrib["name"].split(":")[0]: case for case in fromstring(junit.render(record)).iter("testcase")}


def failing_on(record: Record, *verdicts: str) -> Record:
    return record.model_copy(update={"run": record.run.model_copy(update={"fail_on": verdicts})})


def test_the_file_follows_the_strict_schema(record: Record, hostile_record: Record) -> None:
    assert follows_schema(fromstring(junit.render(record)))
    assert follows_schema(fromstring(junit.render(hostile_record)))


def test_a_threshold_not_met_is_a_failure_at_the_line_of_its_criterion(record: Record) -> None:
    (failure,) = cases(record)["swap-gap"]

    assert (failure.tag, failure.attrib) == (
        "failure",
        {
            "type": "not_met",
            "message": "policies/invented.yaml:11: threshold not met. 4 of 14 comparisons lie beyond the bound after "
            "Holm's correction.",
        },
    )
    assert "0.210 [0.188,\u00a00.233] higher" in (failure.text or "")


def test_a_threshold_not_met_fails_even_where_the_run_stops_for_nothing(record: Record) -> None:
    assert cases(failing_on(record))["swap-gap"][0].tag == "failure"


@pytest.mark.parametrize(
    ("fail_on", "inconclusive", "not_assessed"),
    [
        (("not_met", "inconclusive", "not_assessed"), "failure", "error"),
        (("not_met",), "skipped", "skipped"),
        (("inconclusive",), "failure", "skipped"),
        (("not_assessed",), "skipped", "error"),
    ],
)
def test_what_was_not_decided_is_told_apart_and_never_passes(
    record: Record, fail_on: tuple[str, ...], inconclusive: str, not_assessed: str
) -> None:
    found = cases(failing_on(record, *fail_on))

    assert (found["pairs"][0].tag, found["pairs"][0].get("type")) == (inconclusive, "inconclusive")
    assert (found["beliefs"][0].tag, found["beliefs"][0].get("type")) == (not_assessed, "not_assessed")
    assert found["beliefs"][0].get("message") == (
        "policies/invented.yaml:50: not assessed. The data set 'pairs' has no column 'statement'."
    )


def test_what_was_met_or_not_judged_passes_and_says_what_was_seen(record: Record) -> None:
    (met,), (unjudged,) = cases(record)["selection-rates"], cases(record)["why"]

    assert (met.tag, unjudged.tag) == ("system-out", "system-out")
    assert (met.text or "").startswith("threshold met\nthreshold met: 85.4")
    assert (unjudged.text or "").startswith("measured, not judged\n")


def test_the_suite_counts_its_cases(record: Record) -> None:
    (suite,) = fromstring(junit.render(record))

    counts = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped", "time", "timestamp")}
    assert counts == {
        "tests": "6", "failures": "2", "errors": "1", "skipped": "0", "time": "44.870",
        "timestamp": "2026-11-20T10:00:00",
    }  # fmt: skip


def test_a_record_without_cost_has_no_time(record: Record) -> None:
    root = fromstring(junit.render(record.model_copy(update={"cost": None})))

    assert "time" not in root.attrib


@given(st.text())
def test_any_text_survives_as_xml(text: str) -> None:
    element = Element("x")
    element.text = junit._text(text)

    assert "\x00" not in junit._text(text)
    fromstring(f"<x>{junit._text(text).replace('&', '&amp;').replace('<', '&lt;')}</x>")
