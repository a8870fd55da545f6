"""Whatever launches a run on a real Dagster: it has one Snapshot, and shows it before its first step where it can."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dagster_stage import DagsterEngines
from pinned_dagster import PATHS, PinnedDagster, pinned_dagster
from runpin.model import Asked

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

MODULE = ("-m", str(PATHS.code), "-d", str(PATHS.folder))


@pytest.fixture(scope="module")
def dagster(dagster_engines: DagsterEngines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PinnedDagster]:
    """Return the engine with our coordinator, while the configuration changes."""
    with pinned_dagster(dagster_engines, tmp_path_factory.mktemp("pinned")) as pinned, pinned.changing():
        yield pinned


def test_steps_that_are_processes(dagster: PinnedDagster) -> None:
    """Two begin at once, one is tried twice, one fails and is executed again by another run."""
    failed = dagster.finish(dagster.api.launch("parallel"), "FAILURE")
    again = dagster.finish(dagster.api.reexecute(failed.id, from_failure=True))
    dagster.one_snapshot(failed, again)

    assert {"first": 2, "beside": 1, "last": 1} == {key: step.attempts for key, step in failed.steps.items()}
    assert 5 == len({seen.pid for seen in dagster.seen(failed, again)})
    assert [] == dagster.corrections(failed, again)


def test_a_sensor(dagster: PinnedDagster) -> None:
    """Its run shows its snapshot from the start."""
    dagster.open_gate("sensor")
    [run] = dagster.wait_for_runs({"by": "sensor"})

    assert Asked.PROPOSAL == dagster.one_snapshot(run).asked


def test_automatic_retries_keep_the_snapshot(dagster: PinnedDagster) -> None:
    """Dagster launches two more runs, and all three are one piece of work."""
    first = dagster.finish(dagster.api.launch("retried"), "FAILURE")
    second = dagster.wait_for_retry(first, "FAILURE")
    third = dagster.wait_for_retry(second)

    assert ["1", "2"] == [run.tags["dagster/retry_number"] for run in (second, third)]
    assert first.id == second.root_id == third.root_id
    assert [Asked.PROPOSAL, Asked.PARENT, Asked.PARENT] == [dagster.pin(run).asked for run in (first, second, third)]
    dagster.one_snapshot(first, second, third)


def test_declarative_automation(dagster: PinnedDagster) -> None:
    """The run that Dagster launches by itself is pinned at its first read: an asset job declares no application."""
    made = dagster.finish(dagster.api.launch(assets=["cause"]))
    [automatic, *_] = dagster.wait_for_runs({"dagster/sensor_name": "automation"})

    assert (("effect",), True) == (automatic.assets, automatic.id != made.id)
    dagster.one_snapshot(automatic, bypassing=True)


@pytest.mark.parametrize(
    ("arguments", "job"),
    [(("asset", "materialize", "--select", "plain"), "__ASSET_JOB"), (("job", "execute", "-j", "reading"), "reading")],
    ids=["asset materialize", "job execute"],
)
def test_the_command_line(dagster: PinnedDagster, arguments: tuple[str, ...], job: str) -> None:
    """It goes past the coordinator: the first read decides, and writes the label."""
    before = {run.id for run in dagster.api.runs()}
    dagster.command(*arguments, *MODULE)
    after = [run for run in dagster.api.runs(job=job) if run.id not in before]
    [run] = [run for run in after if not {"dagster/schedule_name", "dagster/sensor_name"} & run.tags.keys()]
    pin = dagster.one_snapshot(run, bypassing=True)

    assert (Asked.CHANNEL, None) == (pin.asked, dagster.seen(run)[0].shown)


def test_a_schedule(dagster: PinnedDagster) -> None:
    """Its run shows its snapshot from the start."""
    [run, *_] = dagster.wait_for_runs({"dagster/schedule_name": "each_minute"})

    assert Asked.PROPOSAL == dagster.one_snapshot(run).asked


def test_a_run_that_reads_nothing_shows_nothing(dagster: PinnedDagster) -> None:
    """Runs that do not know of runpin keep their tags and their time."""
    run = dagster.finish(dagster.api.launch("bystander"))

    assert [] == [name for name in run.tags if "runpin" in name]
    assert () == dagster.core.ledger.pins_of_run(run.id)
