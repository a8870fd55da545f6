"""A SQL database that follows another store: its snapshots by their numbers, its channels by revision."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import sqlalchemy as sa  # noqa: TID253 - this adapter is imported lazily

from runpin.canonical import verified
from runpin.database.notifying import tell_channels
from runpin.database.schema import channels, moves, publications, snapshots
from runpin.database.wire import Held
from runpin.failpoints import failpoint
from runpin.model import Channel, Commit, Snapshot
from runpin.stores.outrunning import outrun, taken
from runpin.stores.sql import SqlStore
from runpin.stores.sql_rows import (
    Move,
    commit_columns,
    in_scope,
    left_behind,
    listed_as,
    numbered,
    scope_columns,
    standing_at,
)


class SqlReplica(SqlStore):
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
        scope = snapshot.scope
        row = {**scope_columns(scope), "sequence": snapshot.id.sequence, "digest": snapshot.digest}
        line = {**row, **commit_columns(publication), "actor": actor, **self._stamp()}
        numbering = Held.of("publish", scope.application, scope.environment)
        self._database.write(lambda connection: self._adopt(connection, snapshot, row, line), numbering)

    def follow(self, channel: Channel, *, actor: str, reason: str) -> Channel:
        """
        Bring the channel to where *channel* says, at its revision, and return where it stands then.

        It never goes back: at a higher revision than that it stays where it is.

        Raises:
            UnknownSnapshot: the snapshot was not adopted.
            StoreCorrupt: it stands at this very revision with another snapshot, so somebody else moves it.
            StoreUnavailable
        """
        scope, note = channel.scope, {"actor": actor, "reason": reason, "at": channel.moved_at}
        move = Move(scope, channel.name, channel.snapshot, channel.revision - 1, {**note, "operation": uuid4().hex})
        alone = Held.of("follow", scope.application, scope.environment, scope.tenant or "", channel.name)
        return self._database.write(lambda connection: self._follow(connection, channel, move), alone)

    def _adopt(self, connection: sa.Connection, snapshot: Snapshot, row: dict[str, Any], line: dict[str, Any]) -> None:
        self._require_objects(connection, snapshot)
        known = listed_as(connection, snapshot)
        if known == snapshot.sequence:
            return
        number = connection.scalar(sa.select(snapshots.c.sequence).where(*numbered(snapshot.id)))
        if known is not None or number is not None:
            raise taken(snapshot.id, self._database.where)
        self._put(connection, {snapshot.digest: snapshot.manifest})
        connection.execute(snapshots.insert().values(row))
        connection.execute(publications.insert().values(line))

    def _follow(self, connection: sa.Connection, channel: Channel, move: Move) -> Channel:
        standing = standing_at(connection, channel.scope, channel.name)
        beyond = outrun(standing, channel, self._database.where)
        if beyond is not None:
            return beyond
        known = sa.select(snapshots.c.digest).where(*in_scope(snapshots, channel.scope), *numbered(channel.snapshot))
        if connection.scalar(known) != channel.digest:
            raise self._unknown(channel.snapshot)
        failpoint("before_mirror_channel")
        if not self._leap(connection, standing, {**move.row(channel.digest), "moved_at": channel.moved_at}):
            # Whoever was faster is seen by the next look.
            return self._follow(connection, channel, move)
        connection.execute(moves.insert().values({**move.row(channel.digest), **move.note, **left_behind(standing)}))
        tell_channels(self._database, connection, channel.scope.environment, channel.scope.tenant)
        return channel

    def _leap(self, connection: sa.Connection, standing: Channel | None, row: dict[str, Any]) -> bool:
        if standing is None:
            inserting = self._database.insert(channels).values(row).on_conflict_do_nothing()
            return connection.execute(inserting, execution_options={"preserve_rowcount": True}).rowcount == 1
        as_it_was = [*in_scope(channels, standing.scope), channels.c.name == standing.name]
        as_it_was.append(channels.c.revision == standing.revision)
        moving = {name: row[name] for name in ("revision", "sequence", "digest", "moved_at")}
        return connection.execute(channels.update().where(*as_it_was).values(moving)).rowcount == 1
