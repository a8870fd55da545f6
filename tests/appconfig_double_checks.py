"""
What the double of AWS AppConfig checks in a configuration: feature flags and JSON Schema validators.

The rules for flags are those of AWS's published schema, written anew. What the service says about a mistake, and when
it runs a validator, is a guess.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

FEATURE_FLAGS = "AWS.AppConfig.FeatureFlags"
TYPES = ("AWS.Freeform", FEATURE_FLAGS)

_NAME = r"^[a-z][a-zA-Z\d_-]{0,63}$"


def _named(each: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "patternProperties": {_NAME: each}, "additionalProperties": False, **more}


def _exact(properties: Mapping[str, Any], *required: str) -> dict[str, Any]:
    given = {"properties": dict(properties), "required": list(required)}
    return {"type": "object", **given, "additionalProperties": False}


_BOOLEAN = {"type": "boolean"}
_TEXT = {"type": "string", "maxLength": 1024}
_NUMBER = {"type": "number"}
_LISTS = {"type": "array", "oneOf": [{"items": _TEXT}, {"items": _NUMBER}]}
_VALUE = {"oneOf": [_TEXT, _NUMBER, _BOOLEAN, _LISTS]}
_TITLE = {"type": "string", "pattern": r"^[^\n]{1,64}$"}
_STAMPS = {"_createdAt": {"type": "string"}, "_updatedAt": {"type": "string"}}


def _constrained(kind: str, **more: Any) -> dict[str, Any]:
    return _exact({"type": {"enum": [kind]}, "required": _BOOLEAN, **more}, "type")


_STRING_RULES = _constrained("string", pattern=_TEXT, enum={"type": "array", "items": _TEXT})
_NUMBER_RULES = _constrained("number", minimum={"type": "integer"}, maximum={"type": "integer"})
_ELEMENT_RULES = {"oneOf": [_NUMBER_RULES, _STRING_RULES]}
_RULES = {
    "oneOf": [_NUMBER_RULES, _STRING_RULES, _constrained("array", elements=_ELEMENT_RULES), _constrained("boolean")]
}
_ATTRIBUTES = _named(_exact({"description": _TEXT, "constraints": _RULES}), maxProperties=25)
_FLAG = _exact({"name": _TITLE, "description": _TEXT, "attributes": _ATTRIBUTES, **_STAMPS})
_SET = {
    "type": "object",
    "properties": {"enabled": _BOOLEAN, **_STAMPS},
    "patternProperties": {_NAME: _VALUE},
    "additionalProperties": False,
}
FLAG_SCHEMA: Mapping[str, Any] = _exact(
    {"version": {"enum": ["1"]}, "flags": _named(_FLAG), "values": _named(_SET)}, "version"
)

_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "array": (list,),
    "number": (int, float),
}


def problems_of_flags(content: bytes, content_type: str) -> list[dict[str, str]]:
    """Return what is wrong with feature flags, as details of an error; nothing if they are fine."""
    if content_type != "application/json":
        return [{"Type": "CONTENT_TYPE", "Constraint": "application/json"}]
    found = problems_by_schema(content, FLAG_SCHEMA)
    return found or _problems_by_definition(json.loads(content))


def problems_by_schema(content: bytes, schema: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return where *content* does not fit a JSON Schema, as details of an error."""
    from jsonschema import Draft7Validator

    try:
        value = json.loads(content)
    except ValueError:
        return [{"Type": "JSON", "Reason": "no JSON"}]
    return [
        {"Type": "JSON_SCHEMA", "Constraint": str(each.validator), "Location": each.json_path, "Reason": each.message}
        for each in Draft7Validator(schema).iter_errors(value)
    ]


def _problems_by_definition(flags: Mapping[str, Any]) -> list[dict[str, str]]:
    found = []
    for name, value in flags.get("values", {}).items():
        defined = flags.get("flags", {}).get(name, {}).get("attributes", {})
        for attribute, each in value.items():
            if attribute == "enabled" or attribute.startswith("_"):
                continue
            kind = defined.get(attribute, {}).get("constraints", {}).get("type", "none")
            if not isinstance(each, _TYPES.get(kind, ())) or (isinstance(each, bool) and kind == "number"):
                found.append({"Type": "FLAG", "Constraint": kind, "Location": f"$.values.{name}.{attribute}"})
    return found


def stamped(content: bytes) -> bytes:
    """Return feature flags as the service keeps them: with the times of their making."""
    stamps = {"_createdAt": "2026-02-03T04:05:06.000Z", "_updatedAt": "2026-02-03T04:05:06.000Z"}
    value = json.loads(content)
    for part in ("flags", "values"):
        value[part] = {name: {**each, **stamps} for name, each in value.get(part, {}).items()}
    return json.dumps(value).encode()


def as_served(content: bytes) -> bytes:
    """Return feature flags as readers get them: without their definitions, and without what is not enabled has."""
    values = json.loads(content).get("values", {})
    shown = {name: {key: each[key] for key in each if not key.startswith("_")} for name, each in values.items()}
    return json.dumps(
        {name: each if each.get("enabled") else {"enabled": False} for name, each in shown.items()}
    ).encode()
