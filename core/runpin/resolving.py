"""
From a channel to the bytes behind it: memory first, then this host's disk, then the store.

Objects are immutable and named by their hash, so a copy found anywhere is as good as the original.
Channels move, so the store is asked; when it does not answer at once, the newest state this host knows is used and
the answer says so. If nobody should go on from that one, it is the LastKnownGood.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from runpin.canonical import freeze, read_manifest, thaw
from runpin.circuit import Circuit
from runpin.errors import StoreError, StoreUnavailable, UnknownDocument
from runpin.model import STABLE, Channel, Scope, Snapshot, SnapshotId, as_digest
from runpin.observing import step
from runpin.remembering import ChannelNotes, Sighting, channel_as_bytes, channel_from_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from runpin.model import Digest
    from runpin.ports import Cache, ChannelStore, Clock, SnapshotStore, Turns

_DOCUMENTS_KEPT = 256
_RECALLED_FOR = 1.0
"""Seconds for which a process goes on from what it found on the disk, before it looks there again."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """
    Where a channel stands, and how far that can be trusted.

    Attributes:
        channel: the answer.
        stale: the store did not answer, and this is what the host knew.
        age: how long ago the host saw the channel there last; zero unless stale.
        reason: why this is the answer, as a sentence without a full stop.
    """

    channel: Channel
    stale: bool = False
    age: timedelta = timedelta(0)
    reason: str = "the store says so"


class Resolver:
    """
    Reads channels, snapshots and documents, and remembers on this host what it has read.

    Args:
        store: holds the objects.
        channels: holds the channels.
        cache: what this host remembers.
        clock: tells ages.
        circuit: what is known of the store; by default one that thinks of it as a file on this host.
        turns: how this host's processes do not ask all at once; everybody asks by default.
        bake: how long a channel has to stand somewhere, seen by this host, for that to be its LastKnownGood.
    """

    def __init__(
        self,
        store: SnapshotStore,
        channels: ChannelStore,
        cache: Cache,
        clock: Clock,
        *,
        circuit: Circuit | None = None,
        turns: Turns | None = None,
        bake: timedelta = timedelta(minutes=5),
    ) -> None:
        self._store = store
        self._channels = channels
        self._cache = cache
        self._clock = clock
        self._circuit = circuit or Circuit(clock, local=True)
        self._turns = turns
        self._bake = bake
        self._notes = ChannelNotes(cache, clock)
        self._recalled: dict[tuple[Scope, str], tuple[float, Sighting, str]] = {}
        self._whole: set[Digest] = set()
        self._documents: dict[Digest, Mapping[str, Any]] = {}

    def channel(self, scope: Scope, name: str = STABLE, *, patient: bool = False) -> Resolution:
        """
        Return where the channel stands, at once if this host has seen it before.

        The revision seen by one process never goes back, even when a replica that is behind answers.

        Args:
            scope: whose channel.
            name: its name.
            patient: wait for a store that takes its time, also where this host has seen the channel.

        Raises:
            UnknownChannel: nothing was published to it.
            StoreUnavailable: the store does not answer and this host never saw the channel.
            StoreCorrupt, StoreOutdated: it cannot be read, and this host never saw the channel, or was to be patient.
        """
        with step("resolve", scope) as observed:
            found = self._resolve(scope, name, patient=patient)
            observed.got(stale=found.stale, channel=name, revision=found.channel.revision)
            return found

    def _resolve(self, scope: Scope, name: str, *, patient: bool) -> Resolution:
        known = not patient and (self._notes.newest(scope, name) or self._notes.last_seen(scope, name))
        ask = self._circuit.hurry if known else self._circuit.insist
        try:
            return self._found(ask(self._asked, scope, name))
        except StoreError as away:
            if not (known or isinstance(away, StoreUnavailable)):
                raise
            return self._stale(scope, name, away)

    def present(self, scope: Scope, name: str = STABLE, *, patient: bool = True) -> Channel:
        """
        Return where the channel stands by the store's own word, however long that takes.

        Args:
            scope: whose channel.
            name: its name.
            patient: ask even if the store did not answer lately.

        Raises:
            UnknownChannel: nothing was published to it.
            StoreUnavailable: the store does not answer.
        """
        ask = self._circuit.insist if patient else self._circuit.ask
        with step("resolve", scope) as observed:
            found = self._found(ask(self._asked, scope, name)).channel
            observed.got(stale=False, channel=name, revision=found.revision)
            return found

    def note_channels(self, channels: Iterable[Channel]) -> None:
        """Write down where *channels* stand now, for the day the store does not answer."""
        for channel in channels:
            seen = self._notes.see(channel)
            if seen is not None and seen.stood >= self._bake:
                self._prove(seen)

    def note_barred(self, environment: str, barred: Iterable[SnapshotId]) -> None:
        """Write down which snapshots of *environment* are quarantined."""
        self._notes.bar(environment, barred)
        self._recalled.clear()

    def known_barred(self, snapshot: SnapshotId) -> bool:
        """Tell whether *snapshot* is quarantined as far as this host knows; for when no ledger can be asked."""
        return self._notes.is_barred(snapshot)

    def snapshot(self, digest: Digest, sequence: int) -> Snapshot:
        """
        Return the snapshot whose manifest has this *digest*.

        Raises:
            UnknownSnapshot, StoreCorrupt, StoreUnavailable
        """
        return read_manifest(self._object(digest), sequence)

    def find(self, snapshot: SnapshotId) -> Digest:
        """
        Return the full digest of a published snapshot.

        Raises:
            UnknownSnapshot: the store does not hold it.
            StoreUnavailable: the store does not answer and this host never saw the snapshot.
        """
        known = self._cache.recall("snapshot", str(snapshot))
        if known is not None:
            return as_digest(known.decode())
        digest = self._circuit.insist(self._store.find, snapshot).digest
        self._cache.remember("snapshot", str(snapshot), digest.encode())
        return digest

    def document(self, snapshot: Snapshot, name: str) -> Mapping[str, Any]:
        """
        Return one document of *snapshot*, read-only all the way down.

        Raises:
            UnknownDocument: the snapshot has none of this name.
            StoreCorrupt, StoreUnavailable
        """
        digest = _named(snapshot, name)
        held = self._documents.get(digest)
        if held is None:
            held = freeze(thaw(self._object(digest)))
            while len(self._documents) >= _DOCUMENTS_KEPT:
                self._documents.pop(next(iter(self._documents)), None)
            self._documents[digest] = held
        return held

    def body(self, snapshot: Snapshot, name: str) -> bytes:
        """
        Return the canonical JSON of one document of *snapshot*, as it is stored and hashed.

        Raises:
            UnknownDocument, StoreCorrupt, StoreUnavailable
        """
        return self._object(_named(snapshot, name))

    def warm(self, snapshot: Snapshot) -> None:
        """Bring every document of *snapshot* onto this host's disk."""
        for digest in snapshot.documents.values():
            self._object(digest)

    def _object(self, digest: Digest) -> bytes:
        body = self._cache.get_object(digest)
        if body is not None:
            return body
        if self._turns is None:
            return self._fetched(digest)
        return self._turns.once(
            f"object/{digest}", lambda: self._cache.get_object(digest), lambda: self._fetched(digest)
        )

    def _fetched(self, digest: Digest) -> bytes:
        body = self._circuit.insist(self._store.get_object, digest)
        self._cache.put_object(digest, body)
        return body

    def _asked(self, scope: Scope, name: str) -> Channel:
        if self._turns is None:
            return self._channels.channel(scope, name)
        answer = self._turns.fresh(
            f"channel/{scope}/{name}", lambda: channel_as_bytes(self._channels.channel(scope, name))
        )
        return channel_from_bytes(answer, scope, name)

    def _found(self, found: Channel) -> Resolution:
        newest = self._notes.newest(found.scope, found.name)
        if newest is not None and found.revision < newest.revision:
            behind = f"the store is behind: it says revision {found.revision}, and {newest.revision} was seen"
            return Resolution(newest, reason=behind)
        self.note_channels([found])
        return Resolution(found)

    def _stale(self, scope: Scope, name: str, away: StoreError) -> Resolution:
        tick = self._clock.monotonic()
        held = self._recalled.get((scope, name))
        if held is None or tick - held[0] > _RECALLED_FOR:
            held = self._recalled[scope, name] = (tick, *self._best_known(scope, name, away))
        _, seen, instead = held
        age = max(self._clock.now() - seen.at, timedelta(0))
        return Resolution(seen.channel, stale=True, age=age, reason=f"{away.what}{instead}")

    def _best_known(self, scope: Scope, name: str, away: StoreError) -> tuple[Sighting, str]:
        """Return the state to go on from, and why it is not the newest one, if so."""
        newest = self._notes.last_seen(scope, name)
        if newest is None:
            raise StoreUnavailable(
                f"{away.what}, and this host never saw channel {name!r} of {scope}",
                where=away.where,
                fix=away.fix or "run `runpin doctor`; the call can be repeated",
            )
        why = self._unfit(newest.channel)
        good = None if why is None else self._notes.proven(scope, name)
        if good is None or self._unfit(good.channel) is not None:
            barred = self.known_barred(newest.channel.snapshot)
            return newest, f"; {why}, and nothing older proved good" if barred else ""
        return good, f"; {why}, so this is the LastKnownGood, revision {good.channel.revision}"

    def _unfit(self, channel: Channel) -> str | None:
        """Return why nobody should go on from this state; None if nothing is known against it."""
        if self.known_barred(channel.snapshot):
            return f"{channel.snapshot} is barred from new pins"
        return None if self._is_whole(channel) else f"{channel.snapshot} is not whole on this host's disk"

    def _prove(self, seen: Sighting) -> None:
        channel = seen.channel
        held = self._notes.proven(channel.scope, channel.name)
        if (held is None or held.channel != channel) and self._unfit(channel) is None:
            self._notes.prove(seen)

    def _is_whole(self, channel: Channel) -> bool:
        """Tell whether every byte of the snapshot is on this host's disk, and intact."""
        if channel.digest in self._whole:
            return True
        manifest = self._cache.get_object(channel.digest)
        if manifest is None:
            return False
        documents = read_manifest(manifest, channel.snapshot.sequence).documents
        if any(self._cache.get_object(digest) is None for digest in documents.values()):
            return False
        self._whole.add(channel.digest)
        return True


def _named(snapshot: Snapshot, name: str) -> Digest:
    digest = snapshot.documents.get(name)
    if digest is None:
        raise UnknownDocument(
            f"{snapshot.scope} has no document {name!r}",
            where=str(snapshot.id),
            fix=f"it has: {', '.join(snapshot.documents) or 'none'}",
        )
    return digest
