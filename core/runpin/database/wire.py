"""
Statements on the bare driver, for what a run has to wait for.

SQLAlchemy writes the SQL once; after that a row costs what the driver takes, a tenth of an execution through the
whole library. Everything that is not on a run's way uses SQLAlchemy's connection as usual.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any, Protocol

import sqlalchemy as sa  # noqa: TID253 - this adapter is imported lazily


class Rows(Protocol):
    """The answer to one statement."""

    @property
    def rowcount(self) -> int:
        """How many rows were written."""
        ...

    def fetchall(self) -> Sequence[Sequence[Any]]:
        """Return every row."""
        ...


class Driver(Protocol):
    """A connection of sqlite3 or psycopg, in the mode in which each statement commits by itself."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Rows:
        """Run one statement."""
        ...

    def commit(self) -> None:
        """Commit the transaction that was begun, if any."""
        ...

    def rollback(self) -> None:
        """Undo the transaction that was begun, if any."""
        ...


@dataclass(frozen=True, slots=True)
class Held:
    """A lock that a transaction holds until it ends, on databases that let writers work side by side."""

    key: int
    shared: bool = False

    @classmethod
    def of(cls, *parts: str, shared: bool = False) -> Held:
        """Return the lock that is named by *parts*."""
        return cls(_key(("runpin", *parts)), shared)

    @classmethod
    def fence(cls, application: str, environment: str, *, shared: bool) -> Held:
        """
        Return the fence of an application and environment.

        Whoever pins a snapshot or moves a channel to one shares it; whoever bars a snapshot holds it alone.
        """
        return cls.of("fence", application, environment, shared=shared)


@lru_cache(maxsize=1024)
def _key(parts: tuple[str, ...]) -> int:
    # A collision makes two locks one: slower, never wrong.
    return int.from_bytes(sha256("\x00".join(parts).encode()).digest()[:8], "big", signed=True)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement as the driver takes it, and the names of its values in order."""

    sql: str
    order: tuple[str, ...]

    @classmethod
    def of(cls, statement: sa.ClauseElement, dialect: sa.Dialect) -> Prepared:
        """Write *statement* down for *dialect*; every value in it is a named `bindparam`."""
        compiled = statement.compile(dialect=dialect)
        order = getattr(compiled, "positiontup", None) or ()
        return cls(str(compiled), tuple(order))

    def row(self, driver: Driver, values: Mapping[str, Any]) -> Sequence[Any] | None:
        """Run it and return the first row."""
        # All of them are taken, because a row that is left keeps SQLite's snapshot open.
        rows = driver.execute(self.sql, [values[name] for name in self.order]).fetchall()
        return rows[0] if rows else None

    def run(self, driver: Driver, values: Mapping[str, Any]) -> int:
        """Run it and return how many rows were written."""
        return driver.execute(self.sql, [values[name] for name in self.order]).rowcount
