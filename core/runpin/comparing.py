"""
What differs between two snapshots, value by value.

Both sides are JSON values as documents hold them; nothing is read from anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from runpin.parsing.pointers import child


class Kind(StrEnum):
    """What happened to a value on the way from one snapshot to the other."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Change:
    """
    One value that differs.

    `pointer` is an RFC 6901 JSON pointer into the document, `""` when a whole document came or went.
    `before` is None for an added value and `after` for a removed one; `kind` tells that from a JSON null.
    """

    document: str
    pointer: str
    kind: Kind
    before: Any = None
    after: Any = None


def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    """
    Return what turns the documents *before* into *after*, both by name.

    Mappings are compared key by key, lists item by item from the front: an item put in at the start of a list changes
    every one behind it. A value that became another type, such as a mapping that became a number, changed as a whole.
    The order is that of names and keys, and of positions in lists.
    """
    return tuple(
        Change(name, pointer, kind, old, new)
        for name, found, was, now in _members(before, after)
        for pointer, kind, old, new in _changes("", found, was, now)
    )


_Difference = tuple[str, Kind, Any, Any]


def _changes(pointer: str, kind: Kind, old: Any, new: Any) -> Iterator[_Difference]:
    if kind is not Kind.CHANGED:
        yield pointer, kind, old, new
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        for key, below, was, now in _members(old, new):
            yield from _changes(child(pointer, key), below, was, now)
    elif _is_list(old) and _is_list(new):
        for index in range(max(len(old), len(new))):
            below = Kind.ADDED if index >= len(old) else Kind.REMOVED if index >= len(new) else Kind.CHANGED
            was = old[index] if index < len(old) else None
            now = new[index] if index < len(new) else None
            yield from _changes(child(pointer, index), below, was, now)
    elif not _same(old, new):
        yield pointer, kind, old, new


def _members(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[_Difference]:
    for key in sorted(old.keys() | new.keys()):
        kind = Kind.ADDED if key not in old else Kind.REMOVED if key not in new else Kind.CHANGED
        yield key, kind, old.get(key), new.get(key)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _same(old: Any, new: Any) -> bool:
    # Python takes True for 1, JSON does not; 1 and 1.0 are one number in both.
    if isinstance(old, bool) or isinstance(new, bool):
        return old is new
    return bool(old == new)
