"""The kinds of values that a policy file is made of, with the words in which a wrong one is refused."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    StringConstraints,
    Tag,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError


class Part(BaseModel):
    """A mapping of the policy: unknown keys are refused, and nothing is converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def expected(what: str) -> PydanticCustomError:
    """Return an error whose message is what the validation module prints as expected."""
    return PydanticCustomError("expected", "{what}", {"what": what})


def kind_of(value: Any) -> str:
    """Return the kind of a value, for unions whose members differ in kind."""
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, BaseModel):  # pydantic asks again when it writes a model out
        return "a mapping"
    return {str: "text", int: "number", float: "number", list: "a list", dict: "a mapping"}.get(type(value), "nothing")


def _date(value: str) -> str:
    try:
        return dt.date.fromisoformat(value).isoformat()
    except ValueError as error:
        raise expected("a date such as 2026-11-01") from error


def _date_or_blank(value: str) -> str:
    return _date(value) if value else value


def _cell(value: Any) -> Any:
    if isinstance(value, list | dict):
        raise expected("text, a number, true, false or nothing")
    return value


SLUG = r"^[a-z0-9]+(-[a-z0-9]+)*$"
NAME = r"^[A-Za-z_][A-Za-z0-9_-]*$"
FIELD = r"^[A-Za-z_][A-Za-z0-9_]*$"
VARIABLE = r"^[a-z][a-z0-9_]*$"
ENVIRONMENT = r"^INSPECTOSCOPE_[A-Z0-9_]+$"
WORDS = r"\S"

PATTERNS = {
    SLUG: "small letters and digits, with single hyphens between, such as credit-decision",
    NAME: "a name of letters, digits, hyphens and underscores",
    FIELD: "a name of letters, digits and underscores, so that it can stand in a template",
    VARIABLE: "a name of small letters, digits and underscores",
    ENVIRONMENT: "the name of an environment variable that starts with INSPECTOSCOPE_",
    WORDS: "text that is not empty",
}
"""What each pattern asks for, in words."""

Slug: TypeAlias = Annotated[str, StringConstraints(pattern=SLUG, max_length=80)]
Name: TypeAlias = Annotated[str, StringConstraints(pattern=NAME, max_length=80)]
FieldName: TypeAlias = Annotated[str, StringConstraints(pattern=FIELD, max_length=80)]
VariableName: TypeAlias = Annotated[str, StringConstraints(pattern=VARIABLE, max_length=80)]
EnvironmentName: TypeAlias = Annotated[str, StringConstraints(pattern=ENVIRONMENT, max_length=120)]
Words: TypeAlias = Annotated[str, StringConstraints(pattern=WORDS)]
Date: TypeAlias = Annotated[str, AfterValidator(_date), WithJsonSchema({"type": "string", "format": "date"})]
DateOrBlank: TypeAlias = Annotated[
    str,
    AfterValidator(_date_or_blank),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date"}, {"const": ""}]}),
]
Cell: TypeAlias = Annotated[
    Any, AfterValidator(_cell), WithJsonSchema({"type": ["string", "number", "boolean", "null"]})
]
"""A cell of a table; whatever it is, it becomes text as it is written."""

BY_KIND = Discriminator(kind_of)
TextKind: TypeAlias = Annotated[Words, Tag("text")]
NoneKind: TypeAlias = Annotated[None, Tag("nothing")]
