"""Refuses configuration that is larger than its readers were made for, and warns before it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runpin.cases import ERROR, WARNING
from runpin.model import Finding
from runpin.parsing.pointers import origin_of
from runpin.policy.measuring import Amount
from runpin.policy.options import must_be_number, must_be_whole

if TYPE_CHECKING:
    from runpin.cases import Case


@dataclass(frozen=True, slots=True)
class SizeGate:
    """
    A size is judged at publish by the limits of whoever reads, not there by accident.

    Args:
        document_bytes: bytes of one document in canonical form. Parsing and stores take 1 MiB.
        document_values: values in one document, mappings and lists included. Parsing takes 50,000 for each file.
        document_keys: keys in one document.
        snapshot_bytes: bytes of all documents together. Each host keeps them, and a check holds every scope at once.
        documents: how many there are. Each is listed in the manifest that every reader fetches first.
        warn_at: the share of a limit from which on there is a warning.

    Raises:
        ValueError: an option cannot be used.
    """

    document_bytes: int = 512 * 1024
    document_values: int = 25_000
    document_keys: int = 10_000
    snapshot_bytes: int = 8 * 1024 * 1024
    documents: int = 1_000
    warn_at: float = 0.8

    def __post_init__(self) -> None:
        must_be_whole(document_bytes=self.document_bytes, snapshot_bytes=self.snapshot_bytes, documents=self.documents)
        must_be_whole(document_values=self.document_values, document_keys=self.document_keys)
        must_be_number(0, 1, warn_at=self.warn_at)

    def judge(self, case: Case) -> Sequence[Finding]:
        """Return what is too large, or nearly."""
        sizes = [len(document.body) for document in case.documents.values()]
        found = [*self._against("", "documents", "document", len(sizes), self.documents)]
        found += self._against("", "snapshot_bytes", "byte", sum(sizes), self.snapshot_bytes)
        for name, document in case.documents.items():
            origin = origin_of(document.origins, "")
            found += (
                Finding(name, "", each.rule, each.message, origin, each.severity, each.fix)
                for each in self._of_document(name, document.body)
            )
        return found

    def _of_document(self, name: str, body: bytes) -> Iterator[Finding]:
        amount = Amount.at_most(body)
        if not self._is_small(amount):
            amount = Amount.of(body)
        yield from self._against(name, "document_bytes", "byte", amount.size, self.document_bytes)
        yield from self._against(name, "document_values", "value", amount.values, self.document_values)
        yield from self._against(name, "document_keys", "key", amount.keys, self.document_keys)

    def _is_small(self, amount: Amount) -> bool:
        return amount.values <= self.warn_at * self.document_values and amount.keys <= self.warn_at * self.document_keys

    def _against(self, name: str, option: str, unit: str, held: int, limit: int) -> Iterator[Finding]:
        if held <= self.warn_at * limit:
            return
        whose = "the document" if name else "the Snapshot"
        over = held > limit
        what = "more than" if over else f"more than {self.warn_at:.0%} of"
        units = unit if held == 1 else f"{unit}s"
        yield Finding(
            name,
            "",
            f"gate/size/{option}",
            f"{whose} holds {held:,} {units}, {what} the {limit:,} that it may",
            severity=ERROR if over else WARNING,
            fix=f"split it or keep large data elsewhere; if readers can take it, raise {option} of the gate size",
        )
