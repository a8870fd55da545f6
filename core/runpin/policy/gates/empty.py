"""Refuses configuration that lost its content: an empty document, or a list or mapping that was emptied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runpin.model import Finding
from runpin.parsing.pointers import child, origin_of

if TYPE_CHECKING:
    from runpin.cases import Case


@dataclass(frozen=True, slots=True)
class EmptyGate:
    """
    An empty result is never applied by itself.

    A generator that failed writes an empty file, and an overlay written too wide removes every key: what comes out is
    valid and holds nothing.
    """

    def judge(self, case: Case) -> Sequence[Finding]:
        """Return the documents that are empty, and what is empty now and is not in the present Snapshot."""
        found = []
        for name, document in case.documents.items():
            live = case.present.documents.get(name) if case.present else None
            for pointer in _emptied(document.value, live.value if live else None):
                origin = origin_of(document.origins, pointer)
                what = "is empty" if pointer == "" else "was emptied"
                found.append(Finding(name, pointer, "gate/empty", f"this {what}", origin, fix=_FIX))
        return found


_FIX = 'restore the content; if it is meant to be empty, set empty = "warn" below [gates] of the manifest'


def _emptied(value: Any, was: Any, pointer: str = "") -> Iterator[str]:
    if not value and (pointer == "" or was):
        if isinstance(value, (Mapping, tuple)) and (pointer == "" or type(value) is type(was)):
            yield pointer
    elif isinstance(value, Mapping) and isinstance(was, Mapping):
        for key in value.keys() & was.keys():
            yield from _emptied(value[key], was[key], child(pointer, key))
