"""Every watcher keeps the same contract, and the contract catches watchers that do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest

from etcd_server import EtcdServer, etcd_of
from postgres_server import PostgresServer
from runpin.backends import EtcdBackend, SqlBackend
from runpin.changes import Change, Watcher
from runpin.clock import SystemClock
from runpin.database.engine import Database
from runpin.errors import StoreUnavailable
from runpin.etcd.cluster import Cluster
from runpin.testing import FixedClock, MemoryLedger, MemoryStore, MemoryWatcher
from runpin.testing.contracts import Ledger, Store, Watched, WatcherContract
from runpin.testing.store_contract import publish

Maker = Callable[..., MemoryWatcher]


class InMemory:
    """The doubles, and one of them that can be away."""

    def __init__(self, make: Maker = MemoryWatcher) -> None:
        ledger = MemoryLedger()
        self.ledger: Ledger = ledger
        self.store: Store = MemoryStore(FixedClock(), ledger)
        self._away = Event()
        self._make = make

    def watcher(self, environment: str, tenant: str | None) -> Watcher:
        """Return a watcher of the doubles."""
        return self._make(self.store, self.ledger, environment, tenant, self._away)

    def leave(self) -> None:
        """Be away."""
        self._away.set()

    def come_back(self) -> None:
        """Answer again."""
        self._away.clear()


class OnServer:
    """A backend that writes and another one that watches, as two processes have them."""

    def __init__(
        self, writing: SqlBackend | EtcdBackend, watching: SqlBackend | EtcdBackend, server: PostgresServer | EtcdServer
    ) -> None:
        self.store: Store = writing.store
        self.ledger: Ledger = writing.ledger
        self._watching = watching
        self._server = server

    def watcher(self, environment: str, tenant: str | None) -> Watcher:
        """Return a watcher with connections of its own."""
        watcher = self._watching.watcher(environment, tenant)
        assert watcher is not None
        return watcher

    def leave(self) -> None:
        """Stop the server."""
        self._server.stop()

    def come_back(self) -> None:
        """Start it again, with what it had."""
        if isinstance(self._server, PostgresServer):
            self._server.revive()
            return
        for member in self._server.members:
            self._server.again(member)
        self._server.wait_until_ready()


@pytest.fixture(scope="module")
def fragile_etcd(etcd_program: Path) -> Iterator[EtcdServer]:
    """Return a member that is stopped and started."""
    with etcd_of(etcd_program, 1) as server:
        yield server


class TestMemoryWatcher(WatcherContract):
    """The double."""

    across_processes = False

    @pytest.fixture
    def watched(self) -> Watched:
        """Return empty doubles."""
        return InMemory()


@pytest.mark.postgres
@pytest.mark.timeout(180)
class TestPostgresWatcher(WatcherContract):
    """LISTEN."""

    @pytest.fixture
    def watched(self, postgres_server: PostgresServer, postgres_url: str) -> Iterator[Watched]:
        """Return an empty database of the session's server."""
        clock = SystemClock()
        with (
            postgres_server.back_afterwards(),
            Database.open(postgres_url, clock=clock, patience=20.0) as writing,
            Database.open(postgres_url, clock=clock) as watching,
        ):
            yield OnServer(SqlBackend(writing), SqlBackend(watching), postgres_server)


@pytest.mark.etcd
@pytest.mark.timeout(180)
class TestEtcdWatcher(WatcherContract):
    """A watch of one member."""

    @pytest.fixture
    def watched(self, fragile_etcd: EtcdServer) -> Iterator[Watched]:
        """Return an empty prefix."""
        url, clock = fragile_etcd.fresh_url(), SystemClock()
        with (
            Cluster.open(url, clock=clock, patience=20.0) as writing,
            Cluster.open(url, clock=clock, patience=2.0) as watching,
        ):
            yield OnServer(EtcdBackend(writing), EtcdBackend(watching), fragile_etcd)


class Forgetful(MemoryWatcher):
    """Forgets what happens while nobody waits."""

    def wait(self, timeout: float) -> Change | None:
        """Begin with how things stand now."""
        if self._seen is not None:
            self._look()
        return super().wait(timeout)


class Endless(MemoryWatcher):
    """Lets no wait end before its time."""

    def close(self) -> None:
        """Do nothing."""


class Hopeful(MemoryWatcher):
    """Takes silence for an answer."""

    def wait(self, timeout: float) -> Change | None:
        """Say that nothing has changed."""
        try:
            return super().wait(timeout)
        except StoreUnavailable:
            return None


class Sure(MemoryWatcher):
    """Goes on after an outage as if nothing had been missed."""

    def wait(self, timeout: float) -> Change | None:
        """Remember what was seen before."""
        before = self._seen
        try:
            return super().wait(timeout)
        except StoreUnavailable:
            self._seen = before
            raise


class Late(MemoryWatcher):
    """Waits for a first change, instead of saying that somebody should look."""

    def wait(self, timeout: float) -> Change | None:
        """Take how things stand now for seen."""
        if self._seen is None:
            self._look()
        return super().wait(timeout)


class Nosy(MemoryWatcher):
    """Tells of another environment's quarantine too."""

    def _look(self) -> Change | None:
        seen = (self._channels.channels("prod", None), self._quarantine.barred("test"), self._quarantine.barred("prod"))
        before, self._seen = self._seen, seen
        return None if seen == before else Change(self._environment, self._tenant, certain=before is not None)


class Blind(MemoryWatcher):
    """Sees no quarantine."""

    def _look(self) -> Change | None:
        seen = self._channels.channels(self._environment, self._tenant)
        before, self._seen = self._seen, seen
        return None if seen == before else Change(self._environment, self._tenant, certain=before is not None)


class Hasty(WatcherContract):
    """The contract with little patience."""

    long = 1.5


@pytest.mark.parametrize(
    ("make", "test"),
    [
        (Forgetful, "what_happens_between_waits_is_told"),
        (Endless, "close_ends_a_wait_of_another_thread"),
        (Hopeful, "a_server_that_is_away_is_no_silence"),
        (Sure, "a_server_that_is_away_is_no_silence"),
        (Late, "the_first_call_says_look"),
        (Nosy, "what_concerns_others_is_not_told"),
        (Blind, "every_kind_of_change_is_told"),
    ],
)
def test_the_contract_catches(make: Maker, test: str) -> None:
    """Each of these watchers is wrong in one way."""
    contract, watched = Hasty(), InMemory(make)
    given: dict[str, object] = {"watched": watched}
    if test != "the_first_call_says_look":
        snapshot, watcher = publish(watched.store, 1), watched.watcher("prod", None)
        contract.settled(watcher)
        given |= {"watcher": watcher, "snapshot": snapshot}
    method = getattr(contract, f"test_{test}")
    wanted = {name: given[name] for name in method.__code__.co_varnames[1 : method.__code__.co_argcount]}

    with pytest.raises((AssertionError, pytest.fail.Exception)):
        method(**wanted)
