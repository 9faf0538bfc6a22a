import datetime as dt

import pytest

from audit.errors import UserError
from audit.policy import blank_provider, provider, stating
from audit.types import FACT_GROUPS, Statement, fact_kinds

TODAY = dt.date(2026, 11, 23)


def said(*facts, by="A. Name, head of credit"):
    return stating.stated(facts, by=by, on=TODAY)


def test_what_is_stated_is_read_back_and_the_rest_is_not_supplied(tmp_path):
    text = 'Proposes "credit" decisions: {all} of them # here'

    told = stating.write(tmp_path, said(f"intended_purpose={text}"))

    facts = provider.read((tmp_path / "provider.yaml").read_bytes(), "provider.yaml")
    assert facts.statements == {"intended_purpose": Statement(text=text, by="A. Name, head of credit", on="2026-11-23")}
    assert told == (
        f"wrote {tmp_path / 'provider.yaml'} (1 of {len(fact_kinds())} facts stated; "
        "what stays blank is printed as not supplied)"
    )


def test_without_facts_the_blank_file_is_written(tmp_path):
    stating.write(tmp_path, said())

    assert (tmp_path / "provider.yaml").read_text(encoding="utf-8") == blank_provider()


def test_facts_that_are_there_already_are_shared_and_never_replaced(tmp_path):
    (tmp_path / "provider.yaml").write_text("inspectoscope: 1\nfacts: {}\n")

    assert stating.write(tmp_path, said()) == f"left {tmp_path / 'provider.yaml'} as it is; the policy refers to it"
    with pytest.raises(UserError, match="a file of facts that is there already"):
        stating.check(tmp_path, said("users=clerks"))

    assert (tmp_path / "provider.yaml").read_text() == "inspectoscope: 1\nfacts: {}\n"


@pytest.mark.parametrize(
    ("fact", "by", "where", "found"),
    [
        ("users=clerks", "", "--by", "nothing"),
        ("users", "me", "--fact users", "no name=text"),
        ("users= ", "me", "--fact users= ", "no name=text"),
        ("usrs=clerks", "me", "--fact usrs=clerks", "the unknown fact `usrs`"),
        ("users=a\x07", "me", "--fact users=a\x07", "the character U+0007"),
    ],
)
def test_a_fact_that_cannot_be_stated(fact, by, where, found):
    with pytest.raises(UserError) as caught:
        said(fact, by=by)

    (problem,) = caught.value.problems
    assert (problem.where, problem.found) == (where, found)


def test_facts_are_asked_for_group_by_group_and_only_where_somebody_states_them():
    questions = []

    def ask(answers):
        def answer(question, default):
            questions.append(question)
            return next((a for start, a in answers.items() if start in question), default)

        return answer

    assert stating.asked(ask({}), by="", on=TODAY).statements == {}
    assert len(questions) == 1

    found = stating.asked(
        ask({"Who states": "Me", "The system and its use": "yes", "Human": "x", "Users:": "Clerks."}), by="", on=TODAY
    )

    assert found.statements == {"users": Statement(text="Clerks.", by="Me", on="2026-11-23")}
    assert len(questions) == 2 + len(FACT_GROUPS) + len(FACT_GROUPS["The system and its use"])
