"""
Takes the pictures of the documentation, from the demo's own Airflow and Dagster in a real Chromium.

    make screenshots        about three minutes; writes docs/images/

Called by hand with `airflow` or `dagster` it takes the pictures of that engine only.
"""  # noqa: INP001 - a script, not a package

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "example_dags"))

from playwright.sync_api import FloatRect, Locator, Page, ViewportSize, sync_playwright  # noqa: E402 - the path above

from dagster_runpin import runs_url  # noqa: E402
from demo import on_dagster  # noqa: E402
from demo.configuration import FEES, Demo  # noqa: E402
from demo.dagster_api import DagsterApi, Run  # noqa: E402
from demo.engine import AirflowEngine  # noqa: E402
from demo.on_airflow import DAG  # noqa: E402

IMAGES = ROOT / "docs" / "images"
LARGEST = 300_000
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
DAILY = "payments_daily"
COUNTED = re.compile(r"^\d+ Dag Runs$")
SENSORS = (on_dagster.SENSOR, "reports_config_sensor")
# All steps of a Dagster run in one process: it does not show, and takes half the time.
AT_ONCE: dict[str, Any] = {"execution": {"config": {"in_process": {}}}}
NOBODY = {"RUNPIN_ACTOR": "demo@example.com"} | {
    f"GIT_{role}_{part}": value
    for role in ("AUTHOR", "COMMITTER")
    for part, value in (("NAME", "Demo"), ("EMAIL", "demo@example.com"))
}
"""Who commits the sample repository and publishes it, instead of whoever takes the pictures."""
PATIENCE = 60_000
"""Milliseconds a page may take."""


def main() -> None:
    """Take the pictures, one engine after the other: both at once are too much for two cores."""
    engines = {"airflow": take_on_airflow, "dagster": take_on_dagster}
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("engine", nargs="?", choices=engines, help="both by default")
    only = options.parse_args().engine
    IMAGES.mkdir(exist_ok=True)
    os.environ.update(NOBODY)
    for name, take in engines.items():
        if only in {None, name}:
            with tempfile.TemporaryDirectory(prefix="runpin-screenshots-") as folder:
                demo = Demo(Path(folder))
                demo.create()
                take(demo, Path(folder) / name)


# Airflow


def take_on_airflow(demo: Demo, home: Path) -> None:
    """Run the demo's DAGs before and after a change, and take the pictures."""
    dags = ROOT / "example_dags" / "airflow"
    with AirflowEngine(home, dags, environment=demo.environment) as engine:
        first, second = before_and_after(demo, engine)
        with browser_page() as page:
            picture_run_list(page, engine.url, second)
            picture_run(page, engine.url, "night-2", second)
            picture_config_tab(page, engine.url, "night-2")
            picture_applications(page, engine.url)
            demo.runpin("override", "night-3", "--snapshot", first, "--reason", "the partner sent small batches again")
            picture_override(page, engine.url, "night-3")
            demo.runpin("rollback", "payments", "--environment", "prod", "--reason", "batches of 250 are too slow")
            picture_problems(page, engine.url)


def before_and_after(demo: Demo, engine: AirflowEngine) -> tuple[str, str]:
    """Run a night and a day on each of two configurations, and one more of both; return the two snapshots."""
    first = str(demo.runpin("channel", "show", "payments", "--environment", "prod")["snapshot"])
    for dag in (DAG, DAILY):
        engine.api.unpause(dag)
    run_both(engine, 1)
    second = demo.change()
    # The scheduler looks every two seconds; a run that starts before that keeps what was live when it looked.
    time.sleep(3)
    run_both(engine, 2)
    run_both(engine, 3)
    return first, second


def run_both(engine: AirflowEngine, number: int) -> None:
    """Run the long DAG and the small one."""
    engine.api.trigger(DAG, f"night-{number}", conf={"closing_seconds": 1})
    engine.api.wait_for_run(DAG, f"night-{number}", timeout=240.0)
    engine.api.trigger(DAILY, f"day-{number}")
    engine.api.wait_for_run(DAILY, f"day-{number}", timeout=240.0)


