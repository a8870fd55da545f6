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
        seconds: the time that an answer may take.
    """

    name: str
    files: Mapping[str, bytes]
    found: tuple[tuple[str, str], ...] = ()
    seconds: float = 5.0


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


def of_text(name: str, suffix: str, body: str | bytes, *, fine: bool = False) -> BadInput:
    """Return one document as it is written, which no parser may take."""
    path = DOCUMENT + suffix
    text = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    found = () if fine else (("ParseError", path),)
    return BadInput(name, {"runpin.toml": MANIFEST.encode(), path: text}, found)


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

LAUGHS = "\n".join(
    [
        "a: &a [x, x, x, x, x, x, x, x, x]",
        *(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
    ]
)

TEXTS = (
    of_text("1-double", ".yaml", f"a: 1\na: {PLANTED}\n"),
    of_text("10-infinity", ".yaml", f"a: .inf\np: {PLANTED}\n"),
    of_text("12-no-date", ".yaml", "a: 2026-13-45\n", fine=True),
    of_text("18-mapping-as-key", ".yaml", f"? {{a: 1}}\n: {PLANTED}\n"),
    of_text("20-set", ".yaml", f"a: !!set {{{PLANTED}}}\n"),
    of_text("21-binary", ".yaml", "a: !!binary aHVudGVyMg==\n"),
    of_text("23-object", ".yaml", f"a: !!python/object/apply:os.system ['echo {PLANTED}']\n"),
    of_text("24-merge", ".yaml", f"a: &a {{p: {PLANTED}}}\nb: {{<<: *a}}\n"),
    of_text("25-in-itself", ".yaml", f"a: &a [*a, {PLANTED}]\n"),
    of_text("26-laughs", ".yaml", LAUGHS),
    of_text("29-equals", ".yaml", "a: =\n", fine=True),
    of_text("30-utf-16", ".yaml", f"a: {PLANTED}\n".encode("utf-16")),
    of_text("32-no-utf-8", ".yaml", b"a: \xff\xfehunter2-planted\n"),
    of_text("33-nul", ".yaml", f"a: {PLANTED}\0\n"),
    of_text("34-nul-escaped", ".yaml", f'a: "{PLANTED}\\0"\n'),
    of_text("35-hidden-line", ".yaml", f"a: x\u2028b: {PLANTED}\n"),
    of_text("36-turned-around", ".yaml", f"a: {PLANTED}\u202e\n"),
    of_text("37-half-character", ".yaml", f'a: "{PLANTED}\\uD800"\n'),
    of_text("41-endless-number", ".yaml", "a: " + "9" * 5000 + "\n"),
    of_text("41-endless-hex", ".yaml", "a: 0x" + "f" * 5000 + "\n"),
    of_text("43-brackets", ".yaml", "a: " + "[" * 30_000),
    of_text("43-dashes", ".yaml", "- " * 30_000 + "x"),
    of_text("43-questions", ".yaml", "? " * 30_000 + "x"),
    of_text("43-braces", ".yaml", "{a: " * 30_000),
    of_text("46-large", ".yaml", "a: " + "x" * 300_000),
    of_text("48-double", ".json", f'{{"a": 1, "a": "{PLANTED}"}}'),
    of_text("49-infinity", ".json", '{"a": 1e999}'),
    of_text("50-endless-number", ".json", '{"a": ' + "9" * 5000 + "}"),
    of_text("53-half-character", ".json", f'{{"a": "{PLANTED}\\ud800"}}'),
    of_text("55-trailing", ".json", f'{{"a": 1}} {PLANTED}'),
    of_text("58-scalar", ".json", f'"{PLANTED}"'),
    of_text("59-brackets", ".json", "[" * 250_000),
    of_text("59-braces", ".json", '{"a":' * 50_000),
    of_text("toml-brackets", ".toml", "a = " + "[" * 100_000),
    of_text("toml-dots", ".toml", ".".join("a" * 60_000) + " = 1"),
    of_text("toml-date", ".toml", f"a = 2026-01-01\np = '{PLANTED}'"),
)
"""One for each way in which a file harms its parser, or its reader."""
