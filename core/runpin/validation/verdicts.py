"""
What was judged already.

Tenants and environments share most documents, and a child checks one commit after the other. A document that takes
two seconds against its schema takes them once, not once for each of fifty tenants.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

from runpin.validation.judging import Violation, judge

Judge = Callable[[bytes, bytes], tuple[Violation, ...]]
"""Says where a document, the second, does not fit a schema; the answer depends on nothing but these bytes."""

_MOST = 100_000
"""Verdicts and violations that are remembered together; some tens of megabytes."""


class Verdicts:
    """
    Asks a judge once about each schema and document.

    Args:
        judge: who is asked.
        most: verdicts and violations that are remembered together; beyond it, all are forgotten.
    """

    def __init__(self, judge: Judge = judge, most: int = _MOST) -> None:
        self._judge = judge
        self._most = most
        self._left = most
        self._known: dict[bytes, tuple[Violation, ...]] = {}

    def of(self, schema: bytes, document: bytes) -> tuple[Violation, ...]:
        """Return where *document* does not fit *schema*, both canonical JSON."""
        key = sha256(schema).digest() + sha256(document).digest()
        found = self._known.get(key)
        if found is None:
            found = self._judge(schema, document)
            self._remember(key, found)
        return found

    def _remember(self, key: bytes, found: tuple[Violation, ...]) -> None:
        weight = 1 + len(found)
        if weight > self._left:
            self._known.clear()
            self._left = self._most
        if weight <= self._left:
            self._known[key] = found
            self._left -= weight
