"""Says in words, and at a position, what pydantic found wrong with a part of the policy."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from audit.policy.annotations import keys, models_at
from audit.policy.document import KeyPath
from audit.policy.problems import Problems, named, nearest, one_of, shortened
from audit.policy.values import PATTERNS
from audit.types import GivenFile

M = TypeVar("M", bound=BaseModel)

_MOST = 100
"""Errors told of one part: a hostile part can hold as many as it has characters."""

_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "none_required": "nothing",
    "string_too_short": "text that is not empty",
    "string_too_long": "at most {max_length} characters",
    "too_short": "at least {min_length} in it",
    "too_long": "at most {max_length} in it",
    "greater_than": "a number that is more than {gt}",
    "greater_than_equal": "a number that is at least {ge}",
    "less_than": "a number that is less than {lt}",
    "less_than_equal": "a number that is at most {le}",
}
"""Pydantic's error types in the words of this format."""


def validated(
    model: type[M],
    value: Any,
    *,
    at: KeyPath,
    problems: Problems,
    also: Sequence[str] = (),
    known_bad: Sequence[KeyPath] = (),
    files: Mapping[str, GivenFile] | None = None,
) -> M | None:
    """Return a part of the policy as its model, or None when something was wrong with it.

    ``also`` names keys that the part may have beside the model's own; they count when the nearest key is
    looked for. ``known_bad`` are paths whose problem was already told, ``files`` the contents of files that the part
    names, by path as written. The value goes in as JSON: YAML here means what JSON means, and pydantic's strict mode
    then takes a list for a tuple and nothing for anything else.
    """
    try:
        return model.model_validate_json(json.dumps(value), context=files)
    except ValidationError as error:
        told: dict[tuple[KeyPath, str], list[tuple[str, str]]] = {}
        for details in islice(error.errors(include_url=False), _MOST):
            path = _path(details, value)
            if _follows(details, path, known_bad):
                continue
            if _is_key_error(details):
                part = _part(model, value, path[:-1])
                _tell_key(details, path, part, at=at, problems=problems, also=also)
            else:
                told.setdefault((path, _found(details)), []).append((_expected(details), _advice(details)))
        for (path, found), wishes in told.items():  # members of a union each wish for something else
            expected = " or ".join(dict.fromkeys(wish for wish, _ in wishes))
            # Of several pieces of advice, the word that was probably meant.
            advice = max((advice for _, advice in wishes), key=lambda said: (said.startswith("did you"), bool(said)))
            problems.at((*at, *path), found=found, expected=expected, do=advice)
        return None


def _follows(details: ErrorDetails, path: KeyPath, known_bad: Sequence[KeyPath]) -> bool:
    """Return whether an error may come from a value known to be bad: it is in it, or about what holds it."""
    return any(
        path[: len(bad)] == bad or (bad[: len(path)] == path and not _is_key_error(details)) for bad in known_bad
    )


def _is_key_error(details: ErrorDetails) -> bool:
    return details["type"] in {"missing", "extra_forbidden"} or details["loc"][-1:] == ("[key]",)


def _tell_key(
    details: ErrorDetails,
    path: KeyPath,
    part: type[BaseModel] | None,
    *,
    at: KeyPath,
    problems: Problems,
    also: Sequence[str],
) -> None:
    """Report a key that is missing, unknown or ill-formed."""
    if details["type"] == "missing":
        _missing(part, path, at, problems)
        return
    key = str(path[-1])
    found, expected, do = f"the key `{shortened(key)}`", _expected(details), ""
    if details["type"] == "extra_forbidden":
        allowed = [*(keys(part) if part else ()), *(also if len(path) == 1 else ())]
        found, expected, do = f"the unknown key `{shortened(key)}`", one_of(allowed), nearest(key, allowed)
    problems.at((*at, *path), key=True, found=found, expected=expected, do=do)


def _path(details: ErrorDetails, value: Any) -> KeyPath:
    """Return where in the policy an error is; pydantic also names the members of unions on the way."""
    path: list[str | int] = []
    for step in details["loc"]:
        if (isinstance(value, dict) and step in value) or (
            isinstance(value, list) and isinstance(step, int) and step < len(value)
        ):
            value = value[step]  # type: ignore[index]
            path.append(step)
    if details["type"] == "missing":
        path.append(details["loc"][-1])
    elif (key := _discriminator(details)) is not None:
        path.append(key)
    return tuple(path)


def _discriminator(details: ErrorDetails) -> str | None:
    """Return the key whose value should have said which member of a union a mapping is."""
    key = str(details.get("ctx", {}).get("discriminator", "")).strip("'")
    is_key = details["type"] == "union_tag_invalid" and isinstance(details["input"], dict) and key in details["input"]
    return key if is_key else None


def _part(model: type[BaseModel], value: Any, path: KeyPath) -> type[BaseModel] | None:
    """Return the model that a mapping was meant to be: of a union, the member it shares most keys with."""
    for step in path:
        value = value[step]
    given = set(value) if isinstance(value, dict) else set()
    return max(models_at(model, path), key=lambda found: len(given & set(keys(found))), default=None)


def _missing(part: type[BaseModel] | None, path: KeyPath, at: KeyPath, problems: Problems) -> None:
    about = ""
    for name, field in part.model_fields.items() if part else ():
        if path[-1] == (field.alias or name):
            about = (field.description or "").split(". ")[0].rstrip(".")
    problems.at(
        (*at, *path[:-1]),
        key=True,
        found=f"no `{path[-1]}`",
        expected=f"`{path[-1]}`: {about[:1].lower()}{about[1:]}" if about else f"the key `{path[-1]}`",
    )


def _found(details: ErrorDetails) -> str:
    if details["type"] == "value_error" and isinstance(details["input"], dict):
        return "values that do not go together"
    key = _discriminator(details)
    return named(details["input"] if key is None else details["input"][key])


def _options(details: ErrorDetails) -> list[str]:
    """Return the words that a literal allows."""
    context = details["ctx"]
    words = str(context.get("expected", context.get("expected_tags"))).replace(" or ", ", ").split(",")
    return [word.strip().strip("'") for word in words]


def _advice(details: ErrorDetails) -> str:
    value = details["input"]
    key = _discriminator(details)
    if key is not None:
        return nearest(str(value[key]), _options(details))
    if details["type"] == "literal_error" and isinstance(value, str):
        return nearest(value, _options(details))
    if details["type"] == "string_type" and isinstance(value, bool | int | float):
        return "put it in quotes"
    if details["type"] in {"list_type", "tuple_type"} and isinstance(value, str) and value:
        return f"put it in brackets: [{shortened(value)}]"
    return ""


def _expected(details: ErrorDetails) -> str:
    """Return what would have been right, in words."""
    kind, context = details["type"], details.get("ctx", {})
    if kind in _EXPECTED:
        return _EXPECTED[kind].format_map(context)
    if kind == "literal_error":
        return one_of(_options(details))
    if kind == "string_pattern_mismatch":
        return PATTERNS.get(context["pattern"], f"text that matches {context['pattern']}")
    if kind == "union_tag_invalid":
        return " or ".join(option for option in _options(details) if option != "nothing")
    return details["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
