"""TOML is read as JSON with another spelling, with the line of every statement."""

from __future__ import annotations

import time

import pytest

from runpin.errors import ParseError
from runpin.parsing import parse


def refused(text: str) -> ParseError:
    """Return why *text* is refused."""
    with pytest.raises(ParseError) as caught:
        parse("f.toml", text.encode())
    return caught.value


@pytest.mark.parametrize(
    "text",
    ["2026-01-01", "2026-01-01T00:00:00Z", "2026-01-01 00:00:00", "12:30:00", "[1, 2026-01-01]", "{x = 12:30:00}"],
)
def test_dates_and_times_are_refused(text: str) -> None:
    """JSON has neither, so they have to be quoted, and the error says where and that."""
    error = refused(f"a = 1\nb = {text}\n")

    assert "dates and times" in error.what
    assert "f.toml:2" == error.where
    assert "quote" in (error.fix or "")


@pytest.mark.parametrize(
    ("text", "what", "line"),
    [
        ("a = inf", "not finite", 1),
        ("a = -nan", "not finite", 1),
        ("\na = yes", "value is expected", 2),
        ("a =", "value is expected", 1),
        ("a", "no '='", 1),
        ("a = 1 b = 2", "follows the end", 1),
        ("a = [\n1, 2", "never closed", 2),
        ("a = 'x", "never closed", 1),
        ('a = """\nx', "never closed", 2),
        ('a = "\\q"', "no known escape", 1),
        ("a = 1\n# note\n= 2", "syntax", 3),
        ("a.b = 1\n[a.b]\n", "set", 2),
    ],
)
def test_what_is_no_toml_is_refused(text: str, what: str, line: int) -> None:
    """Each of these is refused with a sentence that says what is wrong, its line and advice."""
    error = refused(text)

    assert what in error.what
    assert error.fix
    assert ["f.toml", str(line)] == (error.where or "").split(":")[:2]


@pytest.mark.parametrize(
    ("text", "key", "lines"),
    [
        ("a = 1\nb = 2\na = 3", "a", (1, 3)),
        ("a = 1\n\n'a' = '''\n\n'''\n", "a", (1, 3)),
        ("[t]\n[u]\n[t]\n", "t", (1, 3)),
        ("[t]\na.b = 1\n[t.a]\n", "t.a", (2, 3)),
        ("a.b = 1\na = 2", "a", (1, 2)),
        ("a = 1\na.b = 2", "a.b", (1, 2)),
        ("[[l]]\nx = 1\n[[l]]\ny = 1\ny = 2", "l.y", (4, 5)),
        ("[[l]]\n[l]\n", "l", (1, 2)),
        ("a = {b = 1, b = 2}", "a", (1, 1)),
        ("x = 1\na = {b = 1, b = 2}", "a", (2, 2)),
        ("a = {b = 1}\na.c = 2", "a.c", (1, 2)),
    ],
)
def test_both_lines_of_a_double_key_are_named(text: str, key: str, lines: tuple[int, int]) -> None:
    """A key or table that is set twice is refused with both of its lines, tables and dotted keys included."""
    assert f"the key {key!r} is set on line {lines[0]} and again on line {lines[1]}" == refused(text).what


@pytest.mark.parametrize("text", ["[t]\n[t]x = 1", "a = 1\na = 2 = 3", "[t]\n[t"])
def test_two_faults_in_one_line_are_one_refusal(text: str) -> None:
    """A line that is wrong twice is refused like any other."""
    assert refused(text).where


def test_every_value_has_the_line_of_its_statement() -> None:
    """Keys, tables and lists of tables have their own line; what is inside of one value has its statement's."""
    text = (
        "# note = 1\n"
        "a = 1\n"
        'b."c/d" = """\n'
        "e = [{ # no comment\n"
        '"""   # a comment with = and [\n'
        "f = [\n"
        "  1, # one\n"
        "  {g = 'x'},\n"
        "]\n"
        "[t.u] # header\n"
        "\"v]#\" = '''\n"
        "\n"
        "'''\n"
        "w = 2\r\n"
        "[[l]]\n"
        "x = 1\n"
        "[[l]]\n"
        "[l.m]\n"
        "y.z = 1\n"
        "[[l.n]]\n"
        "[[l.n]]\n"
        "k = {h = {i = 1}}\n"
    )

    parsed = parse("f.toml", text.encode())

    assert "e = [{ # no comment\n" == parsed.value["b"]["c/d"]
    assert {
        "": 1,
        "/a": 2,
        "/b": 3,
        "/b/c~1d": 3,
        "/f": 6,
        "/f/0": 6,
        "/f/1": 6,
        "/f/1/g": 6,
        "/t": 10,
        "/t/u": 10,
        "/t/u/v]#": 11,
        "/t/u/w": 14,
        "/l": 15,
        "/l/0": 15,
        "/l/0/x": 16,
        "/l/1": 17,
        "/l/1/m": 18,
        "/l/1/m/y": 19,
        "/l/1/m/y/z": 19,
        "/l/1/n": 20,
        "/l/1/n/0": 20,
        "/l/1/n/1": 21,
        "/l/1/n/1/k": 22,
        "/l/1/n/1/k/h": 22,
        "/l/1/n/1/k/h/i": 22,
    } == {pointer: origin.line for pointer, origin in parsed.origins.items()}


@pytest.mark.parametrize(
    "text",
    [
        "a." * 100_000,
        "[" + "a." * 100_000 + "]",
        "a." * 100_000 + '"',
        "a = {" + "a." * 100_000 + "b = 1}",
        "a = " + "[" * 100_000,
    ],
)
def test_keys_of_endless_parts_are_refused_in_time(text: str) -> None:
    """The standard library needs minutes for some of these, so they never reach it."""
    begun = time.process_time()

    assert refused(text)
    assert time.process_time() - begun < 5


def test_brackets_and_dots_inside_of_texts_are_not_nesting() -> None:
    """Only real brackets and dots count towards the depth."""
    text = "[{." * 200

    assert {"a": {"b..": text}} == parse("f.toml", f"a.'b..' = '{text}' # {text}\n".encode()).value
