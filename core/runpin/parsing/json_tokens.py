"""
JSON (RFC 8259), with what the standard library forgives refused: NaN, duplicate keys, endless nesting.

The library decides what is JSON; the tokens are read afterwards, for the lines.
"""

from __future__ import annotations

import json
import re

from runpin.errors import ParseError
from runpin.parsing.building import Builder, Parsed, too_deep
from runpin.parsing.limits import Limits, refusal
from runpin.parsing.text import position

_TOKEN = re.compile(
    r"""(?P<text>"(?:[^"\\]++|\\.)*+")|(?P<open>[\[{])|(?P<close>[\]}])|(?P<line>\n)|(?P<word>[^\s,:"\[\]{}]++)|(?P<end>")""",
    re.DOTALL,
)
_WORDS = {"null": None, "true": True, "false": False, "NaN": float("nan")}
_LONGEST_NUMBER = 400

_SYNTAX = (
    ("enclosed in double quotes", "a key in double quotes is expected here", "quote the key; no comma after the last"),
    ("Expecting value", "a value is expected here", "quote texts; no comma after the last item"),
    ("delimiter", "a ',' or ':' is missing here", "add it"),
    ("Unterminated string", "a quote is opened and never closed", "close the quote"),
    ("control character", "a text goes over the end of its line", r"write \n for a line end and \t for a tab"),
    ("escape", "a backslash starts no known escape", r"write \\ for a backslash"),
    ("Extra data", "something follows the end of the document", "delete it"),
)
_SYNTAX_DEFAULT = ("", "the JSON syntax is broken here", "compare with the lines above")


def read(file: str, text: str, limits: Limits) -> Parsed:
    """
    Read one JSON document.

    Raises:
        ParseError: see the package.
    """
    if not text.strip():
        return Builder(file, limits).finish()
    _check_depth(file, text, limits)
    try:
        # Numbers are read later, where their length is known; here they could take long or fail.
        json.loads(text, parse_int=_skip, parse_float=_skip, parse_constant=_skip)
    except json.JSONDecodeError as error:
        raise _broken(file, error) from None
    builder = Builder(file, limits)
    _build(text, builder)
    return builder.finish()


def _skip(_: str) -> None:
    return None


def _check_depth(file: str, text: str, limits: Limits) -> None:
    """Refuse deep nesting before the library, which recurses, sees it."""
    if text.count("[") + text.count("{") <= limits.depth:
        return
    depth = 0
    for token in _TOKEN.finditer(text):
        if token.lastgroup == "open":
            depth += 1
            if depth > limits.depth:
                raise too_deep(file, limits, *position(text, token.start()))
        elif token.lastgroup == "close":
            depth -= 1
        elif token.lastgroup == "end":
            return


def _build(text: str, builder: Builder) -> None:
    line, line_start = 1, 0
    for token in _TOKEN.finditer(text):
        column = token.start() - line_start + 1
        match token.lastgroup:
            case "line":
                line, line_start = line + 1, token.end()
            case "open":
                builder.open({} if token[0] == "{" else [], line, column)
            case "close":
                builder.close()
            case "text" if builder.wants_key:
                builder.key(_text(token[0]), line, column)
            case "text":
                builder.scalar(_text(token[0]), line, column)
            case _:
                builder.scalar(_word(token[0], builder, line, column), line, column)


def _text(token: str) -> str:
    return str(json.loads(token)) if "\\" in token else token[1:-1]


def _word(token: str, builder: Builder, line: int, column: int) -> float | None:
    if token in _WORDS:
        return _WORDS[token]
    if len(token) > _LONGEST_NUMBER:
        raise builder.refuse("a number is too long", line, column, "quote it to make it a text")
    return int(token) if token.lstrip("-").isdecimal() else float(token)


def _broken(file: str, error: json.JSONDecodeError) -> ParseError:
    _, what, fix = next((row for row in _SYNTAX if row[0] in error.msg), _SYNTAX_DEFAULT)
    return refusal(what, file, error.lineno, error.colno, fix)
