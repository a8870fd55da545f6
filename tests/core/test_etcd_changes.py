"""News about channels and quarantine: at once, from a revision on, over compactions, lost members and forks."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from time import monotonic

import pytest

from etcd_server import EtcdServer, Member, etcd_of
from runpin.changes import Change
from runpin.clock import SystemClock
from runpin.errors import StoreUnavailable
from runpin.etcd.changes import EtcdWatcher
from runpin.etcd.cluster import Cluster
from runpin.ledgers.etcd import EtcdLedger
from runpin.model import Snapshot
from runpin.stores.etcd import EtcdStore
from runpin.testing.ledger_contract import pin_of
from runpin.testing.store_contract import move, publish

pytestmark = pytest.mark.etcd

LONG = 60.0
SHORT = 0.3


@pytest.fixture
def cluster(etcd_url: str) -> Iterator[Cluster]:
    """Return the session's etcd, below a prefix without a key."""
    with Cluster.open(etcd_url, clock=SystemClock()) as cluster:
        yield cluster


@pytest.fixture
def store(cluster: Cluster) -> EtcdStore:
    """Return a store."""
    return EtcdStore(cluster)


@pytest.fixture
def snapshot(store: EtcdStore) -> Snapshot:
    """Return a published snapshot."""
    return publish(store, 1)


@pytest.fixture
def watcher(cluster: Cluster, snapshot: Snapshot) -> Iterator[EtcdWatcher]:
    """Return a watcher of prod, without a tenant, that has begun."""
    del snapshot
    watcher = begun(cluster)
    yield watcher
    watcher.close()


def test_a_compacted_history_is_no_loss(
    watcher: EtcdWatcher, store: EtcdStore, snapshot: Snapshot, etcd_server: EtcdServer
) -> None:
    """Who comes back after it is told that something may have changed, and goes on from there."""
    for expected in range(3):
        move(store, snapshot, expected)
    revision = etcd_server.control("get", "--write-out=json", "/none").split('"revision":')[1].split(",")[0]
    etcd_server.control("compaction", revision)
    told, quiet = watcher.wait(LONG), watcher.wait(SHORT)
    move(store, snapshot, 3)

    assert Change("prod", None, certain=False) == told
    assert quiet is None
    assert Change("prod", None) == watcher.wait(LONG)


def test_pins_and_publications_are_not_told(watcher: EtcdWatcher, cluster: Cluster, store: EtcdStore) -> None:
    """They change nothing that new runs would get."""
    EtcdLedger(cluster).put_if_absent(pin_of(1))
    publish(store, 2)

    assert watcher.wait(SHORT) is None


@pytest.mark.faults
@pytest.mark.timeout(120)
def test_a_lost_member_is_no_loss(etcd_cluster: EtcdServer) -> None:
    """Each member is killed and stopped in turn; the next one is asked, and what happened meanwhile is told."""
    with Cluster.open(etcd_cluster.fresh_url(), clock=SystemClock()) as cluster:
        store = EtcdStore(cluster)
        snapshot, watcher = publish(store, 1), begun(cluster)
        for member in etcd_cluster.members:
            for harm, mend in ((member.kill, partial(etcd_cluster.again, member)), _pause(member)):
                move_on(store, snapshot)
                assert news(watcher)
                harm()
                move_on(store, snapshot)
                assert news(watcher)
                mend()
                etcd_cluster.wait_until_ready()
        watcher.close()


def test_without_members_there_is_an_error_in_time(etcd_program: Path) -> None:
    """Silence is never taken for an answer when nobody could be asked."""
    with etcd_of(etcd_program, 1) as server, Cluster.open(server.url(), clock=SystemClock()) as cluster:
        watcher = begun(cluster)
        server.stop()
        since = monotonic()
        with pytest.raises(StoreUnavailable):
            watcher.wait(1.0)

    assert monotonic() - since < LONG


@pytest.mark.faults
def test_a_member_without_a_leader_is_not_silent(etcd_cluster: EtcdServer) -> None:
    """It runs and hears nothing; that is an error, long before the time to wait is over, and not an absence of news."""
    alone, *others = etcd_cluster.members
    url = f"etcd://127.0.0.1:{alone.port}/runpin"
    with Cluster.open(url, clock=SystemClock(), patience=2.0) as cluster:
        watcher = begun(cluster)
        assert watcher.wait(SHORT) is None
        for member in others:
            member.kill()
        since = monotonic()
        with pytest.raises(StoreUnavailable):
            watcher.wait(60.0)
        watcher.close()

    assert monotonic() - since < LONG


@pytest.mark.faults
@pytest.mark.timeout(120)
def test_a_stream_that_stalls_is_opened_anew(etcd_cluster: EtcdServer) -> None:
    """Its member stands still and takes no news; after one silent call another member is asked."""
    with Cluster.open(etcd_cluster.fresh_url(), clock=SystemClock()) as cluster:
        store = EtcdStore(cluster)
        snapshot, watcher = publish(store, 1), begun(cluster)
        move_on(store, snapshot)
        assert news(watcher)
        for member in etcd_cluster.members[:1]:
            member.signal(signal.SIGSTOP)
            move_on(store, snapshot)
            assert news(watcher)
            member.signal(signal.SIGCONT)
        watcher.close()


def begun(cluster: Cluster) -> EtcdWatcher:
    """Return a watcher of prod that has said that somebody should look."""
    watcher = EtcdWatcher(cluster, "prod", None)
    assert Change("prod", None, certain=False) == watcher.wait(LONG)
    return watcher


def move_on(store: EtcdStore, snapshot: Snapshot) -> None:
    """Move the channel from where it stands."""
    moves = store.moves(snapshot.scope, "stable", 1)
    move(store, snapshot, moves[0].channel.revision if moves else 0)


def news(watcher: EtcdWatcher) -> bool:
    """Tell whether there is news in time, waiting as a process does: again and again."""
    deadline = monotonic() + LONG
    while monotonic() < deadline:
        if watcher.wait(2.0) is not None:
            return True
    return False


def _pause(member: Member) -> tuple[Callable[[], None], Callable[[], None]]:
    return partial(member.signal, signal.SIGSTOP), partial(member.signal, signal.SIGCONT)
