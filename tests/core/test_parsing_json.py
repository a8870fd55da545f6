"""JSON is read strictly, with the line of every value."""

from __future__ import annotations

import pytest

from runpin.errors import ParseError
from runpin.parsing import parse


def refused(text: str) -> ParseError:
    """Return why *text* is refused."""
    with pytest.raises(ParseError) as caught:
        parse("f.json", text.encode())
    return caught.value


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('{"a": NaN}', "not finite"),
        ('{"a": [Infinity]}', "not finite"),
        ('{"a": -Infinity}', "not finite"),
        ('{"a": 1e999}', "not finite"),
        ('{"a": 01}', "missing"),
        ('{"a": 1,}', "key in double quotes"),
        ("{'a': 1}", "key in double quotes"),
        ('{"a": [1,]}', "value is expected"),
        ('{"a": }', "value is expected"),
        ('{"a" 1}', "missing"),
        ('{"a": "x', "never closed"),
        ('{"a": "x\ny"}', "over the end of its line"),
        ('{"a": "\\x41"}', "no known escape"),
        ('{"a": 1}{"b": 2}', "follows the end"),
        ('{"a": 1} // why', "follows the end"),
        ('{"\\u0000": 1}', "U+0000"),
    ],
)
def test_what_is_no_strict_json_is_refused(text: str, what: str) -> None:
    """Each of these is refused with a sentence that says what is wrong, a place and advice."""
    error = refused(text)

    assert what in error.what
    assert error.fix
    assert (error.where or "").startswith("f.json:")


@pytest.mark.parametrize("second", ['"a"', '"\\u0061"'])
def test_both_lines_of_a_double_key_are_named(second: str) -> None:
    """A key that is set twice is refused, however it is spelled, with both of its lines."""
    error = refused(f'{{"x": [{{\n"a": 1,\n"b": 2,\n  {second}: 3}}]}}')

    assert "the key 'a' is set on line 2 and again on line 4" == error.what
    assert "f.json:4:3" == error.where


def test_every_value_has_the_line_that_set_it() -> None:
    """A member of a mapping is where its key is, an item of a list where it begins."""
    text = '\n{"a":\n  {"b/c": 1},\n "d": [\n  "x\\n{[", {\n  "e~f":\n null}, -1.5e3, []],\r\n"": true}\n'

    parsed = parse("f.json", text.encode())

    assert {"a": {"b/c": 1}, "d": ["x\n{[", {"e~f": None}, -1500.0, []], "": True} == parsed.value
    assert {
        "": 2,
        "/a": 2,
        "/a/b~1c": 3,
        "/d": 4,
        "/d/0": 5,
        "/d/1": 5,
        "/d/1/e~0f": 6,
        "/d/2": 7,
        "/d/3": 7,
        "/": 8,
    } == {pointer: origin.line for pointer, origin in parsed.origins.items()}


def test_brackets_inside_of_texts_are_not_nesting() -> None:
    """Only real brackets count towards the depth, so a long regular expression is fine."""
    text = "[{" * 200

    assert {"a": text} == parse("f.json", f'{{"a": "{text}"}}'.encode()).value


def test_numbers_keep_their_kind() -> None:
    """Whole numbers are int, others are float, and minus zero is zero."""
    value = parse("f.json", b'{"a": 1, "b": 1.0, "c": -0, "d": 1E2}').value

    assert [int, float, int, float] == [type(item) for item in value.values()]
