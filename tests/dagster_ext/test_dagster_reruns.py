"""What runs use that a real Dagster repeats, backfills or starts for another run, by what their jobs declare."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from dagster_classes import publish
from dagster_stage import DagsterEngines
from demo.dagster_api import Run
from pinned_dagster import LABEL, PINNING, PinnedDagster, pinned_dagster
from runpin.assembly import Runpin
from runpin.engines import Engines
from runpin.engines.work import Task, Work, Written
from runpin.impact import plan, reached
from runpin.model import Asked, SnapshotId
from runpin.testing import FixedClock

pytestmark = [pytest.mark.engine, pytest.mark.timeout(400)]

DECLARING = {**PINNING, "config": {**PINNING["config"], "runpin": {"applications": "payments"}}}


@pytest.fixture(scope="module")
def dagster(dagster_engines: DagsterEngines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PinnedDagster]:
    """Return an engine with our coordinator."""
    with pinned_dagster(dagster_engines, tmp_path_factory.mktemp("pinned"), DECLARING) as pinned:
        yield pinned


def used(dagster: PinnedDagster, *runs: Run) -> list[SnapshotId]:
    """Return the one snapshot that each of *runs* used, showed and has on record."""
    return [dagster.one_snapshot(run, bypassing=True).snapshot for run in runs]


def published_at(dagster: PinnedDagster, moment: str) -> SnapshotId:
    """Publish a version on this day."""
    clock = FixedClock(datetime.fromisoformat(moment).replace(tzinfo=UTC))
    with Runpin(dagster.core.settings, clock) as then:
        return publish(then)


def errors(dagster: PinnedDagster, run: Run) -> str:
    """Return why a run failed."""
    return "\n".join(each.error for each in dagster.api.events(run.id) if each.error)


def test_a_job_that_wants_the_latest(dagster: PinnedDagster) -> None:
    """
    All of it executed again uses the newest, with the parent's tags or without; what failed keeps its snapshot.

    Unless somebody accepts two snapshots in one piece of work. What repeats the whole is the latest of its own time.
    """
    api, before = dagster.api, dagster.published[-1]
    failed = dagster.finish(api.launch("latest"), "FAILURE")
    after = dagster.publish()
    asked = [
        api.reexecute(failed.id),
        api.reexecute(failed.id, parents_tags=False),
        api.reexecute(failed.id, from_failure=True),
        api.reexecute(failed.id, from_failure=True, tags={"runpin.partial": "allow"}),
        api.reexecute(failed.id, tags={"runpin.rerun": "named"}),
    ]
    done = [dagster.finish(run) for run in asked[:4]]
    refused = dagster.finish(asked[4], "FAILURE")

    assert [before, after, after, before, after] == used(dagster, failed, *done)
    assert [Asked.CHANNEL, Asked.CHANNEL, Asked.PARENT, Asked.CHANNEL] == [dagster.pin(run).asked for run in done]
    assert str(before) == asked[2].tags[LABEL]
    assert "RepinRefused" in errors(dagster, refused)


def test_a_retry_after_a_rollback(dagster: PinnedDagster) -> None:
    """
    Where Dagster itself retries all of a run whose snapshot was barred, it uses the channel's, and the log says so.

    Where it retries what failed, two snapshots would make one result, so it is refused.
    """
    bad, api = dagster.publish(), dagster.api
    # Until the coordinator has seen it, it proposes what was there before.
    seen = {"runpin/payments": str(bad)}
    api.wait_for(lambda: dagster.finish(api.launch("reading")).tags.items() >= seen.items(), 120, lambda: "never seen")
    first = [api.launch("retried_whole"), api.launch("retried_in_part")]
    api.wait_for(lambda: len(dagster.seen(*first)) == 4, 120, lambda: f"only {dagster.seen(*first)}")
    good = dagster.publish()
    dagster.core.ledger.bar(bad, actor="ada", reason="test")
    dagster.open_gate("waiting")
    failed = [dagster.finish(run, "FAILURE") for run in first]
    whole, in_part = dagster.wait_for_retry(failed[0]), dagster.wait_for_retry(failed[1], "FAILURE")

    assert [bad, bad, good] == used(dagster, *failed, whole)
    assert [bool(str(bad) in said and str(good) in said) for said in dagster.corrections(whole)] == [True]
    assert "SnapshotQuarantined" in errors(dagster, in_part)
    assert () == dagster.core.ledger.pins_of_run(in_part.id, in_part.job)


def test_backfills(dagster: PinnedDagster) -> None:
    """Each partition by its date; then each by what it had, and one that nobody made yet by the newest."""
    first, second = published_at(dagster, "2026-01-02T00:00"), published_at(dagster, "2026-01-04T12:00")
    newest = dagster.publish()
    dated = dagster.backfill(["dated"], ["2026-01-04", "2026-01-05"], tags={"runpin.backfill": "as_of"})
    latest = dagster.publish()
    again = dagster.backfill(
        ["dated"], ["2026-01-04", "2026-01-05", "2026-01-06"], tags={"runpin.backfill": "original"}
    )
    by_partition = [
        {run.tags["dagster/partition"]: used(dagster, run)[0] for run in done.runs} for done in (dated, again)
    ]

    assert newest not in by_partition[0].values()
    assert {"2026-01-04": first, "2026-01-05": second} == by_partition[0]
    # What its coordinator has seen of the channel when the backfill begins is the newest, or the one before.
    assert by_partition[1].pop("2026-01-06") in {newest, latest}
    assert by_partition[0] == by_partition[1]


def test_a_backfill_that_is_repeated(dagster: PinnedDagster) -> None:
    """Under `latest` all of it gets a new snapshot, one for all its runs."""
    first = dagster.backfill(["parted"], ["a", "b"], tags={"runpin.rerun": "latest"})
    dagster.publish()
    again = dagster.api.wait_for_backfill(dagster.api.repeat_backfill(first.id))
    before, after = (dagster.one_snapshot(*each.runs, bypassing=True).snapshot for each in (first, again))

    assert ([2, 2], "COMPLETED_SUCCESS") == ([len(each.runs) for each in (first, again)], again.status)
    assert before != after


def test_a_backfill_by_date_of_what_has_none(dagster: PinnedDagster) -> None:
    """It is refused with what to do instead, and before the channel existed there was nothing."""
    api = dagster.api
    started = [
        api.backfill(["parted"], ["a"], {"runpin.backfill": "as_of"}),
        api.backfill(["dated"], ["2026-01-01"], {"runpin.backfill": "as_of"}),
    ]
    runs = [api.wait_for_backfill(each).runs[0] for each in started]
    said = [errors(dagster, run) for run in runs]

    assert "no time belongs to the partition 'a'" in said[0]
    assert "did not exist at 2026-01-01" in said[1]


def test_a_run_that_another_one_starts(dagster: PinnedDagster) -> None:
    """With the tags that the other one hands on it uses the same, though the channel has moved; also by a sensor."""
    parent = dagster.finish(dagster.api.launch("parent"))
    newest = dagster.publish()
    handed = dagster.folder / "reports" / "handed"
    launched = dagster.api.launch("reading", tags=json.loads(handed.read_text()))
    handed.rename(handed.with_name("sensor_child"))
    [asked] = dagster.wait_for_runs({"by": "sensor_child"})
    pin = dagster.one_snapshot(parent, dagster.finish(launched), asked)

    assert newest != pin.snapshot
    assert [Asked.PARENT] * 2 == [dagster.pin(run).asked for run in (launched, asked)]


def test_what_a_snapshot_reached_is_repeated(dagster: PinnedDagster) -> None:
    """
    Dagster tells what the run worked on, and understands the request of the plan: the new run uses what it names.

    A run that it does not know is none of its own.
    """
    run = dagster.finish(dagster.api.launch(assets=["parted"], partition="c"))
    (before,), after = used(dagster, run), dagster.publish()
    found = [each for each in reached(dagster.core.ledger, before) if each.pin.run.run_id == run.id]
    (step,) = plan(found, after, "bad rows")
    dagster.publish()
    engines = Engines(dagster=dagster.engine.url)
    work = engines.work(found[0].pin.run)
    engines.ask(step.run.engine, step.path, step.body)
    (again,) = dagster.wait_for_runs({"dagster/parent_run_id": run.id})

    assert [after] == used(dagster, dagster.finish(again))
    written = (Written("parted", None, "c", "parted"),)
    assert Work("SUCCESS", (Task("parted", None, 1, "SUCCESS"),), written, ("c",)) == work
    assert engines.work(replace(found[0].pin.run, run_id=str(uuid4()))) is None
