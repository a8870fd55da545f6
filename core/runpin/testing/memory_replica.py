"""A store in this process's memory that follows another one."""

from __future__ import annotations

from runpin.canonical import verified
from runpin.errors import StoreCorrupt, UnknownSnapshot
from runpin.model import Channel, ChannelMove, Commit, Publication, Snapshot
from runpin.testing.memory import MemoryStore


class MemoryReplica(MemoryStore):
    """Keeps the same contract as the real ones; it asks no quarantine when it follows."""

    def adopt(self, snapshot: Snapshot, publication: Commit, actor: str) -> None:
        """List *snapshot*, whose objects are all stored, under the sequence that it has; once more changes nothing."""
        verified(snapshot.manifest, snapshot.digest, "the snapshot handed in")
        with self._lock:
            self._require_objects(snapshot)
            same = [each for each in self._snapshots if (each.scope, each.digest) == (snapshot.scope, snapshot.digest)]
            numbered = [each for each in self._snapshots if _number(each) == _number(snapshot)]
            if same and same == numbered:
                return
            if same or numbered:
                raise StoreCorrupt(f"{snapshot.id} cannot be listed: it is another's here", where="memory")
            self._objects[snapshot.digest] = snapshot.manifest
            self._snapshots.append(snapshot)
            now = self._clock.now()
            line = Publication(snapshot.scope, snapshot.id, snapshot.digest, publication, actor, now)
            self._publications.append(line)

    def follow(self, channel: Channel, *, actor: str, reason: str) -> Channel:
        """Bring the channel to where *channel* says, at its revision, and return where it stands then."""
        with self._lock:
            standing = self._channels.get((channel.scope, channel.name))
            if standing is not None and standing.revision >= channel.revision:
                if standing.revision == channel.revision and standing.snapshot != channel.snapshot:
                    raise StoreCorrupt(f"channel {channel.name!r} names another snapshot here", where="memory")
                return standing
            if self.find(channel.snapshot).scope != channel.scope:
                raise UnknownSnapshot(f"{channel.snapshot} is not a snapshot of {channel.scope}", where="memory")
            self._channels[channel.scope, channel.name] = channel
            self._moves.append(ChannelMove(channel, standing.snapshot if standing else None, actor, reason))
            return channel

    def _require_objects(self, snapshot: Snapshot) -> None:
        if any(digest not in self._objects for digest in snapshot.documents.values()):
            raise StoreCorrupt("a document of the manifest is not stored", where="memory")


def _number(snapshot: Snapshot) -> tuple[str, str, int]:
    return snapshot.id.application, snapshot.id.environment, snapshot.id.sequence
