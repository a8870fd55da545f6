"""What people do to runs in Airflow: clear them in whole or in part, name a Snapshot, fill days in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from demo.processes import wait_until
from pinned_airflow import PinnedAirflow, Published
from runpin.assembly import Runpin
from runpin.clock import SystemClock
from runpin.engines import Engines
from runpin.engines.work import Task, Written
from runpin.impact import plan, reached
from runpin.model import Scope, SnapshotId
from runpin.overrides import OverrideKind
from runpin.overriding import Wish

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

LATEST, KEEP, NONSENSE, DAILY = "repeated_latest", "repeated_keep", "repeated_nonsense", "repeated_daily"


class AtNoonOf(SystemClock):
    """A clock that stands at noon of a day of January 2026."""

    def __init__(self, day: int) -> None:
        self._now = datetime(2026, 1, day, 12, tzinfo=UTC)

    def now(self) -> datetime:
        """Return that moment."""
        return self._now


@pytest.fixture(scope="module")
def airflow(pinned_airflow: PinnedAirflow) -> PinnedAirflow:
    """Return the engine with the DAGs of this module; `dated` has a history of two days."""
    for day in (5, 7):
        with Runpin(pinned_airflow.core.settings, AtNoonOf(day)) as then:
            Published(then, pinned_airflow.published.numbers).publish("dated")
    pinned_airflow.published.publish("again")
    pinned_airflow.add_dags(LATEST, KEEP, NONSENSE)
    return pinned_airflow


def said(airflow: PinnedAirflow, dag_id: str, run_id: str) -> list[tuple[str, int]]:
    """Return what each task of a finished run said, in order: the snapshot and the epoch."""
    airflow.finish(dag_id, run_id)
    found = [airflow.api.xcom(dag_id, run_id, task) for task in ("first", "second")]
    return [(each["snapshot"], each["epoch"]) for each in found]


def ran(airflow: PinnedAirflow, dag_id: str, run_id: str) -> str:
    """Let a run end, and return its snapshot."""
    airflow.start(dag_id, run_id)
    airflow.open_gate(run_id, "second")
    (one, other) = said(airflow, dag_id, run_id)

    assert one == other
    return one[0]


def closed_again(airflow: PinnedAirflow, run_id: str) -> None:
    """Close the gate between the two tasks."""
    (airflow.folder / "reports" / f"{run_id}.second").unlink()


def waits_at_the_gate(airflow: PinnedAirflow, dag_id: str, run_id: str) -> None:
    """Wait until the first task has ended once more."""
    assert wait_until(lambda: airflow.api.task_instances(dag_id, run_id, "first")[0]["state"] == "success", 120, 0.2)


def name(airflow: PinnedAirflow, run_id: str, snapshot: Any, kind: OverrideKind = OverrideKind.PINNED) -> None:
    """Let Ada name what a run shall use next."""
    overriding = airflow.core.overriding
    overriding.name_for(Wish(overriding.pin_of(run_id, "again", "prod"), snapshot, kind, "ada", "to repair March"))


def asked_engines(airflow: PinnedAirflow) -> Engines:
    """Return the way to the engine for who asks it about runs."""
    return Engines(airflow.engine.url, airflow.api.send("GET", "/auth/token")["access_token"])


def test_a_whole_clear_under_latest_gets_the_latest_and_keeps_to_it(airflow: PinnedAirflow) -> None:
    """Though the channel moves once more between its tasks."""
    first = ran(airflow, LATEST, "whole")
    second = str(airflow.published.publish("again"))
    closed_again(airflow, "whole")
    airflow.api.clear_run(LATEST, "whole")
    waits_at_the_gate(airflow, LATEST, "whole")
    airflow.published.publish("again")
    airflow.open_gate("whole", "second")

    assert [(second, 1)] * 2 == said(airflow, LATEST, "whole")
    assert first != second


def test_a_part_of_a_run_keeps_what_the_rest_has(airflow: PinnedAirflow) -> None:
    """And says so in its log; what the listener wrote tells why."""
    first = ran(airflow, LATEST, "part")
    airflow.published.publish("again")
    airflow.api.clear(LATEST, "part", ["second"])
    kept = said(airflow, LATEST, "part")
    log = airflow.api.task_log(LATEST, "part", "second", 2)

    assert [(first, 0)] * 2 == kept
    assert {"number": 1, "whole": False} == airflow.carried(LATEST, "part")["rerun"]
    assert any("must not end up with two snapshots" in str(record.get("event")) for record in log)


def test_what_was_named_is_taken_by_the_next_clear(airflow: PinnedAirflow) -> None:
    """Once: the clear after that goes back. A part of the run does not take it, and says who named what."""
    first = ran(airflow, KEEP, "named")
    second = airflow.published.publish("again")
    name(airflow, "named", second, OverrideKind.ONCE)
    airflow.api.clear(KEEP, "named", ["second"])
    airflow.finish(KEEP, "named", "failed")
    failure = airflow.failure(KEEP, "named", "second", 2)
    airflow.api.clear_run(KEEP, "named")
    taken = said(airflow, KEEP, "named")
    airflow.api.clear_run(KEEP, "named")
    back = said(airflow, KEEP, "named")

    assert "RepinRefused" in failure
    assert "ada named" in failure
    assert [(str(second), 1)] * 2 == taken
    assert [(first, 2)] * 2 == back


def test_a_policy_that_there_is_not_is_told_in_the_task(airflow: PinnedAirflow) -> None:
    """The scheduler starts the run as ever."""
    airflow.start(NONSENSE, "nonsense")
    airflow.finish(NONSENSE, "nonsense", "failed")

    assert "'newest' is not a policy" in airflow.failure(NONSENSE, "nonsense", "first")


def test_a_backfill_of_what_was_live(airflow: PinnedAirflow) -> None:
    """Each day as of its date; before the channel there was nothing, which the task says."""
    airflow.api.wait_for_dag(DAILY)
    since, until = (datetime(2026, 1, day, tzinfo=UTC) for day in (5, 8))
    backfill = airflow.api.backfill(DAILY, since, until, {"runpin": {"backfill": "as_of"}})
    airflow.api.unpause(DAILY)
    days = [run["dag_run_id"] for run in airflow.api.wait_for_backfill(backfill)]
    states = [airflow.api.run(DAILY, day)["state"] for day in days]
    newest = airflow.core.store.channel(Scope("dated", "prod"), "stable")
    seen = [airflow.api.xcom(DAILY, day, "day")["snapshot"] for day in days[1:]]
    (pin,) = airflow.core.ledger.pins_of_run(days[1], DAILY)
    work = asked_engines(airflow).work(pin.run)

    assert ["failed", "success", "success", "success"] == states
    assert "did not exist at 2026-01-05" in airflow.failure(DAILY, days[0], "day")
    assert [seen[0], seen[0], str(newest.snapshot)] == seen
    assert seen[0] != str(newest.snapshot)
    assert work is not None
    assert ("2026-01-06T00:00:00Z", True) == (work.logical_date, work.interval is not None)


def test_what_a_snapshot_reached_is_repeated(airflow: PinnedAirflow) -> None:
    """
    Airflow tells what the run worked on, and understands the request of the plan: it uses what was named for it.

    Once the run is deleted, Airflow knows none.
    """
    first = ran(airflow, KEEP, "reached")
    second = airflow.published.publish("again")
    runs = reached(airflow.core.ledger, SnapshotId.parse(first))
    (found,) = [each for each in runs if each.pin.run.run_id == "reached"]
    (step,) = plan([found], second, "bad rows")
    airflow.published.publish("again")
    name(airflow, "reached", second)
    engines = asked_engines(airflow)
    before = engines.work(found.pin.run)
    engines.ask(step.run.engine, step.path, step.body)
    repeated = said(airflow, KEEP, "reached")
    after = engines.work(found.pin.run)
    airflow.delete(KEEP, "reached")

    assert [(str(second), 1)] * 2 == repeated
    assert before is not None
    assert {Task("first", None, 1, "success"), Task("second", None, 1, "success")} == set(before.tasks)
    assert ("success", (Written("repeated_rows", "repeated_rows", None, "second"),)) == (before.state, before.written)
    assert after is not None
    assert {2} == {task.tries for task in after.tasks}
    assert engines.work(found.pin.run) is None
