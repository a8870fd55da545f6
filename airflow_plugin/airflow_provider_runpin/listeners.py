"""
Proposes a snapshot when a DAG run starts.

It runs on the scheduler's own thread, inside the transaction that starts the run.
So it does no I/O, looks up no connection and no variable, and whatever happens, it never raises; see `runpin.hosting`.
There are two exceptions, one question to Airflow's database each: when somebody has cleared a run, whether all of its
tasks run again, which no task can find out later; and when assets started it, whether a move of a channel did that
this process has not seen yet.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.listeners import hookimpl  # noqa: TID253 - only Airflow imports this module

from airflow_provider_runpin.asset_events import moves_that_started
from runpin.hosting import Proposer, Shield
from runpin.proposing import KEY, MARKS, begun_at

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun

    from runpin.assembly import Runpin

TAG_PREFIX = "config:"
"""A DAG declares an application with the tag `config:<application>`."""

BACKFILL = "backfill:"
"""How the name of a backfill begins that its runs carry."""

LONGEST_NOTE = 1000
"""Characters of a note that Airflow's table takes; a longer one fails the transaction of every run that starts."""


class PinningListener:
    """Writes `dag_run.conf["runpin"]` and, unless the user wrote one, the run's note."""

    def __init__(self) -> None:
        self._proposer = Proposer(_open)
        self._shield = Shield(logging.getLogger("airflow_provider_runpin"))

    @hookimpl(tryfirst=True)
    def on_starting(self, component: Any) -> None:
        """Start looking at the channels early, so that the first run of a scheduler has a proposal too."""
        # Airflow calls this before a component's Job knows what it is for, so the command line has to tell.
        # A task of the LocalExecutor is a fork and has the scheduler's command line, but it is no Job.
        # A scheduler that was started in another way begins to look at its first run.
        if sys.argv[1:2] == ["scheduler"] and type(component).__name__ == "Job":
            self._shield.call(self._proposer.start)

    @hookimpl(tryfirst=True)
    def on_dag_run_running(self, dag_run: DagRun) -> None:
        """Propose the present snapshots to a run that starts for the first time."""
        self._shield.call(self._propose, dag_run)

    def _propose(self, dag_run: DagRun) -> None:
        carried = (dag_run.conf or {}).get(KEY)
        group = "" if dag_run.backfill_id is None else f"{BACKFILL}{dag_run.backfill_id}"
        # A backfill over a run that exists clears it, and may take its conf away.
        if _started_before(dag_run) and not (group and carried is None):
            self._mark(dag_run, carried, group)
            return
        begun = begun_at(dag_run.start_date)
        declared, told = _declared(dag_run), partial(moves_that_started, dag_run)
        proposal = self._proposer.propose(carried, dag_run.run_id, declared, group, begun, told)
        if proposal is None:
            return
        # Airflow saves conf only when it is assigned anew; a change in place is lost without a word.
        dag_run.conf = {**(dag_run.conf or {}), KEY: proposal.as_json()}
        if not dag_run.note:
            dag_run.note = proposal.label(LONGEST_NOTE)

    def _mark(self, dag_run: DagRun, carried: object, group: str) -> None:
        """Write into a run that begins again whether all of its tasks do, and which backfill it is part of."""
        if not (dag_run.clear_number or group) or not isinstance(carried, Mapping):
            return
        mark: dict[str, object] = {"begun": begun_at(dag_run.start_date)}
        if group:
            mark["group"] = group
        if dag_run.clear_number:
            whole = not _has_finished_tasks(dag_run.dag_id, dag_run.run_id)
            mark["rerun"] = {"number": dag_run.clear_number, "whole": whole}
        rest = {name: value for name, value in carried.items() if name not in MARKS}
        dag_run.conf = {**(dag_run.conf or {}), KEY: {**rest, **mark}}


def _open() -> Runpin:
    # Imports happen here, before the scheduler forks workers, and not on the thread that watches.
    from runpin.assembly import default

    return default()


def _started_before(dag_run: DagRun) -> bool:
    # A run comes by again when it is cleared, or marked as queued by hand, which is not counted as a clear.
    # What it carries, or does not carry, is settled since its first start: its tasks may have decided by it.
    return bool(dag_run.clear_number) or dag_run.last_scheduling_decision is not None


def _has_finished_tasks(dag_id: str, run_id: str) -> bool:
    # None of the cleared tasks has run yet, so whoever is finished was not cleared. A session of its own: whatever
    # happens to it, the scheduler's transaction goes on. A scoped one would be the scheduler's.
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from airflow.utils.state import State

    with create_session(scoped=False) as session:
        finished = session.query(TaskInstance.task_id).filter(
            TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id, TaskInstance.state.in_(State.finished)
        )
        return finished.first() is not None


def _declared(dag_run: DagRun) -> list[str]:
    tags = getattr(dag_run.dag, "tags", None) or ()
    return sorted(tag.removeprefix(TAG_PREFIX) for tag in tags if tag.startswith(TAG_PREFIX))
