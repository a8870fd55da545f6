"""What the tests of the provider ask of an engine through its REST interface works as they expect."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from demo.airflow_rest import AirflowRefused, AirflowTooSlow
from demo.engine import AirflowEngine
from demo.processes import wait_until
from heard_airflow import wait_until_heard

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

DAGS = """
from datetime import datetime

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.providers.standard.triggers.file import FileTrigger
from airflow.sdk import Asset, BaseOperator, dag, task

RATES = Asset("rates")


@task
def say(**context):
    print("said by", context["run_id"])
    return dict(context["dag_run"].conf)


@task
def double(number):
    return number * 2


@dag(schedule=None)
def spread():
    double.expand(number=[1, 2, 3]) >> say()


@dag(schedule=None)
def parent():
    TriggerDagRunOperator(
        task_id="start",
        trigger_dag_id="child",
        trigger_run_id="child-of-{{ run_id }}",
        conf={"pin": "{{ dag_run.conf.pin }}"},
    )


@dag(schedule=None)
def child():
    say()


@dag(schedule=None)
def writer():
    @task(outlets=[RATES])
    def write(*, outlet_events):
        outlet_events[RATES].extra = {"version": 7}

    write()


@dag(schedule=[RATES])
def reader():
    @task
    def read(*, triggering_asset_events):
        return [event.extra for event in triggering_asset_events[RATES]]

    read()


class Patient(BaseOperator):
    def execute(self, context):
        self.defer(trigger=FileTrigger(filepath=__file__ + ".go", poke_interval=0.2), method_name="resume")

    def resume(self, context, event):
        return event


@dag(schedule=None)
def patient():
    Patient(task_id="wait")


@dag(schedule="@daily", start_date=datetime(2026, 1, 1), catchup=False)
def daily():
    say()


for one in (spread, parent, child, writer, reader, patient, daily):
    one()
"""


@pytest.fixture(scope="module")
def engine(airflow_engine: AirflowEngine) -> AirflowEngine:
    """Return the engine with the DAGs of this module, ready to run, but for the daily one."""
    (airflow_engine.dags / "api.py").write_text(DAGS)
    for dag_id in ("spread", "parent", "child", "writer", "reader", "patient"):
        airflow_engine.api.unpause(dag_id)
    return airflow_engine


def _finish(engine: AirflowEngine, dag_id: str, run_id: str) -> str:
    return engine.api.wait_for_run(dag_id, run_id)["state"]


def _tries(engine: AirflowEngine, dag_id: str, run_id: str) -> list[tuple[str, int, int]]:
    tasks = engine.api.task_instances(dag_id, run_id)
    return [(task["task_id"], task["map_index"], task["try_number"]) for task in tasks]


def test_one_task_of_a_run_is_cleared(engine: AirflowEngine) -> None:
    """Only the task that was named runs again, one map index of it if so asked."""
    engine.api.trigger("spread", "one-cleared")
    _finish(engine, "spread", "one-cleared")
    engine.api.clear("spread", "one-cleared", [("double", 1)])
    state = _finish(engine, "spread", "one-cleared")
    tries = _tries(engine, "spread", "one-cleared")

    assert (state, tries) == ("success", [("double", 0, 1), ("double", 1, 2), ("double", 2, 1), ("say", -1, 1)])


def test_a_whole_run_is_cleared(engine: AirflowEngine) -> None:
    """Every task runs again in the same run, with the same conf."""
    engine.api.trigger("spread", "all-cleared", {"pin": "a"})
    _finish(engine, "spread", "all-cleared")
    engine.api.clear_run("spread", "all-cleared")
    state = _finish(engine, "spread", "all-cleared")
    tries = {number for _, _, number in _tries(engine, "spread", "all-cleared")}

    assert (state, tries) == ("success", {2})
    assert engine.api.xcom("spread", "all-cleared", "say") == {"pin": "a"}


def test_a_deleted_run_is_created_again(engine: AirflowEngine) -> None:
    """The id is free after deleting, and the new run knows nothing of the old one."""
    engine.api.trigger("child", "twice", {"pin": "old"}, note="first")
    _finish(engine, "child", "twice")
    wait_until_heard(engine, "child", "twice", [("say", -1, 1)])
    engine.api.delete_run("child", "twice")
    with pytest.raises(AirflowRefused) as gone:
        engine.api.run("child", "twice")
    again = engine.api.trigger("child", "twice", {"pin": "new"})

    assert gone.value.status == 404
    assert (again["conf"], again["note"]) == ({"pin": "new"}, None)
    assert _finish(engine, "child", "twice") == "success"
    assert _tries(engine, "child", "twice") == [("say", -1, 1)]


def test_a_child_run_is_triggered_by_its_parent(engine: AirflowEngine) -> None:
    """The operator hands down what the parent was given."""
    engine.api.trigger("parent", "p1", {"pin": "a"})
    child = engine.api.wait_for_run("child", "child-of-p1")

    assert (child["state"], child["conf"]) == ("success", {"pin": "a"})


def test_an_asset_starts_a_run(engine: AirflowEngine) -> None:
    """A task's outlet and an event made through REST both start the consumer, which sees what they said."""
    engine.api.trigger("writer", "w1")
    seen = wait_until(lambda: len(engine.api.runs("reader")) == 1, 120.0, pause=0.2)
    engine.api.create_asset_event("rates", {"version": 8})
    seen = seen and wait_until(lambda: len(engine.api.runs("reader")) == 2, 120.0, pause=0.2)
    runs = [engine.api.wait_for_run("reader", run["dag_run_id"]) for run in engine.api.runs("reader")]
    read = [engine.api.xcom("reader", run["dag_run_id"], "read")[0]["version"] for run in runs]

    assert (seen, [run["run_type"] for run in runs], read) == (True, ["asset_triggered"] * 2, [7, 8])
    rates = next(asset["id"] for asset in engine.api.assets() if asset["name"] == "rates")
    assert [event["extra"]["version"] for event in engine.api.asset_events(asset_id=rates)] == [7, 8]


