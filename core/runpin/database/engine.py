"""
The database: connections, transactions, and what to do when either fails.

A piece of work that is handed to `read` or `write` may run more than once: after a lost connection nobody knows
whether a commit arrived. Everything written through here is therefore conditional, so that repeating it is safe.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from random import uniform
from threading import Event, Lock
from typing import Any, Self, TypeVar
from weakref import WeakSet

import sqlalchemy as sa  # noqa: TID253 - this adapter is imported lazily
from sqlalchemy.exc import DBAPIError  # noqa: TID253 - this adapter is imported lazily

from runpin.database.address import Address, parse
from runpin.database.backend import Backend
from runpin.database.connections import Connections, Lease
from runpin.database.failures import Failure
from runpin.database.sqlite import Sqlite, filesystem_of
from runpin.database.upgrading import require_schema
from runpin.database.wire import Driver, Held, Prepared
from runpin.errors import RunpinError, StoreError
from runpin.ports import Clock

T = TypeVar("T")

# Their number ends the attempts even under a clock that stands still.
_PAUSES = (0.02, 0.04, 0.08, 0.16, 0.32, *[0.5] * 30)


class Database:
    """
    One SQL database that holds runpin's tables.

    It may be shared between threads, and used on both sides of a fork.
    Nothing is opened before the first read or write; that one also checks the tables.
    """

    def __init__(self, backend: Backend, address: Address, clock: Clock, *, upgrade: bool, patience: float) -> None:
        self.clock = clock
        self.where = address.where
        self.is_file = address.file is not None
        self.dialect = backend.dialect()
        self.insert = backend.insert
        self._backend = backend
        self._upgrade = upgrade
        self._patience = patience
        self.errors: tuple[type[Exception], ...] = (*backend.errors, DBAPIError)
        self._engine: sa.Engine | None = None
        self._ready = False
        self._preparing = Lock()
        self._connections = self._fresh()
        _databases.add(self)

    @classmethod
    def open(
        cls,
        url: str,
        *,
        clock: Clock,
        upgrade: bool = True,
        patience: float = 5.0,
        filesystem: Callable[[Path], str] = filesystem_of,
    ) -> Self:
        """
        Return the database at *url*, which is not contacted yet.

        Args:
            url: `sqlite:////path/to/runpin.db` or `postgresql://user:password@host/database`.
            clock: stamps the records and measures deadlines.
            upgrade: make or update the tables on first use, if they are older than this release.
            patience: seconds that one call may wait in all: for locks, for the server, for attempts.
            filesystem: tells the type of file system that a path is on.

        Raises:
            SettingsError: the URL cannot be used, or a driver is missing.
        """
        address = parse(url)
        return cls(_backend(address, clock, patience, filesystem), address, clock, upgrade=upgrade, patience=patience)

    def ready(self) -> None:
        """
        Contact the database, and check its tables or bring them up to date.

        Raises:
            StoreOutdated, StoreUnavailable, StoreCorrupt, SettingsError
        """
        self._attempts(lambda _: None)

    def read(self, work: Callable[[sa.Connection], T]) -> T:
        """
        Return what *work* reads; each of its statements sees all that was committed before it.

        Raises:
            StoreUnavailable, StoreCorrupt, StoreOutdated, SettingsError
        """

        def body(lease: Lease) -> T:
            result = work(lease.core)
            lease.core.rollback()
            return result

        return self._attempts(body)

    def write(self, work: Callable[[sa.Connection], T], lock: Held | None = None) -> T:
        """
        Do *work* in one transaction that holds *lock*, and commit it.

        *work* is repeated after a failure whose outcome is not known. Nothing is written if it raises.

        Raises:
            StoreUnavailable, StoreCorrupt, StoreOutdated, SettingsError
        """

        def body(lease: Lease) -> T:
            with self._backend.turn():
                self._backend.begin(lease.driver, lock)
                try:
                    result = work(lease.core)
                except RunpinError:
                    lease.driver.rollback()
                    raise
                lease.driver.commit()
            lease.core.rollback()
            return result

        return self._attempts(body)

    def ask(self, work: Callable[[Driver], T]) -> T:
        """Return what *work* reads through the bare driver; otherwise like `read`."""
        return self._attempts(lambda lease: work(lease.driver))

    def decide(self, statement: Prepared, values: Mapping[str, Any], lock: Held) -> int:
        """
        Run one conditional *statement* in a transaction of its own; return how many rows it wrote.

        After a failure whose outcome is not known it is repeated, and writes nothing if it was committed before.
        Otherwise like `write`.
        """

        def body(lease: Lease) -> int:
            with self._backend.turn():
                return self._backend.decide(lease.driver, statement, values, lock)

        return self._attempts(body)

    def connect(self) -> Lease:
        """
        Return a connection that nobody else gets, for who waits on it; whoever asked for it closes it.

        Raises:
            one of `errors`: what `failed` explains.
        """
        return Lease(self._connect())

    def failed(self, error: BaseException) -> StoreError:
        """Say what one of `errors` means."""
        return self._failure(error).error

    def close(self) -> None:
        """Close what nobody uses; a later call opens anew."""
        self._connections.drop_idle()
        self._backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _attempts(self, body: Callable[[Lease], T]) -> T:
        begun = self.clock.monotonic()
        try:
            return self._once(body)
        except self.errors as error:
            failed: Exception = error
        for pause in _PAUSES:
            failure = self._failure(failed)
            if failure.lost:
                self._connections.drop_idle()
            if not failure.again or self.clock.monotonic() + pause > begun + self._patience:
                break
            Event().wait(pause * uniform(0.5, 1.0))  # noqa: S311 - spreads attempts, keeps no secret
            try:
                return self._once(body)
            except self.errors as error:
                failed = error
        raise self._failure(failed).error from failed

    def _once(self, body: Callable[[Lease], T]) -> T:
        if not self._ready:
            self._prepare()
        lease = self._connections.take(self._patience)
        try:
            result = body(lease)
        except RunpinError:
            self._take_back(lease)
            raise
        except BaseException:
            self._connections.drop(lease)
            raise
        self._connections.give(lease)
        return result

    def _take_back(self, lease: Lease) -> None:
        try:
            lease.core.rollback()
        except self.errors:
            self._connections.drop(lease)
        else:
            self._connections.give(lease)

    def _prepare(self) -> None:
        with self._preparing:
            if self._ready:
                return
            self._backend.prepare()
            lease = self._connections.take(self._patience)
            try:
                require_schema(lease, self._backend, upgrade=self._upgrade, where=self.where)
            except BaseException:
                self._connections.drop(lease)
                raise
            self._connections.give(lease)
            self._ready = True

    def _failure(self, error: BaseException) -> Failure:
        if isinstance(error, DBAPIError) and error.orig is not None:
            return self._backend.failure(error.orig)
        return self._backend.failure(error)

    def _fresh(self) -> Connections:
        return Connections(self._connect, self.where)

    def _connect(self) -> sa.Connection:
        if self._engine is None:
            self._engine = self._backend.engine()
        return self._engine.connect()

    def renew(self) -> None:
        """Forget what a forked child has inherited, without touching it: it is the parent's."""
        _inherited.append(self._connections)
        self._backend.renew()
        self._engine = None
        self._connections = self._fresh()
        self._preparing = Lock()


def _backend(address: Address, clock: Clock, patience: float, filesystem: Callable[[Path], str]) -> Backend:
    if address.file is not None:
        return Sqlite(address, clock, patience, filesystem)
    from runpin.database.postgresql import Postgresql

    return Postgresql(address, clock, patience)


_databases: WeakSet[Database] = WeakSet()
_inherited: list[Connections] = []  # closing these in the child would speak on the parent's sockets


def _renew_all() -> None:
    for database in list(_databases):
        database.renew()


os.register_at_fork(after_in_child=_renew_all)
