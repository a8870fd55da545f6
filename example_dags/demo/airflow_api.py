"""
A small client of Airflow's REST interface: what a demonstration or a test asks an engine, and nothing more.

Answers are the JSON that Airflow sends; the typed dictionaries name the fields that are worth reading.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Any, TypedDict, cast

from demo.airflow_rest import AirflowRefused, AirflowRest, Json

FINISHED = frozenset({"success", "failed"})
"""The states in which a run stays until somebody clears it."""


class Run(TypedDict):
    """A DAG run; times are ISO 8601 strings."""

    dag_id: str
    dag_run_id: str
    run_type: str
    state: str
    conf: Json | None
    note: str | None
    logical_date: str | None
    queued_at: str | None
    start_date: str | None
    end_date: str | None
    triggered_by: str | None


class TaskInstance(TypedDict):
    """One try of one task; `map_index` is -1 unless it is mapped."""

    dag_id: str
    dag_run_id: str
    task_id: str
    map_index: int
    try_number: int
    state: str | None
    scheduled_when: str | None
    queued_when: str | None
    start_date: str | None
    end_date: str | None
    note: str | None


class AirflowApi(AirflowRest):
    """
    What one may ask an engine: its DAGs, runs, tasks, backfills, assets, connections and audit log.

    Every method raises `AirflowRefused` when Airflow says no; those that wait raise `AirflowTooSlow` after *timeout*
    seconds.
    """

    def health(self) -> dict[str, dict[str, str | None]]:
        """Return the state of each component and its last heartbeat; works without a token."""
        return cast(dict[str, dict[str, str | None]], self.send("GET", "/api/v2/monitor/health"))

    # DAGs

    def dags(self) -> list[Json]:
        """Return every DAG that Airflow knows and whose file is still there."""
        return self.pages("/dags", "dags")

    def import_errors(self) -> list[Json]:
        """Return the DAG files that could not be imported, with their `stack_trace`."""
        return self.pages("/importErrors", "import_errors")

    def wait_for_dag(self, dag_id: str, timeout: float = 60.0) -> Json:
        """Return the DAG *dag_id* once its file is parsed; when it never is, the error holds every import error."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                return cast(Json, self.call("GET", f"/dags/{dag_id}"))
            except AirflowRefused as refusal:
                if refusal.status != HTTPStatus.NOT_FOUND:
                    raise
            # A file may be read while it is being written, so the first import error proves nothing.
            self.pause(deadline, lambda: f"no DAG {dag_id}; import errors: {self.import_errors()}")

    def patch_dag(self, dag_id: str, *, paused: bool) -> Json:
        """Pause or unpause *dag_id* and return it."""
        return cast(Json, self.call("PATCH", f"/dags/{dag_id}", {"is_paused": paused}))

    def unpause(self, dag_id: str, timeout: float = 60.0) -> Json:
        """Wait until *dag_id* is there, let its runs start, and return it."""
        self.wait_for_dag(dag_id, timeout)
        return self.patch_dag(dag_id, paused=False)

    # Runs

    def trigger(
        self,
        dag_id: str,
        run_id: str | None = None,
        conf: Mapping[str, Any] | None = None,
        *,
        logical_date: datetime | None = None,
        note: str | None = None,
    ) -> Run:
        """Create a manual run and return it; Airflow makes up a *run_id* when there is none."""
        body = {
            "dag_run_id": run_id,
            "conf": dict(conf or {}),
            "logical_date": logical_date.isoformat() if logical_date else None,
            "note": note,
        }
        return cast(Run, self.call("POST", f"/dags/{dag_id}/dagRuns", body))

    def run(self, dag_id: str, run_id: str) -> Run:
        """Return one run."""
        return cast(Run, self.call("GET", f"/dags/{dag_id}/dagRuns/{run_id}"))

    def runs(self, dag_id: str = "~", *, conf_contains: str | None = None, **query: object) -> list[Run]:
        """Return the runs of *dag_id*, or of every DAG, oldest first; *query* holds more filters of Airflow's."""
        filters = {"order_by": "id", "conf_contains": conf_contains, **query}
        return cast(list[Run], self.pages(f"/dags/{dag_id}/dagRuns", "dag_runs", **filters))

    def wait_for_run(self, dag_id: str, run_id: str, states: Collection[str] = FINISHED, timeout: float = 120.0) -> Run:
        """Return the run once it exists and is in one of *states*; by default once it has finished."""
        deadline = time.monotonic() + timeout
        while not (found := self._run_if_any(dag_id, run_id)) or found["state"] not in states:
            self.pause(deadline, partial(self._progress, dag_id, run_id, found))
        return found

    def delete_run(self, dag_id: str, run_id: str) -> None:
        """
        Delete a run with its task instances.

        Its id can be used again once the scheduler has heard how its tasks' processes ended, a moment after the run
        shows it; a run of the same id that is queued before is taken for the old one, killed, and fails.
        """
        self.call("DELETE", f"/dags/{dag_id}/dagRuns/{run_id}")

    def clear_run(self, dag_id: str, run_id: str, *, only_failed: bool = False) -> Run:
        """Let every task of a run, or those that failed, run again, and return the run."""
        body = {"dry_run": False, "only_failed": only_failed}
        return cast(Run, self.call("POST", f"/dags/{dag_id}/dagRuns/{run_id}/clear", body))

    def clear(
        self, dag_id: str, run_id: str, task_ids: Sequence[str | tuple[str, int]], *, downstream: bool = False
    ) -> list[TaskInstance]:
        """Let some tasks of a run, or single ones of a mapped task, run again, and return their instances."""
        body = {
            "dry_run": False,
            "only_failed": False,
            "dag_run_id": run_id,
            "task_ids": list(task_ids),
            "include_downstream": downstream,
        }
        answer = self.call("POST", f"/dags/{dag_id}/clearTaskInstances", body)
        return cast(list[TaskInstance], answer["task_instances"])

    # Tasks

    def task_instances(self, dag_id: str, run_id: str, task_id: str | None = None) -> list[TaskInstance]:
        """Return the latest try of each task of a run, or of *task_id*, one for each map index."""
        found = self.pages(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances", "task_instances")
        chosen = [task for task in found if task_id in {None, task["task_id"]}]
        return cast(list[TaskInstance], sorted(chosen, key=lambda task: (task["task_id"], task["map_index"])))

    def tries(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> list[TaskInstance]:
        """Return every try of one task of a run, first try first."""
        index = "" if map_index < 0 else f"/{map_index}"
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}{index}/tries"
        found = cast(list[TaskInstance], self.call("GET", path)["task_instances"])
        return sorted(found, key=lambda task: task["try_number"])

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """Return the value that a task left under *key*."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/{key}"
        return self.call("GET", path, map_index=map_index, deserialize=True)["value"]

    def task_log(self, dag_id: str, run_id: str, task_id: str, try_number: int = 1, map_index: int = -1) -> list[Json]:
        """Return the records that one try of a task logged; `event` holds the message."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{try_number}"
        return cast(list[Json], self.call("GET", path, map_index=map_index, full_content=True)["content"])

    # Backfills, assets, connections, audit log

    def backfill(
        self,
        dag_id: str,
        first: datetime,
        last: datetime,
        conf: Mapping[str, Any] | None = None,
        *,
        max_active_runs: int = 10,
        timeout: float = 180.0,
    ) -> int:
        """
        Create runs for every logical date from *first* to *last* and return the id of the backfill.

        On SQLite Airflow gives up, and says so, when anybody else writes meanwhile; it is then asked again.
        It also deletes the runs that it has made so far, which ends a scheduler that has already seen them, so the
        DAG is paused meanwhile.
        """
        body = {
            "dag_id": dag_id,
            "from_date": first.isoformat(),
            "to_date": last.isoformat(),
            "dag_run_conf": dict(conf or {}),
            "max_active_runs": max_active_runs,
        }
        paused = self.wait_for_dag(dag_id)["is_paused"]
        self.patch_dag(dag_id, paused=True)
        try:
            return self._create_backfill(body, time.monotonic() + timeout)
        finally:
            self.patch_dag(dag_id, paused=paused)

    def wait_for_backfill(self, backfill_id: int, timeout: float = 180.0) -> list[Run]:
        """
        Return the runs of a backfill, oldest first, once all have finished.

        Airflow itself looks only every 30 s whether a backfill is complete, and refuses another one of the same DAG
        until then.
        """
        deadline = time.monotonic() + timeout
        asked = self.call("GET", f"/backfills/{backfill_id}")
        days = {"logical_date_gte": asked["from_date"], "logical_date_lte": asked["to_date"]}
        while True:
            runs = self.runs(asked["dag_id"], run_type="backfill", **days)
            if runs and FINISHED.issuperset(run["state"] for run in runs):
                return runs
            self.pause(deadline, partial("backfill {} is not complete".format, backfill_id))

    def assets(self) -> list[Json]:
        """Return every asset, with its `id`, `name`, `uri` and watchers."""
        return self.pages("/assets", "assets")

    def asset_events(self, **query: object) -> list[Json]:
        """Return what happened to assets, oldest first, with its `extra` and the runs it created."""
        return self.pages("/assets/events", "asset_events", order_by="timestamp", **query)

    def create_asset_event(self, name: str, extra: Mapping[str, Any] | None = None) -> Json:
        """Say that the asset *name* changed, as a task that writes it would."""
        known = {asset["name"]: asset["id"] for asset in self.assets()}
        return cast(Json, self.call("POST", "/assets/events", {"asset_id": known[name], "extra": dict(extra or {})}))

    def create_connection(self, connection_id: str, conn_type: str, **fields: object) -> Json:
        """Store a connection; *fields* are Airflow's: `host`, `login`, `extra` as a JSON string, and so on."""
        body = {"connection_id": connection_id, "conn_type": conn_type, **fields}
        return cast(Json, self.call("POST", "/connections", body))

    def test_connection(self, connection_id: str, conn_type: str, **fields: object) -> Json:
        """Press the test button of a connection's form and return its `status` and `message`."""
        body = {"connection_id": connection_id, "conn_type": conn_type, **fields}
        return cast(Json, self.call("POST", "/connections/test", body))

    def event_logs(self, **query: object) -> list[Json]:
        """Return the audit log, oldest first; *query* may name `dag_id`, `run_id`, `event`, `event_pattern`."""
        return self.pages("/eventLogs", "event_logs", order_by="event_log_id", **query)

    def _create_backfill(self, body: Json, deadline: float) -> int:
        while True:
            try:
                return int(self.call("POST", "/backfills", body)["id"])
            except AirflowRefused as refusal:
                if refusal.status != HTTPStatus.SERVICE_UNAVAILABLE:
                    raise
                self.pause(deadline, partial(str, refusal))

    def _run_if_any(self, dag_id: str, run_id: str) -> Run | None:
        try:
            return self.run(dag_id, run_id)
        except AirflowRefused as refusal:
            if refusal.status != HTTPStatus.NOT_FOUND:
                raise
            return None

    def _progress(self, dag_id: str, run_id: str, run: Run | None) -> str:
        if run is None:
            return f"no run {run_id} of {dag_id}"
        tasks = self.task_instances(dag_id, run_id)
        states = [(task["task_id"], task["map_index"], task["try_number"], task["state"]) for task in tasks]
        return f"run {run_id} of {dag_id} is {run['state']}; its tasks: {states}"
