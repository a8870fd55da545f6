"""Which runs used this configuration, and what is out of date? Dagster's own pages answer, and they answer exactly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Locator, Page, expect

from browser import dagster_run_ids
from command_line import CommandLine
from dagster_runpin import runs_url
from demo.configuration import FEES
from demo.on_dagster import COORDINATOR, DEFINITIONS, JOB, SNAPSHOT
from demo.processes import wait_until
from runpin.model import SnapshotId

if TYPE_CHECKING:
    from dagster_stage import DagsterEngines
    from demo.dagster_api import DagsterApi, Run
    from demo.dagster_engine import DagsterEngine
    from runpin.assembly import Runpin

pytestmark = [pytest.mark.engine, pytest.mark.browser, pytest.mark.timeout(300)]

DOCUMENTS = ["config/payments/etl", "config/payments/fees", "config/reports/daily"]
ASSETS = ["payments_extract", "payments_fees", "payments_report", "payments_settlement"]
GRAPH = "/locations/__repository__@definitions/asset-groups/payments/lineage"
CORRECTED = "so its tag runpin/payments was corrected"

# All steps of a run in one process: a test of pages has no need of more.
AT_ONCE: Mapping[str, Any] = {"execution": {"config": {"in_process": {}}}}

PATIENCE = 60_000
"""Milliseconds a page may take."""


@dataclass(frozen=True, slots=True)
class Stage:
    """
    The example project after a change of one document, and the runs before and after it.

    Attributes:
        dagster: the engine.
        core: what reads the same ledger.
        first: the snapshot before the change.
        second: the one after it.
        old: runs on the first: by hand before the change, and the re-execution of one of them after it.
        corrected: a run after the change whose launcher had labelled it with the first snapshot.
        silent: the runs that observed the documents, and use none.
    """

    dagster: DagsterEngine
    core: Runpin
    first: SnapshotId
    second: SnapshotId
    old: tuple[str, ...]
    corrected: str
    silent: tuple[str, ...]

    def runs_of(self, snapshot: SnapshotId) -> list[str]:
        """Return the ids of the runs on *snapshot*, as the ledger has them."""
        return sorted(pin.run.run_id for pin in self.core.ledger.runs_of(snapshot).pins)

    def all_runs(self) -> list[str]:
        """Return the ids of all runs, as Dagster's interface for programs has them."""
        return sorted(run.id for run in self.dagster.api.runs())


