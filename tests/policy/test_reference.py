import re
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from audit import registry
from audit.errors import UserError
from audit.policy import reference, reference_of, strict_yaml
from audit.policy.key_tables import Key, keys
from audit.policy.reference import ideal
from audit.resources import shipped_policies
from audit.types import Worse

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference.md"
CHECKS = list(registry.check_types().values())


def test_the_page_is_the_one_of_the_code():
    assert PAGE.read_text(encoding="utf-8") == reference(registry.check_types(), shipped_policies()), (
        "the reference is out of date; write it again with: inspectoscope policy reference > docs/reference.md"
    )


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_every_parameter_and_metric_of_a_check_is_told_with_its_meaning(check):
    text = reference_of(check.name, registry.check_types(), shipped_policies())

    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert {row.split("`")[1] for row in rows} >= {metric.name for metric in check.metrics}
    assert {row.split("`")[1] for row in rows} >= set(check.params.model_json_schema(by_alias=True)["properties"])
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]
    assert [row[0] for row in cells if len(row) not in {4, 7}] == []
    assert [row[0] for row in cells if not row[3 if len(row) == 4 else 1]] == []
    assert all(f"**{section}.**" in text for section in registry.SECTIONS)
    assert check.title in text


def test_a_number_that_may_carry_no_criterion_says_why():
    for check in CHECKS:
        text = reference_of(check.name, registry.check_types(), ())
        for metric in check.metrics:
            (row,) = (line for line in text.splitlines() if line.startswith(f"| `{metric.name}` |"))
            assert (
                row.endswith("| yes |") or "| yes; it also binds" in row if not metric.descriptive else "| no: " in row
            )


def test_ideals_lie_on_the_good_side_of_nothing():
    for check in CHECKS:
        for metric in check.metrics:
            best = ideal(metric)
            if best is not None and metric.null is not None:
                assert {
                    Worse.HIGHER: best <= metric.null, Worse.LOWER: best >= metric.null, Worse.AWAY: best == metric.null
                }[metric.worse], (check.name, metric.name)  # fmt: skip


def test_examples_are_entries_of_shipped_policies():
    text = reference(registry.check_types(), shipped_policies())
    blocks = re.findall(r"shipped policy `([^`]+)`\n\n```yaml\n(.*?)```", text, re.DOTALL)
    policies = {path.stem: strict_yaml.read(path.read_bytes(), path.name).data for path in shipped_policies()}

    assert len(blocks) >= 10
    for name, block in blocks:
        (entry,) = strict_yaml.read(block.encode(), "block").data["checks"]
        assert entry in policies[name]["checks"]


def test_an_unknown_check_names_the_nearest():
    with pytest.raises(UserError, match="did you mean `counterfactual`"):
        reference_of("counterfactal", registry.check_types(), ())


class Inner(BaseModel):
    """What an inner mapping is."""

    deep: Annotated[int, Field(ge=1, le=3)] = Field(2, description="A bounded number.")


class Outer(BaseModel):
    choice: Literal["a", "b"] = Field("a", description="One of two.")
    named: dict[str, Inner] = Field(description="By name.")
    listed: list[Inner] = Field(default_factory=list, description="In a row.")
    maybe: Inner | None = None
    texts: Annotated[list[str], Field(min_length=2)] | None = Field(None, description="Texts.")


def test_keys_are_listed_with_what_may_stand_there():
    assert keys(Outer.model_json_schema()) == (
        Key(path="choice", kind="`a` or `b`", default="`a`", meaning="One of two."),
        Key(path="named", kind="mapping of names to mappings", default="required", meaning="By name."),
        Key(
            path="named.NAME.deep",
            kind="whole number (at least 1, at most 3)",
            default="`2`",
            meaning="A bounded number.",
        ),
        Key(path="listed", kind="list of mappings", default="", meaning="In a row."),
        Key(
            path="listed[].deep",
            kind="whole number (at least 1, at most 3)",
            default="`2`",
            meaning="A bounded number.",
        ),
        Key(path="maybe", kind="mapping", default="", meaning="What an inner mapping is."),
        Key(path="maybe.deep", kind="whole number (at least 1, at most 3)", default="`2`", meaning="A bounded number."),
        Key(path="texts", kind="list of texts (at least 2 in it)", default="", meaning="Texts."),
    )


class Endless(BaseModel):
    again: "list[Endless]" = Field(default_factory=list, description="Itself.")


def test_a_schema_that_refers_to_itself_has_an_end():
    assert len(keys(Endless.model_json_schema())) < 10
