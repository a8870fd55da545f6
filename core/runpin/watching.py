"""
An in-memory view of the channels, kept fresh by one background thread.

Engines ask it on threads that must not wait: an answer is a dictionary look-up.
It starts lazily, ends with the process, and starts anew after a fork.
A fork waits for a round to end, for what a thread has locked inside a database library stays locked in the child.
"""

from __future__ import annotations

import logging
import os
import random
import threading
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING
from weakref import WeakSet

from runpin.errors import RunpinError
from runpin.model import STABLE, SnapshotId

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from runpin.ports import ChannelStore, Clock, Quarantine
    from runpin.resolving import Resolver

_log = logging.getLogger("runpin.watching")

FORK_PATIENCE = 0.1
"""Seconds that a fork waits for a round to end; a store that hangs holds up no engine for longer."""


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

    Attributes:
        in_round: held while the store is asked; a fork holds it too, for a moment.
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
        self.in_round = threading.Lock()
        _watches.add(self)

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
        self._wake, self._seen = threading.Event(), threading.Event()
        threading.Thread(target=self._run, args=(self._wake,), name="runpin-watch", daemon=True).start()
        self._owner = os.getpid()

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
            with self.in_round:
                self._round()
            # Jitter keeps a fleet that was started together from asking together.
            wake.wait(self._interval * random.uniform(0.8, 1.2))  # noqa: S311 - spreads load, guards nothing

    def _round(self) -> None:
        try:
            self.refresh()
            self._failing = False
        except BaseException as error:  # noqa: BLE001 - the thread lives in a scheduler and must outlive any fault
            if not self._failing:
                what = str(error) if isinstance(error, RunpinError) else type(error).__name__
                _log.warning("runpin cannot see the channels of %s: %s", self._environment, what)
            self._failing = True


_watches: WeakSet[ChannelWatch] = WeakSet()
_forking = threading.local()


def _before_fork() -> None:
    _forking.held = [each.in_round for each in list(_watches) if each.in_round.acquire(timeout=FORK_PATIENCE)]


def _after_fork_in_parent() -> None:
    for lock in _forking.held:
        lock.release()


def _after_fork_in_child() -> None:
    for each in list(_watches):
        each.in_round = threading.Lock()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
