"""What holds for every format: limits, characters, and the form of refusals."""

from __future__ import annotations

import traceback
from collections.abc import Callable

import pytest

from runpin.errors import ParseError
from runpin.parsing import Limits, Parsed, parse

SPELLINGS: dict[str, Callable[[str, str], str]] = {
    "f.yaml": lambda key, value: f'"{key}": "{value}"\n',
    "f.json": lambda key, value: f'{{"{key}": "{value}"}}',
    "f.toml": lambda key, value: f'"{key}" = "{value}"\n',
}
CANARY = "hunter2"


def refused(path: str, body: str | bytes, limits: Limits | None = None) -> ParseError:
    """Return why *body* is refused."""
    encoded = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    with pytest.raises(ParseError) as caught:
        parse(path, encoded, limits or Limits())
    return caught.value


@pytest.mark.parametrize("path", SPELLINGS)
def test_a_document_is_the_same_in_every_format(path: str) -> None:
    """One key and one text give one mapping and two origins, whatever the format."""
    parsed = parse(path, SPELLINGS[path]("région", "Zürich").encode())

    assert {"région": "Zürich"} == parsed.value
    assert {"": 1, "/région": 1} == {pointer: origin.line for pointer, origin in parsed.origins.items()}


@pytest.mark.parametrize("path", ["f", "f.yaml.bak", "f.YAML", "f.ini", ".yaml"])
def test_an_unknown_suffix_is_refused(path: str) -> None:
    """The suffix alone says the format, so one that says none is an error that lists those that do."""
    assert ".toml" in (refused(path, "a: 1").fix or "")


@pytest.mark.parametrize("path", SPELLINGS)
@pytest.mark.parametrize("character", ["\0", "\x1b", "\x7f", "\x85", "\x9f", "\u2028", "\u2029", "\u202e", "\u2066"])
def test_characters_that_reviewers_do_not_see_are_refused(path: str, character: str) -> None:
    """A hidden character is refused anywhere in a file, with its code point and place."""
    error = refused(path, SPELLINGS[path]("a", f"x{character}y"))

    assert f"U+{ord(character):04X}" in error.what
    assert f"{path}:1:" in (error.where or "")


@pytest.mark.parametrize("path", SPELLINGS)
@pytest.mark.parametrize("escape", ["\\u0000", "\\u0085", "\\u2028", "\\u202E", "\\uFEFF"])
def test_an_escape_does_not_hide_them(path: str, escape: str) -> None:
    """The same characters written as escapes are refused in the text they make."""
    assert f"U+{escape[2:]}" in refused(path, SPELLINGS[path]("a", escape)).what


@pytest.mark.parametrize("path", SPELLINGS)
def test_escapes_that_harm_nobody_are_kept(path: str) -> None:
    """A line end, a tab and the separator of Hive tables may be written as escapes."""
    parsed = parse(path, SPELLINGS[path]("a", "\\n\\t\\u0001").encode())

    assert {"a": "\n\t\x01"} == parsed.value


@pytest.mark.parametrize("path", SPELLINGS)
@pytest.mark.parametrize("key", ["a\u200b", "\u2060a", "a\u00ad", "a\ufe0f", "e\u0301", "\u212b", "a\\tb", "a\\nb"])
def test_two_keys_never_look_like_one(path: str, key: str) -> None:
    """A key with invisible characters, or not in normal form C, is refused."""
    assert "a key" in refused(path, SPELLINGS[path](key, "x")).what


@pytest.mark.parametrize("path", SPELLINGS)
def test_lone_surrogates_are_refused(path: str) -> None:
    """Half a character is refused as bytes and as an escape."""
    assert "UTF-8" in refused(path, SPELLINGS[path]("a", "\ud800")).what
    assert refused(path, SPELLINGS[path]("a", "\\ud800"))


@pytest.mark.parametrize("path", SPELLINGS)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "latin-1"])
def test_only_plain_utf8_is_read(path: str, encoding: str) -> None:
    """A byte order mark or another encoding is refused."""
    assert "UTF-8" in (refused(path, SPELLINGS[path]("a", "é").encode(encoding)).fix or "")


@pytest.mark.parametrize("path", SPELLINGS)
def test_line_ends_are_lf_or_crlf(path: str) -> None:
    """CRLF gives the same document as LF; a bare carriage return is refused."""
    lines = SPELLINGS[path]("a", "x").replace(" ", "\r\n" if path == "f.json" else " ").replace("\n", "\r\n")

    assert {"a": "x"} == parse(path, lines.replace("\r\r", "\r").encode()).value
    assert "U+000D" in refused(path, SPELLINGS[path]("a", "x") + "\r ").what


@pytest.mark.parametrize("path", SPELLINGS)
@pytest.mark.parametrize("body", ["", " \n\n"])
def test_an_empty_file_is_no_document(path: str, body: str) -> None:
    """A file that was emptied by mistake is refused, not read as an empty mapping."""
    assert "no document" in refused(path, body).what


@pytest.mark.parametrize(
    ("path", "body"),
    [("f.yaml", "- a\n"), ("f.yaml", "text\n"), ("f.json", "[1]"), ("f.json", "1"), ("f.json", "null")],
)
def test_the_top_level_is_a_mapping(path: str, body: str) -> None:
    """Every value has a key."""
    assert "not a mapping" in refused(path, body).what


def nested(path: str, depth: int) -> str:
    """Spell *depth* mappings inside each other."""
    if path == "f.toml":
        return "a = " + "{a = " * (depth - 1) + "1" + "}" * (depth - 1)
    return '{"a": ' * depth + "1" + "}" * depth


