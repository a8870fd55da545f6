"""The record of Overrides in a SQL database: for each run and scope a line of rows, each written and ended once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sqlalchemy as sa  # noqa: TID253 - this adapter is imported lazily

from runpin.database.engine import Database
from runpin.database.schema import overrides, stored_text
from runpin.database.wire import Held
from runpin.errors import Conflict, NotFound
from runpin.ledgers.pin_rows import pin_key
from runpin.model import Digest, RunKey, Scope, SnapshotId
from runpin.overrides import Override, OverrideKind


class SqlOverrides:
    """
    Records what operators want of single runs, in one database.

    Whoever records a wish holds the lock of its run and scope, so that two of them never wait together. A row is
    written once, and its outcome once; so a call whose answer was lost may be made again.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def newest(self, run: RunKey, scope: Scope) -> Override | None:
        """
        Return the newest wish that is recorded for *run*, waiting or ended.

        Raises:
            StoreUnavailable
        """
        query = _line(pin_key(run, scope)).limit(1)
        row = self._database.read(lambda connection: connection.execute(query).one_or_none())
        return None if row is None else _told(row, run, scope)

    def record(self, override: Override) -> Override:
        """
        Record *override*, which waits from now on, and return it; one that waited before ends as replaced.

        Raises:
            Conflict: its number is not the one that comes next; nothing was written.
            StoreUnavailable
        """
        given, key = replace(override, outcome=None), pin_key(override.run, override.scope)

        def work(connection: sa.Connection) -> Override:
            rows = connection.execute(_line(key, given.number).limit(2)).all()
            held = [_told(row, given.run, given.scope) for row in rows]
            for each in held:
                if replace(each, outcome=None) == given:
                    return each
            newest = connection.scalar(sa.select(sa.func.max(overrides.c.number)).where(overrides.c.pin_key == key))
            if given.number != (newest or 0) + 1:
                raise _out_of_turn(given, newest or 0)
            replaced = overrides.update().where(overrides.c.pin_key == key, overrides.c.outcome.is_(None))
            connection.execute(replaced.values(outcome=f"replaced by number {given.number}"))
            connection.execute(overrides.insert().values(_values(given, key)))
            return given

        return self._database.write(work, Held.of("override", key))

    def end(self, override: Override, outcome: str) -> Override:
        """
        Record how *override* ended unless that is recorded, and return what is recorded.

        Raises:
            NotFound: it was never recorded.
            StoreUnavailable
        """
        key = pin_key(override.run, override.scope)
        this = (overrides.c.pin_key == key, overrides.c.number == override.number)
        ending = overrides.update().where(*this, overrides.c.outcome.is_(None)).values(outcome=outcome)
        found = sa.select(overrides).where(*this)

        def work(connection: sa.Connection) -> sa.Row[Any] | None:
            connection.execute(ending)
            return connection.execute(found).one_or_none()

        row = self._database.write(work)
        if row is None:
            raise NotFound(f"no override number {override.number} was recorded", where=stored_text(str(override.run)))
        return _told(row, override.run, override.scope)


def _line(key: str, newest: int | None = None) -> sa.Select[Any]:
    query = sa.select(overrides).where(overrides.c.pin_key == key)
    if newest is not None:
        query = query.where(overrides.c.number <= newest)
    return query.order_by(overrides.c.number.desc())


def _out_of_turn(override: Override, newest: int) -> Conflict:
    return Conflict(
        f"the next override of this run is number {newest + 1}",
        where=stored_text(str(override.run)),
        fix="somebody else recorded one: look at it, and record yours again if it is still needed",
    )


def _values(override: Override, key: str) -> dict[str, Any]:
    run, scope = override.run, override.scope
    return {
        "pin_key": key,
        "number": override.number,
        "engine": run.engine,
        "deployment": run.deployment,
        "job": run.job,
        "run_id": run.run_id,
        "incarnation": run.incarnation,
        "application": scope.application,
        "environment": scope.environment,
        "tenant": scope.tenant or "",
        "sequence": override.snapshot.sequence,
        "digest": override.digest,
        "since_sequence": override.since.sequence,
        "since_digest": override.since_digest,
        "since_named": override.since_named,
        "kind": override.kind.value,
        "partial": override.partial,
        "actor": override.actor,
        "reason": override.reason,
        "at": override.at,
        "outcome": None,
    }


def _told(row: sa.Row[Any], run: RunKey, scope: Scope) -> Override:
    digest, since = Digest(row.digest), Digest(row.since_digest)
    return Override(
        run=run,
        scope=scope,
        number=row.number,
        snapshot=SnapshotId.of(scope, row.sequence, digest),
        digest=digest,
        since=SnapshotId.of(scope, row.since_sequence, since),
        since_digest=since,
        kind=OverrideKind(row.kind),
        actor=row.actor,
        reason=row.reason,
        at=row.at,
        partial=bool(row.partial),
        since_named=bool(row.since_named),
        outcome=row.outcome,
    )
