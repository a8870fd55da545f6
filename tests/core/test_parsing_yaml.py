"""YAML is read as JSON with another spelling: YAML 1.2's core schema, and nothing that JSON has no word for."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from runpin.errors import ParseError
from runpin.parsing import Limits, Parsed, yaml_events
from runpin.parsing.text import decode


class Reader:
    """Reads YAML with one of the two parsers."""

    def __init__(self, loader: yaml_events.Loader) -> None:
        self.loader = loader

    def read(self, text: str) -> Parsed:
        """Return *text* as a document."""
        limits = Limits()
        return yaml_events.read("f.yaml", decode("f.yaml", text.encode(), limits), limits, self.loader)

    def value(self, text: str) -> Any:
        """Return what *text* means as the value of a key."""
        return self.read(f"a: {text}\n").value["a"]

    def refused(self, text: str) -> ParseError:
        """Return why *text* is refused."""
        with pytest.raises(ParseError) as caught:
            self.read(text)
        return caught.value


LOADERS: list[yaml_events.Loader] = [yaml.SafeLoader, getattr(yaml, "CSafeLoader", yaml.SafeLoader)]


@pytest.fixture(params=LOADERS, ids=["python", "libyaml"])
def reader(request: pytest.FixtureRequest) -> Reader:
    """Run a test with PyYAML's parser and with libyaml's."""
    return Reader(request.param)


@pytest.mark.parametrize("text", ["no", "No", "NO", "yes", "on", "off", "y", "n", "tRUE", "nULL", "<<", "=", "None"])
def test_norway_is_a_country(reader: Reader, text: str) -> None:
    """Words that YAML 1.1 took for booleans are texts."""
    assert text == reader.value(text)


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-01",
        "2026-13-45",
        "2026-01-01T00:00:00Z",
        "12:30",
        "190:20:30",
        "1_000",
        "0b11",
        "1.2.3",
        "1e",
        "0x",
        "+",
        ".",
    ],
)
def test_what_only_looks_like_a_number_is_a_text(reader: Reader, text: str) -> None:
    """Dates, base-60 numbers, underscores and versions stay as they are written."""
    assert text == reader.value(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0755", 755),
        ("0o755", 493),
        ("0xFf", 255),
        ("-0", 0),
        ("+12", 12),
        ("3.10", 3.1),
        ("1e3", 1000.0),
        ("-1.5E-3", -0.0015),
        (".5", 0.5),
        ("1.", 1.0),
        ("", None),
        ("~", None),
        ("null", None),
        ("True", True),
        ("FALSE", False),
        ("'12'", "12"),
        ('"true"', "true"),
        ("|\n  12\n", "12\n"),
        (">-\n  a\n  b\n", "a b"),
    ],
)
def test_scalars_follow_the_core_schema(reader: Reader, text: str, expected: Any) -> None:
    """Numbers, booleans and null are those of YAML 1.2, and quotes always make a text."""
    found = reader.value(text)

    assert (type(expected), expected) == (type(found), found)


@pytest.mark.parametrize("text", [".inf", "-.INF", ".NaN", "1.0e+999", "0x" + "f" * 300, "0o" + "7" * 500])
def test_numbers_without_an_end_are_refused(reader: Reader, text: str) -> None:
    """Infinity, NaN and endless digits have no canonical form."""
    assert "number" in reader.refused(f"a: {text}").what


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a: &x 1", "anchor or alias"),
        ("a: *x", "anchor or alias"),
        ("a: &x [*x]", "anchor or alias"),
        ("&x a: 1", "anchor or alias"),
        ("a: !!str 1", "tag"),
        ("a: ! 12", "tag"),
        ("a: !!python/object/apply:os.system [ls]", "tag"),
        ("!!map {a: 1}", "tag"),
        ("a: !!set {x}", "tag"),
        ("<<: {a: 1}", "merge key"),
        ("a: 1\n---\nb: 2", "second document"),
        ("a: 1\n...\n---\nb: 2", "second document"),
        ("%YAML 1.2\n---\na: 1", "directive"),
        ("%TAG ! x:\n---\na: 1", "directive"),
        ("# only a comment\n", "no document"),
        ("---\n", "not a mapping"),
        ("1: a", "key is not a text"),
        ("true: a", "key is not a text"),
        ("~: a", "key is not a text"),
        ("1.5: a", "key is not a text"),
        ("?\n: a", "key is not a text"),
        ("? [a]\n: b", "key is a list or mapping"),
        ("? {a: b}\n: c", "key is a list or mapping"),
        ("\ta: 1", "can begin no value"),
    ],
)
def test_what_json_has_no_word_for_is_refused(reader: Reader, text: str, what: str) -> None:
    """Each of these is refused with a sentence that names it, and advice."""
    error = reader.refused(text)

    assert what in error.what
    assert error.fix


def test_keys_are_texts_when_they_are_quoted_or_words(reader: Reader) -> None:
    """A quoted number is a key, and so are the words that YAML 1.1 took for booleans."""
    assert {"on": 1, "1": 2, "<<": 3, "": 4} == reader.read("on: 1\n'1': 2\n'<<': 3\n'': 4\n").value


@pytest.mark.parametrize(
    "text", ["a: 1\nb: 2\na: 3", "b: {\n\n a: 1, 'a': 2}", 'x:\n  - a: 1\n    "\\x61": 2', "on: 1\n\n'on': 2"]
)
def test_both_lines_of_a_double_key_are_named(reader: Reader, text: str) -> None:
    """A key that is set twice is refused, however it is spelled, with both of its lines."""
    key = "'on'" if "on" in text else "'a'"
    lines = [
        number
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip(" -{").startswith(("a", "'", '"', "on"))
    ]

    assert f"the key {key} is set on line {lines[0]} and again on line {lines[-1]}" == reader.refused(text).what


def test_every_value_has_the_line_that_set_it(reader: Reader) -> None:
    """A member of a mapping is where its key is, an item of a list where it begins."""
    text = (
        "# note\na:\n  b/c: 1\n  d:\n    - x\n    -\n"
        "      e~f: |\n        long\n        text\n    - [p,\n       q]\ng: {h:\n  i}\n"
    )

    parsed = reader.read(text)

    assert {
        "": 2,
        "/a": 2,
        "/a/b~1c": 3,
        "/a/d": 4,
        "/a/d/0": 5,
        "/a/d/1": 7,
        "/a/d/1/e~0f": 7,
        "/a/d/2": 10,
        "/a/d/2/0": 10,
        "/a/d/2/1": 11,
        "/g": 12,
        "/g/h": 12,
    } == {pointer: origin.line for pointer, origin in parsed.origins.items()}
    assert {"f.yaml"} == {origin.file for origin in parsed.origins.values()}


@pytest.mark.parametrize(
    "text", ["- " * 90_000, "? " * 90_000, "{a: " * 50_000, "a:\n" + "\n".join(" " * n + "a:" for n in range(1, 600))]
)
def test_endless_nesting_ends_in_a_refusal(reader: Reader, text: str) -> None:
    """Block and flow collections without an end are refused, in time, without recursion."""
    assert reader.refused(text)


def test_both_parsers_read_the_same() -> None:
    """What PyYAML's own parser accepts, libyaml's accepts too and reads the same, lines included."""
    texts = ["a: 1\n", "a:\n- b\n- c: [d, {e: f}, g: h]\n", "? a\n: b\n", '"a\\u0062": |+\n  x\n\n', "{a, b: , c: d}\n"]
    texts += [
        "a: b\t# c\n",
        "a:\tb\n",
        "a: 'it''s'\n# end",
        "a: >1-\n  x\n\n  y\n",
        "--- {a: 1}\n...\n",
        "a: 1\r\nb:\r\n  - 2\r\n",
    ]
    for text in texts:
        answers = [outcome(loader, text) for loader in LOADERS]

        assert answers[0] in (None, answers[1]), text


def outcome(loader: yaml_events.Loader, text: str) -> Parsed | None:
    """Return what *loader* makes of *text*, None if it is refused."""
    try:
        return Reader(loader).read(text)
    except ParseError:
        return None
