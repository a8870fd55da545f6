"""Which runs used this configuration? People ask Airflow's own run list, and it answers exactly."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count

import pytest
from playwright.sync_api import Page, expect

from browser import listed_run_ids
from demo.processes import wait_until
from pinned_airflow import PinnedAirflow
from runpin.model import SnapshotId

pytestmark = [pytest.mark.engine, pytest.mark.browser, pytest.mark.timeout(600)]

DAGS = """
from airflow.sdk import dag, task

from airflow_provider_runpin import get_config


@task
def read(*applications):
    return [get_config(f"{name}/etl")["number"] for name in applications]


@dag(schedule=None, tags=["config:invoices"])
def invoicing():
    read("invoices")


@dag(schedule=None, tags=["config:invoices", "config:voices"])
def calling():
    read("invoices", "voices")


invoicing()
calling()
"""

Runs = Mapping[SnapshotId, list[str]]


@pytest.fixture(scope="module")
def airflow(pinned_airflow: PinnedAirflow) -> PinnedAirflow:
    """Return the engine with the DAGs of this module."""
    (pinned_airflow.engine.dags / "listed.py").write_text(DAGS)
    for dag_id in ("invoicing", "calling"):
        pinned_airflow.api.unpause(dag_id)
    return pinned_airflow


@pytest.fixture(scope="module")
def runs(airflow: PinnedAirflow) -> Runs:
    """
    Run on versions whose ids resemble each other, and return the run ids by snapshot, as the ledger has them.

    There are v1, v10 and v11 of one application, v1 of another whose name is the end of the first one's, runs that
    use both, a run that chose v1 when v11 was the newest, and runs without configuration.
    """
    voices = airflow.published.publish("voices")
    versions = [airflow.published.publish("invoices")]
    # A run that starts before the scheduler has seen them is pinned, and carries no label.
    airflow.wait_until_proposed(versions[0])
    _run_on(airflow, "invoicing", "first", versions[0])
    _run_on(airflow, "calling", "both", versions[0])
    versions += [airflow.published.publish("invoices") for _ in range(9)]
    _run_on(airflow, "invoicing", "tenth", versions[-1])
    versions.append(airflow.published.publish("invoices"))
    _run_on(airflow, "invoicing", "eleventh", versions[-1])
    airflow.start("invoicing", "back-to-first", {"runpin": {"pins": {"invoices": str(versions[0])}}})
    airflow.finish("invoicing", "back-to-first")
    return {each: _pinned_to(airflow, each) for each in (versions[0], versions[9], versions[10], voices)}


def _run_on(airflow: PinnedAirflow, dag_id: str, prefix: str, snapshot: SnapshotId) -> None:
    """Run until a run has *snapshot*: the scheduler learns of a new version within a moment, not at once."""
    numbers = count(1)

    def has_it() -> bool:
        run_id = f"{prefix}-{next(numbers)}"
        airflow.start(dag_id, run_id)
        airflow.finish(dag_id, run_id)
        return run_id in _pinned_to(airflow, snapshot)

    assert wait_until(has_it, 180.0, pause=0.2)


def _pinned_to(airflow: PinnedAirflow, snapshot: SnapshotId) -> list[str]:
    return sorted(pin.run.run_id for pin in airflow.core.ledger.runs_of(snapshot).pins)


def test_the_versions_were_used(runs: Runs) -> None:
    """The ids resemble each other, and each has runs."""
    versions = [snapshot.sequence for snapshot in runs if snapshot.application == "invoices"]

    assert [1, 10, 11] == versions
    assert all(runs.values())
    assert "back-to-first" in next(iter(runs.values()))


@pytest.mark.parametrize("place", range(4))
def test_the_address_of_a_snapshot_lists_its_runs(
    airflow: PinnedAirflow, runs: Runs, browser_page: Page, place: int
) -> None:
    """A link with the id shows the runs that the ledger knows, and no other."""
    snapshot, expected = list(runs.items())[place]
    listed = listed_run_ids(browser_page, airflow.engine.url, str(snapshot))

    assert expected == sorted(listed)


def test_the_filter_menu_finds_them_too(airflow: PinnedAirflow, runs: Runs, browser_page: Page) -> None:
    """Filter, Conf, the id, Enter: nobody has to know an address."""
    snapshot, expected = next(iter(runs.items()))
    browser_page.goto(f"{airflow.engine.url}/dag_runs")
    browser_page.get_by_test_id("add-filter-button").click()
    browser_page.get_by_role("menuitem", name="Conf", exact=True).click()
    # The field takes the keyboard a moment after the menu has closed.
    expect(browser_page.locator("input:focus")).to_be_visible()
    browser_page.keyboard.type(str(snapshot))
    browser_page.keyboard.press("Enter")
    expect(browser_page.get_by_text(f"{len(expected)} Dag Runs", exact=True)).to_be_visible()
    cells = browser_page.get_by_test_id("table-list").get_by_test_id("table-cell-dag_run_id")

    assert expected == sorted(cell.inner_text().strip() for cell in cells.all())


def test_the_page_of_a_run_names_its_snapshot(airflow: PinnedAirflow, runs: Runs, browser_page: Page) -> None:
    """The note stands in its head; a run of two applications names both."""
    first, voices = next(iter(runs)), list(runs)[-1]
    for dag_id, run_id, note in (
        ("invoicing", "back-to-first", f"{first}"),
        ("calling", runs[voices][-1], f"{first} {voices}"),
    ):
        browser_page.goto(f"{airflow.engine.url}/dags/{dag_id}/runs/{run_id}")
        expect(browser_page.get_by_text(note, exact=True)).to_be_visible()