@pytest.mark.parametrize("path", SPELLINGS)
def test_depth_is_limited(path: str) -> None:
    """The deepest nesting that is allowed is read, one more is refused, and so are a hundred thousand."""
    assert parse(path, nested(path, 64).encode())
    assert "64 deep" in refused(path, nested(path, 65)).what
    assert "64 deep" in refused(path, ("k = " if path == "f.toml" else '{"k": ') + "[" * 100_000).what


@pytest.mark.parametrize("path", SPELLINGS)
def test_size_is_limited(path: str) -> None:
    """A file of the largest size is read, one byte more is refused before any parser sees it."""
    body = SPELLINGS[path]("a", "x" * 100).encode()

    assert parse(path, body, Limits(size=len(body)))
    assert "bytes" in refused(path, body, Limits(size=len(body) - 1)).what
    assert "bytes" in refused(path, b"\xff" * 300_000).what


@pytest.mark.parametrize("path", SPELLINGS)
def test_the_number_of_values_is_limited(path: str) -> None:
    """As many values as allowed are read, containers included; one more is refused."""
    items = "[1, 2, 3]"
    body = {"f.yaml": f"a: {items}", "f.json": f'{{"a": {items}}}', "f.toml": f"a = {items}"}[path]

    assert parse(path, body.encode(), Limits(nodes=5))
    assert "more than 4 values" in refused(path, body, Limits(nodes=4)).what


@pytest.mark.parametrize("path", SPELLINGS)
def test_keys_and_texts_are_limited_in_bytes(path: str) -> None:
    """Limits count UTF-8 bytes, not characters."""
    assert parse(path, SPELLINGS[path]("é" * 128, "é" * 32768).encode())
    assert "256 bytes" in refused(path, SPELLINGS[path]("é" * 129, "x")).what
    assert "65536 bytes" in refused(path, SPELLINGS[path]("a", "é" * 32769)).what


def test_long_keys_times_deep_nesting_is_limited() -> None:
    """A file of a quarter of a megabyte cannot ask for half a gigabyte of pointers."""
    deep = "".join(f"{' ' * level}{'k' * 250}:\n" for level in range(60))

    assert "pointers" in refused("f.yaml", deep + " " * 60 + "x: [" + "1," * 40_000 + "]\n").what


@pytest.mark.parametrize("path", SPELLINGS)
@pytest.mark.parametrize("number", ["9007199254740992", "-9007199254740992", "1e20", "9" * 5000, "1e999", "-1e999"])
def test_numbers_that_would_not_survive_are_refused(path: str, number: str) -> None:
    """A number that RFC 8785 cannot keep is refused: too large to be exact, infinite, or absurdly long."""
    assert "number" in refused(path, SPELLINGS[path]("a", "").replace('""', number)).what


@pytest.mark.parametrize("path", SPELLINGS)
@pytest.mark.parametrize("number", [9007199254740991, -9007199254740991, 0, 0.5, 1e21, -1.5e300, 5e-324])
def test_numbers_that_survive_are_read(path: str, number: float) -> None:
    """The largest exact integers, and any floating-point number that is finite, are read as they are."""
    assert {"a": number} == parse(path, SPELLINGS[path]("a", "").replace('""', repr(number)).encode()).value


BROKEN = {
    "f.yaml": [
        f"a: '{CANARY}",
        f'a: "{CANARY}\\q"',
        f"a: {CANARY}: b",
        f"a:\n  b: 1\n c: {CANARY}",
        f"a: [{CANARY}",
        f"{CANARY}",
        f"a: 1\na: {CANARY}",
        f"a: @{CANARY}",
        f"a: !{CANARY} x",
        f"a: *{CANARY}",
        f"a: &{CANARY} x",
        f"a: {CANARY}\x00",
        f"a: {CANARY}\n--- {CANARY}",
    ],
    "f.json": [
        f'{{"a": "{CANARY}',
        f'{{"a": "{CANARY}\\q"}}',
        f'{{"a": {CANARY}}}',
        f'{{"a": 1}} {CANARY}',
        f'"{CANARY}"',
    ],
    "f.toml": [f'a = "{CANARY}', f"a = {CANARY}", f'a = "{CANARY}\\q"', f'a = 1\na = "{CANARY}"', f"a = 1 {CANARY}"],
}


@pytest.mark.parametrize(("path", "body"), [(path, body) for path, bodies in BROKEN.items() for body in bodies])
def test_refusals_hold_no_value(path: str, body: str) -> None:
    """Neither the error nor its printed trace quotes the file."""
    error = refused(path, body)

    assert CANARY not in "".join(traceback.format_exception(error))
    assert error.fix
    assert (error.where or "").startswith(path)


@pytest.mark.parametrize("path", SPELLINGS)
def test_bad_utf8_is_refused_without_quoting_the_file(path: str) -> None:
    """The decoder's own error holds the whole file, so it is not printed."""
    error = refused(path, SPELLINGS[path]("a", CANARY).encode() + b"\n\xff")

    assert CANARY not in "".join(traceback.format_exception(error))


def test_parsed_is_a_value() -> None:
    """Parsing twice gives equal answers."""
    assert parse("f.yaml", b"a: [1, {b: c}]") == parse("f.yaml", b"a: [1, {b: c}]")
    assert isinstance(parse("f.yaml", b"a: 1"), Parsed)
