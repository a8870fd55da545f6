"""Airflow's real classes in the process of a test, without an engine: runs, contexts and the manager of listeners."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from runpin.assembly import Runpin, default
from runpin.canonical import canonical, snapshot_of
from runpin.model import STABLE, Commit, Scope, SnapshotId, digest_of
from runpin.proposing import KEY

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun

    from airflow_provider_runpin.listeners import PinningListener

COMMIT = Commit("c" * 40, "test", "main", "Ada <ada@example.org>", "change", datetime(2026, 1, 1, tzinfo=UTC))
MONDAY = datetime(2026, 1, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep Airflow, which reads its settings when it is first imported, out of the home folder."""
    home = tmp_path_factory.mktemp("airflow-home")
    (home / "airflow.cfg").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_HOME", str(home))
        patch.setenv("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
        yield


@pytest.fixture
def core(airflow_home: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runpin]:
    """Return this process's core, which finds `payments` and `reports` published for prod."""
    del airflow_home
    for name in [name for name in os.environ if name.startswith("RUNPIN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("RUNPIN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RUNPIN_ENVIRONMENT", "prod")
    default.cache_clear()
    with default() as found:
        publish(found, "payments", 1)
        publish(found, "reports", 1)
        yield found
    default.cache_clear()


def publish(core: Runpin, application: str, number: int) -> SnapshotId:
    """Publish the version *number* of *application*, and move its channel there."""
    scope = Scope(application, core.settings.environment)
    body = canonical({"number": number})
    core.store.put_objects({digest_of(body): body})
    snapshot = core.store.commit(snapshot_of(scope, {"etl": digest_of(body)}), COMMIT, "ada").id
    core.store.move(scope, STABLE, snapshot, expected_revision=number - 1, actor="ada", reason="test")
    return snapshot


@pytest.fixture
def listener(core: Runpin) -> PinningListener:
    """Return a listener that knows where the channels stand."""
    from airflow_provider_runpin.listeners import PinningListener

    core.watch.refresh()
    return PinningListener()


def starting(conf: dict[str, Any] | None = None, *tags: str, run_id: str = "r1") -> DagRun:
    """Return a run as the scheduler hands it to listeners."""
    from airflow.models.dagrun import DagRun

    run = DagRun(dag_id="nightly", run_id=run_id, conf=conf or {}, run_after=MONDAY)
    dag: Any = SimpleNamespace(tags=set(tags or ("config:payments",)))
    run.dag = dag
    return run


def carried_by(run: DagRun) -> dict[str, Any]:
    """Return what runpin finds in a run."""
    found: dict[str, Any] = (run.conf or {}).get(KEY, {})
    return found


def in_task(run: DagRun, task_id: str = "load", try_number: int = 1) -> Any:
    """Return the context of a task of *run*, with the run as the task process gets it from the API server."""
    from airflow.sdk.api.datamodels._generated import DagRun as RunOfTask

    told = RunOfTask.model_validate(
        {
            "dag_id": run.dag_id,
            "run_id": run.run_id,
            "conf": json.loads(json.dumps(run.conf)),
            "run_after": run.run_after,
            "start_date": run.start_date,
            "clear_number": run.clear_number,
            "run_type": "manual",
            "state": "running",
            "consumed_asset_events": [],
            **dict.fromkeys(("logical_date", "data_interval_start", "data_interval_end", "end_date", "partition_key")),
        }
    )
    task = SimpleNamespace(id=f"{run.run_id}/{task_id}", try_number=try_number)
    return {"dag_run": told, "ti": task}


def listening(*listeners: object) -> Any:
    """Return Airflow's manager of listeners, with *listeners* registered in this order."""
    from airflow._shared.listeners.listener import ListenerManager
    from airflow._shared.listeners.spec import lifecycle
    from airflow.listeners.spec import dagrun

    untyped: Any = ListenerManager
    found = untyped()
    found.add_hookspecs(lifecycle)
    found.add_hookspecs(dagrun)
    for listener in listeners:
        found.add_listener(listener)
    return found
