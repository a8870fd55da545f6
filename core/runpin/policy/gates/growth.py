"""Refuses configuration that grew at one go as no person makes it grow: a generator that doubled its output, say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runpin.model import Finding
from runpin.parsing.pointers import origin_of
from runpin.policy.measuring import Amount
from runpin.policy.options import must_be_number, must_be_whole

if TYPE_CHECKING:
    from runpin.cases import Case
    from runpin.model import Document


@dataclass(frozen=True, slots=True)
class GrowthGate:
    """
    What a machine wrote gets the same gate as what a person wrote.

    Args:
        factor: how many times the present size is allowed, in bytes and in number of values.
        at_least: bytes up to which a document, or all of them together, may grow as they like.

    Raises:
        ValueError: an option cannot be used.
    """

    factor: float = 2.0
    at_least: int = 4096

    def __post_init__(self) -> None:
        must_be_number(1, 1000, factor=self.factor)
        must_be_whole(at_least=self.at_least)

    def judge(self, case: Case) -> Sequence[Finding]:
        """Return the documents that grew too much, and say so of the Snapshot; nothing without a present one."""
        if case.present is None:
            return ()
        found = list(self._documents(case.documents, case.present.documents))
        # If no document came and none grew beyond the factor, neither did their sum.
        if found or case.documents.keys() - case.present.documents.keys():
            found += self._together(case.documents, case.present.documents)
        return found

    def _documents(self, now: Mapping[str, Document], then: Mapping[str, Document]) -> Iterator[Finding]:
        for name, document in now.items():
            if name not in then or len(document.body) <= self.at_least or document.digest == then[name].digest:
                continue
            before, after = Amount.of(then[name].body), Amount.at_most(document.body)
            if after.values > self.factor * before.values:
                after = Amount.of(document.body)
            yield from self._grown(name, "bytes", before.size, after.size, document)
            yield from self._grown(name, "values", before.values, after.values, document)

    def _together(self, now: Mapping[str, Document], then: Mapping[str, Document]) -> Iterator[Finding]:
        after = sum((Amount.of(document.body) for document in now.values()), Amount())
        before = sum((Amount.of(document.body) for document in then.values()), Amount())
        if after.size > self.at_least and before.values:
            yield from self._grown("", "bytes", before.size, after.size)
            yield from self._grown("", "values", before.values, after.values)

    def _grown(
        self, name: str, unit: str, before: int, after: int, document: Document | None = None
    ) -> Iterator[Finding]:
        if after <= self.factor * before:
            return
        yield Finding(
            name,
            "",
            f"gate/growth/{unit}",
            f"{'the document' if name else 'the Snapshot'} grew from {before:,} to {after:,} {unit}, "
            f"more than {self.factor:g} times",
            origin_of(document.origins, "") if document else None,
            fix="see what wrote it; if it is meant, raise factor of the gate growth in the same commit",
        )
