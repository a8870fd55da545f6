"""
Which parts of a YAML or JSON file are keys and punctuation.

JSON is read as YAML's flow style, of which it is a part. What runpin refuses in YAML, tags and anchors for example,
is a doubt here.
"""

from __future__ import annotations

import re

from runpin.reporting.scanning import DEEPEST, Doubt, Scanner

_SPACES = re.compile(r" *+")
_BLANKS = re.compile(r"[ \t\n]*+")
_START = re.compile(r"---(?=[ \n]|\Z)")
_DASH = re.compile(r"-(?=[ \n]|\Z)")
_HEADER = re.compile(r"[|>](?:[+-][1-9]?|[1-9][+-]?)?(?= *(?: #|\n|\Z))")
_QUOTED = re.compile(r'"(?:[^"\\]++|\\.)*+"' r"|'(?:[^']++|'')*+'", re.DOTALL)
_SEPARATOR = re.compile(r":(?=[ \t\n]|\Z)|(?<=[ \t])#")
_NOTHING_MORE = re.compile(r"(?=[ \t]*(?:\n|\Z|(?<=[ \t])#))")

_KEY = re.compile(r"[\w.$/@+-]{1,120}")
_QUOTED_KEY = re.compile(r"""(["'])[\w .$/@+-]{1,120}\1""")
_FLOW_KEY = re.compile(r"[\w$/@+-][\w.$/@+-]{0,119}(?=:(?:[ \t\n,\[\]{}]|\Z))")
_FLOW_COLON = re.compile(r"[ \t]*+:")
_FLOW_PLAIN = re.compile(r"(?:[^ \t\n,\[\]{}:#]|:(?![ \t\n,\[\]{}]|\Z)|(?<![ \t\n,\[\]{}])#)++")

_BEGINS_NOTHING = frozenset("&*!%@`?,]}\t")
_CLOSES = {"[": "]", "{": "}"}


