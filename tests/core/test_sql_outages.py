"""What a PostgreSQL server can do to its clients, and what the ledger makes of it: an answer or an error, in time."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, Thread
from time import monotonic

import psycopg  # noqa: TID253 - these tests break its connections
import pytest

from postgres_server import PostgresServer
from runpin.clock import SystemClock
from runpin.database.address import parse
from runpin.database.engine import Database
from runpin.database.postgresql import Postgresql
from runpin.errors import RevisionConflict, StoreError, StoreUnavailable
from runpin.ledgers.reactions import SqlReactions
from runpin.ledgers.sql import SqlLedger, fence
from runpin.stores.sql import SqlStore
from runpin.testing import store_contract
from runpin.testing.ledger_contract import SCOPE, following, pin_of, run_key, snapshot_id
from runpin.testing.reactions_contract import reaction_to

pytestmark = pytest.mark.postgres


class LosesTheAnswer(Postgresql):
    """Commits, and then the connection is gone before the client hears of it."""

    lose = 0

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Fail after the transaction, as often as asked for."""
        yield
        if self.lose:
            self.lose -= 1
            raise psycopg.OperationalError("server closed the connection unexpectedly")


def opened(url: str, patience: float = 5.0) -> Database:
    """Return the database at *url*."""
    return Database.open(url, clock=SystemClock(), patience=patience)


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    """Return a database that is patient for five seconds."""
    with opened(postgres_url) as database:
        yield database


@pytest.fixture
def lossy(postgres_url: str) -> Iterator[tuple[Database, LosesTheAnswer]]:
    """Return a database whose answers to commits can be lost, and what loses them."""
    address, clock = parse(postgres_url), SystemClock()
    backend = LosesTheAnswer(address, clock, 5.0)
    with Database(backend, address, clock, upgrade=True, patience=5.0) as database:
        database.ready()
        yield database, backend


def within(seconds: float, work: Callable[[], object]) -> StoreUnavailable:
    """Return the error that *work* raises, which has to come in time and be worth a retry."""
    begun = monotonic()
    with pytest.raises(StoreUnavailable) as caught:
        work()

    assert monotonic() - begun < seconds
    assert caught.value.retryable
    return caught.value


def test_an_unknown_outcome_is_repeated(lossy: tuple[Database, LosesTheAnswer]) -> None:
    """Each of the ledger's transactions may be repeated after it was committed, and has one effect."""
    database, backend = lossy
    ledger = SqlLedger(database)
    backend.lose = 2
    first = ledger.put_if_absent(pin_of(1))
    backend.lose = 2
    second = ledger.advance(following(first, 2))
    backend.lose = 2
    ledger.bar(snapshot_id(3), actor="ada", reason="broken")
    backend.lose = 1
    ledger.lift(snapshot_id(3), actor="ada", reason="was not the cause")
    events = database.read(
        lambda core: core.exec_driver_sql("SELECT event FROM runpin_quarantine_event ORDER BY id").scalars().all()
    )

    assert (pin_of(1), following(pin_of(1), 2)) == (first, second)
    assert second == ledger.get(run_key(), SCOPE)
    assert events == ["bar", "lift"]


def test_publishing_is_repeated_as_well(lossy: tuple[Database, LosesTheAnswer]) -> None:
    """A move that was committed is not mistaken for somebody else's, and history tells it once."""
    database, backend = lossy
    store = SqlStore(database)
    backend.lose = 1
    first = store_contract.publish(store, 1)
    second = store_contract.publish(store, 2)
    for expected, snapshot in enumerate((first, second, first)):
        backend.lose = 2

        assert store_contract.move(store, snapshot, expected).revision == expected + 1
    assert len(store.publications(SCOPE, 10)) == 2
    assert len(store.moves(SCOPE, "stable", 10)) == 3
    with pytest.raises(RevisionConflict):
        store_contract.move(store, second, 2)


def test_reacting_is_repeated_as_well(lossy: tuple[Database, LosesTheAnswer]) -> None:
    """A reaction that was committed is found again, not begun twice, and its outcome is that of the first call."""
    database, backend = lossy
    reactions = SqlReactions(database)
    backend.lose = 2
    begun = reactions.begin(reaction_to(5))
    backend.lose = 2
    ended = reactions.end(begun, "run 1")
    rows = database.read(lambda core: core.exec_driver_sql("SELECT count(*) FROM runpin_reaction").scalar())

    assert (reaction_to(5), "run 1", 1) == (begun, ended.outcome, rows)


def test_a_server_that_restarts_is_waited_for(postgres_url: str, postgres_server: PostgresServer) -> None:
    """All connections are lost and the port is closed for a moment; the caller notices nothing."""
    # The moment in which a busy machine starts a server is longer than five seconds.
    with opened(postgres_url, patience=60.0) as database:
        ledger = SqlLedger(database)
        ledger.put_if_absent(pin_of(1))
        postgres_server.stop(signal.SIGQUIT)

        def restart() -> None:
            Event().wait(0.3)
            postgres_server.start()

        restarting = Thread(target=restart)
        restarting.start()
        answer = ledger.put_if_absent(pin_of(2, run_key("other")))
        restarting.join()

        assert pin_of(2, run_key("other")) == answer
        assert pin_of(1) == ledger.get(run_key(), SCOPE)


