"""The ledger in a SQL database: pins as write-once rows, and the quarantine that fences them."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa  # noqa: TID253 - this adapter is imported lazily

from runpin.database.engine import Database
from runpin.database.notifying import tell_quarantine
from runpin.database.schema import pins, quarantine, quarantine_events, stored_text
from runpin.database.wire import Held, Prepared
from runpin.errors import EpochConflict, NotFound, SnapshotQuarantined
from runpin.failpoints import failpoint
from runpin.ledgers.pin_rows import WHOLE, PinStatements, pin_key, pin_values, told_pin, whole_pin
from runpin.model import Pin, PinPage, RunKey, Scope, SnapshotId


class SqlLedger:
    """
    Decides pins and bars snapshots, in one database.

    A decision holds the fence of its application and environment shared, `bar` holds it alone. So a decision
    either commits before `bar` returns, or begins after and sees what was barred. With SQLite the fence is the
    one writer at a time.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = PinStatements.of(database)

    def put_if_absent(self, pin: Pin) -> Pin:
        """
        Record *pin* unless the run has one, and return what is recorded: the newest epoch.

        A pin of a barred snapshot that is recorded already is returned: runs in flight keep theirs.

        Raises:
            SnapshotQuarantined: the run has no pin and the candidate is barred. Nothing was written.
            EpochConflict: *pin* is of a later epoch, which only `advance` may open.
            StoreUnavailable
        """
        if pin.epoch:
            raise EpochConflict("a run's first pin has epoch 0", where=_shown(pin), fix="advance to later epochs")
        key = pin_key(pin.run, pin.scope)
        at_once = self._sql.put_at_once
        return self._put(pin, key) if at_once is None else self._put_at_once(at_once, pin, key)

    def get(self, run: RunKey, scope: Scope) -> Pin | None:
        """Return the newest epoch of the run's pin."""
        row = self._newest(pin_key(run, scope))
        return None if row is None else told_pin(row, run, scope)

    def advance(self, pin: Pin) -> Pin:
        """
        Record *pin* as the epoch after `pin.epoch - 1`; recording the very same pin again changes nothing.

        Raises:
            EpochConflict: the run is not at that epoch.
            SnapshotQuarantined: its snapshot is barred, and not the one that the run has.
            StoreUnavailable
        """
        key = pin_key(pin.run, pin.scope)
        if self._database.decide(self._sql.advance, pin_values(pin, key), fence(pin.snapshot, shared=True)):
            return pin
        row = self._newest(key)
        held = None if row is None else told_pin(row, pin.run, pin.scope)
        if held == pin:
            return pin
        if held is not None and held.epoch == pin.epoch - 1 and pin.snapshot in self.barred(pin.scope.environment):
            raise _barred(pin)
        at = "has no pin" if held is None else f"is at epoch {held.epoch}"
        raise EpochConflict(
            f"the run {at}, so epoch {pin.epoch} did not follow", where=_shown(pin), fix="read the run's pin again"
        )

    def runs_of(self, snapshot: SnapshotId, *, after: str | None = None, limit: int = 100) -> PinPage:
        """
        Return one page of the pins that name *snapshot*, oldest first.

        Raises:
            NotFound: *after* is not a cursor of this ledger.
            StoreUnavailable
        """
        order = (pins.c.at, pins.c.pin_key, pins.c.epoch)
        query = sa.select(*WHOLE).where(*_names(snapshot)).order_by(*order).limit(max(limit, 1) + 1)
        if after is not None:
            query = query.where(sa.tuple_(*order) > sa.tuple_(*_read_cursor(after)))
        rows = self._database.read(lambda connection: connection.execute(query).all())
        page = rows[: max(limit, 1)]
        more = len(rows) > len(page)
        return PinPage(tuple(whole_pin(row) for row in page), _cursor(page[-1]) if more else None)

    def pins_of_run(self, run_id: str, job: str | None = None) -> tuple[Pin, ...]:
        """
        Return every pin of the runs that go by this run id, of *job* or of any, of any deployment and epoch.

        For people who look a run up; at most 1,000, oldest first.
        """
        names = ((pins.c.run_id, stored_text(run_id)), *(((pins.c.job, stored_text(job)),) if job is not None else ()))
        query = (
            sa.select(*WHOLE)
            # The index holds the first 200 characters of each.
            .where(*(sa.func.substr(column, 1, 200) == text[:200] for column, text in names))
            .where(*(column == text for column, text in names))
            .order_by(pins.c.at, pins.c.pin_key, pins.c.epoch)
            .limit(1000)
        )
        return tuple(map(whole_pin, self._database.read(lambda connection: connection.execute(query).all())))

    def bar(self, snapshot: SnapshotId, *, actor: str, reason: str) -> None:
        """
        Bar *snapshot*; pins that are being decided are waited for or lose.

        Raises:
            StoreUnavailable: a decision did not end in time. Nothing was barred.
        """
        note = self._note(snapshot, actor, reason)
        barring = self._database.insert(quarantine).values(note).on_conflict_do_nothing()

        def work(connection: sa.Connection) -> None:
            if connection.execute(barring, execution_options={"preserve_rowcount": True}).rowcount:
                connection.execute(quarantine_events.insert().values({**note, "event": "bar"}))
                tell_quarantine(self._database, connection, snapshot.environment)

        self._database.write(work, fence(snapshot))

    def lift(self, snapshot: SnapshotId, *, actor: str, reason: str) -> None:
        """Let *snapshot* be pinned again."""
        note = self._note(snapshot, actor, reason)
        columns = ("application", "environment", "sequence", "short")
        lifting = quarantine.delete().where(*(quarantine.c[name] == note[name] for name in columns))

        def work(connection: sa.Connection) -> None:
            if connection.execute(lifting).rowcount:
                connection.execute(quarantine_events.insert().values({**note, "event": "lift"}))
                tell_quarantine(self._database, connection, snapshot.environment)

        self._database.write(work, fence(snapshot))

    def barred(self, environment: str) -> frozenset[SnapshotId]:
        """Return the snapshots barred in *environment*."""
        columns = (quarantine.c.application, quarantine.c.environment, quarantine.c.sequence, quarantine.c.short)
        query = sa.select(*columns).where(quarantine.c.environment == environment)
        rows = self._database.read(lambda connection: connection.execute(query).all())
        return frozenset(SnapshotId(*row) for row in rows)

    def _newest(self, key: str) -> Sequence[Any] | None:
        return self._database.ask(lambda driver: self._sql.newest.row(driver, {"pin_key": key}))

    def _put(self, pin: Pin, key: str) -> Pin:
        # Who is not the first to ask writes nothing and takes no lock.
        row = self._newest(key)
        if row is None:
            failpoint("before_pin")
            written = self._database.decide(self._sql.put, pin_values(pin, key), fence(pin.snapshot, shared=True))
            failpoint("after_pin")
            if written:
                return pin
            row = self._newest(key)
        if row is None:
            raise _barred(pin)
        return told_pin(row, pin.run, pin.scope)

    def _put_at_once(self, statement: Prepared, pin: Pin, key: str) -> Pin:
        values = {**pin_values(pin, key), "fence": fence(pin.snapshot).key}
        failpoint("before_pin")
        row = self._database.ask(lambda driver: statement.row(driver, values))
        failpoint("after_pin")
        if row is None:
            return pin
        if row[0] is None:
            raise _barred(pin)
        return told_pin(row, pin.run, pin.scope)

    def _note(self, snapshot: SnapshotId, actor: str, reason: str) -> dict[str, Any]:
        return {
            "application": snapshot.application,
            "environment": snapshot.environment,
            "sequence": snapshot.sequence,
            "short": snapshot.short,
            "actor": actor,
            "reason": reason,
            "at": self._database.clock.now(),
        }


