"""Deciding a pin: beside the disk's own append and fsync, beside the bare driver, and with eight processes at once."""

from __future__ import annotations

import os
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

import psycopg  # noqa: TID253 - the floor
from measuring import Row, interleave, once_each, percentile

import postgres_server
from runpin.clock import SystemClock
from runpin.database.engine import Database
from runpin.ledgers.sql import SqlLedger
from runpin.model import Pin, RunKey, SnapshotId, digest_of
from world import SCOPE

ROUNDS = 400
PROCESSES = 8
DIGEST = digest_of(b"snapshot")
SNAPSHOT = SnapshotId("payments", "prod", 1, DIGEST[:12])


def pin_of(name: str) -> Pin:
    """Return the pin of a run of this name."""
    return Pin(RunKey("bench", "default", "nightly", name), SCOPE, SNAPSHOT, DIGEST, datetime.now(UTC))


def rows(folder: Path) -> Iterator[Row]:
    """Measure the ledger on SQLite, and on PostgreSQL when a server can be started."""
    yield from _sqlite(folder)
    yield from _postgres(folder)


def _sqlite(folder: Path) -> Iterator[Row]:
    url = f"sqlite:///{folder / 'runpin.db'}"
    with Database.open(url, clock=SystemClock()) as database, _appender(folder) as append:
        ledger = SqlLedger(database)
        ledger.put_if_absent(pin_of("first"))
        raw = _raw_sqlite(folder / "raw.db")
        taken = once_each(
            {
                "append": append,
                "raw": raw,
                "pin": lambda number: ledger.put_if_absent(pin_of(f"r{number}")),
            },
            ROUNDS,
        )
        median = {name: statistics.median(times) for name, times in taken.items()}
        loser = interleave({"loser": lambda: ledger.get(pin_of("first").run, SCOPE)})["loser"]
    yield Row("pin, SQLite", "floor: append 4 KB + fsync", median["append"])
    yield Row(
        "pin, SQLite", "sqlite3 by hand, WAL, FULL", median["raw"], "append + fsync", median["raw"] / median["append"]
    )
    yield Row("pin, SQLite", "decide", median["pin"], "append + fsync", median["pin"] / median["append"], "<= 1.5x")
    yield Row("pin, SQLite", "decide", median["pin"], "sqlite3 by hand", median["pin"] / median["raw"])
    yield Row("pin, SQLite", "repeat", loser, "decide", loser / median["pin"], "<= 10 us")
    worst = percentile(_crowd(url), 0.99)
    yield Row("pin, SQLite", "decide, 8 processes, p99", worst, "append + fsync", worst / median["append"], "<= 40x")


def _postgres(folder: Path) -> Iterator[Row]:
    del folder
    programs = postgres_server._programs()  # noqa: SLF001 - the tests install it, the benchmark only looks
    if programs is None:
        yield Row("pin, PostgreSQL", "not measured: no server is installed", 0.0)
        return
    home = Path(tempfile.mkdtemp(prefix="runpin-postgres-"))
    server = postgres_server.PostgresServer(programs, home)
    try:
        server.start(fsync="on")
        median = _postgres_medians(server.url(server.create_database()))
    finally:
        server.close()
        shutil.rmtree(home, ignore_errors=True)
    yield Row("pin, PostgreSQL", "floor: psycopg, one insert", median["raw"])
    yield Row("pin, PostgreSQL", "decide", median["pin"], "psycopg", median["pin"] / median["raw"], "<= 1.5x")


def _postgres_medians(url: str) -> dict[str, float]:
    with psycopg.connect(url, autocommit=True) as connection, Database.open(url, clock=SystemClock()) as database:
        connection.execute("CREATE TABLE raw (k text PRIMARY KEY, v text)")
        ledger = SqlLedger(database)
        ledger.put_if_absent(pin_of("first"))

        def raw(number: int) -> None:
            connection.execute("INSERT INTO raw VALUES (%s, %s) ON CONFLICT DO NOTHING", (f"r{number}", "v"))

        taken = once_each({"raw": raw, "pin": lambda number: ledger.put_if_absent(pin_of(f"r{number}"))}, ROUNDS)
    return {name: statistics.median(times) for name, times in taken.items()}


class _appender:  # noqa: N801 - reads as a verb where it is used
    """Appends 4 KB to a file and syncs it."""

    def __init__(self, folder: Path) -> None:
        self._file = os.open(folder / "floor", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def __enter__(self) -> Callable[[int], None]:
        return self._append

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def _append(self, number: int) -> None:
        del number
        os.write(self._file, b"x" * 4096)
        os.fsync(self._file)


def _raw_sqlite(path: Path) -> Callable[[int], None]:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE pin (k TEXT PRIMARY KEY, v TEXT) WITHOUT ROWID")

    def put(number: int) -> None:
        connection.execute("INSERT INTO pin VALUES (?, ?) ON CONFLICT DO NOTHING", (f"r{number}", "v"))

    return put


def _crowd(url: str) -> list[float]:
    context = get_context("spawn")
    with context.Pool(PROCESSES) as pool:
        return [
            seconds for times in pool.starmap(_decide_many, [(url, n) for n in range(PROCESSES)]) for seconds in times
        ]


def _decide_many(url: str, number: int) -> list[float]:
    taken = []
    with Database.open(url, clock=SystemClock()) as database:
        ledger = SqlLedger(database)
        for each in range(100):
            began = time.perf_counter()
            ledger.put_if_absent(pin_of(f"p{number}-{each}"))
            taken.append(time.perf_counter() - began)
    return taken
