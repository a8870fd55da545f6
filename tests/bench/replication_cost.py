"""What `synchronous_commit` costs a pin, on a primary with one synchronous standby, beside no wait for the standby."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from measuring import Row, once_each, percentile
from pinning_cost import pin_of

import postgres_pair
import postgres_server
from runpin.clock import SystemClock
from runpin.database.engine import Database
from runpin.ledgers.sql import SqlLedger

MODES = ("off", "local", "remote_write", "on", "remote_apply")
ROUNDS = 300
CLIENTS = 8
TURNS = 5
BATCH = 25
GROUP = "pin, PostgreSQL, synchronous standby"


def rows(folder: Path) -> Iterator[Row]:
    """Measure one client's wait, and the time per pin when eight decide at once."""
    del folder
    programs = postgres_server._programs()  # noqa: SLF001 - the tests install it, the benchmark only looks
    if programs is None:
        yield Row(GROUP, "not measured: no server is installed", 0.0)
        return
    with postgres_pair.pair_of(programs, fsync="on", synchronous_standby_names="*") as pair, ExitStack() as opened:
        ledgers = {mode: SqlLedger(opened.enter_context(_database(pair, mode))) for mode in MODES}
        alone = _alone(ledgers)
        crowd = _crowd(ledgers)
    for mode in MODES:
        median = statistics.median(alone[mode])
        yield Row(GROUP, mode, median, "local", median / statistics.median(alone["local"]))
        yield Row(GROUP, f"{mode}, p99", percentile(alone[mode], 0.99))
        yield Row(GROUP, f"{mode}, 8 clients, per pin", crowd[mode], "local", crowd[mode] / crowd["local"])


def _database(pair: postgres_pair.Pair, mode: str) -> Database:
    return Database.open(f"{pair.url}?options=-csynchronous_commit%3D{mode}", clock=SystemClock(), patience=30.0)


def _alone(ledgers: Mapping[str, SqlLedger]) -> dict[str, list[float]]:
    for mode, ledger in ledgers.items():
        ledger.put_if_absent(pin_of(f"first-{mode}"))
    cases = {
        mode: lambda number, mode=mode, ledger=ledger: ledger.put_if_absent(pin_of(f"{mode}-{number}"))
        for mode, ledger in ledgers.items()
    }
    return once_each(cases, ROUNDS)


def _crowd(ledgers: Mapping[str, SqlLedger]) -> dict[str, float]:
    """Return the seconds per pin of each mode: the median of batches that take turns."""
    taken: dict[str, list[float]] = {mode: [] for mode in ledgers}
    with ThreadPoolExecutor(CLIENTS) as threads:
        for turn in range(TURNS):
            for mode, ledger in ledgers.items():
                names = [f"{mode}-{turn}-{number}" for number in range(CLIENTS * BATCH)]
                began = time.perf_counter()
                list(threads.map(lambda name, ledger=ledger: ledger.put_if_absent(pin_of(name)), names))
                taken[mode].append((time.perf_counter() - began) / len(names))
    return {mode: statistics.median(times) for mode, times in taken.items()}
