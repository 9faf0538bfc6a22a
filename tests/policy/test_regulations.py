"""Law as data: what a table says, how old it may be, and that every clause it quotes exists."""

import datetime as dt
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from audit.errors import UserError
from audit.policy import regulations
from audit.registry import check_types
from audit.types import Regulation

TABLE = """\
inspectoscope: 1
id: house-rules
title: Rules of the house
jurisdiction: the house
kind: framework
version: first
checked_on: 2026-11-01
shelf_life_days: 30
clauses:
  - {id: house-rules/1, name: Rule 1, gist: Doors are shut., status: in_force, seen: text, supports: [probe]}
  - {id: house-rules/2, name: Rule 2, gist: Lights are out., status: voluntary, seen: text, informs: [probe]}
"""
LAST_DAY = dt.date(2026, 12, 1)


@pytest.fixture(scope="module")
def every() -> Mapping[str, Regulation]:
    return {name: regulations.read(path.read_bytes(), path.name) for name, path in regulations.shipped().items()}


def refusal(text: str) -> list[str]:
    with pytest.raises(UserError) as caught:
        regulations.read(text.encode(), "table.yaml")
    return ["\n".join(problem.lines()) for problem in caught.value.problems]


# ---- reading a table -----------------------------------------------------------------------------


def test_a_clause_says_which_checks_support_it_and_which_inform_it() -> None:
    table = regulations.read(TABLE.encode(), "table.yaml")

    assert [dict(clause.relations) for clause in table.clauses] == [{"probe": "supports"}, {"probe": "informs"}]


def test_a_mistake_is_told_with_its_place() -> None:
    assert refusal(TABLE.replace("status: voluntary", "status: volutary")) == [
        "table.yaml:11:70: the text `volutary`\n"
        "      - {id: house-rules/2, name: Rule 2, gist: Lights are out., status: volutary, seen: text, "
        "informs: [probe]}\n" + " " * 73 + "^\n"
        "  expected: one of in_force, applies_later, draft, voluntary, repealed\n"
        "  do: did you mean `voluntary`?"
    ]


def test_a_clause_stands_in_a_table_once() -> None:
    assert refusal(TABLE.replace("house-rules/2", "house-rules/1")) == [
        "table.yaml: house-rules/1 twice\n  expected: each id once"
    ]


# ---- named by a policy ---------------------------------------------------------------------------


def test_a_policy_names_shipped_tables_and_its_own(desk: Any) -> None:
    desk.write("law/house.yaml", TABLE)
    desk.change("model:\n", "regulations: [nist-ai-rmf, law/house.yaml]\nmodel:\n")

    policy = desk.load(today=LAST_DAY)

    assert [regulation.id for regulation in policy.regulations] == ["nist-ai-rmf", "house-rules"]
    assert list(policy.files)[-1] == "law/house.yaml"
    assert policy.reaches["counterfactual"].does_not_show.startswith("disparity in the real world")


def test_a_policy_without_any_carries_none(desk: Any) -> None:
    assert desk.load().regulations == ()
    assert desk.load().reaches == {}


def test_an_unknown_name_is_told_with_the_nearest(desk: Any) -> None:
    desk.change("model:\n", "regulations: [eu-ai-akt]\nmodel:\n")

    (problem,) = desk.problems()
    assert "the unknown regulation `eu-ai-akt`" in problem
    assert problem.endswith("do: did you mean `eu-ai-act`?")


def test_a_table_past_its_shelf_life_stops_the_run(desk: Any) -> None:
    desk.write("house.yaml", TABLE)
    desk.change("model:\n", "regulations: [house.yaml]\nmodel:\n")

    assert desk.load(today=LAST_DAY).regulations
    assert desk.problems(today=LAST_DAY + dt.timedelta(days=1)) == [
        "policy.yaml:6:15: `house-rules`, checked on 2026-11-01: 31 days ago, 30 at most\n"
        "    regulations: [house.yaml]\n"
        "                  ^\n"
        "  expected: a table that was compared with its sources more recently\n"
        "  do: update inspectoscope, or compare the table yourself and name your copy beside the policy"
    ]


