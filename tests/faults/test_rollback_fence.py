"""
When `bar` has returned, no pin of the barred snapshot is decided any more.

Processes go on pinning a snapshot until they are refused. At the moment `bar` returns, its pins are counted; at the
end they are counted again. A pin that was decided later, or was on its way, makes the second count larger.
The short form runs with every test run; `make faults` sets RUNPIN_FAULT_OPS for the long one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from time import monotonic

import pytest

from pin_workers import LooksOutside, open_database, work_on_channel, workers
from runpin.clock import SystemClock
from runpin.database.engine import Database
from runpin.ledgers.sql import SqlLedger
from runpin.model import RunKey
from runpin.testing.contracts import Ledger
from runpin.testing.ledger_contract import every_pin, snapshot_id

pytestmark = pytest.mark.faults

ROLLBACKS = int(os.environ.get("RUNPIN_FAULT_OPS", "4000")) // 100
WORKERS = 6
PATIENCE = 120.0
"""Seconds in which somebody pins a snapshot, and a rollback gets its turn among them, on a machine that is busy."""


def census(ledger: Ledger, snapshot: int) -> set[RunKey]:
    """Return every run that is pinned to a snapshot."""
    return {pin.run for pin in every_pin(ledger, snapshot_id(snapshot), limit=1000)}


def roll_back(ledger: Ledger, snapshot: int) -> float:
    """Bar a snapshot once runs were pinned to it, and return the seconds that took."""
    deadline = monotonic() + PATIENCE
    while not ledger.runs_of(snapshot_id(snapshot), limit=1).pins:
        if monotonic() > deadline:
            pytest.fail(f"nobody pins snapshot {snapshot}")
        Event().wait(0.002)
    Event().wait(0.01)
    begun = monotonic()
    ledger.bar(snapshot_id(snapshot), actor="ada", reason="broken")
    return monotonic() - begun


def late_pins(url: str, folder: Path, kind: Callable[[Database], Ledger], rollbacks: int) -> Iterator[RunKey]:
    """Roll back again and again while runs are pinned; yield the runs that were pinned too late."""
    folder.mkdir()
    with Database.open(url, clock=SystemClock()) as database:
        ledger = SqlLedger(database)
        then = []
        with workers(work_on_channel, url, kind, folder, WORKERS):
            for snapshot in range(1, rollbacks + 1):
                seconds = roll_back(ledger, snapshot)

                assert seconds < PATIENCE
                then.append(census(ledger, snapshot))
            Event().wait(0.05)
        for snapshot, before in enumerate(then, 1):
            yield from census(ledger, snapshot) - before


@pytest.mark.timeout(0)
def test_sqlite_fences_a_rollback(tmp_path: Path) -> None:
    """The fence is the one writer at a time."""
    url = f"sqlite:///{tmp_path}/runpin.db"
    open_database(url)

    assert list(late_pins(url, tmp_path / "round", SqlLedger, ROLLBACKS)) == []


@pytest.mark.postgres
@pytest.mark.timeout(0)
def test_postgres_fences_a_rollback(tmp_path: Path, postgres_url: str) -> None:
    """The fence is a lock that pins share and a rollback holds alone."""
    assert list(late_pins(postgres_url, tmp_path / "round", SqlLedger, ROLLBACKS)) == []


def test_a_check_outside_of_the_transaction_is_caught(tmp_path: Path) -> None:
    """The harness sees what it is there for."""
    url = f"sqlite:///{tmp_path}/runpin.db"
    open_database(url)

    assert list(late_pins(url, tmp_path / "round", LooksOutside, 20))
