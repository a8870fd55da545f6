"""
What the scanners of files share: where they are in a text, and which parts of it may be shown.

The scanners parse nothing. What people wrote is only parsed in a child process, and an excerpt is needed most where a
file cannot be parsed. They find keys and punctuation they are sure of, and give up at the first doubt.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod

Span = tuple[int, int]
"""Start and end of a part of a text, the end excluded."""

DEEPEST = 64
"""How many lists and mappings in each other are followed."""

# Readers of a format disagree on what such characters mean, a line end for example.
_ODD = re.compile("[\x00-\x08\x0b-\x1f\x7f-\xa0\u2028\u2029\ufeff]")


class Doubt(Exception):
    """From here on nothing is certain."""


class Scanner(ABC):
    """
    A place in *text*, and the parts of it that may be shown.

    Attributes:
        at: the place.
        spans: in order, without overlaps.
    """

    def __init__(self, text: str) -> None:
        self.at = 0
        self.spans: list[Span] = []
        self._text = text
        odd = _ODD.search(text)
        self._end = odd.start() if odd else len(text)

    def read(self) -> list[Span]:
        """Return what may be shown; after a doubt, nothing."""
        try:
            while self.at < self._end:
                self._step()
        except Doubt:
            pass
        return self.spans

    @abstractmethod
    def _step(self) -> None:
        """Take the next line or statement."""

    def _peek(self, ahead: int = 0) -> str:
        """Return the character that stands here; nothing at the end."""
        return self._text[self.at + ahead : min(self.at + ahead + 1, self._end)]

    def _keep(self, length: int) -> None:
        """Go over what may be shown."""
        self.spans.append((self.at, self.at + length))
        self.at += length

    def _line_end(self) -> int:
        found = self._text.find("\n", self.at, self._end)
        return self._end if found < 0 else found

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        return pattern.match(self._text, self.at, self._end)

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str]:
        """Go over what has to stand here."""
        found = self._match(pattern)
        if found is None:
            raise Doubt
        self.at = found.end()
        return found

    def _comment(self) -> None:
        """Keep the sign of a comment, and go over what it says: it may be a value that was taken out."""
        self._keep(1)
        self.at = self._line_end()
