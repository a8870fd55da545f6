"""What crowds do to a PostgreSQL server: connections, locks and conflicts run out, and each call ends in time."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Thread, Timer
from time import monotonic

import psycopg  # noqa: TID253 - these tests stand in the way
import pytest
import sqlalchemy as sa  # noqa: TID253 - these tests write transactions of their own

from demo.processes import wait_until
from postgres_server import PostgresServer, server_of_its_own
from runpin.clock import SystemClock
from runpin.database.engine import Database
from runpin.database.wire import Held
from runpin.errors import StoreUnavailable
from runpin.ledgers.sql import SqlLedger, fence
from runpin.model import Pin
from runpin.testing.ledger_contract import pin_of, run_key, snapshot_id

pytestmark = pytest.mark.postgres

CLIENTS = 50
LOCK = sa.text("SELECT pg_advisory_xact_lock(:key)")


def opened(url: str, patience: float = 5.0) -> Database:
    """Return the database at *url*."""
    return Database.open(url, clock=SystemClock(), patience=patience)


def with_options(url: str, **settings: str) -> str:
    """Return *url* with settings of the server's sessions."""
    return f"{url}?options={'%20'.join(f'-c{name}%3D{value}' for name, value in settings.items())}"


def connected(url: str) -> psycopg.Connection[tuple[object, ...]]:
    """Return a connection; those that were closed a moment ago may still be counted."""
    for _ in range(300):
        try:
            return psycopg.connect(url)
        except psycopg.OperationalError:
            Event().wait(0.1)
    return psycopg.connect(url)


@pytest.fixture
def small_server(postgres_programs: Path) -> Iterator[PostgresServer]:
    """Return a server that takes five connections, and has runpin's tables."""
    with server_of_its_own(postgres_programs) as server:
        server.start(max_connections=5, superuser_reserved_connections=0, max_wal_senders=0)
        with opened(server.url("postgres")) as database:
            database.ready()
        yield server


def test_fifty_clients_of_five_connections_end_in_time(small_server: PostgresServer) -> None:
    """Each gets its pin or an error that is worth a retry; afterwards every one of them gets it."""
    url = small_server.url("postgres")

    def pin(number: int) -> tuple[Pin | StoreUnavailable, float]:
        begun = monotonic()
        try:
            with opened(url) as database:
                return SqlLedger(database).put_if_absent(pin_of(number, run_key(f"r{number}"))), monotonic() - begun
        except StoreUnavailable as error:
            return error, monotonic() - begun

    with ThreadPoolExecutor(CLIENTS) as threads:
        answers = list(threads.map(pin, range(1, CLIENTS + 1)))
    with opened(url) as database:
        calm = [
            SqlLedger(database).put_if_absent(pin_of(99, run_key(f"r{number}"))) for number in range(1, CLIENTS + 1)
        ]

    told = [(answer, pin) for (answer, _), pin in zip(answers, calm, strict=True) if isinstance(answer, Pin)]

    assert len(told) >= 5
    assert max(seconds for _, seconds in answers) < 60
    assert [(answer, pin) for answer, pin in told if answer != pin] == []


def test_a_process_keeps_its_connections_when_the_server_is_full(small_server: PostgresServer) -> None:
    """Others take the rest; its threads share the one it has, and never give it up for another attempt."""
    url = small_server.url("postgres")
    with opened(url) as database:
        ledger = SqlLedger(database)
        ledger.put_if_absent(pin_of(1))
        backend = database.read(lambda core: core.scalar(sa.text("SELECT pg_backend_pid()")))
        others = [connected(url) for _ in range(4)]
        try:
            with ThreadPoolExecutor(8) as threads:
                answers = list(
                    threads.map(lambda number: ledger.put_if_absent(pin_of(number, run_key(f"r{number}"))), range(1, 9))
                )
            still = database.read(lambda core: core.scalar(sa.text("SELECT pg_backend_pid()")))
        finally:
            for other in others:
                other.close()

    assert [answer.snapshot for answer in answers] == [snapshot_id(number) for number in range(1, 9)]
    assert backend == still


