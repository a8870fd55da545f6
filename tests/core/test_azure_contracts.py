"""The store keeps its contract on a double of Azure App Configuration, through the vendor's client."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from azure_double import Double
from azure_double_server import Server, serving
from runpin.stores.azure import AzureStore
from runpin.testing import MemoryLedger
from runpin.testing.contracts import StoreContract


class OnTheDouble(StoreContract):
    """The store at a double, beside a quarantine that is kept elsewhere."""

    @pytest.fixture
    def double(self) -> Double:
        """Return the service's rules."""
        return Double()

    @pytest.fixture
    def server(self, double: Double) -> Iterator[Server]:
        """Serve the double."""
        with serving(double) as server:
            yield server

    @pytest.fixture
    def quarantine(self) -> MemoryLedger:
        """Return a quarantine in memory."""
        return MemoryLedger()

    @pytest.fixture
    def store(self, server: Server, quarantine: MemoryLedger) -> Iterator[AzureStore]:
        """Return an empty one."""
        with server.endpoint() as endpoint:
            yield AzureStore(endpoint, quarantine)


class TestAzureStore(OnTheDouble):
    """As the service is when nothing is wrong."""


class TestAzureStoreInSmallPages(OnTheDouble):
    """When every list comes in pages of three."""

    @pytest.fixture
    def double(self) -> Double:
        """Return the service's rules."""
        return Double(page=3)
