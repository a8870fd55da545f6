"""
For tests: a run with fixed configuration, in-memory doubles, and the contract that every adapter has to keep.

    from runpin.testing import fixed_run
    from runpin.testing import FixedClock, MemoryLedger, MemoryOverrides, MemoryReactions, MemoryReplica, MemoryStore
    from runpin.testing import MemoryWatcher
    from runpin.testing import case_of
    from runpin.testing.contracts import GateContract, LedgerContract, ReplicaContract, StoreContract, WatcherContract

The contracts need pytest. `pytest.register_assert_rewrite("runpin.testing.contracts")` in a conftest.py makes their
failures say more.
"""

from __future__ import annotations

from runpin.testing.cases import case_of
from runpin.testing.fixed import fixed_run
from runpin.testing.memory import FixedClock, MemoryLedger, MemoryStore
from runpin.testing.memory_overrides import MemoryOverrides
from runpin.testing.memory_reactions import MemoryReactions
from runpin.testing.memory_replica import MemoryReplica
from runpin.testing.memory_watcher import MemoryWatcher

__all__ = [
    "FixedClock",
    "MemoryLedger",
    "MemoryOverrides",
    "MemoryReactions",
    "MemoryReplica",
    "MemoryStore",
    "MemoryWatcher",
    "case_of",
    "fixed_run",
]
