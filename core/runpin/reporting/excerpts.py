"""The lines around a remark, with a mark below what it is about."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runpin.errors import RunpinError
from runpin.reporting.masking import Lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpin.reporting.remarks import Remark

LARGEST = 256 * 1024
"""The most bytes of a file that excerpts are taken from; larger ones are not read by anybody."""

LONGEST_LINE = 4000
"""The most characters of a line that is shown at all; a file without line ends would be masked anew for each remark."""

_LONGEST = 160
_AROUND = 1


@dataclass(frozen=True, slots=True)
class Row:
    """One line of an excerpt; `mark` is the part of the text that the remark is about, None for other lines."""

    number: int
    text: str
    mark: tuple[int, int] | None = None
    is_meant: bool = False


class Excerpts:
    """
    The files that remarks are about.

    Args:
        read: returns the bytes of a file of the config repository.
        masked: whether values are masked; also an attribute.
    """

    def __init__(self, read: Callable[[Iterable[str]], Mapping[str, bytes]], *, masked: bool = True) -> None:
        self._read = read
        self.masked = masked
        self._files: dict[str, Lines | None] = {}

    def of(self, remark: Remark) -> Iterator[Row]:
        """Yield the line before, the line itself and the line after; nothing if the line cannot be had."""
        lines = self._lines(remark.file) if remark.file else None
        if lines is None or remark.line is None or remark.line > len(lines):
            return
        for number in range(max(remark.line - _AROUND, 1), min(remark.line + _AROUND, len(lines)) + 1):
            if lines.length(number) > LONGEST_LINE:
                continue
            text = lines.shown(number)
            is_meant = number == remark.line
            mark = _marked(remark, lines, text) if is_meant else None
            if len(text) > _LONGEST:
                text = f"{text[: _LONGEST - 1]}…"
            yield Row(number, text, mark if mark and mark[1] <= len(text) else None, is_meant)

    def _lines(self, file: str) -> Lines | None:
        if file not in self._files:
            self._files[file] = self._taken(file)
        return self._files[file]

    def _taken(self, file: str) -> Lines | None:
        try:
            body = self._read([file])[file]
        except RunpinError:
            # A file that is missing or too large has been told already.
            return None
        try:
            return Lines(file, body.decode("utf-8"), masked=self.masked) if len(body) <= LARGEST else None
        except UnicodeDecodeError:
            return None


def _marked(remark: Remark, lines: Lines, text: str) -> tuple[int, int] | None:
    """Return the part of *text* that is meant: the key, or the place that the parser gave."""
    if remark.column is not None and remark.line is not None:
        start = len(lines.shown(remark.line, remark.column - 1))
        start += text[start : start + 1] == " "
        return start, start + 1
    key = (remark.pointer or "").rpartition("/")[2].replace("~1", "/").replace("~0", "~")
    found = re.search(rf"""(?<![\w.-])["']?{re.escape(key)}["']?(?=\s*[:=\]])""", text) if key else None
    return found.span() if found else None
