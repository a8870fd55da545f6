"""JSON pointers (RFC 6901): the address of one value inside a document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from runpin.model import Origin


def child(pointer: str, key: str | int) -> str:
    """Return the pointer to *key*, or to the item of that index, inside of what *pointer* names."""
    if isinstance(key, str) and ("~" in key or "/" in key):
        key = key.replace("~", "~0").replace("/", "~1")
    return f"{pointer}/{key}"


def pointer_to(keys: Iterable[str | int]) -> str:
    """Return the pointer that walks *keys* from the document's root."""
    pointer = ""
    for key in keys:
        pointer = child(pointer, key)
    return pointer


def origin_of(origins: Mapping[str, Origin], pointer: str) -> Origin | None:
    """Return where the value at *pointer* was set, or else the nearest thing around it."""
    while pointer and pointer not in origins:
        pointer = pointer.rpartition("/")[0]
    return origins.get(pointer)
