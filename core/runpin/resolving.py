"""
From a channel to the bytes behind it: memory first, then this host's disk, then the store.

Objects are immutable and named by their hash, so a copy found anywhere is as good as the original.
Channels move, so the store is asked; when it does not answer, the newest state this host knows is used and
the answer says so.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from runpin.canonical import freeze, read_manifest, thaw
from runpin.errors import StoreUnavailable, UnknownDocument
from runpin.model import STABLE, Channel, Scope, Snapshot, SnapshotId, as_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from runpin.model import Digest
    from runpin.ports import Cache, ChannelStore, Clock, SnapshotStore

_DOCUMENTS_KEPT = 256


@dataclass(frozen=True, slots=True)
class Resolution:
    """
    Where a channel stands, and how far that can be trusted.

    `stale` is true when the store did not answer and the state comes from this host's disk;
    `age` is then the time since it was written down.
    """

    channel: Channel
    stale: bool = False
    age: timedelta = timedelta(0)


class Resolver:
    """Reads channels, snapshots and documents, and remembers on this host what it has read."""

    def __init__(self, store: SnapshotStore, channels: ChannelStore, cache: Cache, clock: Clock) -> None:
        self._store = store
        self._channels = channels
        self._cache = cache
        self._clock = clock
        self._newest: dict[tuple[Scope, str], Channel] = {}
        self._documents: dict[Digest, Mapping[str, Any]] = {}

    def channel(self, scope: Scope, name: str = STABLE) -> Resolution:
        """
        Return where the channel *name* of *scope* stands.

        The revision seen by one process never goes back, even when a replica that is behind answers.

        Raises:
            UnknownChannel: nothing was published to it.
            StoreUnavailable: the store does not answer and this host never saw the channel.
        """
        try:
            found = self._channels.channel(scope, name)
        except StoreUnavailable:
            return self._recalled(scope, name)
        newest = self._newest.get((scope, name), found)
        if found.revision < newest.revision:
            return Resolution(newest)
        self.note_channels([found])
        return Resolution(found)

    def note_channels(self, channels: Iterable[Channel]) -> None:
        """Write down the state of *channels* for the day the store does not answer."""
        for channel in channels:
            key = (channel.scope, channel.name)
            if self._newest.get(key) == channel:
                continue
            self._newest[key] = channel
            self._cache.remember("channel", _channel_key(*key), _write(channel, self._clock.now()))
            self._cache.remember("snapshot", str(channel.snapshot), channel.digest.encode())

    def note_barred(self, environment: str, barred: Iterable[SnapshotId]) -> None:
        """Write down which snapshots of *environment* are quarantined."""
        note = json.dumps(sorted(str(snapshot) for snapshot in barred)).encode()
        self._cache.remember("barred", environment, note)

    def known_barred(self, snapshot: SnapshotId) -> bool:
        """Tell whether *snapshot* is quarantined as far as this host knows; for when no ledger can be asked."""
        note = self._cache.recall("barred", snapshot.environment)
        return note is not None and str(snapshot) in json.loads(note)

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
        digest = self._store.find(snapshot).digest
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
        if body is None:
            body = self._store.get_object(digest)
            self._cache.put_object(digest, body)
        return body

    def _recalled(self, scope: Scope, name: str) -> Resolution:
        note = self._cache.recall("channel", _channel_key(scope, name))
        if note is None:
            raise StoreUnavailable(
                f"the store does not answer, and this host never saw channel {name!r} of {scope}",
                fix="run `runpin doctor`; the call can be repeated",
            )
        channel, written = _read(note, scope, name)
        return Resolution(channel, stale=True, age=max(self._clock.now() - written, timedelta(0)))


def _named(snapshot: Snapshot, name: str) -> Digest:
    digest = snapshot.documents.get(name)
    if digest is None:
        raise UnknownDocument(
            f"{snapshot.scope} has no document {name!r}",
            where=str(snapshot.id),
            fix=f"it has: {', '.join(snapshot.documents) or 'none'}",
        )
    return digest


def _channel_key(scope: Scope, name: str) -> str:
    return f"{scope}/{name}"


def _write(channel: Channel, now: datetime) -> bytes:
    note = {
        "revision": channel.revision,
        "snapshot": str(channel.snapshot),
        "digest": channel.digest,
        "moved_at": channel.moved_at.isoformat(),
        "written": now.isoformat(),
    }
    return json.dumps(note, sort_keys=True).encode()


def _read(note: bytes, scope: Scope, name: str) -> tuple[Channel, datetime]:
    content = json.loads(note)
    channel = Channel(
        scope=scope,
        name=name,
        revision=content["revision"],
        snapshot=SnapshotId.parse(content["snapshot"]),
        digest=as_digest(content["digest"]),
        moved_at=datetime.fromisoformat(content["moved_at"]),
    )
    return channel, datetime.fromisoformat(content["written"])
