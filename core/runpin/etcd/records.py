"""
What the values hold: one JSON object each, whatever characters the texts in it are made of.

A record of a later release may hold more than this one reads.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from runpin.errors import NotFound, StoreCorrupt
from runpin.etcd.transactions import Entry
from runpin.model import (
    Asked,
    Channel,
    ChannelMove,
    Commit,
    Pin,
    Publication,
    RunKey,
    Scope,
    SnapshotId,
    as_digest,
)
from runpin.overrides import Override, OverrideKind
from runpin.reactions import Reaction, ReactionKey

T = TypeVar("T")

_COMMIT = ("sha", "repository", "ref", "author", "message", "reproducible")
_RUN = ("engine", "deployment", "job", "run_id", "incarnation")


def written(content: dict[str, Any]) -> bytes:
    """Return *content* as a value; lone surrogates stay what they are."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def told(entry: Entry, read: Callable[[dict[str, Any]], T]) -> T:
    """
    Return what *read* makes of the record in *entry*.

    Raises:
        StoreCorrupt: it is no record of that kind.
    """
    try:
        return read(json.loads(entry.value.decode("utf-8", "surrogatepass")))
    except (ValueError, KeyError, TypeError, AttributeError, NotFound) as error:
        raise StoreCorrupt(
            "a record in etcd cannot be read", where=entry.key, fix="restore the cluster from a backup"
        ) from error


def stamp(moment: datetime) -> str:
    """Return *moment*, which is aware, as text in UTC."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def pin_record(pin: Pin) -> dict[str, Any]:
    """Return *pin* without its scope, which its key tells, but for the tenant."""
    return {
        "run": [getattr(pin.run, name) for name in _RUN],
        "tenant": pin.scope.tenant,
        "sequence": pin.snapshot.sequence,
        "digest": pin.digest,
        "epoch": pin.epoch,
        "channel": pin.channel,
        "revision": pin.revision,
        "asked": pin.asked.value,
        "confirmed": pin.confirmed,
        "at": stamp(pin.at),
    }


def told_pin(entry: Entry, environment: str, application: str) -> Pin:
    """Return the pin in *entry*."""

    def read(record: dict[str, Any]) -> Pin:
        scope, digest = Scope(application, environment, record["tenant"]), as_digest(record["digest"])
        return Pin(
            RunKey(*record["run"]),
            scope,
            SnapshotId.of(scope, record["sequence"], digest),
            digest,
            datetime.fromisoformat(record["at"]),
            record["epoch"],
            record["channel"],
            record["revision"],
            Asked(record["asked"]),
            bool(record["confirmed"]),
        )

    return told(entry, read)


def channel_record(channel: Channel, operation: str) -> dict[str, Any]:
    """Return where *channel* stands since *operation*."""
    return {
        "revision": channel.revision,
        "sequence": channel.snapshot.sequence,
        "digest": channel.digest,
        "at": stamp(channel.moved_at),
        "operation": operation,
    }


def told_channel(entry: Entry, scope: Scope, name: str) -> Channel:
    """Return the channel in *entry*."""
    return told(entry, lambda record: _channel(record, scope, name))


def move_record(move: ChannelMove, left: Channel | None, operation: str) -> dict[str, Any]:
    """Return the line of history about *move*, which left the channel where *left* says."""
    note = {"actor": move.actor, "reason": move.reason}
    before = None if left is None else {"sequence": left.snapshot.sequence, "digest": left.digest}
    return {**channel_record(move.channel, operation), "previous": before, **note}


def told_move(entry: Entry, scope: Scope, name: str) -> ChannelMove:
    """Return the line of history in *entry*."""

    def read(record: dict[str, Any]) -> ChannelMove:
        before = record["previous"]
        previous = None if before is None else SnapshotId.of(scope, before["sequence"], as_digest(before["digest"]))
        return ChannelMove(_channel(record, scope, name), previous, record["actor"], record["reason"])

    return told(entry, read)


def _channel(record: dict[str, Any], scope: Scope, name: str) -> Channel:
    digest = as_digest(record["digest"])
    snapshot = SnapshotId.of(scope, record["sequence"], digest)
    return Channel(scope, name, record["revision"], snapshot, digest, datetime.fromisoformat(record["at"]))


def publication_record(commit: Commit, actor: str, at: datetime, operation: str) -> dict[str, Any]:
    """Return the line of history about *commit*, but for the snapshot."""
    return {
        **{name: getattr(commit, name) for name in _COMMIT},
        # As it was written, zone included: it is the commit's, not ours.
        "committed_at": commit.at.isoformat(),
        "actor": actor,
        "at": stamp(at),
        "operation": operation,
    }


def told_publication(entry: Entry, scope: Scope) -> Publication:
    """Return the line of history in *entry*."""

    def read(record: dict[str, Any]) -> Publication:
        digest = as_digest(record["digest"])
        commit = Commit(**{name: record[name] for name in _COMMIT}, at=datetime.fromisoformat(record["committed_at"]))
        snapshot = SnapshotId.of(scope, record["sequence"], digest)
        return Publication(scope, snapshot, digest, commit, record["actor"], datetime.fromisoformat(record["at"]))

    return told(entry, read)


def reaction_record(reaction: Reaction) -> dict[str, Any]:
    """Return *reaction* with its key, for people; readers know the key already."""
    key = reaction.key
    return {
        "key": [key.engine, key.deployment, key.name, str(key.scope), key.channel],
        "revision": reaction.revision,
        "sequence": reaction.snapshot.sequence,
        "digest": reaction.digest,
        "since": None if reaction.since is None else str(reaction.since),
        "at": stamp(reaction.at),
        "outcome": reaction.outcome,
    }


def told_reaction(entry: Entry, key: ReactionKey) -> Reaction:
    """Return the reaction in *entry*."""

    def read(record: dict[str, Any]) -> Reaction:
        digest = as_digest(record["digest"])
        return Reaction(
            key=key,
            revision=record["revision"],
            snapshot=SnapshotId.of(key.scope, record["sequence"], digest),
            digest=digest,
            since=None if record["since"] is None else SnapshotId.parse(record["since"]),
            at=datetime.fromisoformat(record["at"]),
            outcome=record["outcome"],
        )

    return told(entry, read)


def override_record(override: Override) -> dict[str, Any]:
    """Return *override* with its run, for people; readers know the run already."""
    run = override.run
    return {
        "run": [run.engine, run.deployment, run.job, run.run_id, run.incarnation],
        "number": override.number,
        "sequence": override.snapshot.sequence,
        "digest": override.digest,
        "since": {
            "sequence": override.since.sequence,
            "digest": override.since_digest,
            "named": override.since_named,
        },
        "kind": override.kind.value,
        "partial": override.partial,
        "actor": override.actor,
        "reason": override.reason,
        "at": stamp(override.at),
        "outcome": override.outcome,
    }


def told_override(entry: Entry, run: RunKey, scope: Scope) -> Override:
    """Return the Override in *entry*."""

    def read(record: dict[str, Any]) -> Override:
        digest, since = as_digest(record["digest"]), as_digest(record["since"]["digest"])
        return Override(
            run=run,
            scope=scope,
            number=record["number"],
            snapshot=SnapshotId.of(scope, record["sequence"], digest),
            digest=digest,
            since=SnapshotId.of(scope, record["since"]["sequence"], since),
            since_digest=since,
            kind=OverrideKind(record["kind"]),
            actor=record["actor"],
            reason=record["reason"],
            at=datetime.fromisoformat(record["at"]),
            partial=record["partial"],
            since_named=record["since"]["named"],
            outcome=record["outcome"],
        )

    return told(entry, read)