def picture_run_list(page: Page, url: str, snapshot: str) -> None:
    """Show every run that used *snapshot*, found as people find it."""
    page.goto(f"{url}/dag_runs")
    page.get_by_text(COUNTED).wait_for(timeout=PATIENCE)
    page.get_by_test_id("add-filter-button").click()
    page.get_by_role("menuitem", name="Conf", exact=True).click()
    page.keyboard.type(snapshot)
    page.keyboard.press("Enter")
    page.get_by_text(f"Conf: {snapshot}").wait_for(timeout=PATIENCE)
    page.get_by_text("4 Dag Runs", exact=True).wait_for(timeout=PATIENCE)
    save(page, "airflow-runs-by-config.png")


def picture_run(page: Page, url: str, run: str, snapshot: str) -> None:
    """Show one run, whose note is the *snapshot* it keeps."""
    page.goto(f"{url}/dags/{DAG}/runs/{run}")
    page.get_by_text(snapshot, exact=True).wait_for(timeout=PATIENCE)
    page.get_by_text("7 Task Instances", exact=True).wait_for(timeout=PATIENCE)
    save(page, "airflow-run-note.png")


def picture_config_tab(page: Page, url: str, run: str) -> None:
    """Show what one run uses, and what the run before it had instead."""
    page.goto(f"{url}/dags/{DAG}/runs/{run}")
    page.get_by_role("link", name="Config", exact=True).click(timeout=PATIENCE)
    page.get_by_role("button", name="Diff to the previous run").click(timeout=PATIENCE)
    page.locator(".runpin").get_by_role("table").wait_for(timeout=PATIENCE)
    save(page, "airflow-config-tab.png")


def picture_applications(page: Page, url: str) -> None:
    """Show what is live, and the history of one application."""
    page.goto(f"{url}/plugin/runpin")
    page.get_by_role("button", name="History of payments, channel stable").click(timeout=PATIENCE)
    page.locator(".runpin").get_by_role("table").nth(1).wait_for(timeout=PATIENCE)
    save(page, "airflow-config-applications.png")


def picture_override(page: Page, url: str, run: str) -> None:
    """Show the Snapshot that somebody named for one run, and that waits for its next clear."""
    page.goto(f"{url}/dags/{DAG}/runs/{run}")
    page.get_by_role("link", name="Config", exact=True).click(timeout=PATIENCE)
    page.locator(".runpin").get_by_text("the partner sent small batches again").wait_for(timeout=PATIENCE)
    save(page, "airflow-override.png")


def picture_problems(page: Page, url: str) -> None:
    """Show what Airflow's dashboard says after a rollback."""
    page.goto(url)
    page.locator(".runpin-strip").get_by_role("listitem").first.wait_for(timeout=PATIENCE)
    save(page, "airflow-config-problems.png")


# Dagster


def take_on_dagster(demo: Demo, home: Path) -> None:
    """Change a document, and take pictures of what is out of date, and of the runs that made it up to date."""
    with on_dagster.engine(demo, home) as engine:
        second = out_of_date(demo, engine.api)
        with browser_page(width=1180, height=760, scale=2.0) as page:
            picture_asset_graph(page, engine.url)
        up_to_date(engine.api, second)
        with browser_page(width=1500, height=900, scale=2.0) as page:
            picture_dagster_runs(page, engine.url, second)


def out_of_date(demo: Demo, api: DagsterApi) -> str:
    """Make every asset, change a document, and let Dagster see that; return the second snapshot."""
    # Their first look sees where the channels stand. The second one shall come after the first picture.
    for sensor in SENSORS:
        api.start_sensor(sensor)
        api.wait_for_tick(sensor, timeout=on_dagster.IN_TIME)
        api.stop_sensor(sensor)
    finish(api, api.launch(on_dagster.JOB, run_config=AT_ONCE))
    second = demo.change(FEES, "card: 1.4", "card: 1.9")
    finish(api, api.launch(assets=["config/payments/etl", "config/payments/fees"], run_config=AT_ONCE))
    return second


