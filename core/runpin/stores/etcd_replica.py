"""An etcd cluster that follows another store: its snapshots by their numbers, its channels by revision."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import uuid4

from runpin.canonical import verified
from runpin.etcd.cluster import Call, Cluster
from runpin.etcd.keys import downwards
from runpin.etcd.records import (
    channel_record,
    move_record,
    publication_record,
    told,
    told_channel,
    written,
)
from runpin.etcd.transactions import Entry, Operation, absent, one, put, unchanged
from runpin.failpoints import failpoint
from runpin.model import Channel, ChannelMove, Commit, Snapshot, as_digest
from runpin.stores.asked import unknown
from runpin.stores.etcd import EtcdStore
from runpin.stores.etcd_changes import Listing
from runpin.stores.outrunning import outrun, taken


class EtcdReplica(EtcdStore):
    """
    A store that is brought to where another one stands.

    It asks no quarantine: what may be pinned is decided beside the other store.
    """

    def adopt(self, snapshot: Snapshot, publication: Commit, actor: str) -> None:
        """
        List *snapshot*, whose objects are all stored, under the sequence that it has; once more changes nothing.

        Raises:
            StoreCorrupt: an object is not stored, or the sequence belongs to another snapshot here.
            StoreUnavailable
        """
        verified(snapshot.manifest, snapshot.digest, "the snapshot handed in")
        self._require_objects(snapshot)
        self._put({snapshot.digest: snapshot.manifest})
        line = publication_record(publication, actor, self._cluster.clock.now(), uuid4().hex)
        _Adoption(self._cluster, snapshot, line).carry_out()

    def follow(self, channel: Channel, *, actor: str, reason: str) -> Channel:
        """
        Bring the channel to where *channel* says, at its revision, and return where it stands then.

        It never goes back: at a higher revision than that it stays where it is.

        Raises:
            UnknownSnapshot: the snapshot was not adopted.
            StoreCorrupt: it stands at this very revision with another snapshot, so somebody else moves it.
            StoreUnavailable
        """
        return _Leap(self._cluster, channel, actor, reason).carry_out()


class _Adoption(Listing):
    """A snapshot that is to be listed under the number that it has elsewhere, whose objects are all stored."""

    def _try(self, call: Call) -> int | None:
        keys, scope, snapshot = self.cluster.keys, self.snapshot.scope, self.snapshot
        number, content = keys.snapshot(snapshot.id), keys.listed(scope, snapshot.digest)
        counted, numbered, listed = call.read(one(keys.sequence(scope)), one(number), one(content))
        if numbered or listed:
            known = told(listed[0], lambda record: record["sequence"]) if listed else None
            if known != snapshot.sequence:
                raise taken(snapshot.id, self.cluster.where)
            return snapshot.sequence
        count = {"sequence": 0, "line": 0}
        if counted:
            count = told(counted[0], lambda record: {name: int(record[name]) for name in count})
        after = {"sequence": max(count["sequence"], snapshot.id.sequence), "line": count["line"] + 1}
        as_it_was = [unchanged(keys.sequence(scope), next(iter(counted), None)), absent(number), absent(content)]
        writing = [*self._history(after, snapshot.id.sequence), *self._entries(snapshot.id.sequence)]
        return snapshot.sequence if call.transact(as_it_was, writing).held else None


@dataclass(frozen=True, slots=True)
class _Leap:
    """The way of a channel to where it stands in another store, with what its line in the history says."""

    cluster: Cluster
    channel: Channel
    actor: str
    reason: str
    operation: str = field(default_factory=lambda: uuid4().hex)

    def carry_out(self) -> Channel:
        call = self.cluster.call()
        return call.until_done(lambda: self._try(call))

    def _try(self, call: Call) -> Channel | None:
        keys, channel = self.cluster.keys, self.channel
        place = keys.channel(channel.scope, channel.name)
        present, listed = call.read(one(place), one(keys.snapshot(channel.snapshot)))
        standing = told_channel(present[0], channel.scope, channel.name) if present else None
        beyond = outrun(standing, channel, self.cluster.where)
        if beyond is not None:
            return beyond
        self._require_adopted(listed)
        failpoint("before_mirror_channel")
        held = call.transact([unchanged(place, next(iter(present), None))], self._writing(place, standing)).held
        return channel if held else None

    def _require_adopted(self, listed: tuple[Entry, ...]) -> None:
        known = told(listed[0], lambda record: (as_digest(record["digest"]), record["tenant"])) if listed else None
        if known != (self.channel.digest, self.channel.scope.tenant):
            raise unknown(self.channel.snapshot, self.cluster.where)

    def _writing(self, place: str, left: Channel | None) -> list[Operation]:
        channel = self.channel
        move = ChannelMove(channel, None if left is None else left.snapshot, self.actor, self.reason)
        line = f"{self.cluster.keys.moves(channel.scope, channel.name)}{downwards(channel.revision)}"
        return [
            put(place, written(channel_record(channel, self.operation))),
            put(line, written(move_record(move, left, self.operation))),
        ]
