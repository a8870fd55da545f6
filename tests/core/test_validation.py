"""Documents are checked against their JSON Schemas, offline, and findings lead to the line."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from runpin.compiling import document_of, merge
from runpin.model import Document, Finding, Origin
from runpin.parsing import Parsed, parse
from runpin.validation import validate

D2020 = "https://json-schema.org/draft/2020-12/schema"
D2019 = "https://json-schema.org/draft/2019-09/schema"
D7 = "http://json-schema.org/draft-07/schema#"

ETL = """batch_size: "500"
source:
  kind: s4
  hosts:
    - db
    - ""
retires: 3
"""
SCHEMA = """$schema: https://json-schema.org/draft/2020-12/schema
type: object
required: [batch_size, owner]
properties:
  batch_size: {type: integer, minimum: 1}
  source:
    type: object
    required: [path]
    properties:
      kind: {enum: [s3, gcs]}
      hosts: {items: {$ref: '#/$defs/host'}}
  retries: {type: integer}
  owner: true
additionalProperties: false
$defs:
  host: {type: string, minLength: 1}
"""


def document(text: str, name: str = "etl") -> Document:
    """Return *text*, which is YAML, as a document."""
    return document_of(name, parse(f"{name}.yaml", text.encode()))


def schema(content: dict[str, Any] | str, file: str = "schema.json") -> Parsed:
    """Return a schema as it is read from the repository."""
    return parse(file, (content if isinstance(content, str) else json.dumps(content, indent=1)).encode())


def findings(text: str, content: dict[str, Any] | str) -> tuple[Finding, ...]:
    """Check one document against one schema."""
    file = "schema.yaml" if isinstance(content, str) else "schema.json"
    return validate([document(text)], {"etl": schema(content, file)})


def test_everything_that_is_wrong_is_found_in_the_order_of_the_file() -> None:
    """All findings come at once: by document and line, each with pointer, rule, what is expected and a fix."""
    found = findings(ETL, SCHEMA)

    assert [
        (1, "", "required", 'the key "owner" is missing', 'add "owner"'),
        (1, "/batch_size", "properties/batch_size/type", "must be of type integer", "remove the quotes"),
        (2, "/source", "properties/source/required", 'the key "path" is missing', 'add "path"'),
        (3, "/source/kind", "properties/source/properties/kind/enum", 'must be one of "s3", "gcs"', None),
        (
            6,
            "/source/hosts/1",
            "properties/source/properties/hosts/items/minLength",
            "must have at least 1 characters",
            None,
        ),
        (7, "/retires", "additionalProperties", "the key is not declared", "did you mean 'retries'?"),
    ] == [(each.origin and each.origin.line, each.pointer, each.rule, each.message, each.fix) for each in found]
    assert {("etl", "error")} == {(each.document, each.severity) for each in found}


def test_a_document_that_fits_has_no_findings() -> None:
    """Nothing is said about what is right, nor about documents without a schema."""
    assert () == findings("batch_size: 1.0\nowner: me\n", SCHEMA)
    assert () == validate([document("a: 1", "other")], {"etl": schema(SCHEMA, "s.yaml")})


def test_a_finding_leads_to_the_layer_that_set_the_value() -> None:
    """What an overlay broke is found in the overlay's file, and what is missing where the mapping begins."""
    base, overlay = parse("etl.yaml", b"a: {b: 1}\n"), parse("prod/etl.yaml", b"# prod\na:\n  b: x\n")
    merged = document_of("etl", merge(base, overlay))
    rules = {"properties": {"a": {"required": ["c"], "properties": {"b": {"type": "integer"}}}}}

    found = validate([merged], {"etl": schema(rules)})

    assert [Origin("etl.yaml", 1), Origin("prod/etl.yaml", 3)] == [each.origin for each in found]


def test_a_document_from_a_store_can_be_validated() -> None:
    """Without origins findings still have their pointers."""
    stored = document("a: x")
    stored = Document(stored.name, stored.value, stored.body, stored.digest)

    found = validate([stored], {"etl": schema({"properties": {"a": {"type": "integer"}}})})

    assert [("/a", None)] == [(each.pointer, each.origin) for each in found]


