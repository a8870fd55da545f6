"""
Whatever goes wrong with runpin's store or settings, the web server and the daemon go on, and nobody waits.

Every test makes trouble for both, launches runs as people and sensors do, and looks at the daemon's health.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from dagster_stage import DagsterEngines
from demo.dagster_engine import DAEMON, WEBSERVER
from pinned_dagster import LABEL, PINNING, QUEUE, PinnedDagster, pinned_dagster
from postgres_server import PostgresServer
from runpin.model import Asked

if TYPE_CHECKING:
    from demo.dagster_api import Run

pytestmark = [pytest.mark.engine, pytest.mark.postgres, pytest.mark.timeout(300)]

CALL = 15
"""Seconds that a call of the coordinator takes to a store which hangs. A launch that waits for none takes less than one
on an idle machine, and on the busiest one less than this."""

STORE = "STORE_OF_THE_COORDINATOR"
"""The variable that names it: runs have a store of their own, and the usual patience with it."""

COORDINATOR = {**PINNING, "config": {**QUEUE, "runpin": {"store": {"env": STORE}}}}

WARNINGS = ("runpin cannot see the channels", "runpin proposes nothing")


@pytest.fixture(scope="module")
def dagster(
    dagster_engines: DagsterEngines, tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer
) -> Iterator[PinnedDagster]:
    """Return an engine with our coordinator, whose store is a server, and whose sensor asks for no run yet."""
    url = postgres_server.url(postgres_server.create_database())
    variables = {STORE: patient(url)}
    folder = tmp_path_factory.mktemp("pinned")
    with pinned_dagster(dagster_engines, folder, COORDINATOR, store=url, variables=variables) as pinned:
        launches(pinned, "reading")
        yield pinned


@pytest.fixture(scope="module")
def silent() -> Iterator[str]:
    """Return the address of a store that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        yield f"postgresql://127.0.0.1:{server.getsockname()[1]}/runpin"


def patient(url: str) -> str:
    """Return the address of the same store for somebody who waits for it as long as `CALL`."""
    return f"{url}?connect_timeout={CALL}"


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


def unharmed(dagster: PinnedDagster, gate: str) -> Run:
    """Check that runs, sensors, schedules and launches are what they were; return the run that a sensor asked for."""
    begun = time.time()
    dagster.open_gate(gate)
    took = launches(dagster, "bystander", "reading")
    [run] = dagster.wait_for_runs({"by": gate})
    dagster.api.wait_for_tick("looking", lambda tick: tick.timestamp > begun and tick.status != "FAILURE")
    required = {name: daemon for name, daemon in dagster.api.daemons().items() if daemon.required}
    print(f"launches took at most {max(took):.2f} s")  # noqa: T201 - a measurement

    assert {"SENSOR", "SCHEDULER", "QUEUED_RUN_COORDINATOR"} <= set(required)
    assert [] == [name for name, daemon in required.items() if not daemon.healthy or daemon.errors]
    assert max(took) < CALL
    return run


@contextmanager
def said_once(dagster: PinnedDagster) -> Iterator[None]:
    """Check that both processes complain about runpin once meanwhile."""

    def complaints() -> list[int]:
        logs = [dagster.engine.logs(component) for component in (WEBSERVER, DAEMON)]
        return [sum(log.count(text) for text in WARNINGS) for log in logs]

    before = complaints()

    def new() -> list[int]:
        return [now - then for now, then in zip(complaints(), before, strict=True)]

    yield
    dagster.api.wait_for(lambda: all(new()), 120.0, lambda: f"only {new()} complaints")

    assert [1, 1] == new()


def test_a_store_that_stops_answering(dagster: PinnedDagster, postgres_server: PostgresServer) -> None:
    """Runs show and use what was seen last, which this host has on its disk; the ledger hears of it later."""
    with said_once(dagster), postgres_server.back_afterwards():
        with postgres_server.standing_still():
            run = unharmed(dagster, "sensor-still")
            # Without a moment in which it answers, after which there would be something new to complain about.
            postgres_server.kill()
        launches(dagster, "bystander", "reading")
    [seen] = dagster.seen(run)

    assert {str(dagster.published[-1])} == {run.tags[LABEL], seen.snapshot, seen.shown}
    assert () == dagster.core.ledger.pins_of_run(run.id)


@pytest.mark.parametrize("trouble", ["a silent store", "wrong settings"])
def test_trouble_from_the_start(dagster: PinnedDagster, silent: str, trouble: str) -> None:
    """Both processes start with it, propose nothing, and say so once; runs decide at their first read."""
    settings = {STORE: patient(silent)} if trouble == "a silent store" else {"RUNPIN_ENVIRONMENT": "NOT A NAME"}
    with said_once(dagster):
        for component in (DAEMON, WEBSERVER):
            dagster.engine.restart(component, settings)
        run = unharmed(dagster, f"sensor-{trouble.replace(' ', '-')}")

    assert (Asked.CHANNEL, None) == (dagster.one_snapshot(run, bypassing=True).asked, dagster.seen(run)[0].shown)
