"""The keys of a part of a policy, in words: what may stand under each, between which bounds, and by default."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from audit.policy.values import PATTERNS, WORDS

Schema: TypeAlias = Mapping[str, Any]

_DEEPEST = 6
"""Levels of keys that are listed; a schema that refers to itself has no deepest one."""
_KINDS = {
    "string": ("text", "texts"),
    "integer": ("whole number", "whole numbers"),
    "number": ("number", "numbers"),
    "boolean": ("true or false", "true or false"),
    "null": ("nothing", "nothing"),
}
"""In words, of one and of several."""
_OTHER = ("an entry as listed below", "entries as listed below")
_BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "maxLength": "at most {} characters",
    "minItems": "at least {} in it",
    "maxItems": "at most {} in it",
    "minProperties": "at least {} in it",
    "maxProperties": "at most {} in it",
}


@dataclass(frozen=True, kw_only=True)
class Key:
    """One key as a reference lists it."""

    path: str
    """From the part on: ``swap.NAME.from``; an item of a list is ``…[]``."""
    kind: str
    """What may stand there, with its bounds."""
    default: str
    """``required``, the default as a policy would write it, or nothing where leaving it out means without."""
    meaning: str


def keys(schema: Schema) -> tuple[Key, ...]:
    """Return every key that a JSON Schema (as pydantic writes it) allows, those of inner mappings after their own."""
    return tuple(_keys(schema, schema.get("$defs", {}), "", 0))


def _keys(schema: Schema, definitions: Schema, before: str, depth: int) -> Iterator[Key]:
    required = schema.get("required", ())
    for name, entry in schema.get("properties", {}).items():
        path = f"{before}{name}"
        options = list(_options(entry, definitions))
        meaning = entry.get("description") or next((o["description"] for o in options if o.get("description")), "")
        yield Key(path=path, kind=_kind(entry, definitions), default=_default(name, entry, required), meaning=meaning)
        if depth < _DEEPEST:
            for option in options:
                yield from _inside(option, definitions, path, depth + 1)


def _inside(schema: Schema, definitions: Schema, path: str, depth: int) -> Iterator[Key]:
    """Yield the keys of mappings in a value: of its own, of its items, of what stands under names of the user's."""
    if "properties" in schema:
        yield from _keys(schema, definitions, f"{path}.", depth)
    if isinstance(items := schema.get("items"), dict):
        for option in _options(items, definitions):
            yield from _inside(option, definitions, f"{path}[]", depth)
    for below in _named(schema):
        for option in _options(below, definitions):
            yield from _inside(option, definitions, f"{path}.NAME", depth)


def _named(schema: Schema) -> Iterator[Schema]:
    """Yield the schemas of what stands under names that the user gives."""
    below = schema.get("additionalProperties")
    yield from [below] if isinstance(below, dict) else []
    yield from schema.get("patternProperties", {}).values()


def _options(schema: Schema, definitions: Schema) -> Iterator[Schema]:
    """Yield the members of a union, with what they refer to in their place."""
    if "$ref" in schema:
        yield from _options(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    elif members := schema.get("anyOf") or schema.get("oneOf"):
        for member in members:
            yield from _options(member, definitions)
    else:
        yield schema


def _kind(schema: Schema, definitions: Schema, *, several: bool = False) -> str:
    found = [_one(option, definitions, several=several) for option in _options(schema, definitions)]
    return " or ".join(dict.fromkeys(each for each in found if each != "nothing")) or "nothing"


def _one(schema: Schema, definitions: Schema, *, several: bool) -> str:
    if "enum" in schema or "const" in schema:
        return " or ".join(f"`{_written(each)}`" for each in schema.get("enum", [schema.get("const")]))
    kind = schema.get("type")
    if isinstance(kind, list):
        return "values" if several else "value"
    if kind == "array":
        return _with_bounds(f"list{'s' * several} of {_items(schema, definitions)}", schema)
    if kind == "object":
        below = list(_named(schema))
        of = f" of names to {_kind(below[0], definitions, several=True)}" if below else ""
        return _with_bounds(f"mapping{'s' * several}{of}", schema)
    if schema.get("format") == "date":
        return "date such as 2026-11-01"
    return _with_bounds(_KINDS.get(str(kind), _OTHER)[several], schema)


def _items(schema: Schema, definitions: Schema) -> str:
    if fixed := schema.get("prefixItems"):
        return " and ".join(_kind(each, definitions) for each in fixed)
    return _kind(schema.get("items", {}), definitions, several=True)


def _with_bounds(kind: str, schema: Schema) -> str:
    words = [PATTERNS[pattern]] if (pattern := schema.get("pattern", WORDS)) in PATTERNS and pattern != WORDS else []
    words += [said.format(f"{schema[key]:,}") for key, said in _BOUNDS.items() if schema.get(key, 2**62) < 2**62]
    return f"{kind} ({', '.join(words)})" if words else kind


def _default(name: str, schema: Schema, required: Any) -> str:
    if name in required:
        return "required"
    default = schema.get("default")
    return "" if default in (None, "", [], {}) else f"`{_written(default)}`"


def _written(value: Any) -> str:
    return value if value and isinstance(value, str) else json.dumps(value, ensure_ascii=False)
