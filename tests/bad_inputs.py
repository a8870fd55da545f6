"""
Files that crash, hang or deceive what reads them, each with the answer that it has to get.

Numbers in the names are those of the list this table was made from. Every document holds a text that nobody may see.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

PLANTED = "hunter2-planted"
DOCUMENT, SCHEMA = "payments/etl", "schemas/etl.json"
MANIFEST = """format = 1
environments = ["dev"]
[applications.payments]
documents = ["payments/*"]
"""
D4 = "http://json-schema.org/draft-04/schema#"


@dataclass(frozen=True, slots=True)
class BadInput:
    """
    A repository of one document, perhaps with a schema.

    Attributes:
        found: rule and file of each finding; none if the input is fine.
        reads: what the document says if it is fine and others would read something else.
    """

    name: str
    files: Mapping[str, bytes]
    found: tuple[tuple[str, str], ...] = ()
    reads: Mapping[str, Any] | None = None

    @property
    def number(self) -> int | None:
        """Its number in the list, if it has one."""
        first = self.name.partition("-")[0]
        return int(first) if first.isdecimal() else None


def about_schema(name: str, schema: Any, *rules: str, value: Any = None, where: str = "") -> BadInput:
    """Return a document of `{"a": value, "planted": ...}` with *schema*, whose findings have these rules."""
    body = json.dumps({"a": value, "planted": PLANTED}, indent=1)
    text = schema if isinstance(schema, str) else json.dumps(schema, indent=1)
    files = {
        "runpin.toml": MANIFEST + f'schemas = {{ etl = "{SCHEMA}" }}\n',
        f"{DOCUMENT}.json": body,
        SCHEMA: text,
    }
    where = where or f"{DOCUMENT}.json"
    return BadInput(name, {path: each.encode() for path, each in files.items()}, tuple((rule, where) for rule in rules))


def of_a(rules: Any) -> dict[str, Any]:
    """Return a schema with *rules* for the value `a`."""
    return {"properties": {"a": rules}}


def of_text(name: str, suffix: str, body: str | bytes, *, reads: Mapping[str, Any] | None = None) -> BadInput:
    """Return one document as it is written, which no parser may take unless it *reads* as something."""
    path = DOCUMENT + suffix
    text = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    found = () if reads is not None else (("ParseError", path),)
    return BadInput(name, {"runpin.toml": MANIFEST.encode(), path: text}, found, reads)


def deep(levels: int, leaf: Any) -> Any:
    """Return *leaf* inside of so many mappings."""
    for _ in range(levels):
        leaf = {"n": leaf}
    return leaf


def references(address: str) -> Iterator[BadInput]:
    """Yield schemas that refer to *address*, where somebody listens; nobody may come."""
    for name, rules in (
        ("60-http", {"$ref": f"{address}/x.json"}),
        ("61-redirect", {"$ref": f"{address}/redirect"}),
        ("62-file", {"$ref": "file:///etc/passwd"}),
        ("63-relative", {"$id": f"{address}/base.json", "$ref": "x.json"}),
        ("64-stalled", {"allOf": [{"$ref": f"{address}/stalled#/$defs/a"}]}),
        ("64-dynamic", {"$dynamicRef": f"{address}/x.json#y"}),
    ):
        yield about_schema(name, of_a(rules), "$ref", value=1, where=SCHEMA)
    # Schemas of drafts are known here, and the address of an unknown one is not asked either.
    yield about_schema("60-draft", {"$schema": f"{address}/draft"}, "$schema", where=SCHEMA)


BRANCHES = {
    "$ref": "#/$defs/n",
    "$defs": {
        "n": {"anyOf": [{"type": "object", "properties": {"n": {"$ref": "#/$defs/n"}}, "required": [k]} for k in "nnn"]}
    },
}

SCHEMAS = (
    about_schema("65-itself", {"$ref": "#"}, "$ref", where=SCHEMA),
    about_schema(
        "65-each-other",
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
        "$ref",
        where=SCHEMA,
    ),
    about_schema(
        "66-recursive-data",
        {"$ref": "#/$defs/n", "$defs": {"n": {"additionalProperties": {"$ref": "#/$defs/n"}}}},
        value=deep(60, 1),
    ),
    about_schema("67-redos", of_a({"pattern": "^(a+)+$"}), "properties/a/pattern", value="a" * 60_000 + "!"),
    about_schema("67-redos-key", {"propertyNames": {"pattern": "^(a+)+$"}}, "propertyNames/pattern"),
    about_schema("68-redos-members", {"patternProperties": {"^([a-z]+)+$": {"type": "string"}}}, value="x"),
    about_schema(
        "68-redos-rest",
        {"patternProperties": {"^(a+)+$": {}}, "additionalProperties": False},
        "additionalProperties",
        value="x",
    ),
    about_schema("69-no-regex", of_a({"pattern": "("}), "format", where=SCHEMA),
    about_schema("69-look-ahead", of_a({"pattern": "^(?!x)"}), "format", where=SCHEMA),
    about_schema("70-letters", of_a({"pattern": r"^\p{L}+$"}), value="Zürich"),
    about_schema("71-line-end", of_a({"pattern": "^[a-z]+$"}), "properties/a/pattern", value="abc\n"),
    about_schema("72-anywhere", of_a({"pattern": "b"}), value="abc"),
    about_schema("74-unique", of_a({"uniqueItems": True}), value=[{"n": number} for number in range(3000)]),
    about_schema("75-unknown-keyword", {"requird": ["b"]}),
    about_schema("76-nothing", {}),
    about_schema("76-true", "true", "ParseError", where=SCHEMA),
    about_schema("77-null", "null", "ParseError", where=SCHEMA),
    about_schema("77-null-inside", of_a(None), "type", where=SCHEMA),
    about_schema("78-unknown-draft", {"$schema": "https://example.org/mine"}, "$schema", where=SCHEMA),
    about_schema(
        "79-draft-4", {"$schema": D4, **of_a({"minimum": 1, "exclusiveMinimum": True})}, "$schema", where=SCHEMA
    ),
    about_schema("79-draft-4-unsaid", of_a({"minimum": 1, "exclusiveMinimum": True}), "type", where=SCHEMA),
    about_schema("80-tuple", of_a({"items": [{"type": "string"}]}), "type", value=[1], where=SCHEMA),
    about_schema("81-format", of_a({"format": "date"}), "properties/a/format", value=PLANTED),
    about_schema("82-whole-float", of_a({"type": "integer"}), value=1.0),
    about_schema("82-boolean", of_a({"type": "integer"}), "properties/a/type", value=True),
    about_schema("83-nan", of_a({"minimum": 0}), "ParseError", value=float("nan")),
    about_schema("84-tenths", of_a({"multipleOf": 0.1}), value=0.3),
    about_schema("84-not-tenths", of_a({"multipleOf": 0.1}), "properties/a/multipleOf", value=0.35),
    about_schema("84-huge", of_a({"multipleOf": 1e-300}), value=1e300),
    about_schema("86-secret-type", of_a({"type": "integer"}), "properties/a/type", value=PLANTED),
    about_schema("86-secret-enum", of_a({"enum": ["x"]}), "properties/a/enum", value=PLANTED),
    about_schema("86-secret-const", of_a({"const": {}}), "properties/a/const", value={"b": [PLANTED]}),
    about_schema(
        "86-secret-any", of_a({"anyOf": [{"type": "null"}, {"maxLength": 1}]}), "properties/a/anyOf", value=PLANTED
    ),
    about_schema("87-default", of_a({"default": "x"}), value=None),
    about_schema("deep-schema", "[" * 100_000, "ParseError", where=SCHEMA),
    about_schema("deep-schema-flow", '{"allOf":' * 70 + "1", "ParseError", where=SCHEMA),
    about_schema("bad-address", of_a({"$ref": "http://["}), "$ref", where=SCHEMA),
    about_schema("large-pattern", of_a({"pattern": r"\p{L}{1000}"}), "format", where=SCHEMA),
    about_schema("unknown-reference", of_a({"$ref": "#/$defs/none"}), "$ref", where=SCHEMA),
)
"""One for each way in which a schema harms."""

EXPONENTIAL = about_schema("73-exponential", BRANCHES, "CheckFailed", value=None)
"""What no keyword by itself is to blame for; the limit on processor time ends it."""

MESSAGE = "schemas/etl.proto"
PROTO = """syntax = "proto3";
package payments;
import "google/protobuf/struct.proto";
message Etl {
  int32 a = 1;
  string planted = 2;
  google.protobuf.Struct free = 3;
  double ratio = 4;
  int64 big_number = 5;
}
"""


def of_message(name: str, body: str | bytes, *rules: str, proto: str = PROTO, where: str = "") -> BadInput:
    """Return a document as it is written, which a Protobuf message is its schema of."""
    files = {
        "runpin.toml": (MANIFEST + f'schemas = {{ etl = "{MESSAGE}#payments.Etl" }}\n').encode(),
        f"{DOCUMENT}.json": body if isinstance(body, bytes) else body.encode(),
        MESSAGE: proto.encode(),
    }
    return BadInput(name, files, tuple((rule, where or f"{DOCUMENT}.json") for rule in rules))


def planted(members: str) -> str:
    """Return a document of these *members*, written as JSON, and of the text that nobody may see."""
    return f'{{"planted": "{PLANTED}", {members}}}'


MESSAGES = (
    of_message("88-double", planted('"a": 1, "a": 2'), "ParseError"),
    of_message("88-double-by-two-names", planted('"big_number": 1, "bigNumber": 2'), "protobuf/duplicate-field"),
    of_message("89-struct-60-deep", planted(f'"free": {json.dumps(deep(60, 1))}')),
    of_message("89-struct-too-deep", planted(f'"free": {json.dumps(deep(90, 1))}'), "ParseError"),
    of_message("90-no-number-in-struct", planted('"free": {"x": NaN}'), "ParseError"),
    of_message("91-rounded-in-struct", planted('"free": {"x": 9007199254740993}'), "ParseError"),
    of_message("91-exact-in-quotes", planted('"bigNumber": "9007199254740993"')),
    of_message("92-unknown-field", planted(f'"b": "{PLANTED}"'), "protobuf/unknown-field"),
    of_message("93-overflow", planted('"a": 2147483648'), "protobuf/int32"),
    of_message("93-overflow-in-quotes", planted('"bigNumber": "9223372036854775808"'), "protobuf/int64"),
    of_message("94-no-utf-8", b'{"planted": "hunter2-planted\xff"}', "ParseError"),
    of_message("94-cut-off", planted('"a": 1')[:-1], "ParseError"),
    of_message("94-wrong-type", planted(f'"ratio": "{PLANTED}"'), "protobuf/double"),
    of_message("proto-broken", planted('"a": 1'), "protobuf/compile", proto="message {", where=MESSAGE),
    of_message(
        "proto-elsewhere",
        planted('"a": 1'),
        "protobuf/import",
        proto=PROTO.replace('import "', 'import "/etc/passwd";\nimport "', 1),
        where=MESSAGE,
    ),
)
"""One for each way in which Protobuf's JSON is read otherwise than it was meant, and what `.proto` files do."""
