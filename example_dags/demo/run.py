"""
Shows the whole way once: publish, run, publish again half-way, and find both runs by their configuration.

    make demo            about two minutes; leaves nothing behind
    make demo KEEP=1     keeps Airflow up until Ctrl-C, to click through

It needs nothing but this checkout: a Git repository, SQLite and a real Airflow on loopback, all below `.demo/`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "example_dags"))

from rich.console import Console  # noqa: E402 - the path above comes first
from rich.table import Table  # noqa: E402

from demo.engine import AirflowEngine  # noqa: E402

DAG = "payments_nightly"
OPERATORS = "payments_with_operators"
FINISHED_IN_TIME = 240.0

console = Console(highlight=False)


@dataclass(frozen=True, slots=True)
class Seen:
    """What one task of one run says it read."""

    run: str
    task: str
    snapshot: str
    batch_size: int | None


class Demo:
    """One walk through the demo, below *folder*."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "config"
        self.environment = {
            "RUNPIN_HOME": str(folder / "home"),
            "RUNPIN_ENVIRONMENT": "prod",
            "RUNPIN_REPOSITORY": str(self.config),
            "RUNPIN_REFRESH_INTERVAL": "0.5",
        }

    def runpin(self, *arguments: str) -> Any:
        """Run the command line as a user would, and return what it says as JSON."""
        console.print(f"[dim]$ runpin {' '.join(arguments)}[/dim]")
        command = [str(Path(sys.executable).with_name("runpin")), *arguments, "--json"]
        done = subprocess.run(
            command, env={**os.environ, **self.environment}, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"runpin {arguments[0]} failed:\n{done.stdout}{done.stderr}")
        return json.loads(done.stdout)

    def create(self) -> str:
        """Write the sample config repository and publish it; return the snapshot's id."""
        self.runpin("init", str(self.config))
        return self.publish("first version")

    def publish(self, reason: str) -> str:
        """Publish the config repository to prod and return the snapshot of `payments`."""
        answer = self.runpin("publish", "--environment", "prod", "--reason", reason)
        published = {each["channel"]["application"]: each["snapshot"] for each in answer["published"]}
        return str(published["payments"])

    def change(self) -> str:
        """Commit another batch size for prod, publish it, and return the snapshot's id."""
        overlay = self.config / "environments" / "prod" / "payments" / "etl.yaml"
        overlay.write_text(overlay.read_text().replace("batch_size: 2000", "batch_size: 250"))
        console.print('[dim]$ git commit --all --message "Smaller batches"[/dim]')
        git = ["git", "-C", str(self.config), "-c", "user.name=Demo", "-c", "user.email=demo@example.com"]
        subprocess.run([*git, "commit", "--quiet", "--all", "--message", "Smaller batches"], check=True)
        return self.publish("smaller batches")


def walk(demo: Demo, engine: AirflowEngine, first: str) -> tuple[str, dict[str, str]]:
    """Run twice with a change in between; return the second snapshot and which run expects which."""
    api = engine.api
    for dag in (DAG, OPERATORS, "payments_daily"):
        api.unpause(dag)
    api.trigger(DAG, "night-1")
    _wait_until_half_way(engine)
    console.print("\n[bold]night-1 is half-way. The configuration changes now.[/bold]")
    second = demo.change()
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


def main() -> None:
    """Walk through the demo."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--keep", action="store_true", help="keep Airflow up until Ctrl-C")
    keep = options.parse_args().keep
    began = time.monotonic()
    folder = ROOT / ".demo"
    shutil.rmtree(folder, ignore_errors=True)
    demo = Demo(folder)
    console.print("[bold]A config repository, and its first publication[/bold]")
    first = demo.create()
    console.print("\n[bold]A real Airflow: api-server, dag-processor, scheduler, triggerer[/bold] (20 to 60 seconds)")
    with AirflowEngine(folder / "airflow", ROOT / "example_dags" / "airflow", environment=demo.environment) as engine:
        second, expected = walk(demo, engine, first)
        seen = [line for run in expected for line in seen_by(engine, run)]
        show(seen)
        check(engine, seen, expected)
        console.print(f"[green]night-1 kept {first}; night-2 got {second}.[/green]")
        console.print(f"All of it in {time.monotonic() - began:.0f} seconds.\n")
        links(engine, expected)
        if keep:
            _wait_for_ctrl_c(engine)
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)
        console.print("\nAirflow is down again. `make demo KEEP=1` keeps it up, so that the links open.")


def _wait_for_ctrl_c(engine: AirflowEngine) -> None:
    console.print(f"\nAirflow stays at {engine.url} until Ctrl-C.")
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        console.print("Stopping.")


if __name__ == "__main__":
    main()
