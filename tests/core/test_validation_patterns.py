"""Patterns of schemas are RE2's: linear in time, and without what cannot be had in linear time."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from runpin.compiling import document_of
from runpin.model import Finding
from runpin.parsing import parse
from runpin.validation import validate
from runpin.validation.patterns import fault_of, matches

D2020 = "https://json-schema.org/draft/2020-12/schema"
D2019 = "https://json-schema.org/draft/2019-09/schema"
D7 = "http://json-schema.org/draft-07/schema#"
DRAFTS = (D2020, D2019, D7)

# Each runs for hours or longer with Python's `re`.
CATASTROPHES = ("^(a+)+$", "^(a|aa)+$", "^(a|a)*b", "(a*)*b", "^(([a-z])+.)+[A-Z]([a-z])+$", "(.*a){25}b")
BAIT = "a" * 60 + "!"


def findings(value: dict[str, Any], content: dict[str, Any]) -> tuple[Finding, ...]:
    """Check one document against one schema, which is written one value to a line."""
    document = document_of("etl", parse("etl.json", json.dumps(value).encode()))
    return validate([document], {"etl": parse("schema.json", json.dumps(content, indent=1).encode())})


@pytest.mark.parametrize("pattern", CATASTROPHES)
@pytest.mark.parametrize(
    "rules",
    [
        pytest.param({"properties": {BAIT: {"pattern": "@"}}}, id="pattern"),
        pytest.param({"patternProperties": {"@": {"type": "integer"}}}, id="patternProperties"),
        pytest.param({"patternProperties": {"@": True}, "additionalProperties": False}, id="additionalProperties"),
        pytest.param({"patternProperties": {"@": True}, "unevaluatedProperties": False}, id="unevaluatedProperties"),
        pytest.param({"allOf": [{"patternProperties": {"@": True}}], "unevaluatedProperties": False}, id="nested"),
        pytest.param({"propertyNames": {"pattern": "@"}}, id="propertyNames"),
        pytest.param({"properties": {"n": {"$ref": "#"}}, "patternProperties": {"@": False}}, id="recursive"),
        pytest.param({"allOf": [{"$schema": D2020, "propertyNames": {"pattern": "@"}}]}, id="another draft inside"),
    ],
)
@pytest.mark.parametrize("draft", DRAFTS)
def test_no_pattern_takes_long(draft: str, rules: dict[str, Any], pattern: str) -> None:
    """Wherever a schema may hold a pattern, and behind every kind of reference, the worst ones answer at once."""
    content = json.loads(json.dumps({"$schema": draft, **rules}).replace('"@"', json.dumps(pattern)))
    started = time.process_time()
    findings({BAIT: BAIT, "n": {BAIT: BAIT}}, content)

    assert time.process_time() - started < 2


def test_a_long_text_is_matched_in_linear_time() -> None:
    """The longest text that a file may hold, against the worst pattern, takes no second."""
    started = time.process_time()
    found = findings({"a": "a" * 65_000 + "!"}, {"properties": {"a": {"pattern": "^(a+)+$"}}})

    assert ["/a"] == [each.pointer for each in found]
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("^[a-z]+$", "abc", True),
        ("^[a-z]+$", "abc\n", False),
        ("b", "abc", True),
        (r"^\p{L}+$", "Zürich", True),
        (r"^\p{Greek}+$", "λόγος", True),
        (r"^\p{L}{1,100}$", "ж" * 100, True),
        (r"^\p{L}+$", "R2", False),
        (r"^\d+$", "\u0661", False),
        (r"^.$", "💡", True),
        (r"\x{00E9}", "é", True),
        ("(?i)^abc$", "ABC", True),
        ("", "", True),
    ],
)
def test_what_patterns_mean(pattern: str, text: str, found: bool) -> None:  # noqa: FBT001 - a column of the table
    r"""`$` is the end of the text, a pattern is found anywhere, Unicode classes exist, and `\d` is ASCII."""
    rules = {"properties": {"a": {"pattern": pattern}}}

    assert found == (not findings({"a": text}, rules))
    assert found == matches(pattern, text)


@pytest.mark.parametrize(
    ("pattern", "fix"),
    [
        ("(?=a)", "look-ahead"),
        ("(?!a)", "look-ahead"),
        ("(?<=a)b", "look-behind"),
        ("(?<!a)b", "look-behind"),
        (r"(a)\1", "back-references"),
        ("(?P<n>a)(?P=n)", "syntax is RE2's"),
        ("a++", "possessive"),
        ("(?>a)", "atomic"),
        (r"\u00e9", r"\x{00E9}"),
        (r"a\Z", r"\z"),
        (r"\p{Letter}", r"\p{L}"),
        (r"\P{Script=Greek}", r"\p{Greek}"),
        ("a{1001}", "at most 1000 times"),
        ("((a{30}){30}){30}", "at most 1000 times"),
        (r"\p{L}{1000}", "shorten"),
        ("(" * 200, "close what is open"),
        ("[", "close what is open"),
        ("\\", "escape"),
    ],
)
@pytest.mark.parametrize("place", ["pattern", "patternProperties", "beyond"])
def test_what_re2_cannot_do_is_a_finding_about_the_schema(
    pattern: str, fix: str, place: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """It has the schema's file, the pattern's line and a fix; nothing crashes, and RE2 prints nothing."""
    rules: dict[str, dict[str, Any]] = {
        "pattern": {"properties": {"a": {"pattern": pattern}}},
        "patternProperties": {"properties": {"a": {"patternProperties": {pattern: True}}}},
        # The draft knows no such keyword, so nobody looked into it before the reference did.
        "beyond": {"properties": {"a": {"$ref": "#/x-ours/y"}}, "x-ours": {"y": {"pattern": pattern}}},
    }
    content = json.dumps(rules[place], indent=1)
    (found,) = findings({"a": "x"} if place != "patternProperties" else {"a": {"x": 1}}, rules[place])
    holder = f'"{place}"' if place != "beyond" else '"pattern"'
    line = next(number for number, text in enumerate(content.splitlines(), 1) if holder in text)

    assert found.origin is not None
    assert ("schema.json", "schema.json") == (found.document, found.origin.file)
    assert found.origin.line in (line, line + 1)
    assert fix in str(found.fix)
    assert ("", "") == capfd.readouterr()


def test_a_hundred_large_patterns_fit_into_memory(capfd: pytest.CaptureFixture[str]) -> None:
    """Patterns near the limit, each with an automaton that would grow without end, stay quiet and within bounds."""
    rules = {"properties": {"a": {"allOf": [{"pattern": f"(x|y)*x.{{500}}[{n % 10}z]"} for n in range(60)]}}}
    found = findings({"a": "xy" * 2000}, rules)

    assert len(found) == 60
    assert ("", "") == capfd.readouterr()


def test_the_format_regex_is_the_same_language() -> None:
    """What a document may hold as a regular expression is what a schema may: RE2's, and the fix holds no value."""
    rules = {"properties": {"a": {"format": "regex"}}}
    (found,) = findings({"a": "hunter2(?=x)"}, rules)

    assert "look-ahead" in str(found.fix)
    assert "hunter2" not in f"{found!r}"
    assert () == findings({"a": r"^\p{L}+$"}, rules)


def test_a_fault_holds_nothing_of_the_pattern() -> None:
    """Patterns of documents are values, so what is said about one does not quote it."""
    for pattern in ("hunter2(", "hunter2(?=x)", r"hunter2\1", "hunter2{2000}", "hunter2\\", "[hunter2"):
        assert "hunter2" not in str(fault_of(pattern))
