"""
What the stages need from the outside world, as Protocols of at most four methods.

Adapters match by shape and inherit from nothing here. Two groups live beside their values: `changes` has what watches
a store, `mirrors` what follows one.
The contract each one must keep is a test class in `runpin.testing`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from runpin.cases import Case
from runpin.model import (
    Channel,
    ChannelMove,
    Commit,
    Digest,
    Finding,
    Pin,
    PinPage,
    Publication,
    RunKey,
    Scope,
    Snapshot,
    SnapshotId,
)
from runpin.overrides import Override
from runpin.reactions import Reaction, ReactionKey


class Clock(Protocol):
    """Tells the time; the only place it comes from."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC. For records, never for decisions."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back. For deadlines and ages."""
        ...


class Source(Protocol):
    """Reads the config repository at one commit."""

    def resolve(self, ref: str) -> Commit:
        """
        Return the commit that *ref* names now.

        Raises:
            UnknownCommit, HistoryRewritten, UnsafeSource, SourceError
        """
        ...

    def paths(self, commit: Commit) -> Sequence[str]:
        """Return the path of every regular file at *commit*, sorted, `/` between folders."""
        ...

    def read(self, commit: Commit, paths: Iterable[str]) -> Mapping[str, bytes]:
        """
        Return the bytes of each of *paths* at *commit*, verified against the object's hash.

        Raises:
            CorruptSource, UnsafeSource, SourceError
        """
        ...

    def descends(self, commit: Commit, ancestor: str) -> bool:
        """Tell whether *commit* is *ancestor* or comes after it in history."""
        ...


class SnapshotStore(Protocol):
    """Holds immutable snapshots. The manifest is written last, so a snapshot that is listed is complete."""

    def put_objects(self, objects: Mapping[Digest, bytes]) -> None:
        """Store each body under its digest; writing one again changes nothing."""
        ...

    def get_object(self, digest: Digest) -> bytes:
        """
        Return the bytes whose SHA-256 is *digest*, verified.

        Raises:
            UnknownSnapshot, StoreCorrupt, StoreUnavailable
        """
        ...

    def commit(self, snapshot: Snapshot, publication: Commit, actor: str) -> Snapshot:
        """
        List *snapshot*, whose objects are all stored, and return it with its sequence.

        The same content is listed once per scope: a second call returns the first one's sequence,
        and only the history grows.

        Raises:
            StoreCorrupt: an object of the manifest is not stored.
        """
        ...

    def find(self, snapshot: SnapshotId) -> Snapshot:
        """
        Return a published snapshot by its id.

        Raises:
            UnknownSnapshot, StoreCorrupt, StoreUnavailable
        """
        ...


class ChannelStore(Protocol):
    """Holds the channels: the only thing that changes."""

    def channel(self, scope: Scope, name: str) -> Channel:
        """
        Return where the channel stands.

        Raises:
            UnknownChannel, StoreUnavailable
        """
        ...

    def channels(self, environment: str, tenant: str | None) -> Sequence[Channel]:
        """Return every channel of an environment and tenant in one round trip."""
        ...

    def move(
        self, scope: Scope, name: str, to: SnapshotId, *, expected_revision: int, actor: str, reason: str
    ) -> Channel:
        """
        Point the channel at *to* if it still stands at *expected_revision* (0: it does not exist yet).

        Raises:
            RevisionConflict: it does not; nothing was changed.
            SnapshotQuarantined: *to* is barred.
        """
        ...


class Tenancy(Protocol):
    """Knows for whom there are channels."""

    def tenants(self, environment: str) -> Sequence[str | None]:
        """Return the tenants that have channels in an environment, sorted; None, first, where some have no tenant."""
        ...


class History(Protocol):
    """Answers what happened, newest first."""

    def publications(self, scope: Scope, limit: int) -> Sequence[Publication]:
        """Return the latest publications of *scope*."""
        ...

    def moves(self, scope: Scope, name: str, limit: int) -> Sequence[ChannelMove]:
        """Return the latest moves of a channel."""
        ...


class PinLedger(Protocol):
    """A write-once register per (run, scope, epoch); linearizable."""

    def put_if_absent(self, pin: Pin) -> Pin:
        """
        Record *pin* unless the run has one, and return what is recorded: the newest epoch.

        A repeated call after an unknown outcome is safe: it is the same conditional transaction.

        Raises:
            SnapshotQuarantined: the run has no pin and the candidate is barred. Nothing was written.
            StoreUnavailable
        """
        ...

    def get(self, run: RunKey, scope: Scope) -> Pin | None:
        """Return the newest epoch of the run's pin."""
        ...

    def advance(self, pin: Pin) -> Pin:
        """
        Record *pin* as the epoch after `pin.epoch - 1`.

        Raises:
            EpochConflict: the run is not at that epoch.
            SnapshotQuarantined: its snapshot is barred, and not the one that the run has.
            StoreUnavailable
        """
        ...

    def runs_of(self, snapshot: SnapshotId, *, after: str | None = None, limit: int = 100) -> PinPage:
        """Return one page of the pins that name *snapshot*, in a stable order."""
        ...


