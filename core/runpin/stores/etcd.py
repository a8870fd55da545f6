"""The store in an etcd cluster: objects by digest, snapshots by sequence, channels that move by compare-and-set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from uuid import uuid4

from runpin.canonical import read_manifest, verified
from runpin.errors import StoreCorrupt, UnknownChannel, UnknownSnapshot
from runpin.etcd.cluster import Cluster, in_parts
from runpin.etcd.records import publication_record, told, told_channel, told_move, told_publication
from runpin.etcd.transactions import Entry, first, one, put, unchanged
from runpin.keyspace import NOBODY
from runpin.model import (
    Channel,
    ChannelMove,
    Commit,
    Digest,
    Publication,
    Scope,
    Snapshot,
    SnapshotId,
    as_digest,
    digest_of,
)
from runpin.stores.asked import unknown
from runpin.stores.etcd_changes import Listing, Move

# A request holds at most 1.5 MiB, keys included.
_MOST_BYTES = 1 << 20
_MOST_OBJECTS = 50
# Seconds for each request with objects: a publisher waits, no run does.
_PUBLISHING = 30.0


class EtcdStore:
    """
    Keeps snapshots and channels, and what happened to them, in one cluster.

    Whatever was asked of it may be asked again: objects and snapshots are known by their content, a move by its
    revision. So a publisher that died half-way is finished by running it once more.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._keys = cluster.keys

    def put_objects(self, objects: Mapping[Digest, bytes]) -> None:
        """
        Store each body under its digest. A body that is stored already is left, one that was damaged is mended.

        Raises:
            StoreCorrupt: a body does not hash to its digest. Nothing was written.
            StoreError: a body is larger than etcd takes.
            StoreUnavailable
        """
        bodies = {digest: verified(body, digest, "the object handed in") for digest, body in objects.items()}
        for part in _parts(bodies):
            self._put(part)

    def get_object(self, digest: Digest) -> bytes:
        """
        Return the bytes whose SHA-256 is *digest*, verified.

        Raises:
            UnknownSnapshot, StoreCorrupt, StoreUnavailable
        """
        (found,) = self._cluster.call().read(one(self._keys.object(digest)))
        if not found:
            raise UnknownSnapshot(f"no object {digest[:12]} is stored", where=self._cluster.where)
        return verified(found[0].value, digest, self._cluster.where)

    def commit(self, snapshot: Snapshot, publication: Commit, actor: str) -> Snapshot:
        """
        List *snapshot*, whose objects are all stored, and return it with its sequence.

        Content that is listed already keeps its sequence; the history grows only if *publication* is news.

        Raises:
            StoreCorrupt: an object of the manifest is not stored.
            StoreError: the manifest is larger than etcd takes.
            StoreUnavailable
        """
        verified(snapshot.manifest, snapshot.digest, "the snapshot handed in")
        self._require_objects(snapshot)
        self._put({snapshot.digest: snapshot.manifest})
        line = publication_record(publication, actor, self._cluster.clock.now(), uuid4().hex)
        return replace(snapshot, sequence=Listing(self._cluster, snapshot, line).carry_out())

    def find(self, snapshot: SnapshotId) -> Snapshot:
        """
        Return a published snapshot by its id.

        Raises:
            UnknownSnapshot, StoreCorrupt, StoreUnavailable
        """
        (found,) = self._cluster.call().read(one(self._keys.snapshot(snapshot)))
        digest = told(found[0], lambda record: as_digest(record["digest"])) if found else None
        if digest is None or digest[:12] != snapshot.short:
            raise unknown(snapshot, self._cluster.where)
        return read_manifest(self.get_object(digest), snapshot.sequence)

    def channel(self, scope: Scope, name: str) -> Channel:
        """
        Return where the channel stands.

        Raises:
            UnknownChannel, StoreUnavailable
        """
        (found,) = self._cluster.call().read(one(self._keys.channel(scope, name)))
        if not found:
            raise UnknownChannel(
                f"nothing was published to channel {name!r} of {scope} yet",
                where=self._cluster.where,
                fix="publish a commit to it, or ask for another channel, environment or tenant",
            )
        return told_channel(found[0], scope, name)

    def channels(self, environment: str, tenant: str | None) -> Sequence[Channel]:
        """Return every channel of an environment and tenant in one round trip."""
        prefix = self._keys.channels(environment, tenant)
        (found,) = self._cluster.call().read(first(prefix))
        named = ((entry, entry.key.removeprefix(prefix).partition("/")) for entry in found)
        standing = (told_channel(entry, Scope(place[0], environment, tenant), place[2]) for entry, place in named)
        return tuple(sorted(standing, key=lambda channel: (channel.scope.application, channel.name)))

    def tenants(self, environment: str) -> Sequence[str | None]:
        """Return the tenants that have channels in an environment, sorted; None, first, where some have no tenant."""
        prefix = self._keys.places(environment)
        (found,) = self._cluster.call().read(first(prefix, keys_only=True))
        names = {entry.key.removeprefix(prefix).partition("/")[0] for entry in found}
        return tuple(None if name == NOBODY else name for name in sorted(names))

    def move(
        self, scope: Scope, name: str, to: SnapshotId, *, expected_revision: int, actor: str, reason: str
    ) -> Channel:
        """
        Point the channel at *to* if it still stands at *expected_revision* (0: it does not exist yet).

        Raises:
            RevisionConflict: it does not; nothing was changed.
            SnapshotQuarantined: *to* is barred.
            UnknownSnapshot: *to* is not published, or of another scope.
            StoreUnavailable
        """
        move = Move(
            cluster=self._cluster,
            scope=scope,
            name=name,
            to=to,
            expected=expected_revision,
            actor=actor,
            reason=reason,
            at=self._cluster.clock.now(),
        )
        return move.carry_out()

    def publications(self, scope: Scope, limit: int) -> Sequence[Publication]:
        """Return the latest publications of *scope*, newest first."""
        (found,) = self._cluster.call().read(first(self._keys.publications(scope), limit))
        return tuple(told_publication(entry, scope) for entry in found)

    def moves(self, scope: Scope, name: str, limit: int) -> Sequence[ChannelMove]:
        """Return the latest moves of a channel, newest first."""
        (found,) = self._cluster.call().read(first(self._keys.moves(scope, name), limit))
        return tuple(told_move(entry, scope, name) for entry in found)

    def _put(self, bodies: Mapping[Digest, bytes]) -> None:
        call, keys = self._cluster.call(_PUBLISHING), {digest: self._keys.object(digest) for digest in bodies}

        def step() -> bool | None:
            found = call.read(*(one(key) for key in keys.values()))
            stored = {digest: next(iter(entries), None) for digest, entries in zip(keys, found, strict=True)}
            wanting = {digest: entry for digest, entry in stored.items() if not _is_whole(entry, digest)}
            if not wanting:
                return True
            conditions = [unchanged(keys[digest], entry) for digest, entry in wanting.items()]
            return call.transact(conditions, [put(keys[digest], bodies[digest]) for digest in wanting]).held or None

        call.until_done(step)

    def _require_objects(self, snapshot: Snapshot) -> None:
        names = list(snapshot.documents)
        asked = [one(self._keys.object(digest), keys_only=True) for digest in snapshot.documents.values()]
        found = [entries for part in in_parts(asked) for entries in self._cluster.call().read(*part)]
        missing = [name for name, entries in zip(names, found, strict=True) if not entries]
        if missing:
            raise StoreCorrupt(
                f"{len(missing)} of {len(names)} documents are not stored, among them {missing[0]!r}",
                where=self._cluster.where,
                fix="publish the commit again: objects are stored before the snapshot that lists them",
            )


def _is_whole(entry: Entry | None, digest: Digest) -> bool:
    return entry is not None and digest_of(entry.value) == digest


def _parts(bodies: Mapping[Digest, bytes]) -> Iterator[dict[Digest, bytes]]:
    part: dict[Digest, bytes] = {}
    for digest, body in bodies.items():
        if part and (sum(map(len, part.values())) + len(body) > _MOST_BYTES or len(part) >= _MOST_OBJECTS):
            yield part
            part = {}
        part[digest] = body
    if part:
        yield part
