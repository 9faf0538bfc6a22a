"""The findings register: what needs a person has an entry, what was met has none, and nothing is filled in."""

import re
from typing import Any

import pytest

from audit.record import ClausePart, Record, RegulationPart
from audit.report import findings, page, register


def clause(name: str, *checks: str) -> ClausePart:
    return ClausePart(
        id=f"act/{name}", name=name, gist="", status="in_force", applies_from="", seen="text", source="", note="",
        relations=dict.fromkeys(checks, "informs"),
    )  # fmt: skip


@pytest.fixture(scope="module")
def lawful(record: Record) -> Record:
    law = RegulationPart(
        id="act", title="An act", jurisdiction="a union", kind="law", version="1", checked_on="2026-11-23", note="",
        sha256="0" * 64, clauses=(clause("9/8", "swap-gap"), clause("12"), clause("13", "swap-gap", "selection-rates")),
    )  # fmt: skip
    return record.model_copy(update={"regulations": (law,)})


def entries(record: Record) -> tuple[register.Entry, ...]:
    return register.entries(record, findings.checks(record))


def test_every_judgement_but_met_has_an_entry_worst_first(record: Record) -> None:
    judged = [(c.verdict, f"{check.id}/{c.metric}") for check in record.checks for c in check.criteria]
    bare = [(check.verdict, check.id) for check in record.checks if not check.criteria and check.verdict is not None]
    expected = sorted(each for each in judged + bare if each[0] != "met")

    found = entries(record)

    assert sorted((entry.verdict, entry.id) for entry in found) == expected
    assert [entry.verdict for entry in found] == ["not_met", "not_assessed", "inconclusive"]


def test_an_entry_names_its_hazard_and_the_clauses_its_check_bears_on(lawful: Record) -> None:
    (entry,) = (e for e in entries(lawful) if e.id == "swap-gap/score_gap")

    assert entry.clauses == ("act: 9/8; 13",)
    assert entry.hazards == tuple(need.id for need in lawful.requirements if "swap-gap" in need.checks)


def test_of_several_articles_the_word_is_said_once(lawful: Record) -> None:
    (law,) = lawful.regulations
    named = tuple(one.model_copy(update={"name": f"Article {one.name}"}) for one in law.clauses)
    cited = law.model_copy(update={"clauses": (*named, clause("Annex XI", "swap-gap"))})

    (entry,) = (e for e in entries(lawful.model_copy(update={"regulations": (cited,)})) if e.id == "swap-gap/score_gap")

    assert entry.clauses == ("act: Articles 9/8, 13; Annex XI",)


def test_two_criteria_on_one_metric_have_ids_of_their_own(record: Record) -> None:
    part = record.checks[0]
    twice = record.model_copy(update={"checks": (part.model_copy(update={"criteria": part.criteria * 2}),)})

    assert [entry.id for entry in entries(twice)] == ["swap-gap/score_gap", "swap-gap/score_gap/2"]


def test_an_audit_with_everything_met_has_no_entry(record: Record, page_tree: Any) -> None:
    met = record.model_copy(update={"checks": record.checks[1:2]})

    assert entries(met) == ()
    assert "so there is no entry" in page_tree(page.fill(met, medium="print")).words


def test_what_people_decide_is_left_blank(lawful: Record) -> None:
    section = page.fill(lawful, medium="print").partition('id="register"')[2].partition("</section>")[0]
    response = section.partition("What is decided about each finding")[2]

    assert len(re.findall(r"<td></td>", response)) == 6 * len(entries(lawful))
    assert re.findall(r"<td>[^<]", response) == []
