"""Whatever a document breaks, its values stay out of the findings."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runpin.compiling import document_of
from runpin.parsing import parse
from runpin.validation import validate

CANARY = "hunter2-canary"
NUMBER = 424242

# One way to break each keyword, with a value that nobody may see.
BREACHES: list[tuple[str, Any, dict[str, Any]]] = [
    ("type", CANARY, {"type": "integer"}),
    ("type", NUMBER, {"type": "string"}),
    ("enum", CANARY, {"enum": ["x", "hunter"]}),
    ("const", CANARY, {"const": "hunter"}),
    ("minimum", NUMBER, {"minimum": 1_000_000}),
    ("maximum", NUMBER, {"maximum": 1}),
    ("exclusiveMinimum", NUMBER, {"exclusiveMinimum": 1_000_000}),
    ("exclusiveMaximum", NUMBER, {"exclusiveMaximum": 1}),
    ("multipleOf", NUMBER, {"multipleOf": 5}),
    ("minLength", CANARY, {"minLength": 100}),
    ("maxLength", CANARY, {"maxLength": 1}),
    ("pattern", CANARY, {"pattern": "^x"}),
    ("format", CANARY, {"format": "ipv4"}),
    ("format", f"{CANARY}(", {"format": "regex"}),
    ("minItems", [CANARY], {"minItems": 2}),
    ("maxItems", [CANARY], {"maxItems": 0}),
    ("uniqueItems", [CANARY, CANARY], {"uniqueItems": True}),
    ("contains", [CANARY], {"contains": {"type": "integer"}}),
    ("maxContains", [CANARY, CANARY], {"contains": {"type": "string"}, "maxContains": 1}),
    ("minContains", [CANARY], {"contains": {"type": "string"}, "minContains": 2}),
    ("prefixItems", [CANARY], {"prefixItems": [{"type": "integer"}]}),
    ("items", [CANARY], {"items": {"type": "integer"}}),
    ("items", [CANARY, CANARY], {"prefixItems": [True], "items": False}),
    ("unevaluatedItems", [CANARY], {"unevaluatedItems": False}),
    ("properties", {"k": CANARY}, {"properties": {"k": {"type": "integer"}}}),
    ("properties", {"k": CANARY}, {"properties": {"k": False}}),
    ("patternProperties", {"k": CANARY}, {"patternProperties": {"k": {"type": "integer"}}}),
    ("patternProperties", {"k": CANARY}, {"patternProperties": {"k": False}}),
    ("additionalProperties", {"k": CANARY}, {"additionalProperties": False}),
    ("additionalProperties", {"k": CANARY}, {"additionalProperties": {"type": "integer"}}),
    ("unevaluatedProperties", {"k": CANARY}, {"unevaluatedProperties": False}),
    ("unevaluatedProperties", {"k": CANARY}, {"unevaluatedProperties": {"type": "integer"}}),
    ("propertyNames", {CANARY: 1}, {"propertyNames": {"maxLength": 1}}),
    ("propertyNames", {CANARY: 1}, {"propertyNames": {"enum": ["hunter"]}}),
    ("propertyNames", {CANARY: 1}, {"propertyNames": {"pattern": "^x"}}),
    ("propertyNames", {CANARY: 1}, {"propertyNames": {"anyOf": [{"const": "x"}, {"format": "ipv4"}]}}),
    ("propertyNames", {CANARY: 1}, {"propertyNames": False}),
    ("minProperties", {"k": CANARY}, {"minProperties": 2}),
    ("maxProperties", {"k": CANARY}, {"maxProperties": 0}),
    ("required", {"k": CANARY}, {"required": ["x"]}),
    ("dependentRequired", {"k": CANARY}, {"dependentRequired": {"k": ["x"]}}),
    ("dependentSchemas", {"k": CANARY}, {"dependentSchemas": {"k": {"required": ["x"]}}}),
    ("dependentSchemas", {"k": CANARY}, {"dependentSchemas": {"k": False}}),
    ("allOf", CANARY, {"allOf": [{"type": "integer"}, False]}),
    ("anyOf", CANARY, {"anyOf": [{"type": "integer"}, {"const": "x"}, {"pattern": "^x"}]}),
    ("anyOf", {"k": CANARY}, {"anyOf": [{"properties": {"k": False}}, {"additionalProperties": False}]}),
    ("oneOf", CANARY, {"oneOf": [{"type": "integer"}, {"enum": ["x"]}]}),
    ("oneOf", CANARY, {"oneOf": [{"type": "string"}, True]}),
    ("not", CANARY, {"not": {"type": "string"}}),
    ("if", CANARY, {"if": {"type": "string"}, "then": {"maxLength": 1}}),
    ("if", CANARY, {"if": {"type": "integer"}, "else": False}),
    ("$ref", CANARY, {"$ref": "#/$defs/number"}),
    ("$dynamicRef", CANARY, {"$dynamicRef": "#number"}),
]
DEFINITIONS = {"number": {"$dynamicAnchor": "number", "type": "integer"}}


@pytest.mark.parametrize(("keyword", "value", "rules"), BREACHES)
def test_no_finding_holds_a_value(keyword: str, value: Any, rules: dict[str, Any]) -> None:
    """A breach of each keyword is found, and neither text nor fields of the finding hold what was there."""
    body = json.dumps({"secret": value}, indent=1).encode()
    content = {"properties": {"secret": rules}, "$defs": DEFINITIONS}

    found = validate(
        [document_of("etl", parse("etl.json", body))], {"etl": parse("s.json", json.dumps(content).encode())}
    )

    assert found, keyword
    for finding in found:
        shown = f"{finding} {finding!r} {finding.fix}"
        assert CANARY not in shown
        assert str(NUMBER) not in shown
        assert finding.pointer.startswith("/secret")


def test_every_keyword_of_the_library_is_broken_above() -> None:
    """A keyword that the library knows and this table does not would go untested."""
    from jsonschema import Draft202012Validator

    known = {keyword for keyword in Draft202012Validator.VALIDATORS if keyword != "additionalItems"}
    broken = {keyword for keyword, _, _ in BREACHES}

    assert set() == known - broken


OLDER: list[dict[str, Any]] = [
    {"dependencies": {"k": ["x"]}},
    {"dependencies": {"k": False}},
    {"dependencies": {"k": {"required": ["x"]}}},
    {"additionalItems": False, "items": []},
    {"items": {"type": "integer"}},
    {"contains": {"const": 1}},
]


@pytest.mark.parametrize("rules", OLDER)
def test_keywords_of_older_drafts_hold_no_value_either(rules: dict[str, Any]) -> None:
    """The keywords that only draft 7 has say nothing of the value."""
    content = {"$schema": "http://json-schema.org/draft-07/schema#", "properties": {"a": rules, "b": rules}}
    body = json.dumps({"a": {"k": CANARY}, "b": [CANARY]}).encode()

    found = validate(
        [document_of("etl", parse("etl.json", body))], {"etl": parse("s.json", json.dumps(content).encode())}
    )

    assert found
    assert CANARY not in repr(found)
