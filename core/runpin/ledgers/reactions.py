"""The record of reactions in a SQL database: for each key a line of rows, each written once and ended once."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa  # noqa: TID253 - this adapter is imported lazily

from runpin.database.engine import Database
from runpin.database.schema import reactions, stored_text
from runpin.database.wire import Held
from runpin.errors import NotFound
from runpin.model import Digest, SnapshotId
from runpin.reactions import Reaction, ReactionKey


class SqlReactions:
    """
    Records what followed from a channel's moves, in one database.

    Whoever begins a reaction holds the key's lock, so that two of one key are never open together. A row is written
    once, and its outcome once; so a call whose answer was lost may be made again.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def newest(self, key: ReactionKey) -> Reaction | None:
        """
        Return the reaction to the highest revision that is recorded for *key*.

        Raises:
            StoreUnavailable
        """
        row = self._database.read(lambda connection: connection.execute(_last(key)).one_or_none())
        return None if row is None else _told(row, key)

    def begin(self, reaction: Reaction) -> Reaction:
        """
        Record *reaction* if it comes next, and return the newest one of its key that is recorded then.

        It comes next if its revision is higher than every recorded one and none of them is open.

        Raises:
            StoreUnavailable
        """
        key = reaction.key

        def work(connection: sa.Connection) -> sa.Row[Any]:
            last = connection.execute(_last(key)).one_or_none()
            if last is not None and (last.outcome is None or last.revision >= reaction.revision):
                return last
            connection.execute(reactions.insert().values(_values(reaction)))
            return connection.execute(_last(key)).one()

        return _told(self._database.write(work, Held.of("reaction", key.digest)), key)

    def end(self, reaction: Reaction, outcome: str) -> Reaction:
        """
        Record how *reaction* ended unless that is recorded, and return what is recorded.

        Raises:
            NotFound: it was never begun.
            StoreUnavailable
        """
        this = (reactions.c.reaction_key == reaction.key.digest, reactions.c.revision == reaction.revision)
        ending = reactions.update().where(*this, reactions.c.outcome.is_(None)).values(outcome=outcome)
        found = sa.select(reactions).where(*this)

        def work(connection: sa.Connection) -> sa.Row[Any] | None:
            connection.execute(ending)
            return connection.execute(found).one_or_none()

        row = self._database.write(work)
        if row is None:
            where = stored_text(str(reaction.key))
            raise NotFound(f"no reaction to revision {reaction.revision} was begun", where=where)
        return _told(row, reaction.key)


def _last(key: ReactionKey) -> sa.Select[Any]:
    query = sa.select(reactions).where(reactions.c.reaction_key == key.digest)
    return query.order_by(reactions.c.revision.desc()).limit(1)


def _values(reaction: Reaction) -> dict[str, Any]:
    key, since = reaction.key, reaction.since
    return {
        "reaction_key": key.digest,
        "revision": reaction.revision,
        "engine": key.engine,
        "deployment": key.deployment,
        "name": key.name,
        "application": key.scope.application,
        "environment": key.scope.environment,
        "tenant": key.scope.tenant or "",
        "channel": key.channel,
        "sequence": reaction.snapshot.sequence,
        "digest": reaction.digest,
        "since_sequence": None if since is None else since.sequence,
        "since_short": None if since is None else since.short,
        "at": reaction.at,
        "outcome": None,
    }


def _told(row: sa.Row[Any], key: ReactionKey) -> Reaction:
    application, environment = key.scope.application, key.scope.environment
    since = None
    if row.since_sequence is not None:
        since = SnapshotId(application, environment, row.since_sequence, row.since_short)
    return Reaction(
        key=key,
        revision=row.revision,
        snapshot=SnapshotId.of(key.scope, row.sequence, Digest(row.digest)),
        digest=Digest(row.digest),
        since=since,
        at=row.at,
        outcome=row.outcome,
    )
