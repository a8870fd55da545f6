"""Where today's files still set the values of a document that was published earlier."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from runpin.comparing import compare

if TYPE_CHECKING:
    from runpin.model import Document


def placed(document: Document, today: Document | None) -> Document:
    """
    Return *document* with the origins of those values that *today* sets to the same.

    A mapping or list has an origin if nothing inside of it differs.
    """
    if today is None:
        return document
    if today.digest == document.digest:
        return replace(document, origins=today.origins)
    changes = compare({"": document.value}, {"": today.value})
    changed = {change.pointer for change in changes}
    around = {outer for pointer in changed for outer in _outwards(pointer)}
    kept = {
        pointer: origin
        for pointer, origin in today.origins.items()
        if pointer not in around and changed.isdisjoint(_outwards(pointer))
    }
    return replace(document, origins=kept)


def _outwards(pointer: str) -> Iterator[str]:
    """Yield *pointer*, then the pointer to each value around it."""
    yield pointer
    while pointer:
        pointer = pointer.rpartition("/")[0]
        yield pointer
