"""Without a listener, or without proposals, runs carry nothing and hold together all the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pinned_airflow import PinnedAirflow
from runpin.model import Asked

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

PAIR = "pinned_pair"
SWITCHED_OFF = ("listener", "proposals")

LISTENER = """
from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin


class Assigns:
    @hookimpl
    def on_dag_run_running(self, dag_run):
        if dag_run.dag_id == "assigned":
            seen = {
                "tags": sorted(dag_run.dag.tags),
                "clear_number": dag_run.clear_number,
                "scheduled_before": dag_run.last_scheduling_decision is not None,
            }
            dag_run.conf = {**(dag_run.conf or {}), "assigned": [*(dag_run.conf or {}).get("assigned", ()), seen]}
            dag_run.note = "assigned"


class Assigning(AirflowPlugin):
    name = "assigning"
    listeners = [Assigns()]
"""

DAG = """
from airflow.sdk import dag, task


@dag(schedule=None, tags=["a", "b"])
def assigned():
    @task
    def first(**context):
        return dict(context["dag_run"].conf)

    first()


assigned()
"""


def switch_off(airflow: PinnedAirflow, what: str | None) -> None:
    """Switch the listener off with Airflow's configuration, or proposals with runpin's, or nothing."""
    wanted = {
        airflow.engine.home / "airflow.cfg": "[runpin]\nenable_listener = False\n" if what == "listener" else "",
        airflow.folder / "home" / "settings.toml": "propose = false\n" if what == "proposals" else "",
    }
    if wanted != {file: file.read_text() if file.exists() else "" for file in wanted}:
        for file, text in wanted.items():
            file.write_text(text)
        airflow.engine.restart("scheduler")


@pytest.fixture(scope="module")
def airflow(pinned_airflow: PinnedAirflow) -> Iterator[PinnedAirflow]:
    """Return the engine, whose configuration changes, with a plugin that the next scheduler will load."""
    plugins: Path = pinned_airflow.engine.home / "plugins"
    plugins.mkdir(exist_ok=True)
    (plugins / "assigning.py").write_text(LISTENER)
    (pinned_airflow.engine.dags / "assigned.py").write_text(DAG)
    with pinned_airflow.published.changing():
        pinned_airflow.add_dags(PAIR, "assigned")
        yield pinned_airflow
        (plugins / "assigning.py").unlink()
        switch_off(pinned_airflow, None)


@pytest.fixture(scope="module", params=SWITCHED_OFF)
def without(airflow: PinnedAirflow, request: pytest.FixtureRequest) -> str:
    """Switch the listener or proposals off, and say which."""
    switch_off(airflow, request.param)
    return str(request.param)


def test_a_run_that_carries_nothing_sees_one_snapshot(airflow: PinnedAirflow, without: str) -> None:
    """Its first read decides, from where the channel stands."""
    run_id = f"without-{without}"
    airflow.start(PAIR, run_id)
    run = airflow.finish(PAIR, run_id)
    pin = airflow.one_snapshot(PAIR, run_id)

    assert ({}, None) == (run["conf"] or {}, run["note"])
    assert Asked.CHANNEL is pin.asked


def test_a_run_that_is_created_again_is_told_from_the_first(airflow: PinnedAirflow, without: str) -> None:
    """No listener has written a token, so the moment the run was due tells them apart."""
    run_id = f"again-without-{without}"
    pins = []
    for _ in range(2):
        airflow.start(PAIR, run_id)
        airflow.finish(PAIR, run_id)
        pins.append(airflow.one_snapshot(PAIR, run_id))
        airflow.delete(PAIR, run_id)

    assert pins[0].snapshot.sequence < pins[1].snapshot.sequence


@pytest.mark.parametrize("without", ["listener"], indirect=True)
def test_a_listener_may_reassign_conf(airflow: PinnedAirflow, without: str) -> None:
    """
    What `runpin` relies on although Airflow does not promise it, shown with a listener that has nothing to do with it.

    If this fails with a new Airflow, proposals are lost there: runs still see one snapshot, but carry no label.
    """
    del without
    airflow.start("assigned", "a1", {"given": 1})
    first = airflow.finish("assigned", "a1")
    returned = airflow.api.xcom("assigned", "a1", "first")
    airflow.api.clear_run("assigned", "a1")
    second = airflow.finish("assigned", "a1")
    seen = [
        {"tags": ["a", "b"], "clear_number": 0, "scheduled_before": False},
        {"tags": ["a", "b"], "clear_number": 1, "scheduled_before": False},
    ]

    assert {"given": 1, "assigned": seen[:1]} == first["conf"], "Airflow lost what a listener assigned to dag_run.conf"
    assert first["conf"] == returned, "the first task did not see what a listener assigned to dag_run.conf"
    assert "assigned" == first["note"], "Airflow lost what a listener assigned to dag_run.note"
    assert seen == (second["conf"] or {})["assigned"], "Airflow calls listeners differently for a cleared run"


@pytest.mark.parametrize("without", ["proposals"], indirect=True)
def test_a_run_keeps_its_snapshot_when_proposals_come_back(airflow: PinnedAirflow, without: str) -> None:
    """Marked as queued by hand, it starts again under a listener that would propose; its tasks have decided by then."""
    del without
    airflow.start(PAIR, "requeued")
    airflow.finish(PAIR, "requeued")
    before = airflow.one_snapshot(PAIR, "requeued")
    switch_off(airflow, None)
    airflow.api.call("PATCH", f"/dags/{PAIR}/dagRuns/requeued", {"state": "queued"})
    airflow.finish(PAIR, "requeued")
    airflow.api.clear(PAIR, "requeued", ["read_again"])
    airflow.finish(PAIR, "requeued")

    assert before == airflow.one_snapshot(PAIR, "requeued")
