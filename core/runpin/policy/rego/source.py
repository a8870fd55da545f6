"""
The text of a Rego module, before the engine sees it.

The engine's parser tries every bracket as several things, one inside of the other, so that each level of nesting takes
three times as long as the one before. Two spellings that OPA takes are rewritten, without moving any line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from runpin.policy.verdicts import Broken

DEEPEST = 12
"""How deep brackets and braces may be nested. At 12 the engine takes 0.1 s, at 18 it takes 15 s."""

MOST_PARENTHESES = 100
"""How deep parentheses may be nested."""

LONGEST = 128 * 1024
"""The most bytes of a module in UTF-8. Its syntax tree takes about 150 times as much memory."""

_TOKEN = re.compile(r'"(?:[^"\\\n]|\\.)*"|`[^`]*`|#[^\n]*|[\[\](){}]|\n|[^\s\[\](){}"`#]+|[ \t\r]+|[\s\S]')
_OPENING, _CLOSING = "([{", ")]}"
_OPERATORS = ("=", "|", "&", "-", ",", ":")
_ENDS_A_TERM = re.compile(r'[\w"`\])}]\Z')


@dataclass(frozen=True, slots=True)
class Module:
    """
    One module of Rego.

    Attributes:
        path: the file it stands in.
        text: it.
        line: the line of that file on which its first line stands.
    """

    path: str
    text: str = field(repr=False)
    line: int = 1

    def at(self, row: int) -> int:
        """Return the line of the file on which the module's *row* stands, both from 1."""
        return self.line + max(row, 1) - 1

    def broken(self, what: str, row: int = 1, fix: str | None = None, rule: str = "compile") -> Broken:
        """Say what is wrong at *row*."""
        return Broken(what, self.at(row), fix, file=self.path, rule=rule)


@dataclass(slots=True)
class _Token:
    """A piece of text, and what is open before it."""

    text: str
    row: int
    opened: str


def readable(module: Module, *, v0: bool) -> str:
    """
    Return the text of *module* as the engine reads it best; lines stay where they are.

    Raises:
        Broken: it is too long or nested too deep.
    """
    if len(module.text.encode("utf-8", "surrogatepass")) > LONGEST:
        raise module.broken(f"the Rego is longer than {LONGEST} bytes", fix="split it into several policies")
    tokens = list(_tokens(module))
    text = "".join(_separated(tokens))
    return "".join(_chained(list(_tokens(Module(module.path, text, module.line))))) if v0 else text


def _tokens(module: Module) -> Iterator[_Token]:
    opened: list[str] = []
    row = 1
    for found in _TOKEN.finditer(module.text):
        text = found[0]
        if text in _CLOSING and opened:
            opened.pop()
        yield _Token(text, row, "".join(opened[-1:]) or "")
        if text in _OPENING:
            opened.append(text)
            _check_depth(module, opened, row)
        row += text.count("\n")


def _check_depth(module: Module, opened: list[str], row: int) -> None:
    parentheses = opened.count("(")
    if len(opened) - parentheses > DEEPEST or parentheses > MOST_PARENTHESES:
        raise module.broken(
            f"brackets are nested more than {DEEPEST} deep, which the engine does not read in good time",
            row,
            "give inner parts a rule or a variable of their own",
            "depth",
        )


def _separated(tokens: list[_Token]) -> Iterator[str]:
    """Yield *tokens*, with a `;` before a line that begins with `(`: the engine would take it for a call."""
    before, fresh = "", False
    for token in tokens:
        if token.text == "(" and fresh and token.opened == "{" and _ENDS_A_TERM.search(before):
            yield ";"
        yield token.text
        if token.text == "\n":
            fresh = True
        elif not token.text.isspace() and not token.text.startswith("#"):
            before, fresh = token.text, False


def _chained(tokens: list[_Token]) -> Iterator[str]:
    """Yield *tokens*, with the head of a rule before each body that follows another one (`f(x) { … } { … }`)."""
    heads = _Heads()
    for token in tokens:
        if heads.repeats(token):
            yield heads.text
        heads.see(token)
        yield token.text


class _Heads:
    """
    Follows the rules of a module.

    Attributes:
        text: the head of the rule that is being read, or was read last.
    """

    def __init__(self) -> None:
        self.text = ""
        self._last = ""
        self._in_body = self._after_body = False

    def repeats(self, token: _Token) -> bool:
        """Tell whether *token* opens another body of one rule."""
        return self._after_body and not token.opened and token.text == "{" and not self.text.startswith("else")

    def see(self, token: _Token) -> None:
        """Take the next token."""
        blank = token.text.isspace() or token.text.startswith("#")
        if not self._in_body:
            self._see_head(token.text, top=not token.opened, blank=blank)
        elif not token.opened and token.text == "}":
            self._in_body, self._after_body = False, True
        if not blank:
            self._last = token.text

    def _see_head(self, text: str, *, top: bool, blank: bool) -> None:
        # A brace after an operator begins a value of the head.
        if top and text == "{" and not self._last.endswith(_OPERATORS):
            self._in_body, self._after_body = True, False
        elif top and text == "\n" and not self._after_body:
            self.text = ""
        elif not blank and self._after_body:
            self.text, self._after_body = text, False
        elif not self._after_body:
            self.text += " " if blank else text
