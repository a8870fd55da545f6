"""Every store can follow another one, and keeps the same contract while it does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from azure_double import Double
from azure_double_server import serving
from runpin.clock import SystemClock
from runpin.database.engine import Database
from runpin.errors import RunpinError
from runpin.etcd.cluster import Cluster
from runpin.model import Channel, ChannelMove, Commit, Snapshot
from runpin.stores.azure_replica import AzureReplica
from runpin.stores.etcd_replica import EtcdReplica
from runpin.stores.sql_replica import SqlReplica
from runpin.testing import FixedClock, MemoryLedger, MemoryReplica
from runpin.testing.contracts import ReplicaContract
from runpin.testing.replica_contract import Following


class TestMemoryReplica(ReplicaContract):
    """The double."""

    @pytest.fixture
    def replica(self) -> MemoryReplica:
        """Return an empty one."""
        return MemoryReplica(FixedClock())


class TestSqliteReplica(ReplicaContract):
    """A file on another disk."""

    @pytest.fixture
    def replica(self, tmp_path: Path) -> Iterator[SqlReplica]:
        """Return an empty one."""
        with Database.open(f"sqlite:///{tmp_path}/runpin.db", clock=SystemClock()) as database:
            yield SqlReplica(database)


@pytest.mark.postgres
class TestPostgresReplica(ReplicaContract):
    """Another server."""

    @pytest.fixture
    def replica(self, postgres_url: str) -> Iterator[SqlReplica]:
        """Return an empty one."""
        with Database.open(postgres_url, clock=SystemClock()) as database:
            yield SqlReplica(database)


@pytest.mark.etcd
class TestEtcdReplica(ReplicaContract):
    """Another cluster."""

    @pytest.fixture
    def replica(self, etcd_url: str) -> Iterator[EtcdReplica]:
        """Return an empty one."""
        with Cluster.open(etcd_url, clock=SystemClock()) as cluster:
            yield EtcdReplica(cluster)


class TestAzureReplica(ReplicaContract):
    """At the double of the service."""

    @pytest.fixture
    def double(self) -> Double:
        """Return the service's rules."""
        return Double()

    @pytest.fixture
    def replica(self, double: Double) -> Iterator[AzureReplica]:
        """Return an empty one."""
        with serving(double) as server, server.endpoint() as endpoint:
            yield AzureReplica(endpoint, MemoryLedger())


class TestAzureReplicaInSmallPages(TestAzureReplica):
    """When every list comes in pages of three."""

    @pytest.fixture
    def double(self) -> Double:
        """Return the service's rules."""
        return Double(page=3)


class Renumbering(MemoryReplica):
    """A seeded bug: snapshots are counted here anew."""

    def adopt(self, snapshot: Snapshot, publication: Commit, actor: str) -> None:
        """List it under a number of its own."""
        self.commit(snapshot, publication, actor)


class GoingBack(MemoryReplica):
    """A seeded bug: the last to come wins."""

    def follow(self, channel: Channel, *, actor: str, reason: str) -> Channel:
        """Go wherever it is told."""
        with self._lock:
            standing = self._channels.get((channel.scope, channel.name))
            self._channels[channel.scope, channel.name] = channel
            self._moves.append(ChannelMove(channel, standing.snapshot if standing else None, actor, reason))
            return channel


class Hasty(MemoryReplica):
    """A seeded bug: a snapshot is listed before its objects are there."""

    def _require_objects(self, snapshot: Snapshot) -> None:
        """Look at nothing."""


@pytest.mark.parametrize(
    ("broken", "caught"),
    [
        (Renumbering, "test_a_snapshot_keeps_its_number"),
        (Renumbering, "test_a_number_is_never_given_twice"),
        (GoingBack, "test_a_channel_never_goes_back"),
        (GoingBack, "test_a_channel_names_only_what_was_adopted"),
        (GoingBack, "test_a_revision_that_names_something_else_is_an_error"),
        (Hasty, "test_what_is_listed_is_complete"),
    ],
)
def test_a_seeded_bug_is_caught(broken: type[MemoryReplica], caught: str) -> None:
    """The contract fails where it should, and the double it was made from passes."""

    def judge(replica: Following) -> None:
        getattr(ReplicaContract(), caught)(replica)

    judge(MemoryReplica(FixedClock()))
    with pytest.raises((AssertionError, pytest.fail.Exception, RunpinError)):
        judge(broken(FixedClock()))
