"""
PostgreSQL's NOTIFY and LISTEN: who commits a change tells of it, and whoever listens looks.

A notification says no more than where something has changed. It leaves with the commit, or not at all.
"""

from __future__ import annotations

import os
import select
from contextlib import suppress
from threading import Event, Lock
from time import monotonic
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa  # noqa: TID253 - this adapter is imported lazily

from runpin.changes import Change

if TYPE_CHECKING:
    from runpin.database.connections import Lease
    from runpin.database.engine import Database

CHANNEL = "runpin_changes"
_KEEPALIVE = 15.0
_CLOSING = 0.2


def tell_channels(database: Database, connection: sa.Connection, environment: str, tenant: str | None) -> None:
    """Tell, when this transaction commits, that a channel has moved; SQLite tells nothing."""
    _notify(database, connection, f"{environment}/{tenant or ''}")


def tell_quarantine(database: Database, connection: sa.Connection, environment: str) -> None:
    """Tell, when this transaction commits, that the quarantine has changed; SQLite tells nothing."""
    _notify(database, connection, environment)


def _notify(database: Database, connection: sa.Connection, payload: str) -> None:
    if not database.is_file:
        connection.execute(sa.select(sa.func.pg_notify(CHANNEL, payload)))


class PostgresWatcher:
    """
    Tells of changes of the channels and the quarantine; see `runpin.changes.Watcher`.

    It has one connection of its own. A connection that was silent for a while is asked whether it still works.
    """

    def __init__(self, database: Database, environment: str, tenant: str | None) -> None:
        self._database = database
        self._environment = environment
        self._tenant = tenant
        self._wanted = frozenset({environment, f"{environment}/{tenant or ''}"})
        self._lease: Lease | None = None
        self._driver: Any = None
        self._proved = 0.0
        self._waiting = Lock()
        self._closed = Event()
        self._woken, self._waker = os.pipe()

    def wait(self, timeout: float) -> Change | None:
        """
        Return a change as soon as there is one, None when *timeout* seconds are over or it was closed meanwhile.

        Raises:
            StoreUnavailable: the primary could not be reached, also not by another connection.
        """
        with self._waiting:
            try:
                change = None if self._closed.is_set() else self._change(timeout)
            except self._database.errors as error:
                self._let_go()
                if not self._closed.is_set():
                    raise self._database.failed(error) from error
            if self._closed.is_set():
                self._let_go()
                return None
            return change

    def close(self) -> None:
        """End a wait of another thread, and close the connection; every later call returns None."""
        self._closed.set()
        with suppress(OSError):  # closed before
            os.write(self._waker, b"!")
        # Whoever is still connecting closes the connection.
        if self._waiting.acquire(timeout=_CLOSING):
            self._let_go()
            self._waiting.release()

    def __del__(self) -> None:
        """Give back the pipe; the other end of the connection notices by itself."""
        for end in (self._woken, self._waker):
            with suppress(OSError):
                os.close(end)

    def _change(self, timeout: float) -> Change | None:
        ends = monotonic() + timeout
        if self._lease is None:
            return self._begun()
        try:
            return self._heard(ends)
        except self._database.errors:
            # The server that took over is reached by a new connection.
            self._let_go()
            return None if self._closed.is_set() else self._begun()

    def _begun(self) -> Change:
        """Listen first, so that whoever looks after this call misses nothing."""
        self._lease = self._database.connect()
        self._driver = self._lease.driver
        self._driver.execute("SELECT set_config('idle_session_timeout', '0', false)")
        self._driver.execute(f"LISTEN {CHANNEL}")
        self._proved = monotonic()
        return Change(self._environment, self._tenant, certain=False)

    def _heard(self, ends: float) -> Change | None:
        while not self._closed.is_set():
            # Before every wait: what has arrived already does not make the socket readable.
            if self._told():
                return Change(self._environment, self._tenant)
            now = monotonic()
            if now >= ends:
                return None
            due = self._proved + _KEEPALIVE
            if now >= due:
                self._prove()
            else:
                self._listen(min(ends, due) - now)
        return None

    def _told(self) -> bool:
        told = {each.payload for each in self._driver.notifies(timeout=0)}
        return not told.isdisjoint(self._wanted)

    def _prove(self) -> None:
        self._driver.execute("SELECT 1")
        self._proved = monotonic()

    def _listen(self, seconds: float) -> None:
        poll = select.poll()  # unlike select, it takes any number of open files
        for end in (self._driver.fileno(), self._woken):
            poll.register(end, select.POLLIN)
        poll.poll(seconds * 1000)

    def _let_go(self) -> None:
        lease, self._lease = self._lease, None
        if lease is not None:
            with suppress(*self._database.errors):
                lease.core.invalidate()
                lease.core.close()
