"""YAML, JSON and TOML that other parsers crash on, hang on, or read as something that nobody wrote."""

from __future__ import annotations

from typing import Any

from bad_inputs import PLANTED, BadInput, of_text

LAUGHS = "\n".join(
    [
        "a: &a [x, x, x, x, x, x, x, x, x]",
        *(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
    ]
)


def yaml(name: str, body: str | bytes) -> BadInput:
    """Return YAML that is refused."""
    return of_text(name, ".yaml", body)


def json(name: str, body: str | bytes) -> BadInput:
    """Return JSON that is refused."""
    return of_text(name, ".json", body)


def toml(name: str, body: str) -> BadInput:
    """Return TOML that is refused."""
    return of_text(name, ".toml", body)


def read(name: str, suffix: str, body: str, value: Any) -> BadInput:
    """Return what is not refused, and what `a` is then."""
    return of_text(name, suffix, body, reads={"a": value})


REFUSED_YAML = (
    yaml("1-double", f"a: 1\na: {PLANTED}\n"),
    yaml("2-double-in-flow", f"a: {{b: 1, b: {PLANTED}}}\n"),
    yaml("10-infinity", f"a: .inf\np: {PLANTED}\n"),
    yaml("10-no-number", f"a: .nan\np: {PLANTED}\n"),
    yaml("10-beyond-floats", f"a: 1.0e+999\np: {PLANTED}\n"),
    yaml("13-empty", ""),
    yaml("13-comment", f"# {PLANTED}\n"),
    yaml("14-scalar", f"{PLANTED}\n"),
    yaml("14-list", f"- {PLANTED}\n"),
    yaml("15-two-documents", f"a: 1\n---\na: {PLANTED}\n"),
    yaml("16-keys-that-collide", f"1: {PLANTED}\ntrue: b\n1.0: c\n"),
    yaml("17-number-beside-text", f"1: {PLANTED}\n'1': b\n"),
    yaml("18-mapping-as-key", f"? {{a: 1}}\n: {PLANTED}\n"),
    yaml("18-list-as-key", f"? [a]\n: {PLANTED}\n"),
    yaml("19-keys-of-all-kinds", f"a: {PLANTED}\n2: b\nnull: c\n"),
    yaml("20-set", f"a: !!set {{{PLANTED}}}\n"),
    yaml("21-binary", "a: !!binary aHVudGVyMi1wbGFudGVk\n"),
    yaml("22-omap", f"a: !!omap [b: {PLANTED}]\n"),
    yaml("23-object", f"a: !!python/object/apply:os.system ['echo {PLANTED}']\n"),
    yaml("23-name", f"a: !!python/name:os.system {PLANTED}\n"),
    yaml("24-merge", f"a: &a {{p: {PLANTED}}}\nb: {{<<: *a}}\n"),
    yaml("24-merge-of-nothing", f"a: {PLANTED}\n<<: {{b: 1}}\n"),
    yaml("24-merge-twice", f"a: {PLANTED}\n<<: {{b: 1}}\n<<: {{b: 2}}\n"),
    yaml("25-in-itself", f"a: &a [*a, {PLANTED}]\n"),
    yaml("26-laughs", LAUGHS),
    yaml("27-unknown-alias", f"a: *{PLANTED}\n"),
    yaml("28-anchor-twice", f"a: &x {PLANTED}\nb: &x 2\nc: *x\n"),
    yaml("30-mark", f"\ufeffa: {PLANTED}\n"),
    yaml("30-utf-16", f"a: {PLANTED}\n".encode("utf-16")),
    yaml("30-utf-16-without-mark", f"a: {PLANTED}\n".encode("utf-16-le")),
    yaml("31-bare-returns", f"a: 1\rb: {PLANTED}\r"),
    yaml("32-no-utf-8", b"a: \xff\xfehunter2-planted\n"),
    yaml("33-nul", f"a: {PLANTED}\0\n"),
    yaml("34-nul-escaped", f'a: "{PLANTED}\\0"\n'),
    yaml("35-hidden-line", f"a: x\u2028b: {PLANTED}\n"),
    yaml("35-next-line", f"a: x\u0085b: {PLANTED}\n"),
    yaml("35-hidden-line-escaped", f'a: "{PLANTED}\\L"\n'),
    yaml("36-turned-around", f"a: {PLANTED}\u202e\n"),
    yaml("36-turned-around-escaped", f'a: "{PLANTED}\\u202e"\n'),
    yaml("37-half-character", f'a: "{PLANTED}\\uD800"\n'),
    yaml("38-no-width", f"a: 1\na\u200b: {PLANTED}\n"),
    yaml("39-twins", f"\u00e9: 1\ne\u0301: {PLANTED}\n"),
    yaml("40-tab", f"a:\n\tb: {PLANTED}\n"),
    yaml("41-endless-number", "a: " + "9" * 5000 + "\n"),
    yaml("41-endless-hex", "a: 0x" + "f" * 5000 + "\n"),
    yaml("42-depth-500", "a: " + "[" * 500 + "]" * 500),
    yaml("42-depth-500-blocks", "".join(" " * level + "a:\n" for level in range(500))),
    yaml("43-brackets", "a: " + "[" * 30_000),
    yaml("43-dashes", "- " * 30_000 + "x"),
    yaml("43-questions", "? " * 30_000 + "x"),
    yaml("43-braces", "{a: " * 30_000),
    yaml("44-long-key", "k" * 1025 + f": {PLANTED}\n"),
    yaml("44-long-key-asked", "? " + "k" * 1025 + f"\n: {PLANTED}\n"),
    yaml("45-directive", f"%YAML 1.2\n---\na: {PLANTED}\n"),
    yaml("45-tag-directive", f"%TAG ! tag:{PLANTED},2000:\n---\na: !b c\n"),
    yaml("46-large", "a: " + "x" * 300_000),
    yaml("46-long-text", "a: " + "x" * 70_000),
    yaml("46-many-values", "a: [" + "1," * 50_000 + "]"),
    yaml("yaml-broken", f"a: [{PLANTED}\nb: }}"),
    yaml("yaml-broken-quote", f'a: "{PLANTED}\n'),
    yaml("yaml-broken-escape", f'a: "\\q{PLANTED}"\n'),
    yaml("yaml-broken-indent", f"a: 1\n  b: {PLANTED}\n"),
    yaml("yaml-broken-start", f"a: @{PLANTED}\n"),
)
"""YAML that no document may be made of."""

READ_YAML = (
    read(
        "3-norway", ".yaml", "a: [no, yes, on, off, No, ON, y, n]\n", ["no", "yes", "on", "off", "No", "ON", "y", "n"]
    ),
    read("4-key-on", ".yaml", "a: {on: 1, no: 2}\n", {"on": 1, "no": 2}),
    read("5-octal", ".yaml", "a: [0755, 0o755, 010]\n", [755, 493, 10]),
    read("6-sixties", ".yaml", "a: [12:30, 190:20:30]\n", ["12:30", "190:20:30"]),
    read("7-underscores", ".yaml", "a: 1_000_000\n", "1_000_000"),
    read("8-version", ".yaml", "a: [3.10, '3.10']\n", [3.1, "3.10"]),
    read("9-exponents", ".yaml", "a: [1e3, 1.0e+3, 1E3]\n", [1000, 1000, 1000]),
    read("11-date", ".yaml", "a: [2026-01-01, 2026-01-01T10:00:00Z]\n", ["2026-01-01", "2026-01-01T10:00:00Z"]),
    read("12-no-date", ".yaml", "a: 2026-13-45\n", "2026-13-45"),
    read("29-equals", ".yaml", "a: =\n", "="),
    read("31-dos-lines", ".yaml", "a: 1\r\n", 1),
    read("31-dos-text", ".yaml", "a: |\r\n  x\r\n  y\r\n", "x\ny\n"),
)
"""YAML that others read otherwise, and what it says here."""

REFUSED_JSON = (
    json("48-double", f'{{"a": 1, "a": "{PLANTED}"}}'),
    json("48-double-escaped", f'{{"a": 1, "\\u0061": "{PLANTED}"}}'),
    json("49-infinity", '{"a": 1e999}'),
    json("49-no-number", f'{{"a": NaN, "b": "{PLANTED}"}}'),
    json("49-infinity-spelled", f'{{"a": -Infinity, "b": "{PLANTED}"}}'),
    json("50-endless-number", '{"a": ' + "9" * 5000 + "}"),
    json("50-thirty-digits", '{"a": ' + "9" * 30 + "}"),
    json("51-rounded", '{"a": 9007199254740993}'),
    json("51-rounded-as-float", '{"a": 9007199254740993.0}'),
    json("52-depth-1000", '{"a": ' + "[" * 1000 + "]" * 1000 + "}"),
    json("53-half-character", f'{{"a": "{PLANTED}\\ud800"}}'),
    json("54-mark", f'\ufeff{{"a": "{PLANTED}"}}'),
    json("55-trailing", f'{{"a": 1}} {PLANTED}'),
    json("55-two-documents", f'{{"a": 1}}{{"a": "{PLANTED}"}}'),
    json("56-nul-in-key", f'{{"a\\u0000": "{PLANTED}"}}'),
    json("58-scalar", f'"{PLANTED}"'),
    json("58-list", f'["{PLANTED}"]'),
    json("58-null", "null"),
    json("59-brackets", "[" * 250_000),
    json("59-braces", '{"a":' * 50_000),
    json("json-broken", f'{{"a": {PLANTED}}}'),
    json("json-broken-comma", f'{{"a": "{PLANTED}",}}'),
    json("json-broken-comment", f'{{"a": 1}} // {PLANTED}'),
    json("json-broken-text", f'{{"a": "{PLANTED}'),
    json("json-broken-control", f'{{"a": "{PLANTED}\t"}}'),
)
"""JSON that no document may be made of."""

READ_JSON = (
    read("57-zeros", ".json", '{"a": [-0, -0.0, 1.0, 1, 1e2]}', [0, 0, 1, 1, 100]),
    read("50-large-but-exact", ".json", '{"a": [9007199254740991, 1e22]}', [9007199254740991, 1e22]),
)
"""JSON that others write back otherwise."""

REFUSED_TOML = (
    toml("toml-brackets", "a = " + "[" * 100_000),
    toml("toml-braces", "a = " + "{a = " * 30_000),
    toml("toml-dots", ".".join("a" * 60_000) + " = 1"),
    toml("toml-header-dots", "[" + ".".join("a" * 60_000) + "]"),
    toml("toml-date", f"a = 2026-01-01\np = '{PLANTED}'"),
    toml("toml-time", f"a = 12:30:00\np = '{PLANTED}'"),
    toml("toml-double", f"a = 1\na = '{PLANTED}'"),
    toml("toml-table-twice", f"[a]\nb = 1\n[a]\nc = '{PLANTED}'"),
    toml("toml-infinity", f"a = inf\np = '{PLANTED}'"),
    toml("toml-no-number", f"a = -nan\np = '{PLANTED}'"),
    toml("toml-endless-number", "a = " + "9" * 5000),
    toml("toml-endless-hex", "a = 0x" + "f" * 5000),
    toml("toml-beyond-json", "a = 9223372036854775807"),
    toml("toml-half-character", f'a = "{PLANTED}\\uD800"'),
    toml("toml-nul", f'a = "{PLANTED}\\u0000"'),
    toml("toml-hidden-line", f"a = '{PLANTED}\u2028'"),
    toml("toml-empty", f"# {PLANTED}"),
    toml("toml-broken", f"a = {PLANTED}"),
    toml("toml-broken-text", f'a = "{PLANTED}'),
)
"""TOML that no document may be made of; the list has no numbers for it."""

TEXTS = (*REFUSED_YAML, *READ_YAML, *REFUSED_JSON, *READ_JSON, *REFUSED_TOML)
"""One for each way in which a file harms its parser, or its reader."""
