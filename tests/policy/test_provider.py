"""What a provider states: a statement is somebody's and dated, a blank is no mistake, and a mistake has its line."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import UserError
from audit.policy import load, provider, provider_facts, regulations
from audit.types import COVERAGE_TITLES, Intended, IntendedList, Statement, fact_kinds

FACTS = """\
inspectoscope: 1
facts:
  intended_purpose:
    text: Sorts comments for people who decide.
    by: A. Muster, product owner
    on: 2026-11-01
  deployer: {text: "", by: "", on: ""}
coverage:
  languages:
    entries: [{name: English, data: comments}, {name: German}]
    by: A. Muster, product owner
    on: 2026-11-02
"""


def read(text: str) -> Any:
    return provider.read(text.encode(), "provider.yaml")


def refusal(text: str) -> list[str]:
    with pytest.raises(UserError) as caught:
        read(text)
    return ["\n".join(problem.lines()) for problem in caught.value.problems]


def told_or_read(text: str) -> Any:
    try:
        return read(text)
    except UserError as error:
        return [line for problem in error.problems for line in problem.lines()]


def test_what_is_stated_is_read_with_who_and_when() -> None:
    facts = read(FACTS)

    assert facts.statements == {
        "intended_purpose": Statement(
            text="Sorts comments for people who decide.", by="A. Muster, product owner", on="2026-11-01"
        )
    }
    assert facts.coverage == {
        "languages": IntendedList(
            entries=(Intended(name="English", data="comments"), Intended(name="German")),
            by="A. Muster, product owner",
            on="2026-11-02",
        )
    }


def test_a_statement_that_nobody_made_is_refused() -> None:
    assert refusal(FACTS.replace("    by: A. Muster, product owner\n    on: 2026-11-01\n", "")) == [
        "provider.yaml:3:3: a statement without `by`\n"
        "      intended_purpose:\n"
        "      ^\n"
        "  expected: `by`: who states it: name and function"
    ]


def test_a_statement_without_its_day_is_refused() -> None:
    (problem,) = refusal(FACTS.replace("    on: 2026-11-02\n", ""))

    assert problem.startswith("provider.yaml:9:3: a statement without `on`")


def test_an_unknown_fact_is_told_with_the_one_that_was_meant() -> None:
    (problem,) = refusal(FACTS.replace("intended_purpose:", "intended_purpos:"))

    assert problem.startswith("provider.yaml:3:3: the unknown key `intended_purpos`")
    assert problem.endswith("do: did you mean `intended_purpose`?")


def test_all_mistakes_are_told_at_once() -> None:
    broken = FACTS.replace("deployer:", "deploier:").replace("2026-11-01", "soon").replace("languages:", "tongues:")

    assert [problem.split(":")[1] for problem in refusal(broken)] == ["6", "7", "9"]


@pytest.mark.parametrize(
    ("link", "lacks"),
    [("group: sex, value: female", "data"), ("data: a, value: female", "group"), ("data: a, group: sex", "value")],
)
def test_a_part_of_a_data_set_is_named_whole(link: str, lacks: str) -> None:
    (problem,) = refusal(FACTS.replace("data: comments", link))

    assert f"a part of a data set without `{lacks}`" in problem


def test_the_blank_file_can_be_read_and_supplies_nothing() -> None:
    facts = read(provider.blank())

    assert (facts.statements, facts.coverage) == ({}, {})


def test_the_blank_file_asks_for_every_fact_once() -> None:
    text = provider.blank()

    assert [text.count(f"\n  {kind.id}: {{") for kind in fact_kinds()] == [1] * len(fact_kinds())
    assert [text.count(f"\n  {kind}: {{entries") for kind in COVERAGE_TITLES] == [1, 1, 1]
    assert max(map(len, text.splitlines())) <= 120


def test_the_blank_file_filled_in_is_read_back() -> None:
    filled = provider.blank().replace('text: "", by: "", on: ""', 'text: "It is so.", by: "B", on: "2026-11-03"')

    assert set(read(filled).statements) == {kind.id for kind in fact_kinds()}


def test_facts_belong_to_items_that_exist_and_no_item_is_without_one_unless_the_audit_writes_it() -> None:
    table = regulations.read(regulations.shipped()["eu-ai-act"].read_bytes(), "eu-ai-act.yaml")
    assert table.documentation is not None
    by = {item.id: item.by for item in table.documentation.items}

    named = {item for kind in fact_kinds() for item in kind.items}

    assert named <= set(by)
    assert {item for item in set(by) - named if by[item] != "audit"} == set()


@given(st.text(max_size=60), st.text(max_size=20))
def test_whatever_is_written_is_read_or_refused_with_a_place(text: str, by: str) -> None:
    source = FACTS.replace("Sorts comments for people who decide.", text).replace("A. Muster, product owner", by)

    outcome = told_or_read(source)

    assert outcome


def test_a_file_that_is_not_there_is_told_as_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "provider.yaml").write_text("")

    with pytest.raises(UserError) as caught:
        provider_facts(tmp_path / "providers.yaml")

    assert str(caught.value).replace(f"{tmp_path}/", "") == (
        "The provider's facts cannot be read\n\n"
        "providers.yaml: no such file or directory\n"
        "  expected: the path of a file of facts\n"
        "  do: did you mean `provider.yaml`?"
    )


def test_broken_yaml_is_told_as_what_it_is() -> None:
    with pytest.raises(UserError) as caught:
        read("facts: [")

    assert str(caught.value).startswith("The provider's facts cannot be read\n\nprovider.yaml:1:9: ")


# ---- named by a policy or on the command line ----------------------------------------------------


def test_a_policy_names_the_facts_beside_it(desk: Any) -> None:
    desk.write("provider.yaml", FACTS)
    desk.change("model:\n", "provider: provider.yaml\nmodel:\n")

    policy = desk.load()

    assert policy.provider.path == "provider.yaml"
    assert policy.files == {**policy.files, "provider.yaml": policy.provider.sha256}


def test_a_policy_without_facts_has_none(desk: Any) -> None:
    assert desk.load().provider is None


def test_facts_outside_the_policys_folder_are_refused(desk: Any) -> None:
    desk.change("model:\n", "provider: ../provider.yaml\nmodel:\n")

    (problem,) = desk.problems()

    assert "provider: ../provider.yaml" in problem


def test_the_command_lines_facts_take_the_place_of_the_policys(desk: Any, tmp_path: Path) -> None:
    desk.write("provider.yaml", FACTS)
    desk.change("model:\n", "provider: provider.yaml\nmodel:\n")
    desk.load()
    given_file = tmp_path / "given.yaml"
    given_file.write_text(FACTS.replace("2026-11-01", "2026-11-09"))

    policy = load(desk.path, check_types=desk.check_types, environ={}, today=dt.date(2026, 11, 23), provider=given_file)

    assert policy.provider is not None
    assert policy.provider.statements["intended_purpose"].on == "2026-11-09"


def test_mistakes_in_the_facts_and_in_the_policy_are_told_at_once(desk: Any) -> None:
    desk.write("provider.yaml", "inspectoscope: 1\nfacts:\n  users: {txt: x, by: me, on: 2026-11-02}\n")
    desk.change("model:\n", "provider: provider.yaml\nmodel:\n").change("legitimate: [income]", "legitimate: income")

    assert [problem.split("\n")[0] for problem in desk.problems()] == [
        "policy.yaml:15:17: the text `income`",
        "provider.yaml:3:11: the unknown key `txt`",
    ]
    assert "do: put it in brackets: [income]" in desk.problems()[0]
