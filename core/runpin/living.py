"""What is live: the documents of Snapshots, and what a channel holds now, for gates that compare."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from runpin.canonical import document_from, snapshot_of
from runpin.cases import Present
from runpin.checking import Checked, Held
from runpin.errors import StoreCorrupt, StoreUnavailable, UnknownChannel, UnknownSnapshot
from runpin.model import STABLE, SnapshotId
from runpin.ports import ChannelStore, SnapshotStore

if TYPE_CHECKING:
    from runpin.errors import RunpinError
    from runpin.model import Channel, Digest, Document, Scope, Snapshot

Lately = Callable[["SnapshotId"], tuple[int, datetime]]
"""Counts the runs that were pinned to a Snapshot lately, and says since when it counted."""


class Readable(SnapshotStore, ChannelStore, Protocol):
    """A store that can be asked what is live."""


class Documents:
    """
    Reads the documents of Snapshots, each of them once: tenants share most.

    Args:
        body: returns the verified bytes of a document of a Snapshot, by its name.
    """

    def __init__(self, body: Callable[[Snapshot, str], bytes]) -> None:
        self._body = body
        self._read: dict[tuple[str, Digest], Document | None] = {}

    def of(self, snapshot: Snapshot) -> dict[str, Document]:
        """
        Return the documents of *snapshot* by name, without those that the store lost.

        Raises:
            StoreUnavailable
        """
        return {name: found for name in snapshot.documents if (found := self._document(snapshot, name))}

    def hold(self, snapshot: Snapshot, channel: str) -> Held:
        """
        Return *snapshot*, which *channel* points at or would, as it is judged.

        Raises:
            StoreUnavailable
        """
        read = self.of(snapshot)
        lost = tuple(name for name in snapshot.documents if name not in read)
        return Held(snapshot.scope, snapshot.id, channel, read, lost)

    def _document(self, snapshot: Snapshot, name: str) -> Document | None:
        key = name, snapshot.documents[name]
        if key not in self._read:
            self._read[key] = self._read_one(snapshot, name)
        return self._read[key]

    def _read_one(self, snapshot: Snapshot, name: str) -> Document | None:
        try:
            return document_from(name, self._body(snapshot, name))
        except (UnknownSnapshot, StoreCorrupt):
            # Publishing is how a store that lost an object is mended, so it must not stop at this.
            return None


def nothing_to_compare(snapshot: SnapshotId, lost: RunpinError) -> StoreCorrupt:
    """Return what to tell whoever wants to replace *snapshot*, which is live, and which the store *lost*."""
    return StoreCorrupt(
        f"the store lost {snapshot}, or holds it damaged, so that no change can be compared with it",
        where=lost.where,
        fix="publish the commit that it came from again, which stores it anew, or leave it with `runpin rollback`",
    )


def documents_in(store: SnapshotStore) -> Documents:
    """Return what reads the documents that *store* holds."""
    return Documents(lambda snapshot, name: store.get_object(snapshot.documents[name]))


def as_if_live(checked: Mapping[str, Checked]) -> Callable[[Scope], Present | None]:
    """
    Return a look of `Circumstances` for which a commit is what is live, of which *checked* holds the documents.

    It stands in for a store that is not at hand. Files that cannot be read at that commit are left out.
    """

    def look(scope: Scope) -> Present | None:
        found = checked[scope.environment].scopes.get(scope) if scope.environment in checked else None
        if found is None:
            return None
        documents = {document.name: document for document in found}
        snapshot = snapshot_of(scope, {name: document.digest for name, document in documents.items()})
        # It has no number, because it was not published.
        return Present(SnapshotId.of(scope, 1, snapshot.digest), documents)

    return look


class Live:
    """
    Looks up what a channel holds, once for each scope; a look of `Circumstances`.

    A channel that was never moved is compared with `stable`: that is what runs get until they are sent to the new one.

    Args:
        store: where it is.
        channel: the channel's name.
        lately: counts runs; None: they are not counted, and neither are they while the ledger does not answer.

    Raises:
        StoreUnavailable: when it is asked.
    """

    def __init__(self, store: Readable, channel: str, lately: Lately | None = None) -> None:
        self._store = store
        self._channel = channel
        self._lately = lately
        self._channels: dict[tuple[Scope, str], Channel | None] = {}
        self._found: dict[Scope, Present | None] = {}
        self._documents = documents_in(store)

    def __call__(self, scope: Scope) -> Present | None:
        """Return what the channel holds for *scope*, or what stands in for it."""
        if scope not in self._found:
            self._found[scope] = self._find(scope)
        return self._found[scope]

    def _find(self, scope: Scope) -> Present | None:
        channel = self.compared(scope)
        if channel is None:
            return None
        documents = self._documents.of(self._store.find(channel.snapshot))
        pinned, since = self._counted(channel.snapshot)
        return Present(channel.snapshot, documents, pinned, since)

    def _counted(self, snapshot: SnapshotId) -> tuple[int | None, datetime | None]:
        try:
            return self._lately(snapshot) if self._lately else (None, None)
        except StoreUnavailable:
            # Publishing needs the store, and must not wait for a ledger that may be elsewhere.
            return None, None

    def channel(self, scope: Scope) -> Channel | None:
        """Return where the channel stands, None before the first publication."""
        return self._stands(scope, self._channel)

    def compared(self, scope: Scope) -> Channel | None:
        """Return the channel that changes are compared with, None if nothing was published."""
        return self.channel(scope) or self._stands(scope, STABLE)

    def _stands(self, scope: Scope, name: str) -> Channel | None:
        if (scope, name) not in self._channels:
            try:
                self._channels[scope, name] = self._store.channel(scope, name)
            except UnknownChannel:
                self._channels[scope, name] = None
        return self._channels[scope, name]
