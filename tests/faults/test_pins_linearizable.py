"""
A pin is a write-once register: one answer for ever, whoever is killed in the meantime.

Processes race for the same keys, clients are killed, the server loses every connection; what they saw is checked.
The short form runs with every test run; `make faults` sets RUNPIN_FAULT_OPS for the long one.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from threading import Event
from time import monotonic

import pytest

from pin_workers import (
    ForgetsToLook,
    ReadsThenWrites,
    calls_begun,
    open_database,
    read_journal,
    work_on_registers,
    workers,
)
from postgres_server import PostgresServer
from runpin.database.engine import Database
from runpin.ledgers.sql import SqlLedger
from runpin.testing.contracts import Ledger
from runpin.testing.linearizability import Kind, Operation, violations

pytestmark = pytest.mark.faults

OPERATIONS = int(os.environ.get("RUNPIN_FAULT_OPS", "20000"))
ROUND = 100_000
WORKERS = 6
FAULTS_IN_A_ROUND = 8
PAUSE = 0.15


def play(
    url: str,
    folder: Path,
    ledger: Callable[[Database], Ledger],
    operations: int,
    upset: Callable[[], None] | None = None,
) -> list[Operation]:
    """
    Let workers race until they have made *operations* calls, and return the history.

    A worker is killed every `PAUSE` seconds, and *upset* is called after every fourth of these.
    """
    folder.mkdir()
    # For a hang only: a machine may be as busy as it likes.
    deadline = monotonic() + 240 + operations / 500
    with workers(work_on_registers, url, ledger, folder, WORKERS) as kill:
        for fault, place in enumerate(cycle(range(WORKERS)), 1):
            Event().wait(PAUSE)
            kill(place)
            if upset is not None and fault % 4 == 0:
                upset()
            if fault >= FAULTS_IN_A_ROUND and calls_begun(folder) >= operations:
                break
            if monotonic() > deadline:
                pytest.fail(f"only {calls_begun(folder)} of {operations} calls were made in time")
    return [operation for file in sorted(folder.iterdir()) for operation in read_journal(file)]


def rounds() -> list[int]:
    """Return how many calls each round makes; each is checked before the next one, to keep histories small."""
    return [min(ROUND, OPERATIONS - done) for done in range(0, OPERATIONS, ROUND)]


def contested(history: list[Operation]) -> int:
    """Return for how many keys more than one worker made a put."""
    candidates: dict[int, set[int | None]] = {}
    for operation in history:
        if operation.kind is Kind.PUT:
            candidates.setdefault(operation.key, set()).add(operation.candidate)
    return sum(len(each) > 1 for each in candidates.values())


@pytest.mark.timeout(0)
def test_sqlite_decides_each_pin_once(tmp_path: Path) -> None:
    """While clients are killed with SIGKILL in the middle of a transaction."""
    url = f"sqlite:///{tmp_path}/runpin.db"
    open_database(url)
    for number, operations in enumerate(rounds()):
        history = play(url, tmp_path / f"round-{number}", SqlLedger, operations)

        assert len(history) >= operations
        assert contested(history) >= 10
        assert violations(history) == []


@pytest.mark.postgres
@pytest.mark.timeout(0)
def test_postgres_decides_each_pin_once(tmp_path: Path, postgres_server: PostgresServer, postgres_url: str) -> None:
    """While clients are killed, and the server drops all connections and recovers from its log."""

    def crash() -> None:
        postgres_server.stop(signal.SIGQUIT)
        postgres_server.start()

    for number, operations in enumerate(rounds()):
        history = play(postgres_url, tmp_path / f"round-{number}", SqlLedger, operations, crash)

        assert len(history) >= operations
        assert contested(history) >= 10
        assert violations(history) == []


@pytest.mark.parametrize("seeded", [ReadsThenWrites, ForgetsToLook])
def test_a_ledger_with_a_race_is_caught(tmp_path: Path, seeded: Callable[[Database], Ledger]) -> None:
    """The harness and the checker see what they are there for, on a busy machine at the latest in the fifth round."""
    url = f"sqlite:///{tmp_path}/runpin.db"
    open_database(url)
    found = (violations(play(url, tmp_path / f"round-{number}", seeded, 3000)) for number in range(5))

    assert any(found)
