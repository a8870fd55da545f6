"""Store, ledger and reactions keep their contracts on etcd."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from runpin.clock import SystemClock
from runpin.etcd.cluster import Cluster
from runpin.ledgers.etcd import EtcdLedger
from runpin.ledgers.etcd_reactions import EtcdReactions
from runpin.ports import Reactions
from runpin.stores.etcd import EtcdStore
from runpin.testing.contracts import LedgerContract, ReactionsContract, StoreContract

pytestmark = pytest.mark.etcd


@pytest.fixture
def cluster(etcd_url: str) -> Iterator[Cluster]:
    """Return the session's etcd, below a prefix without a key."""
    with Cluster.open(etcd_url, clock=SystemClock()) as cluster:
        yield cluster


class TestEtcdLedger(LedgerContract):
    """Pins, and the quarantine that fences them."""

    @pytest.fixture
    def ledger(self, cluster: Cluster) -> EtcdLedger:
        """Return an empty one."""
        return EtcdLedger(cluster)


class TestEtcdStore(StoreContract):
    """Snapshots, channels and their history."""

    @pytest.fixture
    def quarantine(self, cluster: Cluster) -> EtcdLedger:
        """Return the ledger beside the store."""
        return EtcdLedger(cluster)

    @pytest.fixture
    def store(self, cluster: Cluster) -> EtcdStore:
        """Return an empty one."""
        return EtcdStore(cluster)


class TestEtcdReactions(ReactionsContract):
    """The record of what followed."""

    @pytest.fixture
    def opened(self, etcd_url: str) -> Iterator[Callable[[], EtcdReactions]]:
        """Return what opens the same cluster once more."""
        with ExitStack() as open_ones:

            def again() -> EtcdReactions:
                return EtcdReactions(open_ones.enter_context(Cluster.open(etcd_url, clock=SystemClock())))

            yield again

    @pytest.fixture
    def reactions(self, opened: Callable[[], EtcdReactions]) -> EtcdReactions:
        """Return an empty one."""
        return opened()

    @pytest.fixture
    def reopened(self, reactions: Reactions, opened: Callable[[], EtcdReactions]) -> Callable[[], Reactions]:
        """Return what another process would open."""
        del reactions
        return opened
