"""
Every task of a run sees the run's one Snapshot, while a new version goes live three times a second.

Each task notes down what it reads, in every try. All of that has to agree with the ledger and with XCom.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from demo.processes import wait_until
from pinned_airflow import PinnedAirflow
from runpin.model import Asked

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

PAIR = "pinned_pair"
NIGHTLY = "pinned_nightly"
PINNING = frozenset({"pin", "pin_again"})
"""Tasks that say what they pinned, and read nothing."""

DAGS = (PAIR, NIGHTLY, "pinned_by_asset", "pinned_parent", "pinned_child", "pinned_race", "unpinned")


@pytest.fixture(scope="module")
def airflow(pinned_airflow: PinnedAirflow) -> Iterator[PinnedAirflow]:
    """Return the engine with the DAGs of this module, while the configuration changes."""
    connection = {
        "password": pinned_airflow.core.settings.store_url.get_secret_value(),
        "extra": json.dumps({"environment": "prod"}),
    }
    pinned_airflow.api.create_connection("runpin_in_database", "runpin", **connection)
    with pinned_airflow.published.changing():
        pinned_airflow.add_dags(*DAGS)
        yield pinned_airflow


@pytest.fixture(scope="module")
def backfilled(airflow: PinnedAirflow) -> int:
    """Create a backfill of three days before anything else runs, which is when SQLite lets Airflow do it."""
    airflow.api.wait_for_dag("pinned_daily")
    backfill = airflow.api.backfill("pinned_daily", datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 7, tzinfo=UTC))
    airflow.api.unpause("pinned_daily")
    return backfill


@pytest.fixture(scope="module")
def night(airflow: PinnedAirflow, backfilled: int) -> str:
    """Run the long DAG once, and return its run id."""
    del backfilled
    airflow.start(NIGHTLY, "night")
    airflow.finish(NIGHTLY, "night")
    return "night"


def test_the_check_finds_a_run_without_pins(airflow: PinnedAirflow) -> None:
    """A DAG that follows the channel sees several versions, so what the tests below look for can be seen."""
    airflow.start("unpinned", "follows")
    airflow.finish("unpinned", "follows")
    seen = {line.snapshot for line in airflow.seen("unpinned", "follows")}

    assert (2, ()) == (len(seen), airflow.pins("unpinned", "follows"))


def test_a_long_run_sees_one_snapshot(airflow: PinnedAirflow, night: str) -> None:
    """A retry, a deferral, a reschedule, mapped tasks, templates, hooks and operators agree, and the world moved on."""
    pin = airflow.one_snapshot(NIGHTLY, night, silent=PINNING)

    assert Asked.PROPOSAL is pin.asked
    assert airflow.moved_on(NIGHTLY, night)


@pytest.mark.parametrize(
    ("task_id", "looks"),
    [
        ("flaky", [(-1, 1, ""), (-1, 2, "")]),
        ("deferred", [(-1, 1, "before"), (-1, 1, "after")]),
        ("rescheduled", [(-1, 1, "poke 0"), (-1, 1, "poke 1")]),
        ("part", [(0, 1, "part 1"), (1, 1, "part 2"), (2, 1, "part 3")]),
        ("rendered", [(-1, 1, "template"), (-1, 1, "code")]),
        ("hooked", [(-1, 1, "hook"), (-1, 1, "code")]),
    ],
)
def test_the_long_run_looked_in_every_way(
    airflow: PinnedAirflow, night: str, task_id: str, looks: list[tuple[int, int, str]]
) -> None:
    """The run that agreed with itself did retry, defer, reschedule, map, render and ask a hook."""
    seen = [line for line in airflow.seen(NIGHTLY, night) if line.task_id == task_id]

    assert looks == sorted(((line.map_index, line.try_number, line.where) for line in seen), key=looks.index)


def test_the_operator_leaves_what_it_pinned(airflow: PinnedAirflow, night: str) -> None:
    """With the settings and with a connection from the database it is the run's snapshot."""
    (pin,) = airflow.pins(NIGHTLY, night)
    left = [airflow.api.xcom(NIGHTLY, night, task_id) for task_id in sorted(PINNING)]

    assert [{"payments": str(pin.snapshot)}] * 2 == left


def test_a_cleared_task_sees_the_old_snapshot(airflow: PinnedAirflow, night: str) -> None:
    """One map index that runs again much later reads what the run read before."""
    before = airflow.pins(NIGHTLY, night)
    airflow.api.clear(NIGHTLY, night, [("part", 1)])
    airflow.finish(NIGHTLY, night)

    assert ("part", 1, 2) in {line.attempt for line in airflow.seen(NIGHTLY, night)}
    assert before == (airflow.one_snapshot(NIGHTLY, night, silent=PINNING),)


