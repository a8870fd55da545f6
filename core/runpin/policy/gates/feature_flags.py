"""Refuses feature flags that the readers of Azure's format, or of Microsoft's library, could not use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runpin.feature_flags import declares_flags, faults_of, flags_of
from runpin.model import Finding
from runpin.parsing.pointers import origin_of

if TYPE_CHECKING:
    from runpin.cases import Case
    from runpin.model import Document

_FIX = "write the flag as docs/how-to/azure-app-configuration.md shows"


@dataclass(frozen=True, slots=True)
class FeatureFlagsGate:
    """
    What a document declares under `feature_management` is a list of feature flags in Microsoft's form.

    A flag's id is there once in the whole Snapshot, since readers know flags by their ids. Documents without the key
    are not looked at.
    """

    def judge(self, case: Case) -> Sequence[Finding]:
        """Return what is no flag, and ids that are there twice."""
        declaring = [each for each in case.documents.values() if declares_flags(each.value)]
        found = [finding for document in declaring for finding in _of_form(document)]
        return found or [*_twice(declaring)]


def _of_form(document: Document) -> Iterator[Finding]:
    for fault in faults_of(document.value):
        origin = origin_of(document.origins, fault.pointer)
        yield Finding(document.name, fault.pointer, "gate/feature_flags", fault.message, origin, fix=_FIX)


def _twice(documents: Sequence[Document]) -> Iterator[Finding]:
    where: dict[str, str] = {}
    for document in documents:
        for number, flag in enumerate(flags_of(document.value)):
            pointer = f"/feature_management/feature_flags/{number}/id"
            if flag in where:
                message = f"document {where[flag]!r} has a flag of this id, too"
                origin = origin_of(document.origins, pointer)
                yield Finding(document.name, pointer, "gate/feature_flags", message, origin, fix="rename one of them")
            where.setdefault(flag, document.name)
