"""
What Azure's own readers see of a channel: feature flags, native snapshots and a reference to one.

The channel decides, and this follows it. Nothing is queued: each call compares what is there with what the channel
names and does what is missing, so that a call that died is finished by the next one. Every write is conditional, so
that whoever is late overwrites nothing that is newer, and the sentinel is written last.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from threading import Event
from typing import TYPE_CHECKING, Any, Protocol

from runpin.azure_appconfig.labelled import ARCHIVED, MAKING, READY, Entry, LabelledCall, Native
from runpin.azure_appconfig.native import (
    FLAG_PREFIX,
    JSON_KIND,
    REFERENCE_KIND,
    flag_entries,
    label_of,
    member_entries,
    reference_text,
    same,
)
from runpin.azure_appconfig.objects import record_of
from runpin.errors import StoreError, StoreUnavailable
from runpin.mirrors import MirrorState, Standing
from runpin.ports import ChannelStore, SnapshotStore

if TYPE_CHECKING:
    from runpin.azure_appconfig.calls import Item
    from runpin.azure_appconfig.endpoint import Endpoint
    from runpin.model import Channel, Scope, Snapshot

_ROUNDS = 4
_LOOKS, _LOOKS_APART = 100, 0.25
_OWNER, _REVISION = "runpin", "revision"


class Followed(SnapshotStore, ChannelStore, Protocol):
    """The store that decides: snapshots and channels."""


class _Beaten(Exception):
    """Somebody else has changed what was about to be written."""


@dataclass(frozen=True, slots=True)
class _Content:
    flags: Mapping[str, Entry]
    members: Mapping[str, Entry]


class NativeMirror:
    """
    Publishes for Azure's own readers what the store's URL asks for, in the store itself.

    Flags lie under a label of their own for each channel. A native snapshot has the name of ours, and never changes;
    it is made from key-values under a label that nobody else uses, which are removed after that.
    """

    def __init__(self, endpoint: Endpoint, store: Followed) -> None:
        self._endpoint = endpoint
        self._store = store
        address = endpoint.address
        self._has = {"feature_flags": address.feature_flags, "native_snapshots": address.native_snapshots}

    @property
    def where(self) -> str:
        """The store's address, and whom this is for."""
        return f"{self._endpoint.where} for Azure's own readers"

    def require(self, snapshot: Snapshot) -> None:
        """
        Refuse a Snapshot that could not be published for Azure's own readers.

        Raises:
            StoreError: a flag is not in the form of the service, or something does not fit into a key-value.
        """
        self._content(snapshot)

    def look(self, scope: Scope, name: str) -> MirrorState:
        """
        Return which stand of the channel Azure's own readers see; nothing is written.

        Raises:
            UnknownChannel, StoreUnavailable, StoreCorrupt
        """
        mark = self._mark(scope, name)
        channel = self._store.channel(scope, name)
        said = {} if mark is None else record_of(mark, self.where)
        revision = said.get(_REVISION)
        if said == self._said(channel) or _revision(mark, self.where) > channel.revision:
            return MirrorState(
                self.where, channel, Standing.IN_STEP, "everything is written", channel.snapshot, revision
            )
        why = "nothing was written yet" if mark is None else f"revision {revision} is written"
        return MirrorState(self.where, channel, Standing.BEHIND, why, revision=revision)

    def bring(self, scope: Scope, name: str) -> MirrorState:
        """
        Do what is missing for Azure's own readers to see what the channel names, and return how that stands then.

        Everything is compared, so that what somebody has changed by hand is mended as well.

        Raises:
            UnknownChannel, StoreUnavailable, StoreCorrupt
            StoreError: the content cannot be published, or a flag under the channel's label is somebody else's.
        """
        for _ in range(_ROUNDS):
            try:
                self._round(scope, name)
                break
            except _Beaten:
                continue
        return self.look(scope, name)

    def _round(self, scope: Scope, name: str) -> None:
        mark = self._mark(scope, name)
        channel = self._store.channel(scope, name)
        if _revision(mark, self.where) > channel.revision:
            return
        content = self._content(self._store.find(channel.snapshot))
        if self._has["native_snapshots"]:
            self._make(channel, {**content.members, **content.flags})
            self._point(channel)
        changed = self._has["feature_flags"] and self._put_flags(channel, content.flags)
        text = json.dumps(self._said(channel))
        if mark is None or mark.text != text or changed:
            sentinel = Entry(self._endpoint.keys.sentinel(scope, name), text, JSON_KIND)
            _must(self._call().write(sentinel, mark))

    def _content(self, snapshot: Snapshot) -> _Content:
        bodies = {name: self._store.get_object(digest) for name, digest in snapshot.documents.items()}
        members = member_entries(bodies, self.where) if self._has["native_snapshots"] else {}
        return _Content(flag_entries(bodies, self.where), members)

    def _put_flags(self, channel: Channel, wanted: Mapping[str, Entry]) -> bool:
        label = label_of(channel.scope, channel.name)
        there = {item.key: item for item in self._call().under(f"{FLAG_PREFIX}*", label)}
        changed = False
        for key, entry in wanted.items():
            item = there.pop(key, None)
            if item is not None and self._owner(channel) != item.tags.get(_OWNER):
                raise self._somebody_elses(item)
            if item is None or item.kind != entry.kind or not same(item.text, entry.text):
                self._write(channel, replace(entry, label=label), item)
                changed = True
        for item in there.values():
            if item.tags.get(_OWNER) == self._owner(channel):
                _must(_is_older(item, channel) and self._call().remove(item))
                changed = True
        return changed

    def _point(self, channel: Channel) -> None:
        """Name the channel's native snapshot where readers look for it."""
        key, text = self._endpoint.keys.reference(channel.scope, channel.name), reference_text(str(channel.snapshot))
        item = self._call().get(key)
        if item is None or item.text != text or item.kind != REFERENCE_KIND:
            self._write(channel, Entry(key, text, REFERENCE_KIND), item)

    def _write(self, channel: Channel, entry: Entry, over: Item | None) -> None:
        tags = {_OWNER: self._owner(channel), _REVISION: str(channel.revision)}
        _must(_is_older(over, channel) and self._call().write(replace(entry, tags=tags), over))

    def _make(self, channel: Channel, entries: Mapping[str, Entry]) -> None:
        name = str(channel.snapshot)
        found = self._call().native(name)
        if found is None:
            self._stage(name, entries.values())
            self._call().make_native(name, name, {_OWNER: self._endpoint.keys.root, "digest": channel.digest})
        elif found.status == ARCHIVED:
            self._call().recover_native(name)
        self._require_ours(self._made(name), channel)
        for item in self._call().under("*", name):
            self._call().remove(item)

    def _stage(self, label: str, entries: Iterable[Entry]) -> None:
        # The label says which content this is, so that whoever stages it writes the same.
        there = {item.key: item for item in self._call().under("*", label)}
        for entry in entries:
            item = there.get(entry.key)
            if item is None or item.kind != entry.kind or not same(item.text, entry.text):
                _must(self._call().write(replace(entry, label=label), item))

    def _made(self, name: str) -> Native:
        """Return the native snapshot as soon as it is no longer being made."""
        clock = self._endpoint.clock
        ends = clock.monotonic() + self._endpoint.patience
        for _ in range(_LOOKS):
            found = self._call().native(name)
            if found is not None and found.status != MAKING:
                return found
            if clock.monotonic() >= ends:
                break
            Event().wait(_LOOKS_APART)
        where, fix = f"{self.where}: {name}", "publish the same commit again in a while, which finishes it"
        raise StoreUnavailable("the native snapshot is still being made", where=where, fix=fix)

    def _require_ours(self, found: Native, channel: Channel) -> None:
        if found.status != READY:
            fix = "look at it in the portal; its name cannot be used again before it has expired"
            raise StoreError(
                f"the native snapshot is {found.status}", where=f"{self.where}: {channel.snapshot}", fix=fix
            )
        if found.tags.get("digest") != channel.digest:
            fix = "archive it in the portal and wait until it has expired, or take native_snapshots out of the URL"
            raise StoreError(
                "a native snapshot of this name is not ours", where=f"{self.where}: {channel.snapshot}", fix=fix
            )

    def _somebody_elses(self, item: Item) -> StoreError:
        fix = "rename one of the two, or delete the one in the portal"
        where = f"{self.where}: {item.key}, label {item.label}"
        return StoreError("a feature flag of this name and label was not written by this channel", where=where, fix=fix)

    def _owner(self, channel: Channel) -> str:
        return self._endpoint.keys.channel(channel.scope, channel.name)

    def _said(self, channel: Channel) -> dict[str, Any]:
        """Return what the sentinel says when everything is written."""
        written = [name for name, has in self._has.items() if has]
        stand = {_REVISION: channel.revision, "snapshot": str(channel.snapshot), "digest": channel.digest}
        return {**stand, "written": written}

    def _mark(self, scope: Scope, name: str) -> Item | None:
        return self._call().get(self._endpoint.keys.sentinel(scope, name))

    def _call(self) -> LabelledCall:
        # One deadline for each request: how many there are depends on the content.
        return LabelledCall.on(self._endpoint)


def _must(done: bool) -> None:  # noqa: FBT001 - what a condition has told
    if not done:
        raise _Beaten


def _is_older(item: Item | None, channel: Channel) -> bool:
    return item is None or int(item.tags.get(_REVISION) or 0) <= channel.revision


def _revision(mark: Item | None, where: str) -> int:
    revision = 0 if mark is None else record_of(mark, where).get(_REVISION)
    return revision if isinstance(revision, int) else 0
