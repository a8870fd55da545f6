"""
A small world for tests of the stages: one application, a store and a ledger that can be switched off, and hosts.

The store and the ledger are the doubles that runpin ships; the cache of each host is the real one, on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from runpin.ancestry import ALONE, Ancestry
from runpin.canonical import canonical, snapshot_of
from runpin.errors import StoreUnavailable, UnknownChannel
from runpin.model import (
    STABLE,
    Asked,
    Behavior,
    Channel,
    Commit,
    Digest,
    Pin,
    PinPage,
    RunKey,
    Scope,
    Snapshot,
    SnapshotId,
    digest_of,
)
from runpin.pinning import Pinner
from runpin.proposing import Proposal
from runpin.reading import PinnedRun
from runpin.repeating import Repeats
from runpin.rerunning import FIRST, Rerun
from runpin.resolving import Resolver
from runpin.stores.disk import DiskCache
from runpin.testing import FixedClock, MemoryLedger, MemoryOverrides, MemoryReactions, MemoryStore

SCOPE = Scope("payments", "prod")
COMMIT = Commit("c" * 40, "memory", "main", "Ada <ada@example.com>", "change", datetime(2026, 1, 1, tzinfo=UTC))


class Switch:
    """A backend that does not answer while it is `off`."""

    def __init__(self) -> None:
        self.off = False

    def check(self) -> None:
        """Raise what a dead backend raises."""
        if self.off:
            raise StoreUnavailable("switched off")


class SwitchedStore(MemoryStore):
    """The store's double behind a switch."""

    def __init__(self, clock: FixedClock, ledger: MemoryLedger, switch: Switch) -> None:
        super().__init__(clock, ledger)
        self._switch = switch

    def get_object(self, digest: Digest) -> bytes:
        """Return an object, when switched on."""
        self._switch.check()
        return super().get_object(digest)

    def find(self, snapshot: SnapshotId) -> Snapshot:
        """Return a snapshot, when switched on."""
        self._switch.check()
        return super().find(snapshot)

    def channel(self, scope: Scope, name: str) -> Channel:
        """Return a channel, when switched on."""
        self._switch.check()
        return super().channel(scope, name)

    def channels(self, environment: str, tenant: str | None) -> Sequence[Channel]:
        """Return the channels, when switched on."""
        self._switch.check()
        return super().channels(environment, tenant)


class SwitchedLedger(MemoryLedger):
    """The ledger's double behind a switch."""

    def __init__(self, switch: Switch) -> None:
        super().__init__()
        self._switch = switch
        self.said: list[Pin] = []

    def put_if_absent(self, pin: Pin) -> Pin:
        """Record a pin, when switched on."""
        self._switch.check()
        return super().put_if_absent(pin)

    def get(self, run: RunKey, scope: Scope) -> Pin | None:
        """Return a pin, when switched on; what the network makes of it, if a test says so."""
        self._switch.check()
        return self.said.pop() if self.said else super().get(run, scope)

    def advance(self, pin: Pin) -> Pin:
        """Record the next epoch, when switched on."""
        self._switch.check()
        return super().advance(pin)

    def barred(self, environment: str) -> frozenset[SnapshotId]:
        """Return what is barred, when switched on."""
        self._switch.check()
        return super().barred(environment)

    def lose(self, run_id: str) -> None:
        """Forget the pin of a run, as a server does that comes back from an older state."""
        for key in [key for key in self._pins if key[0] == run_key(run_id)]:
            del self._pins[key]

    def runs_of(self, snapshot: SnapshotId, *, after: str | None = None, limit: int = 100) -> PinPage:
        """Return pins, when switched on."""
        self._switch.check()
        return super().runs_of(snapshot, after=after, limit=limit)


@dataclass
class World:
    """The backends, shared by every host."""

    folder: Path
    clock: FixedClock = field(default_factory=FixedClock)
    store_switch: Switch = field(default_factory=Switch)
    ledger_switch: Switch = field(default_factory=Switch)
    pinner: type[Pinner] = Pinner

    def __post_init__(self) -> None:
        self.ledger = SwitchedLedger(self.ledger_switch)
        self.store = SwitchedStore(self.clock, self.ledger, self.store_switch)
        self.reactions, self.overrides = MemoryReactions(), MemoryOverrides()

    def publish(self, documents: Mapping[str, object], channel: str = STABLE, scope: Scope = SCOPE) -> Channel:
        """Publish *documents* and move the channel to them."""
        self.clock.advance(1)
        bodies = {name: canonical(value) for name, value in documents.items()}
        digests = {name: digest_of(body) for name, body in bodies.items()}
        self.store.put_objects({digests[name]: body for name, body in bodies.items()})
        snapshot = self.store.commit(snapshot_of(scope, digests), COMMIT, "ada")
        try:
            revision = self.store.channel(scope, channel).revision
        except UnknownChannel:
            revision = 0
        return self.store.move(scope, channel, snapshot.id, expected_revision=revision, actor="ada", reason="test")

    def version(self, number: int) -> SnapshotId:
        """Publish the version *number* of the only document there is."""
        return self.publish({"etl": {"batch_size": number}}).snapshot

    def recorded(self, run_id: str) -> SnapshotId | None:
        """Return what the ledger says about a run or a group, also while nobody else can ask it."""
        held = MemoryLedger.get(self.ledger, run_key(run_id), SCOPE)
        return None if held is None else held.snapshot

    def host(self, name: str = "a") -> Host:
        """Return a new process on the host *name*; processes of one host share its cache."""
        cache = DiskCache(self.folder / name, clock=self.clock, durable=False)
        resolver = Resolver(self.store, self.store, cache, self.clock)
        repeats = Repeats(self.ledger, self.reactions, self.overrides, self.clock)
        pinner = self.pinner(
            self.ledger, self.ledger, resolver, cache, self.clock, repeats=lambda: repeats, history=self.store
        )
        return Host(cache, resolver, pinner)


@dataclass(frozen=True)
class Host:
    """One process on one host."""

    cache: DiskCache
    resolver: Resolver
    pinner: Pinner

    def run(
        self,
        run_id: str,
        proposal: Proposal | None = None,
        behavior: Behavior = Behavior.PINNED,
        tenant: str | None = None,
        ancestry: Ancestry = ALONE,
        on_pin: Callable[[Pin], None] | None = None,
        rerun: Rerun = FIRST,
    ) -> PinnedRun:
        """Return the run *run_id* as this process sees it."""
        return PinnedRun(
            run_key(run_id),
            pinner=self.pinner,
            resolver=self.resolver,
            environment="prod",
            tenant=tenant,
            proposal=proposal,
            behavior=behavior,
            ancestry=ancestry,
            on_pin=on_pin,
            rerun=rerun,
        )


def after(*runs: str, group: str | None = None) -> Ancestry:
    """Return the ancestry of a run that repeats *runs*, nearest first, or belongs to *group*."""
    return Ancestry(tuple(map(run_key, runs)), None if group is None else run_key(group))


def carried(snapshot: SnapshotId, by: Asked = Asked.PROPOSAL) -> Proposal:
    """Return what a run carries whose snapshot was suggested, or chosen."""
    return Proposal({snapshot.application: snapshot}, {snapshot.application: by})


def run_key(run_id: str) -> RunKey:
    """Return the key of a run of the only job there is."""
    return RunKey("test", "default", "nightly", run_id)
