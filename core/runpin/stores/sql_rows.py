"""What the SQL store's rows mean, and the questions that several of its transactions ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa  # noqa: TID253 - this adapter is imported lazily

from runpin.database.schema import channels, moves, publications, snapshots
from runpin.model import Channel, ChannelMove, Commit, Digest, Publication, Scope, Snapshot, SnapshotId


@dataclass(frozen=True, slots=True)
class Move:
    """One move that was asked for, with what its line in the history says."""

    scope: Scope
    name: str
    to: SnapshotId
    expected: int
    note: dict[str, Any]

    def row(self, digest: Digest) -> dict[str, Any]:
        """Return the columns that channel and history share."""
        place = {**scope_columns(self.scope), "name": self.name, "revision": self.expected + 1}
        return {**place, "sequence": self.to.sequence, "digest": digest}


def scope_columns(scope: Scope) -> dict[str, str]:
    """Return *scope* as columns; no tenant is an empty text."""
    return {"application": scope.application, "environment": scope.environment, "tenant": scope.tenant or ""}


def in_scope(table: sa.Table, scope: Scope) -> list[sa.ColumnElement[bool]]:
    """Return the condition that a row of *table* belongs to *scope*: application, environment, tenant."""
    return [table.c[name] == value for name, value in scope_columns(scope).items()]


def numbered(snapshot: SnapshotId) -> tuple[sa.ColumnElement[bool], ...]:
    """Return the condition that a row of the snapshots has the number of *snapshot*."""
    return (
        snapshots.c.application == snapshot.application,
        snapshots.c.environment == snapshot.environment,
        snapshots.c.sequence == snapshot.sequence,
    )


def listed_as(connection: sa.Connection, snapshot: Snapshot) -> int | None:
    """Return the sequence of content that was published before."""
    query = sa.select(snapshots.c.sequence).where(*in_scope(snapshots, snapshot.scope))
    sequence: int | None = connection.scalar(query.where(snapshots.c.digest == snapshot.digest))
    return sequence


def is_told(connection: sa.Connection, scope: Scope, line: Mapping[str, Any]) -> bool:
    """Tell whether *line* is in the history: as its own operation, or as what the newest line says already."""
    own = sa.select(publications.c.id).where(publications.c.operation == line["operation"])
    if connection.scalar(own) is not None:
        return True
    columns = ("sequence", "sha", "repository")
    query = sa.select(*(publications.c[name] for name in columns)).where(*in_scope(publications, scope))
    latest = connection.execute(query.order_by(publications.c.id.desc()).limit(1)).first()
    return latest is not None and tuple(latest) == tuple(line[name] for name in columns)


def standing_at(connection: sa.Connection, scope: Scope, name: str) -> Channel | None:
    """Return where a channel stands."""
    query = sa.select(channels).where(*in_scope(channels, scope), channels.c.name == name)
    row = connection.execute(query).first()
    return None if row is None else told_channel(row, row.moved_at)


def was_made_by(connection: sa.Connection, standing: Channel, operation: str) -> bool:
    """Tell whether the channel's latest move is that *operation*: an attempt whose outcome was not known."""
    last = sa.select(moves.c.operation).where(*in_scope(moves, standing.scope), moves.c.name == standing.name)
    return connection.scalar(last.where(moves.c.revision == standing.revision)) == operation


def left_behind(standing: Channel | None) -> dict[str, Any]:
    """Return the columns that say what a move leaves."""
    if standing is None:
        return {}
    return {"previous_sequence": standing.snapshot.sequence, "previous_digest": standing.digest}


def commit_columns(commit: Commit) -> dict[str, Any]:
    """Return *commit* as columns."""
    return {
        "sha": commit.sha,
        "repository": commit.repository,
        "ref": commit.ref,
        "author": commit.author,
        "message": commit.message,
        "committed_at": commit.at,
        "reproducible": commit.reproducible,
    }


def _scope(row: sa.Row[Any]) -> Scope:
    return Scope(row.application, row.environment, row.tenant or None)


def told_channel(row: sa.Row[Any], moved_at: datetime) -> Channel:
    """Return the channel that a row of channels or moves holds."""
    scope = _scope(row)
    digest = Digest(row.digest)
    return Channel(scope, row.name, row.revision, SnapshotId.of(scope, row.sequence, digest), digest, moved_at)


def told_move(row: sa.Row[Any]) -> ChannelMove:
    """Return the line of history that a row of moves holds."""
    previous = None
    if row.previous_digest is not None:
        previous = SnapshotId.of(_scope(row), row.previous_sequence, Digest(row.previous_digest))
    return ChannelMove(told_channel(row, row.at), previous, row.actor, row.reason)


def told_publication(row: sa.Row[Any], scope: Scope) -> Publication:
    """Return the line of history that a row of publications holds."""
    digest = Digest(row.digest)
    commit = Commit(
        row.sha, row.repository, row.ref, row.author, row.message, row.committed_at, reproducible=row.reproducible
    )
    return Publication(scope, SnapshotId.of(scope, row.sequence, digest), digest, commit, row.actor, row.at)