def up_to_date(api: DagsterApi, second: str) -> None:
    """Let the sensor make what is out of date, make everything by hand, and do that again."""
    api.start_sensor(SENSORS[0])
    wanted = {on_dagster.SNAPSHOT: second}
    [found] = api.wait_for(lambda: api.runs(wanted), on_dagster.IN_TIME, lambda: "the sensor launched nothing")
    finish(api, found)
    by_hand = finish(api, api.launch(on_dagster.JOB, run_config=AT_ONCE))
    finish(api, api.reexecute(by_hand.id))


def finish(api: DagsterApi, run: Run) -> Run:
    """Return *run* when it has succeeded."""
    ended = api.wait_for_run(run.id, timeout=on_dagster.IN_TIME)
    if ended.status != "SUCCESS":
        raise SystemExit(f"{ended.job} ended as {ended.status}")
    return ended


def picture_asset_graph(page: Page, url: str) -> None:
    """Show the assets, the documents that they depend on, and which asset is out of date."""
    page.goto(f"{url}/locations/__repository__@definitions/asset-groups/payments/lineage")
    page.get_by_text("Hide navigation").click(timeout=PATIENCE)
    page.reload()  # the graph takes the room that it finds
    page.get_by_text("Unsynced (1)").wait_for(timeout=PATIENCE)
    nodes = page.locator("foreignObject")
    nodes.filter(has_text="Materialized").nth(3).wait_for(timeout=PATIENCE)
    save(page, "dagster-asset-graph.png", around(nodes.all(), 24.0))


def picture_dagster_runs(page: Page, url: str, snapshot: str) -> None:
    """Show every run that used *snapshot*."""
    page.goto(runs_url(url, snapshot))
    page.get_by_text("Hide navigation").click(timeout=PATIENCE)
    rows = page.get_by_text("View all tags")
    rows.nth(2).wait_for(timeout=PATIENCE)
    # From the filter to the last row, without the column of buttons.
    corners = [page.locator(".BaseTag").filter(has_text="Tag is"), page.get_by_text("Duration", exact=True), rows.last]
    save(page, "dagster-runs-by-config.png", around(corners, 10.0))


# Both


@contextmanager
def browser_page(width: int = 1440, height: int = 900, scale: float = 1.0) -> Iterator[Page]:
    """Return an empty page in light colours, with *scale* dots of the picture for each of the page."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        raise SystemExit(f"none of {', '.join(BROWSERS)} is on PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-proxy-server"])
        size = ViewportSize(width=width, height=height)
        page = browser.new_page(
            viewport=size, device_scale_factor=scale, locale="en-GB", timezone_id="UTC", color_scheme="light"
        )
        yield page
        browser.close()


def around(shown: Iterable[Locator], margin: float) -> FloatRect:
    """Return the part of the page that holds all of *shown*, and *margin* around it."""
    boxes = [box for each in shown if (box := each.bounding_box()) is not None]
    left, top = min(box["x"] for box in boxes) - margin, min(box["y"] for box in boxes) - margin
    right = max(box["x"] + box["width"] for box in boxes) + margin
    bottom = max(box["y"] + box["height"] for box in boxes) + margin
    return FloatRect(x=left, y=top, width=right - left, height=bottom - top)


def save(page: Page, name: str, part: FloatRect | None = None) -> None:
    """Write the picture of the page, or of a *part* of it, once the page has come to rest."""
    page.wait_for_load_state("networkidle", timeout=PATIENCE)
    page.mouse.move(720, 880)
    file = IMAGES / name
    page.screenshot(path=file, animations="disabled", caret="hide", clip=part)
    if file.stat().st_size > LARGEST:
        raise SystemExit(f"{file} has {file.stat().st_size} bytes, more than {LARGEST}")


if __name__ == "__main__":
    main()
