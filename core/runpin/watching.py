"""
An in-memory view of the channels, kept fresh by one background thread.

Engines ask it on threads that must not wait: an answer is a dictionary look-up.
It starts lazily, ends with the process, and starts anew after a fork.
"""

from __future__ import annotations

import logging
import os
import random
import threading
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from runpin.errors import RunpinError
from runpin.model import STABLE, SnapshotId

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from runpin.ports import ChannelStore, Clock, Quarantine
    from runpin.resolving import Resolver

_log = logging.getLogger("runpin.watching")


@dataclass(frozen=True, slots=True)
class View:
    """Where the channels of one environment and tenant stood at `taken`, seconds on the monotonic clock."""

    stable: Mapping[str, SnapshotId] = field(default_factory=dict)
    barred: frozenset[SnapshotId] = frozenset()
    taken: float = float("-inf")


class ChannelWatch:
    """
    Asks the store for all channels every *interval* seconds, and answers from memory.

    After a failed round the last view stays, until it is older than *max_age* seconds: then there is no answer,
    and runs decide at their first read.
    """

    def __init__(
        self,
        channels: ChannelStore,
        quarantine: Quarantine,
        resolver: Resolver,
        clock: Clock,
        *,
        environment: str,
        tenant: str | None,
        interval: float = 2.0,
        max_age: float = 600.0,
    ) -> None:
        self._channels = channels
        self._quarantine = quarantine
        self._resolver = resolver
        self._clock = clock
        self._environment = environment
        self._tenant = tenant
        self._interval = interval
        self._max_age = max_age
        self._view = View()
        self._owner = 0
        self._wake = threading.Event()
        self._seen = threading.Event()
        self._failing = False

    def present(self, applications: Iterable[str]) -> Mapping[str, SnapshotId]:
        """Return where the stable channel of each of *applications* stands; what is not known is left out."""
        self.start()
        view = self._view
        if self._clock.monotonic() - view.taken > self._max_age:
            return MappingProxyType({})
        known = ((name, view.stable.get(name)) for name in applications)
        return {name: snapshot for name, snapshot in known if snapshot is not None and snapshot not in view.barred}

    def start(self) -> None:
        """Start the thread of this process, unless it runs."""
        if self._owner == os.getpid():
            return
        self._owner = os.getpid()
        self._wake = threading.Event()
        threading.Thread(target=self._run, args=(self._wake,), name="runpin-watch", daemon=True).start()

    def stop(self) -> None:
        """End the thread after the round it is in."""
        self._wake.set()

    def wait_for_view(self, timeout: float) -> bool:
        """Wait until there is a first view, for tools and tests; engines never call this."""
        self.start()
        return self._seen.wait(timeout)

    def refresh(self) -> None:
        """
        Take a new view now.

        Raises:
            StoreUnavailable, StoreCorrupt, StoreOutdated
        """
        channels = self._channels.channels(self._environment, self._tenant)
        barred = self._quarantine.barred(self._environment)
        self._resolver.note_channels(channels)
        self._resolver.note_barred(self._environment, barred)
        stable = {c.scope.application: c.snapshot for c in channels if c.name == STABLE}
        self._view = View(MappingProxyType(stable), barred, self._clock.monotonic())
        self._seen.set()

    def _run(self, wake: threading.Event) -> None:
        while not wake.is_set():
            self._round()
            # Jitter keeps a fleet that was started together from asking together.
            wake.wait(self._interval * random.uniform(0.8, 1.2))  # noqa: S311 - spreads load, guards nothing

    def _round(self) -> None:
        try:
            self.refresh()
            self._failing = False
        except Exception as error:  # noqa: BLE001 - the thread lives in a scheduler and must outlive any fault
            if not self._failing:
                what = str(error) if isinstance(error, RunpinError) else type(error).__name__
                _log.warning("runpin cannot see the channels of %s: %s", self._environment, what)
            self._failing = True
