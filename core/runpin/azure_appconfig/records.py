"""What the records say: publications, and where a channel stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from runpin.azure_appconfig.objects import damaged
from runpin.errors import NotFound
from runpin.model import Channel, ChannelMove, Commit, Publication, Scope, SnapshotId, as_digest

if TYPE_CHECKING:
    from runpin.azure_appconfig.registers import Line

T = TypeVar("T")

_COMMIT = ("sha", "repository", "ref", "author", "message")


def told(line: Line, where: str, read: Callable[[Mapping[str, Any]], T]) -> T:
    """
    Return what *read* makes of the record of *line*.

    Raises:
        StoreCorrupt: it is no record of that kind.
    """
    try:
        return read(line.record)
    except (ValueError, KeyError, TypeError, AttributeError, NotFound) as error:
        raise damaged(line.item.key, where) from error


def stamp(moment: datetime) -> str:
    """Return *moment*, which is aware, as text in UTC."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def move_record(move: ChannelMove, left: Channel | None, operation: str) -> dict[str, Any]:
    """Return what a channel's head says after *move*, which left it where *left* says."""
    channel = move.channel
    return {
        "sequence": channel.snapshot.sequence,
        "digest": channel.digest,
        "at": stamp(channel.moved_at),
        "actor": move.actor,
        "reason": move.reason,
        "previous": None if left is None else {"sequence": left.snapshot.sequence, "digest": left.digest},
        "operation": operation,
    }


def told_move(line: Line, scope: Scope, name: str, where: str) -> ChannelMove:
    """Return the move in *line*, whose number is the channel's revision."""

    def read(record: Mapping[str, Any]) -> ChannelMove:
        digest, before = as_digest(record["digest"]), record["previous"]
        snapshot = SnapshotId.of(scope, record["sequence"], digest)
        previous = None if before is None else SnapshotId.of(scope, before["sequence"], as_digest(before["digest"]))
        channel = Channel(scope, name, line.number, snapshot, digest, datetime.fromisoformat(record["at"]))
        return ChannelMove(channel, previous, record["actor"], record["reason"])

    return told(line, where, read)


def publication_record(commit: Commit, actor: str, at: datetime, operation: str) -> dict[str, Any]:
    """Return what the history says about *commit*, but for the snapshot."""
    return {
        **{name: getattr(commit, name) for name in _COMMIT},
        # As it was written, zone included: it is the commit's, not ours.
        "committed_at": commit.at.isoformat(),
        "reproducible": commit.reproducible,
        "actor": actor,
        "at": stamp(at),
        "operation": operation,
    }


def told_publication(line: Line, scope: Scope, where: str) -> Publication:
    """Return the publication in *line*."""

    def read(record: Mapping[str, Any]) -> Publication:
        digest = as_digest(record["digest"])
        snapshot = SnapshotId.of(scope, record["sequence"], digest)
        words = {name: record[name] for name in _COMMIT}
        at = datetime.fromisoformat(record["committed_at"])
        commit = Commit(**words, at=at, reproducible=bool(record["reproducible"]))
        return Publication(scope, snapshot, digest, commit, record["actor"], datetime.fromisoformat(record["at"]))

    return told(line, where, read)