class YamlScanner(Scanner):
    """Reads block style line after line, and flow style where it begins."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._columns: list[int] = []
        # Lines that are indented more than this go on with a text; or they cannot be.
        self._inside: int | None = None
        self._closed: int | None = None
        # Whether the mapping, list or text that belongs to the last key or dash is still to come.
        self._waiting = True

    def _step(self) -> None:
        start = self.at
        self._take(_SPACES)
        column = self.at - start
        if self._peek() in ("", "\n"):
            pass
        elif self._inside is not None and column > self._inside:
            self.at = self._line_end()
        elif self._peek() == "#":
            self._comment()
        elif self.at == 0 and self._match(_START):
            self._keep(3)
            self._end_line()
        else:
            if self._closed is not None and column > self._closed:
                raise Doubt
            self._inside = self._closed = None
            self._node(start)
            self._end_line()
        self.at += 1

    def _end_line(self) -> None:
        self._take(_NOTHING_MORE)
        self._take(_SPACES)
        if self._peek() == "#":
            self._comment()
        self.at = self._line_end()

    def _node(self, start: int) -> None:
        """Take dashes, a key and what follows it, or a value by itself."""
        if self._text.startswith(("---", "..."), start):
            raise Doubt
        while self._match(_DASH):
            self._enter(self.at - start)
            self._keep(1)
            self._take(_SPACES)
            if self._peek() in ("", "\n", "#"):
                return
        if self._peek() == "-" and self._peek(1) == "\t":
            raise Doubt
        column = self.at - start
        if self._peek() in ('"', "'"):
            self._quoted_node(column)
        elif self._peek() in ("[", "{", "|", ">"):
            self._value(self._parent(column))
        else:
            self._plain_node(column)

    def _plain_node(self, column: int) -> None:
        found = _SEPARATOR.search(self._text, self.at, self._line_end())
        if self._peek() in _BEGINS_NOTHING:
            raise Doubt
        if found is None or found[0] == "#":
            self._value(self._parent(column))
            return
        length = len(self._text[self.at : found.start()].rstrip(" "))
        self._key(column, length, found.start(), shown=_KEY)

    def _quoted_node(self, column: int) -> None:
        start = self.at
        quoted = self._take(_QUOTED)[0]
        self._take(_SPACES)
        if self._peek() != ":":
            self._closed = self._parent(column)
            self._waiting = False
            return
        if "\n" in quoted or self._peek(1) not in ("", " ", "\n"):
            raise Doubt
        separator, self.at = self.at, start
        self._key(column, len(quoted), separator, shown=_QUOTED_KEY)

    def _key(self, column: int, length: int, separator: int, *, shown: re.Pattern[str]) -> None:
        """Take a key that begins here, its colon, and the value behind it."""
        self._enter(column)
        if shown.fullmatch(self._text, self.at, self.at + length):
            self._keep(length)
        self.at = separator
        self._keep(1)
        self._take(_SPACES)
        if self._peek() not in ("", "\n", "#"):
            self._value(column)

    def _value(self, parent: int) -> None:
        """Go over a value that begins here and belongs to what stands in the column *parent*."""
        self._waiting = False
        first = self._peek()
        if first in ('"', "'"):
            self._take(_QUOTED)
            self._closed = parent
        elif first in ("[", "{"):
            self._flow()
            self._closed = parent
        elif first in ("|", ">"):
            header = self._match(_HEADER)
            if header is None:
                raise Doubt
            self._keep(len(header[0]))
            self._inside = parent
        else:
            self._plain_value()
            self._inside = parent

    def _plain_value(self) -> None:
        found = _SEPARATOR.search(self._text, self.at, self._line_end())
        if self._peek() in _BEGINS_NOTHING or self._match(_DASH) or (found and found[0] == ":"):
            raise Doubt
        self.at = found.start() if found else self._line_end()

    def _enter(self, column: int) -> None:
        """Begin or go on with the mapping or list in this column."""
        if column > self._top():
            if not self._waiting:
                raise Doubt
            self._columns.append(column)
        while self._top() > column:
            self._columns.pop()
        if self._top() != column:
            raise Doubt
        self._waiting = True

    def _parent(self, column: int) -> int:
        """Return the column of what a value by itself belongs to."""
        if not self._waiting or column <= self._top():
            raise Doubt
        return self._top()

    def _top(self) -> int:
        return self._columns[-1] if self._columns else -1

    def _flow(self) -> None:
        """Take a list or mapping in brackets, over as many lines as it has."""
        closing: list[str] = []
        # What may come: an item or key; the value of a key; more words of a text without quotes; only punctuation.
        state = "item"
        while True:
            self._take(_BLANKS)
            first = self._peek()
            if first == "#":
                self._comment()
            elif first in ("[", "{") and state in ("item", "value") and len(closing) < DEEPEST:
                closing.append(_CLOSES[first])
                self._keep(1)
                state = "item"
            elif first and closing and first == closing[-1]:
                closing.pop()
                self._keep(1)
                state = "end"
            elif first == ",":
                self._keep(1)
                state = "item"
            else:
                state = self._flow_scalar(first, state)
            if not closing:
                return

    def _flow_scalar(self, first: str, state: str) -> str:
        """Take a text, number or key, and return what may come then."""
        if first in ('"', "'") and state in ("item", "value"):
            start = self.at
            quoted = self._take(_QUOTED)[0]
            colon = self._match(_FLOW_COLON)
            if state == "value" or colon is None:
                return "end"
            if "\n" not in quoted and _QUOTED_KEY.fullmatch(quoted):
                self.spans.append((start, start + len(quoted)))
            self.at = colon.end() - 1
            self._keep(1)
            return "value"
        key = self._match(_FLOW_KEY) if state == "item" else None
        if key is not None:
            self._keep(len(key[0]))
            self._keep(1)
            return "value"
        if state == "end" or first in _BEGINS_NOTHING or first in ("|", ">", ""):
            raise Doubt
        self._take(_FLOW_PLAIN)
        return "more"
