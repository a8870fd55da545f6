"""
YAML as a spelling of JSON: the core schema of YAML 1.2, without tags, anchors, aliases and merge keys.

Only the parser's events are used. They come from a loop, not from recursion,
so the depth of a file can be limited while it is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import yaml

from runpin.errors import ParseError
from runpin.parsing.building import Builder, Parsed
from runpin.parsing.limits import Limits, refusal

Loader = type[yaml.SafeLoader | yaml.CSafeLoader]
"""Where the events come from."""

LOADER: Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml where PyYAML was built with it, or PyYAML's own parser, which refuses some tabs more and is slower."""

_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMBER = re.compile(
    r"(?P<whole>[-+]?[0-9]+)"
    r"|(?P<octal>0o[0-7]+)"
    r"|(?P<hexadecimal>0x[0-9a-fA-F]+)"
    r"|(?P<decimal>[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?)"
    r"|(?P<special>[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))"
)
_BASES = {"whole": 10, "octal": 8, "hexadecimal": 16}
_LONGEST_NUMBER = 400
_FIRST_OF_NUMBER = frozenset("+-.0123456789")

# What the parsers say, in libyaml's and in PyYAML's words, and what it mostly means. Their own text may quote the file.
_SYNTAX = (
    ("cannot start any token", "a character here can begin no value", "indent with spaces, and quote the value"),
    ("mapping values are not allowed", "a ': ' stands where no key is expected", "quote the value, or indent the key"),
    ("could not find expected ':'", "a key has no ':' after it", "write `key: value`, and close every quote"),
    ("unexpected end of stream", "a quote is opened and never closed", "close the quote"),
    ("expected <block end>", "the indentation does not fit the lines above", "align the keys of one mapping"),
    ("did not find expected key", "the indentation does not fit the lines above", "align the keys of one mapping"),
    ("expected ',' or", "a bracket is never closed, or a comma is missing", "close the bracket or add the comma"),
    ("escape", "a backslash in double quotes starts no known escape", r"write \\, or use single quotes"),
)
_SYNTAX_DEFAULT = ("", "the YAML syntax is broken here", "compare with the lines above")


def read(file: str, text: str, limits: Limits, loader: Loader = LOADER) -> Parsed:
    """
    Read one YAML document from the events of *loader*.

    Raises:
        ParseError: see the package.
    """
    builder = Builder(file, limits)
    try:
        _build(text, builder, loader)
    except yaml.MarkedYAMLError as error:
        raise _broken(file, error) from None
    except yaml.YAMLError:
        raise refusal("the file is not YAML", file) from None
    return builder.finish()


def _build(text: str, builder: Builder, loader: Loader) -> None:
    for event in yaml.parse(text, loader):
        take = _TAKE.get(type(event))
        if take is not None:
            mark: Any = event.start_mark
            take(event, builder, mark.line + 1, mark.column + 1)


def _begin(event: yaml.DocumentStartEvent, builder: Builder, line: int, column: int) -> None:
    if event.version or event.tags:
        raise builder.refuse("the file holds a % directive", line, column, "delete it; YAML 1.2 is always meant")
    if builder.started:
        raise builder.refuse("the file holds a second document", line, column, "use one file each")


def _scalar(event: yaml.ScalarEvent, builder: Builder, line: int, column: int) -> None:
    _check_plain(event, builder, line, column)
    if builder.wants_key:
        builder.key(_key(event, builder, line, column), line, column)
    else:
        builder.scalar(_value(event, builder, line, column), line, column)


def _open(event: yaml.CollectionStartEvent, builder: Builder, line: int, column: int) -> None:
    _check_plain(event, builder, line, column)
    if builder.wants_key:
        raise builder.refuse("a key is a list or mapping", line, column, "use a text as the key")
    builder.open({} if isinstance(event, yaml.MappingStartEvent) else [], line, column)


def _close(_: yaml.CollectionEndEvent, builder: Builder, __: int, ___: int) -> None:
    builder.close()


def _check_plain(event: Any, builder: Builder, line: int, column: int) -> None:
    """Refuse what JSON has no word for: an alias has an anchor, and nothing else has to be looked at."""
    if event.anchor is not None:
        raise builder.refuse(
            "the file holds an anchor or alias", line, column, "write the value out where it is needed"
        )
    if event.tag is not None:
        raise builder.refuse("the file holds a tag", line, column, "delete it; quote the value if it is a text")


_TAKE: dict[type, Callable[[Any, Builder, int, int], None]] = {
    yaml.DocumentStartEvent: _begin,
    yaml.ScalarEvent: _scalar,
    yaml.AliasEvent: _check_plain,
    yaml.MappingStartEvent: _open,
    yaml.SequenceStartEvent: _open,
    yaml.MappingEndEvent: _close,
    yaml.SequenceEndEvent: _close,
}


def _key(event: yaml.ScalarEvent, builder: Builder, line: int, column: int) -> str:
    if event.style:
        return event.value
    if event.value == "<<":
        raise builder.refuse("the file holds a merge key", line, column, "write the keys out, or use an overlay")
    if not isinstance(_value(event, builder, line, column), str):
        raise builder.refuse("a key is not a text", line, column, "put the key in quotes")
    return event.value


def _value(event: yaml.ScalarEvent, builder: Builder, line: int, column: int) -> str | float | None:
    """Resolve a scalar by the core schema: section 10.3.2 of YAML 1.2."""
    text = event.value
    if event.style:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _FIRST_OF_NUMBER:
        return text
    found = _NUMBER.fullmatch(text)
    if not found:
        return text
    if len(text) > _LONGEST_NUMBER:
        raise builder.refuse("a number is too long", line, column, "quote it to make it a text")
    base = _BASES.get(str(found.lastgroup))
    if base:
        return int(text, base)
    return float(text.replace(".", "", 1) if found["special"] else text)


def _broken(file: str, error: yaml.MarkedYAMLError) -> ParseError:
    line, column = _position(error.problem_mark or error.context_mark)
    problem = error.problem or ""
    _, what, fix = next((row for row in _SYNTAX if row[0] in problem), _SYNTAX_DEFAULT)
    return refusal(what, file, line, column, fix)


def _position(mark: Any) -> tuple[int, int]:
    """Return line and column from 1; an error without a mark is about the whole file."""
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)
