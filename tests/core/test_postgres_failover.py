"""Two PostgreSQL servers, one of which dies: clients find the other by themselves, and no acknowledged pin changes."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from time import monotonic

import pytest

from demo.processes import wait_until
from pin_workers import calls_begun, read_journal, work_on_registers, workers
from postgres_pair import NAME, Pair, pair_of
from runpin.assembly import Runpin
from runpin.errors import RevisionConflict, StoreUnavailable
from runpin.ledgers.sql import SqlLedger
from runpin.model import RunKey, Snapshot, SnapshotId
from runpin.stores.sql import SqlStore
from runpin.testing import store_contract
from runpin.testing.ledger_contract import SCOPE, pin_of, run_key
from runpin.testing.linearizability import Kind, Operation, violations

pytestmark = [pytest.mark.postgres, pytest.mark.faults]

WORKERS = 4
CALLS = 1500
LONG = 120.0
READER = RunKey("airflow", "main", "etl", "reader")


@pytest.fixture
def pair(postgres_programs: Path) -> Iterator[Pair]:
    """Return two servers, the primary of which acknowledges nothing that the standby does not have."""
    with pair_of(postgres_programs, synchronous_standby_names="*") as pair:
        yield pair


@pytest.fixture
def loose_pair(postgres_programs: Path) -> Iterator[Pair]:
    """Return two servers, the primary of which acknowledges at once."""
    with pair_of(postgres_programs) as pair:
        yield pair


def acknowledged(history: list[Operation]) -> dict[int, int]:
    """Return the value of each register that somebody was told."""
    told = (each for each in history if each.answered and each.answer is not None)
    return {each.key: each.answer for each in told if each.answer is not None}


def asked_again(pair: Pair, keys: list[int]) -> list[Operation]:
    """Return what every register holds now."""
    found = []
    with pair.opened() as database:
        ledger = SqlLedger(database)
        for key in keys:
            begun = monotonic()
            held = ledger.get(RunKey("airflow", "main", "etl", str(key)), SCOPE)
            asked = Operation(Kind.GET, key, begun, answer=None if held is None else held.snapshot.sequence)
            found.append(replace(asked, ended=monotonic()))
    return found


def race(pair: Pair, folder: Path, upset: Callable[[], None]) -> list[Operation]:
    """Let workers race for registers, upset them in the middle, and return what they and a late reader saw."""
    folder.mkdir()
    with workers(work_on_registers, pair.url, SqlLedger, folder, WORKERS):
        assert wait_until(lambda: calls_begun(folder) >= CALLS, LONG)
        upset()
        before = calls_begun(folder)
        # They come back by themselves: nobody is restarted.
        assert wait_until(lambda: calls_begun(folder) >= before + CALLS, LONG)
    history = [operation for file in sorted(folder.iterdir()) for operation in read_journal(file)]
    return history + asked_again(pair, sorted(acknowledged(history)))


@pytest.mark.timeout(600)
def test_no_pin_changes_when_a_synchronous_standby_takes_over(tmp_path: Path, pair: Pair) -> None:
    """Processes race for pins, the primary is killed among them, and what anybody was told stays true for ever."""
    history = race(pair, tmp_path / "race", pair.fail_over)

    assert len(acknowledged(history)) >= 10
    assert violations(history) == []


def test_every_acknowledged_move_is_in_the_history_after_a_failover(pair: Pair) -> None:
    """Movers race for one channel all the time; each revision was won once, and none is missing."""
    won: list[tuple[int, SnapshotId]] = []
    over = Event()

    def keep_moving(snapshot: Snapshot) -> None:
        with pair.opened() as database:
            store = SqlStore(database)
            while not over.is_set():
                with suppress(RevisionConflict, StoreUnavailable):
                    moved = store_contract.move(store, snapshot, store.channel(SCOPE, "stable").revision)
                    won.append((moved.revision, moved.snapshot))

    with pair.opened() as database:
        store = SqlStore(database)
        snapshots = [store_contract.publish(store, limit) for limit in (1, 2, 3)]
        store_contract.move(store, snapshots[0], 0)
        movers = [Thread(target=keep_moving, args=(snapshot,)) for snapshot in snapshots]
        for mover in movers:
            mover.start()
        try:
            assert wait_until(lambda: len(won) >= 50, LONG)
            pair.fail_over()
            before = len(won)
            assert wait_until(lambda: len(won) >= before + 50, LONG)
        finally:
            over.set()
            for mover in movers:
                mover.join()
        told = {each.channel.revision: each.channel.snapshot for each in store.moves(SCOPE, "stable", 100_000)}

    assert sorted(told) == list(range(1, len(told) + 1))
    assert len({revision for revision, _ in won}) == len(won)
    assert [(revision, snapshot) for revision, snapshot in won if told.get(revision) != snapshot] == []


def pinned_on(home: Path, pair: Pair) -> SnapshotId:
    """Return what the reader's run has, as a new process of the host says whose home this is."""
    with Runpin.open(home=home, store=pair.url, environment=SCOPE.environment, store_upgrade=False) as core:
        return core.run(READER).pin(SCOPE.application).snapshot


