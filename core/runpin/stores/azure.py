"""The store in Azure App Configuration: bodies by digest, snapshots by sequence, channels that move by their ETag."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from uuid import uuid4

from runpin.azure_appconfig.calls import Call
from runpin.azure_appconfig.endpoint import Endpoint
from runpin.azure_appconfig.objects import Objects
from runpin.azure_appconfig.records import publication_record, told_move, told_publication
from runpin.azure_appconfig.registers import line_in
from runpin.canonical import read_manifest, verified
from runpin.errors import RunpinError, SnapshotQuarantined, StoreCorrupt, UnknownChannel
from runpin.keyspace import NOBODY
from runpin.model import Channel, ChannelMove, Commit, Digest, Publication, Scope, Snapshot, SnapshotId
from runpin.ports import Quarantine
from runpin.stores.asked import unknown
from runpin.stores.azure_changes import Listing, Move, Telling, digest_named, moves, publications, sequences
from runpin.stores.azure_native import NativeMirror

_log = logging.getLogger("runpin.stores.azure")


class AzureStore:
    """
    Keeps snapshots and channels, and what happened to them, in one App Configuration store.

    It is no ledger: pins and the quarantine are kept elsewhere, and *quarantine* is asked before a channel moves.
    Whatever was asked of it may be asked again: objects and snapshots are known by their content, a move by its
    revision. So a publisher that died half-way is finished by running it once more.

    What another process wrote may be seen some seconds late; nobody is ever overwritten because of that.
    """

    def __init__(self, endpoint: Endpoint, quarantine: Quarantine) -> None:
        self._endpoint = endpoint
        self._quarantine = quarantine
        self._objects = Objects(endpoint)

    @cached_property
    def native(self) -> NativeMirror | None:
        """What publishes for Azure's own readers, None if the store's URL does not ask for that."""
        address = self._endpoint.address
        return NativeMirror(self._endpoint, self) if address.feature_flags or address.native_snapshots else None

    def put_objects(self, objects: Mapping[Digest, bytes]) -> None:
        """
        Store each body under its digest. A body that is stored already is left, one that was damaged is mended.

        Raises:
            StoreCorrupt: a body does not hash to its digest. Nothing was written.
            StoreError: a body is larger than 6.7 MB.
            StoreUnavailable
        """
        self._objects.put({digest: verified(body, digest, "the object handed in") for digest, body in objects.items()})

    def get_object(self, digest: Digest) -> bytes:
        """
        Return the bytes whose SHA-256 is *digest*, verified.

        Raises:
            UnknownSnapshot, StoreCorrupt, StoreUnavailable
        """
        return self._objects.get(digest)

    def commit(self, snapshot: Snapshot, publication: Commit, actor: str) -> Snapshot:
        """
        List *snapshot*, whose objects are all stored, and return it with its sequence.

        Content that is listed already keeps its sequence; the history grows only if *publication* is news.

        Raises:
            StoreCorrupt: an object of the manifest is not stored.
            StoreError: the manifest is larger than 6.7 MB, or Azure's own readers could not read it.
            StoreUnavailable
        """
        verified(snapshot.manifest, snapshot.digest, "the snapshot handed in")
        self._require_objects(snapshot)
        if self.native is not None:
            self.native.require(snapshot)
        self._objects.put({snapshot.digest: snapshot.manifest})
        sequence = Listing(self._endpoint, snapshot).carry_out()
        line = publication_record(publication, actor, self._endpoint.clock.now(), uuid4().hex)
        said = {**line, "sequence": sequence, "digest": snapshot.digest}
        Telling(self._endpoint, snapshot.scope, said).carry_out()
        listed = replace(snapshot, sequence=sequence)
        self._finish(listed)
        return listed

    def find(self, snapshot: SnapshotId) -> Snapshot:
        """
        Return a published snapshot by its id.

        Raises:
            UnknownSnapshot, StoreCorrupt, StoreUnavailable
        """
        line = sequences(self._endpoint, snapshot).line(Call.on(self._endpoint), snapshot.sequence)
        digest = None if line is None else digest_named(line, self._endpoint.where)
        if digest is None or digest[:12] != snapshot.short:
            raise unknown(snapshot, self._endpoint.where)
        return read_manifest(self._objects.get(digest), snapshot.sequence)

    def channel(self, scope: Scope, name: str) -> Channel:
        """
        Return where the channel stands, or stood some seconds ago.

        Raises:
            UnknownChannel, StoreUnavailable
        """
        newest = moves(self._endpoint, scope, name).newest(Call.on(self._endpoint))
        if newest is None:
            raise UnknownChannel(
                f"nothing was published to channel {name!r} of {scope} yet",
                where=self._endpoint.where,
                fix="publish a commit to it, or ask for another channel, environment or tenant",
            )
        return told_move(newest, scope, name, self._endpoint.where).channel

    def channels(self, environment: str, tenant: str | None) -> Sequence[Channel]:
        """Return every channel of an environment and tenant: one request for each hundred of them."""
        prefix = self._endpoint.keys.channels(environment, tenant)
        found = []
        for item in Call.on(self._endpoint).below(prefix):
            application, name = item.key.removeprefix(prefix).split("/")
            line, scope = line_in(item, self._endpoint), Scope(application, environment, tenant)
            found.append(told_move(line, scope, name, self._endpoint.where).channel)
        return tuple(sorted(found, key=lambda channel: (channel.scope.application, channel.name)))

    def tenants(self, environment: str) -> Sequence[str | None]:
        """Return the tenants that have channels in an environment, sorted; None, first, where some have no tenant."""
        prefix = self._endpoint.keys.places(environment)
        found = Call.on(self._endpoint).below(prefix)
        names = {item.key.removeprefix(prefix).partition("/")[0] for item in found}
        return tuple(None if name == NOBODY else name for name in sorted(names))

    def move(
        self, scope: Scope, name: str, to: SnapshotId, *, expected_revision: int, actor: str, reason: str
    ) -> Channel:
        """
        Point the channel at *to* if it still stands at *expected_revision* (0: it does not exist yet).

        Raises:
            RevisionConflict: it does not; nothing was changed.
            SnapshotQuarantined: *to* is barred. If it was barred meanwhile, the channel has moved there and back.
            UnknownSnapshot: *to* is not published, or of another scope.
            StoreUnavailable
        """
        move = Move(
            endpoint=self._endpoint,
            quarantine=self._quarantine,
            scope=scope,
            name=name,
            to=to,
            expected=expected_revision,
            actor=actor,
            reason=reason,
            at=self._endpoint.clock.now(),
        )
        try:
            moved = move.carry_out()
        except SnapshotQuarantined:
            # The channel may have moved there and back.
            self._show(scope, name)
            raise
        self._show(scope, name)
        return moved

    def publications(self, scope: Scope, limit: int) -> Sequence[Publication]:
        """Return the latest publications of *scope*, newest first."""
        lines = publications(self._endpoint, scope).lines(Call.on(self._endpoint), limit)
        return tuple(told_publication(line, scope, self._endpoint.where) for line in lines)

    def moves(self, scope: Scope, name: str, limit: int) -> Sequence[ChannelMove]:
        """Return the latest moves of a channel, newest first."""
        lines = moves(self._endpoint, scope, name).lines(Call.on(self._endpoint), limit)
        return tuple(told_move(line, scope, name, self._endpoint.where) for line in lines)

    def _finish(self, snapshot: Snapshot) -> None:
        """Bring Azure's own readers to the channels that stand at *snapshot*, if whoever moved one died over that."""
        if self.native is None:
            return
        for channel in self.channels(snapshot.scope.environment, snapshot.scope.tenant):
            if channel.scope == snapshot.scope and channel.snapshot == snapshot.id:
                self._show(channel.scope, channel.name)

    def _show(self, scope: Scope, name: str) -> None:
        """Bring Azure's own readers to where a channel stands. The channel has moved, whatever becomes of that."""
        if self.native is None:
            return
        try:
            self.native.bring(scope, name)
        except RunpinError as error:
            _log.warning("Azure's own readers do not see where channel %s of %s stands: %s", name, scope, error)

    def _require_objects(self, snapshot: Snapshot) -> None:
        missing = self._objects.missing(snapshot.documents.values())
        names = [name for name, digest in snapshot.documents.items() if digest in missing]
        if names:
            raise StoreCorrupt(
                f"{len(names)} of {len(snapshot.documents)} documents are not stored, among them {names[0]!r}",
                where=self._endpoint.where,
                fix="publish the commit again: objects are stored before the snapshot that lists them",
            )
