"""
A real Chromium for tests of web pages.

It is the system's own: nothing is downloaded from a vendor, and a missing one is installed with apt-get where we may.
"""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from playwright.sync_api import Page, Request, WebSocket, expect, sync_playwright

from system_packages import installed

_log = logging.getLogger(__name__)

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

_COUNTED = re.compile(r"^\d+\+? Dag Runs?$")
_RUN = re.compile(r"/runs/([0-9a-f-]{36})")

_PATIENCE = 60_000
"""Milliseconds in which a page has to show what it is expected to, and to let us click; a busy machine needs some."""

_LOOPBACK = frozenset({"127.0.0.1", "localhost"})

_QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--disable-domain-reliability",
    "--disable-gpu",
    "--disable-sync",
    "--metrics-recording-only",
    "--no-first-run",
    "--no-proxy-server",
    # Every name but loopback fails to resolve, so a page that wants the internet is found out.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)


@pytest.fixture(scope="session")
def chromium() -> Path:
    """Return the system's Chromium; without one, and without the right to install it, the test is skipped."""
    found = installed("chromium", _on_path, update=True)
    if found is None:
        pytest.skip(f"no Chromium: none of {', '.join(_NAMES)} is on PATH and apt-get could not install it")
    return found


@pytest.fixture
def browser_page(chromium: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    """
    Return an empty page, 1440 x 900, in a browser that has never been anywhere.

    What the page throws, and what the browser could not load, is logged, so pytest shows it when the test fails.
    """
    name = request.node.name
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, headless=True, args=list(_QUIET))
        expect.set_options(timeout=_PATIENCE)
        page = browser.new_page(viewport={"width": 1440, "height": 900}, locale="en-GB", timezone_id="UTC")
        page.set_default_timeout(_PATIENCE)
        page.on("pageerror", lambda error: _log.warning("%s: %s", name, error))
        page.on("requestfailed", lambda failed: _log.warning("%s: %s %s", name, failed.url, failed.failure))
        yield page
        browser.close()


@pytest.fixture
def foreign_requests(browser_page: Page) -> list[str]:
    """Return a list that grows by each address beyond loopback that the page asks for; none of them is reached."""
    asked: list[str] = []

    def note(wanted: Request | WebSocket) -> None:
        host = urlsplit(wanted.url).hostname
        # What is inline, or made by the page itself, has no host.
        if host is not None and host not in _LOOPBACK:
            asked.append(wanted.url)

    browser_page.on("request", note)
    browser_page.on("websocket", note)
    return asked


def listed_run_ids(page: Page, airflow_url: str, conf_contains: str) -> list[str]:
    """Open Airflow's run list, filtered by *conf_contains*, and return the run ids it shows, newest run first."""
    query = urlencode({"conf_contains": conf_contains})
    page.goto(f"{airflow_url}/dag_runs?{query}")
    # The heading counts the runs once they have arrived; until then the table holds grey placeholders.
    page.get_by_text(_COUNTED).wait_for()
    cells = page.get_by_test_id("table-list").get_by_test_id("table-cell-dag_run_id")
    return [cell.inner_text().strip() for cell in cells.all()]


def dagster_run_ids(page: Page) -> list[str]:
    """Return the ids of the runs that Dagster's runs page shows at this moment, newest first."""
    links = page.locator('a[href^="/runs/"]').evaluate_all("links => links.map(link => link.getAttribute('href'))")
    return list(dict.fromkeys(found[1] for link in links if (found := _RUN.fullmatch(link))))


def _on_path() -> Path | None:
    found = filter(None, map(shutil.which, _NAMES))
    return next(map(Path, found), None)
