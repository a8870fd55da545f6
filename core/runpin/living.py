"""What is live: the documents that a channel holds now, for gates that compare."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from runpin.canonical import document_from
from runpin.cases import Present
from runpin.errors import StoreCorrupt, UnknownChannel, UnknownSnapshot
from runpin.ports import ChannelStore, SnapshotStore

if TYPE_CHECKING:
    from runpin.model import Channel, Digest, Document, Scope, SnapshotId

Lately = Callable[["SnapshotId"], tuple[int, datetime]]
"""Counts the runs that were pinned to a Snapshot lately, and says since when it counted."""


class Readable(SnapshotStore, ChannelStore, Protocol):
    """A store that can be asked what is live."""


class Live:
    """
    Looks up what a channel holds, once for each scope; a look of `Circumstances`.

    Args:
        store: where it is.
        channel: the channel's name.
        lately: counts runs; None: they are not counted.

    Raises:
        StoreUnavailable: when it is asked.
    """

    def __init__(self, store: Readable, channel: str, lately: Lately | None = None) -> None:
        self._store = store
        self._channel = channel
        self._lately = lately
        self._channels: dict[Scope, Channel | None] = {}
        self._documents: dict[tuple[str, Digest], Document | None] = {}

    def __call__(self, scope: Scope) -> Present | None:
        """Return what the channel holds for *scope*."""
        channel = self.channel(scope)
        if channel is None:
            return None
        named = self._store.find(channel.snapshot).documents
        documents = {name: found for name, digest in named.items() if (found := self._document(name, digest))}
        pinned, since = self._lately(channel.snapshot) if self._lately else (None, None)
        return Present(channel.snapshot, documents, pinned, since)

    def channel(self, scope: Scope) -> Channel | None:
        """Return where the channel stands, None before the first publication."""
        if scope not in self._channels:
            try:
                self._channels[scope] = self._store.channel(scope, self._channel)
            except UnknownChannel:
                self._channels[scope] = None
        return self._channels[scope]

    def _document(self, name: str, digest: Digest) -> Document | None:
        # Tenants share most documents.
        if (name, digest) not in self._documents:
            self._documents[name, digest] = self._read(name, digest)
        return self._documents[name, digest]

    def _read(self, name: str, digest: Digest) -> Document | None:
        try:
            return document_from(name, self._store.get_object(digest))
        except (UnknownSnapshot, StoreCorrupt):
            # Publishing is how a store that lost an object is mended, so nothing is compared with that document.
            return None