def test_an_asynchronous_standby_loses_what_it_had_not_got(tmp_path: Path, loose_pair: Pair) -> None:
    """As the page says: such pins were acknowledged, and hosts that saw one put it on record again, no others do."""
    with loose_pair.opened() as database:
        ledger, store = SqlLedger(database), SqlStore(database)
        store_contract.move(store, store_contract.publish(store, 1), 0)
        for number in range(1, 31):
            ledger.put_if_absent(pin_of(number, RunKey("airflow", "main", "etl", str(number))))
        loose_pair.wait_until_alike()
        loose_pair.standby.stop()
        history = []
        for number in range(31, 51):
            begun = monotonic()
            pin = ledger.put_if_absent(pin_of(number, RunKey("airflow", "main", "etl", str(number))))
            put = Operation(Kind.PUT, number, begun, candidate=number, answer=pin.snapshot.sequence)
            history.append(replace(put, ended=monotonic()))
        read = pinned_on(tmp_path / "here", loose_pair)
        loose_pair.primary.kill()
        loose_pair.standby.start()
        loose_pair.standby.promote()
        found = asked_again(loose_pair, list(range(1, 51)))
        lost = ledger.get(READER, SCOPE)
        store_contract.move(store, store_contract.publish(store, 2), 1)
        again = [pinned_on(tmp_path / folder, loose_pair) for folder in ("here", "there")]

    assert (None, [read] * 2) == (lost, again)
    assert [each.answer for each in found] == [*range(1, 31), *[None] * 20]
    assert len(violations(history + found[30:])) == 20


def test_nothing_is_acknowledged_that_the_standby_does_not_have(pair: Pair) -> None:
    """While it is away a pin is an error in time; once it is back, the same call answers."""
    with pair.opened(patience=3.0) as database, pair.opened(patience=1.0) as other, pair.opened(patience=60.0) as calm:
        ledger = SqlLedger(database)
        ledger.put_if_absent(pin_of(1))
        pair.standby.stop()
        begun = monotonic()
        for asking in (ledger, SqlLedger(other)):
            with pytest.raises(StoreUnavailable):
                asking.put_if_absent(pin_of(2, run_key("other")))
        taken = monotonic() - begun
        seen = SqlLedger(calm).get(run_key("other"), SCOPE)
        pair.standby.start()
        pair.wait_until_streaming()
        answers: list[object] = []

        def answered() -> bool:
            try:
                answers.append(SqlLedger(other).put_if_absent(pin_of(3, run_key("other"))).snapshot.sequence)
            except StoreUnavailable:
                return False
            return True

        assert wait_until(answered, LONG)
        pair.fail_over()
        held = SqlLedger(calm).get(run_key("other"), SCOPE)

    assert seen is None
    assert taken < 30
    # The first call's transaction went on without its client.
    assert answers == [2]
    assert held == pin_of(2, run_key("other"))


def test_a_host_that_says_nothing_is_passed_by(pair: Pair) -> None:
    """The old primary takes connections and is silent; the next call but one is answered by the new one."""
    with pair.opened(patience=8.0) as database:
        ledger = SqlLedger(database)
        ledger.put_if_absent(pin_of(1))
        with pair.primary.standing_still():
            pair.standby.promote()
            begun = monotonic()
            with pytest.raises(StoreUnavailable):
                ledger.put_if_absent(pin_of(2, run_key("other")))
            answer = ledger.put_if_absent(pin_of(2, run_key("other")))
            taken = monotonic() - begun
            pair.primary.kill()

    assert pin_of(2, run_key("other")) == answer
    assert taken < 60


def test_of_two_hosts_the_primary_is_asked(loose_pair: Pair) -> None:
    """In whatever order and form the URL names them."""
    hosts = [f"127.0.0.1:{each.port}" for each in (loose_pair.primary, loose_pair.standby)]
    forms = ("{0},{1}/{2}", "/{2}?host={0}&host={1}")
    for number, (one, other, form) in enumerate((*pair, form) for pair in (hosts, hosts[::-1]) for form in forms):
        with loose_pair.opened(f"postgresql://runpin@{form.format(one, other, NAME)}") as database:
            pin = pin_of(number + 1, run_key(f"r{number}"))

            assert pin == SqlLedger(database).put_if_absent(pin)
            assert database.where == f"postgresql://{one},{other}/{NAME}"


def test_a_standby_that_was_written_to_is_the_wrong_node(loose_pair: Pair) -> None:
    """Who lets any node answer gets an error that says so, and an answer from the moment it is the primary."""
    url = f"{loose_pair.standby.url(NAME)}?target_session_attrs=any"
    with loose_pair.opened(url, patience=3.0) as database, loose_pair.opened(url, patience=60.0) as patient:
        with pytest.raises(StoreUnavailable, match="25006") as caught:
            SqlLedger(database).put_if_absent(pin_of(1))

        def take_over() -> None:
            Event().wait(0.5)
            loose_pair.primary.stop(signal.SIGINT)
            loose_pair.standby.promote()

        taking_over = Thread(target=take_over)
        taking_over.start()
        answer = SqlLedger(patient).put_if_absent(pin_of(1))
        taking_over.join()

    assert "is the primary" in str(caught.value.fix)
    assert pin_of(1) == answer
