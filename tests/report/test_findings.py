from dataclasses import replace

import pytest

from audit.record import Record
from audit.report import findings
from audit.types import Place, Verdict, Worse


def test_the_lines_of_a_check_come_worst_first(record: Record) -> None:
    check = findings.checks(record)[0]

    assert [line.labels[0] for line in check.lines[:3]] == ["transgender", "gay", "muslim"]
    assert [line.verdict for line in check.lines] == sorted(
        (line.verdict for line in check.lines), key=["not_met", "inconclusive", "met"].index
    )


def test_the_line_that_decides_a_criterion_is_the_farthest_beyond_its_bound(record: Record) -> None:
    (decided,) = findings.deciding(findings.checks(record), Verdict.NOT_MET)
    check, criterion = decided

    assert check.part.id == "swap-gap"
    assert criterion.deciding is not None
    assert criterion.deciding.reading.startswith("On the same sentences, comments naming 'transgender'")
    assert criterion.deciding.bound == "at most 0.05"


@pytest.mark.parametrize(("value", "accepts"), [(0.16, "at most 0.05"), (-0.16, "at most 0.05 higher")])
def test_a_value_on_the_harmless_side_is_not_read_as_held_against_the_bound(
    record: Record, value: float, accepts: str
) -> None:
    line = findings.checks(record)[0].lines[0]
    metric = replace(line.metric, worse=Worse.HIGHER, null=0.0, reading="{group} scores {amount} {more}")
    assert line.measurement is not None

    moved = replace(line, metric=metric, measurement=replace(line.measurement, value=value))

    assert (moved.bound, moved.accepts) == ("at most 0.05", accepts)


def test_a_criterion_that_is_met_is_decided_by_the_line_nearest_its_bound(record: Record) -> None:
    criterion = findings.checks(record)[1].criteria[0]

    assert [line.labels[0] for line in criterion.lines] == ["women", "men", "not stated"]


def test_every_number_of_a_metric_has_the_same_decimals(record: Record) -> None:
    check = findings.checks(record)[0]

    assert {len(line.value.split(".")[1]) for line in check.lines} == {3}


def test_a_check_without_measurements_has_no_lines(record: Record) -> None:
    check = findings.checks(record)[-1]

    assert (check.lines, check.tables, check.readings, check.unprinted) == ((), (), (), 0)


def test_a_hypothesis_without_a_measurement_is_told_as_not_measured(record: Record) -> None:
    part = record.checks[4]
    (criterion,) = part.criteria
    (hypothesis,) = criterion.hypotheses
    unmeasured = type(hypothesis)(**{**vars(hypothesis), "measurement": -1, "verdict": Verdict.NOT_ASSESSED})
    changed = part.model_copy(
        update={"criteria": (type(criterion)(**{**vars(criterion), "hypotheses": (unmeasured,)}),)}
    )

    (line,) = findings.CheckView(part=changed, position=1).criteria[0].lines

    assert (line.value, line.estimate, line.reading) == ("not measured", "not measured", "")


def test_more_measurements_than_a_page_holds_are_pointed_to(record: Record) -> None:
    part = record.checks[0].model_copy(update={"measurements": record.checks[0].measurements * 10})
    check = findings.CheckView(part=part, position=1)

    assert sum(len(table.lines) for table in check.tables) == findings.PRINTED_LINES
    assert check.unprinted == 140 - findings.PRINTED_LINES
    assert check.tables[0].lines[0].verdict is Verdict.NOT_MET


def test_verdicts_are_counted_worst_first(record: Record) -> None:
    assert list(findings.tally(findings.checks(record)).items()) == [
        ("not_met", 1),
        ("not_assessed", 1),
        ("inconclusive", 1),
        ("met", 1),
        (None, 2),
    ]


def test_a_forest_named_after_a_metric_gets_the_bounds_of_its_criteria(record: Record) -> None:
    part = record.checks[0]
    forest = replace(part.exhibits[0], id="score_gap", bounds=())
    other = replace(part.exhibits[0], id="something else", bounds=())
    check = findings.CheckView(part=part.model_copy(update={"exhibits": (forest, other)}), position=1)

    assert [shown.bounds for shown in check.exhibits] == [(0.05,), ()]


def test_a_metric_that_is_bad_on_both_sides_has_its_bounds_on_both(record: Record) -> None:
    part = record.checks[4]
    forest = replace(record.checks[0].exhibits[0], id="likelihood_gap", bounds=())
    check = findings.CheckView(part=part.model_copy(update={"exhibits": (forest,)}), position=1)

    assert [shown.bounds for shown in check.exhibits] == [(-0.25, 0.25)]


def test_a_metric_of_the_score_is_told_in_the_unit_it_was_measured_in(record: Record) -> None:
    part = record.checks[4]
    declared = replace(part.metrics[0], unit="score")
    check = findings.CheckView(part=part.model_copy(update={"metrics": (declared,)}), position=1)

    assert check.criteria[0].bounds == (("Likelihood gap", "at most 0.25\u00a0nats in either direction"),)


@pytest.mark.parametrize(("check", "explains"), [("swap-gap", False), ("why", True), ("leakage", False)])
def test_checks_that_explain_are_told_by_what_they_read_and_show(record: Record, check: str, explains: bool) -> None:
    (found,) = (view for view in findings.checks(record) if view.part.id == check)

    assert found.explains is explains


def test_checks_of_one_type_share_a_method(record: Record) -> None:
    twin = record.checks[0].model_copy(update={"id": "again", "place": Place(path="p.yaml", line=1)})
    views = findings.checks(record.model_copy(update={"checks": (*record.checks, twin)}))

    first, *_ = findings.by_method(views)
    assert [view.part.id for view in first] == ["swap-gap", "again"]


def test_a_reference_that_most_lines_have_is_said_once(record: Record) -> None:
    gaps = findings.checks(record)[0]
    reference = gaps.lines[0].labels[1]
    other = replace(gaps.lines[0], measurement=replace(gaps.lines[0].measurement, reference="men"), hypothesis=None)

    assert gaps.reference == findings.Reference(usual=reference, everywhere=True)
    assert findings.Reference.of((*gaps.lines[:3], other)) == findings.Reference(usual=reference, everywhere=False)
    assert findings.Reference.of((gaps.lines[0], other)).usual == ""
    assert findings.Reference.of(()) == findings.Reference(usual="", everywhere=True)
