"""Which parts of a TOML file are keys and punctuation."""

from __future__ import annotations

import re

from runpin.reporting.scanning import DEEPEST, Doubt, Scanner

_NAME = r"""(?:[A-Za-z0-9_-]+|"[^"\\\n]*"|'[^'\n]*')"""
_NAMES = rf"{_NAME}(?:[ \t]*\.[ \t]*{_NAME})*"
_HEADER = re.compile(rf"\[[ \t]*{_NAMES}[ \t]*\]|\[\[[ \t]*{_NAMES}[ \t]*\]\]")
_KEY = re.compile(rf"{_NAMES}[ \t]*=")
_SPACE = re.compile(r"[ \t]*+")
_BLANKS = re.compile(r"[ \t\n]*+")
_TEXT = re.compile(
    r'"""(?:[^"\\]++|\\.|"(?!""))*+"{3,5}+'
    r"|'''(?:[^']++|'(?!''))*+'{3,5}+"
    r'|(?!""")"(?:[^"\\\n]++|\\[^\n])*+"'
    r"|(?!''')'[^'\n]*+'",
    re.DOTALL,
)
_WORD = re.compile(r"[A-Za-z0-9+._:-]++")
_NOTHING_MORE = re.compile(r"[ \t]*+(?=#|\n|\Z)")


class TomlScanner(Scanner):
    """Reads one header, or one key with its value, after the other."""

    def _step(self) -> None:
        self._take(_BLANKS)
        if self._peek() == "[":
            header = self._match(_HEADER)
            if header is None:
                raise Doubt
            self._keep(len(header[0]))
        elif self._peek() not in ("", "#"):
            self._pair(0)
        self._take(_NOTHING_MORE)
        if self._peek() == "#":
            self._comment()

    def _pair(self, depth: int) -> None:
        key = self._match(_KEY)
        if key is None:
            raise Doubt
        self._keep(len(key[0]))
        self._value(depth)

    def _value(self, depth: int) -> None:
        self._take(_SPACE)
        if depth > DEEPEST:
            raise Doubt
        if self._peek() == "[":
            self._list(depth)
        elif self._peek() == "{":
            self._table(depth)
        else:
            self._take(_TEXT if self._peek() in ('"', "'") else _WORD)

    def _list(self, depth: int) -> None:
        self._keep(1)
        self._gap()
        while self._peek() != "]":
            self._value(depth + 1)
            self._gap()
            if self._peek() == ",":
                self._keep(1)
                self._gap()
            elif self._peek() != "]":
                raise Doubt
        self._keep(1)

    def _gap(self) -> None:
        self._take(_BLANKS)
        while self._peek() == "#":
            self._comment()
            self._take(_BLANKS)

    def _table(self, depth: int) -> None:
        self._keep(1)
        self._take(_SPACE)
        while self._peek() != "}":
            self._pair(depth + 1)
            self._take(_SPACE)
            if self._peek() == ",":
                self._keep(1)
                self._take(_SPACE)
            elif self._peek() != "}":
                raise Doubt
        self._keep(1)