def fence(snapshot: SnapshotId, *, shared: bool = False) -> Held:
    """Return the lock that decisions about *snapshot* share and its quarantine holds alone."""
    return Held.fence(snapshot.application, snapshot.environment, shared=shared)


def _names(snapshot: SnapshotId) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        pins.c.application == snapshot.application,
        pins.c.environment == snapshot.environment,
        pins.c.sequence == snapshot.sequence,
        sa.func.substr(pins.c.digest, 1, 12) == snapshot.short,
    )


def _shown(pin: Pin) -> str:
    return stored_text(str(pin.run))


def _barred(pin: Pin) -> SnapshotQuarantined:
    return SnapshotQuarantined(
        f"{pin.snapshot} is barred from new pins", where=_shown(pin), fix="let the run take what its channel names now"
    )


def _cursor(row: sa.Row[Any]) -> str:
    return urlsafe_b64encode(json.dumps([row.at, row.pin_key, row.epoch]).encode()).decode()


def _read_cursor(cursor: str) -> tuple[str, str, int]:
    try:
        at, key, epoch = json.loads(urlsafe_b64decode(cursor))
        return str(at), str(key), int(epoch)
    except (ValueError, TypeError) as error:
        raise NotFound("this is not a cursor of this ledger", fix="begin again without one") from error