@pytest.fixture(scope="module")
def stage(dagster_engines: DagsterEngines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Return the stage; no sensor runs, so nothing is made anew by itself."""
    line = CommandLine(tmp_path_factory.mktemp("published"))
    line.start()
    line.publish()
    environment = {"RUNPIN_HOME": str(line.home), "RUNPIN_ENVIRONMENT": "prod", "RUNPIN_REFRESH_INTERVAL": "0.5"}
    dagster = dagster_engines.start(DEFINITIONS, environment=environment, dagster_yaml=COORDINATOR)
    with line.core() as core:
        yield _played(dagster, line, core)


def _played(dagster: DagsterEngine, line: CommandLine, core: Runpin) -> Stage:
    api, first = dagster.api, line.present()
    # Before the first run: a document that is seen later counts as changed then.
    before = _finished(api, _made(api, DOCUMENTS))
    old = _finished(api, api.launch(JOB, run_config=AT_ONCE), _made(api, ["payments_settlement"]))
    line.commit({FEES: (line.config / FEES).read_text().replace("card: 1.4", "card: 1.9")})
    line.publish()
    mislabelled = api.launch(assets=["payments_extract"], run_config=AT_ONCE, tags={SNAPSHOT: first})
    again, corrected, after = _finished(api, api.reexecute(old[1]), mislabelled, _made(api, DOCUMENTS))
    return Stage(
        dagster,
        core,
        first=SnapshotId.parse(first),
        second=SnapshotId.parse(line.present()),
        old=(*old, again),
        corrected=corrected,
        silent=(*before, after),
    )


def _made(api: DagsterApi, assets: list[str]) -> Run:
    return api.launch(assets=assets, run_config=AT_ONCE)


def _finished(api: DagsterApi, *runs: Run) -> tuple[str, ...]:
    ended = [api.wait_for_run(run.id) for run in runs]

    assert {"SUCCESS"} == {run.status for run in ended}, ended
    return tuple(run.id for run in ended)


@pytest.fixture
def window(browser_page: Page, foreign_requests: list[str]) -> Iterator[Page]:
    """Return a page that may go anywhere on this host, and nowhere else."""
    yield browser_page

    assert [] == foreign_requests


def test_a_request_that_leaves_the_host_is_noticed(browser_page: Page, foreign_requests: list[str]) -> None:
    """What the other tests rely on sees an address elsewhere, and takes none of this host for one."""
    browser_page.set_content('<img src="https://example.org/a.png"><img src="http://127.0.0.1:9/b.png">')

    assert ["https://example.org/a.png"] == foreign_requests


def test_the_runs_page_shows_every_run_until_it_is_filtered(stage: Stage, window: Page) -> None:
    """There are runs on either snapshot, and runs without configuration, so a filter has something to leave out."""
    window.goto(f"{stage.dagster.url}/runs")
    every = stage.all_runs()

    assert sorted(stage.old) == stage.runs_of(stage.first)
    assert stage.corrected in stage.runs_of(stage.second)
    assert sorted([*stage.runs_of(stage.first), *stage.runs_of(stage.second), *stage.silent]) == every
    assert every == _listed(window, every)


@pytest.mark.parametrize("which", ["first", "second"])
def test_the_address_of_a_snapshot_lists_its_runs(stage: Stage, window: Page, which: str) -> None:
    """It shows the runs that the ledger knows and no other, not even the one that was labelled with it at first."""
    snapshot: SnapshotId = getattr(stage, which)
    window.goto(runs_url(stage.dagster.url, snapshot))
    expected = stage.runs_of(snapshot)

    assert expected == _listed(window, expected)


def test_the_filter_box_finds_them_too(stage: Stage, window: Page) -> None:
    """Filter, Tag, its name, the id: nobody has to know an address."""
    window.goto(f"{stage.dagster.url}/runs")
    window.get_by_role("button", name="Filter").click()
    window.get_by_role("menuitem").filter(has_text="Tag").click()
    for typed in (SNAPSHOT, str(stage.first)):
        window.keyboard.type(typed)
        window.get_by_role("menuitem").filter(has=window.locator(f'[data-tooltip="{typed}"]')).first.click()
    expected = stage.runs_of(stage.first)

    assert expected == _listed(window, expected)


def test_the_tag_of_a_run_narrows_the_list(stage: Stage, window: Page) -> None:
    """Pointing at it offers to filter by it; the list, whole before, then holds the runs of that snapshot only."""
    window.goto(f"{stage.dagster.url}/runs")
    every, expected = stage.all_runs(), stage.runs_of(stage.second)
    whole = _listed(window, every)
    window.get_by_text(str(stage.second)).first.hover()
    window.get_by_text("Add tag to filter").click()
    narrowed = _listed(window, expected)

    assert (every, expected) == (whole, narrowed)
    assert quote(f"{SNAPSHOT}={stage.second}", safe="") in window.url


def test_the_graph_shows_what_a_change_made_out_of_date(stage: Stage, window: Page) -> None:
    """One document changed, so the asset that reads it is unsynced, and no other; nothing is once that is made anew."""
    _open_graph(window, stage)
    stale = _unsynced(window, ["payments_fees"])
    # What is made from it is made with it, or it would be out of date next.
    _finished(stage.dagster.api, _made(stage.dagster.api, ["payments_fees", "payments_report"]))
    _open_graph(window, stage)

    assert ["payments_fees"] == stale
    assert [] == _unsynced(window, [])


@pytest.mark.parametrize(("asset", "which"), [("payments_extract", "second"), ("payments_settlement", "first")])
def test_the_page_of_an_asset_names_the_snapshot_that_made_it(
    stage: Stage, window: Page, asset: str, which: str
) -> None:
    """Its latest materialisation holds the id, and the digest of each document that was read."""
    snapshot: SnapshotId = getattr(stage, which)
    window.goto(f"{stage.dagster.url}/assets/{asset}")
    digest = stage.dagster.api.materialization(asset).metadata["runpin/payments/etl"]

    expect(_entry(window, SNAPSHOT)).to_contain_text(str(snapshot), timeout=PATIENCE)
    expect(_entry(window, "runpin/payments/etl")).to_contain_text(digest, timeout=PATIENCE)


def test_the_page_of_a_run_reports_a_corrected_label(stage: Stage, window: Page) -> None:
    """Its log tells what the label said and what the run uses; a run whose label was right has no such line."""
    _open_log(window, stage, stage.corrected)
    line = window.get_by_text(f"this run uses {stage.second}, {CORRECTED}")
    expect(line).to_be_visible(timeout=PATIENCE)
    expect(line).to_contain_text(str(stage.first))
    _open_log(window, stage, stage.old[1])
    expect(window.get_by_text(str(stage.first)).first).to_be_visible(timeout=PATIENCE)
    expect(window.get_by_text(CORRECTED)).to_have_count(0)


def _listed(page: Page, expected: list[str]) -> list[str]:
    """Return the runs that the runs page shows, which after a filter takes a moment to become *expected*."""
    wait_until(lambda: expected == sorted(dagster_run_ids(page)), PATIENCE / 1000, pause=0.2)
    return sorted(dagster_run_ids(page))


def _open_graph(page: Page, stage: Stage) -> None:
    """Open the assets of the example as a graph, and wait until it has heard how each of them stands."""
    with page.expect_response(lambda answer: "op=AssetStaleStatusDataQuery" in answer.url, timeout=PATIENCE):
        page.goto(stage.dagster.url + GRAPH)
    page.wait_for_load_state("networkidle", timeout=PATIENCE)
    expect(_nodes(page).filter(has_text="Materialized")).to_have_count(len(ASSETS), timeout=PATIENCE)


def _unsynced(page: Page, expected: list[str]) -> list[str]:
    """Return the assets of the graph that are marked as out of date, which may be drawn after all has arrived."""
    nodes = {asset: _nodes(page).filter(has=page.get_by_text(asset, exact=True)) for asset in ASSETS}

    def marked() -> list[str]:
        return [asset for asset, node in nodes.items() if "Unsynced" in (node.text_content() or "")]

    wait_until(lambda: expected == marked(), PATIENCE / 1000, pause=0.2)
    return marked()


def _nodes(page: Page) -> Locator:
    return page.locator("foreignObject")


def _entry(page: Page, key: str) -> Locator:
    """Return the row of the metadata *key* on the page of an asset."""
    return page.get_by_role("row").filter(has=page.get_by_text(key, exact=True))


def _open_log(page: Page, stage: Stage, run: str) -> None:
    """Open the page of a run, and leave of its log what names the label: Dagster renders only what fits."""
    page.goto(f"{stage.dagster.url}/runs/{run}")
    page.get_by_placeholder("Filter…").fill(SNAPSHOT, timeout=PATIENCE)