def test_a_cleared_run_sees_the_old_snapshot(airflow: PinnedAirflow) -> None:
    """When every task runs again, in a run that starts again, nothing changes; the run carries how it was cleared."""
    airflow.start(PAIR, "cleared")
    before = airflow.finish(PAIR, "cleared")["conf"], airflow.one_snapshot(PAIR, "cleared")
    airflow.api.clear_run(PAIR, "cleared")
    conf, pin = airflow.finish(PAIR, "cleared")["conf"] or {}, airflow.one_snapshot(PAIR, "cleared")

    assert {"number": 1, "whole": True} == conf["runpin"].pop("rerun")
    assert conf["runpin"].pop("begun")
    assert before == (conf, pin)
    assert [1, 1, 1, 2, 2, 2] == sorted(line.try_number for line in airflow.seen(PAIR, "cleared"))


def test_all_runs_of_a_backfill_see_one_snapshot(airflow: PinnedAirflow, backfilled: int) -> None:
    """Though the channel moves three times a second while they start."""
    runs = airflow.api.wait_for_backfill(backfilled)
    pins = [airflow.one_snapshot("pinned_daily", run["dag_run_id"]) for run in runs]

    assert (["success"] * 3, 3) == ([run["state"] for run in runs], len(pins))
    assert len({pin.snapshot for pin in pins}) == 1


def test_a_child_run_inherits(airflow: PinnedAirflow) -> None:
    """The child uses its parent's snapshot although the channel stood elsewhere when it started."""
    airflow.start("pinned_parent", "p1")
    airflow.finish("pinned_parent", "p1")
    child = airflow.finish("pinned_child", "child-of-p1")
    parent_pin = airflow.one_snapshot("pinned_parent", "p1", silent=frozenset({"start"}))
    child_pin = airflow.one_snapshot("pinned_child", "child-of-p1")

    assert (parent_pin.snapshot, Asked.PARENT) == (child_pin.snapshot, child_pin.asked)
    assert airflow.published.at(child["start_date"] or "") != parent_pin.snapshot


def test_a_run_that_an_asset_starts_sees_one_snapshot(airflow: PinnedAirflow) -> None:
    """Who starts a run makes no difference."""
    airflow.api.create_asset_event("pinned_rates")
    started = wait_until(lambda: bool(airflow.api.runs("pinned_by_asset")), 120, pause=0.2)

    assert started
    run_id = airflow.api.runs("pinned_by_asset")[0]["dag_run_id"]
    airflow.finish("pinned_by_asset", run_id)

    assert Asked.PROPOSAL is airflow.one_snapshot("pinned_by_asset", run_id).asked


def test_racing_tasks_of_a_run_without_proposal_agree(airflow: PinnedAirflow) -> None:
    """Four processes that decide at once get one answer, and so do their successors after a clear."""
    airflow.start("pinned_race", "race")
    carried = airflow.finish("pinned_race", "race")
    first = airflow.one_snapshot("pinned_race", "race")
    airflow.api.clear_run("pinned_race", "race")
    airflow.finish("pinned_race", "race")

    assert ({}, None) == (carried["conf"] or {}, carried["note"])
    assert Asked.CHANNEL is first.asked
    assert first == airflow.one_snapshot("pinned_race", "race")
    assert 8 == len(airflow.seen("pinned_race", "race"))


def test_a_run_outside_of_the_scheduler_sees_one_snapshot(airflow: PinnedAirflow) -> None:
    """`airflow dags test` calls no listener, so nothing is proposed, and the run holds together all the same."""
    known = {run["dag_run_id"] for run in airflow.api.runs(NIGHTLY)}
    # Otherwise the scheduler helps, which Airflow is not made for.
    airflow.api.patch_dag(NIGHTLY, paused=True)
    airflow.engine.command("dags", "test", NIGHTLY, timeout=280.0)  # a busy machine took more than the usual 180
    (run,) = (run for run in airflow.api.runs(NIGHTLY) if run["dag_run_id"] not in known)
    run_id = run["dag_run_id"]

    assert ("success", {}) == (run["state"], run["conf"] or {})
    assert Asked.CHANNEL is airflow.one_snapshot(NIGHTLY, run_id, silent=PINNING).asked
    assert airflow.moved_on(NIGHTLY, run_id)
