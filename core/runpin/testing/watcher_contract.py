"""What every watcher promises: nothing is missed, a wait ends when it should, and silence is no answer of the dead."""

# ruff: noqa: S101 - this module is a test suite that ships

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from time import monotonic
from typing import Protocol

import pytest

from runpin.changes import Change, Watcher
from runpin.errors import StoreUnavailable
from runpin.model import Scope, Snapshot
from runpin.testing.ledger_contract import Ledger, snapshot_id
from runpin.testing.store_contract import TENANT, Store, move, publish

SHORT = 0.3
OTHER = Scope("payments", "test")


class Watched(Protocol):
    """
    A store and its ledger as other processes use them, and watchers of them.

    Whoever writes through `store` and `ledger` shares no connection with a watcher.
    """

    store: Store
    ledger: Ledger

    def watcher(self, environment: str, tenant: str | None) -> Watcher:
        """Return a new watcher."""
        ...

    def leave(self) -> None:
        """Let the server be away: no connection survives, and no new one is made."""
        ...

    def come_back(self) -> None:
        """Let it answer again."""
        ...


class WatcherContract:
    """
    The tests; a subclass gives `watched`, an empty store and its ledger, which may be harmed.

    Attributes:
        long: seconds that no test waits for, unless something is wrong.
        across_processes: whether a watcher sees what another process did.
    """

    long = 60.0
    across_processes = True

    def settled(self, watcher: Watcher) -> None:
        """Wait until there is nothing more to tell."""
        deadline = monotonic() + self.long
        while watcher.wait(SHORT) is not None:
            assert monotonic() < deadline

    @pytest.fixture
    def watched(self) -> Watched:
        """Return an empty store and its ledger."""
        raise NotImplementedError

    @pytest.fixture
    def snapshot(self, watched: Watched) -> Snapshot:
        """Return a published snapshot."""
        return publish(watched.store, 1)

    @pytest.fixture
    def watcher(self, watched: Watched, snapshot: Snapshot) -> Iterator[Watcher]:
        """Return a watcher of prod that has begun."""
        del snapshot
        watcher = watched.watcher("prod", None)
        assert watcher.wait(self.long) == Change("prod", None, certain=False)
        self.settled(watcher)
        yield watcher
        watcher.close()

    def test_the_first_call_says_look(self, watched: Watched) -> None:
        """Whoever begins has seen nothing yet, so it does not wait, and is not sure."""
        watcher = watched.watcher("prod", TENANT.tenant)
        begun = monotonic()
        change = watcher.wait(self.long)
        watcher.close()

        assert change == Change("prod", TENANT.tenant, certain=False)
        assert monotonic() - begun < self.long / 2

    def test_silence_is_none_when_time_is_over(self, watcher: Watcher) -> None:
        """No sooner, and not much later."""
        begun = monotonic()

        assert watcher.wait(SHORT) is None
        assert SHORT * 0.9 <= monotonic() - begun < self.long / 2

    def test_every_kind_of_change_is_told(self, watched: Watched, watcher: Watcher, snapshot: Snapshot) -> None:
        """A first move, a bar, a lift and another move, each to somebody who waits already."""
        steps: list[Callable[[], object]] = [
            lambda: move(watched.store, snapshot, 0),
            lambda: watched.ledger.bar(snapshot.id, actor="ada", reason="broken"),
            lambda: watched.ledger.lift(snapshot.id, actor="ada", reason="was not the cause"),
            lambda: move(watched.store, snapshot, 1),
        ]
        for step in steps:
            with ThreadPoolExecutor(1) as threads:
                waiting = threads.submit(watcher.wait, self.long)
                Event().wait(SHORT)
                step()
                assert waiting.result() == Change("prod", None)
            self.settled(watcher)

    def test_what_concerns_others_is_not_told(self, watched: Watched, watcher: Watcher) -> None:
        """Neither another tenant's channels nor another environment's channels and quarantine."""
        move(watched.store, publish(watched.store, 2, TENANT), 0)
        move(watched.store, publish(watched.store, 3, OTHER), 0)
        watched.ledger.bar(snapshot_id(1, OTHER), actor="ada", reason="broken")

        assert watcher.wait(SHORT) is None

    def test_what_happens_between_waits_is_told(self, watched: Watched, watcher: Watcher, snapshot: Snapshot) -> None:
        """By the next one, at least once for all of it."""
        for expected in range(3):
            move(watched.store, snapshot, expected)
        Event().wait(SHORT)

        assert watcher.wait(self.long) == Change("prod", None)

    def test_two_watchers_are_told_the_same(self, watched: Watched, watcher: Watcher, snapshot: Snapshot) -> None:
        """One does not take from the other."""
        second = watched.watcher("prod", None)
        second.wait(self.long)
        self.settled(second)
        move(watched.store, snapshot, 0)
        told = [watcher.wait(self.long), second.wait(self.long)]
        second.close()

        assert told == [Change("prod", None)] * 2

    def test_close_ends_a_wait_of_another_thread(self, watcher: Watcher) -> None:
        """Long before its time is over; every later call returns at once."""
        with ThreadPoolExecutor(1) as threads:
            begun = monotonic()
            waiting = threads.submit(watcher.wait, self.long)
            Event().wait(SHORT)
            watcher.close()
            told = [waiting.result(), watcher.wait(self.long), watcher.wait(self.long)]

        assert told == [None] * 3
        assert monotonic() - begun < self.long / 2

    def test_a_server_that_is_away_is_no_silence(self, watched: Watched, watcher: Watcher, snapshot: Snapshot) -> None:
        """It is an error for as long as it lasts; afterwards something may have been missed."""
        watched.leave()
        try:
            with pytest.raises(StoreUnavailable):
                _silent_for(watcher, self.long)
        finally:
            watched.come_back()
        change = _after_an_outage(watcher, self.long)
        self.settled(watcher)
        move(watched.store, snapshot, 0)

        assert change == Change("prod", None, certain=False)
        assert watcher.wait(self.long) == Change("prod", None)

    def test_a_forked_child_makes_its_own(self, watched: Watched, watcher: Watcher, snapshot: Snapshot) -> None:
        """Both sides are told, and the parent's works on when the child has ended."""
        if not self.across_processes:
            pytest.skip("its watchers see nothing of other processes")
        ready, told = os.pipe()
        child = os.fork()
        if child == 0:
            os._exit(self._watch_in_child(watched, told))
        os.read(ready, 1)
        move(watched.store, snapshot, 0)
        _, status = os.waitpid(child, 0)
        for end in (ready, told):
            os.close(end)

        assert os.waitstatus_to_exitcode(status) == 0
        assert watcher.wait(self.long) == Change("prod", None)

    def _watch_in_child(self, watched: Watched, told: int) -> int:
        try:
            own = watched.watcher("prod", None)
            own.wait(self.long)
            self.settled(own)
            os.write(told, b"!")
            return int(own.wait(self.long) != Change("prod", None))
        except BaseException:  # noqa: BLE001 - the child must not go on as the tests
            os.write(told, b"!")
            return 2


def _silent_for(watcher: Watcher, seconds: float) -> None:
    deadline = monotonic() + seconds
    while watcher.wait(1.0) is None and monotonic() < deadline:
        Event().wait(0.01)


def _after_an_outage(watcher: Watcher, seconds: float) -> Change | None:
    deadline = monotonic() + seconds
    while monotonic() < deadline:
        try:
            change = watcher.wait(1.0)
        except StoreUnavailable:
            Event().wait(0.1)
        else:
            if change is not None:
                return change
    return None
