"""
What Airflow knows of how a DAG run came to be: a clear, a backfill, an asset.

A DAG declares what its repeated runs use with tags: `config-rerun:latest`, and `config-partial:allow` if some tasks of
a run may use another Snapshot than the rest; `config-backfill:as_of` for its backfills. A backfill's own conf may say
`{"runpin": {"backfill": "as_of"}}` instead. The rules are in `runpin.rerunning`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_runpin.asset_events import ASSET_TRIGGERED
from airflow_provider_runpin.safe_points import declared

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from runpin.ancestry import Ancestry
    from runpin.assembly import Runpin
    from runpin.model import Pin, RunKey
    from runpin.proposing import Proposal
    from runpin.rerunning import Rerun, RerunPolicy

RERUN_PREFIX = "config-rerun:"
PARTIAL_TAG = "config-partial:"
BACKFILL_PREFIX = "config-backfill:"

MOST_SOURCES = 100
"""Runs that are looked up for one that assets started; each costs the ledger a question."""


def rerun_of(context: Context, proposal: Proposal, default: RerunPolicy) -> Rerun:
    """
    Return how the DAG run of *context* came to be.

    Args:
        context: the task's context.
        proposal: what the run carries.
        default: what repeated runs use of DAGs that declare nothing.

    Raises:
        InvalidProposal: a word that the DAG or the backfill declares has no meaning.
    """
    from runpin.rerunning import Event, Rerun, read_backfill, read_parts, read_policy

    dag_run = context["dag_run"]
    date, number = dag_run.logical_date, dag_run.clear_number or 0
    word, dated, parts = (" ".join(declared(context, tag)) for tag in (RERUN_PREFIX, BACKFILL_PREFIX, PARTIAL_TAG))
    event = Event.ASSET if dag_run.run_type == ASSET_TRIGGERED else Event.START
    if number:
        event = Event.CLEAR
    return Rerun(
        event=Event.BACKFILL if proposal.group else event,
        policy=read_policy(word) if word else default,
        backfill=read_backfill(proposal.backfill or dated),
        number=number,
        # What was cleared while the run was under way did not pass the scheduler's listener, and is a part of it.
        whole=number == 0 or proposal.rerun == (number, True),
        partial=read_parts(parts, f"the DAG's tag {PARTIAL_TAG}", f"declare {PARTIAL_TAG}allow"),
        dates=None if date is None else lambda: (date, date),
    )


def ancestry_of(run: RunKey, proposal: Proposal, rerun: Rerun, core: Runpin) -> Ancestry:
    """
    Return whom the run agrees with: its backfill, and what ran under its id before a backfill took its conf away.

    The ledger is not asked here: only a run that has no pin needs to know what ran before.
    """
    from dataclasses import replace
    from functools import partial

    from runpin.ancestry import ALONE, Ancestry
    from runpin.rerunning import BackfillPolicy

    if not proposal.group:
        return ALONE
    group = replace(run, run_id=f"({proposal.group})", incarnation="")
    if rerun.backfill is not BackfillPolicy.ORIGINAL or not rerun.number:
        return Ancestry(group=group)
    return Ancestry(group=group, search=partial(_same_before, run, core))


def _same_before(run: RunKey, core: Runpin) -> Sequence[RunKey]:
    same = core.ledger.pins_of_run(run.run_id, run.job)
    return list({pin.run: None for pin in reversed(same) if pin.run.deployment == run.deployment and pin.run != run})


def links(context: Context, runpin: Runpin | None = None) -> tuple[Pin, ...]:
    """
    Return what the runs use whose assets started this one; it decides for itself, and may use something else.

    Args:
        context: the task's context.
        runpin: the wired core; the process's own by default.

    Raises:
        StoreUnavailable: the ledger does not answer.
    """
    from runpin.assembly import default

    core = runpin or default()
    events = context["dag_run"].consumed_asset_events
    sources = list(dict.fromkeys((each.source_run_id, each.source_dag_id) for each in events if each.source_run_id))
    found = [pin for run_id, dag_id in sources[:MOST_SOURCES] for pin in core.ledger.pins_of_run(run_id, dag_id)]
    newest = {(pin.run, pin.scope): pin for pin in sorted(found, key=lambda pin: pin.epoch)}
    return tuple(pin for pin in newest.values() if pin.run.deployment == core.settings.deployment)
