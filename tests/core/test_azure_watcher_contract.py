"""The watcher of Azure App Configuration keeps the contract of watchers, on a double and beside another ledger."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from azure_double_server import Fault, Server, serving
from runpin.azure_appconfig.watching import AzureWatcher
from runpin.changes import Watcher
from runpin.stores.azure import AzureStore
from runpin.testing import MemoryLedger
from runpin.testing.contracts import Ledger, Store, Watched, WatcherContract


class OnTheDouble:
    """A store at a double, whose quarantine is in memory and asked."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.ledger: Ledger = MemoryLedger()
        self.store: Store = AzureStore(server.endpoint(), self.ledger)

    def watcher(self, environment: str, tenant: str | None) -> Watcher:
        """Return a new watcher, with a client of its own."""
        endpoint = self._server.endpoint(1.0)
        return AzureWatcher(endpoint, environment, tenant, interval=0.1, quarantine=self.ledger)

    def leave(self) -> None:
        """Reset every connection."""
        self._server.faults = lambda _: Fault.RESET

    def come_back(self) -> None:
        """Answer again."""
        self._server.faults = lambda _: None


class TestAzureWatcher(WatcherContract):
    """Asked ten times a second."""

    @pytest.fixture
    def watched(self) -> Iterator[Watched]:
        """Return an empty store and its ledger."""
        with serving() as server:
            yield OnTheDouble(server)
