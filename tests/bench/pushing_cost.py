"""How long it takes until every watching process knows of a move, by push and by looking at an interval."""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from measuring import Row, percentile

import etcd_server
import postgres_server
from runpin.backends import open_backend
from runpin.clock import SystemClock
from runpin.testing.store_contract import move, publish

PROCESSES = 20
MOVES = 100
PULLED_MOVES = 10
GROUP = f"a move reaches {PROCESSES} processes"


def rows(folder: Path) -> Iterator[Row]:
    """Measure PostgreSQL and etcd, which push, and SQLite, which is asked every two seconds."""
    programs = postgres_server._programs()  # noqa: SLF001 - the tests install it, the benchmark only looks
    if programs is None:
        yield Row(GROUP, "PostgreSQL not measured: no server is installed", 0.0)
    else:
        with postgres_server.server_of_its_own(programs) as server:
            server.start(max_connections=120)
            server.make_template()
            yield from _rows("PostgreSQL, push", server.url(server.create_database(postgres_server._TEMPLATE)), MOVES)  # noqa: SLF001 - likewise
    program = etcd_server._program()  # noqa: SLF001 - likewise
    if program is None:
        yield Row(GROUP, "etcd not measured: it is not installed", 0.0)
    else:
        with etcd_server.etcd_of(program, 1) as cluster:
            yield from _rows("etcd, push", cluster.fresh_url(), MOVES)
    yield from _rows("SQLite, pull", f"sqlite:///{folder / 'runpin.db'}", PULLED_MOVES)


def _rows(name: str, url: str, moves: int) -> Iterator[Row]:
    backend = open_backend(url, SystemClock(), upgrade=True)
    snapshot, other = publish(backend.store, 1), publish(backend.store, 2)
    move(backend.store, snapshot, 0)
    moved: dict[int, float] = {}
    with _watching(url) as processes:
        for number in range(1, moves + 1):
            channel = move(backend.store, (other, snapshot)[number % 2], number)
            moved[channel.revision] = channel.moved_at.timestamp()
            # No multiple of any interval, so that every phase of it is met.
            threading.Event().wait(0.23 if moves == MOVES else 2.57)
        threading.Event().wait(3)
        for each in processes:
            each.terminate()
        seen = [[json.loads(line) for line in each.communicate()[0].splitlines()] for each in processes]
    backend.close()
    lags = [_first(sights, revision) - at for sights in seen for revision, at in moved.items()]
    yield Row(GROUP, name, statistics.median(lags))
    yield Row(GROUP, f"{name}, p99", percentile(lags, 0.99), budget="<= 1 s" if "push" in name else "")
    yield Row(GROUP, f"{name}, last", max(lags))


def _first(sights: list[tuple[int, float]], revision: int) -> float:
    """Return when a process first saw a revision or one after it, never if it did not."""
    return min((at for seen, at in sights if seen >= revision), default=math.inf)


@contextmanager
def _watching(url: str) -> Iterator[list[subprocess.Popen[str]]]:
    command = [sys.executable, str(Path(__file__).with_name("pushed_process.py")), url]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)]
    try:
        for each in processes:
            if each.stdout is not None:
                each.stdout.readline()
        threading.Event().wait(3)
        yield processes
    finally:
        for each in processes:
            each.kill()
            each.wait()
