"""The part of the demo on Dagster: a change that concerns one asset of several."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from rich.table import Table

from demo.configuration import FEES, Demo, console
from demo.dagster_api import Run
from demo.dagster_engine import DagsterEngine

DEFINITIONS = Path(__file__).resolve().parents[1] / "dagster" / "definitions.py"
JOB = "payments_daily"
SENSOR = "payments_config_sensor"
SNAPSHOT, REACTION = "runpin/payments", "runpin.reaction"
IN_TIME = 180.0

# The coordinator tags each run before its first step. Without it the first read does.
COORDINATOR: Mapping[str, Any] = {
    "run_coordinator": {
        "module": "dagster_runpin",
        "class": "PinningRunCoordinator",
        "config": {"dequeue_interval_seconds": 1},
    }
}


def engine(demo: Demo, home: Path) -> DagsterEngine:
    """Return a Dagster for the example project, not started yet."""
    return DagsterEngine(home, DEFINITIONS, environment=demo.environment, dagster_yaml=COORDINATOR)


def walk(demo: Demo, dagster: DagsterEngine) -> list[Run]:
    """Make all assets, change one document, and return the run before the change and the sensor's after it."""
    api = dagster.api
    api.start_sensor(SENSOR)
    # The first tick sees where the channel stands; later moves count from there.
    api.wait_for_tick(SENSOR, timeout=IN_TIME)
    daily = api.wait_for_run(api.launch(JOB).id, timeout=IN_TIME)
    if daily.status != "SUCCESS":
        raise SystemExit(f"{JOB} ended as {daily.status}; see {dagster.home}")
    console.print("\n[bold]Every asset is made. One of the documents changes now.[/bold]")
    second = demo.change(FEES, "card: 1.4", "card: 1.9")
    found = api.wait_for(lambda: api.runs({SNAPSHOT: second}), IN_TIME, lambda: "the sensor launched nothing")
    return [daily, api.wait_for_run(found[0].id, timeout=IN_TIME)]


def show(runs: list[Run]) -> None:
    """Print runs, who launched them, what they made, and from which configuration."""
    table = Table("run", "launched by", "assets")
    table.add_column("snapshot", no_wrap=True)
    for run in runs:
        by = "the sensor" if REACTION in run.tags else "hand"
        table.add_row(run.id[:8], by, ", ".join(sorted(run.assets)) or "all", run.tags[SNAPSHOT])
    console.print(table)


def check(dagster: DagsterEngine, runs: list[Run]) -> None:
    """Stop with an error unless the sensor made exactly the asset concerned, and the tag finds exactly its run."""
    daily, reaction = runs
    if (reaction.status, reaction.assets) != ("SUCCESS", ("payments_fees",)):
        raise SystemExit(f"the sensor should have made payments_fees only: {reaction}")
    for run in (daily, reaction):
        found = [each.id for each in dagster.api.runs({SNAPSHOT: run.tags[SNAPSHOT]})]
        if found != [run.id]:
            raise SystemExit(f"Dagster's filter for {run.tags[SNAPSHOT]} finds {found}, not {run.id}")


def links(dagster: DagsterEngine, runs: list[Run]) -> None:
    """Print where to click."""
    for run in runs:
        address = f"{dagster.url}/runs?{urlencode({'q[0]': f'tag:{SNAPSHOT}={run.tags[SNAPSHOT]}'})}"
        console.print(f"runs on {run.tags[SNAPSHOT]}: {address}", soft_wrap=True)
    graph = f"{dagster.url}/locations/__repository__@definitions/asset-groups/payments/lineage"
    console.print(f"assets and the documents they depend on: {graph}", soft_wrap=True)
