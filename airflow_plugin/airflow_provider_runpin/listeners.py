"""
Proposes a snapshot when a DAG run starts.

It runs on the scheduler's own thread, inside the transaction that starts the run.
So it does no I/O, looks up no connection and no variable, and whatever happens, it never raises:
the ledger decides a run's pin at its first read, with or without us.
"""

from __future__ import annotations

import logging
import signal
import sys
from contextlib import suppress
from traceback import walk_tb
from typing import TYPE_CHECKING, Any

from airflow.listeners import hookimpl  # noqa: TID253 - only Airflow imports this module

from runpin.errors import InvalidProposal
from runpin.proposing import KEY, Proposal, complete, read_proposal

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun

    from runpin.assembly import Runpin

_log = logging.getLogger("airflow_provider_runpin")

TAG_PREFIX = "config:"
"""A DAG declares an application with the tag `config:<application>`."""

RUNS_BETWEEN_TRIES = 100
"""Runs that start without a try to wire runpin after one has failed: each costs the scheduler milliseconds."""

LONGEST_NOTE = 1000
"""Characters of a note that Airflow's table takes; a longer one fails the transaction of every run that starts."""


class PinningListener:
    """Writes `dag_run.conf["runpin"]` and, unless the user wrote one, the run's note."""

    def __init__(self) -> None:
        self._core: Runpin | None = None
        self._next_try = 0
        self._complained = False

    @hookimpl(tryfirst=True)
    def on_starting(self, component: Any) -> None:
        """Start looking at the channels early, so that the first run of a scheduler has a proposal too."""
        # Airflow calls this before a component's Job knows what it is for, so the command line has to tell.
        # A task of the LocalExecutor is a fork and has the scheduler's command line, but it is no Job.
        # A scheduler that was started in another way begins to look at its first run.
        if sys.argv[1:2] == ["scheduler"] and type(component).__name__ == "Job":
            self._never_raise(self._start)

    @hookimpl(tryfirst=True)
    def on_dag_run_running(self, dag_run: DagRun) -> None:
        """Propose the present snapshots to a run that starts for the first time."""
        self._never_raise(self._propose, dag_run)

    def _start(self) -> None:
        self._next_try = RUNS_BETWEEN_TRIES
        # Imports happen here, before the scheduler forks workers, and not on the thread that watches.
        from runpin.assembly import default

        core = default()
        if core.settings.propose:
            core.watch.start()
        self._core = core

    def _start_again(self) -> None:
        if self._next_try:
            self._next_try -= 1
        else:
            self._start()

    def _propose(self, dag_run: DagRun) -> None:
        if self._core is None:
            self._start_again()
        core = self._core
        if core is None or not core.settings.propose or _started_before(dag_run):
            return
        present = core.watch.present(_declared(dag_run) or core.settings.applications)
        try:
            carried = read_proposal((dag_run.conf or {}).get(KEY), dag_run.run_id)
        except InvalidProposal:
            # The task that reads configuration reports it, where the person who wrote it will look.
            return
        if present or carried.pins:
            self._write(dag_run, complete(carried, dag_run.run_id, present))

    def _write(self, dag_run: DagRun, proposal: Proposal) -> None:
        # Airflow saves conf only when it is assigned anew; a change in place is lost without a word.
        dag_run.conf = {**(dag_run.conf or {}), KEY: proposal.as_json()}
        if not dag_run.note:
            dag_run.note = proposal.label(LONGEST_NOTE)

    def _never_raise(self, step: Any, *arguments: Any) -> None:
        try:
            step(*arguments)
        except BaseException as error:
            # Whatever else it is, even a SystemExit, would end the scheduler or drop the listeners after this one.
            if isinstance(error, KeyboardInterrupt) or _came_by_signal(error):
                raise
            self._complain(error)

    def _complain(self, error: BaseException) -> None:
        if not self._complained:
            self._complained = True
            with suppress(Exception):  # an error that cannot be printed, or a log that cannot be written
                _log.warning("runpin proposes nothing, runs decide at their first read: %s", error)


def _started_before(dag_run: DagRun) -> bool:
    # A run comes by again when it is cleared, or marked as queued by hand, which is not counted as a clear.
    # What it carries, or does not carry, is settled since its first start: its tasks may have decided by it.
    return bool(dag_run.clear_number) or dag_run.last_scheduling_decision is not None


def _declared(dag_run: DagRun) -> list[str]:
    tags = getattr(dag_run.dag, "tags", None) or ()
    return sorted(tag.removeprefix(TAG_PREFIX) for tag in tags if tag.startswith(TAG_PREFIX))


def _came_by_signal(error: BaseException) -> bool:
    """Tell whether a signal handler of the host raised *error*: a scheduler ends by one, wherever it happens to be."""
    handlers = map(signal.getsignal, signal.valid_signals())
    codes = {getattr(getattr(handler, "__func__", handler), "__code__", None) for handler in handlers}
    return any(frame.f_code in codes for frame, _ in walk_tb(error.__traceback__))
