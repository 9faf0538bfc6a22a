from dataclasses import replace
from typing import Any

from audit.record import Record
from audit.report import page
from audit.report.responsible import unnamed
from audit.types import Person

SOMEBODY = Person(function="Model risk (invented)", on="2026-11-02")


def judged_by(record: Record, set_by: Person, approved_by: Person) -> Record:
    """The invented audit with one check and one criterion."""
    part = record.checks[0]
    (criterion, *_) = part.criteria
    one = replace(criterion, set_by=set_by, approved_by=approved_by)
    return record.model_copy(update={"checks": (part.model_copy(update={"criteria": (one,)}),)})


def test_a_bound_that_nobody_set_or_approved_is_told(record: Record) -> None:
    found = unnamed(judged_by(record, Person(), Person(on="2026-11-02")))

    assert found == "Criteria: 1, of these 1 without a person who set the bound and 1 without an approval of the bound."


def test_a_function_is_enough_to_stand_behind_a_bound(record: Record) -> None:
    assert unnamed(judged_by(record, SOMEBODY, SOMEBODY)) == ""


def test_an_audit_without_criteria_lacks_nobody(record: Record) -> None:
    assert unnamed(record.model_copy(update={"checks": ()})) == ""


def test_both_summaries_say_it(record: Record, page_tree: Any) -> None:
    bare = judged_by(record, SOMEBODY, Person())
    told = "Criteria: 1, of these 1 without an approval of the bound."

    assert told in page_tree(page.fill(bare, medium="print")).words.split("Contents")[0]
    assert told in page_tree(page.fill(bare, medium="print", template="summary")).words
