"""A watcher of a store and a ledger in this process's memory."""

from __future__ import annotations

from threading import Event
from time import monotonic
from typing import TYPE_CHECKING

from runpin.changes import Change
from runpin.errors import StoreUnavailable

if TYPE_CHECKING:
    from runpin.ports import ChannelStore, Quarantine

_APART = 0.005


class MemoryWatcher:
    """
    Keeps the same contract as the real ones, but that it sees nothing of other processes; it looks all the time.

    Attributes:
        away: while this is set, nobody can be asked.
    """

    def __init__(
        self,
        channels: ChannelStore,
        quarantine: Quarantine,
        environment: str,
        tenant: str | None,
        away: Event | None = None,
    ) -> None:
        self.away = away or Event()
        self._channels = channels
        self._quarantine = quarantine
        self._environment = environment
        self._tenant = tenant
        self._seen: object = None
        self._closed = Event()

    def wait(self, timeout: float) -> Change | None:
        """Return a change as soon as there is one, None when *timeout* seconds are over or it was closed meanwhile."""
        ends = monotonic() + timeout
        while not self._closed.is_set():
            if self.away.is_set():
                self._seen = None
                raise StoreUnavailable("the memory is away")
            change = self._look()
            if change is not None or monotonic() >= ends:
                return change
            self._closed.wait(min(_APART, max(ends - monotonic(), 0)))
        return None

    def close(self) -> None:
        """End a wait of another thread; every later call returns None."""
        self._closed.set()

    def _look(self) -> Change | None:
        seen = (self._channels.channels(self._environment, self._tenant), self._quarantine.barred(self._environment))
        before, self._seen = self._seen, seen
        return None if seen == before else Change(self._environment, self._tenant, certain=before is not None)
