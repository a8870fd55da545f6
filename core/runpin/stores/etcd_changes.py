"""
The two changes that a store in etcd makes: listing a snapshot, and moving a channel.

Each reads what it depends on, then writes on condition that none of that has changed, and looks for its own traces
before it tries again. So it is carried out once, although nobody may know at which attempt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from runpin.etcd.cluster import Call, Cluster
from runpin.etcd.keys import downwards
from runpin.etcd.records import channel_record, move_record, told, told_channel, told_move, written
from runpin.etcd.transactions import Entry, Operation, absent, first, one, put, unchanged
from runpin.failpoints import failpoint
from runpin.model import Channel, ChannelMove, Digest, Snapshot, SnapshotId, as_digest
from runpin.stores.asked import AskedMove, unknown

_LINES_SEARCHED = 20
_NEWS = ("operation", "sequence", "sha", "repository")


@dataclass(frozen=True, slots=True)
class Listing:
    """
    A snapshot that is to be listed, whose objects are all stored.

    `line` is what the history will say about it, but for the snapshot.
    """

    cluster: Cluster
    snapshot: Snapshot
    line: dict[str, Any]

    def carry_out(self) -> int:
        """
        List the snapshot, unless it is, and tell the history, unless it knows; return the sequence.

        Raises:
            StoreUnavailable
        """
        call = self.cluster.call()
        return call.until_done(lambda: self._try(call))

    def _try(self, call: Call) -> int | None:
        keys, scope = self.cluster.keys, self.snapshot.scope
        counted, listed, lines = call.read(
            one(keys.sequence(scope)),
            one(keys.listed(scope, self.snapshot.digest)),
            first(keys.publications(scope), _LINES_SEARCHED),
        )
        count = {"sequence": 0, "line": 0}
        if counted:
            count = told(counted[0], lambda record: {name: int(record[name]) for name in count})
        known: int | None = told(listed[0], lambda record: record["sequence"]) if listed else None
        sequence: int = count["sequence"] + 1 if known is None else known
        if known is not None and self._is_told(lines, sequence):
            return sequence
        # Every listing changes the count, so this is carried out once at most.
        nobody_else = unchanged(keys.sequence(scope), next(iter(counted), None))
        after = {"sequence": max(count["sequence"], sequence), "line": count["line"] + 1}
        writing = [*self._history(after, sequence), *(self._entries(sequence) if known is None else ())]
        return sequence if call.transact([nobody_else], writing).held else None

    def _is_told(self, lines: tuple[Entry, ...], sequence: int) -> bool:
        """Tell whether the history knows: by this operation, or by what its newest line says already."""
        said = [told(entry, lambda record: [record[name] for name in _NEWS]) for entry in lines]
        operation, *news = ({**self.line, "sequence": sequence}[name] for name in _NEWS)
        return any(each[0] == operation for each in said) or any(each[1:] == news for each in said[:1])

    def _history(self, after: dict[str, int], sequence: int) -> list[Operation]:
        keys, scope = self.cluster.keys, self.snapshot.scope
        line = {**self.line, "sequence": sequence, "digest": self.snapshot.digest}
        place = f"{keys.publications(scope)}{downwards(after['line'])}"
        return [put(keys.sequence(scope), written(after)), put(place, written(line))]

    def _entries(self, sequence: int) -> list[Operation]:
        keys, scope, digest = self.cluster.keys, self.snapshot.scope, self.snapshot.digest
        entry = written({"digest": digest, "tenant": scope.tenant})
        return [
            put(keys.snapshot(SnapshotId.of(scope, sequence, digest)), entry),
            put(keys.listed(scope, digest), written({"sequence": sequence})),
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Move(AskedMove):
    """One move of a channel that was asked for, with what its line in the history says."""

    cluster: Cluster

    def carry_out(self) -> Channel:
        """
        Point the channel at `to` if it still stands at the `expected` revision.

        Raises:
            RevisionConflict, SnapshotQuarantined, UnknownSnapshot, StoreUnavailable
        """
        call = self.cluster.call()
        return call.until_done(lambda: self._try(call))

    def _try(self, call: Call) -> Channel | None:
        keys, scope = self.cluster.keys, self.scope
        place, fence = keys.channel(scope, self.name), keys.barred(self.to)
        present, own, listed, barred = call.read(one(place), one(self._line), one(keys.snapshot(self.to)), one(fence))
        if own and told(own[0], lambda record: record["operation"]) == self.operation:
            return told_move(own[0], scope, self.name).channel
        digest = self._movable(listed, barred)
        failpoint("before_channel")
        standing = told_channel(present[0], scope, self.name) if present else None
        self.require_expected(standing, self.cluster.where)
        moved = self.made(digest)
        as_it_was = [unchanged(place, next(iter(present), None)), absent(fence)]
        return moved if call.transact(as_it_was, self._writing(moved, standing)).held else None

    @property
    def _line(self) -> str:
        return f"{self.cluster.keys.moves(self.scope, self.name)}{downwards(self.expected + 1)}"

    def _writing(self, moved: Channel, left: Channel | None) -> list[Operation]:
        move = ChannelMove(moved, None if left is None else left.snapshot, self.actor, self.reason)
        return [
            put(self.cluster.keys.channel(self.scope, self.name), written(channel_record(moved, self.operation))),
            put(self._line, written(move_record(move, left, self.operation))),
        ]

    def _movable(self, listed: tuple[Entry, ...], barred: tuple[Entry, ...]) -> Digest:
        known = told(listed[0], lambda record: (as_digest(record["digest"]), record["tenant"])) if listed else None
        if known is None or known[0][:12] != self.to.short or known[1] != self.scope.tenant or not self.is_in_place:
            raise unknown(self.to, self.cluster.where)
        if barred:
            raise self.barred()
        return known[0]
