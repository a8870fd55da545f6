"""What a look asks, and what it remembers of answers that never change."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from runpin.circuit import Circuit
from runpin.comparing import Change
from runpin.mirrors import MirrorState
from runpin.model import Channel, ChannelMove, Commit, Origin, Scope, Snapshot, SnapshotId
from runpin.parsing.pointers import origin_of
from runpin.ports import ChannelStore, Clock, History, Overrides, PinLedger, Quarantine, RunSearch, SnapshotStore
from runpin.resolving import Resolver

_KEPT = 1024


class Store(SnapshotStore, ChannelStore, History, Protocol):
    """Snapshots, channels and their history."""


class Ledger(PinLedger, Quarantine, RunSearch, Protocol):
    """Pins, how they are found, and the quarantine."""


@dataclass(frozen=True, slots=True)
class Traced:
    """The lines that set the values of a snapshot, by document and pointer, or else `missing`: why not, as a clause."""

    origins: Mapping[str, Mapping[str, Origin]] = field(default_factory=dict)
    missing: str | None = None

    def origin(self, change: Change) -> Origin | None:
        """Return what set the value that differs; None if that is not known."""
        origins = self.origins.get(change.document)
        return None if origins is None else origin_of(origins, change.pointer)


@dataclass(frozen=True)
class Backends:
    """
    Everything that is asked.

    Attributes:
        store: snapshots, channels and history.
        ledger: pins and the quarantine.
        overrides: what operators want of single runs.
        resolver: what this host remembers, and reads documents.
        store_circuit: what this process knows of the store.
        ledger_circuit: what it knows of the ledger.
        clock: measures patience.
        environment: of what this is all about.
        tenant: likewise.
        channel: the channel that runs follow unless they say otherwise.
        deployment: the name of this installation in pins.
        applications: those that are looked for if the store cannot list them.
        trace: finds the lines that set the values of a snapshot that was published from a commit.
        mirrors: looks at what follows the store.
    """

    store: Store
    ledger: Ledger
    overrides: Overrides
    resolver: Resolver
    store_circuit: Circuit
    ledger_circuit: Circuit
    clock: Clock
    environment: str
    tenant: str | None
    channel: str
    deployment: str
    applications: Sequence[str]
    trace: Callable[[Snapshot, Commit], Traced]
    mirrors: Callable[[Sequence[Channel]], Sequence[MirrorState]] | None = None

    def scope(self, application: str) -> Scope:
        """
        Return the scope of *application* here.

        Raises:
            UnknownApplication: it cannot be the name of one.
        """
        return Scope(application, self.environment, self.tenant)


class Remembered:
    """
    What was asked once and never changes.

    Attributes:
        commits: what snapshots were published from, None if that is too long ago.
        moves: what brought channels to where they stand.
    """

    def __init__(self) -> None:
        self.commits: dict[tuple[Scope, SnapshotId], Commit | None] = {}
        self.moves: dict[Channel, ChannelMove] = {}

    def forget(self) -> None:
        """Keep it small; what is asked again is found again."""
        for each in (self.commits, self.moves):
            if len(each) > _KEPT:
                each.clear()
