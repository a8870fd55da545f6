"""Where a value comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runpin.errors import NotFound
from runpin.model import Document, Origin
from runpin.parsing.nearest import advice
from runpin.parsing.pointers import child, origin_of


@dataclass(frozen=True, slots=True)
class Explained:
    """One value of a document, with the file and line that set it; None if the document was read from a store."""

    value: Any
    origin: Origin | None
    pointer: str


def explain(document: Document, keys: Sequence[str]) -> Explained:
    """
    Follow *keys* into *document*; an item of a list is named by its index, from 0.

    Raises:
        NotFound: a key leads nowhere; the nearest keys are in the fix. No value is printed.
    """
    value: Any = document.value
    pointer = ""
    for key in keys:
        value = _step(document, value, pointer, key)
        pointer = child(pointer, key)
    return Explained(value, origin_of(document.origins, pointer), pointer)


def _step(document: Document, value: Any, pointer: str, key: str) -> Any:
    if isinstance(value, Mapping):
        if key in value:
            return value[key]
        raise _lost(document, pointer, f"there is no key {key[:80]!r}", advice(key, value))
    if isinstance(value, (tuple, list)):
        if key.isascii() and key.isdecimal() and len(key) < 10 and int(key) < len(value):
            return value[int(key)]
        raise _lost(document, pointer, f"there is no item {key[:80]!r}", f"items are numbered from 0, of {len(value)}")
    raise _lost(document, pointer, "there is nothing below this value", "leave out the last part")


def _lost(document: Document, pointer: str, what: str, fix: str) -> NotFound:
    place = f"{document.name}#{pointer}"
    origin = origin_of(document.origins, pointer)
    return NotFound(what, where=f"{place} ({origin})" if origin else place, fix=fix)
