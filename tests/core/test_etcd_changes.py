"""News about channels and quarantine: at once, from a revision on, over compactions, lost members and forks."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event
from time import monotonic

import pytest

from etcd_server import EtcdServer, Member, etcd_of
from runpin.clock import SystemClock
from runpin.errors import StoreUnavailable
from runpin.etcd.changes import Changes
from runpin.etcd.cluster import Cluster
from runpin.ledgers.etcd import EtcdLedger
from runpin.model import Scope, Snapshot
from runpin.stores.etcd import EtcdStore
from runpin.testing.ledger_contract import pin_of, snapshot_id
from runpin.testing.store_contract import TENANT, move, publish

pytestmark = pytest.mark.etcd

LONG = 30.0
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
def changes(cluster: Cluster, snapshot: Snapshot) -> Iterator[Changes]:
    """Return the news of prod, without a tenant."""
    del snapshot
    changes = Changes(cluster, "prod", None)
    yield changes
    changes.close()


def test_where_the_cluster_stands_is_told_at_once(changes: Changes) -> None:
    """The first call does not wait, and silence leaves the revision as it was."""
    begun = monotonic()
    now = changes.wait(0, LONG)

    assert now > 0
    assert monotonic() - begun < 5
    assert now == changes.wait(now, SHORT) == changes.wait(now, SHORT)


def test_a_move_is_told_while_somebody_waits(changes: Changes, store: EtcdStore, snapshot: Snapshot) -> None:
    """Within a second of the moment it was written."""
    now = changes.wait(0, 0)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(changes.wait, now, LONG)
        Event().wait(SHORT)
        move(store, snapshot, 0)
        moved = monotonic()
        told = waiting.result()

    assert told > now
    assert monotonic() - moved < 1


def test_every_kind_of_change_is_told(changes: Changes, cluster: Cluster, store: EtcdStore, snapshot: Snapshot) -> None:
    """Moves, bars and lifts, one after the other on one stream."""
    ledger, told = EtcdLedger(cluster), [changes.wait(0, 0)]
    for step in (
        lambda: move(store, snapshot, 0),
        lambda: ledger.bar(snapshot.id, actor="ada", reason="broken"),
        lambda: ledger.lift(snapshot.id, actor="ada", reason="was not the cause"),
        lambda: move(store, snapshot, 1),
    ):
        step()
        told.append(changes.wait(told[-1], LONG))

    assert sorted(set(told)) == told


def test_what_concerns_others_is_not_told(changes: Changes, cluster: Cluster, store: EtcdStore) -> None:
    """Neither pins and publications, nor another tenant's channels, nor another environment's quarantine."""
    ledger, now = EtcdLedger(cluster), changes.wait(0, 0)
    ledger.put_if_absent(pin_of(1))
    move(store, publish(store, 2, TENANT), 0)
    ledger.bar(snapshot_id(1, Scope("payments", "test")), actor="ada", reason="broken")

    assert now == changes.wait(now, SHORT)


def test_changes_in_the_meantime_are_told_afterwards(
    changes: Changes, store: EtcdStore, snapshot: Snapshot, cluster: Cluster
) -> None:
    """Whoever was away goes on from the last revision, also in another process."""
    now = changes.wait(0, 0)
    for expected in range(3):
        move(store, snapshot, expected)
    newest = now
    while (told := changes.wait(newest, SHORT)) != newest:
        newest = told
    other = Changes(cluster, "prod", None)

    assert now < other.wait(now, LONG) <= newest
    other.close()


def test_a_compacted_history_is_no_loss(
    changes: Changes, store: EtcdStore, snapshot: Snapshot, etcd_server: EtcdServer
) -> None:
    """Who comes back after it is told that something has changed, and goes on from there."""
    now = changes.wait(0, 0)
    for expected in range(3):
        move(store, snapshot, expected)
    etcd_server.control("compaction", str(changes.wait(0, 0)))
    told = changes.wait(now, LONG)
    quiet = changes.wait(told, SHORT)
    move(store, snapshot, 3)

    assert told > now
    assert told == quiet < changes.wait(quiet, LONG)


@pytest.mark.faults
@pytest.mark.timeout(120)
def test_a_lost_member_is_no_loss(etcd_cluster: EtcdServer) -> None:
    """Each member is killed and stopped in turn; the next one is asked, and what happened meanwhile is told."""
    with Cluster.open(etcd_cluster.fresh_url(), clock=SystemClock()) as cluster:
        store, changes = EtcdStore(cluster), Changes(cluster, "prod", None)
        snapshot, told = publish(store, 1), [changes.wait(0, 0)]
        for member in etcd_cluster.members:
            for harm, mend in ((member.kill, partial(etcd_cluster.again, member)), _pause(member)):
                move_on(store, snapshot)
                told.append(news(changes, told[-1]))
                harm()
                move_on(store, snapshot)
                told.append(news(changes, told[-1]))
                mend()
                etcd_cluster.wait_until_ready()
        changes.close()

    assert sorted(set(told)) == told


def test_without_members_there_is_an_error_in_time(etcd_program: Path) -> None:
    """Silence is never taken for an answer when nobody could be asked."""
    with etcd_of(etcd_program, 1) as server, Cluster.open(server.url(), clock=SystemClock()) as cluster:
        changes = Changes(cluster, "prod", None)
        now = changes.wait(0, 0)
        server.stop()
        begun = monotonic()
        with pytest.raises(StoreUnavailable):
            changes.wait(now, 1.0)

    assert monotonic() - begun < 3


@pytest.mark.faults
def test_a_member_without_a_leader_is_not_silent(etcd_cluster: EtcdServer) -> None:
    """It runs and hears nothing; that is an error, long before the time to wait is over, and not an absence of news."""
    alone, *others = etcd_cluster.members
    url = f"etcd://127.0.0.1:{alone.port}/runpin"
    with Cluster.open(url, clock=SystemClock(), patience=2.0) as cluster:
        changes = Changes(cluster, "prod", None)
        now = changes.wait(0, 0)
        assert now == changes.wait(now, SHORT)
        for member in others:
            member.kill()
        begun = monotonic()
        with pytest.raises(StoreUnavailable):
            changes.wait(now, 60.0)
        changes.close()

    assert monotonic() - begun < LONG


def test_a_forked_child_opens_a_stream_of_its_own(changes: Changes, store: EtcdStore, snapshot: Snapshot) -> None:
    """Both sides of a fork are told."""
    now = changes.wait(0, 0)
    move(store, snapshot, 0)
    told = changes.wait(now, LONG)
    move(store, snapshot, 1)
    child = os.fork()
    if child == 0:
        os._exit(0 if changes.wait(told, LONG) > told else 1)
    _, status = os.waitpid(child, 0)

    assert 0 == os.waitstatus_to_exitcode(status)
    assert changes.wait(told, LONG) > told


def move_on(store: EtcdStore, snapshot: Snapshot) -> None:
    """Move the channel from where it stands."""
    moves = store.moves(snapshot.scope, "stable", 1)
    move(store, snapshot, moves[0].channel.revision if moves else 0)


def news(changes: Changes, after: int) -> int:
    """Return the next revision, waiting as a watcher does: again and again."""
    deadline = monotonic() + LONG
    while monotonic() < deadline:
        newest = changes.wait(after, 2.0)
        if newest != after:
            return newest
    pytest.fail("no news")


def _pause(member: Member) -> tuple[Callable[[], None], Callable[[], None]]:
    return partial(member.signal, signal.SIGSTOP), partial(member.signal, signal.SIGCONT)
