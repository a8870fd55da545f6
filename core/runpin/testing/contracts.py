"""
The contracts of store and ledger, as pytest classes to subclass.

    class TestMyLedger(LedgerContract):
        @pytest.fixture
        def ledger(self) -> MyLedger:
            return MyLedger(...)
"""

from __future__ import annotations

from runpin.testing.ledger_contract import Ledger, LedgerContract
from runpin.testing.store_contract import Store, StoreContract

__all__ = ["Ledger", "LedgerContract", "Store", "StoreContract"]
