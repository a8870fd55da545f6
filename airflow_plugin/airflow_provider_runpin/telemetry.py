"""
Says in Airflow's own logs, spans and metrics which Snapshot a run uses.

In a task's process every log line has `config_snapshot`, and every span `config.*`: first what the run carries, then,
from the task's first read on, what was decided. In the scheduler the span of a run that ends has what it carries.
The task that decides for a run that assets have started tells what the runs used that made them, after its own read.
Nothing else here does I/O, and whatever happens, it never raises.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import structlog  # Airflow's own logging
from airflow.listeners import hookimpl  # noqa: TID253 - only Airflow imports this module

from airflow_provider_runpin.reruns import links
from runpin.observing import entered, follow, left, link, seen
from runpin.proposing import KEY, read_proposal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from airflow.models.dagrun import DagRun

    from runpin.model import SnapshotId

_log = logging.getLogger("airflow_provider_runpin.telemetry")

FIELD = "config_snapshot"

_LISTED = 8

_unlinked: dict[tuple[str, str], Any] = {}
"""The context of the task in this process that has not read yet, if assets have started its run."""


class TelemetryListener:
    """Tells the logs and spans of a task, and the span of a run, what the run uses."""

    def __init__(self) -> None:
        follow(_bind)
        follow(_link)

    @hookimpl
    def on_task_instance_running(self, task_instance: Any) -> None:
        """Begin with what the run carries; called in the task's process, before its code."""
        _quietly(_enter, task_instance)

    @hookimpl
    def on_task_instance_success(self, task_instance: Any) -> None:
        """End with the task."""
        _quietly(_leave, task_instance)

    @hookimpl
    def on_task_instance_failed(self, task_instance: Any) -> None:
        """End with the task."""
        _quietly(_leave, task_instance)

    @hookimpl
    def on_task_instance_skipped(self, task_instance: Any) -> None:
        """End with the task."""
        _quietly(_leave, task_instance)

    @hookimpl
    def on_dag_run_success(self, dag_run: DagRun) -> None:
        """Know the run's snapshots when its span is made, which is next."""
        _quietly(_ended, dag_run)

    @hookimpl
    def on_dag_run_failed(self, dag_run: DagRun) -> None:
        """Know the run's snapshots when its span is made, which is next."""
        _quietly(_ended, dag_run)


def _quietly(step: Callable[[Any], None], of: Any) -> None:
    try:
        step(of)
    except Exception:  # noqa: BLE001 - after one listener that raises, Airflow calls no other
        _log.debug("runpin cannot say what a run uses", exc_info=True)


def _enter(task_instance: Any) -> None:
    context = task_instance.get_template_context()
    dag_run = context["dag_run"]
    run = (dag_run.dag_id, dag_run.run_id)
    # Airflow puts what structlog's context holds into every record, those of the logging module as well.
    entered(run, _carried(dag_run), mark=False)
    if dag_run.consumed_asset_events:
        _unlinked[run] = context


def _leave(task_instance: Any) -> None:
    run = (task_instance.dag_id, task_instance.run_id)
    _unlinked.pop(run, None)
    if seen.here() == run:
        structlog.contextvars.unbind_contextvars(FIELD)
        left(run)


def _ended(dag_run: DagRun) -> None:
    seen.saw_proposed((dag_run.dag_id, dag_run.run_id), _carried(dag_run))


def _carried(dag_run: Any) -> Iterable[SnapshotId]:
    return read_proposal((dag_run.conf or {}).get(KEY), dag_run.run_id).pins.values()


def _bind(run: tuple[str, str]) -> None:
    label = seen.label(run)
    if label and seen.here() == run:
        structlog.contextvars.bind_contextvars(**{FIELD: label})


def _link(run: tuple[str, str]) -> None:
    decided, _ = seen.pins(run)
    if not decided or run not in _unlinked:
        return
    context = _unlinked.pop(run, None)
    # What was found on record was told by the process that decided it, however late this one reads.
    if context is not None and seen.claims(run):
        found = links(context)
        link(found)
        listed = [f"{pin.snapshot} by {pin.run.job}/{pin.run.run_id}" for pin in found[:_LISTED]]
        more = [f"{len(found) - _LISTED} more"] if len(found) > _LISTED else []
        if found:
            _log.info("the assets that started this run were made with %s", ", ".join(listed + more))
