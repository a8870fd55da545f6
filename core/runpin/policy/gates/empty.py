"""Refuses configuration that lost its content: a document, a list or mapping in it, or most of the documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runpin.model import Finding
from runpin.parsing.pointers import child, origin_of
from runpin.policy.options import must_be_number

if TYPE_CHECKING:
    from runpin.cases import Case
    from runpin.model import Document


@dataclass(frozen=True, slots=True)
class EmptyGate:
    """
    An empty result is never applied by itself.

    A generator that failed writes an empty file, and an overlay written too wide removes every key: what comes out is
    valid and holds nothing.

    Args:
        lost: the share of its documents that a Snapshot may lose at one go.

    Raises:
        ValueError: an option cannot be used.
    """

    lost: float = 0.5

    def __post_init__(self) -> None:
        must_be_number(0, 1, lost=self.lost)

    def judge(self, case: Case) -> Sequence[Finding]:
        """Return the documents that are empty, and what is empty now and is not in the present Snapshot."""
        found = [*self._snapshot(case)]
        for name, document in case.documents.items():
            if document.value and not _may_be_emptied(document):
                continue
            live = case.present.documents.get(name) if case.present else None
            for pointer in _emptied(document.value, live.value if live else None):
                origin = origin_of(document.origins, pointer)
                what = "is empty" if pointer == "" else "was emptied"
                found.append(Finding(name, pointer, "gate/empty", f"this {what}", origin, fix=_FIX))
        return found

    def _snapshot(self, case: Case) -> Iterator[Finding]:
        now, then = len(case.documents), len(case.present.documents) if case.present else 0
        if not now:
            yield Finding("", "", "gate/empty/snapshot", "the Snapshot holds no document", fix=_FIX)
        elif then - now > self.lost * then:
            what = f"the Snapshot lost {then - now} of its {then} documents, more than {self.lost:.0%}"
            yield Finding("", "", "gate/empty/snapshot", what, fix=_FIX)


_FIX = 'restore the content; if it is meant to be gone, set empty = "warn" below [gates] of the manifest'


def _may_be_emptied(document: Document) -> bool:
    # Canonical form has no white space, so that most documents need no closer look.
    return b"[]" in document.body or b"{}" in document.body


def _emptied(value: Any, was: Any, pointer: str = "") -> Iterator[str]:
    if not value and (pointer == "" or was):
        if isinstance(value, (Mapping, tuple)) and (pointer == "" or type(value) is type(was)):
            yield pointer
    elif isinstance(value, Mapping) and isinstance(was, Mapping):
        for key in value.keys() & was.keys():
            yield from _emptied(value[key], was[key], child(pointer, key))
