"""
Takes the pictures of the documentation, from the demo's own Airflow in a real Chromium.

    make screenshots        about a minute; writes docs/images/
"""  # noqa: INP001 - a script, not a package

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "example_dags"))

from playwright.sync_api import Page, sync_playwright  # noqa: E402 - the path above comes first

from demo.configuration import Demo  # noqa: E402
from demo.engine import AirflowEngine  # noqa: E402
from demo.on_airflow import DAG  # noqa: E402

IMAGES = ROOT / "docs" / "images"
LARGEST = 300_000
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
DAILY = "payments_daily"
COUNTED = re.compile(r"^\d+ Dag Runs$")
PATIENCE = 60_000
"""Milliseconds a page may take."""


def main() -> None:
    """Run the demo's DAGs before and after a change, and take the pictures."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="runpin-screenshots-") as folder:
        demo = Demo(Path(folder))
        demo.create()
        dags = ROOT / "example_dags" / "airflow"
        with AirflowEngine(Path(folder) / "airflow", dags, environment=demo.environment) as engine:
            second = before_and_after(demo, engine)
            with browser_page() as page:
                picture_run_list(page, engine.url, second)
                picture_run(page, engine.url, "night-2", second)


def before_and_after(demo: Demo, engine: AirflowEngine) -> str:
    """Run a night and a day on each of two configurations, and one more of both; return the second snapshot."""
    for dag in (DAG, DAILY):
        engine.api.unpause(dag)
    run_both(engine, 1)
    second = demo.change()
    run_both(engine, 2)
    run_both(engine, 3)
    return second


def run_both(engine: AirflowEngine, number: int) -> None:
    """Run the long DAG and the small one."""
    engine.api.trigger(DAG, f"night-{number}", conf={"closing_seconds": 1})
    engine.api.wait_for_run(DAG, f"night-{number}", timeout=240.0)
    engine.api.trigger(DAILY, f"day-{number}")
    engine.api.wait_for_run(DAILY, f"day-{number}", timeout=240.0)


@contextmanager
def browser_page() -> Iterator[Page]:
    """Return an empty page of 1440 x 900 in light colours."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        raise SystemExit(f"none of {', '.join(BROWSERS)} is on PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-proxy-server"])
        size = {"width": 1440, "height": 900}
        page = browser.new_page(viewport=size, locale="en-GB", timezone_id="UTC", color_scheme="light")  # type: ignore[arg-type]
        yield page
        browser.close()


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


def save(page: Page, name: str) -> None:
    """Write the picture once the page has come to rest."""
    page.wait_for_load_state("networkidle", timeout=PATIENCE)
    page.mouse.move(720, 880)
    file = IMAGES / name
    page.screenshot(path=file, animations="disabled", caret="hide")
    if file.stat().st_size > LARGEST:
        raise SystemExit(f"{file} has {file.stat().st_size} bytes, more than {LARGEST}")


if __name__ == "__main__":
    main()
