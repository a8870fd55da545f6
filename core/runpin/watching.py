"""
An in-memory view of the channels, kept fresh by one background thread.

Engines ask it on threads that must not wait: an answer is a dictionary look-up.
It starts lazily, ends with the process, and starts anew after a fork.
A fork waits for a round to end, for what a thread has locked inside a database library stays locked in the child. It
does not wait for a thread that waits for news; the child makes a watcher of its own.
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
from runpin.observing import looked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from runpin.changes import Watcher
    from runpin.model import Channel
    from runpin.ports import ChannelStore, Clock, Quarantine
    from runpin.reactions import Moved
    from runpin.resolving import Resolver

_log = logging.getLogger("runpin.watching")

FORK_PATIENCE = 0.1
"""Seconds that a fork waits for a round to end; a store that hangs holds up no engine for longer."""

SPREAD = 0.05
"""Seconds over which processes that were told the same begin to ask."""


@dataclass(frozen=True, slots=True)
class View:
    """Where the channels of one environment and tenant stood at `taken`, seconds on the monotonic clock."""

    stable: Mapping[str, SnapshotId] = field(default_factory=dict)
    barred: frozenset[SnapshotId] = frozenset()
    taken: float = float("-inf")
    revisions: Mapping[tuple[str, str], int] = field(default_factory=dict)


class ChannelWatch:
    """
    Asks the store for all channels when it is told to, and now and then anyway, and answers from memory.

    After a failed round the last view stays, until it is older than *max_age* seconds: then there is no answer,
    and runs decide at their first read.

    Args:
        open_watcher: makes what tells of changes, in the thread that waits for it; None where nothing does.
        interval: seconds between two looks while nothing tells of changes, or what does is away.
        slow_interval: seconds between two looks while something does.

    Attributes:
        in_round: held while the store is asked; a fork holds it too, for a moment.
        pushed: whether this process is told of changes at the moment.
        lag: seconds between the last move that was seen and the moment it was seen; None before the first one. It
            compares two hosts' clocks.
    """

    def __init__(  # noqa: PLR0913 - what it asks, what for, and how often
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
        open_watcher: Callable[[], Watcher | None] | None = None,
        slow_interval: float = 15.0,
    ) -> None:
        self._channels = channels
        self._quarantine = quarantine
        self._resolver = resolver
        self._clock = clock
        self._environment = environment
        self._tenant = tenant
        self._interval = interval
        self._slow_interval = slow_interval
        self._max_age = max_age
        self._open_watcher = open_watcher
        self._watcher: Watcher | None = None
        self._view = View()
        self._owner = 0
        self._wake = threading.Event()
        self._seen = threading.Event()
        self._failing = False
        self._begun = False
        self.in_round = threading.Lock()
        self.pushed = False
        self.lag: float | None = None
        self._look_error: str | None = None
        self._push_error: str | None = None
        _watches.add(self)

    @property
    def age(self) -> float | None:
        """Seconds since the view was taken; None before the first one."""
        taken = self._view.taken
        return None if taken == float("-inf") else self._clock.monotonic() - taken

    @property
    def error(self) -> str | None:
        """What the last look failed with, or the last wait for news; None if neither did."""
        return self._look_error or self._push_error

    def present(self, applications: Iterable[str], told: Iterable[Moved] = ()) -> Mapping[str, SnapshotId]:
        """
        Return where the stable channel of each of *applications* stands; what is not known is left out.

        Args:
            applications: whose.
            told: moves that the asking engine was told of. What this process has not seen yet is not known.
        """
        self.start()
        view = self._view
        if self._clock.monotonic() - view.taken > self._max_age:
            return MappingProxyType({})
        unseen = {move.scope.application for move in told if self._is_unseen(move, view)}
        known = ((name, view.stable.get(name)) for name in applications if name not in unseen)
        return {name: snapshot for name, snapshot in known if snapshot is not None and snapshot not in view.barred}

    def _is_unseen(self, move: Moved, view: View) -> bool:
        if (move.channel, move.scope.environment, move.scope.tenant) != (STABLE, self._environment, self._tenant):
            return False
        return move.revision > view.revisions.get((move.scope.application, STABLE), 0)

    def start(self) -> None:
        """Start the thread of this process, unless it runs."""
        if self._owner == os.getpid():
            return
        self._wake, self._seen = threading.Event(), threading.Event()
        threading.Thread(target=self._run, args=(self._wake,), name="runpin-watch", daemon=True).start()
        self._owner = os.getpid()

    def renew(self) -> None:
        """Forget what a forked child has inherited, without touching it: it is the parent's."""
        _inherited.append(self._watcher)
        self.in_round = threading.Lock()
        self._watcher = None
        self.pushed = False

    def stop(self) -> None:
        """End the thread after the round it is in, and its wait at once."""
        self._wake.set()
        if self._watcher is not None:
            self._watcher.close()

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
        revisions = {(c.scope.application, c.name): c.revision for c in channels}
        self._note_lag(channels)
        self._view = View(MappingProxyType(stable), barred, self._clock.monotonic(), MappingProxyType(revisions))
        self._seen.set()

    def _note_lag(self, channels: Sequence[Channel]) -> None:
        before = self._view
        if before.taken == float("-inf"):
            return
        moved = [c for c in channels if c.revision > before.revisions.get((c.scope.application, c.name), 0)]
        if moved:
            now = self._clock.now()
            self.lag = max(0.0, *((now - c.moved_at).total_seconds() for c in moved))

    def _run(self, wake: threading.Event) -> None:
        told = True
        while not wake.is_set():
            before = self._view
            with self.in_round:
                self._round()
            # Behind a pooler nothing is told although the server pushes. News that only a look brought are the sign.
            if not told and _differ(before, self._view):
                self.pushed = False
            told = self._wait(wake)
        if self._watcher is not None:
            self._watcher.close()

    def _round(self) -> None:
        try:
            self.refresh()
            self._failing, self._look_error = False, None
        except BaseException as error:  # noqa: BLE001 - the thread lives in a scheduler and must outlive any fault
            self._look_error = _said(error)
            if not self._failing:
                _log.warning("runpin cannot see the channels of %s: %s", self._environment, self._look_error)
            self._failing = True
        looked(self, self._environment)

    def _wait(self, wake: threading.Event) -> bool:
        """Wait until it is time to look, and tell whether somebody said so."""
        # Jitter keeps a fleet that was started together from asking together.
        jitter = random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, guards nothing
        try:
            told = self._listen(wake, jitter)
            self._push_error = None
        except BaseException as error:  # noqa: BLE001 - without news it looks at an interval
            self._push_error = _said(error)
            self.pushed = False
            told = None
        if told is None:
            wake.wait(self._interval * jitter)
        return bool(told)

    def _listen(self, wake: threading.Event, jitter: float) -> bool | None:
        """Return whether something was told, None where nobody tells."""
        watcher = self._watching(wake)
        if watcher is None:
            return None
        quiet = self._slow_interval if self.pushed else self._interval
        change = watcher.wait(quiet * jitter)
        if change is None:
            return False
        # A connection that is lost as soon as it is made must not make it ask without a rest.
        rest = SPREAD if change.certain or not self._begun else self._interval
        self._begun = not change.certain
        self.pushed = True
        wake.wait(random.uniform(0, rest))  # noqa: S311 - spreads load, guards nothing
        return True

    def _watching(self, wake: threading.Event) -> Watcher | None:
        if self._watcher is None and self._open_watcher is not None:
            self._watcher = self._open_watcher()
            self._begun = False
            if self._watcher is not None and wake.is_set():
                self._watcher.close()
        return self._watcher


def _said(error: BaseException) -> str:
    return str(error) if isinstance(error, RunpinError) else type(error).__name__


def _differ(one: View, other: View) -> bool:
    return (one.revisions, one.barred) != (other.revisions, other.barred)


_watches: WeakSet[ChannelWatch] = WeakSet()
_forking = threading.local()
_inherited: list[Watcher | None] = []  # collecting these in the child would speak on the parent's sockets


def _before_fork() -> None:
    _forking.held = [each.in_round for each in list(_watches) if each.in_round.acquire(timeout=FORK_PATIENCE)]


def _after_fork_in_parent() -> None:
    for lock in _forking.held:
        lock.release()


def _after_fork_in_child() -> None:
    for each in list(_watches):
        each.renew()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