def test_a_task_that_defers_is_resumed(engine: AirflowEngine) -> None:
    """The triggerer takes a waiting task over and gives it back."""
    engine.api.trigger("patient", "p1")
    assert wait_until(
        lambda: "deferred" in [task["state"] for task in engine.api.task_instances("patient", "p1")], 120.0, pause=0.1
    )
    wait_until_heard(engine, "patient", "p1", [("wait", -1, 1)])
    (engine.dags / "api.py.go").touch()

    assert _finish(engine, "patient", "p1") == "success"


def test_a_backfill_makes_one_run_per_day(engine: AirflowEngine) -> None:
    """Each of its runs carries the conf of the backfill."""
    engine.api.wait_for_dag("daily")
    backfill = engine.api.backfill(
        "daily", datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 7, tzinfo=UTC), {"pin": "a"}
    )
    engine.api.unpause("daily")
    runs = engine.api.wait_for_backfill(backfill)
    days = [(run["logical_date"] or "")[:10] for run in runs]

    assert days == ["2026-01-05", "2026-01-06", "2026-01-07"]
    assert [(run["state"], run["conf"]) for run in runs] == [("success", {"pin": "a"})] * 3


def test_logs_and_the_audit_log_can_be_read(engine: AirflowEngine) -> None:
    """What a task printed and who triggered its run are both on record."""
    engine.api.trigger("child", "logged")
    _finish(engine, "child", "logged")
    printed = [record["event"] for record in engine.api.task_log("child", "logged", "say")]
    events = [entry["event"] for entry in engine.api.event_logs(dag_id="child", event="trigger_dag_run")]

    assert "said by logged" in printed
    assert "trigger_dag_run" in events


def test_a_connection_is_stored_and_tested(engine: AirflowEngine, tmp_path: Path) -> None:
    """The test button tells a connection that works from one that does not."""
    good, bad = json.dumps({"path": str(tmp_path)}), json.dumps({"path": str(tmp_path / "absent")})
    stored = engine.api.create_connection("some_folder", "fs", extra=good)
    tested = [engine.api.test_connection("other_folder", "fs", extra=extra)["status"] for extra in (good, bad)]

    assert (stored["connection_id"], tested) == ("some_folder", [True, False])


def test_a_dag_that_cannot_be_imported_is_reported(engine: AirflowEngine) -> None:
    """Waiting for it fails with the reason, and the reason goes away with the file."""
    broken = engine.dags / "broken.py"
    broken.write_text("from airflow.sdk import dag\n\nraise ValueError('no such luck')\n")

    def is_told() -> bool:
        # Of this file: one of another test's may have been read while it was written.
        return any("no such luck" in str(error["stack_trace"]) for error in engine.api.import_errors())

    found = wait_until(is_told, 120.0, pause=0.2)
    with pytest.raises(AirflowTooSlow, match="no such luck"):
        engine.api.wait_for_dag("broken", timeout=0.0)
    broken.unlink()

    assert found
    assert wait_until(lambda: not is_told(), 120.0, pause=0.2)
