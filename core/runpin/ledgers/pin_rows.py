"""A pin as a row: its key, its columns, and the statements that a run waits for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any

import sqlalchemy as sa  # noqa: TID253 - this adapter is imported lazily

from runpin.database.engine import Database
from runpin.database.schema import pins, quarantine, stored_moment, stored_text, told_text
from runpin.database.wire import Prepared
from runpin.errors import UnknownSnapshot
from runpin.model import Asked, Digest, Pin, RunKey, Scope, SnapshotId

_ANSWER = ("epoch", "sequence", "digest", "channel", "revision", "asked", "confirmed", "at")
_ASKED = {asked.value: asked for asked in Asked}
_RUN = ("engine", "deployment", "job", "run_id", "incarnation")
WHOLE = [pins.c[name] for name in (*_ANSWER, *_RUN, "application", "environment", "tenant", "pin_key")]
"""The columns that `whole_pin` reads, in its order."""


@dataclass(frozen=True, slots=True)
class PinStatements:
    """
    What the ledger says to the driver, written once for each database.

    `put_at_once` does in one round trip what `newest` and `put` do, where there is a network to cross. It answers
    nothing if it wrote the pin, a row of nulls if the snapshot is barred, and else the pin that is recorded.
    """

    newest: Prepared
    put: Prepared
    advance: Prepared
    put_at_once: Prepared | None

    @classmethod
    def of(cls, database: Database) -> PinStatements:
        """Write the statements for *database*."""
        key = sa.bindparam("pin_key", type_=pins.c.pin_key.type)
        newest = (
            sa.select(*(pins.c[name] for name in _ANSWER)).where(pins.c.pin_key == key).order_by(pins.c.epoch.desc())
        )
        present = sa.select(sa.func.max(pins.c.epoch)).where(pins.c.pin_key == key).scalar_subquery()
        previous = sa.bindparam("previous", type_=sa.Integer)
        same = sa.select(pins.c.epoch).where(
            pins.c.pin_key == key,
            pins.c.epoch == previous,
            pins.c.digest == sa.bindparam("digest", type_=pins.c.digest.type),
        )
        allowed = sa.and_(present == previous, sa.or_(_free(), same.exists()))
        return cls(
            newest=Prepared.of(newest, database.dialect),
            put=Prepared.of(_insert(database, _free()), database.dialect),
            advance=Prepared.of(_insert(database, allowed), database.dialect),
            put_at_once=Prepared.of(_call(), database.dialect) if database.dialect.name == "postgresql" else None,
        )


def _free() -> sa.ColumnElement[bool]:
    named = {name: sa.bindparam(name, type_=pins.c[name].type) for name in ("application", "environment", "sequence")}
    barred = sa.select(quarantine.c.sequence).where(
        *(quarantine.c[name] == value for name, value in named.items()),
        quarantine.c.short == sa.bindparam("short", type_=quarantine.c.short.type),
    )
    return ~barred.exists()


def _call() -> sa.ClauseElement:
    row = [sa.bindparam(column.name, type_=column.type) for column in pins.c]
    given = (*row, sa.bindparam("short", type_=sa.Text), sa.bindparam("fence", type_=sa.BigInteger))
    put = sa.func.runpin_put(*given).table_valued(*_ANSWER)
    return sa.select(*(put.c[name] for name in _ANSWER))


def _insert(database: Database, condition: sa.ColumnElement[bool]) -> sa.ClauseElement:
    values = sa.select(*(sa.bindparam(column.name, type_=column.type) for column in pins.c)).where(condition)
    return database.insert(pins).from_select(list(pins.c), values).on_conflict_do_nothing()


@lru_cache(maxsize=1024)
def pin_key(run: RunKey, scope: Scope) -> str:
    """Return the hash that names the register of *run* and *scope*."""
    hashed = sha256()
    for part in (run.digest, scope.application, scope.environment, scope.tenant or ""):
        encoded = part.encode()
        hashed.update(len(encoded).to_bytes(8, "big") + encoded)
    return hashed.hexdigest()


def pin_values(pin: Pin, key: str) -> dict[str, Any]:
    """
    Return the row of *pin*, and the two values more that its statements ask for.

    Raises:
        UnknownSnapshot: the pin names a snapshot of another application or environment.
    """
    scope, snapshot = pin.scope, pin.snapshot
    if (snapshot.application, snapshot.environment) != (scope.application, scope.environment):
        raise UnknownSnapshot(f"{snapshot} is not a snapshot of {scope}", where=stored_text(str(pin.run)))
    return {
        "pin_key": key,
        "epoch": pin.epoch,
        "previous": pin.epoch - 1,
        "application": scope.application,
        "environment": scope.environment,
        "tenant": scope.tenant or "",
        "sequence": snapshot.sequence,
        "short": snapshot.short,
        "digest": pin.digest,
        "channel": stored_text(pin.channel),
        "revision": pin.revision,
        "asked": pin.asked.value,
        "confirmed": pin.confirmed,
        "at": stored_moment(pin.at),
        **{name: stored_text(getattr(pin.run, name)) for name in _RUN},
    }


def told_pin(row: Sequence[Any], run: RunKey, scope: Scope) -> Pin:
    """Return the pin of *run* and *scope* that the `newest` statement found."""
    epoch, sequence, digest, channel, revision, asked, confirmed, at = row
    return Pin(
        run,
        scope,
        SnapshotId(scope.application, scope.environment, sequence, digest[:12]),
        Digest(digest),
        datetime.fromisoformat(at),
        epoch,
        told_text(channel),
        revision,
        _ASKED[asked],
        bool(confirmed),
    )


def whole_pin(row: sa.Row[Any]) -> Pin:
    """Return the pin that a row of `WHOLE` holds."""
    run = RunKey(*(told_text(row[len(_ANSWER) + place]) for place in range(len(_RUN))))
    application, environment, tenant, _ = row[len(_ANSWER) + len(_RUN) :]
    return told_pin(row[: len(_ANSWER)], run, Scope(application, environment, tenant or None))
