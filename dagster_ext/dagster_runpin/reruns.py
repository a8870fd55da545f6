"""What Dagster knows of how a run came to be: a re-execution, an automatic retry, a backfill."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import dagster as dg  # noqa: TID253 - only a Dagster instance and its runs lead here

from dagster_runpin import tags
from dagster_runpin.backfills import RepeatedBackfills
from dagster_runpin.partitions import dates_of, makes_several, partition_keys
from runpin.model import Behavior
from runpin.rerunning import BackfillPolicy, Event, Rerun, RerunPolicy, read_backfill, read_policy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dagster import DagsterInstance, DagsterRun

MOST_LOOKED_AT = 50
"""How many earlier runs, or materialisations, of a partition are looked at to find its original."""


def rerun_of(
    run: DagsterRun, instance: DagsterInstance, policy: RerunPolicy, backfills: RepeatedBackfills | None = None
) -> Rerun:
    """
    Return how *run* came to be.

    Args:
        run: the run.
        instance: knows the runs that it repeats.
        policy: what the deployment wants of repeated runs, where the job says nothing.
        backfills: knows what other runs of the same backfill were told.

    Raises:
        InvalidProposal: a tag of the run says something that cannot be read.
    """
    declared = read_policy(run.tags[tags.RERUN]) if run.tags.get(tags.RERUN) else policy
    backfill = backfill_of(run, instance)
    event = Event.BACKFILL if _dates_again(run, backfill, declared) else _event(run)
    in_parts = tags.accepts_parts(run.tags)
    return Rerun(
        event=event,
        policy=declared,
        backfill=backfill,
        # Where the answer changes nothing, nobody is asked: it takes reads that the daemon waits for.
        whole=in_parts or not _may_move(event, declared) or _is_whole(run, instance, backfills or RepeatedBackfills()),
        partial=in_parts,
        dates=partial(dates_of, run),
    )


def backfill_of(run: DagsterRun, instance: DagsterInstance) -> BackfillPolicy:
    """
    Return what the backfill of *run* wants, or that of a run that it repeats; jobs may declare it for all of theirs.

    A run that makes several partitions has no one original, so its snapshot has to be named.

    Raises:
        InvalidProposal
    """
    policy = read_backfill(run.tags.get(tags.BACKFILL_POLICY, ""))
    if policy is BackfillPolicy.ORIGINAL and makes_several(run):
        # Each of its partitions has an original, and one run has one snapshot: a person has to choose.
        policy = BackfillPolicy.NAMED
    if policy is BackfillPolicy.LATEST or tags.BACKFILL in run.tags:
        return policy
    # Dagster takes the backfill's own tags off a run that is repeated when the backfill is over.
    before = (instance.get_run_by_id(each) for each in (run.parent_run_id, run.root_run_id) if each is not None)
    return policy if any(each and tags.BACKFILL in each.tags for each in before) else BackfillPolicy.LATEST


def original_of(run: DagsterRun, instance: DagsterInstance) -> DagsterRun | None:
    """
    Return the newest run that made the partition of *run* before its backfill; None if there is none.

    That is a successful run of the same job, or, of assets, the one that last materialised the first of them that
    has been.
    """
    keys = partition_keys(run)
    if keys is None or makes_several(run):
        return None
    partition, _ = keys
    found = _runs_of_assets(run, partition, instance) if run.asset_selection else _runs_of_job(run, partition, instance)
    backfills = {run.tags[tag] for tag in (tags.BACKFILL, *tags.EARLIER_BACKFILLS) if tag in run.tags}
    for earlier in found:
        if earlier.run_id != run.run_id and earlier.tags.get(tags.BACKFILL) not in backfills:
            return earlier
    return None


def _event(run: DagsterRun) -> Event:
    if run.parent_run_id is not None:
        return Event.RUN_RETRY if tags.RETRY_NUMBER in run.tags else Event.REEXECUTE
    # One that starts and follows others is named by the core: it repeats them, or is the child of another.
    return Event.BACKFILL if tags.BACKFILL in run.tags and not _repeats_a_backfill(run) else Event.START


def _may_move(event: Event, policy: RerunPolicy) -> bool:
    """Tell whether a run to which *event* happens may get something else than what it repeats, if it repeats all."""
    # Whatever its backfill repeats, a run of one is new: it has no snapshot that another one could join.
    if event is Event.BACKFILL:
        return False
    # One that the engine repeats by itself moves under every policy when its snapshot is barred.
    return event is Event.RUN_RETRY or policy is RerunPolicy.LATEST


def _dates_again(run: DagsterRun, backfill: BackfillPolicy, policy: RerunPolicy) -> bool:
    """Tell whether *run* repeats one that went by its date: it gets the same by itself, though the other never read."""
    if run.parent_run_id is None or backfill is not BackfillPolicy.AS_OF:
        return False
    # Then the parent may use something else than its date says, and that counts.
    if run.tags.get(tags.OVERRIDE) or run.tags.get(tags.BEHAVIOR, Behavior.PINNED) != Behavior.PINNED:
        return False
    return policy is RerunPolicy.KEEP or tags.RETRY_NUMBER in run.tags


def _repeats_a_backfill(run: DagsterRun) -> bool:
    policy = read_backfill(run.tags.get(tags.BACKFILL_POLICY, ""))
    return policy is BackfillPolicy.LATEST and any(tag in run.tags for tag in tags.EARLIER_BACKFILLS)


def _is_whole(run: DagsterRun, instance: DagsterInstance, backfills: RepeatedBackfills) -> bool:
    """Tell whether *run*, or the backfill that it is one of, repeats all that the first of its group did."""
    if any(tag in run.tags for tag in tags.EARLIER_BACKFILLS) and not backfills.is_all(run, instance):
        return False
    if run.parent_run_id is None:
        return True
    first = instance.get_run_by_id(run.root_run_id or run.parent_run_id)
    if first is None:
        return run.step_keys_to_execute is None and run.asset_selection is None and run.op_selection is None
    return (
        _covers(run.asset_selection, first.asset_selection)
        and _covers(run.asset_check_selection, first.asset_check_selection)
        and _covers(run.resolved_op_selection, first.resolved_op_selection)
        and (run.step_keys_to_execute is None or _covers(run.step_keys_to_execute, _steps_of(first, instance)))
    )


def _covers(selected: Iterable[Any] | None, wanted: Iterable[Any] | None) -> bool:
    # None is everything there is.
    return selected is None or (wanted is not None and set(selected) >= set(wanted))


def _steps_of(run: DagsterRun, instance: DagsterInstance) -> Sequence[str] | None:
    if run.step_keys_to_execute is not None or run.execution_plan_snapshot_id is None:
        return run.step_keys_to_execute
    plan = instance.get_execution_plan_snapshot(run.execution_plan_snapshot_id)
    keys: Sequence[str] = plan.step_keys_to_execute
    return keys


def _runs_of_job(run: DagsterRun, partition: str, instance: DagsterInstance) -> Iterator[DagsterRun]:
    wanted = dg.RunsFilter(
        job_name=run.job_name, statuses=[dg.DagsterRunStatus.SUCCESS], tags={tags.PARTITION: partition}
    )
    yield from instance.get_runs(wanted, limit=MOST_LOOKED_AT)


def _runs_of_assets(run: DagsterRun, partition: str, instance: DagsterInstance) -> Iterator[DagsterRun]:
    for key in sorted(run.asset_selection or ()):
        wanted = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[partition])
        for record in instance.fetch_materializations(wanted, limit=MOST_LOOKED_AT).records:
            made = instance.get_run_by_id(record.run_id)
            if made is not None:
                yield made
