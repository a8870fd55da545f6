"""
The run coordinator: proposes a snapshot when a run is submitted, so that its tag is there before its first step.

It works in the web server and in the daemon, where an error would fail the run or stop the queue.
So it asks an in-memory view of the channels, and whatever happens, it never raises; see `runpin.hosting`.
"""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import dagster as dg  # noqa: TID253 - only a Dagster instance imports this module

from dagster_runpin import tags
from dagster_runpin.backfills import RepeatedBackfills
from dagster_runpin.reruns import original_of, rerun_of
from runpin.assembly import Runpin
from runpin.errors import InvalidProposal, RunpinError
from runpin.hosting import Proposer, Shield
from runpin.model import SnapshotId
from runpin.proposing import Proposal, choose, read_proposal
from runpin.rerunning import BackfillPolicy, Event, RerunPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dagster import DagsterRun, SubmitRunContext

    from runpin.rerunning import Rerun

PATIENCE = 1.0
"""Seconds that a process waits, once, for its first look at the channels."""

_SETTINGS = (
    *("environment", "tenant", "channel", "deployment", "applications"),
    *("store", "ledger", "store_connection_string"),
)


class PinningRunCoordinator(dg.QueuedRunCoordinator[dg.DagsterInstance]):
    """
    Dagster's queue, with a proposal for every run that enters it.

    In `dagster.yaml`:

        run_coordinator:
          module: dagster_runpin
          class: PinningRunCoordinator
          config:
            runpin: {environment: prod, applications: payments}   # what is left out comes from RUNPIN_*
            max_concurrent_runs: 25                               # and all that QueuedRunCoordinator takes

    The package has to be installed where the web server, the daemon and the code locations run.
    """

    def __init__(self, runpin: Mapping[str, Any] | None = None, **queue: Any) -> None:
        super().__init__(**queue)
        self._settings = dict(runpin or {})
        self._core: Runpin | None = None
        self._proposer = Proposer(self._open)
        self._backfills = RepeatedBackfills()
        self._shield = Shield(logging.getLogger("dagster_runpin"))
        self._shield.call(self._proposer.start, PATIENCE)

    @classmethod
    def config_type(cls) -> Any:
        """Return the fields of Dagster's own queue, and ours."""
        fields = {name: dg.Field(dg.StringSource, is_required=False) for name in _SETTINGS}
        own = dg.Field(fields, is_required=False, description="settings of runpin, RUNPIN_* by default")
        queue: Any = super().config_type()
        return {**queue, "runpin": own}

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Mapping[str, Any]) -> Self:
        """Build the coordinator that `dagster.yaml` describes."""
        return cls(inst_data=inst_data, **config_value)

    def submit_run(self, context: SubmitRunContext) -> DagsterRun:
        """Propose to the run, and put it into the queue."""
        self._shield.call(self._propose, context.dagster_run)
        return super().submit_run(context)

    def dispose(self) -> None:
        """End the thread that looks at the channels."""
        if self._core is not None:
            self._shield.call(self._core.close)
        super().dispose()

    def _open(self) -> Runpin:
        self._core = Runpin.open(**self._settings)
        return self._core

    def _propose(self, run: DagsterRun) -> None:
        if run.status is not dg.DagsterRunStatus.NOT_STARTED:
            return
        proposal = self._proposer.propose(run.tags.get(tags.CARRIED), run.run_id, tags.declared(run.tags))
        chosen = _chosen(run.tags.get(tags.OVERRIDE, ""))
        if proposal is None or chosen is None:
            return
        policy = self._core.settings.rerun if self._core else RerunPolicy.KEEP
        rerun = rerun_of(run, self._instance, policy, self._backfills)
        kin = self._kin(run, rerun)
        if kin is not None:
            proposal = replace(proposal, pins={**proposal.pins, **_proposed_to(kin, proposal)})
        expected = {} if _is_dated(rerun) else {**proposal.pins, **_shown_by(kin, proposal)}
        shown = {**expected, **chosen.pins}
        written = {tags.label(name): str(snapshot) for name, snapshot in shown.items()}
        carried = json.dumps(proposal.as_json(), sort_keys=True)
        self._instance.add_run_tags(run.run_id, {**written, tags.CARRIED: carried})

    def _kin(self, run: DagsterRun, rerun: Rerun) -> DagsterRun | None:
        """Return a run that *run* will agree with, so that it shows the same from the start."""
        anew = _goes_anew(rerun)
        if run.parent_run_id is not None and not anew:
            return self._instance.get_run_by_id(run.parent_run_id)
        if rerun.backfill is BackfillPolicy.ORIGINAL and (original := original_of(run, self._instance)):
            return original
        groups = (tags.BACKFILL,) if anew else (*tags.EARLIER_BACKFILLS, tags.BACKFILL)
        for tag in groups:
            if tag in run.tags:
                same = dg.RunsFilter(tags={tags.BACKFILL: run.tags[tag]})
                for first in self._instance.get_runs(same, limit=1, ascending=True):
                    return first if first.run_id != run.run_id else None
        return None


def _goes_anew(rerun: Rerun) -> bool:
    """Tell whether the run will get what new runs get, although it, or its backfill, may repeat another."""
    asked = rerun.event in {Event.START, Event.REEXECUTE}
    return asked and rerun.policy is RerunPolicy.LATEST and (rerun.whole or rerun.partial)


def _is_dated(rerun: Rerun) -> bool:
    """Tell whether only the channel's history knows what the run will use, which no queue can wait for."""
    return rerun.event is Event.BACKFILL and rerun.backfill is BackfillPolicy.AS_OF


def _chosen(text: str) -> Proposal | None:
    try:
        return choose(Proposal(), text)
    except InvalidProposal:
        # The step that reads configuration reports it, where the person who wrote it will look.
        return None


def _proposed_to(kin: DagsterRun, proposal: Proposal) -> dict[str, SnapshotId]:
    """Return what was proposed to *kin* of the applications in *proposal*, where runpin wrote it."""
    try:
        theirs = read_proposal(kin.tags.get(tags.CARRIED), kin.run_id).pins
    except InvalidProposal:
        return {}
    return {name: theirs[name] for name in proposal.pins if name in theirs}


def _shown_by(kin: DagsterRun | None, proposal: Proposal) -> dict[str, SnapshotId]:
    """Return what *kin* shows of the applications in *proposal*: it may have been told, or have switched."""
    found: dict[str, SnapshotId] = {}
    if kin is None:
        return found
    for name in proposal.pins:
        with suppress(RunpinError):
            shown = SnapshotId.parse(kin.tags.get(tags.label(name), ""))
            if shown.application == name:
                found[name] = shown
    return found
