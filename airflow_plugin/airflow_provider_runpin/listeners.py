"""
Proposes a snapshot when a DAG run starts.

It runs on the scheduler's own thread, inside the transaction that starts the run.
So it does no I/O, looks up no connection and no variable, and whatever happens, it never raises:
the ledger decides a run's pin at its first read, with or without us.
"""

from __future__ import annotations

import logging
import sys
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


class PinningListener:
    """Writes `dag_run.conf["runpin"]` and, unless the user wrote one, the run's note."""

    def __init__(self) -> None:
        self._core: Runpin | None = None
        self._complained = False

    @hookimpl(tryfirst=True)
    def on_starting(self, component: Any) -> None:
        """Start looking at the channels early, so that the first run of a scheduler has a proposal too."""
        del component
        # Airflow calls this before the component knows what it is, so the command line has to tell.
        # A scheduler that was started in another way begins to look at its first run.
        if sys.argv[1:2] == ["scheduler"]:
            self._never_raise(self._start)

    @hookimpl(tryfirst=True)
    def on_dag_run_running(self, dag_run: DagRun) -> None:
        """Propose the present snapshots to a run that starts for the first time."""
        self._never_raise(self._propose, dag_run)

    def _start(self) -> None:
        # Imports happen here, before the scheduler forks workers, and not on the thread that watches.
        from runpin.assembly import default

        self._core = default()
        if self._core.settings.propose:
            self._core.watch.start()

    def _propose(self, dag_run: DagRun) -> None:
        if self._core is None:
            self._start()
        core = self._core
        # A cleared run comes by again; what it carries, or does not carry, is settled since its first start.
        if core is None or not core.settings.propose or dag_run.clear_number:
            return
        present = core.watch.present(_declared(dag_run) or core.settings.applications)
        try:
            carried = read_proposal((dag_run.conf or {}).get(KEY), dag_run.run_id)
        except InvalidProposal:
            # The task that reads configuration reports it, where the person who wrote it will look.
            return
        if not (present or carried.pins):
            return
        self._write(dag_run, complete(carried, dag_run.run_id, present))

    def _write(self, dag_run: DagRun, proposal: Proposal) -> None:
        # Airflow saves conf only when it is assigned anew; a change in place is lost without a word.
        dag_run.conf = {**(dag_run.conf or {}), KEY: proposal.as_json()}
        if not dag_run.note:
            dag_run.note = " ".join(str(snapshot) for snapshot in proposal.pins.values())

    def _never_raise(self, step: Any, *arguments: Any) -> None:
        try:
            step(*arguments)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - a SystemExit in a listener ends the scheduler
            if not self._complained:
                _log.warning("runpin proposes nothing, runs decide at their first read: %s", error)
            self._complained = True


def _declared(dag_run: DagRun) -> list[str]:
    tags = getattr(dag_run.dag, "tags", None) or ()
    return sorted(tag.removeprefix(TAG_PREFIX) for tag in tags if tag.startswith(TAG_PREFIX))