def test_a_connection_that_nobody_uses_is_given_back(postgres_url: str) -> None:
    """The server ends it after a minute, here at once, and the next call opens another without a word."""
    with opened(with_options(postgres_url, idle_session_timeout="200ms")) as database:
        ledger = SqlLedger(database)
        ledger.put_if_absent(pin_of(1))
        count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'runpin' AND datname = %s"
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            name = postgres_url.rpartition("/")[2]

            def gone() -> bool:
                return connection.execute(count.encode(), [name]).fetchone() == (0,)

            assert wait_until(gone, 30)

        assert pin_of(1) == ledger.put_if_absent(pin_of(2))


def test_options_of_the_url_come_beside_ours(postgres_url: str) -> None:
    """A search path or a timeout of one's own does not switch the others off; the same one wins."""
    with opened(with_options(postgres_url, lock_timeout="1s", statement_timeout="7s"), patience=3.0) as database:
        names = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout")
        shown = database.read(lambda core: [core.scalar(sa.text(f"SHOW {name}")) for name in names])

    assert shown == ["1s", "7s", "6s", "1min"]


def test_a_deadlock_is_tried_again(postgres_url: str) -> None:
    """Of two transactions that wait for each other the server ends one, which is repeated."""
    one, other = Held.of("one"), Held.of("other")
    both = {one.key: Event(), other.key: Event()}
    attempts: list[int] = []

    def take(first: Held, second: Held) -> None:
        def work(core: sa.Connection) -> None:
            attempts.append(first.key)
            both[first.key].set()
            both[second.key].wait(30)
            core.execute(LOCK, {"key": second.key})

        with opened(postgres_url, patience=30.0) as database:
            database.write(work, first)

    with ThreadPoolExecutor(2) as threads:
        for taking in [threads.submit(take, one, other), threads.submit(take, other, one)]:
            taking.result()

    assert len(attempts) >= 3


@pytest.mark.parametrize("patience", [3.0, 30.0])
def test_a_serialization_failure_is_tried_again(postgres_url: str, patience: float) -> None:
    """Until it works, or until there is no more time and the error says why."""
    attempts = 0

    def work(core: sa.Connection) -> None:
        nonlocal attempts
        attempts += 1
        core.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        core.exec_driver_sql("SELECT * FROM runpin_schema_version")
        if attempts < 4 or patience < 30:
            with psycopg.connect(postgres_url, autocommit=True) as faster:
                faster.execute("UPDATE runpin_schema_version SET version_num = version_num")
        core.exec_driver_sql("UPDATE runpin_schema_version SET version_num = version_num")

    with opened(postgres_url, patience=patience) as database:
        database.ready()
        if patience == 30:
            database.write(work)
        else:
            with pytest.raises(StoreUnavailable, match="40001"):
                database.write(work)

    assert attempts == 4 if patience == 30 else attempts > 1


@pytest.mark.parametrize("kept", [True, False])
def test_a_lock_that_is_not_to_be_had_is_asked_for_again(postgres_url: str, *, kept: bool) -> None:
    """A timeout for locks that is shorter than a call's patience ends an attempt, not the call."""
    url = with_options(postgres_url, lock_timeout="100ms")
    inside, done = Event(), Event()

    def stand_still(_core: object) -> None:
        inside.set()
        done.wait(60)

    with opened(postgres_url, patience=60.0) as holder, opened(url, patience=3.0 if kept else 60.0) as database:
        ledger = SqlLedger(database)
        SqlLedger(holder).put_if_absent(pin_of(1))
        holding = Thread(target=holder.write, args=(stand_still, fence(snapshot_id(1), shared=True)))
        holding.start()
        assert inside.wait(60)
        begun = monotonic()
        if kept:
            with pytest.raises(StoreUnavailable, match="kept a lock"):
                ledger.bar(snapshot_id(1), actor="ada", reason="broken")
            assert 0.3 < monotonic() - begun < 30
        else:
            releasing = Timer(0.6, done.set)
            releasing.start()
            ledger.bar(snapshot_id(1), actor="ada", reason="broken")
            releasing.join()
        done.set()
        holding.join()

        assert ledger.barred("prod") == (frozenset() if kept else {snapshot_id(1)})
