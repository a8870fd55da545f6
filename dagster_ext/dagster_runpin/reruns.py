"""What Dagster knows of how a run came to be: a re-execution, an automatic retry, a backfill."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import dagster as dg  # noqa: TID253 - only a Dagster instance and its runs lead here

from dagster_runpin import tags
from dagster_runpin.partitions import dates_of, makes_several, partition_keys
from runpin.model import Behavior
from runpin.rerunning import BackfillPolicy, Event, Rerun, RerunPolicy, read_backfill, read_policy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dagster import DagsterInstance, DagsterRun
    from dagster._core.execution.backfill import PartitionBackfill

MOST_LOOKED_AT = 50
"""How many earlier runs, or materialisations, of a partition are looked at to find its original."""


def rerun_of(run: DagsterRun, instance: DagsterInstance, policy: RerunPolicy) -> Rerun:
    """
    Return how *run* came to be.

    Args:
        run: the run.
        instance: knows the runs that it repeats.
        policy: what the deployment wants of repeated runs, where the job says nothing.

    Raises:
        InvalidProposal: a tag of the run says something that cannot be read.
    """
    declared = read_policy(run.tags[tags.RERUN]) if run.tags.get(tags.RERUN) else policy
    backfill = backfill_of(run, instance)
    event = Event.BACKFILL if _dates_again(run, backfill, declared) else _event(run)
    return Rerun(
        event=event,
        policy=declared,
        backfill=backfill,
        # Whatever its backfill repeats, such a run is new: it has no snapshot that another one could join.
        whole=event is Event.BACKFILL or _is_whole(run, instance),
        partial=tags.accepts_parts(run.tags),
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


def _is_whole(run: DagsterRun, instance: DagsterInstance) -> bool:
    """Tell whether *run*, or the backfill that it is one of, repeats all that the first of its group did."""
    if any(tag in run.tags for tag in tags.EARLIER_BACKFILLS) and not _is_of_a_whole_backfill(run, instance):
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


def _is_of_a_whole_backfill(run: DagsterRun, instance: DagsterInstance) -> bool:
    ids = [run.tags.get(tag) for tag in (tags.BACKFILL, tags.FIRST_BACKFILL)]
    again, first = (None if each is None else instance.get_backfill(each) for each in ids)
    if again is None or first is None or again.from_failure:
        return False
    return _target(again) == _target(first)


def _target(backfill: PartitionBackfill) -> object:
    # Dagster copies it when all is repeated, and takes off what succeeded when it repeats what failed.
    if backfill.asset_backfill_data is not None:
        return backfill.asset_backfill_data.target_subset
    return backfill.partition_names, backfill.reexecution_steps, backfill.asset_selection


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
