"""The shape of every policy as a JSON Schema, for editors that complete keys and explain them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from audit.policy.schema import CheckEntry, CriterionEntry, PolicyFile
from audit.registry import CheckType

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(check_types: Mapping[str, CheckType]) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a policy, for editors: one branch for each check type."""
    schema = PolicyFile.model_json_schema(by_alias=True)
    definitions: dict[str, Any] = schema.setdefault("$defs", {})
    common = CheckEntry.model_json_schema(by_alias=True)
    definitions.update(common.pop("$defs", {}))
    criterion = CriterionEntry.model_json_schema(by_alias=True, ref_template="#/$defs/{model}")
    definitions.update(criterion.pop("$defs", {}))
    branches = []
    for name, check_type in check_types.items():
        definitions[f"check:{name}"] = _branch(check_type, common, criterion, definitions)
        branches.append({"$ref": f"#/$defs/check:{name}"})
    checks = schema["properties"]["checks"]
    checks["items"] = {"oneOf": branches} if branches else {"type": "object"}
    return {"$schema": DIALECT, **_extendable(schema)}


_MARKS = {
    "remove": {"const": True, "description": "Take the entry of the policy that is extended out."},
    "replace": {"const": True, "description": "Inherit nothing of the entry of the policy that is extended."},
}
_CHANGED = ("model", "data", "hazards", "checks")
"""Parts of which a policy that extends another need not write everything."""


def _extendable(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema with a branch for policies that extend another: those need not be whole."""
    properties, definitions = dict(schema["properties"]), schema["$defs"]
    whole = {"required": schema["required"], "properties": {key: properties[key] for key in _CHANGED}}
    dataset = {"type": "object", "properties": {**definitions["DataEntry"]["properties"], **_MARKS}}
    changes = {
        "model": {"type": "object", "properties": definitions["ModelEntry"]["properties"]},
        "data": {"type": "object", "additionalProperties": dataset},
        "hazards": _changes(definitions["HazardEntry"]),
        "checks": _changes(CheckEntry.model_json_schema(by_alias=True)),
    }
    properties |= {key: {"description": properties[key]["description"]} for key in _CHANGED}
    extending = {"required": ["inspectoscope", "id", "version"], "properties": changes}
    split = {"if": {"required": ["extends"]}, "then": extending, "else": whole}
    return {**schema, "properties": properties, "required": ["inspectoscope"], **split}


def _changes(entry: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a list whose entries change those of another policy by their ``id``."""
    items = {"type": "object", "properties": {**entry["properties"], **_MARKS}, "required": ["id"]}
    return {"type": "array", "items": items}


def schema_text(check_types: Mapping[str, CheckType]) -> str:
    """Return the JSON Schema as it is shipped in ``policies/policy.schema.json``."""
    return json.dumps(json_schema(check_types), indent=1, ensure_ascii=False) + "\n"


def _branch(
    check_type: CheckType, common: dict[str, Any], criterion: dict[str, Any], definitions: dict[str, Any]
) -> dict[str, Any]:
    """Return the schema of one type's entries; definitions of its parameters carry its name."""
    template = f"#/$defs/{check_type.name}:{{model}}"
    params = check_type.params.model_json_schema(by_alias=True, ref_template=template)
    for name, definition in params.pop("$defs", {}).items():
        definitions[f"{check_type.name}:{name}"] = definition
    judged = [metric.name for metric in check_type.metrics if not metric.descriptive]
    bound = json.loads(json.dumps(criterion))
    bound["properties"]["metric"]["enum"] = judged
    also = sorted({name for metric in check_type.metrics for name in metric.judged_with})
    bound["properties"]["also"]["propertyNames"] = {"enum": also}
    bound["oneOf"] = [{"required": ["at_most"]}, {"required": ["at_least"]}]
    definitions[f"{check_type.name}:criterion"] = bound
    properties = {
        **common["properties"],
        "check": {"const": check_type.name, "description": check_type.title},
        **params.get("properties", {}),
        "criteria": {
            **common["properties"]["criteria"],
            "items": {"$ref": f"#/$defs/{check_type.name}:criterion"},
        },
    }
    return {
        "type": "object",
        "title": check_type.title,
        "description": check_type.method.get("", ""),
        "properties": properties,
        "required": [*common["required"], *params.get("required", [])],
        "additionalProperties": False,
    }