def test_a_server_that_is_away_is_reported_in_time(postgres_url: str, postgres_server: PostgresServer) -> None:
    """And is used again as soon as it is back."""
    with opened(postgres_url, patience=0.5) as database:
        ledger = SqlLedger(database)
        ledger.put_if_absent(pin_of(1))
        with postgres_server.gone():
            within(3.0, lambda: ledger.put_if_absent(pin_of(2, run_key("other"))))

        assert pin_of(1) == ledger.get(run_key(), SCOPE)


def test_a_server_that_stands_still_is_reported_in_time(postgres_url: str, postgres_server: PostgresServer) -> None:
    """It holds its connections open and says nothing."""
    with opened(postgres_url, patience=0.5) as database:
        ledger = SqlLedger(database)
        ledger.put_if_absent(pin_of(1))
        with postgres_server.standing_still():
            within(5.0, lambda: ledger.get(run_key(), SCOPE))

        assert pin_of(1) == ledger.get(run_key(), SCOPE)


def test_a_connection_to_a_standby_is_given_up(database: Database) -> None:
    """After a switchover an old connection may find itself on a server that only reads."""
    ledger = SqlLedger(database)
    ledger.put_if_absent(pin_of(1))
    database.read(lambda core: core.exec_driver_sql("SET default_transaction_read_only = on"))

    assert pin_of(2, run_key("other")) == ledger.put_if_absent(pin_of(2, run_key("other")))


def test_a_server_that_only_reads_is_none(postgres_url: str, postgres_server: PostgresServer) -> None:
    """A standby may not know the newest pin, so it is not asked."""
    name = postgres_url.rpartition("/")[2]
    postgres_server.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with opened(postgres_url, patience=0.3) as database:
        within(3.0, lambda: SqlLedger(database).get(run_key(), SCOPE))


def test_more_clients_than_the_server_takes_share_it(postgres_url: str, postgres_server: PostgresServer) -> None:
    """Those who are turned away try again, spread over time."""
    name = postgres_url.rpartition("/")[2]
    postgres_server.execute(f"ALTER DATABASE {name} CONNECTION LIMIT 2")
    postgres_server.execute(f"CREATE ROLE client_of_{name} LOGIN")
    postgres_server.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO client_of_{name}", name)
    url = postgres_url.replace("runpin@", f"client_of_{name}@")

    def pin(number: int) -> int:
        with opened(url) as database:
            return SqlLedger(database).put_if_absent(pin_of(number, run_key(f"r{number}"))).snapshot.sequence

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(pin, range(1, 17)))

    assert answers == list(range(1, 17))


def test_the_isolation_is_not_the_servers_to_choose(postgres_url: str, postgres_server: PostgresServer) -> None:
    """The fence needs each statement to see what was committed before it, and a decision without that is refused."""
    name = postgres_url.rpartition("/")[2]
    postgres_server.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'")
    with opened(postgres_url) as database:
        ledger = SqlLedger(database)

        assert pin_of(1) == ledger.put_if_absent(pin_of(1))
        assert following(pin_of(1), 2) == ledger.advance(following(pin_of(1), 2))
        database.read(lambda core: core.exec_driver_sql("SET default_transaction_isolation = 'repeatable read'"))
        with pytest.raises(StoreError, match="refused"):
            ledger.put_if_absent(pin_of(1, run_key("other")))


def test_a_bar_does_not_wait_for_ever(postgres_url: str) -> None:
    """Somebody who decides a pin and stands still delays the bar; the caller is told that nothing is barred."""
    with opened(postgres_url, patience=3.0) as database, opened(postgres_url, patience=60.0) as other:
        ledger = SqlLedger(database)
        SqlLedger(other).put_if_absent(pin_of(1))
        inside, done = Event(), Event()

        def stand_still(_core: object) -> None:
            inside.set()
            done.wait(60)

        holder = Thread(target=other.write, args=(stand_still, fence(snapshot_id(1), shared=True)))
        holder.start()
        assert inside.wait(60)
        within(30.0, lambda: ledger.bar(snapshot_id(1), actor="ada", reason="broken"))
        done.set()
        holder.join()

        assert ledger.barred("prod") == frozenset()
        ledger.bar(snapshot_id(1), actor="ada", reason="broken")
        assert ledger.barred("prod") == {snapshot_id(1)}


def test_values_stay_out_of_messages(database: Database) -> None:
    """A statement that the server refuses is reported without the values it was given."""
    with pytest.raises(Exception, match=r"refused a statement \(22") as caught:
        database.read(lambda core: core.exec_driver_sql("SELECT %s::int", ("hunter2",)))

    assert "hunter2" not in str(caught.value)
