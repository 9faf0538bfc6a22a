"""Under which conditions statements are asked for, and what a policy must say about each.

A condition is a text before the statement, or statements of its own. Whether it licenses falsehood is a person's
decision and stands in the policy with that person beside it: fiction, role-play and "answer wrongly" openly ask for
statements contrary to one's beliefs, and no measurement can tell that a licence was meant.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from audit.checks import _wordings
from audit.checks._wordings import Ask, Wording
from audit.types import Dataset, Decision, ParamProblem, Row, TextTemplate

NEUTRAL = "neutral re-test"
FEWEST_WORDINGS = 6


class Mark(BaseModel):
    """The person who decided whether a condition licenses falsehood."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(description="Name of the person.")] = ""
    function: Annotated[str, Field(description="Function of the person.")] = ""
    on: Annotated[str, Field(description="Date, such as 2026-11-01.")] = ""

    @property
    def signed(self) -> bool:
        """Whether somebody answers for it."""
        return bool(self.name.strip() or self.function.strip())


class Setting(BaseModel):
    """What stands before a statement: a text for the statements' {condition}, or statements of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: Annotated[
        str | None,
        Field(description="Fills {condition} in the statements; may itself hold {field} placeholders."),
    ] = None
    statements: Annotated[
        tuple[Wording, ...], Field(description="Statements of its own, where {condition} is not enough.")
    ] = ()

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.text is None) == (not self.statements):
            raise ValueError("give exactly one of text and statements")
        return self


class Condition(Setting):
    """A condition under which the model makes a statement about each item."""

    name: Annotated[str, Field(description="What the report calls it.", min_length=1)]
    licensed_falsehood: Annotated[
        bool,
        Field(description="Whether the condition openly asks for, or allows, statements contrary to one's belief."),
    ]
    marked_by: Annotated[Mark, Field(description="Who decided that; a licence without a person clears nobody.")]
    where: Annotated[
        dict[str, tuple[str, ...]],
        Field(description="Field → values: only such items have this condition; by default all."),
    ] = Field(default_factory=dict)


class Questions(BaseModel):
    """What is asked of the model: plainly, and under every condition."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    beliefs: Annotated[
        tuple[Wording, ...],
        Field(
            description="Plain questions about the proposition: at least six, as many of negative polarity as of "
            "positive."
        ),
    ]
    statements: Annotated[
        tuple[Wording, ...],
        Field(description="What the model is asked to state, with {condition} for what stands before it."),
    ] = ()
    neutral: Annotated[Setting, Field(description="The neutral re-test that every condition is compared with.")]
    conditions: Annotated[
        tuple[Condition, ...], Field(description="Conditions under which statements are made; at least one.")
    ]


# ---- before the run ------------------------------------------------------------------------------


def problems(asked: Questions, fields: frozenset[str], decision: Decision) -> list[ParamProblem]:
    """Say what is wrong with the questions and conditions, given the fields of the data."""
    return [*_wording_problems(asked, fields, decision), *_setting_problems(asked, fields)]


def _wording_problems(asked: Questions, fields: frozenset[str], decision: Decision) -> Iterator[ParamProblem]:
    polarities = [w.polarity for w in asked.beliefs]
    if len(polarities) < FEWEST_WORDINGS:
        yield ParamProblem(
            at=("beliefs",), found=f"{len(polarities)} wordings", expected=f"at least {FEWEST_WORDINGS} of the belief"
        )
    elif (positive := polarities.count("positive")) != (negative := polarities.count("negative")):
        yield ParamProblem(
            at=("beliefs",),
            found=f"{positive} wordings of positive polarity and {negative} of negative",
            expected="as many of each: else a liking for one answer looks like a belief",
        )
    for i, wording in enumerate(asked.beliefs):
        yield from _wording_problem(wording, fields, decision, ("beliefs", i))
        if wording.text in [other.text for other in asked.beliefs[:i]]:
            yield ParamProblem(
                at=("beliefs", i, "text"), found=f"{wording.text!r} a second time", expected="different wordings"
            )
    for i, wording in enumerate(asked.statements):
        yield from _wording_problem(wording, fields | {"condition"}, decision, ("statements", i))
        if "{condition}" not in wording.text:
            yield ParamProblem(
                at=("statements", i, "text"),
                found="no {condition} in it, so the statement would be the same in every condition",
                expected="{condition} where the condition's text is to stand",
            )
    for at, setting in every_setting(asked):
        for i, wording in enumerate(setting.statements):
            yield from _wording_problem(wording, fields, decision, (*at, "statements", i))