@pytest.mark.parametrize(
    ("draft", "rules", "count"),
    [
        (None, {"prefixItems": [{"type": "string"}]}, 1),
        (D2020, {"prefixItems": [{"type": "string"}]}, 1),
        (D2019, {"items": [{"type": "string"}]}, 1),
        (D2019 + "#", {"items": [{"type": "string"}], "unevaluatedItems": False}, 2),
        (D7, {"items": [{"type": "string"}], "additionalItems": False}, 2),
        (D7, {"prefixItems": [{"type": "string"}]}, 0),
    ],
)
def test_the_schema_says_which_draft_it_is(draft: str | None, rules: dict[str, Any], count: int) -> None:
    """Draft 2020-12 is the default, 2019-09 and 7 mean what they meant."""
    content: dict[str, Any] = {"properties": {"a": rules}} | ({"$schema": draft} if draft else {})

    assert count == len(findings("a: [1, 2]", content))


@pytest.mark.parametrize(
    ("content", "line", "rule"),
    [
        ({"$schema": "http://json-schema.org/draft-04/schema#"}, 2, "$schema"),
        ({"title": "x", "$schema": 7}, 3, "$schema"),
        ({"type": "strnig"}, 2, "anyOf"),
        ({"properties": {"a": {"pattern": "("}}}, 4, "format"),
        ({"properties": {"a": {"pattern": "(?=x)"}}}, 4, "format"),
        ({"properties": {"a": {"pattern": "(" * 3000}}}, 4, "format"),
        ({"patternProperties": {"[": {}}}, 2, "format"),
        ({"properties": {"a": {"exclusiveMinimum": True}}}, 4, "type"),
        ({"required": "a"}, 2, "type"),
        ({"properties": {"a": None}}, 3, "type"),
        ({"properties": {"a": {"$ref": "#/$defs/none"}}}, 4, "$ref"),
        ({"properties": {"a": {"$ref": "#none"}}}, 4, "$ref"),
        ({"$ref": "#"}, 1, "$ref"),
        ({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}, 1, "$ref"),
        ({"properties": {"a": {"$ref": "http://["}}}, 4, "$ref"),
        ({"$id": "http://[", "$ref": "x"}, 1, "$schema"),
    ],
)
def test_a_schema_that_cannot_be_used_is_a_finding_on_its_file(content: dict[str, Any], line: int, rule: str) -> None:
    """Bad schemas, bad patterns and endless references are said of the schema, with its line, and crash nothing."""
    found = findings("a: x\n", content)

    assert [("schema.json", Origin("schema.json", line), rule)] == [
        (each.document, each.origin, each.rule) for each in found
    ]
    assert found[0].fix


def test_a_bad_schema_is_found_once_for_all_its_documents() -> None:
    """Documents that share a bad schema share its finding."""
    bad = schema({"type": "strnig"})

    assert 1 == len(validate([document("a: 1", "one"), document("a: 1", "two")], {"one": bad, "two": bad}))


def test_a_schema_as_deep_as_files_may_be_is_applied() -> None:
    """The deepest schema and the deepest document that can be parsed end in an answer."""
    rules: dict[str, Any] = {"type": "integer"}
    for _ in range(30):
        rules = {"properties": {"a": rules}}
    recursive = {"$ref": "#/$defs/n", "$defs": {"n": {"additionalProperties": {"$ref": "#/$defs/n"}, "type": "object"}}}

    assert ["/a" * 30] == [each.pointer for each in findings("{a: " * 30 + "x" + "}" * 30, rules)]
    assert ["/a" * 60] == [each.pointer for each in findings("{a: " * 60 + "x" + "}" * 60, recursive)]


def test_nothing_is_fetched(tmp_path: Path) -> None:
    """No reference, relative or absolute, by http or file, opens a connection or a file."""
    outside = tmp_path / "outside.json"
    outside.write_text('{"type": "integer"}')
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        address = f"http://user:hunter2@127.0.0.1:{server.getsockname()[1]}"
        for content in (
            {"$ref": f"{address}/x.json"},
            {"$id": f"{address}/base.json", "$ref": "x.json"},
            {"$ref": outside.as_uri()},
            {"$dynamicRef": f"{address}/x.json#y"},
        ):
            found = findings("a: x\n", content)

            assert ["$ref"] == [each.rule for each in found]
            assert "hunter2" not in repr(found)
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("date", "2026-02-28", "2026-02-30"),
        ("date", "2026-02-28", "20260228"),
        ("date-time", "2026-01-01T00:00:00Z", "2026-01-01"),
        ("date-time", "2026-01-01t23:59:59.123456789+01:00", "2026-01-01T24:00:00Z"),
        ("date-time", "2026-01-01T00:00:00-23:59", "2026-01-01T00:00:00"),
        ("duration", "P1DT2H", "P"),
        ("duration", "P3W", "1h"),
        ("email", "a@b", "a b@c"),
        ("hostname", "db-1.internal", "-db"),
        ("hostname", "a", "a..b"),
        ("ipv4", "10.0.0.1", "10.0.0.256"),
        ("ipv6", "::1", "::g"),
        ("regex", "^a+$", "("),
        ("regex", "[[a]", "(?!a)b"),
        ("time", "00:00:00Z", "00:00"),
        ("uri", "s3://bucket/key", "bucket/key"),
        ("uri", "https://example.org/?a=b#c", "https://a b"),
        ("uuid", "123e4567-e89b-12d3-a456-426614174000", "123e4567e89b12d3a456426614174000"),
    ],
)
def test_formats_are_asserted(name: str, good: str, bad: str) -> None:
    """Each format of the documented list accepts what it should and finds what it should not."""
    rules = {"properties": {"a": {"format": name}}}

    assert () == findings(f"a: '{good}'", rules)
    assert [f'must be of the format "{name}"'] == [each.message for each in findings(f"a: '{bad}'", rules)]
    assert () == findings("a: 1", rules)


