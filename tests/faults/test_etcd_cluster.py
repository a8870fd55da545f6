"""
Three members of etcd, whose leader is killed and stopped and whose quorum is lost, under clients that race.

What the clients saw is checked: a pin is a write-once register, a rollback fences, a move happens once.
The short form runs with every test run; `make faults` sets RUNPIN_FAULT_OPS for the long one.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import cycle
from pathlib import Path
from threading import Event
from time import monotonic
from typing import TypeVar

import pytest

from etcd_server import EtcdServer
from etcd_workers import (
    PATIENCE,
    EtcdTask,
    LooksBefore,
    PutsBlindly,
    ReadsLocally,
    crew,
    moving,
    pin_until_barred,
    race_for_registers,
)
from pin_workers import calls_begun, read_journal
from runpin.clock import SystemClock
from runpin.errors import StoreUnavailable
from runpin.etcd.cluster import Cluster
from runpin.ledgers.etcd import EtcdLedger
from runpin.model import RunKey, digest_of
from runpin.stores.etcd import EtcdStore
from runpin.testing.contracts import Ledger
from runpin.testing.ledger_contract import SCOPE, every_pin, pin_of, snapshot_id
from runpin.testing.linearizability import Kind, Operation, violations
from runpin.testing.store_contract import publish

T = TypeVar("T")

pytestmark = [pytest.mark.faults, pytest.mark.etcd, pytest.mark.timeout(0)]

OPERATIONS = int(os.environ.get("RUNPIN_FAULT_OPS", "3000"))
ROUND = 50_000
WORKERS = 6
ASKED = 8
AWAY = 2.0
# The long form is about many calls, the short one about many faults.
HEALTHY = 0.7 if OPERATIONS < 10_000 else 4.0


def leader_of(server: EtcdServer) -> int:
    """Return the place of the leader, once there is one."""
    deadline = monotonic() + 60
    while (found := server.leader()) is None:
        if monotonic() > deadline:
            pytest.fail("no member leads")
        Event().wait(0.05)
    return server.members.index(found)


def kill_leader(server: EtcdServer) -> None:
    """End the leader as a crash does, and start it again later."""
    member = server.members[leader_of(server)]
    member.kill()
    Event().wait(AWAY)
    server.again(member)


def stop_leader(server: EtcdServer) -> None:
    """Let the leader fall silent, and go on later as if nothing had happened."""
    member = server.members[leader_of(server)]
    member.signal(signal.SIGSTOP)
    Event().wait(AWAY)
    member.signal(signal.SIGCONT)


def lose_quorum(server: EtcdServer) -> None:
    """End the leader and another member, and start both again later."""
    leader = leader_of(server)
    gone = [server.members[leader], server.members[(leader + 1) % 3]]
    for member in gone:
        member.kill()
    Event().wait(AWAY)
    for member in gone:
        server.again(member)


FAULTS = (stop_leader, kill_leader, lose_quorum)


def harm(server: EtcdServer, enough: Callable[[], bool], most: float) -> int:
    """Harm the cluster again and again, in every way at least once, until it was *enough*; return how often."""
    deadline = monotonic() + most
    for number, fault in enumerate(cycle(FAULTS), 1):
        Event().wait(HEALTHY)
        fault(server)
        server.wait_until_ready()
        if number >= len(FAULTS) and enough():
            return number
        if monotonic() > deadline:
            pytest.fail("the clients did not get far enough in time")
    return 0


def play(
    server: EtcdServer, folder: Path, ledger: Callable[[Cluster], Ledger], operations: int, patience: float = PATIENCE
) -> list[Operation]:
    """Let clients race until they have made *operations* calls, and return the history."""
    folder.mkdir()
    task = EtcdTask(server.fresh_url(), ledger, folder, 0, patience)
    with crew(race_for_registers, task, WORKERS) as kill:
        places = cycle(range(WORKERS))

        def enough() -> bool:
            kill(next(places))
            return calls_begun(folder) >= operations

        harm(server, enough, 120 + operations / 50)
    return [operation for file in sorted(folder.iterdir()) for operation in read_journal(file)]


def test_each_pin_is_decided_once(tmp_path: Path, etcd_cluster: EtcdServer) -> None:
    """No second value and no stale absence, whichever member is away."""
    for begin in range(0, OPERATIONS, ROUND):
        operations = min(ROUND, OPERATIONS - begin)
        history = play(etcd_cluster, tmp_path / f"round-{begin}", EtcdLedger, operations)

        assert len(history) >= operations
        assert any(not operation.answered for operation in history)
        assert violations(history) == []


def test_a_blind_write_after_an_error_is_caught(tmp_path: Path, etcd_cluster: EtcdServer) -> None:
    """The harness and the checker see what they are there for, at the latest in the fifth round."""
    rounds = (play(etcd_cluster, tmp_path / f"round-{number}", PutsBlindly, 1000, patience=1.0) for number in range(5))

    assert any(violations(history) for history in rounds)


def seen_by_one_that_was_away(server: EtcdServer, kind: Callable[[Cluster], Ledger]) -> list[Operation]:
    """Let a member fall silent, decide pins without it, and ask it for them in the moment it comes back."""
    prefix, leader = server.fresh_url().rpartition("/")[2], leader_of(server)
    ports = [member.port for member in server.members]
    away = (leader + 1) % 3
    others = ",".join(f"127.0.0.1:{port}" for port in ports if port != ports[away])
    with (
        Cluster.open(f"etcd://{others}/{prefix}", clock=SystemClock(), patience=20) as present,
        Cluster.open(f"etcd://127.0.0.1:{ports[away]}/{prefix}", clock=SystemClock(), patience=20) as late,
        ThreadPoolExecutor(ASKED) as threads,
    ):
        server.members[away].signal(signal.SIGSTOP)
        # What it has to catch up with before it comes to the pins takes it a while.
        bodies = (os.urandom(1 << 19) for _ in range(24))
        EtcdStore(present).put_objects({digest_of(body): body for body in bodies})
        history = [timed(EtcdLedger(present), Kind.PUT, key) for key in range(ASKED)]
        asked = [threads.submit(timed, kind(late), Kind.GET, key) for key in range(ASKED)]
        Event().wait(0.3)
        server.members[away].signal(signal.SIGCONT)
        return history + [answer.result() for answer in asked]


def timed(ledger: Ledger, kind: Kind, key: int) -> Operation:
    """Call the ledger once, and note what it said and when."""
    run, begun = RunKey("airflow", "main", "etl", str(key)), monotonic()
    held = ledger.get(run, SCOPE) if kind is Kind.GET else ledger.put_if_absent(pin_of(key + 1, run))
    return Operation(kind, key, begun, monotonic(), key + 1, None if held is None else held.snapshot.sequence)


def test_a_member_that_was_away_answers_from_the_present(etcd_cluster: EtcdServer) -> None:
    """What was decided without it is there, in the first moment already."""
    for _ in range(3):
        assert violations(seen_by_one_that_was_away(etcd_cluster, EtcdLedger)) == []


def test_a_read_from_one_member_alone_is_caught(etcd_cluster: EtcdServer) -> None:
    """A serializable read finds a run without its pin, at the latest at the tenth try."""
    assert any(violations(seen_by_one_that_was_away(etcd_cluster, ReadsLocally)) for _ in range(10))


def census(ledger: Ledger, snapshot: int) -> set[RunKey]:
    """Return every run that is pinned to a snapshot."""
    return {pin.run for pin in insisting(lambda: list(every_pin(ledger, snapshot_id(snapshot), limit=500)))}


def insisting(call: Callable[[], T]) -> T:
    """Return what *call* returns, as soon as the cluster answers."""
    deadline = monotonic() + 60
    while True:
        try:
            return call()
        except StoreUnavailable:
            if monotonic() > deadline:
                raise


def late_pins(
    server: EtcdServer, folder: Path, kind: Callable[[Cluster], Ledger], rollbacks: int, *, faults: bool
) -> Iterator[RunKey]:
    """Roll back again and again while runs are pinned; yield the runs that were pinned too late."""
    folder.mkdir()
    task = EtcdTask(server.fresh_url(), kind, folder, 0)
    harms = cycle(FAULTS)
    with Cluster.open(task.url, clock=SystemClock()) as cluster, ThreadPoolExecutor(1) as threads:
        ledger, then = EtcdLedger(cluster), []
        with crew(pin_until_barred, task, WORKERS):
            for snapshot in range(1, rollbacks + 1):
                wait_for(partial(is_pinned, ledger, snapshot))
                harmed = threads.submit(next(harms), server) if faults and snapshot % 10 == 5 else None
                roll_back(ledger, snapshot)
                then.append(census(ledger, snapshot))
                if harmed is not None:
                    harmed.result()
            Event().wait(0.1)
        for snapshot, before in enumerate(then, 1):
            yield from census(ledger, snapshot) - before


def is_pinned(ledger: Ledger, snapshot: int) -> bool:
    """Tell whether a run is pinned to a snapshot."""
    return bool(insisting(lambda: ledger.runs_of(snapshot_id(snapshot), limit=1)).pins)


def roll_back(ledger: Ledger, snapshot: int) -> None:
    """Bar a snapshot, and do not give up before that is known."""
    insisting(lambda: ledger.bar(snapshot_id(snapshot), actor="ada", reason="broken"))


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until *condition* holds."""
    deadline = monotonic() + 60
    while not condition():
        if monotonic() > deadline:
            pytest.fail("it did not come about")
        Event().wait(0.005)


