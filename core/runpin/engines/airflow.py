"""What a run worked on, asked of Airflow's API server (REST, version 2)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from runpin.engines.server import Server
from runpin.engines.work import Task, Work, Written, text
from runpin.model import RunKey

_PAGE = 100
"""Airflow gives no more at a time, unless its `[api] maximum_page_limit` says otherwise."""

MOST = 10_000
"""Tasks, and events of assets, of one run that are looked at."""

_UNMAPPED = -1


def work_of(server: Server, run: RunKey) -> Work | None:
    """
    Return what *run* worked on; None if Airflow does not know it.

    Raises:
        EngineRefused
    """
    path = f"/api/v2/dags/{quote(run.job, safe='')}/dagRuns/{quote(run.run_id, safe='')}"
    found = server.get(path, missing=run.run_id)
    if found is None or not _same(run, found):
        return None
    tasks, all_tasks = _pages(server, f"{path}/taskInstances", "task_instances", {"order_by": "map_index"})
    source = {"source_dag_id": run.job, "source_run_id": run.run_id, "order_by": "timestamp"}
    events, all_events = _pages(server, "/api/v2/assets/events", "asset_events", source)
    written = tuple(dict.fromkeys(map(_written, events)))
    partitions = (text(found.get("partition_key")), *(each.partition for each in written))
    start, end = text(found.get("data_interval_start")), text(found.get("data_interval_end"))
    return Work(
        state=str(found["state"]),
        tasks=tuple({(task.name, task.map_index): task for task in map(_task, tasks)}.values()),
        written=written,
        partitions=tuple(dict.fromkeys(each for each in partitions if each is not None)),
        logical_date=text(found.get("logical_date")),
        interval=None if start is None or end is None else (start, end),
        complete=all_tasks and all_events,
    )


def _same(run: RunKey, found: Mapping[str, Any]) -> bool:
    """
    Tell whether *found* is *run*, and not another one of that id.

    A run that was deleted may have left its id to one that came later, and two deployments may use the same ids.
    """
    carried = (found.get("conf") or {}).get("runpin")
    if isinstance(carried, Mapping) and carried.get("run") == run.run_id and carried.get("incarnation"):
        return bool(carried["incarnation"] == run.incarnation)
    try:
        return datetime.fromisoformat(run.incarnation) == datetime.fromisoformat(found["run_after"])
    except ValueError:
        return False


def _pages(server: Server, path: str, name: str, query: Mapping[str, object]) -> tuple[list[Any], bool]:
    """Return what is listed at *path*, and whether that is all of it."""
    found: list[Any] = []
    while len(found) < MOST:
        page = server.get(path, {**query, "limit": _PAGE, "offset": len(found)})
        found += page[name]
        if not page[name] or len(found) >= page["total_entries"]:
            return found, True
    return found, False


def _task(found: Mapping[str, Any]) -> Task:
    index = int(found["map_index"])
    mapped = None if index == _UNMAPPED else index
    return Task(str(found["task_id"]), mapped, int(found["try_number"]), text(found["state"]))


def _written(found: Mapping[str, Any]) -> Written:
    # An asset that no DAG names any more has neither; its number is what is left.
    uri = text(found.get("uri"))
    name = text(found.get("name")) or uri or f"asset {found['asset_id']}"
    return Written(name, uri, text(found.get("partition_key")), text(found.get("source_task_id")))