def test_other_formats_assert_nothing() -> None:
    """A format that is not listed is a note, on every host, whichever packages are installed there."""
    assert () == findings("a: ']['", {"properties": {"a": {"format": "iri"}, "b": {"format": "idn-hostname"}}})


@pytest.mark.parametrize(
    ("text", "rules", "message"),
    [
        ("a: 1", {"minimum": 2}, "must be at least 2"),
        ("a: 1", {"maximum": 0.5}, "must be at most 0.5"),
        ("a: 1", {"exclusiveMinimum": 1}, "must be more than 1"),
        ("a: 1", {"exclusiveMaximum": 1}, "must be less than 1"),
        ("a: 1", {"multipleOf": 2}, "must be a multiple of 2"),
        ("a: x", {"pattern": "^[0-9]+$"}, 'must match the pattern "^[0-9]+$"'),
        ("a: x", {"const": {"b": 1}}, 'must be {"b": 1}'),
        ("a: x", {"type": ["integer", "null"]}, "must be of type integer or null"),
        ("a: x", {"enum": list(range(20))}, "must be one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 8 more"),
        ("a: x", {"const": "y" * 500}, 'must be "' + "y" * 119 + "…"),
        ("a: [1, 1]", {"uniqueItems": True}, "must not hold an item twice"),
        ("a: [1]", {"contains": {"const": 2}}, "must hold an item that fits `contains`"),
        ("a: [1]", {"contains": {"const": 1}, "minContains": 2}, "must hold at least 2 items that fit `contains`"),
        ("a: {b: 1}", {"propertyNames": {"minLength": 2}}, "the name of a key here must have at least 2 characters"),
        ("a: {b: 1}", {"properties": {"b": False}}, "is not allowed at all"),
        ("a: {b: 1}", {"patternProperties": {"^b": False}}, "is not allowed at all"),
        ("a: x", {"allOf": [False]}, "is not allowed at all"),
        ("a: {b: 1}", {"dependentRequired": {"b": ["c"]}}, 'the key "c" is missing, which "b" needs'),
        ("a: x", {"not": {"type": "string"}}, "must not fit the schema below `not`"),
        (
            "a: 1",
            {"oneOf": [{"minimum": 0}, {"maximum": 9}]},
            "must fit exactly one of the 2 alternatives, and fits more",
        ),
        (
            "a: {kind: s3}",
            {"anyOf": [{"type": "string"}, {"required": ["path"]}]},
            'must fit one of 2 alternatives; the closest one says: the key "path" is missing',
        ),
        (
            "a: {b: {c: x}}",
            {"oneOf": [{"type": "null"}, {"properties": {"b": {"properties": {"c": {"type": "integer"}}}}}]},
            "must fit one of 2 alternatives; the closest one says at /b/c: must be of type integer",
        ),
    ],
)
def test_messages_say_what_is_expected(text: str, rules: dict[str, Any], message: str) -> None:
    """Each keyword has its own sentence, made of the schema."""
    assert [message] == [each.message for each in findings(text, {"properties": {"a": rules}})]


@pytest.mark.parametrize(
    ("text", "kind", "fix"),
    [
        ("a: yes", "boolean", "write true or false, without quotes"),
        ("a: '1'", "number", "remove the quotes"),
        ("a: 'null'", "null", "remove the quotes"),
        ("a: 1", "string", "put it in quotes"),
        ("a: [1]", "string", None),
        ("a: x", "array", None),
    ],
)
def test_a_wrong_type_has_a_fix_where_it_is_obvious(text: str, kind: str, fix: str | None) -> None:
    """Quotes too many or too few are the common cause, and YAML 1.1's booleans the other."""
    assert [fix] == [each.fix for each in findings(text, {"properties": {"a": {"type": kind}}})]
