"""
One builder for all three formats: it takes what a parser sees, in order, and refuses what a document may not hold.

YAML, JSON and TOML differ in how they spell a document, not in what a document is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runpin.errors import ParseError
from runpin.model import Origin
from runpin.parsing.limits import Limits, fault_of_key, fault_of_number, fault_of_text, refusal
from runpin.parsing.pointers import child


@dataclass(frozen=True, slots=True)
class Parsed:
    """
    One file as a document, before any overlay.

    Attributes:
        value: the mapping it spells, of plain dicts, lists, texts, numbers, booleans and None.
        origins: file and line of every value, containers and the root `""` included, by JSON pointer.
            A member of a mapping is where its key is.
    """

    value: dict[str, Any]
    origins: Mapping[str, Origin]


class _Frame:
    """A mapping or list that is open: `keys` holds the line of each key, and is None for a list."""

    __slots__ = ("container", "key", "key_line", "keys", "pointer")

    def __init__(self, container: Any, pointer: str) -> None:
        self.container = container
        self.pointer = pointer
        self.keys: dict[str, int] | None = {} if isinstance(container, dict) else None
        self.key: str | None = None
        self.key_line = 0


class Builder:
    """Builds one document from `open`, `key`, `scalar` and `close`, in the order of the file."""

    def __init__(self, file: str, limits: Limits) -> None:
        self._file = file
        self._limits = limits
        self._stack: list[_Frame] = []
        self._origins: dict[str, Origin] = {}
        self._by_line: dict[int, Origin] = {}
        self._root: dict[str, Any] | None = None
        self._pointers = 0

    @property
    def started(self) -> bool:
        """Whether the document has begun."""
        return self._root is not None

    @property
    def wants_key(self) -> bool:
        """Whether the next text is a key."""
        frame = self._stack[-1] if self._stack else None
        return frame is not None and frame.keys is not None and frame.key is None

    def open(self, container: dict[str, Any] | list[Any], line: int, column: int | None = None) -> None:
        """Begin a mapping or list; *container* is the empty one that is filled."""
        pointer = self._place(container, line, column)
        self._stack.append(_Frame(container, pointer))
        if len(self._stack) > self._limits.depth:
            raise too_deep(self._file, self._limits, line, column)

    def close(self) -> None:
        """End the mapping or list that was opened last."""
        self._stack.pop()

    def key(self, key: str, line: int, column: int | None = None) -> None:
        """Name the next value of the open mapping."""
        frame = self._stack[-1]
        if frame.keys is None or frame.key is not None:
            raise self.refuse("a key stands where a value should", line, column)
        if first := frame.keys.get(key):
            raise self.refuse(
                f"the key {key[:80]!r} is set on line {first} and again on line {line}",
                line,
                column,
                "keep one of the two; no parser would have told you which one wins",
            )
        if fault := fault_of_key(key, self._limits):
            raise self.refuse(fault[0], line, column, fault[1])
        frame.keys[key] = frame.key_line = line
        frame.key = key

    def scalar(self, value: str | float | None, line: int, column: int | None = None) -> None:
        """Set a text, number, boolean or null."""
        fault = None
        if isinstance(value, str):
            fault = fault_of_text(value, self._limits)
        elif isinstance(value, (int, float)):
            fault = fault_of_number(value)
        if fault:
            raise self.refuse(fault[0], line, column, fault[1])
        self._place(value, line, column)

    def finish(self) -> Parsed:
        """Return the document, now that the file is at its end."""
        if self._root is None:
            raise self.refuse("the file holds no document", 1, fix="write a mapping, or delete the file")
        return Parsed(self._root, self._origins)

    def refuse(self, what: str, line: int | None = None, column: int | None = None, fix: str = "") -> ParseError:
        """Say why this file cannot be accepted."""
        return refusal(what, self._file, line, column, fix)

    def _place(self, value: Any, line: int, column: int | None) -> str:
        """Put *value* where the document stands now and return its pointer."""
        if not self._stack:
            pointer = self._start(value, line)
        else:
            frame = self._stack[-1]
            if frame.keys is None:
                pointer = f"{frame.pointer}/{len(frame.container)}"
                frame.container.append(value)
            elif frame.key is not None:
                pointer = child(frame.pointer, frame.key)
                frame.container[frame.key] = value
                line, frame.key = frame.key_line, None
            else:
                raise self.refuse("a value stands where a key should", line, column)
        origin = self._by_line.get(line)
        if origin is None:
            origin = self._by_line[line] = Origin(self._file, line)
        self._origins[pointer] = origin
        self._pointers += len(pointer)
        if len(self._origins) > self._limits.nodes or self._pointers > self._limits.pointers:
            raise self._too_many(line, column)
        return pointer

    def _start(self, value: Any, line: int) -> str:
        if self._root is not None or not isinstance(value, dict):
            raise self.refuse(
                "the document is not a mapping", line, fix="give every value a key, as in `batch_size: 500`"
            )
        self._root = value
        return ""

    def _too_many(self, line: int, column: int | None) -> ParseError:
        if len(self._origins) > self._limits.nodes:
            what = f"the document holds more than {self._limits.nodes} values"
        else:
            what = f"the pointers to the document's values need more than {self._limits.pointers} bytes"
        return self.refuse(what, line, column, "split the document, use shorter keys or nest less")


def too_deep(file: str, limits: Limits, line: int | None = None, column: int | None = None) -> ParseError:
    """Say that mappings and lists are nested too deep."""
    return refusal(
        f"mappings and lists are nested more than {limits.depth} deep", file, line, column, "flatten the document"
    )
