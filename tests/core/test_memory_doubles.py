"""The in-memory doubles keep the contracts that real stores and ledgers keep."""

from __future__ import annotations

from datetime import timedelta

import pytest

from runpin.ports import Clock
from runpin.testing import FixedClock, MemoryLedger, MemoryStore
from runpin.testing.contracts import LedgerContract, StoreContract


class TestMemoryLedger(LedgerContract):
    """The double of the ledger."""

    @pytest.fixture
    def ledger(self) -> MemoryLedger:
        """Return an empty one."""
        return MemoryLedger()


class TestMemoryStore(StoreContract):
    """The double of the store, which asks the double of the ledger what is barred."""

    @pytest.fixture
    def quarantine(self) -> MemoryLedger:
        """Return an empty one."""
        return MemoryLedger()

    @pytest.fixture
    def store(self, quarantine: MemoryLedger) -> MemoryStore:
        """Return an empty one."""
        return MemoryStore(FixedClock(), quarantine)


def test_the_clock_goes_on_when_told() -> None:
    """Both of its readings advance together."""
    clock = FixedClock()
    before = clock.now()
    same: Clock = clock
    clock.advance(90)

    assert (timedelta(seconds=90), 90.0) == (same.now() - before, same.monotonic())
