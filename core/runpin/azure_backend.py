"""An Azure App Configuration store as a backend: it keeps what it can, and another backend keeps the rest."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING
from weakref import WeakSet

from runpin.capabilities import Capabilities

if TYPE_CHECKING:
    from runpin.azure_appconfig.endpoint import Endpoint
    from runpin.azure_appconfig.events import EventReceiver
    from runpin.azure_appconfig.watching import AzureWatcher
    from runpin.backends import Backend, Follower, Ledger
    from runpin.changes import Change, Watcher
    from runpin.mirrors import Mirror
    from runpin.ports import Overrides, Reactions
    from runpin.stores.azure import AzureStore


class AzureBackend:
    """
    An Azure App Configuration store, beside a backend that keeps what this service cannot: pins and the quarantine.

    Attributes:
        endpoint: the store.
        beside: holds the ledger and the reactions.
    """

    def __init__(self, endpoint: Endpoint, beside: Backend) -> None:
        self.endpoint = endpoint
        self.beside = beside
        self._watchers: WeakSet[AzureWatcher] = WeakSet()

    @property
    def capabilities(self) -> Capabilities:
        """Those of the store; the pins are beside it."""
        return Capabilities(pins=False, pushes=False, fresh=False, local=False)

    @cached_property
    def store(self) -> AzureStore:
        """Snapshots, channels and their history."""
        from runpin.stores.azure import AzureStore

        return AzureStore(self.endpoint, self.beside.ledger)

    @cached_property
    def replica(self) -> Follower:
        """The same store as what follows another one."""
        from runpin.stores.azure_replica import AzureReplica

        return AzureReplica(self.endpoint, self.beside.ledger)

    @property
    def native(self) -> Mirror | None:
        """What brings Azure's own readers to where channels stand, None if the store's URL does not ask for that."""
        return self.store.native

    @property
    def ledger(self) -> Ledger:
        """Pins and the quarantine, of the other backend."""
        return self.beside.ledger

    @property
    def reactions(self) -> Reactions:
        """The record of what followed from a channel's moves, of the other backend."""
        return self.beside.reactions

    @property
    def overrides(self) -> Overrides:
        """What operators want of single runs, of the other backend."""
        return self.beside.overrides

    def watcher(self, environment: str, tenant: str | None) -> Watcher:
        """Return what asks for changes every few seconds, and listens to the other backend and to Event Grid."""
        from runpin.azure_appconfig.watching import AzureWatcher

        beside, interval = self.beside.watcher(environment, tenant), self.endpoint.address.poll
        quarantine = self.ledger if beside is None else None
        watcher = AzureWatcher(
            self.endpoint, environment, tenant, interval=interval, beside=beside, quarantine=quarantine
        )
        self._watchers.add(watcher)
        return watcher

    @property
    def events(self) -> EventReceiver:
        """What takes the deliveries of Azure Event Grid and has the watchers of this process look at once."""
        from runpin.azure_appconfig.events import EventReceiver

        return EventReceiver(self.endpoint, self._hint)

    def _hint(self, change: Change) -> None:
        for watcher in list(self._watchers):
            if (watcher.environment, watcher.tenant) == (change.environment, change.tenant):
                watcher.hint()

    def close(self) -> None:
        """Close the connections that nobody uses."""
        self.endpoint.close()
        self.beside.close()
