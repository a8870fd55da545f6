"""
Whatever goes wrong with runpin's store or settings, the web server and the daemon go on, and nobody waits.

Every test makes trouble for both, launches runs as people and sensors do, and looks at the daemon's health.
"""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from dagster_runpin.coordinator import PATIENCE
from dagster_stage import DagsterEngines
from demo.dagster_engine import DAEMON, WEBSERVER
from pinned_dagster import LABEL, PinnedDagster, pinned_dagster
from postgres_server import PostgresServer
from runpin.model import Asked

if TYPE_CHECKING:
    from demo.dagster_api import Run

pytestmark = [pytest.mark.engine, pytest.mark.postgres, pytest.mark.timeout(300)]

SLACK = PATIENCE + 2.0
"""Seconds by which a launch may be slower than before: the first one of a process waits for a look, none for the 5
seconds that a call to a store takes which hangs."""

WARNINGS = ("runpin cannot see the channels", "runpin proposes nothing")


@pytest.fixture(scope="module")
def dagster(
    dagster_engines: DagsterEngines, tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer
) -> Iterator[PinnedDagster]:
    """Return an engine with our coordinator, whose store is a server, and whose sensor asks for no run yet."""
    url = postgres_server.url(postgres_server.create_database())
    with pinned_dagster(dagster_engines, tmp_path_factory.mktemp("pinned"), store=url) as pinned:
        yield pinned


@pytest.fixture(scope="module")
def usual(dagster: PinnedDagster) -> float:
    """Return how many seconds a launch takes while all is well, after the first one."""
    dagster.finish(dagster.api.launch("reading"))
    return max(launches(dagster, "bystander", "bystander"))


@pytest.fixture(scope="module")
def silent() -> Iterator[str]:
    """Return the address of a store that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        yield f"postgresql://127.0.0.1:{server.getsockname()[1]}/runpin"


@contextmanager
def standing_still(server: PostgresServer) -> Iterator[None]:
    """Let the server keep its connections, take new ones, and say nothing."""
    server.signal_all(signal.SIGSTOP)
    try:
        yield
    finally:
        server.signal_all(signal.SIGCONT)


@contextmanager
def gone(server: PostgresServer) -> Iterator[None]:
    """Let the server drop all connections, and take no new one."""
    server.stop(signal.SIGQUIT)
    try:
        yield
    finally:
        server.start()


def launches(dagster: PinnedDagster, *jobs: str) -> list[float]:
    """Launch *jobs*, wait until they are over, and return how many seconds each launch took."""
    took, runs = [], []
    for job in jobs:
        begun = time.monotonic()
        runs.append(dagster.api.launch(job))
        took.append(time.monotonic() - begun)
    for run in runs:
        dagster.finish(run)
    return took


def unharmed(dagster: PinnedDagster, usual: float, gate: str) -> Run:
    """Check that runs, sensors, schedules and launches are what they were; return the run that a sensor asked for."""
    begun = time.time()
    dagster.open_gate(gate)
    took = launches(dagster, "bystander", "reading")
    [run] = dagster.wait_for_runs({"by": gate})
    dagster.api.wait_for_tick("looking", lambda tick: tick.timestamp > begun and tick.status in {"SKIPPED", "SUCCESS"})
    required = {name: daemon for name, daemon in dagster.api.daemons().items() if daemon.required}
    print(f"launches took at most {usual:.2f} s, and {max(took):.2f} now")  # noqa: T201 - a measurement

    assert {"SENSOR", "SCHEDULER", "QUEUED_RUN_COORDINATOR"} <= set(required)
    assert [] == [name for name, daemon in required.items() if not daemon.healthy or daemon.errors]
    assert usual + SLACK > max(took)
    return run


@contextmanager
def said_once(dagster: PinnedDagster) -> Iterator[None]:
    """Check that both processes complain about runpin once meanwhile."""

    def complaints() -> list[int]:
        logs = [dagster.engine.logs(component) for component in (WEBSERVER, DAEMON)]
        return [sum(log.count(text) for text in WARNINGS) for log in logs]

    before = complaints()
    yield

    assert [1, 1] == [now - then for now, then in zip(complaints(), before, strict=True)]


def test_a_store_that_stops_answering(dagster: PinnedDagster, usual: float, postgres_server: PostgresServer) -> None:
    """Runs show and use what was seen last, which this host has on its disk; the ledger hears of it later."""
    with said_once(dagster):
        with standing_still(postgres_server):
            run = unharmed(dagster, usual, "sensor-still")
        with gone(postgres_server):
            took = launches(dagster, "bystander", "reading")
    [seen] = dagster.seen(run)

    assert usual + SLACK > max(took)
    assert {str(dagster.published[-1])} == {run.tags[LABEL], seen.snapshot, seen.shown}
    assert () == dagster.core.ledger.pins_of_run(run.id)


@pytest.mark.parametrize("trouble", ["a silent store", "wrong settings"])
def test_trouble_from_the_start(dagster: PinnedDagster, usual: float, silent: str, trouble: str) -> None:
    """Both processes start with it, propose nothing, and say so once; runs decide at their first read."""
    settings = {"RUNPIN_STORE": silent} if trouble == "a silent store" else {"RUNPIN_ENVIRONMENT": "NOT A NAME"}
    with said_once(dagster):
        for component in (DAEMON, WEBSERVER):
            dagster.engine.restart(component, settings)
        run = unharmed(dagster, usual, f"sensor-{trouble.replace(' ', '-')}")

    assert (Asked.CHANNEL, None) == (dagster.one_snapshot(run, bypassing=True).asked, dagster.seen(run)[0].shown)
