"""PostgreSQL through psycopg 3, for a team: every wait has an end, and only a primary is spoken to."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import sqlalchemy as sa  # noqa: TID253 - this adapter is imported lazily
from sqlalchemy.dialects import postgresql  # noqa: TID253 - this adapter is imported lazily

from runpin.database.address import Address
from runpin.database.failures import Failure, corrupt, not_granted, outdated, refused, unavailable
from runpin.database.roles import Role, needed_for
from runpin.database.wire import Driver, Held, Prepared
from runpin.errors import SettingsError
from runpin.ports import Clock

try:
    import psycopg
    from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
except ImportError as missing:
    raise SettingsError(
        "the driver for PostgreSQL is not installed", where="store_url", fix="pip install 'runpin[postgres]'"
    ) from missing

# Class 08 connection, 57P0x shutdown, start and idle for too long, 53 resources, 25006 a standby, 25P03 idle in a
# transaction, 40 serialization and deadlock.
_AGAIN = ("08", "57P0", "53", "25006", "25P03", "40")
_LOST = ("08", "57P0", "25006", "25P03")
_NO_LOCK = "55P03"
_WAITED = (_NO_LOCK, "57014")
_IDLE = 60
_DAMAGED = ("XX001", "XX002")
_ABSENT = ("42P01", "42703", "42883")
_ACCESS = ("28", "3D000")
_NOT_GRANTED = "42501"
_OURS = re.compile(r"\brunpin_[a-z_]+")


class NotConnected(psycopg.OperationalError):
    """A connection that was never made, which says nothing about those that were."""


class Connection(psycopg.Connection[Any]):
    """A connection whose every wait for the server ends: a server that is stopped does not stop the run."""

    clock: Clock | None = None
    patience = 6.0

    def wait(self, gen: Generator[Any, Any, Any], *args: Any, **kwargs: Any) -> Any:
        """Drive *gen* to its end, at most `patience` seconds long."""
        ending = gen if self.clock is None else _ending(gen, self.clock, self.patience)
        return super().wait(ending, *args, **kwargs)


def _ending(steps: Generator[Any, Any, Any], clock: Clock, seconds: float) -> Generator[Any, Any, Any]:
    deadline = clock.monotonic() + seconds
    try:
        wanted = next(steps)
        while True:
            ready = yield wanted
            wanted = steps.send(ready)
            # A server that sends byte after byte is too late as well.
            if clock.monotonic() > deadline:
                raise psycopg.OperationalError("no answer in time")
    except StopIteration as end:
        return end.value


@contextmanager
def _together(driver: Driver) -> Iterator[psycopg.Connection[Any]]:
    untyped: Any = driver
    connection: psycopg.Connection[Any] = untyped
    with connection.pipeline() if psycopg.Pipeline.is_supported() else nullcontext():
        yield connection


def _begin(connection: psycopg.Connection[Any], lock: Held | None) -> None:
    connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
    if lock is not None:
        shared = "SELECT pg_advisory_xact_lock_shared(%s)"
        connection.execute(shared if lock.shared else "SELECT pg_advisory_xact_lock(%s)", [lock.key])


class Postgresql:
    """One PostgreSQL database, as `Database` uses it."""

    errors: tuple[type[Exception], ...] = (psycopg.Error,)

    def __init__(self, address: Address, clock: Clock, patience: float) -> None:
        self._address = address
        self._clock = clock
        self._patience = patience

    def engine(self) -> sa.Engine:
        """Return an engine whose connections commit each statement unless a transaction was begun."""
        engine = sa.create_engine(
            self._address.url,
            poolclass=sa.NullPool,
            hide_parameters=True,
            use_native_hstore=False,
            connect_args=self._connect_arguments(),
        )
        sa.event.listen(engine, "do_connect", self._connect)
        return engine

    def prepare(self) -> None:
        """Nothing has to be made: the database exists or the connection fails."""

    def begin(self, driver: Driver, lock: Held | None) -> None:
        """
        Begin a transaction and take *lock*, in one round trip.

        Read committed, whatever the server's default: each statement has to see what was committed before it,
        the statements after the lock most of all.
        """
        with _together(driver) as connection:
            _begin(connection, lock)

    def decide(self, driver: Driver, statement: Prepared, values: Mapping[str, Any], lock: Held) -> int:
        """
        Run one statement in a transaction of its own that holds *lock*; return how many rows it wrote.

        All of it takes one round trip, so the lock is never held while the network is waited for.
        """
        with _together(driver) as connection:
            _begin(connection, lock)
            written = connection.execute(statement.sql.encode(), [values[name] for name in statement.order])
            connection.execute("COMMIT")
        return written.rowcount

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Writers work side by side."""
        yield

    def insert(self, table: sa.Table) -> postgresql.Insert:
        """Return an insert that knows `ON CONFLICT`."""
        return postgresql.insert(table)

    def dialect(self) -> sa.Dialect:
        """Return the dialect to compile for, with placeholders by position."""
        dialect: sa.Dialect = PGDialect_psycopg(paramstyle="format")  # type: ignore[no-untyped-call]
        return dialect

    def failure(self, error: BaseException) -> Failure:
        """Say what the driver's *error* means."""
        where = self._address.where
        state = getattr(error, "sqlstate", None) or ""
        gone = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        # Of bytes that are no answer of PostgreSQL the driver says so by the bare class.
        if not state and (gone or type(error) is psycopg.DatabaseError):
            lost = not isinstance(error, NotConnected)
            return unavailable("the database does not answer", where, _REACH, again=True, lost=lost)
        if state.startswith(_AGAIN):
            lost = state.startswith(_LOST)
            return unavailable(f"the database could not do it now ({state})", where, _REACH, again=True, lost=lost)
        if state in _WAITED:
            fix = "see `pg_stat_activity` for who waits"
            return unavailable("another transaction has kept a lock", where, fix, again=state == _NO_LOCK)
        return _lasting(error, state, where)

    def renew(self) -> None:
        """Nothing of this class is carried over a fork."""

    def close(self) -> None:
        """Nothing is open."""

    def _connect(self, _dialect: object, _record: object, args: list[Any], given: dict[str, Any]) -> Connection:
        try:
            connection = Connection.connect(*args, **given)
        except psycopg.OperationalError as error:
            # A server that is full refuses new connections and serves those that it has.
            raise NotConnected(str(error)) from error
        connection.clock = self._clock
        connection.patience = self._patience + 1.0
        return connection

    def _connect_arguments(self) -> dict[str, Any]:
        milliseconds = round(self._patience * 1000)
        settings = {
            "statement_timeout": milliseconds,
            "idle_in_transaction_session_timeout": 2 * milliseconds,
            # A task that computes for hours would keep one of the server's connections all that time. Who waits for
            # notifications is idle as well, and has to switch this off for its session.
            "idle_session_timeout": _IDLE * 1000,
            "default_transaction_isolation": "read\\ committed",
        }
        asked = self._address.url.query
        extra = asked.get("options", "")
        # Of two values of one setting the server takes the later one, so what the user wrote into the URL wins.
        options = [
            *(f"-c {name}={value}" for name, value in settings.items()),
            *([extra] if isinstance(extra, str) else extra),
        ]
        ours = {
            "application_name": "runpin",
            # Hosts are tried one after the other, each for so long; the driver takes no less than two seconds.
            "connect_timeout": max(2, round(self._patience / len(self._address.nodes))),
            "keepalives_idle": 30,
            "target_session_attrs": "read-write",
            "tcp_user_timeout": milliseconds,
        }
        chosen = {key: value for key, value in ours.items() if key not in asked}
        return {"autocommit": True, "options": " ".join(options), **chosen}


def _lasting(error: BaseException, state: str, where: str) -> Failure:
    """Say what an *error* means that will not pass by itself."""
    if state == _NOT_GRANTED:
        return _denied(error, where)
    if state.startswith(_ACCESS):
        return unavailable("the database does not let this user in", where, "check the user and the password")
    if state in _DAMAGED:
        return corrupt(where, "restore the database from a backup")
    return outdated(where) if state in _ABSENT else refused(state or type(error).__name__, where)


def _denied(error: BaseException, where: str) -> Failure:
    # The server's sentence is in its own language; the name of a table or function is ours.
    diagnosis = getattr(error, "diag", None)
    named = _OURS.search(getattr(diagnosis, "message_primary", None) or "")
    if named is None:
        return not_granted("the use of the schema that holds the tables", where, Role.READER)
    return not_granted(f"what this needs to do with {named[0]}", where, needed_for(named[0]))


_REACH = "check that the server runs, is the primary and lets this user in; the call may be repeated"