class RunSearch(Protocol):
    """Finds pins by what people know of a run."""

    def pins_of_run(self, run_id: str, job: str | None = None) -> tuple[Pin, ...]:
        """Return the pins of the runs that go by *run_id*, of *job* or of any, oldest first; at most 1,000."""
        ...


class Quarantine(Protocol):
    """Bars snapshots from new pins. When `bar` has returned, no pin of the snapshot is decided any more."""

    def bar(self, snapshot: SnapshotId, *, actor: str, reason: str) -> None:
        """Bar *snapshot*; pins that are being decided are waited for or lose."""
        ...

    def lift(self, snapshot: SnapshotId, *, actor: str, reason: str) -> None:
        """Let *snapshot* be pinned again."""
        ...

    def barred(self, environment: str) -> frozenset[SnapshotId]:
        """Return the snapshots barred in *environment*."""
        ...


class Reactions(Protocol):
    """
    What followed from a channel's moves: for each key a line of reactions, revisions growing, written once.

    One after the other: no reaction begins while another one of its key is open.
    """

    def newest(self, key: ReactionKey) -> Reaction | None:
        """Return the reaction to the highest revision that is recorded for *key*."""
        ...

    def begin(self, reaction: Reaction) -> Reaction:
        """
        Record *reaction* if it comes next, and return the newest one of its key that is recorded then.

        It comes next if its revision is higher than every recorded one and none of them is open. What is recorded is
        open: an outcome given here is not.
        A repeated call after an unknown outcome is safe: it is the same conditional transaction.

        Raises:
            StoreUnavailable
        """
        ...

    def end(self, reaction: Reaction, outcome: str) -> Reaction:
        """
        Record how *reaction* ended unless that is recorded, and return what is recorded.

        Raises:
            NotFound: it was never begun.
            StoreUnavailable
        """
        ...


class Overrides(Protocol):
    """What operators want of single runs: for each run and scope a line of wishes, one at most of them waiting."""

    def newest(self, run: RunKey, scope: Scope) -> Override | None:
        """Return the newest wish that is recorded for *run*, waiting or ended."""
        ...

    def record(self, override: Override) -> Override:
        """
        Record *override*, which waits from now on, and return it; one that waited before ends as replaced.

        A repeated call after an unknown outcome is safe: it is the same conditional transaction.

        Raises:
            Conflict: its number is not the one that comes next; nothing was written.
            StoreUnavailable
        """
        ...

    def end(self, override: Override, outcome: str) -> Override:
        """
        Record how *override* ended unless that is recorded, and return what is recorded.

        Raises:
            NotFound: it was never recorded.
            StoreUnavailable
        """
        ...


class Gate(Protocol):
    """Judges a Snapshot; what it is judged by, whoever wrote that."""

    def judge(self, case: Case) -> Sequence[Finding]:
        """
        Return what it found; an empty answer lets the Snapshot pass.

        A finding is an error unless the gate means less; the mode that the gate has at the case's point may soften it.
        Its message holds no value of a document. A finding about the Snapshot as a whole has no document, `""`.
        A gate that raises denies.
        """
        ...


class Cache(Protocol):
    """What this host remembers on disk; safe to share between processes. It may forget, never lie."""

    def get_object(self, digest: Digest) -> bytes | None:
        """Return verified bytes, or None."""
        ...

    def put_object(self, digest: Digest, body: bytes) -> None:
        """Remember *body*. A full or read-only disk is not an error."""
        ...

    def recall(self, kind: str, key: str) -> bytes | None:
        """Return the newest intact note of this *kind* and *key*, or None."""
        ...

    def remember(self, kind: str, key: str, note: bytes) -> None:
        """Keep *note* as the newest generation. A full or read-only disk is not an error."""
        ...


class Turns(Protocol):
    """
    Lets one process of a host do what many want at the same moment. It is a courtesy: in doubt everybody does it.

    Each method waits at most a moment for others, and raises what *fetch* raises.
    """

    def fresh(self, key: str, fetch: Callable[[], bytes]) -> bytes:
        """Return what *fetch* returned here or in another process, begun there after this was called."""
        ...

    def once(self, key: str, look: Callable[[], bytes | None], fetch: Callable[[], bytes]) -> bytes:
        """Return what *look* finds, as soon as another process has brought it; what *fetch* returns if none does."""
        ...
