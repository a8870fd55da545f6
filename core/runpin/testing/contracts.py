"""
The contracts of store, replica, ledger, overrides, watcher, reactions and gates, as pytest classes to subclass.

    class TestMyLedger(LedgerContract):
        @pytest.fixture
        def ledger(self) -> MyLedger:
            return MyLedger(...)
"""

from __future__ import annotations

from runpin.testing.gate_contract import GateContract
from runpin.testing.ledger_contract import Ledger, LedgerContract
from runpin.testing.overrides_contract import OverridesContract
from runpin.testing.reactions_contract import ReactionsContract
from runpin.testing.replica_contract import ReplicaContract
from runpin.testing.store_contract import Store, StoreContract
from runpin.testing.watcher_contract import Watched, WatcherContract

__all__ = [
    "GateContract",
    "Ledger",
    "LedgerContract",
    "OverridesContract",
    "ReactionsContract",
    "ReplicaContract",
    "Store",
    "StoreContract",
    "Watched",
    "WatcherContract",
]
