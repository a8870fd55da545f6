"""The part of the demo on Airflow: a change half-way through a run."""

from __future__ import annotations

import time
from dataclasses import dataclass
from urllib.parse import urlencode

from rich.table import Table

from demo.configuration import Demo, console
from demo.engine import AirflowEngine

DAG = "payments_nightly"
OPERATORS = "payments_with_operators"
CHILD = "payments_daily"
FINISHED_IN_TIME = 240.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What one task of one run says it read."""

    run: str
    task: str
    snapshot: str
    batch_size: int | None


def walk(demo: Demo, engine: AirflowEngine, first: str) -> tuple[str, dict[str, str]]:
    """Run twice with a change in between; return the second snapshot and which run expects which."""
    api = engine.api
    for dag in (DAG, OPERATORS, CHILD):
        api.unpause(dag)
    api.trigger(DAG, "night-1")
    _wait_until_half_way(engine)
    console.print("\n[bold]night-1 is half-way. The configuration changes now.[/bold]")
    second = demo.change()
    _wait_until_proposed(engine, second)
    api.trigger(DAG, "night-2", conf={"closing_seconds": 1})
    api.trigger(OPERATORS, "day-2")
    console.print("\nnight-2 starts, with a run of operators beside it. Waiting for all of them.")
    expected = {"night-1": first, "night-2": second}
    for run in expected:
        state = api.wait_for_run(DAG, run, timeout=FINISHED_IN_TIME)["state"]
        if state != "success":
            raise SystemExit(f"{run} ended as {state}; see {engine.home / 'logs'}")
    api.wait_for_run(OPERATORS, "day-2", timeout=FINISHED_IN_TIME)
    return second, expected


def _wait_until_half_way(engine: AirflowEngine) -> None:
    deadline = time.monotonic() + FINISHED_IN_TIME
    while time.monotonic() < deadline:
        states = {task["task_id"]: task["state"] for task in engine.api.task_instances(DAG, "night-1")}
        if states.get("extract") == "success":
            return
        time.sleep(0.5)
    raise SystemExit("night-1 did not get half-way in time")


def _wait_until_proposed(engine: AirflowEngine, snapshot: str) -> None:
    """Start small runs until one is given *snapshot*: the scheduler looks at channels now and then."""
    deadline = time.monotonic() + FINISHED_IN_TIME
    while time.monotonic() < deadline:
        run = engine.api.trigger(CHILD)["dag_run_id"]
        conf = engine.api.wait_for_run(CHILD, run, {"running", "success", "failed"})["conf"] or {}
        if conf.get("runpin", {}).get("pins", {}).get("payments") == snapshot:
            return
    raise SystemExit(f"the scheduler did not see {snapshot} in time")


def seen_by(engine: AirflowEngine, run: str) -> list[Seen]:
    """Collect what every task of *run* says it read."""
    api = engine.api
    found = []
    for task in api.task_instances(DAG, run):
        name, index = task["task_id"], task["map_index"]
        if name == "closing_time":
            continue
        value = api.xcom(DAG, run, name, map_index=index)
        label = f"{name}[{index}]" if index >= 0 else name
        label += f" (try {task['try_number']})" if task["try_number"] > 1 else ""
        said = value if isinstance(value, dict) else {"snapshot": value}
        found.append(Seen(run, label, said["snapshot"], said.get("batch_size")))
    return found


def show(seen: list[Seen]) -> None:
    """Print runs, tasks and what they read."""
    table = Table("run", "task", "snapshot", "batch size")
    for line in seen:
        table.add_row(line.run, line.task, line.snapshot, "" if line.batch_size is None else str(line.batch_size))
    console.print(table)


def check(engine: AirflowEngine, seen: list[Seen], expected: dict[str, str]) -> None:
    """Stop with an error unless every task read its run's snapshot and the filter finds exactly these runs."""
    for run, snapshot in expected.items():
        read = {line.snapshot for line in seen if line.run == run}
        if read != {snapshot}:
            raise SystemExit(f"{run} should have read {snapshot} only, and read {sorted(read)}")
        found = {found["dag_run_id"] for found in engine.api.runs(DAG, conf_contains=snapshot)}
        if found != {run}:
            raise SystemExit(f"Airflow's filter for {snapshot} finds {sorted(found)}, not {run}")


def links(engine: AirflowEngine, expected: dict[str, str]) -> None:
    """Print where to click."""
    for run, snapshot in expected.items():
        address = f"{engine.url}/dag_runs?{urlencode({'conf_contains': snapshot})}"
        console.print(f"runs on the configuration of {run}: {address}", soft_wrap=True)