def test_a_rollback_fences(tmp_path: Path, etcd_cluster: EtcdServer) -> None:
    """When `bar` has returned no pin of the snapshot is decided any more, not even one that was under way for long."""
    rollbacks = max(30, OPERATIONS // 1000)

    assert list(late_pins(etcd_cluster, tmp_path / "round", EtcdLedger, rollbacks, faults=True)) == []


def test_a_look_before_the_transaction_is_caught(tmp_path: Path, etcd_cluster: EtcdServer) -> None:
    """The harness sees what it is there for."""
    assert list(late_pins(etcd_cluster, tmp_path / "round", LooksBefore, 20, faults=False))


def test_an_acknowledged_move_happened_once(tmp_path: Path, etcd_cluster: EtcdServer) -> None:
    """Each is in the history under the revision that was acknowledged, and the history has no gap and no double."""
    url = etcd_cluster.fresh_url()
    with Cluster.open(url, clock=SystemClock()) as cluster:
        store = EtcdStore(cluster)
        targets = tuple(publish(store, limit).id for limit in (1, 2))
        with crew(moving(targets), EtcdTask(url, EtcdLedger, tmp_path, 0), WORKERS):
            harm(etcd_cluster, lambda: insisting(lambda: len(store.moves(SCOPE, "stable", 1000)) >= 200), 120)
        lines = insisting(lambda: store.moves(SCOPE, "stable", 100_000))
    told = {(line.channel.revision, line.reason) for line in lines}
    acknowledged = [line.split() for file in tmp_path.iterdir() for line in file.read_text().splitlines()]

    assert [line.channel.revision for line in lines] == list(range(len(lines), 0, -1))
    assert len({line.reason for line in lines}) == len(lines)
    assert len(acknowledged) > 100
    assert {(int(revision), reason) for revision, reason in acknowledged} <= told