def _wording_problem(
    wording: Wording, fields: frozenset[str], decision: Decision, at: _wordings.Path
) -> Iterator[ParamProblem]:
    yield from _wordings.template_problems(wording.text, fields, (*at, "text"))
    yield from _wordings.answer_problems(wording, decision, at)


def every_setting(asked: Questions) -> list[tuple[_wordings.Path, Setting]]:
    """Return the neutral re-test and every condition, with where they stand in the policy."""
    return [(("neutral",), asked.neutral), *((("conditions", i), c) for i, c in enumerate(asked.conditions))]


def _setting_problems(asked: Questions, fields: frozenset[str]) -> Iterator[ParamProblem]:
    for at, setting in every_setting(asked):
        if setting.text is None:
            continue
        yield from _wordings.template_problems(setting.text, fields, (*at, "text"))
        if not asked.statements:
            yield ParamProblem(at=(*at, "text"), found="a text with no statements to stand in", expected="statements")
        if "condition" in fields:
            yield ParamProblem(
                at=(*at, "text"),
                found="data with a field of their own named condition",
                expected="a placeholder {condition} that means one thing",
                do="give the field another name",
            )
    names = [c.name for c in asked.conditions]
    for i, condition in enumerate(asked.conditions):
        if condition.name in [*names[:i], NEUTRAL]:
            yield ParamProblem(
                at=("conditions", i, "name"), found=f"{condition.name!r} a second time", expected="each name once"
            )
        for name in condition.where:
            if name not in fields:
                yield ParamProblem(
                    at=("conditions", i, "where", name), found=f"no field {name!r}", expected="a field of the data"
                )
    if all(c.licensed_falsehood for c in asked.conditions):
        yield ParamProblem(
            at=("conditions",),
            found="falsehood licensed under every condition" if asked.conditions else "no condition",
            expected="a condition under which statements count",
        )


def empty_conditions(asked: Questions, data: Dataset) -> Iterator[ParamProblem]:
    """Name the conditions that no item has."""
    rows = items(asked, data)
    for i, condition in enumerate(asked.conditions):
        if not any(applies(condition, data.rows[row]) for row in rows):
            yield ParamProblem(
                at=("conditions", i),
                found=f"the condition {condition.name!r}, which no row has",
                expected="rows that match its where, with a value in every field that its text names",
            )


# ---- items and questions -------------------------------------------------------------------------


def items(asked: Questions, data: Dataset) -> list[int]:
    """Return the rows that are items of their own: rows that ask the same of the model count once."""
    settings = [setting for _, setting in every_setting(asked)]
    wordings = [*asked.beliefs, *asked.statements, *(w for s in settings for w in s.statements)]
    sources = [*(w.text for w in wordings), *(s.text for s in settings if s.text is not None)]
    templates = [TextTemplate(source) for source in sources]
    first: dict[tuple[object, ...], int] = {}
    for i, row in enumerate(data.rows):
        fields = {**row.fields, "condition": ""}
        has = tuple(applies(condition, row) for condition in asked.conditions)
        first.setdefault((has, *(t.render(fields)[0] for t in templates)), i)
    return list(first.values())


def _statements(asked: Questions, setting: Setting) -> tuple[Wording, ...]:
    return setting.statements or asked.statements


def applies(condition: Condition, row: Row) -> bool:
    """Return whether a row has a condition: it matches, and every field that the text names has a value."""
    named = TextTemplate(condition.text).names if condition.text is not None else ()
    matches = all(row.fields[name] in values for name, values in condition.where.items())
    return matches and all(row.fields[name] for name in named)


def asks(asked: Questions, setting: Setting, rows: Sequence[Row], decision: Decision) -> list[Ask]:
    """Return the statements of a setting, rendered for some rows."""
    lead = TextTemplate(setting.text or "")
    fields = [{**row.fields, "condition": lead.render(row.fields)[0]} for row in rows]
    return [
        _wordings.ask(wording, [TextTemplate(wording.text).render(f)[0] for f in fields], decision)
        for wording in _statements(asked, setting)
    ]
