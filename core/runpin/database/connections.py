"""
The open connections of one process.

SQLAlchemy's own pool takes longer to hand a connection out than SQLite takes to answer, so the connections are
kept on a plain list, whose `pop` and `append` need no lock.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Condition

import sqlalchemy as sa  # noqa: TID253 - this adapter is imported lazily

from runpin.database.wire import Driver
from runpin.errors import StoreUnavailable


class Lease:
    """One open connection: SQLAlchemy's view of it, and the driver's."""

    __slots__ = ("core", "driver")

    def __init__(self, core: sa.Connection) -> None:
        self.core = core
        driver = core.connection.dbapi_connection
        self.driver: Driver = driver  # type: ignore[assignment]  # sqlite3's or psycopg's, which SQLAlchemy types loosely


class Connections:
    """Hands out connections, at most *most* at a time."""

    def __init__(self, connect: Callable[[], sa.Connection], where: str, most: int = 10) -> None:
        self._connect = connect
        self._where = where
        self._most = most
        self._open = 0
        self._waiting = 0
        self._changed = Condition()
        self._idle: list[Lease] = []

    def take(self, seconds: float) -> Lease:
        """
        Return a connection that nobody else uses, opening one if need be.

        Raises:
            StoreUnavailable: all of them stayed in use for *seconds*.
        """
        try:
            return self._idle.pop()
        except IndexError:
            return self._take_slowly(seconds)

    def give(self, lease: Lease) -> None:
        """Take back a connection that works and is in no transaction."""
        self._idle.append(lease)
        if self._waiting:
            with self._changed:
                self._changed.notify()

    def drop(self, lease: Lease) -> None:
        """Close a connection that may be broken, without speaking to the server again."""
        try:
            lease.core.invalidate()
            lease.core.close()
        finally:
            with self._changed:
                self._open -= 1
                self._changed.notify()

    def drop_idle(self) -> None:
        """Close every connection that nobody uses now."""
        while self._idle:
            self.drop(self._idle.pop())

    def _take_slowly(self, seconds: float) -> Lease:
        with self._changed:
            self._waiting += 1
            freed = self._changed.wait_for(lambda: self._idle or self._open < self._most, seconds)
            self._waiting -= 1
            if not freed:
                raise StoreUnavailable(
                    f"all {self._most} connections of this process are in use",
                    where=self._where,
                    fix="use fewer threads, or look for a query that does not end",
                )
            if self._idle:
                return self._idle.pop()
            self._open += 1
        return self._opened()

    def _opened(self) -> Lease:
        try:
            return Lease(self._connect())
        except BaseException:
            with self._changed:
                self._open -= 1
                self._changed.notify()
            raise
