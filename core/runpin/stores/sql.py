"""The store in a SQL database: objects by digest, snapshots by sequence, channels that move by compare-and-set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any
from uuid import uuid4

import sqlalchemy as sa  # noqa: TID253 - this adapter is imported lazily

from runpin.canonical import read_manifest, verified
from runpin.database.engine import Database
from runpin.database.notifying import tell_channels
from runpin.database.schema import channels, moves, publications, quarantine, snapshots
from runpin.database.schema import objects as object_table
from runpin.database.wire import Held
from runpin.errors import RevisionConflict, SnapshotQuarantined, StoreCorrupt, UnknownChannel, UnknownSnapshot
from runpin.failpoints import failpoint
from runpin.model import Channel, ChannelMove, Commit, Digest, Publication, Scope, Snapshot, SnapshotId
from runpin.stores.sql_rows import (
    Move,
    commit_columns,
    in_scope,
    is_told,
    left_behind,
    listed_as,
    numbered,
    scope_columns,
    standing_at,
    told_channel,
    told_move,
    told_publication,
    was_made_by,
)

_CHUNK = 500


class SqlStore:
    """
    Keeps snapshots and channels, and what happened to them, in one database.

    Whatever was asked of it may be asked again: objects and snapshots are known by their content, a move by its
    revision. So a publisher that died half-way is finished by running it once more.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def put_objects(self, objects: Mapping[Digest, bytes]) -> None:
        """
        Store each body under its digest. A body that is stored already is left, one that was damaged is mended.

        Raises:
            StoreCorrupt: a body does not hash to its digest. Nothing was written.
            StoreUnavailable
        """
        bodies = {digest: verified(body, digest, "the object handed in") for digest, body in objects.items()}
        if bodies:
            self._database.write(lambda connection: self._put(connection, bodies))

    def get_object(self, digest: Digest) -> bytes:
        """
        Return the bytes whose SHA-256 is *digest*, verified.

        Raises:
            UnknownSnapshot, StoreCorrupt, StoreUnavailable
        """
        query = sa.select(object_table.c.body).where(object_table.c.digest == digest)
        body: bytes | None = self._database.read(lambda connection: connection.scalar(query))
        if body is None:
            raise UnknownSnapshot(f"no object {digest[:12]} is stored", where=self._database.where)
        return verified(body, digest, self._database.where)

    def commit(self, snapshot: Snapshot, publication: Commit, actor: str) -> Snapshot:
        """
        List *snapshot*, whose objects are all stored, and return it with its sequence.

        Content that is listed already keeps its sequence; the history grows only if *publication* is news.

        Raises:
            StoreCorrupt: an object of the manifest is not stored.
            StoreUnavailable
        """
        verified(snapshot.manifest, snapshot.digest, "the snapshot handed in")
        scope = snapshot.scope
        line = {**scope_columns(scope), **commit_columns(publication), "actor": actor, **self._stamp()}
        numbering = Held.of("publish", scope.application, scope.environment)
        sequence = self._database.write(lambda connection: self._list(connection, snapshot, line), numbering)
        return replace(snapshot, sequence=sequence)

    def find(self, snapshot: SnapshotId) -> Snapshot:
        """
        Return a published snapshot by its id.

        Raises:
            UnknownSnapshot, StoreCorrupt, StoreUnavailable
        """
        query = (
            sa.select(object_table.c.digest, object_table.c.body)
            .join_from(snapshots, object_table)
            .where(*numbered(snapshot))
        )
        row = self._database.read(lambda connection: connection.execute(query).first())
        if row is None or row.digest[:12] != snapshot.short:
            raise self._unknown(snapshot)
        return read_manifest(verified(row.body, row.digest, self._database.where), snapshot.sequence)

    def channel(self, scope: Scope, name: str) -> Channel:
        """
        Return where the channel stands.

        Raises:
            UnknownChannel, StoreUnavailable
        """
        found = self._database.read(lambda connection: standing_at(connection, scope, name))
        if found is None:
            raise UnknownChannel(
                f"nothing was published to channel {name!r} of {scope} yet",
                where=self._database.where,
                fix="publish a commit to it, or ask for another channel, environment or tenant",
            )
        return found

    def channels(self, environment: str, tenant: str | None) -> Sequence[Channel]:
        """Return every channel of an environment and tenant in one round trip."""
        query = (
            sa.select(channels)
            .where(channels.c.environment == environment, channels.c.tenant == (tenant or ""))
            .order_by(channels.c.application, channels.c.name)
        )
        rows = self._database.read(lambda connection: connection.execute(query).all())
        return tuple(told_channel(row, row.moved_at) for row in rows)

    def tenants(self, environment: str) -> Sequence[str | None]:
        """Return the tenants that have channels in an environment, sorted; None, first, where some have no tenant."""
        query = sa.select(channels.c.tenant).where(channels.c.environment == environment).distinct()
        found = self._database.read(lambda connection: connection.scalars(query).all())
        return tuple(tenant or None for tenant in sorted(found))

    def move(
        self, scope: Scope, name: str, to: SnapshotId, *, expected_revision: int, actor: str, reason: str
    ) -> Channel:
        """
        Point the channel at *to* if it still stands at *expected_revision* (0: it does not exist yet).

        Raises:
            RevisionConflict: it does not; nothing was changed.
            SnapshotQuarantined: *to* is barred.
            UnknownSnapshot: *to* is not published, or of another scope.
            StoreUnavailable
        """
        move = Move(scope, name, to, expected_revision, {"actor": actor, "reason": reason, **self._stamp()})
        fence = Held.fence(scope.application, scope.environment, shared=True)
        return self._database.write(lambda connection: self._move(connection, move), fence)

    def publications(self, scope: Scope, limit: int) -> Sequence[Publication]:
        """Return the latest publications of *scope*, newest first."""
        query = (
            sa.select(publications)
            .where(*in_scope(publications, scope))
            .order_by(publications.c.id.desc())
            .limit(limit)
        )
        rows = self._database.read(lambda connection: connection.execute(query).all())
        return tuple(told_publication(row, scope) for row in rows)

    def moves(self, scope: Scope, name: str, limit: int) -> Sequence[ChannelMove]:
        """Return the latest moves of a channel, newest first."""
        query = sa.select(moves).where(*in_scope(moves, scope), moves.c.name == name)
        query = query.order_by(moves.c.revision.desc()).limit(limit)
        rows = self._database.read(lambda connection: connection.execute(query).all())
        return tuple(told_move(row) for row in rows)

    def _stamp(self) -> dict[str, Any]:
        # The operation tells a repeated transaction that it was committed the first time.
        return {"at": self._database.clock.now(), "operation": uuid4().hex}

    def _put(self, connection: sa.Connection, bodies: Mapping[Digest, bytes]) -> None:
        inserting = self._database.insert(object_table)
        mending = inserting.on_conflict_do_update(
            index_elements=[object_table.c.digest],
            set_={"body": inserting.excluded.body},
            where=object_table.c.body != inserting.excluded.body,
        )
        # In one order, so that two publishers do not wait for each other.
        connection.execute(mending, [{"digest": digest, "body": bodies[digest]} for digest in sorted(bodies)])

    def _list(self, connection: sa.Connection, snapshot: Snapshot, line: dict[str, Any]) -> int:
        self._require_objects(connection, snapshot)
        sequence = listed_as(connection, snapshot)
        if sequence is None:
            scope = snapshot.scope
            newest = sa.select(sa.func.max(snapshots.c.sequence)).where(*in_scope(snapshots, scope)[:2])
            sequence = (connection.scalar(newest) or 0) + 1
            self._put(connection, {snapshot.digest: snapshot.manifest})
            row = {**scope_columns(scope), "sequence": sequence, "digest": snapshot.digest}
            connection.execute(snapshots.insert().values(row))
        line = {**line, "sequence": sequence, "digest": snapshot.digest}
        if not is_told(connection, snapshot.scope, line):
            connection.execute(publications.insert().values(line))
        return sequence

    def _require_objects(self, connection: sa.Connection, snapshot: Snapshot) -> None:
        stored: set[str] = set()
        for chunk in _chunks(snapshot.documents.values()):
            stored.update(connection.scalars(sa.select(object_table.c.digest).where(object_table.c.digest.in_(chunk))))
        missing = [name for name, digest in snapshot.documents.items() if digest not in stored]
        if missing:
            raise StoreCorrupt(
                f"{len(missing)} of {len(snapshot.documents)} documents are not stored, among them {missing[0]!r}",
                where=self._database.where,
                fix="publish the commit again: objects are stored before the snapshot that lists them",
            )

    def _move(self, connection: sa.Connection, move: Move) -> Channel:
        standing = standing_at(connection, move.scope, move.name)
        if standing is not None and was_made_by(connection, standing, move.note["operation"]):
            return standing
        digest = self._movable(connection, move)
        failpoint("before_channel")
        revision = 0 if standing is None else standing.revision
        if revision != move.expected or not self._point(connection, move, digest):
            raise RevisionConflict(
                f"channel {move.name!r} of {move.scope} is not at revision {move.expected} any more",
                where=self._database.where,
                fix="look at its history, then decide again",
            )
        connection.execute(moves.insert().values({**move.row(digest), **move.note, **left_behind(standing)}))
        tell_channels(self._database, connection, move.scope.environment, move.scope.tenant)
        return Channel(move.scope, move.name, move.expected + 1, move.to, digest, move.note["at"])

    def _movable(self, connection: sa.Connection, move: Move) -> Digest:
        known = sa.select(snapshots.c.digest).where(*in_scope(snapshots, move.scope), *numbered(move.to))
        digest: str | None = connection.scalar(known)
        if digest is None or digest[:12] != move.to.short:
            raise self._unknown(move.to)
        barred = sa.select(quarantine.c.sequence).where(
            quarantine.c.application == move.to.application,
            quarantine.c.environment == move.to.environment,
            quarantine.c.sequence == move.to.sequence,
            quarantine.c.short == move.to.short,
        )
        if connection.scalar(barred) is not None:
            raise SnapshotQuarantined(
                f"{move.to} is barred from new pins, so no channel may name it",
                where=f"channel {move.name!r} of {move.scope}",
                fix=f"publish other content, or let it in again: `runpin quarantine lift {move.to}`",
            )
        return Digest(digest)

    def _point(self, connection: sa.Connection, move: Move, digest: Digest) -> bool:
        row = {**move.row(digest), "moved_at": move.note["at"]}
        if move.expected == 0:
            inserting = self._database.insert(channels).values(row).on_conflict_do_nothing()
            return connection.execute(inserting, execution_options={"preserve_rowcount": True}).rowcount == 1
        at_expected = (
            *in_scope(channels, move.scope),
            channels.c.name == move.name,
            channels.c.revision == move.expected,
        )
        moving = {name: row[name] for name in ("revision", "sequence", "digest", "moved_at")}
        return connection.execute(channels.update().where(*at_expected).values(moving)).rowcount == 1

    def _unknown(self, snapshot: SnapshotId) -> UnknownSnapshot:
        return UnknownSnapshot(
            f"{snapshot} is not published here",
            where=self._database.where,
            fix="`runpin history` lists the snapshots of an application",
        )


def _chunks(digests: Iterable[Digest]) -> Iterator[list[Digest]]:
    remaining = iter(digests)
    while chunk := list(islice(remaining, _CHUNK)):
        yield chunk
