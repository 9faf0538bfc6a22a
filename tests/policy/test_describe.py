import json

import jsonschema
import pytest

from audit import registry
from audit.errors import UserError
from audit.policy import json_schema, schema_text, show, strict_yaml, title
from audit.resources import folder, shipped_policies


def shown(desk, *overrides, environ=None):
    desk.path.write_text(desk.text)
    text = show(desk.path, check_types=desk.check_types, overrides=overrides, environ=environ or {})
    return text.replace(f"{desk.folder}/", "")


# --------------------------------------------------------------------------------------------------
# show
# --------------------------------------------------------------------------------------------------


def test_every_value_says_where_it_comes_from(desk):
    lines = shown(desk, "checks.swap-gap.criteria.0.at_most=0.02").splitlines()

    assert 'version: "1.0.0"  # line 3' in lines
    assert "    threshold: 0.5  # default" in lines
    assert "    rows: data/applicants.csv  # line 11, data/applicants.csv" in lines
    assert "        pairs: data/name_pairs.csv  # line 26, data/name_pairs.csv" in lines
    assert "    draws: 199  # default" in lines
    assert "        at_most: 0.02  # --set checks.swap-gap.criteria.0.at_most=0.02" in lines


def test_every_form_of_a_value_is_shown(desk):
    desk.data(
        """
        rows: [{phrase: a.b}]
        text: "{term}"
        extract: [{from: phrase, pattern: "{x}.{y}"}, {from: x, words: [a], as: term}]
        label: {column: y, positive: [b], negative: [c]}
        where: {y: [b]}
        """
    )

    lines = [line.strip() for line in shown(desk).splitlines()]

    assert "- from: phrase  # line 13" in lines
    assert "otherwise: drop  # default" in lines
    assert "as: term  # line 13" in lines
    assert "column: y  # line 14" in lines


def test_a_variable_says_what_it_stands_for(desk):
    desk.change("model:\n", "variables: {shared: {env: INSPECTOSCOPE_SHARED}}\nmodel:\n")
    desk.change("rows: data/applicants.csv", "rows: ${shared}/x.csv")

    given = shown(desk, environ={"INSPECTOSCOPE_SHARED": "/somewhere"}).splitlines()
    missing = shown(desk).splitlines()

    assert given[0] == "# ${shared} is /somewhere (INSPECTOSCOPE_SHARED)"
    assert "    rows: ${shared}/x.csv  # line 12, /somewhere/x.csv" in given
    assert missing[0] == "# ${shared} is no value"
    assert "    rows: ${shared}/x.csv  # line 12, cannot be read: the variable `shared`, which has no value" in missing


def test_what_is_shown_is_a_policy_again(desk):
    desk.change("    groups: [sex]\n", "    groups: {sex: [female, male]}\n    where: {income: [30, 31, 1.50]}\n")
    desk.change("One approval in", "Say 'one' in")
    before = desk.load()

    desk.text = shown(desk)
    after = desk.load()

    assert strict_yaml.read(desk.text.encode(), "p.yaml").data["checks"][0]["draws"] == 199
    assert after.datasets["applicants"].card == before.datasets["applicants"].card
    assert after.checks[0].params == before.checks[0].params
    assert after.checks[0].criteria[0].rationale == before.checks[0].criteria[0].rationale


def test_text_that_would_act_on_a_terminal_is_shown_as_what_it_is(desk):
    desk.change("title: Credit", r'title: "\e[31m Credit"' + " #")

    with pytest.raises(UserError, match=r"text with the character U\+001B"):
        shown(desk)

    desk.change(r"\e[31m", r"\u202E")

    assert "⟨U+202E⟩ Credit" in shown(desk)


def test_a_policy_of_the_wrong_shape_is_not_shown(desk):
    desk.change("groups: [sex]", "gruops: [sex]")

    with pytest.raises(UserError, match="the unknown key `gruops`"):
        shown(desk)


def test_data_files_are_not_read(desk):
    (desk.folder / "data" / "applicants.csv").unlink()

    assert "rows: data/applicants.csv" in shown(desk)


def test_the_title_is_read_alone(desk):
    desk.path.write_text("title: Credit\nwhatever: 3\n")

    assert title(desk.path) == "Credit"


# --------------------------------------------------------------------------------------------------
# Shipped policies
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", shipped_policies(), ids=lambda path: path.stem)
def test_a_shipped_policy_has_the_right_shape_for_the_loader_and_for_editors(path):
    types = registry.check_types()

    assert show(path, check_types=types, environ={})
    assert wrong(json_schema(types), path.read_text(encoding="utf-8")) == []


# --------------------------------------------------------------------------------------------------
# JSON Schema
# --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def schema(check_types):
    return json_schema(check_types)


def wrong(schema, text):
    data = strict_yaml.read(text.encode(), "p.yaml").data
    return list(jsonschema.Draft202012Validator(schema).iter_errors(data))


def test_the_schema_is_valid_and_takes_a_policy_that_loads(schema, samples):
    jsonschema.Draft202012Validator.check_schema(schema)

    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert wrong(schema, samples.policy) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("groups: [sex]", "gruops: [sex]"),
        ("check: counterfactual", "check: counterfactuel"),
        ("metric: score_gap", "metric: scoregap"),
        ("at_most: 0.01", "at_most: small"),
        ("at_most: 0.01", "at_most: 0.01\n        at_least: 0.01"),
        ("    swap:", "    drws: 3\n    swap:"),
        ("pairs: data/name_pairs.csv", "pairs: 3"),
        ("origin: synthetic", "origin: found"),
        ("inspectoscope: 1", "inspectoscope: 2"),
        ("id: credit-decision", "id: Credit Decision"),
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(schema, samples, old, new):
    assert wrong(schema, samples.policy.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("pairs: data/name_pairs.csv", "pairs: [{female: Anna, male: 3}]"),
        ("groups: [sex]", "groups: {sex: [female, 3]}"),
        ("cluster: name", "label: {column: approved, positive: [1], negative: [no]}"),
        ("cluster: name", "extract: [{from: name, pattern: '{a}x'}, {from: name, words: [x], as: t}]"),
        ("    rows: data/applicants.csv\n", "    rows: [{name: Anna, zip: 1, job: null}]\n"),
    ],
)
def test_the_schema_takes_every_form_of_a_value(schema, samples, old, new):
    assert wrong(schema, samples.policy.replace(old, new)) == []


def test_every_key_of_the_schema_is_described(schema):
    bare = [
        f"{name}.{key}"
        for name, definition in {"": schema, **schema["$defs"]}.items()
        for key, value in definition.get("properties", {}).items()
        if not value.get("description")
    ]

    assert bare == []


def test_the_shipped_schema_is_the_one_of_the_shipped_checks():
    shipped = folder("policies") / "policy.schema.json"

    assert json.loads(shipped.read_text(encoding="utf-8")) == json.loads(schema_text(registry.check_types())), (
        "the schema is out of date; write it again with: inspectoscope policy schema > policies/policy.schema.json"
    )
