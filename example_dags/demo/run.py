"""
Shows the whole way once, on both engines: publish, run, publish again, and find runs by their configuration.

    make demo            about two minutes; leaves nothing behind
    make demo KEEP=1     keeps each engine up until Ctrl-C, to click through

It needs nothing but this checkout: a Git repository, SQLite, and a real Airflow and a real Dagster on loopback, all
below `.demo/`.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "example_dags"))

from demo import on_airflow, on_dagster  # noqa: E402 - the path above comes first
from demo.configuration import Demo, console  # noqa: E402
from demo.engine import AirflowEngine  # noqa: E402

FOLDER = ROOT / ".demo"


def main() -> None:
    """Walk through the demo, one engine after the other: both at once are too much for two cores."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--keep", action="store_true", help="keep each engine up until Ctrl-C")
    keep = options.parse_args().keep
    began = time.monotonic()
    shutil.rmtree(FOLDER, ignore_errors=True)
    demo = Demo(FOLDER)
    console.print("[bold]A config repository, and its first publication[/bold]")
    first = demo.create()
    show_mistake(demo)
    show_airflow(demo, first, keep=keep)
    show_dagster(demo, keep=keep)
    console.print(f"All of it in {time.monotonic() - began:.0f} seconds.")
    if not keep:
        shutil.rmtree(FOLDER, ignore_errors=True)
        console.print("Both engines are down again. `make demo KEEP=1` keeps them up, so that the links open.")


def show_mistake(demo: Demo) -> None:
    """Make a mistake, and see that it would reach no run."""
    console.print("\n[bold]A mistake, before it is committed[/bold]")
    found = demo.mistake()
    for each in found:
        console.print(f"  {each['document']}#{each['pointer']}: {each['message']}  [dim]{each['rule']}[/dim]")
    denied = {each["rule"] for each in found if each["severity"] == "error"}
    if not {"gate/empty", "gate/references"} <= denied:
        raise SystemExit(f"the gates should have denied it, and said {sorted(denied)}")
    console.print("[green]It is refused, and so it would be when it is published.[/green]")


def show_airflow(demo: Demo, first: str, *, keep: bool) -> None:
    """Change the configuration half-way through a DAG run."""
    console.print("\n[bold]A real Airflow: api-server, dag-processor, scheduler, triggerer[/bold] (20 to 60 seconds)")
    dags = ROOT / "example_dags" / "airflow"
    with AirflowEngine(FOLDER / "airflow", dags, environment=demo.environment) as airflow:
        second, expected = on_airflow.walk(demo, airflow, first)
        seen = [line for run in expected for line in on_airflow.seen_by(airflow, run)]
        on_airflow.show(seen)
        on_airflow.check(airflow, seen, expected)
        console.print(f"[green]night-1 kept {first}; night-2 got {second}.[/green]\n")
        on_airflow.links(airflow, expected)
        if keep:
            _wait_for_ctrl_c(airflow.url)


def show_dagster(demo: Demo, *, keep: bool) -> None:
    """Change one document, and see which asset the sensor makes anew."""
    console.print("\n[bold]A real Dagster: webserver, daemon, code server[/bold] (10 to 30 seconds)")
    with on_dagster.engine(demo, FOLDER / "dagster") as dagster:
        runs = on_dagster.walk(demo, dagster)
        on_dagster.show(runs)
        on_dagster.check(dagster, runs)
        console.print("[green]Only the asset that reads the changed document was made anew.[/green]\n")
        on_dagster.links(dagster, runs)
        if keep:
            _wait_for_ctrl_c(dagster.url)


def _wait_for_ctrl_c(url: str) -> None:
    console.print(f"\nThe engine stays at {url} until Ctrl-C.")
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        console.print("Going on.")


if __name__ == "__main__":
    main()
