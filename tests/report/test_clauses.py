"""What a report says to clauses of law: as much as was measured and no more."""

import re
from html import unescape
from typing import Any

import pytest

from audit import pipeline, resources, traceability
from audit.record import ClausePart, DocumentationPart, ItemPart, ReachPart, Record, RegulationPart
from audit.report import clauses, findings, html, page
from audit.types import JudgedRequirement, Relation, Verdict


def clause(name: str, **relations: Relation) -> ClausePart:
    return ClausePart(
        id=f"eu-ai-act/{name}", name=f"Article {name}", gist=f"Asks for {name}.", status="applies_later",
        applies_from="2027-12-02", seen="text", source="", note="",
        relations={check.replace("_", "-"): relation for check, relation in relations.items()},
    )  # fmt: skip


def item(name: str, by: Any, here: str = "Numbers", *checks: str, needs_checks: bool = False) -> ItemPart:
    return ItemPart(
        id=f"eu-ai-act/annex-iv/{name}", name=name, gist=f"Content of {name}", by=by, here=here, checks=checks,
        needs_checks=needs_checks or bool(checks),
    )  # fmt: skip


LAW = RegulationPart(
    id="eu-ai-act", title="An act", jurisdiction="a union", kind="law", version="first", checked_on="2026-11-23",
    note="", sha256="0" * 64,
    clauses=(
        clause("9/8", swap_gap="supports"),
        clause("12"),
        clause("13/3/b/v", unassessed="supports", swap_gap="informs"),
        clause("13/3/b/vi"),
    ),
    documentation=DocumentationPart(
        name="Annex IV", intro="Item by item.",
        items=(item("1(a)", "provider"), item("2(g)", "audit", "Results", "swap-gap"), item("4", "part")),
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def lawful(record: Record) -> Record:
    (unassessed,) = (check.id for check in record.checks if check.verdict == "not_assessed")
    text = LAW.model_dump_json().replace('"unassessed"', f'"{unassessed}"')
    reach = ReachPart(supports="what was measured", does_not_show="what was not")
    return record.model_copy(
        update={
            "regulations": (RegulationPart.model_validate_json(text),),
            "reaches": {"swap-gap": reach, unassessed: reach},
        }
    )


@pytest.fixture(scope="module")
def views(lawful: Record) -> Any:
    return findings.checks(lawful)


def test_support_comes_before_information_and_what_was_not_assessed_is_marked(lawful: Record, views: Any) -> None:
    found = clauses.bearing(views, lawful.regulations[0].clauses[2])

    assert [(f.relation, f.measured) for f in found] == [("supports", False), ("informs", True)]


@pytest.mark.parametrize(
    ("asked", "state"),
    [
        (item("1", "provider"), "provider to supply"),
        (item("1", "part"), "partial"),
        (item("1", "part", ""), "provider to supply"),
        (item("1", "audit", "Results", "swap-gap"), "evidenced here, for the checks named"),
        (item("1", "part", "Results", "swap-gap"), "partial"),
        (item("1", "audit", "Results", "no-such-check"), "provider to supply"),
        (item("1", "audit", "Results", needs_checks=True), "provider to supply"),
    ],
)
def test_an_item_is_held_only_where_something_was_measured(views: Any, asked: ItemPart, state: str) -> None:
    assert clauses.held(views, asked).state == state


def test_a_check_that_was_not_assessed_holds_nothing(lawful: Record, views: Any) -> None:
    unassessed = next(check.id for check in lawful.checks if check.verdict == "not_assessed")

    assert clauses.held(views, item("2", "audit", "Results", unassessed)).state == "provider to supply"


def test_every_clause_and_item_is_printed(lawful: Record) -> None:
    section = _section(page.fill(lawful, medium="print"))

    assert "Law as checked on 23 November 2026" in section
    assert [name for name in re.findall(r"Article [\w/]+", section) if name == "Article 12"]
    assert section.count("not assessed: no check") == 2
    assert re.findall(r"<td>(?:<span[^>]*>)?(provider to supply|evidenced here|partial)", section) == [
        "provider to supply",
        "evidenced here",
        "partial",
    ]
    assert "nothing: it was not assessed" in section
    assert "satisf" not in section


def test_the_draft_extract_takes_only_measured_results(lawful: Record) -> None:
    extract = _section(page.fill(lawful, medium="print")).split("Draft extract")[1]

    assert "Article 13/3/b/v" in extract
    assert extract.count('href="#check-1"') == 1
    assert "Tested on: Invented comments" in extract


def test_without_a_regulation_the_report_says_so(record: Record) -> None:
    assert "The policy names no law or framework" in page.fill(record, medium="print")


def test_a_hostile_table_is_only_text(lawful: Record) -> None:
    (law,) = lawful.regulations
    hostile = law.model_copy(update={"title": "<script>alert(1)</script>", "note": "</table>"})

    printed = html.render(lawful.model_copy(update={"regulations": (hostile,)})).decode()

    assert "<script>alert(1)</script>" not in printed
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in printed


def _section(printed: str) -> str:
    return printed.partition('id="law"')[2].partition('id="monitoring"')[0]


# ---- what no check bears on ----------------------------------------------------------------------


@pytest.mark.parametrize("template", ["technical", "eu_ai_act"])
@pytest.mark.parametrize("name", ["recruitment", "general-purpose-honesty"])
def test_every_clause_that_no_check_bears_on_is_printed_as_not_assessed(
    record: Record, template: str, name: str
) -> None:
    policy = pipeline.read_policy(resources.folder("policies") / f"{name}.yaml")
    law = traceability.regulations(policy)
    ours = {check.id for check in record.checks}  # none of which is a check of that policy
    bare = [clause for part in law for clause in part.clauses if not ours & clause.relations.keys()]

    section = _section(page.fill(record.model_copy(update={"regulations": law}), medium="print", template=template))

    assert bare
    rows = [row for row in section.split("<tr>") if "not assessed: no check" in row]
    assert [unescape(re.search(r'<th scope="row">(.*?) <span', row)[1]) for row in rows] == [c.name for c in bare]


@pytest.mark.parametrize("template", ["technical", "eu_ai_act"])
def test_a_hazard_that_no_check_bears_on_is_printed_as_not_assessed(
    record: Record, page_tree: Any, template: str
) -> None:
    alone = JudgedRequirement(
        id="alone", text="Nobody looked at this hazard.", verdict=Verdict.NOT_ASSESSED, checks=(), reason="no check"
    )
    changed = record.model_copy(update={"requirements": (alone,)})

    words = page_tree(page.fill(changed, medium="print", template=template)).words

    assert re.search(r"Nobody looked at this hazard\..{0,80}not assessed", words)
