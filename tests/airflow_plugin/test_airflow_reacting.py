"""DAGs that a real Airflow starts when configuration changes, and a triggerer that is killed meanwhile."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import pytest

from demo.airflow_rest import AirflowRefused
from demo.processes import wait_until
from heard_airflow import wait_until_heard
from pinned_airflow import PinnedAirflow
from runpin.model import Scope
from runpin.proposing import KEY
from runpin.reactions import ReactionKey

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

DAG = "reacting_to_config"
LATER = "reacting_later"
REACTION = ReactionKey("airflow", "default", "assets", Scope("reports", "prod"))
PATIENCE = 120.0


def told(airflow: PinnedAirflow) -> list[dict[str, Any]]:
    """Return what was told to the asset of `reports/etl`, in order."""
    try:
        events = airflow.api.asset_events()
    except AirflowRefused as refused:
        # Airflow's SQLite refuses whoever reads while others write for long; it is asked again.
        if refused.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            raise
        return []
    payloads = [event["extra"].get("payload") for event in events if event["extra"].get("from_trigger")]
    return [payload for payload in payloads if payload["application"] == "reports"]


def wait_for_revision(airflow: PinnedAirflow, revision: int) -> None:
    """Wait until the move to *revision* was told."""
    assert wait_until(lambda: any(each["revision"] == revision for each in told(airflow)), PATIENCE), (
        f"revision {revision}"
    )


def wait_for_first_sight(airflow: PinnedAirflow) -> None:
    """Wait until a triggerer has looked at the channel once: what moves later is a move."""

    def seen() -> bool:
        newest = airflow.core.backend.reactions.newest(REACTION)
        return newest is not None and newest.outcome is not None

    assert wait_until(seen, PATIENCE), airflow.engine.logs("triggerer", tail=60)


def watch(airflow: PinnedAirflow) -> None:
    """Let runs of the DAG start, and wait until its asset is watched."""
    airflow.add_dags(DAG)
    # Airflow watches the assets of DAGs that were not paused when it read their file, which it does seldom here.
    (airflow.engine.dags / "reacting.py").touch()
    wait_for_first_sight(airflow)


def revision_of(airflow: PinnedAirflow) -> int:
    """Return the channel's revision."""
    return airflow.core.store.channel(REACTION.scope, "stable").revision


def test_a_change_starts_a_run_that_reads_it(pinned_airflow: PinnedAirflow) -> None:
    """The event names the Snapshot, the run is pinned to it, and Airflow shows which event started which run."""
    airflow = pinned_airflow
    airflow.published.publish("reports")
    watch(airflow)
    moved = airflow.published.publish("reports")
    wait_for_revision(airflow, revision_of(airflow))
    assert wait_until(lambda: bool(airflow.api.runs(DAG)), PATIENCE), "a run"
    run = airflow.finish(DAG, airflow.api.runs(DAG)[-1]["dag_run_id"])

    assert "asset_triggered" == run["run_type"]
    (came,) = airflow.api.xcom(DAG, run["dag_run_id"], "what_came")
    assert {"snapshot": str(moved), "changed": ["reports/etl"]}.items() <= came.items()
    assert [str(moved)] == [str(pin.snapshot) for pin in airflow.pins(DAG, run["dag_run_id"])]


def test_a_killed_triggerer_neither_loses_nor_repeats_a_move(pinned_airflow: PinnedAirflow) -> None:
    """Each event begins where the one before it ended, wherever the triggerer died."""
    airflow = pinned_airflow
    airflow.published.publish("reports")
    watch(airflow)
    begun = len(told(airflow))
    for wait_for_the_event in (False, True, True):
        airflow.published.publish("reports")
        if wait_for_the_event:
            # Airflow has stored the event, and tells the trigger so a second or two later.
            wait_for_revision(airflow, revision_of(airflow))
        airflow.engine.kill("triggerer")
        airflow.published.publish("reports")
        airflow.engine.restart("triggerer")
        wait_for_revision(airflow, revision_of(airflow))
    came = told(airflow)[max(begun - 1, 0) :]
    revisions = [each["revision"] for each in came]

    assert sorted(set(revisions)) == revisions
    assert [each["snapshot"] for each in came[:-1]] == [each["since"] for each in came[1:]]


def test_a_task_waits_in_the_triggerer(pinned_airflow: PinnedAirflow) -> None:
    """It takes no worker's place while nothing changes, and goes on with what came."""
    airflow = pinned_airflow
    newest = airflow.published.publish("reports")
    airflow.add_dags(LATER)
    # The scheduler may not have seen the newest yet, and a run that has an older one need not wait.
    airflow.start(LATER, "w1", {KEY: {"pins": {"reports": str(newest)}}})

    def states() -> list[str]:
        return [str(task["state"]) for task in airflow.api.task_instances(LATER, "w1")]

    assert wait_until(lambda: states() == ["deferred"], PATIENCE), (states(), airflow.engine.logs("scheduler", tail=60))
    # The triggerer may be quicker than the news that the task's first process has ended.
    wait_until_heard(airflow.engine, LATER, "w1", [("wait", -1, 1)])
    moved = airflow.published.publish("reports")
    airflow.finish(LATER, "w1")

    assert str(moved) == airflow.api.xcom(LATER, "w1", "wait")["snapshot"]
    (pin,) = airflow.pins(LATER, "w1")
    assert newest == pin.snapshot
