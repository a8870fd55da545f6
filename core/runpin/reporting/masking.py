"""
A file of the config repository without its values.

Keys, punctuation and the sign of a comment stay; everything else is one sign of fixed length, so that not even the
length of a value is told. Where it is not certain what something is, the whole line is that sign.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from runpin.reporting.toml_spans import TomlScanner
from runpin.reporting.yaml_spans import YamlScanner

if TYPE_CHECKING:
    from runpin.reporting.scanning import Scanner, Span

MASK = "●●●"
"""Stands for a value, or for anything that may be one."""

_SCANNERS: dict[str, type[Scanner]] = {
    ".yaml": YamlScanner,
    ".yml": YamlScanner,
    ".json": YamlScanner,
    ".toml": TomlScanner,
}


class Lines:
    """
    The lines of one file, as they may be shown.

    Args:
        path: its name, whose suffix says what it is.
        text: its content.
        masked: whether values are masked.
    """

    def __init__(self, path: str, text: str, *, masked: bool = True) -> None:
        text = text.replace("\r\n", "\n")
        self._lines = text.split("\n")
        self._masked = masked
        scanner = _SCANNERS.get(PurePosixPath(path).suffix)
        spans = scanner(text).read() if masked and scanner else []
        self._spans = list(_by_line(self._lines, spans))

    def __len__(self) -> int:
        # What follows the last line end is a line only if there is something.
        return len(self._lines) - (not self._lines[-1])

    def length(self, number: int) -> int:
        """Return how many characters line *number* has, from 1."""
        return len(self._lines[number - 1])

    def shown(self, number: int, upto: int | None = None) -> str:
        """Return line *number*, from 1, or only what is shown of its first *upto* characters."""
        line = self._lines[number - 1][:upto]
        if not self._masked:
            return line
        return _masked(line, [span for span in self._spans[number - 1] if span[1] <= len(line)])


def _by_line(lines: Sequence[str], spans: Sequence[Span]) -> Sequence[Sequence[Span]]:
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    found: list[list[Span]] = [[] for _ in lines]
    for start, end in spans:
        number = bisect_left(starts, start + 1) - 1
        found[number].append((start - starts[number], end - starts[number]))
    return found


def _masked(line: str, spans: Sequence[Span]) -> str:
    indent = len(line) - len(line.lstrip(" "))
    parts, at = [line[:indent]], indent
    for start, end in (*spans, (len(line), len(line))):
        gap = line[at:start]
        if gap.strip():
            before = " " if gap[0].isspace() and at > indent else ""
            after = " " if gap[-1].isspace() and start < end else ""
            parts.append(f"{before}{MASK}{after}")
        elif gap and start < end:
            parts.append(" ")
        parts.append(line[start:end])
        at = end
    return "".join(parts)
