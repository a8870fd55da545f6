"""
TOML 1.0 as a spelling of JSON: no dates and times, which JSON does not have.

The standard library reads the file. It gives no lines, so a scanner finds where each statement begins:
before, to limit nesting, because the library recurses; after, to give each value its line.
A value inside of one inline table or array has the line of its statement.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from runpin.errors import ParseError
from runpin.parsing.building import Builder, Parsed, too_deep
from runpin.parsing.limits import Limits, refusal
from runpin.parsing.text import position

_TOKEN = re.compile(
    r'''(?P<text>"""(?:[^"\\]++|\\.|"(?!""))*+"{3,5}+|"(?:[^"\\\n]++|\\[^\n])*+"'''
    r"""|'''(?:[^']++|'(?!''))*+'{3,5}+|'[^'\n]*+')"""
    r"""|(?P<comment>\#[^\n]*+)|(?P<line>\n)|(?P<space>[^\S\n]++)|(?P<equals>=)"""
    r"""|(?P<open>[\[{])|(?P<close>[\]}])|(?P<comma>,)|(?P<word>[^\s"'#=,\[\]{}]++)|(?P<end>["'])""",
    re.DOTALL,
)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
_LONG_NUMBER = re.compile(r"[0-9_]{400,}")
_PLACE = re.compile(r"\(at line (\d+), column (\d+)\)")

_TWICE = ("Cannot overwrite", "Cannot declare", "Cannot mutate", "Duplicate inline table key")
_SYNTAX = (
    ("Invalid value", "a value is expected here", "quote texts, and write true and false in lower case"),
    ("Expected '='", "a key has no '=' after it", "write `key = value`"),
    ("Expected newline", "something follows the end of a value", "start a new line"),
    ("Unclosed array", "a bracket is never closed, or a comma is missing", "close the bracket or add the comma"),
    ("Unclosed inline table", "a brace is never closed, or a comma is missing", "close the brace on the same line"),
    ('Expected "', "a quote is opened and never closed", "close the quote"),
    ("Unterminated string", "a quote is opened and never closed", "close the quote"),
    ("Unescaped '\\'", "a backslash in double quotes starts no known escape", r"write \\, or use single quotes"),
    ("Invalid date", "a date does not exist", "quote it to make it a text"),
)
_SYNTAX_DEFAULT = ("", "the TOML syntax is broken here", "compare with the lines above")

_STEP = {"open": 1, "close": -1}

_Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class _Statement:
    """A header or the left side of `key = value`, with the line it begins on."""

    source: str
    line: int
    is_header: bool

    @property
    def is_item(self) -> bool:
        return self.is_header and self.source.startswith("[[")

    @property
    def keys(self) -> _Path:
        source = self.source.strip("[] \t\r") if self.is_header else self.source.strip()
        if _BARE_KEY.fullmatch(source):
            return tuple(source.split("."))
        keys: list[str] = []
        inner: Any = tomllib.loads(f"{source} = 0")
        while isinstance(inner, dict):
            key, inner = next(iter(inner.items()))
            keys.append(key)
        return tuple(keys)


@dataclass(slots=True)
class _Lines:
    """Which line set which path, while statements are replayed in order."""

    lines: dict[_Path, int] = field(default_factory=dict)
    items: dict[_Path, int] = field(default_factory=dict)
    table: _Path = ()

    def path_of(self, statement: _Statement) -> _Path:
        """Return the full path of a statement that is next; a list of tables counts as its newest table."""
        if not statement.is_header:
            return self.table + statement.keys
        path: _Path = ()
        for key in statement.keys:
            path = (*self._newest(path), key)
        return path if statement.is_item else self._newest(path)

    def replay(self, statement: _Statement) -> None:
        """Take one statement into account."""
        path = self.path_of(statement)
        if statement.is_item:
            self._set(path, statement.line)
            self.items[path] = self.items.get(path, 0) + 1
            path = self._newest(path)
        if statement.is_header:
            self.table = path
        self._set(path, statement.line)

    def _newest(self, path: _Path) -> _Path:
        return (*path, self.items[path] - 1) if path in self.items else path

    def _set(self, path: _Path, line: int) -> None:
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                break
            self.lines[path[:length]] = line


def read(file: str, text: str, limits: Limits) -> Parsed:
    """
    Read one TOML document.

    Raises:
        ParseError: see the package.
    """
    _check_depth(file, text, limits)
    statements = tuple(_scan(text))
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _broken(file, str(error), text, statements) from None
    except ValueError:
        long = _LONG_NUMBER.search(text)
        line, column = position(text, long.start()) if long else (None, None)
        raise refusal("a number is too long", file, line, column, "quote it to make it a text") from None
    known = _Lines()
    for statement in statements:
        known.replay(statement)
    builder = Builder(file, limits)
    if statements:
        _build(builder, value, (), 1, known.lines)
    return builder.finish()


def _check_depth(file: str, text: str, limits: Limits) -> None:
    """Refuse nesting, for which the library recurses, and long dotted keys, for which it needs time by their square."""
    depth = dots = 0
    for token in _TOKEN.finditer(text):
        kind = token.lastgroup
        if kind == "end":
            return
        if kind == "word":
            dots += token[0].count(".")
        elif kind not in ("text", "space"):
            dots = 0
            depth = max(depth + _STEP.get(str(kind), 0), 0)
        if max(depth, dots) > limits.depth:
            raise too_deep(file, limits, *position(text, token.start()))


def _scan(text: str) -> Iterator[_Statement]:
    """Find the statements."""
    line, first, start, depth, left, header = 1, 1, -1, 0, False, False
    for token in _TOKEN.finditer(text):
        kind, at = str(token.lastgroup), token.start()
        if kind == "end":
            break
        if start < 0 and kind not in ("line", "space", "comment"):
            start, first, left, header = at, line, True, kind == "open"
        if left and _ends_left(kind, header=header):
            yield _Statement(text[start:at], first, header)
            left = False
        depth = max(depth + _STEP.get(kind, 0), 0)
        if kind == "line" and depth == 0:
            start = -1
        line += token[0].count("\n")
    if left:
        yield _Statement(text[start:], first, header)


def _ends_left(kind: str, *, header: bool) -> bool:
    return kind in ("line", "comment") or (kind == "equals" and not header)


def _build(builder: Builder, value: Any, path: _Path, line: int, lines: dict[_Path, int]) -> None:
    """Hand *value* to the builder; it stops at its limit of depth, and so does this."""
    line = lines.get(path, line)
    if isinstance(value, dict):
        builder.open({}, line)
        for key, item in value.items():
            builder.key(key, lines.get((*path, key), line))
            _build(builder, item, (*path, key), line, lines)
        builder.close()
    elif isinstance(value, list):
        builder.open([], line)
        for index, item in enumerate(value):
            _build(builder, item, (*path, index), line, lines)
        builder.close()
    elif isinstance(value, (str, int, float)):
        builder.scalar(value, line)
    else:
        raise builder.refuse("dates and times are not values here", line, fix="quote it to make it a text")


def _broken(file: str, problem: str, text: str, statements: Sequence[_Statement]) -> ParseError:
    """Say in our words what the library found; its own may quote the file."""
    place = _PLACE.search(problem)
    line, column = (int(place[1]), int(place[2])) if place else position(text, len(text.rstrip()))
    if problem.startswith(_TWICE):
        return _twice(file, problem, line, statements)
    _, what, fix = next((row for row in _SYNTAX if problem.startswith(row[0])), _SYNTAX_DEFAULT)
    return refusal(what, file, line, column, fix)


def _twice(file: str, problem: str, line: int, statements: Sequence[_Statement]) -> ParseError:
    *before, last = [statement for statement in statements if statement.line <= line]
    known = _Lines()
    try:
        for statement in before:
            known.replay(statement)
        path = known.path_of(last)
    except tomllib.TOMLDecodeError:
        # The line holds a second fault behind the one that was found.
        return refusal("a key is set twice", file, line, fix="keep one of the two")
    lines = [known.lines[path[:length]] for length in range(len(path), 0, -1) if path[:length] in known.lines]
    first = lines[0] if lines and not problem.startswith(_TWICE[-1]) else last.line
    name = ".".join(part for part in path if isinstance(part, str))
    return refusal(
        f"the key {name[:80]!r} is set on line {first} and again on line {last.line}",
        file,
        last.line,
        fix="keep one of the two; a table is written in one place only",
    )