def test_a_table_outside_the_policys_folder_is_refused(desk: Any) -> None:
    desk.change("model:\n", "regulations: [../house.yaml]\nmodel:\n")

    (problem,) = desk.problems()
    assert "which leads out of" in problem


# ---- the shipped tables --------------------------------------------------------------------------


def test_every_shipped_table_is_read_and_named_after_its_file(every: Mapping[str, Regulation]) -> None:
    assert len(every) == 11
    assert all(name == regulation.id for name, regulation in every.items())
    assert all(c.id.startswith(f"{name}/") for name, regulation in every.items() for c in regulation.clauses)


def test_the_checks_that_tables_name_exist_and_have_their_sentences(every: Mapping[str, Regulation]) -> None:
    known, worded = set(check_types()), set(regulations.reaches())
    named = {check for regulation in every.values() for clause in regulation.clauses for check in clause.relations}
    listed = {
        check
        for regulation in every.values()
        if regulation.documentation
        for item in regulation.documentation.items
        for check in item.checks
    }

    assert named | listed <= known
    assert worded == known


def test_every_clause_of_the_ai_act_exists(every: Mapping[str, Regulation], ai_act: Mapping[str, str]) -> None:
    act = every["eu-ai-act"]
    assert act.documentation is not None
    for name in [clause.id for clause in act.clauses] + [item.id for item in act.documentation.items]:
        assert _exists(name.split("/")[1:], ai_act), name


def test_a_clause_that_does_not_exist_would_be_noticed(ai_act: Mapping[str, str]) -> None:
    assert not _exists(["10", "5"], ai_act)
    assert not _exists(["13", "3", "b", "viii"], ai_act)
    assert not _exists(["120"], ai_act)
    assert not _exists(["annex-xi", "section-2", "4"], ai_act)
    assert not _exists(["annex-xi", "section-3"], ai_act)


def test_every_item_of_annex_iv_is_there(every: Mapping[str, Regulation], ai_act: Mapping[str, str]) -> None:
    documentation = every["eu-ai-act"].documentation
    text = ai_act["anx_IV"]
    expected, number = [], ""
    for line in text.splitlines():
        if found := re.match(r"(\d+)\. ", line):
            number = found[1]
            expected.append(number)
        elif found := re.match(r" {3}\(([a-z])\) ", line):
            if expected[-1] == number:
                expected.pop()
            expected.append(f"{number}({found[1]})")

    assert documentation is not None
    assert [item.name for item in documentation.items] == expected


@pytest.fixture(scope="module")
def ai_act(shared: Path) -> Mapping[str, str]:
    path = shared / "data" / "ai_act" / "ai-act.units.json"
    return {unit["id"]: unit["text"] for unit in json.loads(path.read_text(encoding="utf-8"))["units"]}


def _exists(steps: list[str], units: Mapping[str, str]) -> bool:
    """Follow a clause id into the text: article or annex, then numbered paragraphs and lettered points."""
    first, *rest = steps
    text = units.get(f"anx_{first.removeprefix('annex-').upper()}" if first.startswith("annex-") else f"art_{first}")
    if rest and rest[0].startswith("section-"):  # Annex XI has two, each with points of its own
        head = f"### Section {rest.pop(0).removeprefix('section-')} "
        text = next((part for part in re.split(r"(?=^### )", text or "", flags=re.M) if part.startswith(head)), None)
    for depth, step in enumerate(rest):
        if text is None:
            return False
        indent = " " * 3 * depth
        mark = rf"{step}\." if step.isdigit() else rf"\({step}\)"
        found = re.search(rf"^{indent}{mark} .*?(?=^{indent}(?:\d+\.|\([a-z]+\)) |\Z)", text, re.M | re.S)
        text = found[0] if found else None
    return text is not None
